package auth

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// platformBits is the size of the platform's RSA key: 128 bits of security.
const platformBits = 3072

// What a token may be encrypted with. RSA1_5 is published too and stays
// refused: whoever can send tokens could use the server to decrypt others.
var (
	keyAlgorithms     = []jose.KeyAlgorithm{jose.RSA_OAEP, jose.RSA_OAEP_256}
	contentEncryption = []jose.ContentEncryption{jose.A128CBC_HS256, jose.A128GCM, jose.A256GCM}
)

// tagSize is the length in bytes of the authentication tag of each of them (RFC
// 7518, sections 5.2.3 and 5.3).
const tagSize = 16

// PlatformKey is an RSA key of this installation. Tokens of apps with Enforce
// JWE are encrypted to its public half.
type PlatformKey struct {
	// ID is the key's thumbprint (RFC 7638), the "kid" of a token for it.
	ID      string
	private *rsa.PrivateKey
}

// NewPlatformKey makes a key, which takes a second or so.
func NewPlatformKey() (*PlatformKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, platformBits)
	if err != nil {
		return nil, err
	}
	return platformKey(private)
}

// ParsePlatformKey reads what Marshal wrote.
func ParsePlatformKey(der []byte) (*PlatformKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("read the platform's key: %w", err)
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("read the platform's key: it is no RSA key but %T", key)
	}
	return platformKey(private)
}

func platformKey(private *rsa.PrivateKey) (*PlatformKey, error) {
	jwk := jose.JSONWebKey{Key: private.Public()}
	thumbprint, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, err
	}
	return &PlatformKey{ID: base64.RawURLEncoding.EncodeToString(thumbprint), private: private}, nil
}

// Marshal returns the key in PKCS #8 form. It is secret.
func (k *PlatformKey) Marshal() ([]byte, error) { return x509.MarshalPKCS8PrivateKey(k.private) }

// JWK returns the public half as a JSON Web Key, for those who encrypt to it.
func (k *PlatformKey) JWK() ([]byte, error) {
	return json.Marshal(jose.JSONWebKey{Key: k.private.Public(), KeyID: k.ID, Use: "enc", Algorithm: string(jose.RSA_OAEP)})
}

// decrypt opens an encrypted token and returns the signed one inside. Anybody
// can encrypt to the platform: that it opens says nothing about who sent it.
func decrypt(compact string, find FindPlatformKey) (string, error) {
	parts, err := decodeParts(compact, 5, 5)
	if err != nil {
		return "", err
	}
	if asksForMore(parts[0], "zip") { // compression before encryption gives the text away, and bombs
		return "", Refuse(ReasonUndecryptable, "it is compressed, or its header has a key twice")
	}
	if len(parts[4]) != tagSize { // the library takes bytes of the text for some of the tag
		return "", Refuse(ReasonUndecryptable, "its tag has %d bytes instead of %d", len(parts[4]), tagSize)
	}
	jwe, err := jose.ParseEncryptedCompact(compact, keyAlgorithms, contentEncryption)
	if err != nil {
		return "", Refuse(ReasonUndecryptable, "its alg or enc is not supported, or its header asks for what is not")
	}
	key, err := find(jwe.Header.KeyID)
	if err != nil {
		return "", err
	}
	if key == nil {
		return "", Refuse(ReasonUndecryptable, "its kid is not the platform key's")
	}
	plain, err := jwe.Decrypt(key.private)
	if err != nil {
		return "", Refuse(ReasonUndecryptable, "it does not open with the platform's key")
	}
	return string(plain), nil
}
