// Package auth answers who is calling: it reads and verifies the tokens of
// client apps, makes and seals their secrets, and keeps the key that seals
// them. It knows no HTTP and no SQL: package roster fetches what it checks
// against, and the doors turn its errors into their own words.
package auth

import (
	"errors"
	"fmt"

	"roster/internal/directory"
)

// Why a caller was refused. Errors that wrap one of these say more to the
// operator than the wire may.
var (
	// ErrCredentials: no token, an unknown or disabled app, a wrong algorithm
	// or signature.
	ErrCredentials = errors.New("invalid credentials")
	// ErrMalformed: what came is no token at all.
	ErrMalformed = errors.New("malformed token")
	// ErrExpired: the signature is right, the time is over.
	ErrExpired = errors.New("token expired")
	// ErrNotActive: the signature is right, the time has not come.
	ErrNotActive = errors.New("token not active yet")
	// ErrScope: the app may not do this, or comes from the Bot Builder.
	ErrScope = errors.New("scope missing")
)

// Caller is who calls a verb, once that is established. The zero Caller may do
// nothing.
type Caller struct {
	// Account is the account the caller belongs to, and the only one it can
	// touch; 0 for the operator, who can touch all.
	Account  directory.AccountID
	Actor    directory.Actor
	app      directory.App
	operator bool
}

// Operator is the caller behind the command line on the server's own machine:
// whoever can read the database and the key may do everything.
func Operator() Caller {
	return Caller{Actor: directory.Actor{Kind: directory.ActorOperator}, operator: true}
}

// System is the caller behind what the server does by itself in the background.
func System() Caller {
	return Caller{Actor: directory.Actor{Kind: directory.ActorSystem}, operator: true}
}

// AppCaller is an app whose token was verified. label is the token's "sub",
// which nobody checked.
func AppCaller(app directory.App, label string) Caller {
	return Caller{
		Account: app.Account,
		Actor:   directory.Actor{Kind: directory.ActorApp, ID: int64(app.ID), Label: label},
		app:     app,
	}
}

// ClientID is the client id of a calling app, empty for the operator.
func (c Caller) ClientID() string { return c.app.ClientID }

// RequireScope returns nil when the caller holds the scope, and otherwise an
// error that wraps ErrScope. Apps from the Bot Builder hold none of these scopes, whatever
// the data says.
func (c Caller) RequireScope(s directory.Scope) error {
	switch {
	case c.operator:
		return nil
	case c.app.Origin != directory.OriginAdminConsole:
		return fmt.Errorf("%w: the app was not made in the Admin Console (origin %q)", ErrScope, c.app.Origin)
	case !c.app.Has(s):
		return fmt.Errorf("%w: the app does not hold %s", ErrScope, s)
	}
	return nil
}

// RequireAccount returns nil when the caller may touch the account, and
// otherwise an error that wraps directory.ErrDenied.
func (c Caller) RequireAccount(a directory.AccountID) error {
	if c.operator || (c.Account != 0 && c.Account == a) {
		return nil
	}
	return directory.Errorf(directory.ErrDenied, "the caller belongs to another account")
}

// RequireOperator returns nil for the operator, and otherwise an error that
// wraps directory.ErrDenied.
func (c Caller) RequireOperator() error {
	if c.operator {
		return nil
	}
	return directory.Errorf(directory.ErrDenied, "only the operator may do this")
}
