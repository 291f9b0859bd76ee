package auth

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwe"
	"github.com/lestrrat-go/jwx/v3/jws"

	"roster/internal/directory"
)

// maker has the keys of an app and of the platform, for tokens that others make.
type maker struct {
	secret   string
	app      *rsa.PrivateKey
	platform *PlatformKey
}

// vectorKeys reads the keys of testdata. They were made by tools/vectors.
func vectorKeys(t testing.TB) maker {
	t.Helper()
	var keys struct {
		Secret        string
		App, Platform jose.JSONWebKey
	}
	readJSON(t, "testdata/keys.json", &keys)
	platform, err := platformKey(keys.Platform.Key.(*rsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	return maker{keys.Secret, keys.App.Key.(*rsa.PrivateKey), platform}
}

func readJSON(t testing.TB, file string, v any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// find is a platform with one key.
func (m maker) find(kid string) (*PlatformKey, error) {
	if kid == m.platform.ID {
		return m.platform, nil
	}
	return nil, nil
}

// verify reads and verifies a token of the app cs-1 with that algorithm.
func (m maker) verify(t testing.TB, a directory.Algorithm, policy directory.AppPolicy, compact string, now time.Time) (Claims, error) {
	t.Helper()
	material := []byte(m.secret)
	if a.PublicKey() {
		var err error
		if material, err = x509.MarshalPKIXPublicKey(m.app.Public()); err != nil {
			t.Fatal(err)
		}
	}
	token, err := ParseToken(compact, m.find)
	if err != nil {
		return Claims{}, err
	}
	return token.Verify(directory.App{ClientID: "cs-1", Algorithm: a, Policy: policy}, []AppKey{{ID: 7, Material: material}}, now)
}

// signingKey is what a maker signs with.
func (m maker) signingKey(a directory.Algorithm) any {
	if a.PublicKey() {
		return m.app
	}
	return []byte(m.secret)
}

// check holds that the token is taken, and is not once its signature, or what
// encrypts it, was changed or its app has another algorithm.
func (m maker) check(t *testing.T, a directory.Algorithm, policy directory.AppPolicy, compact string, now time.Time) Claims {
	t.Helper()
	claims, err := m.verify(t, a, policy, compact, now)
	if err != nil || claims.Key != 7 {
		t.Errorf("%s: key %d, %v\n%s", a, claims.Key, err, compact)
	}
	dot := strings.LastIndex(compact, ".") + 1
	turned := compact[:dot] + strings.Map(func(r rune) rune {
		if r == 'A' {
			return 'B'
		}
		return 'A'
	}, compact[dot:dot+1]) + compact[dot+1:]
	if _, err := m.verify(t, a, policy, turned, now); !errors.Is(err, ErrCredentials) && !errors.Is(err, ErrMalformed) {
		t.Errorf("%s, the last part changed: %v", a, err)
	}
	for _, other := range directory.Algorithms() {
		if _, err := m.verify(t, other, policy, compact, now); other != a && !errors.Is(err, ErrCredentials) {
			t.Errorf("%s of an app with %s: %v, want ErrCredentials", a, other, err)
		}
	}
	return claims
}

var enforceJWE = directory.AppPolicy{EnforceJWE: true}

// Tokens that the npm packages jsonwebtoken and jose have made are taken:
// tools/vectors made them.
func TestTokensOfNPMPackages(t *testing.T) {
	t.Parallel()
	m := vectorKeys(t)
	for _, name := range []string{"jsonwebtoken", "jose"} {
		var file struct {
			Now     int64
			Vectors []struct {
				Name   string
				Alg    directory.Algorithm
				JWE    bool
				Claims map[string]any
				Token  string
			}
		}
		readJSON(t, "testdata/"+name+".json", &file)
		if len(file.Vectors) < 4*9 {
			t.Errorf("%s has made %d tokens", name, len(file.Vectors))
		}
		for _, v := range file.Vectors {
			t.Run(name+"/"+v.Name+"/"+string(v.Alg), func(t *testing.T) {
				t.Parallel()
				claims := m.check(t, v.Alg, directory.AppPolicy{EnforceJWE: v.JWE}, v.Token, time.Unix(file.Now, 0))
				if sub, _ := v.Claims["sub"].(string); claims.Label != sub {
					t.Errorf("label %q, want %q", claims.Label, sub)
				}
				jti := ""
				if strings.Contains(v.Name, "jti") {
					jti = "id-1"
				}
				if claims.JTI != jti {
					t.Errorf("jti %q, want %q", claims.JTI, jti)
				}
			})
		}
	}
}

func TestTokensOfGolangJWT(t *testing.T) {
	t.Parallel()
	m := vectorKeys(t)
	for _, a := range directory.Algorithms() {
		method := jwt.GetSigningMethod(string(a))
		m.check(t, a, directory.AppPolicy{}, sign(t, method, m.signingKey(a), nil, jwt.MapClaims{"appId": "cs-1"}), testNow)
		// The text of the claims is the maker's own affair.
		m.check(t, a, directory.AppPolicy{}, sign(t, method, m.signingKey(a), map[string]any{"kid": "x", "x5t": "y", "cty": "JSON"},
			jwt.MapClaims{"appId": "cs-1", "exp": jwt.NewNumericDate(testNow)}), testNow)
	}
}

func TestTokensOfJWX(t *testing.T) {
	t.Parallel()
	m := vectorKeys(t)
	for _, a := range directory.Algorithms() {
		alg, ok := jwa.LookupSignatureAlgorithm(string(a))
		if !ok {
			t.Fatalf("jwx has no %s", a)
		}
		signed, err := jws.Sign([]byte(`{"appId":"cs-1"}`), jws.WithKey(alg, m.signingKey(a)))
		if err != nil {
			t.Fatal(err)
		}
		m.check(t, a, directory.AppPolicy{}, string(signed), testNow)
		for _, keyAlg := range []jwa.KeyEncryptionAlgorithm{jwa.RSA_OAEP(), jwa.RSA_OAEP_256()} {
			for _, enc := range []jwa.ContentEncryptionAlgorithm{jwa.A128CBC_HS256(), jwa.A128GCM(), jwa.A256GCM()} {
				m.check(t, a, enforceJWE, m.encrypt(t, signed, keyAlg, enc), testNow)
			}
		}
	}
}

// encrypt seals a token to the platform with jwx.
func (m maker) encrypt(t testing.TB, signed []byte, alg jwa.KeyEncryptionAlgorithm, enc jwa.ContentEncryptionAlgorithm) string {
	t.Helper()
	header := jwe.NewHeaders()
	if err := errors.Join(header.Set(jwe.KeyIDKey, m.platform.ID), header.Set(jwe.ContentTypeKey, "JWT")); err != nil {
		t.Fatal(err)
	}
	sealed, err := jwe.Encrypt(signed, jwe.WithKey(alg, m.platform.private.Public()), jwe.WithContentEncryption(enc), jwe.WithProtectedHeaders(header))
	if err != nil {
		t.Fatal(err)
	}
	return string(sealed)
}
