package auth

import (
	"crypto/rand"
	"encoding/base64"
	"strings"

	"roster/internal/directory"
)

// minSecret is the shortest client secret, in bytes, that HS256 may be keyed
// with (RFC 7518, section 3.2).
const minSecret = 32

// NewClientSecret returns 32 random bytes in standard base64, 44 characters.
// These characters, not the bytes they stand for, are the key of the HMAC.
func NewClientSecret() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}

// CheckClientSecret refuses a secret brought along from elsewhere that is too
// short to be one. The error wraps directory.ErrInvalid.
func CheckClientSecret(secret string) error {
	if len(secret) < minSecret {
		return directory.Errorf(directory.ErrInvalid, "the client secret has %d characters and needs %d or more", len(secret), minSecret)
	}
	if strings.ContainsAny(secret, " \t\r\n") {
		return directory.Errorf(directory.ErrInvalid, "the client secret has blanks in it")
	}
	return nil
}
