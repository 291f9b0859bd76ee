package auth

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwe"

	"roster/internal/directory"
)

// FuzzTokenOfAStranger holds that no text is a token unless the secret signed
// it, as computed here once more by hand.
func FuzzTokenOfAStranger(f *testing.F) {
	whole := hs256(f, jwt.MapClaims{"appId": "cs-1", "exp": testNow.Unix() + 60})
	cut := strings.LastIndex(whole, ".")
	for _, seed := range []string{
		"", "..", "a.b.c", whole, whole[:cut], whole[:cut+1], whole + "A", whole + ".", " " + whole, "Bearer " + whole,
		strings.Replace(whole, ".", "=.", 1), whole[:cut-3] + "\n" + whole[cut-3:],
		signText(f, testSecret, `{"alg":"none"}`, `{"appId":"cs-1"}`), signText(f, nil, `{"alg":"HS256"}`, `{"appId":"cs-1"}`),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, compact string) {
		_, _, err := verify(compact, testSecret)
		if err == nil && !signedByHand(compact, testSecret) {
			t.Errorf("%q was accepted", compact)
		}
		if err != nil && !isAuthError(err) {
			t.Errorf("%q: %v is none of the package's errors", compact, err)
		}
	})
}

// signedByHand computes RFC 7515 without a library.
func signedByHand(compact string, secret []byte) bool {
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		return false
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(parts[0] + "." + parts[1]))
	got, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !hmac.Equal(got, mac.Sum(nil)) {
		return false
	}
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	var h map[string]any
	return err == nil && json.Unmarshal(header, &h) == nil && h["alg"] == "HS256"
}

func isAuthError(err error) bool {
	var refusal *Refusal
	return errors.As(err, &refusal)
}

// FuzzTokenOfEveryKind holds that nothing passes for a token of an app, whatever
// its algorithm and in the open or encrypted, unless the app's key signed it, as
// found out here by other means.
func FuzzTokenOfEveryKind(f *testing.F) {
	m := vectorKeys(f)
	for _, name := range []string{"jsonwebtoken", "jose"} {
		var file struct{ Vectors []struct{ Token string } }
		readJSON(f, "testdata/"+name+".json", &file)
		for i, v := range file.Vectors {
			f.Add(v.Token)
			f.Add(v.Token[:len(v.Token)-1-i])
			f.Add(strings.Replace(v.Token, ".", ".A", 1+i%4))
		}
	}
	f.Fuzz(func(t *testing.T, compact string) {
		for _, a := range directory.Algorithms() {
			policy := directory.AppPolicy{EnforceJWE: strings.Count(compact, ".") == 4}
			_, err := m.verify(t, a, policy, compact, time.Unix(1_800_000_000, 0))
			if err != nil && !isAuthError(err) {
				t.Errorf("%q: %v is none of the package's errors", compact, err)
			}
			if err == nil && !m.signedOtherwise(compact, a) {
				t.Errorf("%s: %q was accepted", a, compact)
			}
		}
	})
}

// signedOtherwise opens a token with another library and looks at its signature.
func (m maker) signedOtherwise(compact string, a directory.Algorithm) bool {
	if strings.Count(compact, ".") == 4 {
		oaep := []jwe.DecryptOption{jwe.WithKey(jwa.RSA_OAEP(), m.platform.private)}
		oaep256 := []jwe.DecryptOption{jwe.WithKey(jwa.RSA_OAEP_256(), m.platform.private)}
		plain, err := jwe.Decrypt([]byte(compact), oaep...)
		if err != nil {
			plain, err = jwe.Decrypt([]byte(compact), oaep256...)
		}
		if err != nil {
			return false
		}
		compact = string(plain)
	}
	dot := strings.LastIndex(compact, ".")
	signature, err := base64.RawURLEncoding.DecodeString(compact[dot+1:])
	var key any = []byte(m.secret)
	if a.PublicKey() {
		key = m.app.Public()
	}
	return err == nil && jwt.GetSigningMethod(string(a)).Verify(compact[:dot], signature, key) == nil
}

// FuzzEncryptedText holds that what is inside an encrypted token is taken
// exactly when it would be in the open.
func FuzzEncryptedText(f *testing.F) {
	m := vectorKeys(f)
	good := sign(f, jwt.SigningMethodHS256, []byte(m.secret), nil, jwt.MapClaims{"appId": "cs-1"})
	for _, seed := range []string{good, good + "\n", " " + good, good[:len(good)-2], good + ".", "", "..", "....", "{}", `{"appId":"cs-1"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > MaxToken/2 {
			return
		}
		sealed := m.encrypt(t, text, jwa.RSA_OAEP(), jwa.A128GCM())
		_, inTheOpen := m.verify(t, directory.HS256, directory.AppPolicy{}, string(text), testNow)
		_, inside := m.verify(t, directory.HS256, enforceJWE, sealed, testNow)
		if (inTheOpen == nil) != (inside == nil) {
			t.Errorf("%q: in the open %v, encrypted %v", text, inTheOpen, inside)
		}
	})
}

// FuzzTokenHeaderAndClaims signs what the fuzzer writes: with the right secret
// it is accepted only as what it says it is, with any other never.
func FuzzTokenHeaderAndClaims(f *testing.F) {
	for _, seed := range [][3]string{
		{`{"alg":"HS256","typ":"JWT"}`, `{"appId":"cs-1"}`, ""},
		{`{"alg":"HS256"}`, `{"appId":"cs-1","exp":1}`, ""},
		{`{"alg":"HS256"}`, `{"appId":"cs-1","exp":1.5e9,"nbf":null,"iat":-1,"sub":"x\u0000"}`, ""},
		{`{"alg":"HS256","kid":"1","jku":"http://127.0.0.1:1/"}`, `{"appId":"cs-1"}`, "x"},
		{`{"alg":"HS256","crit":["b64"],"b64":false}`, `{"appId":"cs-1"}`, ""},
		{`{"alg":"HS256","zip":"DEF"}`, `{"appId":"cs-1"}`, ""},
		{`{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}`, `{"appId":"cs-1"}`, "\x00\x00\x00"},
		{`{"alg":"none"}`, `{"iss":"cs-1"}`, ""},
		{`{"alg":"HS256","alg":"none"}`, `{"appId":"cs-1","appId":"cs-2"}`, ""},
		{`{"alg":"HS512"}`, `{"appId":["cs-1"]}`, ""},
		{`[]`, `{}`, ""},
		{`{"alg":"HS256"}`, `{"exp":"1","appId":"cs-1"}`, ""},
		{`{"alg":"HS256"}`, `{"exp":1e999,"appId":"a"}`, ""},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]), []byte(seed[2]))
	}
	f.Fuzz(func(t *testing.T, header, claims, key []byte) {
		// Zeros behind a key of an HMAC change nothing about it.
		if bytes.Equal(bytes.TrimRight(key, "\x00"), testSecret) {
			return
		}
		if _, _, err := verify(signText(t, key, string(header), string(claims)), testSecret); err == nil {
			t.Errorf("header %q, claims %q: the key %q was as good as the secret", header, claims, key)
		}
		id, label, err := verify(signText(t, testSecret, string(header), string(claims)), testSecret)
		if err != nil {
			if !isAuthError(err) {
				t.Errorf("header %q, claims %q: %v is none of the package's errors", header, claims, err)
			}
			return
		}
		var h, c map[string]any
		if err := json.Unmarshal(header, &h); err != nil || h["alg"] != "HS256" || h["crit"] != nil || h["b64"] != nil || h["zip"] != nil {
			t.Errorf("accepted with the header %q", header)
		}
		if len([]rune(label)) > maxLabel || strings.ContainsFunc(label, func(r rune) bool { return r < ' ' }) {
			t.Errorf("label %q", label)
		}
		if json.Unmarshal(claims, &c) != nil {
			return // a number beyond all floats
		}
		if named, _ := c["appId"].(string); named != "" && named != id {
			t.Errorf("claims %q name %q, not %q", claims, named, id)
		}
		now := float64(testNow.Unix())
		seconds := func(t float64) float64 {
			if t >= 1e12 {
				return t / 1000
			}
			return t
		}
		if exp, ok := c["exp"].(float64); ok && seconds(exp) < now-60 {
			t.Errorf("claims %q: expired, yet accepted", claims)
		}
		if nbf, ok := c["nbf"].(float64); ok && seconds(nbf) > now+60 {
			t.Errorf("claims %q: not active, yet accepted", claims)
		}
	})
}

// FuzzKeyFile holds that a file holds keys only when each line is one in the
// form that the documents promise, and that a refusal never repeats what the
// file holds.
func FuzzKeyFile(f *testing.F) {
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7, 0xfb}, 16))
	for _, seed := range []string{
		"", key, key + "\n", " " + key, key[:43], key + "=", key + key, strings.ReplaceAll(key, "/", "_"), "\x00", key[:10] + "\n" + key[10:],
		key + "\n" + key, key + "\r\n\n" + strings.Repeat("A", 43) + "=", key + "\n#",
	} {
		f.Add([]byte(seed))
	}
	file := KeyFile{Path: filepath.Join(f.TempDir(), "secret.key")}
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(file.Path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		keys, err := file.Read()
		want, good := map[string]bool{}, true
		for line := range strings.SplitSeq(string(text), "\n") {
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			raw, decodeErr := base64.StdEncoding.DecodeString(line)
			good = good && decodeErr == nil && len(raw) == 32
			want[string(raw)] = true
		}
		if (err == nil) != (good && len(want) > 0) || err == nil && len(keys) != len(want) {
			t.Fatalf("%q: %d keys, %v", text, len(keys), err)
		}
		if err != nil && len(text) > 16 && strings.Contains(err.Error(), string(text)) {
			t.Errorf("%q: the error repeats it: %v", text, err)
		}
		for _, key := range keys {
			if plain, err := key.Open(key.Seal([]byte("x"), "p"), "p"); err != nil || string(plain) != "x" {
				t.Errorf("%q: %q, %v", text, plain, err)
			}
		}
	})
}
