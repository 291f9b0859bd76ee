package auth

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwa"

	"roster/internal/directory"
)

func TestPlatformKeyOutlivesItsStorage(t *testing.T) {
	t.Parallel()
	key, err := NewPlatformKey()
	if err != nil {
		t.Fatal(err)
	}
	der, err := key.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	read, err := ParsePlatformKey(der)
	if err != nil || read.ID != key.ID || !read.private.Equal(key.private) || key.private.N.BitLen() != platformBits {
		t.Errorf("read back with id %q, %v; want %q", read.ID, err, key.ID)
	}
	other, err := NewPlatformKey()
	if err != nil || other.ID == key.ID {
		t.Errorf("two keys have the id %q (%v)", other.ID, err)
	}
}

func TestPlatformKeyShowsItsPublicHalfAlone(t *testing.T) {
	t.Parallel()
	key := vectorKeys(t).platform
	text, err := key.JWK()
	if err != nil {
		t.Fatal(err)
	}
	var jwk map[string]string
	if err := json.Unmarshal(text, &jwk); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"kty": "RSA", "use": "enc", "alg": "RSA-OAEP", "kid": key.ID, "e": "AQAB"} {
		if jwk[name] != want {
			t.Errorf("%s is %q, want %q", name, jwk[name], want)
		}
	}
	if len(jwk) != 6 || jwk["n"] == "" { // none of d, p, q, dp, dq, qi
		t.Errorf("the JWK is %s", text)
	}
}

func TestPlatformKeyThatIsNone(t *testing.T) {
	t.Parallel()
	m := vectorKeys(t)
	for name, der := range map[string][]byte{
		"nothing": nil, "garbage": []byte("x"), "PKCS #1": x509.MarshalPKCS1PrivateKey(m.app), "a public key": pkix(t, m.app.Public()),
	} {
		if _, err := ParsePlatformKey(der); err == nil {
			t.Errorf("%s is taken for a key", name)
		}
	}
}

// What goes wrong with the key itself is no fault of who sent the token.
func TestPlatformKeyThatCannotBeRead(t *testing.T) {
	t.Parallel()
	m := vectorKeys(t)
	sealed := m.encrypt(t, []byte(hs256(t, jwt.MapClaims{"appId": "cs-1"})), jwa.RSA_OAEP(), jwa.A256GCM())
	down := errors.New("database is down")
	if _, err := ParseToken(sealed, func(string) (*PlatformKey, error) { return nil, down }); !errors.Is(err, down) || isAuthError(err) {
		t.Errorf("%v, want what find failed with", err)
	}
	if _, err := ParseToken(sealed, noPlatformKey); reasonOf(t, err) != ReasonUndecryptable {
		t.Errorf("no such key: %v", err)
	}
}

func TestEncryptedTokenIsForAppsThatDemandIt(t *testing.T) {
	t.Parallel()
	m := vectorKeys(t)
	inner := sign(t, jwt.SigningMethodHS256, []byte(m.secret), nil, jwt.MapClaims{"appId": "cs-1", "exp": 1})
	sealed := m.encrypt(t, []byte(inner), jwa.RSA_OAEP_256(), jwa.A128CBC_HS256())
	for _, tt := range []struct {
		token string
		p     directory.AppPolicy
		want  Reason
	}{
		{sealed, enforceJWE, ReasonExpired},
		{sealed, directory.AppPolicy{}, ReasonEncrypted}, // before the times
		{inner, enforceJWE, ReasonNotEncrypted},
		{strings.Replace(sealed, ".", ".A", 1), enforceJWE, ReasonUndecryptable},
	} {
		if _, err := m.verify(t, directory.HS256, tt.p, tt.token, testNow); reasonOf(t, err) != tt.want {
			t.Errorf("%+v: %v, want %q", tt.p, err, tt.want)
		}
	}
}

// A refusal must not take less time because there is no key to try: the decoy
// is as long as the signature, within the bounds of an app's key.
func TestDecoyIsAsLongAsTheSignature(t *testing.T) {
	t.Parallel()
	for signature, want := range map[int]int{256: 256, 257: 257, 512: 512, 1024: 1024, 0: 256, 255: 256, 1025: 256, 12_000: 256} {
		key, ok := decoyKey(directory.RS256, signature).(*rsa.PublicKey)
		if !ok || key.Size() != want || key.N.Bit(0) == 0 {
			t.Errorf("for a signature of %d bytes: %T of %d", signature, key, key.Size())
		}
	}
}
