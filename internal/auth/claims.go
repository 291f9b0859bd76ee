package auth

import (
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

// maxExpiryYears is how far ahead "exp" may be where an app demands it.
const maxExpiryYears = 10

// minIssuedAt is the smallest "iat" that is believed, in seconds: it is in the year
// 2001. Smaller numbers count from something else, as larger ones may.
const minIssuedAt = 1e9

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

// instant is a claim of a time, since 1970. Any finite JSON number will do.
type instant struct {
	number   float64
	present  bool // and not null
	noNumber bool // or one beyond all floats
}

// minMillis is the smallest number that is read as milliseconds: as seconds it would
// be in the year 33658.
const minMillis = 1e12

// seconds is the time in seconds. Some makers of tokens write milliseconds.
func (i instant) seconds() float64 {
	if i.number >= minMillis {
		return i.number / 1000
	}
	return i.number
}

// UnmarshalJSON takes whatever it is given; see rawClaims.
func (i *instant) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	i.present = true
	var err error
	i.number, err = strconv.ParseFloat(string(b), 64)
	i.noNumber = err != nil
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
	at := unixSeconds(now)
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
		{"nbf", c.NotBefore, func(t float64) *Refusal {
			if at < t-Leeway.Seconds() {
				return Refuse(ReasonNotActive, "nbf is %.0f s ahead", t-at)
			}
			return nil
		}},
	} {
		if !claim.value.present {
			continue
		}
		if claim.value.noNumber {
			return Refuse(ReasonClaim, "claim %s is not a finite number", claim.name)
		}
		if refusal := claim.refused(claim.value.seconds()); refusal != nil {
			return refusal
		}
	}
	return nil
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

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

// began is when the lifetime of the token began, in seconds: at its "iat", or now if
// that is missing or cannot be right. Many makers of tokens write it in milliseconds.
func (c *rawClaims) began(now time.Time) float64 {
	at, iat := unixSeconds(now), c.IssuedAt
	if !iat.present || iat.noNumber || iat.number < minIssuedAt || iat.number > at+Leeway.Seconds() {
		return at
	}
	return iat.number
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
	case p.MustExpire && c.Expiry.seconds() > unixSeconds(now.AddDate(maxExpiryYears, 0, 0)):
		return "", Refuse(ReasonNoExpiry, "the app demands one within %d years", maxExpiryYears)
	case jti == "":
		return "", nil
	}
	lifetime := c.Expiry.seconds() - c.began(now)
	if lifetime > (maxJTILifetime + Leeway).Seconds() {
		return "", Refuse(ReasonJTILifetime, "%.0f s", lifetime)
	}
	return jti, nil
}
