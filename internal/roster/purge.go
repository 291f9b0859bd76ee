package roster

import (
	"context"
	"errors"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/store"
)

// How much of the purge one step does: few removals are looked up at once, and
// a transaction is short enough not to hold up others.
const (
	purgeRemovals = 100
	purgeMembers  = 500
)

// jobResults is how long a job is kept at the least, however short the restore
// window is: its result must be there to be fetched.
const jobResults = 24 * time.Hour

// PurgeExpired erases the users of removals whose restore window has ended: each
// membership with its profile, roles and groups, and the address of a person who belongs
// to no account. It then deletes groups and bots that were deleted before and that no
// restorable user had. It works in small transactions and returns the number of erased
// memberships. Its context may end it at any point; the next call continues. Several
// servers may run it at once.
//
// It erases no users while the clock of this machine may be wrong: see PurgeWait. The
// error then wraps ErrClockAhead. Only the operator may call it.
func (r *Roster) PurgeExpired(ctx context.Context, caller auth.Caller) (erased int, err error) {
	if err := caller.RequireOperator(); err != nil {
		return 0, err
	}
	now, err := r.trustedNow(ctx)
	if err != nil {
		return 0, err
	}
	for {
		due, err := r.store.DueRemovals(ctx, now, now.Add(-jobResults), purgeRemovals)
		if err != nil {
			return erased, err
		}
		if len(due) == 0 {
			_, err := r.store.ForgetDeleted(ctx, now)
			return erased, err
		}
		for _, d := range due {
			n, err := r.purge(ctx, caller, d, now)
			erased += n
			if err != nil && !errors.Is(err, directory.ErrState) { // somebody restores it just now
				return erased, err
			}
		}
	}
}

// purge erases all of one removal whose restore window had ended at a time.
func (r *Roster) purge(ctx context.Context, caller auth.Caller, due store.DueRemoval, at time.Time) (total int, err error) {
	// They may be many, so they do not wait for the last transaction.
	if err := r.store.ForgetJobRefusals(ctx, due.Account, due.Removal); err != nil {
		return 0, err
	}
	for closed := false; !closed; {
		var erased int
		err := r.store.Write(ctx, store.Change{Account: due.Account, Actor: caller.Actor}, func(tx *store.Tx) (err error) {
			erased, closed, err = tx.Purge(ctx, due.Removal, at, purgeMembers)
			return err
		})
		if errors.Is(err, store.ErrRemovalClosed) {
			return total, nil // by another server, or it is not due any more
		}
		if err != nil {
			return total, err
		}
		total += erased
	}
	return total, nil
}
