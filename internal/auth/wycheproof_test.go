package auth

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/c2sp/wycheproof"
	"github.com/go-jose/go-jose/v4"

	"roster/internal/directory"
)

// wycheproofGroup is what Wycheproof has about one key or set of keys.
type wycheproofGroup struct {
	Comment         string
	Public, Private json.RawMessage
	Tests           []struct {
		TcID     int
		Comment  string
		JWS, JWE json.RawMessage
		Result   string
	}
}

func wycheproofGroups(t *testing.T, file string) []wycheproofGroup {
	t.Helper()
	text, err := fs.ReadFile(wycheproof.TestVectors, file)
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct{ TestGroups []wycheproofGroup }
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	return vectors.TestGroups
}

// jwkFields are those of a JWK that say what it is for.
type jwkFields struct{ Kty, Alg, K string }

// wycheproofKey is the group's key as that of an app, nil when no app can have it.
func wycheproofKey(g wycheproofGroup) (directory.Algorithm, []byte) {
	var key jwkFields
	raw := g.Private
	if g.Public != nil {
		raw = g.Public
	}
	if json.Unmarshal(raw, &key) != nil || !slices.Contains(directory.Algorithms(), directory.Algorithm(key.Alg)) {
		return "", nil
	}
	a := directory.Algorithm(key.Alg)
	if a.PublicKey() {
		der, err := ParsePublicKey(raw)
		if err != nil {
			return "", nil
		}
		return a, der
	}
	secret, err := base64.RawURLEncoding.DecodeString(key.K)
	if err != nil || len(secret) < minSecret {
		return "", nil
	}
	return a, secret
}

// Signatures that Wycheproof calls valid are found right, and no others. The
// payloads are no claims, so it looks at the signature alone.
func TestWycheproofSignatures(t *testing.T) {
	t.Parallel()
	counts := map[string]int{}
	for _, file := range []string{"json_web_signature_test.json", "json_web_crypto_test.json"} {
		for _, g := range wycheproofGroups(t, file) {
			a, material := wycheproofKey(g)
			if material == nil {
				continue
			}
			for _, test := range g.Tests {
				var compact string
				if json.Unmarshal(test.JWS, &compact) != nil {
					compact = string(test.JWS)
				}
				valid := test.Result == "valid"
				if wycheproofDiffers[file+test.Comment] {
					valid = !valid
				}
				if right := rightlySigned(compact, a, material); right != valid {
					t.Errorf("%s %d %s (%s): found right: %v, Wycheproof says %s\n%s", file, test.TcID, test.Comment, a, right, test.Result, compact)
				}
				counts[test.Result]++
			}
		}
	}
	if counts["valid"] < 10 || counts["invalid"] < 200 {
		t.Errorf("tried %v", counts)
	}
}

// wycheproofDiffers are the vectors that are seen otherwise here.
var wycheproofDiffers = map[string]bool{
	// These two have lost their padding: the text is that of a valid vector.
	"json_web_signature_test.jsoninvalidBase64Padding":          true,
	"json_web_signature_test.jsoninvalidBase64PaddingInPayload": true,
	// Characters that are not of base64url are not skipped (RFC 7515, section 2).
	"json_web_signature_test.jsonInvalidCharacterInsertedInHeader":  true,
	"json_web_signature_test.jsonInvalidCharacterInsertedInPayload": true,
	// Keys that broken hardware has made are not looked for.
	"json_web_crypto_test.jsonrejectsKeyWithRocaVulnerability": true,
}

func rightlySigned(compact string, a directory.Algorithm, material []byte) bool {
	signed, _, err := readSigned(compact)
	if err != nil || signed == nil {
		return false
	}
	_, _, refusal := Token{signed: signed}.signedBy(directory.App{Algorithm: a}, []AppKey{{ID: 1, Material: material}})
	return refusal == nil
}

// Texts encrypted to an RSA key of Wycheproof's open when it says so, and are
// what they should be.
func TestWycheproofEncryption(t *testing.T) {
	t.Parallel()
	counts := map[string]int{}
	for _, g := range wycheproofGroups(t, "json_web_encryption_test.json") {
		var jwk jose.JSONWebKey
		if json.Unmarshal(g.Private, &jwk) != nil {
			continue
		}
		key, ok := jwk.Key.(*rsa.PrivateKey)
		if !ok {
			continue
		}
		find := func(string) (*PlatformKey, error) { return &PlatformKey{private: key}, nil }
		for _, test := range g.Tests {
			var compact string
			if err := json.Unmarshal(test.JWE, &compact); err != nil {
				t.Fatal(err)
			}
			plain, err := decrypt(compact, find)
			var refusal *Refusal
			if err != nil && !errors.As(err, &refusal) {
				t.Errorf("%d %s: %v", test.TcID, test.Comment, err)
			}
			want := test.Result == "valid" && supported(compact)
			if (err == nil) != want {
				t.Errorf("%d %s (%s): %q, %v; Wycheproof says %s\n%s", test.TcID, test.Comment, g.Comment, plain, err, test.Result, compact)
			}
			counts[test.Result]++
		}
	}
	if counts["valid"] < 10 || counts["invalid"] < 10 {
		t.Errorf("tried %v", counts)
	}
}

// supported says whether the algorithms of a JWE are among those of the contract.
func supported(compact string) bool {
	head, _, _ := strings.Cut(compact, ".")
	raw, err := base64.RawURLEncoding.DecodeString(head)
	var h struct{ Alg, Enc string }
	return err == nil && json.Unmarshal(raw, &h) == nil &&
		slices.Contains([]string{"RSA-OAEP", "RSA-OAEP-256"}, h.Alg) && slices.Contains([]string{"A128CBC-HS256", "A128GCM", "A256GCM"}, h.Enc)
}

// Of Wycheproof's keys an app can have those that are RSA keys for signatures,
// large enough, and public.
func TestWycheproofKeys(t *testing.T) {
	t.Parallel()
	taken, refused := 0, 0
	for _, file := range []string{"json_web_key_test.json", "json_web_signature_test.json", "json_web_encryption_test.json"} {
		for _, g := range wycheproofGroups(t, file) {
			for _, raw := range keysOf(g.Private) {
				if _, err := ParsePublicKey(raw); !errors.Is(err, directory.ErrInvalid) {
					t.Errorf("%s %s: the private key is taken: %v", file, g.Comment, err)
				}
			}
			for _, raw := range keysOf(g.Public) {
				_, err := ParsePublicKey(raw)
				if err != nil && !errors.Is(err, directory.ErrInvalid) {
					t.Errorf("%s %s: %v", file, g.Comment, err)
				}
				// ROCA keys are made by broken hardware; nothing here looks for them.
				if want := usableKey(raw) && g.Comment != "exponentOne"; (err == nil) != want {
					t.Errorf("%s %s: %v\n%s", file, g.Comment, err, raw)
				}
				if err == nil {
					taken++
				} else {
					refused++
				}
			}
		}
	}
	if taken < 5 || refused < 15 {
		t.Errorf("%d keys taken, %d refused", taken, refused)
	}
}

// keysOf are the keys of a set, or the key itself.
func keysOf(raw json.RawMessage) []json.RawMessage {
	if raw == nil {
		return nil
	}
	var set struct{ Keys []json.RawMessage }
	if json.Unmarshal(raw, &set) == nil && set.Keys != nil {
		return set.Keys
	}
	return []json.RawMessage{raw}
}

// usableKey says by the text of a JWK alone whether an app may have it.
func usableKey(raw json.RawMessage) bool {
	var key struct {
		Kty, Alg, Use, N, Y string
		KeyOps              []string `json:"key_ops"` //nolint:tagliatelle // RFC 7517 spells it so
	}
	if json.Unmarshal(raw, &key) != nil {
		return false
	}
	return key.Kty == "RSA" && key.Y == "" && len(key.N) >= 342 && key.Use != "enc" &&
		slices.Contains([]string{"", "RS256", "RS512"}, key.Alg) && !slices.Contains(key.KeyOps, "encrypt")
}
