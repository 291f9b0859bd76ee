package auth

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"roster/internal/directory"
	"roster/internal/excerpt"
)

// Bounds of an app's RSA key in bits. Less can be broken (RFC 7518, section
// 3.3); more would take long to verify.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// minExponent is the smallest public exponent there is. With 1 everything would
// be a good signature of itself.
const minExponent = 3

// ParsePublicKey reads the RSA public key of an app, as PEM or as a JWK, and
// returns it in PKIX form. The error wraps directory.ErrInvalid.
func ParsePublicKey(text []byte) ([]byte, error) {
	text = bytes.TrimSpace(text)
	var key any
	var err error
	if bytes.HasPrefix(text, []byte("{")) {
		key, err = publicFromJWK(text)
	} else {
		key, err = publicFromPEM(text)
	}
	if err != nil {
		return nil, err
	}
	public, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, directory.Errorf(directory.ErrInvalid, "the public key is not an RSA key")
	}
	if bits := public.N.BitLen(); bits < minRSABits || bits > maxRSABits {
		return nil, directory.Errorf(directory.ErrInvalid, "the public key has %d bits: %d to %d are taken", bits, minRSABits, maxRSABits)
	}
	if public.E < minExponent || public.E%2 == 0 || public.N.Bit(0) == 0 {
		return nil, directory.Errorf(directory.ErrInvalid, "the public key is none of RSA: its exponent or its modulus is wrong")
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, directory.Errorf(directory.ErrInvalid, "the public key cannot be used: %v", err)
	}
	return der, nil
}

var errPrivateKey = directory.Errorf(directory.ErrInvalid, "that is a private key: it stays with you; give its public half")

func publicFromJWK(text []byte) (any, error) {
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(text); err != nil || !jwk.Valid() {
		return nil, directory.Errorf(directory.ErrInvalid, "the public key is no valid JWK")
	}
	if !jwk.IsPublic() {
		return nil, errPrivateKey
	}
	var says struct {
		KeyOps []string `json:"key_ops"` //nolint:tagliatelle // RFC 7517 spells it so
	}
	signs := jwk.Algorithm == "" || directory.Algorithm(jwk.Algorithm).PublicKey()
	if jwk.Use != "" && jwk.Use != "sig" || !signs || json.Unmarshal(text, &says) != nil ||
		len(says.KeyOps) > 0 && !slices.Contains(says.KeyOps, "verify") {
		return nil, directory.Errorf(directory.ErrInvalid, "the public key says that it is not for signatures with RS256 or RS512")
	}
	return jwk.Key, nil
}

func publicFromPEM(text []byte) (any, error) {
	block, rest := pem.Decode(text)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, directory.Errorf(directory.ErrInvalid, "the public key should be one key, as PEM or as a JWK")
	}
	var key any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "PRIVATE KEY", "RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY":
		return nil, errPrivateKey
	default:
		return nil, directory.Errorf(directory.ErrInvalid, "the PEM block holds no public key but %q", excerpt.Of(block.Type))
	}
	if err != nil {
		return nil, directory.Errorf(directory.ErrInvalid, "the public key cannot be read")
	}
	return key, nil
}
