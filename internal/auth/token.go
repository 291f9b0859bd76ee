package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json" // keys in exactly their spelling
	"github.com/go-jose/go-jose/v4/jwt"
)

// Leeway is how far the clocks of a caller and ours may differ.
const Leeway = 60 * time.Second

// MaxToken is the longest token, in bytes, that is looked at.
const MaxToken = 16 << 10

// maxLabel is how many characters of a token's "sub" are kept.
const maxLabel = 256

// AlgorithmHS256 is the signature algorithm of an app unless it says otherwise.
const AlgorithmHS256 = string(jose.HS256)

// Token is a token that was read and not yet verified.
type Token struct {
	// ClientID is the app that the token says it comes from, empty when it
	// names none.
	ClientID string
	signed   *jwt.JSONWebToken // nil when its algorithm is one we never take
}

// ParseToken reads a compact JWT without believing any of it. The error wraps
// ErrCredentials when there is none, and ErrMalformed when it is no JWT.
func ParseToken(compact string) (Token, error) {
	if compact == "" {
		return Token{}, fmt.Errorf("%w: no token", ErrCredentials)
	}
	payload, err := checkForm(compact)
	if err != nil {
		return Token{}, err
	}
	// The app decides on the algorithm; a token that names another, "none"
	// above all, is as good as one with a wrong signature.
	signed, err := jwt.ParseSigned(compact, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		signed = nil // Verify refuses it, and says so of the app that it names
	}
	var c claims
	if err := josejson.Unmarshal(payload, &c); err != nil {
		// The error's text would quote the claims, which may name people.
		return Token{}, fmt.Errorf("%w: its claims have a key twice or a number out of bounds", ErrMalformed)
	}
	clientID := c.clientID()
	if clientID == "" {
		return Token{}, fmt.Errorf("%w: the token names no app", ErrCredentials)
	}
	return Token{ClientID: clientID, signed: signed}, nil
}

// checkForm tells what is no JWT at all: three parts in base64url, the first
// two of them JSON objects. It returns the second, the claims.
func checkForm(compact string) (payload []byte, err error) {
	if len(compact) > MaxToken {
		return nil, fmt.Errorf("%w: it is longer than %d bytes", ErrMalformed, MaxToken)
	}
	if strings.ContainsAny(compact, "\r\n") { // the decoder would skip them
		return nil, fmt.Errorf("%w: it has line breaks", ErrMalformed)
	}
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("%w: it has %d parts instead of 3", ErrMalformed, len(parts))
	}
	for i, part := range parts {
		raw, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil {
			return nil, fmt.Errorf("%w: part %d is not base64url", ErrMalformed, i+1)
		}
		if i < 2 && (!json.Valid(raw) || !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{"))) {
			return nil, fmt.Errorf("%w: part %d is not a JSON object", ErrMalformed, i+1)
		}
		if i == 1 {
			payload = raw
		}
	}
	return payload, nil
}

// claims are those that count. Their types are checked after the signature.
type claims struct {
	AppID     any     `json:"appId"`
	KoreIss   any     `json:"kore_iss"` //nolint:tagliatelle // the claim is spelt so
	Issuer    any     `json:"iss"`
	Subject   any     `json:"sub"`
	Expiry    instant `json:"exp"`
	NotBefore instant `json:"nbf"`
	IssuedAt  instant `json:"iat"`
}

// instant is a claim of a time, in seconds since 1970. Any JSON number will do,
// one beyond all floats included: it becomes an infinity.
type instant struct {
	seconds  float64
	present  bool // and not null
	noNumber bool
}

// UnmarshalJSON takes whatever it is given; see claims.
func (i *instant) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	i.present = true
	var err error
	i.seconds, err = strconv.ParseFloat(string(b), 64)
	i.noNumber = err != nil && !errors.Is(err, strconv.ErrRange)
	return nil
}

// clientID is the first of appId, kore_iss and iss that is there, or "" when
// that can be no app's: no database takes every text.
func (c *claims) clientID() string {
	for _, claim := range []any{c.AppID, c.KoreIss, c.Issuer} {
		if claim != nil && claim != "" {
			id, _ := claim.(string)
			if strings.ContainsFunc(id, unicode.IsControl) {
				return ""
			}
			return id
		}
	}
	return ""
}

// noSecret is verified against where there is no secret, so that an unknown
// app takes as long as a wrong signature.
var noSecret = []byte(NewClientSecret())

// Verify checks the token's signature against the live secrets of its app and
// then its times at now, and returns the token's "sub", cut to 256 characters.
// The error wraps ErrCredentials, ErrMalformed, ErrExpired or ErrNotActive.
// Nothing about the claims is said before the signature was found right.
func (t Token) Verify(secrets [][]byte, now time.Time) (label string, err error) {
	if t.signed == nil {
		return "", fmt.Errorf("%w: the token's algorithm is not the app's, or its header asks for what is not supported", ErrCredentials)
	}
	var c claims
	if !t.signedBy(secrets, &c) {
		return "", fmt.Errorf("%w: the signature is wrong", ErrCredentials)
	}
	if err := c.checkTimes(now); err != nil {
		return "", err
	}
	return c.label(), nil
}

// signedBy reports whether one of the secrets signed the token, and reads its claims.
func (t Token) signedBy(secrets [][]byte, c *claims) bool {
	if len(secrets) == 0 {
		_ = t.signed.Claims(noSecret, c)
		return false
	}
	for _, secret := range secrets {
		if t.signed.Claims(secret, c) == nil {
			return true
		}
	}
	return false
}

func (c *claims) checkTimes(now time.Time) error {
	at := float64(now.UnixMilli()) / 1000
	for _, claim := range []struct {
		name    string
		value   instant
		refused func(t float64) error
	}{
		{"exp", c.Expiry, func(t float64) error {
			if at > t+Leeway.Seconds() {
				return fmt.Errorf("%w: %.0f s ago", ErrExpired, at-t)
			}
			return nil
		}},
		{"nbf", c.NotBefore, notYet("nbf", at)},
		{"iat", c.IssuedAt, notYet("iat", at)},
	} {
		if !claim.value.present {
			continue
		}
		if claim.value.noNumber {
			return fmt.Errorf("%w: claim %s is not a number", ErrMalformed, claim.name)
		}
		if err := claim.refused(claim.value.seconds); err != nil {
			return err
		}
	}
	return nil
}

func notYet(claim string, at float64) func(float64) error {
	return func(t float64) error {
		if at < t-Leeway.Seconds() {
			return fmt.Errorf("%w: %s is %.0f s ahead", ErrNotActive, claim, t-at)
		}
		return nil
	}
}

// label is the claim "sub" as it may stand in a record: text, bounded, without
// control characters.
func (c *claims) label() string {
	s, _ := c.Subject.(string)
	runes := make([]rune, 0, maxLabel)
	for _, r := range s {
		if len(runes) == maxLabel {
			break
		}
		if !unicode.IsControl(r) {
			runes = append(runes, r)
		}
	}
	return string(runes)
}
