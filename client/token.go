package client

import (
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// TokenOptions say what a token holds.
type TokenOptions struct {
	ClientID     string
	ClientSecret string
	// TTL is how long the token is valid. It is positive; a token with a JTI
	// may live for an hour at most.
	TTL time.Duration
	// JTI gives the token an id of its own, which makes it good for one call.
	JTI bool
}

// minSecret is the shortest secret, in bytes, that HS256 may be keyed with.
const minSecret = 32

var errSecret = fmt.Errorf("the client secret is shorter than %d characters: is it the whole secret?", minSecret)

// maxJTILife is how long a token that has a jti may live.
const maxJTILife = time.Hour

// NewToken makes the compact JWT that goes into the header "auth", signed with
// HS256. The key is the secret's text itself, not the bytes that it stands for
// in base64.
func NewToken(o TokenOptions) (string, error) {
	switch {
	case o.ClientID == "" || o.ClientSecret == "":
		return "", errors.New("client id or client secret is missing")
	case len(o.ClientSecret) < minSecret:
		return "", errSecret
	case o.TTL <= 0:
		return "", fmt.Errorf("time to live %v is not positive", o.TTL)
	case o.JTI && o.TTL > maxJTILife:
		return "", fmt.Errorf("a token with a jti may live for %v at most, not %v", maxJTILife, o.TTL)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(o.ClientSecret)},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("sign the token: %w", err)
	}
	now := time.Now()
	claims := map[string]any{"appId": o.ClientID, "iat": now.Unix(), "exp": now.Add(o.TTL).Unix()}
	if o.JTI {
		claims["jti"] = rand.Text()
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign the token: %w", err)
	}
	return token, nil
}
