package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

func TestWhatIsNoTokenIsMalformed(t *testing.T) {
	t.Parallel()
	whole := hs256(t, jwt.MapClaims{"appId": "cs-1"})
	parts := strings.Split(whole, ".")
	b64 := base64.RawURLEncoding.EncodeToString
	for name, compact := range map[string]string{
		"a word":                     "token",
		"a JSON object":              `{"appId":"cs-1"}`,
		"Bearer in front":            "Bearer " + whole,
		"two parts":                  parts[0] + "." + parts[1],
		"four parts":                 whole + ".x",
		"five parts":                 whole + ".x.x",
		"dots alone":                 "..",
		"empty header":               "." + parts[1] + "." + parts[2],
		"empty claims":               parts[0] + ".." + parts[2],
		"a line break":               parts[0] + "\n." + parts[1] + "." + parts[2],
		"padding":                    parts[0] + "." + b64([]byte(`{"a":12}`)) + "=." + parts[2],
		"standard alphabet":          parts[0] + "." + b64([]byte(`{"appId":"cs-1","x":"`))[:26] + "+/." + parts[2],
		"header is no JSON":          b64([]byte("HS256")) + "." + parts[1] + "." + parts[2],
		"header is a list":           b64([]byte(`["HS256"]`)) + "." + parts[1] + "." + parts[2],
		"claims are no JSON":         signText(t, testSecret, `{"alg":"HS256"}`, `{"appId":`),
		"claims are a list":          signText(t, testSecret, `{"alg":"HS256"}`, `[{"appId":"cs-1"}]`),
		"claims are null":            signText(t, testSecret, `{"alg":"HS256"}`, `null`),
		"claims twice":               signText(t, testSecret, `{"alg":"HS256"}`, `{"appId":"cs-1"}{}`),
		"claim named twice":          signText(t, testSecret, `{"alg":"HS256"}`, `{"appId":"cs-1","appId":"cs-2"}`),
		"longer than any token":      parts[0] + "." + strings.Repeat("A", MaxToken) + "." + parts[2],
		"a token of blanks and dots": " . . ",
	} {
		if _, _, err := verify(compact, testSecret); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", name, err)
		}
	}
}

func TestNoTokenIsNoCredentials(t *testing.T) {
	t.Parallel()
	if _, _, err := verify("", testSecret); !errors.Is(err, ErrCredentials) {
		t.Errorf("%v, want ErrCredentials", err)
	}
}

// All of these have the form of a token and fail on the signature alone, and
// none of them says more.
func TestForgedTokenIsRefused(t *testing.T) {
	t.Parallel()
	claims := jwt.MapClaims{"appId": "cs-1"}
	whole := hs256(t, claims)
	cut := strings.LastIndex(whole, ".") + 1
	mac, err := base64.RawURLEncoding.DecodeString(whole[cut:])
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	header, rest, _ := strings.Cut(whole, ".")
	body := `{"appId":"cs-1"}`
	forged := map[string]string{
		"signature of no base64url":  whole[:cut] + "+/+/",
		"signature with padding":     whole + "=",
		"signature with a break":     whole + "\n",
		"bits behind the signature":  whole[:cut] + whole[cut:cut+42] + "_",
		"no signature":               whole[:cut],
		"signature of one byte":      whole[:cut] + "AA",
		"signature cut":              whole[:cut] + b64(mac[:31]),
		"signature extended":         whole[:cut] + b64(append(mac[:32:32], 0)),
		"signature of zeros":         whole[:cut] + b64(make([]byte, 32)),
		"claims exchanged":           header + "." + b64([]byte(`{"appId":"cs-2"}`)) + whole[cut-1:],
		"header exchanged":           b64([]byte(`{"alg":"HS256","typ":"jwt"}`)) + "." + rest,
		"another secret":             sign(t, jwt.SigningMethodHS256, []byte(NewClientSecret()), nil, claims),
		"empty secret":               sign(t, jwt.SigningMethodHS256, []byte{}, nil, claims),
		"secret and a byte":          sign(t, jwt.SigningMethodHS256, append([]byte(" "), testSecret...), nil, claims),
		"HS384":                      sign(t, jwt.SigningMethodHS384, testSecret, nil, claims),
		"HS512":                      sign(t, jwt.SigningMethodHS512, testSecret, nil, claims),
		"HS512 said to be HS256":     sign(t, jwt.SigningMethodHS512, testSecret, map[string]any{"alg": "HS256"}, claims),
		"HS256 said to be HS512":     sign(t, jwt.SigningMethodHS256, testSecret, map[string]any{"alg": "HS512"}, claims),
		"critical header":            signText(t, testSecret, `{"alg":"HS256","crit":["x"],"x":1}`, body),
		"critical b64":               signText(t, testSecret, `{"alg":"HS256","crit":["b64"],"b64":false}`, body),
		"algorithm named twice":      signText(t, testSecret, `{"alg":"HS256","alg":"HS256"}`, body),
		"no algorithm":               signText(t, testSecret, `{"typ":"JWT"}`, body),
		"algorithm in another case":  signText(t, testSecret, `{"alg":"hs256"}`, body),
		"algorithm under a capital":  signText(t, testSecret, `{"Alg":"HS256"}`, body),
		"algorithm is a list":        signText(t, testSecret, `{"alg":["HS256"]}`, body),
		"key in the header":          foreignKey(t, `"jwk":%s`),
		"address of a key":           signText(t, []byte("x"), `{"alg":"HS256","jku":"http://127.0.0.1:1/keys"}`, body),
		"address of a certificate":   signText(t, []byte("x"), `{"alg":"HS256","x5u":"http://127.0.0.1:1/cert"}`, body),
		"key id with a path":         signText(t, []byte{}, `{"alg":"HS256","kid":"../../../../dev/null"}`, body),
		"key id with SQL":            signText(t, []byte("x"), `{"alg":"HS256","kid":"' UNION SELECT 'x"}`, body),
		"asymmetric, public as HMAC": publicKeyAsSecret(t),
	}
	for n := 1; n <= 8; n++ { // of any length
		forged[fmt.Sprintf("%d digits appended", n)] = whole + strings.Repeat("0", n)
	}
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "", "null", "HS256 ", "HS1", "RS256", "ES256", "EdDSA", "PS256", "dir", "A256KW"} {
		header := fmt.Sprintf(`{"alg":%q}`, alg)
		forged["unsigned "+alg] = b64([]byte(header)) + "." + b64([]byte(body)) + "."
		forged["signed as "+alg] = signText(t, testSecret, header, body)
	}
	maps.Copy(forged, asymmetric(t))
	for name, compact := range forged {
		_, _, err := verify(compact, testSecret)
		if !errors.Is(err, ErrCredentials) {
			t.Errorf("%s: %v, want ErrCredentials", name, err)
		}
	}
}

// foreignKey signs with a key of the forger's and brings it along.
func foreignKey(t *testing.T, field string) string {
	t.Helper()
	key := []byte(NewClientSecret())
	jwk, err := json.Marshal(map[string]string{"kty": "oct", "alg": "HS256", "k": base64.RawURLEncoding.EncodeToString(key)})
	if err != nil {
		t.Fatal(err)
	}
	return signText(t, key, `{"alg":"HS256",`+fmt.Sprintf(field, jwk)+`}`, `{"appId":"cs-1"}`)
}

// publicKeyAsSecret is the classic confusion: the public key, which everybody
// has, taken as the secret of an HMAC.
func publicKeyAsSecret(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return sign(t, jwt.SigningMethodHS256, public, nil, jwt.MapClaims{"appId": "cs-1"})
}

// asymmetric signs with algorithms that no app can have here.
func asymmetric(t *testing.T) map[string]string {
	t.Helper()
	rsaKey, errRSA := rsa.GenerateKey(rand.Reader, 2048)
	ecKey, errEC := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, edKey, errEd := ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(errRSA, errEC, errEd); err != nil {
		t.Fatal(err)
	}
	claims := jwt.MapClaims{"appId": "cs-1"}
	return map[string]string{
		"RS256": sign(t, jwt.SigningMethodRS256, rsaKey, nil, claims),
		"RS512": sign(t, jwt.SigningMethodRS512, rsaKey, nil, claims),
		"PS256": sign(t, jwt.SigningMethodPS256, rsaKey, nil, claims),
		"ES256": sign(t, jwt.SigningMethodES256, ecKey, nil, claims),
		"EdDSA": sign(t, jwt.SigningMethodEdDSA, edKey, nil, claims),
	}
}
