// Package auth answers who is calling: it reads and verifies the tokens of
// client apps, makes and seals their secrets, and keeps the key that seals
// them. It knows no HTTP and no SQL: package roster fetches what it checks
// against, and the doors turn its errors into their own words.
package auth

import (
	"roster/internal/directory"

	"roster/internal/excerpt"
)

// Caller is who calls a verb, once that is established. The zero Caller may do
// nothing.
type Caller struct {
	// Account is the account the caller belongs to, and the only one it can
	// touch; 0 for the operator, who can touch all.
	Account  directory.AccountID
	Actor    directory.Actor
	app      directory.App
	token    Claims
	rights   directory.Rights
	member   directory.MemberID
	person   bool
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

// AppCaller is an app whose token was verified, with what counts of the token.
func AppCaller(app directory.App, token Claims) Caller {
	return Caller{
		Account: app.Account,
		Actor:   directory.Actor{Kind: directory.ActorApp, ID: int64(app.ID), Label: token.Label},
		app:     app,
		token:   token,
	}
}

// PersonCaller is somebody who signed in, in the account that they chose. Before
// they did so they may do nothing.
func PersonCaller(s directory.Session) Caller {
	c := Caller{Actor: directory.Actor{Kind: directory.ActorPerson, ID: int64(s.Person)}, person: true}
	if s.In != nil {
		c.Account, c.rights, c.member, c.Actor.Label = s.In.Account.ID, s.In.Rights, s.In.Member, s.In.Email
	}
	return c
}

// App is the calling app; the zero App for the operator.
func (c Caller) App() directory.App { return c.app }

// Member is the caller as a member of Account, 0 for whoever is none.
func (c Caller) Member() directory.MemberID { return c.member }

// Token is what counts of the token that the app sent.
func (c Caller) Token() Claims { return c.token }

// ClientID is the client id of a calling app, empty for the operator.
func (c Caller) ClientID() string { return c.app.ClientID }

// RequireScope returns nil when the caller holds the scope, and otherwise a
// *Refusal that wraps ErrScope. Apps from the Bot Builder hold none of these
// scopes, whatever the data says. A person holds it who has the right that goes
// with it, to change things; otherwise the error wraps directory.ErrDenied.
func (c Caller) RequireScope(s directory.Scope) error {
	switch {
	case c.operator:
		return nil
	case c.person:
		return c.requireRight(s.Need())
	case c.app.Origin != directory.OriginAdminConsole:
		return Refuse(ReasonBotBuilder, "the app was not made in the Admin Console (origin %q)", excerpt.Of(c.app.Origin)).Of(c.app)
	case !c.app.Has(s):
		return Refuse(ReasonScope, "the app does not hold %s", s).Of(c.app)
	}
	return nil
}

// RequireScopeToSee is RequireScope for a verb that only looks, for which a
// person needs no more than the right to do that.
func (c Caller) RequireScopeToSee(s directory.Scope) error {
	if c.person {
		return c.requireRight(s.Need().Right.See())
	}
	return c.RequireScope(s)
}

// Require returns nil when the caller may do in the account what needs the right:
// the operator, and a person who has it there. Otherwise the error wraps
// directory.ErrDenied.
func (c Caller) Require(a directory.AccountID, n directory.Need) error {
	if err := c.RequireAccount(a); err != nil || c.operator {
		return err
	}
	return c.requireRight(n)
}

func (c Caller) requireRight(n directory.Need) error {
	if c.person && c.rights.Allow(n) {
		return nil
	}
	return directory.Errorf(directory.ErrDenied, "the caller lacks the right %s", n.Right)
}

// IsPerson reports whether somebody signed in calls.
func (c Caller) IsPerson() bool { return c.person }

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
