package roster

import (
	"context"

	"roster/internal/auth"
	"roster/internal/store"
)

// AccountEntry is an account of a list, with how its owner's address is spelt and
// its own rate limits.
type AccountEntry = store.AccountEntry

// Accounts lists all accounts in the order of creation. Only the operator may.
func (r *Roster) Accounts(ctx context.Context, caller auth.Caller) ([]AccountEntry, error) {
	if err := caller.RequireOperator(); err != nil {
		return nil, err
	}
	return r.store.Accounts(ctx)
}

// AccountDetails is an account with how many there are of what it has.
type AccountDetails struct {
	AccountEntry
	store.AccountCounts
}

// Account returns an account by its public id, with what it has. The error wraps
// directory.ErrNotFound when there is none.
func (r *Roster) Account(ctx context.Context, caller auth.Caller, accountID string) (AccountDetails, error) {
	entry, counts, err := r.store.AccountEntry(ctx, accountID)
	if err == nil {
		err = caller.RequireAccount(entry.ID)
	}
	if err != nil {
		return AccountDetails{}, err
	}
	return AccountDetails{entry, counts}, nil
}
