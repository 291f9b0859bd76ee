package client

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"roster/internal/excerpt"
)

// TokenKind says how the tokens of an app are made. The zero value is what most
// apps have: signed with HS256, and good for many calls.
type TokenKind struct {
	// Algorithm is the app's: HS256, HS512, RS256 or RS512; empty for HS256.
	Algorithm string
	// PrivateKey is the RSA key that RS256 and RS512 sign with, in place of a
	// client secret: the text of a PEM file (PKCS #1 or #8) or a JWK.
	PrivateKey []byte
	// JTI gives each token an id of its own, which makes it good for one call.
	JTI bool
	// PlatformKey is the public key of the host, as a JWK with its "kid". With it
	// the signed token is encrypted, as an app with Enforce JWE has to; the
	// JWK's "alg" says how, RSA-OAEP or RSA-OAEP-256.
	PlatformKey []byte
	// Encryption is the "enc" of an encrypted token: A128CBC-HS256, A128GCM or
	// A256GCM; empty for A256GCM.
	Encryption string
}

// TokenOptions say what a token holds.
type TokenOptions struct {
	ClientID     string
	ClientSecret string // empty with RS256 and RS512
	// TTL is how long the token is valid: a second or more. A token with a JTI
	// may live for an hour at most.
	TTL time.Duration
	TokenKind
}

// Algorithms lists the values of TokenKind.Algorithm.
func Algorithms() []string {
	return []string{string(jose.HS256), string(jose.HS512), string(jose.RS256), string(jose.RS512)}
}

// Encryptions lists the values of TokenKind.Encryption.
func Encryptions() []string {
	return []string{string(jose.A128CBC_HS256), string(jose.A128GCM), string(jose.A256GCM)}
}

// maxJTILife is how long a token that has a jti may live.
const maxJTILife = time.Hour

// NewToken makes the compact JWT that goes into the header "auth". With HS256
// and HS512 the key is the client secret's text itself, not the bytes that it
// stands for in base64.
func NewToken(o TokenOptions) (string, error) {
	m, err := newMint(o.ClientID, o.ClientSecret, o.TokenKind)
	if err != nil {
		return "", err
	}
	return m.token(o.TTL)
}

// mint makes the tokens of an app.
type mint struct {
	clientID  string
	jti       bool
	algorithm jose.SignatureAlgorithm
	key       any                    // []byte or *rsa.PrivateKey
	platform  *jose.JSONWebKey       // nil: not encrypted
	enc       jose.ContentEncryption // with platform
}

// newMint checks the keys of an app.
func newMint(clientID, secret string, kind TokenKind) (*mint, error) {
	if clientID == "" {
		return nil, errors.New("client id is missing")
	}
	m := &mint{clientID: clientID, jti: kind.JTI, algorithm: jose.SignatureAlgorithm(kind.Algorithm)}
	if m.algorithm == "" {
		m.algorithm = jose.HS256
	}
	var err error
	switch m.algorithm {
	case jose.HS256, jose.HS512:
		m.key, err = secretKey(m.algorithm, secret, kind.PrivateKey)
	case jose.RS256, jose.RS512:
		m.key, err = privateKey(m.algorithm, secret, kind.PrivateKey)
	default:
		err = fmt.Errorf("unknown algorithm %q: use one of %s", excerpt.Of(kind.Algorithm), strings.Join(Algorithms(), ", "))
	}
	if err != nil {
		return nil, err
	}
	if len(kind.PlatformKey) == 0 {
		if kind.Encryption != "" {
			return nil, fmt.Errorf("encryption %s needs the platform's key", kind.Encryption)
		}
		return m, nil
	}
	m.enc = jose.ContentEncryption(kind.Encryption)
	if m.enc == "" {
		m.enc = jose.A256GCM
	}
	if !slices.Contains(Encryptions(), string(m.enc)) {
		return nil, fmt.Errorf("unknown encryption %q: use one of %s", excerpt.Of(kind.Encryption), strings.Join(Encryptions(), ", "))
	}
	m.platform, err = parsePlatformKey(kind.PlatformKey)
	return m, err
}

// token makes a token that is valid from now on.
func (m *mint) token(ttl time.Duration) (string, error) {
	switch {
	case ttl < time.Second: // "exp" has whole seconds
		return "", fmt.Errorf("time to live %v is less than a second", ttl)
	case m.jti && ttl > maxJTILife:
		return "", fmt.Errorf("a token with a jti may live for %v at most, not %v", maxJTILife, ttl)
	}
	now := time.Now()
	claims := map[string]any{"appId": m.clientID, "iat": now.Unix(), "exp": now.Unix() + int64(ttl/time.Second)}
	if m.jti {
		claims["jti"] = rand.Text()
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: m.algorithm, Key: m.key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("sign the token: %w", err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign the token: %w", err)
	}
	if m.platform == nil {
		return token, nil
	}
	return m.encrypt(token)
}

// encrypt puts a signed token into one that only the platform can open.
func (m *mint) encrypt(token string) (string, error) {
	to := jose.Recipient{Algorithm: jose.KeyAlgorithm(m.platform.Algorithm), Key: m.platform.Key, KeyID: m.platform.KeyID}
	encrypter, err := jose.NewEncrypter(m.enc, to, (&jose.EncrypterOptions{}).WithContentType("JWT"))
	if err != nil {
		return "", fmt.Errorf("encrypt the token: %w", err)
	}
	jwe, err := encrypter.Encrypt([]byte(token))
	if err != nil {
		return "", fmt.Errorf("encrypt the token: %w", err)
	}
	return jwe.CompactSerialize()
}
