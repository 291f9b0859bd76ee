package auth

import (
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode"

	"roster/internal/directory"
)

// maxLabel is how many characters of a token's "sub" are kept.
const maxLabel = 256

// maxJTILifetime is how long a token with a "jti" may live.
const maxJTILifetime = time.Hour

// Claims are what counts of a verified token.
type Claims struct {
	// Label is the token's "sub", cut to 256 characters. Nobody checked it.
	Label string
	// Key is the key of the app that the token was signed with.
	Key directory.AppKeyID
	// JTI makes the token good for one call, until Expires and the leeway have
	// passed; empty when the token has none, and then Expires is zero.
	JTI     string
	Expires time.Time
}

// rawClaims are those that count. Their types are checked after the signature.
type rawClaims struct {
	AppID     any     `json:"appId"`
	KoreIss   any     `json:"kore_iss"` //nolint:tagliatelle // the claim is spelt so
	Issuer    any     `json:"iss"`
	Subject   any     `json:"sub"`
	Expiry    instant `json:"exp"`
	NotBefore instant `json:"nbf"`
	IssuedAt  instant `json:"iat"`
	JTI       any     `json:"jti"`
	KoreJTI   any     `json:"kore_jti"` //nolint:tagliatelle // the claim is spelt so
}

// instant is a claim of a time, in seconds since 1970. Any JSON number will do,
// one beyond all floats included: it becomes an infinity.
type instant struct {
	seconds  float64
	present  bool // and not null
	noNumber bool
}

// UnmarshalJSON takes whatever it is given; see rawClaims.
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
func (c *rawClaims) clientID() string {
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

func (c *rawClaims) checkTimes(now time.Time) *Refusal {
	at := float64(now.UnixMilli()) / 1000
	for _, claim := range []struct {
		name    string
		value   instant
		refused func(t float64) *Refusal
	}{
		{"exp", c.Expiry, func(t float64) *Refusal {
			if at > t+Leeway.Seconds() {
				return Refuse(ReasonExpired, "%.0f s ago", at-t)
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
			return Refuse(ReasonClaim, "claim %s is not a number", claim.name)
		}
		if refusal := claim.refused(claim.value.seconds); refusal != nil {
			return refusal
		}
	}
	return nil
}

func notYet(claim string, at float64) func(float64) *Refusal {
	return func(t float64) *Refusal {
		if at < t-Leeway.Seconds() {
			return Refuse(ReasonNotActive, "%s is %.0f s ahead", claim, t-at)
		}
		return nil
	}
}

// label is the claim "sub" as it may stand in a record: text, bounded, without
// control characters.
func (c *rawClaims) label() string {
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

// jti is the first of jti and kore_jti that is there.
func (c *rawClaims) jti() (string, *Refusal) {
	for _, claim := range []any{c.JTI, c.KoreJTI} {
		if claim == nil || claim == "" {
			continue
		}
		id, ok := claim.(string)
		if !ok {
			return "", Refuse(ReasonClaim, "claim jti is not a text")
		}
		return id, nil
	}
	return "", nil
}

// checkPolicy checks what the app demands, and what a "jti" does, at now.
func (c *rawClaims) checkPolicy(p directory.AppPolicy, now time.Time) (jti string, refusal *Refusal) {
	jti, refusal = c.jti()
	switch {
	case refusal != nil:
		return "", refusal
	case jti == "" && p.EnforceJTI:
		return "", Refuse(ReasonNoJTI, "")
	case !c.Expiry.present && jti != "":
		return "", Refuse(ReasonNoExpiry, "the token has a jti")
	case !c.Expiry.present && p.MustExpire:
		return "", Refuse(ReasonNoExpiry, "the app demands it")
	case jti == "":
		return "", nil
	}
	lifetime := c.Expiry.seconds - c.IssuedAt.seconds
	if !c.IssuedAt.present { // then it counts from now on, by a clock that may be ahead
		lifetime = c.Expiry.seconds - (float64(now.UnixMilli())/1000 + Leeway.Seconds())
	}
	if lifetime > maxJTILifetime.Seconds() {
		return "", Refuse(ReasonJTILifetime, "%.0f s", lifetime)
	}
	return jti, nil
}
