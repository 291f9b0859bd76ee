package roster

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/excerpt"
	"roster/internal/store"
)

// ReadUsers reads live members of the account, whom refs name by address or org
// id. The answer has one entry for each of refs, in their order: nil for one that
// names nobody.
//
// An app needs the scope User Management, and accountID is empty or its own.
func (r *Roster) ReadUsers(ctx context.Context, caller auth.Caller, accountID string, refs []directory.UserRef) ([]*directory.UserView, error) {
	account, err := r.ownAccount(ctx, caller, accountID, directory.ScopeUserManagement)
	if err != nil {
		return nil, err
	}
	selection := directory.Select(refs)
	found, err := r.store.Users(ctx, account, selection.EmailKeys, selection.OrgUserIDs)
	if err != nil {
		return nil, err
	}
	views := make([]*directory.UserView, len(refs))
	for i, ref := range refs {
		if key, ok := ref.Key(); ok {
			of := found.ByEmail
			if ref.Kind == directory.ByOrgUserID {
				of = found.ByOrgUserID
			}
			views[i] = of[key]
		}
	}
	return views, nil
}

// AccessChange is what SetAccess sets; nil leaves a flag as it is.
type AccessChange struct {
	CanCreateBot, IsDeveloper, TableAccess *bool
}

// SetAccess sets flags of live members, whom refs name by address or org id. The
// error wraps directory.ErrNotFound when one of them is no member of the account,
// and then nobody's are set. What is so already is not written.
//
// An app needs the scope Role Management, and accountID is empty or its own.
func (r *Roster) SetAccess(ctx context.Context, caller auth.Caller, accountID string, refs []directory.UserRef, c AccessChange, requestID string) error {
	account, err := r.ownAccount(ctx, caller, accountID, directory.ScopeRoleManagement)
	if err != nil {
		return err
	}
	_, err = r.setMembers(ctx, caller, account, refs, requestID, func(m *directory.MemberChange) error {
		set(&m.After.Flags.CanCreateBot, c.CanCreateBot)
		set(&m.After.Flags.IsDeveloper, c.IsDeveloper)
		set(&m.After.Flags.TableAccess, c.TableAccess)
		return nil
	})
	return err
}

// setMembers changes live members by fn, all of them or nobody, and returns how
// many were not so already.
func (r *Roster) setMembers(ctx context.Context, caller auth.Caller, account directory.AccountID, refs []directory.UserRef, requestID string,
	fn func(*directory.MemberChange) error,
) (changed int, err error) {
	if len(refs) == 0 {
		return 0, directory.Errorf(directory.ErrInvalid, "nobody is named")
	}
	selection := directory.Select(refs)
	err = r.store.Write(ctx, store.Change{Account: account, Actor: caller.Actor}, func(tx *store.Tx) error {
		found, err := tx.LockMembers(ctx, selection.EmailKeys, selection.OrgUserIDs)
		if err != nil {
			return err
		}
		if missing := selection.Unfound(found); len(missing) > 0 {
			return directory.Errorf(directory.ErrNotFound, "%s is no member of the account", excerpt.Of(refs[missing[0].Ref].Text))
		}
		states, err := tx.States(ctx, found)
		if err != nil {
			return err
		}
		var changes directory.UserChanges
		for _, m := range found {
			change := directory.MemberChange{Member: m.Member, Person: m.Person, Before: states[m.Member], After: states[m.Member]}
			if err := fn(&change); err != nil {
				return fmt.Errorf("%s: %w", excerpt.Of(m.EmailKey), err)
			}
			if change.ProfileChanges() {
				changes.Members = append(changes.Members, change)
			}
		}
		if changed = len(changes.Members); changed == 0 {
			return errAsItIs
		}
		slices.SortFunc(changes.Members, func(x, y directory.MemberChange) int { return int(x.Member - y.Member) })
		if err := tx.ChangeUsers(ctx, found, changes); err != nil {
			return err
		}
		return recordRequest(tx, caller, requestID)
	})
	if errors.Is(err, errAsItIs) {
		return 0, nil
	}
	return changed, err
}

// StatusChange is a change of members' status that has a name of its own.
type StatusChange string

// Changes of status.
const (
	// Activate makes members active, unless they are locked.
	Activate StatusChange = "activate"
	// Suspend makes members suspended, unless they are locked.
	Suspend StatusChange = "suspend"
	// Unlock makes locked members active.
	Unlock StatusChange = "unlock"
)

// StatusChanges are the changes that would make a difference to who has the status.
func StatusChanges(status directory.Status) (all []StatusChange) {
	for _, c := range []StatusChange{Activate, Suspend, Unlock} {
		after := status
		if c.apply(&after) == nil && after != status {
			all = append(all, c)
		}
	}
	return all
}

// apply changes a status. The error wraps directory.ErrState where that cannot be.
func (c StatusChange) apply(status *directory.Status) error {
	locked := *status == directory.StatusLocked
	switch {
	case c == Unlock && *status == directory.StatusActive:
		return nil
	case locked != (c == Unlock):
		return directory.Errorf(directory.ErrState, "%s is not possible for a user who is %s", c, *status)
	case c == Suspend:
		*status = directory.StatusSuspended
	default:
		*status = directory.StatusActive
	}
	return nil
}

// ChangeStatus changes the status of live members, whom refs name by address or
// org id, and returns how many were not so already. The error wraps
// directory.ErrNotFound when one of them is no member of the account, and
// directory.ErrState when one has a status that does not allow it; then nobody's
// is changed. As they cannot be removed, the account's owner can be suspended by
// the operator alone, and nobody suspends themselves.
//
// An app needs the scope User Management, and accountID is empty or its own.
func (r *Roster) ChangeStatus(ctx context.Context, caller auth.Caller, accountID string, refs []directory.UserRef, c StatusChange, requestID string) (changed int, err error) {
	account, err := r.ownAccount(ctx, caller, accountID, directory.ScopeUserManagement)
	if err != nil {
		return 0, err
	}
	var spared directory.MemberID
	if c == Suspend && caller.RequireOperator() != nil {
		if spared, err = r.store.AccountOwner(ctx, account); err != nil {
			return 0, err
		}
	}
	return r.setMembers(ctx, caller, account, refs, requestID, func(m *directory.MemberChange) error {
		switch {
		case m.Member == spared:
			return directory.Errorf(directory.ErrState, "the owner of the account cannot be suspended")
		case c == Suspend && m.Member == caller.Member():
			return directory.Errorf(directory.ErrState, "nobody can suspend themselves")
		}
		return c.apply(&m.After.Status)
	})
}
