package roster

import (
	"context"
	"crypto/sha256"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/store"
)

// Now is the directory's time.
func (r *Roster) Now() time.Time { return r.store.Now() }

// Admit lets an authenticated caller make one call that needs the scope, and
// returns what is left of the account's rate limits. It refuses, in this order,
// who lacks the scope (*auth.Refusal), a token that is good for one call and was
// used before (*auth.Refusal), and a call over a limit
// (*directory.RateLimitError). A refused call counts for nothing, and its token
// may come again. The operator has no limits.
func (r *Roster) Admit(ctx context.Context, caller auth.Caller, scope directory.Scope) (directory.Quota, error) {
	if err := caller.RequireScope(scope); err != nil {
		return directory.Quota{}, err
	}
	app := caller.App()
	if app.ID == 0 {
		return directory.Quota{}, nil
	}
	a := store.Admission{Account: app.Account, Limits: r.limits, App: app.ID}
	if app.RateLimits != nil {
		a.Limits = *app.RateLimits
	}
	if token := caller.Token(); token.JTI != "" {
		hash := sha256.Sum256([]byte(token.JTI)) // of a fixed size, and nobody's name
		a.JTIHash, a.Until = hash[:], token.Expires.Add(auth.Leeway)
	}
	quota, replayed, err := r.store.Admit(ctx, a)
	if replayed {
		return directory.Quota{}, auth.Refuse(auth.ReasonReplayed, "").Of(app)
	}
	return quota, err
}

// SetRateLimits gives an account limits of its own, or with nil those that the
// server has. Only the operator may.
func (r *Roster) SetRateLimits(ctx context.Context, caller auth.Caller, accountID string, limits *directory.RateLimits) error {
	if err := caller.RequireOperator(); err != nil {
		return err
	}
	account, err := r.account(ctx, caller, accountID)
	if err != nil {
		return err
	}
	return r.store.Write(ctx, store.Change{Account: account.ID, Actor: caller.Actor}, func(tx *store.Tx) error {
		return tx.SetRateLimits(ctx, limits)
	})
}

// forgetAfter is how long a used token is kept beyond its end, since the clocks
// of servers differ.
const forgetAfter = time.Minute

// ForgetCalls deletes used tokens that have expired and counts of calls that no
// limit asks for any more, and returns how many tokens. It works in small
// transactions; several servers may run it at once.
func (r *Roster) ForgetCalls(ctx context.Context, caller auth.Caller) (tokens int, err error) {
	if err := caller.RequireOperator(); err != nil {
		return 0, err
	}
	return r.store.ForgetCalls(ctx, r.store.Now().Add(-forgetAfter))
}
