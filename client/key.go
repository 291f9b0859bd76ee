package client

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"

	"roster/internal/excerpt"
)

const (
	// minSecret is the shortest client secret, in bytes, that is taken (RFC 7518,
	// section 3.2, for HS256).
	minSecret = 32
	// minHS512 is the shortest key of HS512 that the library takes, in bytes.
	minHS512 = 64
	// minRSABits is the smallest RSA key (RFC 7518, section 3.3).
	minRSABits = 2048
)

// secretKey is the client secret as the key of an HMAC.
func secretKey(a jose.SignatureAlgorithm, secret string, private []byte) ([]byte, error) {
	switch {
	case len(private) > 0:
		return nil, fmt.Errorf("%s signs with the client secret: a private key goes with RS256 or RS512", a)
	case secret == "":
		return nil, errors.New("client secret is missing")
	case len(secret) < minSecret:
		return nil, fmt.Errorf("the client secret is shorter than %d characters: is it the whole secret?", minSecret)
	}
	key := []byte(secret)
	if a == jose.HS512 && len(key) < minHS512 {
		// An HMAC fills its key up with zeros to a block of 128 bytes anyway
		// (RFC 2104), so this is the same key.
		key = append(key, make([]byte, minHS512-len(key))...)
	}
	return key, nil
}

// privateKey reads the key that an app signs with.
func privateKey(a jose.SignatureAlgorithm, secret string, text []byte) (*rsa.PrivateKey, error) {
	switch {
	case len(text) == 0:
		return nil, fmt.Errorf("the private key is missing: %s signs with one", a)
	case secret != "":
		return nil, fmt.Errorf("%s signs with a private key, not with a client secret", a)
	}
	text = bytes.TrimSpace(text)
	read := privateFromPEM
	if bytes.HasPrefix(text, []byte("{")) {
		read = privateFromJWK
	}
	key, err := read(text)
	if err != nil {
		return nil, err
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("the private key is not an RSA key")
	}
	if bits := private.N.BitLen(); bits < minRSABits {
		return nil, fmt.Errorf("the private key has %d bits and needs %d or more", bits, minRSABits)
	}
	return private, nil
}

var (
	errPrivateForm = errors.New("the private key should be one RSA key, as PEM (PKCS #1 or #8) or as a JWK")
	errPublicKey   = errors.New("that is a public key: tokens are signed with its private half")
)

func privateFromJWK(text []byte) (any, error) {
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(text); err != nil || !jwk.Valid() {
		return nil, errPrivateForm // the error's own text may quote the key
	}
	if jwk.IsPublic() {
		return nil, errPublicKey
	}
	return jwk.Key, nil
}

func privateFromPEM(text []byte) (any, error) {
	block, rest := pem.Decode(text)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errPrivateForm
	}
	var key any
	var err error
	switch {
	case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
		return nil, errors.New("the private key is locked with a passphrase, which is not supported")
	case block.Type == "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case block.Type == "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case block.Type == "PUBLIC KEY" || block.Type == "RSA PUBLIC KEY":
		return nil, errPublicKey
	default:
		return nil, fmt.Errorf("the PEM block holds no private key of RSA but %q", excerpt.Of(block.Type))
	}
	if err != nil {
		return nil, errPrivateForm
	}
	return key, nil
}

// parsePlatformKey reads the public key that tokens are encrypted to.
func parsePlatformKey(text []byte) (*jose.JSONWebKey, error) {
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(bytes.TrimSpace(text)); err != nil || !jwk.Valid() {
		return nil, errors.New("the platform's key is no valid JWK")
	}
	public, ok := jwk.Key.(*rsa.PublicKey)
	switch {
	case !jwk.IsPublic():
		return nil, errors.New("the platform's key is a private key: tokens are encrypted to its public half")
	case !ok:
		return nil, errors.New("the platform's key is not an RSA key")
	case public.N.BitLen() < minRSABits:
		return nil, fmt.Errorf("the platform's key has %d bits and needs %d or more", public.N.BitLen(), minRSABits)
	case jwk.KeyID == "":
		return nil, errors.New("the platform's key has no kid, by which the host would know it")
	}
	switch jose.KeyAlgorithm(jwk.Algorithm) {
	case "":
		jwk.Algorithm = string(jose.RSA_OAEP)
	case jose.RSA_OAEP, jose.RSA_OAEP_256:
	default:
		return nil, fmt.Errorf("the platform's key is for %q: %s and %s are supported", excerpt.Of(jwk.Algorithm), jose.RSA_OAEP, jose.RSA_OAEP_256)
	}
	return &jwk, nil
}
