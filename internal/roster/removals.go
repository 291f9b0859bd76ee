package roster

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
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
	account, err := r.ownAccountToSee(ctx, caller, accountID, directory.ScopeUserManagement)
	if err != nil {
		return directory.RemovalPage{}, err
	}
	out, err := r.store.Removals(ctx, account, page)
	for i := range out.Removals {
		r.setRestorable(&out.Removals[i])
	}
	return out, err
}

// Removal returns a removal by its public id, with the refused ids as long as
// they are kept. The account and the right to it are as for Removals. The error
// wraps directory.ErrNotFound when the account has no such removal.
func (r *Roster) Removal(ctx context.Context, caller auth.Caller, accountID, id string) (directory.RemovalRecord, error) {
	account, err := r.ownAccountToSee(ctx, caller, accountID, directory.ScopeUserManagement)
	if err != nil {
		return directory.RemovalRecord{}, err
	}
	record, details, err := r.store.Removal(ctx, account, id)
	if err != nil {
		return record, err
	}
	r.setRestorable(&record)
	return record, addDetails(&record, details)
}

// setRestorable fills in when the restore window of a removal ends, where an earlier
// version made the removal and no server has filled it in yet.
func (r *Roster) setRestorable(record *directory.RemovalRecord) {
	if record.State.Over() {
		record.RestorableUntil = r.windowEnd(record.RestorableUntil, record.Finished)
	}
}

// refusalsAtOnce is how many chunks of a job's refusals are read at once.
const refusalsAtOnce = 100

// EachRefused calls yield with the users and ids that a removal refused, some at
// a time, in the order of the request: those that the record holds, or, of a job
// that is over, all of them. The account and the right to it are as for Removals.
// The error wraps directory.ErrGone when a purge erases them meanwhile.
func (r *Roster) EachRefused(ctx context.Context, caller auth.Caller, accountID string, record *directory.RemovalRecord, yield func([]directory.RefusedUser) error) error {
	account, err := r.ownAccountToSee(ctx, caller, accountID, directory.ScopeUserManagement)
	if err != nil {
		return err
	}
	if len(record.Refused) > 0 || !record.State.Over() || !record.Purged.IsZero() {
		return yield(record.Refused)
	}
	left := record.Failed()
	for after := int64(-1); left > 0; {
		bodies, last, err := r.store.JobRefusals(ctx, account, record.ID, after, refusalsAtOnce)
		if err != nil {
			return err
		}
		switch {
		case len(bodies) > 0:
		case left == record.Failed():
			return nil // all are erased, or none were kept of a call's removal
		default:
			return directory.Errorf(directory.ErrGone, "what the removal %s refused is being erased", record.PublicID)
		}
		for _, body := range bodies {
			var d removalDetails
			if err := json.Unmarshal([]byte(body), &d); err != nil {
				return fmt.Errorf("read what removal %s refused: %w", record.PublicID, err)
			}
			left -= len(d.Refused)
			if err := yield(d.users()); err != nil {
				return err
			}
		}
		after = last
	}
	return nil
}

// RemovedUsers returns a page of up to limit of those whom a removal has ended and
// who were neither restored nor erased, from the Next of the page before on, or from
// the first where it is empty. While a job runs they are those of so far. The
// account and the right to it are as for Removals. The error wraps
// directory.ErrInvalid when no page can begin there.
func (r *Roster) RemovedUsers(ctx context.Context, caller auth.Caller, accountID string, record *directory.RemovalRecord, from string, limit int) (directory.RemovedPage, error) {
	account, err := r.ownAccountToSee(ctx, caller, accountID, directory.ScopeUserManagement)
	if err != nil {
		return directory.RemovedPage{}, err
	}
	if limit < 1 {
		return directory.RemovedPage{}, directory.Errorf(directory.ErrInvalid, "a page has a limit of 1 or more")
	}
	return r.store.RemovedUsers(ctx, account, record.ID, from, limit)
}

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
	if !record.State.Over() {
		return 0, directory.Errorf(directory.ErrState, "the removal %s is still %s: cancel it, or wait", record.PublicID, record.State)
	}
	if !record.Purged.IsZero() {
		return 0, directory.Errorf(directory.ErrState, "the removal %s was purged already, on %s",
			record.PublicID, record.Purged.Format(time.RFC3339))
	}
	return r.purge(ctx, caller, store.DueRemoval{Account: account.ID, Removal: record.ID}, time.UnixMicro(math.MaxInt64))
}
