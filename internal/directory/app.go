package directory

import (
	"slices"
	"strings"
	"time"

	"roster/internal/excerpt"
)

// Origin says where a client app was created.
type Origin string

// The two places where apps are made. The public API takes calls from apps of
// the Admin Console alone.
const (
	OriginAdminConsole Origin = "admin-console"
	OriginBotBuilder   Origin = "bot-builder"
)

// ParseOrigin reads "admin-console" or "bot-builder". The error wraps ErrInvalid.
func ParseOrigin(s string) (Origin, error) {
	switch o := Origin(s); o {
	case OriginAdminConsole, OriginBotBuilder:
		return o, nil
	}
	return "", Errorf(ErrInvalid, "unknown origin %q: use %s or %s", excerpt.Of(s), OriginAdminConsole, OriginBotBuilder)
}

// AppState says whether an app may call.
type AppState string

// States of an app.
const (
	AppEnabled  AppState = "enabled"
	AppDisabled AppState = "disabled"
	AppDeleted  AppState = "deleted"
)

// Algorithm is how an app signs its tokens (RFC 7518). The app has it, and the
// header of a token never chooses.
type Algorithm string

// The algorithms there are. HS256 is an app's unless it says otherwise.
const (
	HS256 Algorithm = "HS256"
	HS512 Algorithm = "HS512"
	RS256 Algorithm = "RS256"
	RS512 Algorithm = "RS512"
)

// Algorithms lists them all.
func Algorithms() []Algorithm { return []Algorithm{HS256, HS512, RS256, RS512} }

// ParseAlgorithm reads the name of an algorithm. The error wraps ErrInvalid.
func ParseAlgorithm(s string) (Algorithm, error) {
	if a := Algorithm(s); slices.Contains(Algorithms(), a) {
		return a, nil
	}
	var known []string
	for _, a := range Algorithms() {
		known = append(known, string(a))
	}
	return "", Errorf(ErrInvalid, "unknown algorithm %q: use one of %s", excerpt.Of(s), strings.Join(known, ", "))
}

// PublicKey reports whether the app signs with a private key of its own, of
// which only the public half is kept here; otherwise both sides share a secret.
func (a Algorithm) PublicKey() bool { return a == RS256 || a == RS512 }

// AppPolicy is what an app demands of its tokens beyond the signature.
type AppPolicy struct {
	MustExpire bool // "exp" is needed
	EnforceJTI bool // "jti" is needed, so each token is good for one call
	EnforceJWE bool // the signed token comes encrypted to the platform's key
}

// App is a client of the public API.
type App struct {
	ID        AppID
	ClientID  string
	Account   AccountID
	Name      string
	Origin    Origin
	State     AppState
	Scopes    []Scope
	Algorithm Algorithm
	Policy    AppPolicy
	// RateLimits are the account's own, nil when those of the server hold.
	RateLimits      *RateLimits
	AccountPublicID string
	Created         time.Time
}

// Has reports whether the app holds the scope.
func (a App) Has(s Scope) bool { return slices.Contains(a.Scopes, s) }

// AppKeyID is the internal key of an AppKey.
type AppKeyID int64

// AppKey is what the tokens of an app are verified with: a client secret, or a
// public key in PKIX form for RS256 and RS512. An app may have two that are
// live, so that it can change from one to the other.
type AppKey struct {
	ID AppKeyID
	// Number tells an app's keys apart: 1, 2, 3 ... in the order in which they
	// were added.
	Number   int
	Sealed   Sealed
	Created  time.Time
	Retired  time.Time // zero while it is live
	LastUsed time.Time // zero when never; a minute or so behind
}

// Live reports whether tokens are verified with the key.
func (k AppKey) Live() bool { return k.Retired.IsZero() }

// MaxLiveKeys is how many live keys an app may have.
const MaxLiveKeys = 2

// AppRefusals counts the tokens of one app that were refused for one reason.
type AppRefusals struct {
	App       AppID
	Reason    string
	Count     int
	Last      time.Time
	RequestID string // of the last one
}

// KeyUse is when a key of an app was last used.
type KeyUse struct {
	App AppID
	Key AppKeyID
	At  time.Time
}

// Sealed is a secret as the database keeps it.
type Sealed struct {
	KeyVersion int // of the secret key that seals it
	Text       []byte
}

// SecretKey is a key that seals, or sealed, secrets of the database. The key
// itself is in a file.
type SecretKey struct {
	Version     int // 1, 2, 3 ...
	Fingerprint []byte
	Created     time.Time
	Retired     time.Time // zero for the current one
	Seals       int       // secrets that only this key opens
}

// PlatformKey is the RSA key of this installation, to which tokens may be
// encrypted, its private half sealed.
type PlatformKey struct {
	ID      string // "kid"
	Sealed  Sealed
	Created time.Time
}
