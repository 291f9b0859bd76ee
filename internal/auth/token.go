package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json" // keys in exactly their spelling
	"github.com/go-json-experiment/json/jsontext"
)

// Leeway is how far the clocks of a caller and ours may differ.
const Leeway = 60 * time.Second

// MaxToken is the longest token, in bytes, that is looked at.
const MaxToken = 16 << 10

// Token is a token that was read and not yet verified.
type Token struct {
	// ClientID is the app that the token says it comes from.
	ClientID  string
	signed    *jose.JSONWebSignature // nil when its algorithm is one we never take
	encrypted bool
}

// FindPlatformKey returns the platform's key with that id, nil when there is none.
type FindPlatformKey func(kid string) (*PlatformKey, error)

// ParseToken reads a compact JWT without believing any of it. One in five parts
// is encrypted to a key of the platform and opened first. The error is a
// *Refusal, or what find failed with.
func ParseToken(compact string, find FindPlatformKey) (Token, error) {
	switch {
	case compact == "":
		return Token{}, Refuse(ReasonNoToken, "no token")
	case len(compact) > MaxToken:
		return Token{}, Refuse(ReasonMalformed, "it is longer than %d bytes", MaxToken)
	case strings.Count(compact, ".") == 4:
		plain, err := decrypt(compact, find)
		if err != nil {
			return Token{}, err
		}
		token, err := parseSigned(plain)
		token.encrypted = true
		return token, err
	}
	return parseSigned(compact)
}

// signatureAlgorithms are those that an app can have. A token that names
// another, "none" above all, is as good as one with a wrong signature.
var signatureAlgorithms = []jose.SignatureAlgorithm{jose.HS256, jose.HS512, jose.RS256, jose.RS512}

func parseSigned(compact string) (Token, error) {
	signed, payload, err := readSigned(compact)
	if err != nil {
		return Token{}, err
	}
	if !isObject(payload) {
		return Token{}, Refuse(ReasonMalformed, "part 2 is not a JSON object")
	}
	var c rawClaims
	// The error's text would quote the claims, which may name people.
	if !jsontext.Value(payload).IsValid() || josejson.Unmarshal(payload, &c) != nil {
		return Token{}, Refuse(ReasonMalformed, "its claims have a key twice or are not UTF-8")
	}
	clientID := c.clientID()
	if clientID == "" {
		return Token{}, Refuse(ReasonNoApp, "the token names no app")
	}
	return Token{ClientID: clientID, signed: signed}, nil
}

// readSigned reads the form of a signed token. What it returns is nil when no
// app can have its algorithm, or its header asks for more: Verify refuses it,
// and says so of the app that the payload names.
func readSigned(compact string) (signed *jose.JSONWebSignature, payload []byte, err error) {
	parts, err := decodeParts(compact, 3, 2)
	if err != nil {
		return nil, nil, err
	}
	signature := strings.LastIndexByte(compact, '.') + 1
	if _, err := decodePart(compact[signature:]); err != nil {
		compact = compact[:signature] // without a signature it is refused like one with a wrong one
	}
	signed, err = jose.ParseSignedCompact(compact, signatureAlgorithms)
	if err != nil || asksForMore(parts[0], "crit", "b64", "zip") {
		signed = nil
	}
	return signed, parts[1], nil
}

// asksForMore says whether a header has one of the keys that change how the rest
// is to be read, or a key twice. The library knows some of them; a JWT has no
// use for any (RFC 7797, section 7; RFC 8725, section 3.6).
func asksForMore(header []byte, keys ...string) bool {
	var h map[string]any
	if josejson.Unmarshal(header, &h) != nil {
		return true
	}
	for _, key := range keys {
		if _, there := h[key]; there {
			return true
		}
	}
	return false
}

// decodeParts tells what is no token at all: it has n parts, of which the first some
// are base64url, and the first is a JSON object.
func decodeParts(compact string, n, some int) ([][]byte, error) {
	texts := strings.Split(compact, ".")
	if len(texts) != n {
		return nil, Refuse(ReasonMalformed, "it has %d parts", len(texts))
	}
	parts := make([][]byte, some)
	for i, text := range texts[:some] {
		var err error
		if parts[i], err = decodePart(text); err != nil {
			return nil, Refuse(ReasonMalformed, "part %d is not base64url", i+1)
		}
	}
	if !isObject(parts[0]) {
		return nil, Refuse(ReasonMalformed, "part 1 is not a JSON object")
	}
	return parts, nil
}

var errPart = errors.New("not base64url")

func decodePart(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") { // the decoder would skip them
		return nil, errPart
	}
	return base64.RawURLEncoding.Strict().DecodeString(text)
}

func isObject(raw []byte) bool {
	return json.Valid(raw) && bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{"))
}
