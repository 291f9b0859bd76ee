package roster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/store"
)

// RestoreOptions are what a caller may ask of a restoration.
type RestoreOptions struct {
	// RequestID goes to the audit record.
	RequestID string
	// DryRun changes nothing: the outcome is what it would be at this moment.
	DryRun bool
	// Atomic restores all or nobody: when anybody is refused, nobody comes back.
	Atomic bool
	// Repeat lets an app repeat the call, as that of a removal does.
	Repeat directory.RepeatKey
	// Background lets a restoration of more users than one transaction restores be done
	// in the background: the outcome is then Queued.
	Background bool
}

// restoreAttempts is how often a restoration starts over when others make the
// same people members at the same time.
const restoreAttempts = 5

// errPreview ends a transaction that was only to show what it would do.
var errPreview = errors.New("nothing is kept of a preview")

// RestoreUsers makes members whom a removal ended live again, as they were:
// with profile, status, groups, roles and assignments, but for what was deleted
// since, which the outcome names. refs are the ones to restore, and nil is for
// the whole removal; an empty list is neither, and an error. It is one
// transaction: everybody not among the outcome's Refused is back once it
// returns without an error, and with one nobody is; a failing commit
// (directory.ErrUnavailable) leaves open whether all or nobody.
//
// A whole removal with more than 100,000 members left is restored by a job, unless the
// call is a preview or atomic. Each chunk of the job is a transaction, and a server
// finishes the job if the context or this process ends. The call works on the job until
// the job is over; a second call for the same removal joins it. The error wraps
// directory.ErrState if the job was cancelled.
//
// An app needs the scope User Management, and accountID is empty or its own.
// The error wraps directory.ErrNotFound when the account has no such removal,
// and directory.ErrGone when its restore window is over or any of the whole
// removal was erased. The operator is bound by what is still there alone.
func (r *Roster) RestoreUsers(ctx context.Context, caller auth.Caller, accountID, removalID string, refs []directory.UserRef, o RestoreOptions) (directory.Restoration, error) {
	account, err := r.ownAccount(ctx, caller, accountID, directory.ScopeUserManagement)
	if err != nil {
		return directory.Restoration{}, err
	}
	if refs != nil && len(refs) == 0 {
		return directory.Restoration{}, directory.Errorf(directory.ErrInvalid, "the restoration names nobody")
	}
	if o.DryRun {
		o.Repeat = directory.RepeatKey{} // there is nothing to repeat
	}
	re := restoration{roster: r, caller: caller, removal: removalID, options: o, refs: refs}
	if refs != nil {
		re.selection = directory.Select(refs)
	}
	change := store.Change{Account: account, Actor: caller.Actor}
	earlier, err := re.begin(ctx, change)
	switch {
	case err != nil:
		return directory.Restoration{}, fmt.Errorf("restore users: %w", err)
	case earlier != nil:
		return earlier.restoration(refs), nil
	case re.out.Queued:
		return re.out, nil
	}
	for range restoreAttempts {
		earlier, err = r.writeOnce(ctx, caller, o.Repeat, change, func(tx *store.Tx) error { return re.write(ctx, tx) },
			func() outcome { return keepRestoration(refs != nil, &re.out) })
		// Somebody became a member with one of the addresses after this transaction
		// had looked for such. Looking again will find them.
		if !errors.Is(err, directory.ErrExists) {
			break
		}
	}
	switch {
	case errors.Is(err, errPreview):
		return re.out, nil
	case errors.Is(err, directory.ErrExists):
		return directory.Restoration{}, fmt.Errorf("%w: restore users: %w", directory.ErrUnavailable, err)
	case err != nil:
		return directory.Restoration{}, fmt.Errorf("restore users: %w", err)
	case earlier != nil:
		return earlier.restoration(refs), nil
	}
	r.notes.usersRestored.Add(int64(re.out.Restored - re.before.Restored))
	return re.out, nil
}

// restoration is one that is being made.
type restoration struct {
	roster    *Roster
	caller    auth.Caller
	removal   string // public id
	options   RestoreOptions
	refs      []directory.UserRef   // nil for the whole removal
	selection *directory.Selection  // of refs
	begun     bool                  // by a job, which may outlast the restore window
	before    directory.Restoration // by that job
	out       directory.Restoration
}

// restoreAtOnce is how many members of a whole removal one transaction restores at the
// most, lest it hold up everybody and take all of the memory.
const restoreAtOnce = 100_000

// begin restores a whole removal that is too large for one transaction by a job, or leaves
// that to the background. The transaction that ends the restoration then deals with the
// few who came to stay out or can come back only now. A preview, and all or nobody, are
// one transaction whatever it costs. Of a call that is repeated it returns the earlier
// outcome and restores nobody.
func (re *restoration) begin(ctx context.Context, change store.Change) (earlier *outcome, err error) {
	if re.refs != nil || re.options.DryRun || re.options.Atomic {
		return nil, nil
	}
	record, _, err := re.roster.store.Removal(ctx, change.Account, re.removal)
	if err != nil || !record.Restoring() && record.Left() <= re.roster.restoreAtOnce {
		return nil, err
	}
	earlier, err = re.roster.earlier(ctx, re.caller, re.options.Repeat)
	if err != nil || earlier != nil {
		return earlier, err
	}
	if err := re.queue(ctx, change); err != nil {
		return nil, err
	}
	if re.options.Background {
		re.out.Queued = true
		return nil, nil
	}
	return nil, re.finish(ctx, change, record.ID)
}

// write does it within the transaction.
func (re *restoration) write(ctx context.Context, tx *store.Tx) error {
	removal, err := tx.LockRemoval(ctx, re.removal)
	if err != nil {
		return err
	}
	if re.options.Atomic {
		running, err := tx.Restoring(ctx, removal.RemovalID)
		if err != nil {
			return err
		}
		if running {
			return directory.Errorf(directory.ErrState, "the removal %s is being restored: wait, or cancel that", re.removal)
		}
	}
	removed, err := tx.RemovedMembers(ctx, removal, re.selection)
	if err != nil {
		return err
	}
	if err := re.possible(removal, len(removed)); err != nil {
		return err
	}
	live, err := tx.LiveLike(ctx, removed)
	if err != nil {
		return err
	}
	returning, refused := re.selection.DecideRestoration(removed, live)
	if re.options.Atomic && len(refused) > 0 {
		returning = nil
	}
	re.out = directory.Restoration{Restored: len(returning), Refs: re.refs, Refused: refused}
	if err := re.spell(ctx, tx); err != nil {
		return err
	}
	if len(returning) > 0 {
		if re.out.Lost, err = tx.Restore(ctx, removal, returning); err != nil {
			return err
		}
	}
	if re.options.DryRun {
		return errPreview
	}
	details, err := re.describe()
	if err == nil {
		tx.RecordDetails(details)
	}
	re.out.Restored += re.before.Restored
	re.out.Lost = directory.AddLost(re.before.Lost, re.out.Lost)
	return err
}

// possible refuses what the restore window or the purge has put an end to. left
// is how many of those in question are still there.
func (re *restoration) possible(removal store.LockedRemoval, left int) error {
	until := re.roster.windowEnd(removal.RestorableUntil, removal.Finished)
	switch {
	case !removal.State.Over():
		return directory.Errorf(directory.ErrState, "the removal %s is still %s: cancel it, or wait", re.removal, removal.State)
	case re.begun:
		return nil
	case removal.Purged:
		return directory.Errorf(directory.ErrGone, "the users of removal %s were erased", re.removal)
	case re.caller.RequireOperator() != nil && !re.roster.store.Now().Before(until):
		return directory.Errorf(directory.ErrGone, "the restore window of removal %s is over", re.removal)
	case re.refs == nil && left != removal.Removed-removal.Restored:
		return directory.Errorf(directory.ErrGone, "some users of removal %s were erased: name those to restore", re.removal)
	}
	return nil
}

// spell adds to the refusals of members how the account spells their addresses,
// and names them by these where the request named nobody.
func (re *restoration) spell(ctx context.Context, tx *store.Tx) error {
	var members []directory.MemberID
	for _, refusal := range re.out.Refused {
		if refusal.Member != 0 {
			members = append(members, refusal.Member)
		}
	}
	if len(members) == 0 {
		return nil
	}
	addresses, err := tx.Addresses(ctx, members)
	if err != nil {
		return err
	}
	for i := range re.out.Refused {
		refusal := &re.out.Refused[i]
		refusal.Email = addresses[refusal.Member]
		if re.refs == nil {
			re.out.Refs = append(re.out.Refs, directory.UserRef{Text: refusal.Email})
		}
	}
	return nil
}

// describe renders what is personal about the restoration, for the audit log.
func (re *restoration) describe() ([]byte, error) {
	return json.Marshal(re.details())
}

func (re *restoration) details() restorationDetails {
	return restorationDetails{
		Subject: re.caller.Actor.Label, RequestID: re.options.RequestID, Restored: &re.out.Restored,
		RefusedByReason: re.out.RefusedByReason(), Refused: keepRefusals(re.out.Refs, re.out.Refused, maxRefusedKept), Lost: re.out.Lost,
	}
}

// ownAccount is the account of a caller who holds the scope: the one that is
// named, or its own for an app or a person that names none.
func (r *Roster) ownAccount(ctx context.Context, caller auth.Caller, accountID string, scope directory.Scope) (directory.AccountID, error) {
	return r.named(ctx, caller, accountID, caller.RequireScope(scope))
}

// ownAccountToSee is ownAccount for a verb that only looks.
func (r *Roster) ownAccountToSee(ctx context.Context, caller auth.Caller, accountID string, scope directory.Scope) (directory.AccountID, error) {
	return r.named(ctx, caller, accountID, caller.RequireScopeToSee(scope))
}

// named is the account that is named, or the caller's own, unless it was denied.
func (r *Roster) named(ctx context.Context, caller auth.Caller, accountID string, denied error) (directory.AccountID, error) {
	if denied != nil {
		return 0, denied
	}
	if accountID == "" && caller.Account != 0 {
		return caller.Account, nil
	}
	account, err := r.tenant(ctx, caller, accountID)
	return account.ID, err
}
