package auth

import (
	"bytes"
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
	"math/big"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"roster/internal/directory"
)

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkix(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// sized is a public key of that many bits and with that exponent, which nobody
// has the private half of.
func sized(bits, exponent int) *rsa.PublicKey {
	n := new(big.Int).SetBytes(bytes.Repeat([]byte{0xff}, bits/8))
	return &rsa.PublicKey{N: n, E: exponent}
}

func jwkText(n *big.Int, e int, more string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	return fmt.Sprintf(`{"kty":"RSA","n":%q,"e":%q%s}`, b64(n.Bytes()), b64(big.NewInt(int64(e)).Bytes()), more)
}

func TestPublicKeyOfAnApp(t *testing.T) {
	t.Parallel()
	key := vectorKeys(t).app
	public := &key.PublicKey
	for name, text := range map[string]string{
		"PEM":                    pemOf("PUBLIC KEY", pkix(t, public)),
		"PEM of PKCS #1":         pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(public)),
		"PEM with blanks":        "\r\n  " + strings.ReplaceAll(pemOf("PUBLIC KEY", pkix(t, public)), "\n", "\r\n") + "\n\n",
		"PEM with words before":  "my key:\n" + pemOf("PUBLIC KEY", pkix(t, public)),
		"JWK":                    jwkText(public.N, public.E, ""),
		"JWK for signatures":     jwkText(public.N, public.E, `,"use":"sig","alg":"RS512","kid":"1","key_ops":["verify"]`),
		"JWK with unknown words": " " + jwkText(public.N, public.E, `,"z":{"y":1}`) + "\n",
	} {
		der, err := ParsePublicKey([]byte(text))
		if err != nil || !bytes.Equal(der, pkix(t, public)) {
			t.Errorf("%s: %d bytes, %v", name, len(der), err)
		}
	}
}

func TestPublicKeyThatNoAppCanHave(t *testing.T) {
	t.Parallel()
	m := vectorKeys(t)
	public := &m.app.PublicKey
	ec, errEC := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	edPublic, _, errEd := ed25519.GenerateKey(rand.Reader)
	pkcs8, errPKCS8 := x509.MarshalPKCS8PrivateKey(m.app)
	private, errJWK := json.Marshal(jose.JSONWebKey{Key: m.app})
	if err := errors.Join(errEC, errEd, errPKCS8, errJWK); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ text, says string }{
		"nothing":                  {"", "one key"},
		"a word":                   {"key", "one key"},
		"DER":                      {string(pkix(t, public)), "one key"},
		"a PEM that is cut":        {pemOf("PUBLIC KEY", pkix(t, public))[:200], "one key"},
		"two keys":                 {strings.Repeat(pemOf("PUBLIC KEY", pkix(t, public)), 2), "one key"},
		"PEM of garbage":           {pemOf("PUBLIC KEY", []byte("x")), "cannot be read"},
		"PEM of another form":      {pemOf("PUBLIC KEY", x509.MarshalPKCS1PublicKey(public)), "cannot be read"},
		"a certificate":            {pemOf("CERTIFICATE", []byte("x")), `"CERTIFICATE"`},
		"a private key, PKCS #1":   {pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(m.app)), "stays with you"},
		"a private key, PKCS #8":   {pemOf("PRIVATE KEY", pkcs8), "stays with you"},
		"a private key, locked":    {pemOf("ENCRYPTED PRIVATE KEY", pkcs8), "stays with you"},
		"a private key, JWK":       {string(private), "stays with you"},
		"an EC key":                {pemOf("PUBLIC KEY", pkix(t, ec.Public())), "not an RSA key"},
		"an Ed25519 key":           {pemOf("PUBLIC KEY", pkix(t, edPublic)), "not an RSA key"},
		"a client secret as a JWK": {`{"kty":"oct","k":"AAAA"}`, "JWK"},
		"1024 bits":                {pemOf("PUBLIC KEY", pkix(t, sized(1024, 65537))), "1024 bits: 2048 to 8192"},
		"2040 bits":                {jwkText(sized(2040, 3).N, 65537, ""), "2040 bits"},
		"8200 bits":                {pemOf("PUBLIC KEY", pkix(t, sized(8200, 65537))), "8200 bits"},
		"16384 bits":               {pemOf("PUBLIC KEY", pkix(t, sized(16384, 65537))), "16384 bits"},
		"exponent 1":               {pemOf("PUBLIC KEY", pkix(t, &rsa.PublicKey{N: public.N, E: 1})), "exponent"},
		"exponent 2":               {jwkText(public.N, 2, ""), "exponent"},
		"an even modulus":          {jwkText(new(big.Int).Lsh(public.N, 1), 65537, ""), "modulus"},
		"no exponent":              {`{"kty":"RSA","n":"AQAB"}`, "JWK"},
		"JWK for encryption":       {jwkText(public.N, public.E, `,"use":"enc"`), "not for signatures"},
		"JWK for RSA-OAEP":         {jwkText(public.N, public.E, `,"alg":"RSA-OAEP"`), "not for signatures"},
		"JWK for PS256":            {jwkText(public.N, public.E, `,"alg":"PS256"`), "not for signatures"},
		"JWK to encrypt":           {jwkText(public.N, public.E, `,"key_ops":["encrypt"]`), "not for signatures"},
		"a set of JWKs":            {`{"keys":[` + jwkText(public.N, public.E, "") + `]}`, "JWK"},
		"JWK that is cut":          {`{"kty":"RSA"`, "JWK"},
	} {
		_, err := ParsePublicKey([]byte(tt.text))
		if !errors.Is(err, directory.ErrInvalid) || !strings.Contains(fmt.Sprint(err), tt.says) {
			t.Errorf("%s: %v, want that it says %q", name, err, tt.says)
		}
		if err != nil && strings.Contains(err.Error(), base64.RawURLEncoding.EncodeToString(m.app.D.Bytes())[:20]) {
			t.Errorf("%s: the error quotes the private key", name)
		}
	}
}

// The bounds themselves are fine.
func TestPublicKeyOfTheBounds(t *testing.T) {
	t.Parallel()
	for _, key := range []*rsa.PublicKey{sized(minRSABits, 3), sized(maxRSABits, 65537)} {
		if _, err := ParsePublicKey([]byte(pemOf("PUBLIC KEY", pkix(t, key)))); err != nil {
			t.Errorf("%d bits, exponent %d: %v", key.N.BitLen(), key.E, err)
		}
	}
}
