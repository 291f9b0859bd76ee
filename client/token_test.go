package client

import (
	"crypto/ecdsa"
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
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwe"
)

const secret = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// keys are those of a test: an app's and a platform's.
type keys struct {
	rsa, platform *rsa.PrivateKey
	ec            *ecdsa.PrivateKey
}

func newKeys(t *testing.T) keys {
	t.Helper()
	var k keys
	var errs [3]error
	k.rsa, errs[0] = rsa.GenerateKey(rand.Reader, 2048)
	k.platform, errs[1] = rsa.GenerateKey(rand.Reader, 2048)
	k.ec, errs[2] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	return k
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func pkcs8(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("PRIVATE KEY", der)
}

func b64(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }

// publicJWK is the platform's key with more fields, each with a comma in front.
func publicJWK(key *rsa.PrivateKey, more string) []byte {
	return fmt.Appendf(nil, `{"kty":"RSA","n":%q,"e":"AQAB"%s}`, b64(key.N), more)
}

func privateJWK(key *rsa.PrivateKey) []byte {
	return fmt.Appendf(nil, `{"kty":"RSA","n":%q,"e":"AQAB","d":%q,"p":%q,"q":%q}`, b64(key.N), b64(key.D), b64(key.Primes[0]), b64(key.Primes[1]))
}

// Every kind of token is what another library takes for it.
func TestTokenOfEachKind(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	for _, tt := range []struct {
		alg  string
		key  []byte
		with any
	}{
		{"", nil, []byte(secret)},
		{"HS256", nil, []byte(secret)},
		{"HS512", nil, []byte(secret)},
		{"RS256", pkcs8(t, k.rsa), k.rsa.Public()},
		{"RS512", pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k.rsa)), k.rsa.Public()},
		{"RS256", append([]byte("\n"), privateJWK(k.rsa)...), k.rsa.Public()},
	} {
		o := TokenOptions{ClientID: "cs-1", TTL: 90 * time.Second, TokenKind: TokenKind{Algorithm: tt.alg, PrivateKey: tt.key, JTI: true}}
		if tt.key == nil {
			o.ClientSecret = secret
		}
		token, err := NewToken(o)
		if err != nil {
			t.Fatalf("%s: %v", tt.alg, err)
		}
		alg := tt.alg
		if alg == "" {
			alg = "HS256"
		}
		var claims struct {
			jwt.RegisteredClaims
			AppID string `json:"appId"`
		}
		if _, err := jwt.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return tt.with, nil }, jwt.WithValidMethods([]string{alg})); err != nil {
			t.Errorf("%s: %v", tt.alg, err)
		}
		if life := claims.ExpiresAt.Sub(claims.IssuedAt.Time); claims.AppID != "cs-1" || claims.ID == "" || life != 90*time.Second {
			t.Errorf("%s: claims %+v, life %v", tt.alg, claims, life)
		}
	}
}

func TestEncryptedToken(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	for _, tt := range []struct{ more, enc, wantAlg, wantEnc string }{
		{`,"kid":"k1"`, "", "RSA-OAEP", "A256GCM"},
		{`,"kid":"k1","alg":"RSA-OAEP","use":"enc"`, "A128GCM", "RSA-OAEP", "A128GCM"},
		{`,"kid":"k1","alg":"RSA-OAEP-256"`, "A128CBC-HS256", "RSA-OAEP-256", "A128CBC-HS256"},
	} {
		token, err := NewToken(TokenOptions{ClientID: "cs-1", ClientSecret: secret, TTL: time.Minute, TokenKind: TokenKind{
			PlatformKey: publicJWK(k.platform, tt.more), Encryption: tt.enc,
		}})
		if err != nil {
			t.Fatal(err)
		}
		raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
		var header struct{ Alg, Enc, Kid, Cty string }
		if err != nil || json.Unmarshal(raw, &header) != nil || header != struct{ Alg, Enc, Kid, Cty string }{tt.wantAlg, tt.wantEnc, "k1", "JWT"} {
			t.Errorf("header %s", raw)
		}
		alg, _ := jwa.LookupKeyEncryptionAlgorithm(tt.wantAlg)
		plain, err := jwe.Decrypt([]byte(token), jwe.WithKey(alg, k.platform))
		if err != nil || strings.Count(token, ".") != 4 {
			t.Fatalf("%s does not open: %v", token, err)
		}
		if _, err := jwt.Parse(string(plain), func(*jwt.Token) (any, error) { return []byte(secret), nil }); err != nil {
			t.Errorf("inside is %s: %v", plain, err)
		}
	}
}

func TestTokenThatCannotBeMade(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	public, err := x509.MarshalPKIXPublicKey(k.rsa.Public())
	if err != nil {
		t.Fatal(err)
	}
	platform := publicJWK(k.platform, `,"kid":"k1"`)
	const id = "cs-1"
	for says, o := range map[string]TokenOptions{
		"client id is missing":                    {ClientSecret: secret},
		"client secret is missing":                {ClientID: id},
		"is it the whole secret":                  {ClientID: id, ClientSecret: secret[:31]},
		`unknown algorithm "none"`:                {ClientID: id, ClientSecret: secret, TokenKind: TokenKind{Algorithm: "none"}},
		`unknown algorithm "hs256"`:               {ClientID: id, ClientSecret: secret, TokenKind: TokenKind{Algorithm: "hs256"}},
		"goes with RS256 or RS512":                {ClientID: id, ClientSecret: secret, TokenKind: TokenKind{PrivateKey: pkcs8(t, k.rsa)}},
		"private key is missing":                  {ClientID: id, TokenKind: TokenKind{Algorithm: "RS256"}},
		"not with a client secret":                {ClientID: id, ClientSecret: secret, TokenKind: TokenKind{Algorithm: "RS256", PrivateKey: pkcs8(t, k.rsa)}},
		"not an RSA key":                          {ClientID: id, TokenKind: TokenKind{Algorithm: "RS256", PrivateKey: pkcs8(t, k.ec)}},
		"that is a public key":                    {ClientID: id, TokenKind: TokenKind{Algorithm: "RS256", PrivateKey: pemOf("PUBLIC KEY", public)}},
		"signed with its private half":            {ClientID: id, TokenKind: TokenKind{Algorithm: "RS512", PrivateKey: publicJWK(k.rsa, "")}},
		"should be one RSA key":                   {ClientID: id, TokenKind: TokenKind{Algorithm: "RS256", PrivateKey: []byte(secret)}},
		"as PEM (PKCS #1 or #8) or as a JWK":      {ClientID: id, TokenKind: TokenKind{Algorithm: "RS256", PrivateKey: []byte(`{"kty":"RSA"}`)}},
		"locked with a passphrase":                {ClientID: id, TokenKind: TokenKind{Algorithm: "RS256", PrivateKey: pemOf("ENCRYPTED PRIVATE KEY", []byte("x"))}},
		`no private key of RSA but "CERTIFICATE"`: {ClientID: id, TokenKind: TokenKind{Algorithm: "RS256", PrivateKey: pemOf("CERTIFICATE", []byte("x"))}},
		"less than a second":                      {ClientID: id, ClientSecret: secret, TTL: 999 * time.Millisecond},
		"may live for 1h0m0s at most":             {ClientID: id, ClientSecret: secret, TTL: time.Hour + time.Second, TokenKind: TokenKind{JTI: true}},
		"no valid JWK":                            {ClientID: id, ClientSecret: secret, TokenKind: TokenKind{PlatformKey: pemOf("PUBLIC KEY", public)}},
		"has no kid":                              {ClientID: id, ClientSecret: secret, TokenKind: TokenKind{PlatformKey: publicJWK(k.platform, "")}},
		"is a private key":                        {ClientID: id, ClientSecret: secret, TokenKind: TokenKind{PlatformKey: privateJWK(k.platform)}},
		`is for "RSA1_5"`:                         {ClientID: id, ClientSecret: secret, TokenKind: TokenKind{PlatformKey: publicJWK(k.platform, `,"kid":"1","alg":"RSA1_5"`)}},
		`unknown encryption "A192GCM"`:            {ClientID: id, ClientSecret: secret, TokenKind: TokenKind{PlatformKey: platform, Encryption: "A192GCM"}},
		"needs the platform's key":                {ClientID: id, ClientSecret: secret, TokenKind: TokenKind{Encryption: "A256GCM"}},
	} {
		if o.TTL == 0 {
			o.TTL = time.Minute
		}
		token, err := NewToken(o)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q (token %q)", err, says, token)
		}
		if err != nil && strings.Contains(err.Error(), secret[:20]) {
			t.Errorf("the error quotes the secret: %v", err)
		}
		if o.TTL == time.Minute { // what is wrong with the keys, a client finds out at once
			if _, err := New(Config{Host: "http://127.0.0.1:1", ClientID: o.ClientID, ClientSecret: o.ClientSecret, TokenKind: o.TokenKind}); err == nil {
				t.Errorf("a client is made of what lacks: %s", says)
			}
		}
	}
}

// An hour is allowed, and each token has an id of its own.
func TestTokensForOneCall(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 20 {
		token, err := NewToken(TokenOptions{ClientID: "cs-1", ClientSecret: secret, TTL: time.Hour, TokenKind: TokenKind{JTI: true}})
		if err != nil || seen[token] {
			t.Fatalf("made before: %v; %v", seen[token], err)
		}
		seen[token] = true
	}
}
