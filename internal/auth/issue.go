package auth

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"roster/internal/directory"
)

// IssueToken makes a token of an app that signs with a client secret, as the app
// itself would make it: with all that its policy demands, encrypted to the
// platform's key where there is one. label becomes its "sub".
func IssueToken(app directory.App, secret []byte, platform *PlatformKey, label string, now time.Time, life time.Duration) (string, error) {
	claims := map[string]any{"appId": app.ClientID, "iat": now.Unix(), "exp": now.Add(life).Unix()}
	if label != "" {
		claims["sub"] = label
	}
	if app.Policy.EnforceJTI {
		claims["jti"] = uuid.NewString()
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	algorithm := jose.SignatureAlgorithm(app.Algorithm)
	key, err := verificationKey(app.Algorithm, secret) // of an HMAC it is the same
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	signed, err := signer.Sign(body)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	token, err := signed.CompactSerialize()
	if err != nil || platform == nil {
		return token, err
	}
	return platform.encrypt(token)
}

// encrypt encrypts a signed token to the key's public half.
func (k *PlatformKey) encrypt(token string) (string, error) {
	to := jose.Recipient{Algorithm: jose.RSA_OAEP_256, Key: k.private.Public(), KeyID: k.ID}
	encrypter, err := jose.NewEncrypter(jose.A256GCM, to, (&jose.EncrypterOptions{}).WithContentType("JWT"))
	if err != nil {
		return "", fmt.Errorf("encrypt a token: %w", err)
	}
	sealed, err := encrypter.Encrypt([]byte(token))
	if err != nil {
		return "", fmt.Errorf("encrypt a token: %w", err)
	}
	return sealed.CompactSerialize()
}
