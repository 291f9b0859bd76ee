package roster

import (
	"context"
	"fmt"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/store"
)

// RemoveUsers removes the named users from the caller's account in one
// transaction, or refuses them one by one: everybody not among the result's
// Refused is out, durably, once it returns without an error. With an error
// nobody is, except that a failing commit (directory.ErrUnavailable) leaves
// open whether all or nobody.
//
// The caller needs the scope User Management and belongs to the account: no
// other can be named. An empty list is an error that wraps directory.ErrInvalid:
// it never means everybody.
func (r *Roster) RemoveUsers(ctx context.Context, caller auth.Caller, refs []directory.UserRef, o RemovalOptions) (directory.Removal, error) {
	if err := caller.RequireScope(directory.ScopeUserManagement); err != nil {
		return directory.Removal{}, err
	}
	if caller.Account == 0 || len(refs) == 0 {
		return directory.Removal{}, directory.Errorf(directory.ErrInvalid, "the removal names no account or nobody")
	}
	if err := o.Labels.Check(); err != nil {
		return directory.Removal{}, err
	}
	selection := directory.Select(refs)
	if o.DryRun {
		found, err := r.store.FindCandidates(ctx, caller.Account, selection)
		if err != nil {
			return directory.Removal{}, fmt.Errorf("preview the removal: %w", err)
		}
		_, out := o.decide(selection, found)
		return out, nil
	}
	var out directory.Removal
	change := store.Change{Account: caller.Account, Actor: caller.Actor, IDs: 1}
	earlier, err := r.writeOnce(ctx, caller, o.Repeat, change, func(tx *store.Tx) (err error) {
		out, err = r.remove(ctx, tx, caller, refs, selection, o)
		return err
	}, func() outcome { return keepRemoval(refs, &out) })
	if err != nil {
		return directory.Removal{}, fmt.Errorf("remove users: %w", err)
	}
	if earlier != nil {
		return earlier.removal(), nil
	}
	r.notes.usersRemoved.Add(int64(out.Removed))
	r.notes.usersRefused.Add(int64(len(out.Refused)))
	return out, nil
}

// remove does it within the transaction.
func (r *Roster) remove(ctx context.Context, tx *store.Tx, caller auth.Caller, refs []directory.UserRef,
	selection *directory.Selection, o RemovalOptions,
) (directory.Removal, error) {
	found, err := tx.LockCandidates(ctx, selection)
	if err != nil {
		return directory.Removal{}, err
	}
	leaving, out := o.decide(selection, found)
	if err := o.checkExpected(len(leaving)); err != nil {
		return directory.Removal{}, err
	}
	out.PublicID, out.Labels = directory.NewRemovalID(), o.Labels
	kept := maxRefusedKept
	window := r.window
	if o.erase {
		window = 0
	}
	if window == 0 {
		kept = 0 // nothing personal stays
	}
	counts, details, err := describe(caller, refs, &out, o.RequestID, kept)
	if err != nil {
		return directory.Removal{}, err
	}
	tx.RecordDetails(details)
	tx.Remove(leaving, out, counts, window)
	if window == 0 {
		err = tx.EraseAtOnce(ctx, leaving)
	}
	return out, err
}

// RemovalOptions are what a caller may ask of a removal.
type RemovalOptions struct {
	// RequestID goes to the audit record.
	RequestID string
	// DryRun changes nothing: the outcome is what a removal at this moment would
	// be, without an id.
	DryRun bool
	// Atomic removes all or nobody: when anybody is refused, nobody goes.
	Atomic bool
	// Labels are kept with the removal; a dry run only checks them.
	Labels directory.RemovalLabels
	// Expected, unless nil, is how many users the caller expects to remove. If another
	// number would be removed, the error wraps directory.ErrState, and no user is.
	Expected *int
	// Repeat lets an app or a person repeat the call: for directory.RepeatableFor it gets the
	// first outcome again. A dry run has nothing to repeat and ignores it. The
	// error wraps directory.ErrRunning while the first call runs, and
	// directory.ErrKeyReused when that asked for something else.
	Repeat directory.RepeatKey
	// erase leaves nothing that could be restored.
	erase bool
}

// checkExpected compares the number of users to remove with the expected one.
func (o RemovalOptions) checkExpected(leaving int) error {
	if o.Expected == nil || *o.Expected == leaving {
		return nil
	}
	return directory.Errorf(directory.ErrState, "not %d but %d users would be removed", *o.Expected, leaving)
}

// decide applies the rules to who was found.
func (o RemovalOptions) decide(s *directory.Selection, found []directory.Candidate) (leaving []directory.Candidate, out directory.Removal) {
	leaving, out = s.Decide(found)
	if o.Atomic && len(out.Refused) > 0 {
		leaving, out.Removed = nil, 0
	}
	return leaving, out
}
