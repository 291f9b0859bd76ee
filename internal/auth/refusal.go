package auth

import (
	"errors"
	"fmt"

	"roster/internal/directory"
)

// Kinds of refusal: what the wire may say of one. A Refusal says more, to the
// operator.
var (
	// ErrCredentials: no token, an unknown or disabled app, a wrong algorithm
	// or signature.
	ErrCredentials = errors.New("invalid credentials")
	// ErrMalformed: what came is no token that can be read, or not in the form,
	// plain or encrypted, that the app demands.
	ErrMalformed = errors.New("malformed token")
	// ErrScope: the app may not do this, or comes from the Bot Builder.
	ErrScope = errors.New("scope missing")
	// ErrExpired: the signature is right, the time is over.
	ErrExpired = errors.New("token expired")
	// ErrNotActive: the signature is right, the time has not come.
	ErrNotActive = errors.New("token not active yet")
	// ErrNoExpiry: "exp" is missing, and the app or a "jti" demands it.
	ErrNoExpiry = errors.New("exp claim missing")
	// ErrNoJTI: "jti" is missing, and the app demands it.
	ErrNoJTI = errors.New("jti claim missing")
	// ErrJTILifetime: the token has a "jti" and lives for more than an hour.
	ErrJTILifetime = errors.New("lifetime too long for a jti")
	// ErrReplayed: a token of the app with this "jti" was used before.
	ErrReplayed = errors.New("token used before")
)

// Reason is why a token was refused, in a word for counters and tables.
type Reason string

// Reasons.
const (
	ReasonNoToken       Reason = "no_token"
	ReasonMalformed     Reason = "malformed"
	ReasonNoApp         Reason = "no_app" // it names none
	ReasonUnknownApp    Reason = "unknown_app"
	ReasonAppDisabled   Reason = "app_disabled"
	ReasonAppDeleted    Reason = "app_deleted"
	ReasonUndecryptable Reason = "undecryptable"
	ReasonAlgorithm     Reason = "wrong_algorithm" // or a header that asks for what is not supported
	ReasonSignature     Reason = "wrong_signature"
	ReasonNotEncrypted  Reason = "not_encrypted"
	ReasonEncrypted     Reason = "encrypted"
	ReasonClaim         Reason = "bad_claim"
	ReasonExpired       Reason = "expired"
	ReasonNotActive     Reason = "not_active"
	ReasonNoExpiry      Reason = "exp_missing"
	ReasonNoJTI         Reason = "jti_missing"
	ReasonJTILifetime   Reason = "jti_lifetime"
	ReasonReplayed      Reason = "replayed"
	ReasonBotBuilder    Reason = "bot_builder"
	ReasonScope         Reason = "scope_missing"
)

// reasons lists all of them with their kinds.
var reasons = []struct {
	reason Reason
	kind   error
}{
	{ReasonNoToken, ErrCredentials},
	{ReasonMalformed, ErrMalformed},
	{ReasonNoApp, ErrCredentials},
	{ReasonUnknownApp, ErrCredentials},
	{ReasonAppDisabled, ErrCredentials},
	{ReasonAppDeleted, ErrCredentials},
	{ReasonUndecryptable, ErrMalformed},
	{ReasonAlgorithm, ErrCredentials},
	{ReasonSignature, ErrCredentials},
	{ReasonNotEncrypted, ErrMalformed},
	{ReasonEncrypted, ErrMalformed},
	{ReasonClaim, ErrMalformed},
	{ReasonExpired, ErrExpired},
	{ReasonNotActive, ErrNotActive},
	{ReasonNoExpiry, ErrNoExpiry},
	{ReasonNoJTI, ErrNoJTI},
	{ReasonJTILifetime, ErrJTILifetime},
	{ReasonReplayed, ErrReplayed},
	{ReasonBotBuilder, ErrScope},
	{ReasonScope, ErrScope},
}

// Reasons lists all reasons there are.
func Reasons() []Reason {
	all := make([]Reason, len(reasons))
	for i, r := range reasons {
		all[i] = r.reason
	}
	return all
}

func (r Reason) kind() error {
	for _, known := range reasons {
		if known.reason == r {
			return known.kind
		}
	}
	panic("auth: unknown reason " + string(r))
}

// Refusal is why a caller was refused. It wraps the kind that the wire may tell
// apart; its text is for the operator and names no person.
type Refusal struct { //nolint:errname // refusal is the word for it everywhere
	Reason Reason
	// App is the app that was refused, zero while it is not known. A stranger
	// who knows its client id can make refusals of it too.
	App  directory.App
	text string
}

// Refuse makes a refusal. The text says what is particular to this one, and may
// be empty.
func Refuse(reason Reason, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason, text: fmt.Sprintf(format, args...)}
}

// Error implements error.
func (r *Refusal) Error() string {
	text := r.Unwrap().Error()
	if r.text != "" {
		text += ": " + r.text
	}
	if r.App.ClientID != "" {
		text = "app " + r.App.ClientID + ": " + text
	}
	return text
}

// Unwrap returns the kind.
func (r *Refusal) Unwrap() error { return r.Reason.kind() }

// Of says which app it is about.
func (r *Refusal) Of(app directory.App) *Refusal {
	r.App = app
	return r
}
