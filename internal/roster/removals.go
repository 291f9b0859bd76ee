package roster

import (
	"context"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/store"
)

// Removals returns a page of an account's removals, the newest first, without
// the ids that were refused. The account is an app's own where accountID is
// empty; the operator names one. The caller needs the scope User Management.
func (r *Roster) Removals(ctx context.Context, caller auth.Caller, accountID string, page directory.Page) (directory.RemovalPage, error) {
	if page.Limit < 1 || page.Offset < 0 {
		return directory.RemovalPage{}, directory.Errorf(directory.ErrInvalid, "a page has a limit of 1 or more and an offset of 0 or more")
	}
	account, err := r.ownAccount(ctx, caller, accountID, directory.ScopeUserManagement)
	if err != nil {
		return directory.RemovalPage{}, err
	}
	out, err := r.store.Removals(ctx, account, page)
	for i := range out.Removals {
		out.Removals[i].RestorableUntil = r.restorableUntil(out.Removals[i].Created)
	}
	return out, err
}

// Removal returns a removal by its public id, with the refused ids as long as
// they are kept. The account and the right to it are as for Removals. The error
// wraps directory.ErrNotFound when the account has no such removal.
func (r *Roster) Removal(ctx context.Context, caller auth.Caller, accountID, id string) (directory.RemovalRecord, error) {
	account, err := r.ownAccount(ctx, caller, accountID, directory.ScopeUserManagement)
	if err != nil {
		return directory.RemovalRecord{}, err
	}
	record, details, err := r.store.Removal(ctx, account, id)
	if err != nil {
		return record, err
	}
	record.RestorableUntil = r.restorableUntil(record.Created)
	return record, addDetails(&record, details)
}

// restorableUntil is when the restore window of a removal ends.
func (r *Roster) restorableUntil(created time.Time) time.Time { return created.Add(r.window) }

// PurgeRemoval erases, for good and before its restore window ends, everybody of
// a removal who has not come back, as PurgeExpired does when it has ended. It
// returns how many memberships it erased; called again after it was ended by its
// context it goes on. A removal that was purged already fails with an error that
// wraps directory.ErrState. Only the operator may.
func (r *Roster) PurgeRemoval(ctx context.Context, caller auth.Caller, accountID, id string) (erased int, err error) {
	if err := caller.RequireOperator(); err != nil {
		return 0, err
	}
	account, err := r.account(ctx, caller, accountID)
	if err != nil {
		return 0, err
	}
	record, _, err := r.store.Removal(ctx, account.ID, id)
	if err != nil {
		return 0, err
	}
	if !record.Purged.IsZero() {
		return 0, directory.Errorf(directory.ErrState, "the removal %s was purged already, on %s",
			record.PublicID, record.Purged.Format(time.RFC3339))
	}
	return r.purge(ctx, caller, store.DueRemoval{Account: account.ID, Removal: record.ID})
}
