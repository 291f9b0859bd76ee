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

// PurgeExpired erases, for good, everybody whose removal can no longer be restored: the
// membership, all that hangs on it, and the address of a person whom no account has
// any more. Then it forgets deleted groups and bots that nobody had who can still be
// restored. It works in small transactions, returns how many memberships it erased, and
// can be ended at any point by its context; the next call goes on. Several servers may
// run it at once.
//
// It erases nobody while the clock of this machine may be wrong: see PurgeWait. The
// error then wraps ErrClockAhead. Only the operator may.
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
