package roster

import (
	"context"
	"errors"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/excerpt"
	"roster/internal/store"
)

// CreateGroup makes a group of live members, named by address, and returns its
// public id.
func (r *Roster) CreateGroup(ctx context.Context, caller auth.Caller, accountID, name string, members []string) (string, error) {
	refs := make([]directory.UserRef, len(members))
	for i, address := range members {
		refs[i].Text = address
	}
	return r.MakeGroup(ctx, caller, accountID, NewGroup{Name: name, Members: refs})
}

// NewGroup describes a group to be made.
type NewGroup struct {
	Name        string
	Description string
	Members     []directory.UserRef
}

// MakeGroup makes a group and returns its public id. A name that another group of
// the account has fails with an error that wraps directory.ErrExists, and one who
// is no live member with one that wraps directory.ErrNotFound.
func (r *Roster) MakeGroup(ctx context.Context, caller auth.Caller, accountID string, group NewGroup) (id string, err error) {
	if group.Name, err = directory.ParseName("group name", group.Name); err != nil {
		return "", err
	}
	if group.Description, err = directory.ParseDescription(group.Description); err != nil {
		return "", err
	}
	id = directory.NewGroupID()
	err = r.attachUsers(ctx, caller, accountID, group.Members, func(tx *store.Tx, found []directory.Candidate) error {
		if err := tx.CreateGroup(ctx, id, group.Name, group.Description, found); err != nil {
			return err
		}
		return objectNote{GroupID: id, After: objectFields{Name: group.Name, Description: group.Description}}.record(tx)
	})
	return id, err
}

// FindGroup finds a group of the account by its public id or its name. The error
// wraps directory.ErrNotFound when there is none, and directory.ErrInvalid when
// one group is named like the id of another.
func (r *Roster) FindGroup(ctx context.Context, caller auth.Caller, accountID, ref string) (directory.Group, error) {
	account, err := r.account(ctx, caller, accountID)
	if err != nil {
		return directory.Group{}, err
	}
	groups, err := r.store.FindGroups(ctx, account.ID, ref)
	return one(groups, err, "group", ref)
}

// one is the only one of those who were found by an id or a name.
func one[T any](found []T, err error, what, ref string) (only T, _ error) {
	switch {
	case err != nil:
		return only, err
	case len(found) == 0:
		return only, directory.Errorf(directory.ErrNotFound, "the account has no %s %q", what, excerpt.Of(ref))
	case len(found) > 1:
		return only, directory.Errorf(directory.ErrInvalid, "the account has %d of the name %q: give the id of the %s", len(found), excerpt.Of(ref), what)
	}
	return found[0], nil
}

// GroupDetails is a group with what it is nested in, what is nested in it, how
// many live members are in it, and the roles that it was given.
type GroupDetails = store.GroupAround

// Group returns what there is to a group; see FindGroup.
func (r *Roster) Group(ctx context.Context, caller auth.Caller, accountID, ref string) (GroupDetails, error) {
	group, err := r.FindGroup(ctx, caller, accountID, ref)
	if err != nil {
		return GroupDetails{}, err
	}
	account, err := r.account(ctx, caller, accountID)
	if err != nil {
		return GroupDetails{}, err
	}
	return r.store.GroupAround(ctx, account.ID, group)
}

// GroupChange is what UpdateGroup changes; nil leaves a thing as it is.
type GroupChange struct {
	Name        *string
	Description *string
}

// UpdateGroup changes the name or the description of a group, which is named by
// its public id. It reports whether anything was not so already.
func (r *Roster) UpdateGroup(ctx context.Context, caller auth.Caller, accountID, groupID string, c GroupChange) (changed bool, err error) {
	if err := parseTexts("group name", &c.Name, &c.Description); err != nil {
		return false, err
	}
	return r.changed(ctx, caller, accountID, func(tx *store.Tx) (bool, error) {
		group, err := tx.LockGroup(ctx, groupID)
		if err != nil {
			return false, err
		}
		before := groupFields(group)
		renamed, described := set(&group.Name, c.Name), set(&group.Description, c.Description)
		if !renamed && !described {
			return false, nil
		}
		if err := tx.UpdateGroup(ctx, group); err != nil {
			return false, err
		}
		return true, objectNote{GroupID: groupID, Before: before, After: groupFields(group)}.changes().record(tx)
	})
}

// parseTexts checks a new name and a new description, where there are any, and cuts
// the blanks around them.
func parseTexts(what string, name, description **string) error {
	if *name != nil {
		text, err := directory.ParseName(what, **name)
		if err != nil {
			return err
		}
		*name = &text
	}
	if *description != nil {
		text, err := directory.ParseDescription(**description)
		if err != nil {
			return err
		}
		*description = &text
	}
	return nil
}

// set gives a thing another value, and reports whether it had not got it; nil
// leaves it as it is.
func set[T comparable](is, want *T) bool {
	if want == nil || *is == *want {
		return false
	}
	*is = *want
	return true
}

// AddToGroup puts live members into a group, which is named by its public id, and
// returns how many were not in it. All of them are put in or, when one is no
// member, nobody.
func (r *Roster) AddToGroup(ctx context.Context, caller auth.Caller, accountID, groupID string, users []directory.UserRef) (added int, err error) {
	return r.changeGroup(ctx, caller, accountID, users, func(tx *store.Tx, found []directory.Candidate) (int, error) {
		return tx.AddToGroup(ctx, groupID, found)
	})
}

// RemoveFromGroup takes live members out of a group, which is named by its public
// id, and returns how many were in it. They stay members of the account. When one
// who is named is none, nobody is taken out.
func (r *Roster) RemoveFromGroup(ctx context.Context, caller auth.Caller, accountID, groupID string, users []directory.UserRef) (removed int, err error) {
	return r.changeGroup(ctx, caller, accountID, users, func(tx *store.Tx, found []directory.Candidate) (int, error) {
		return tx.RemoveFromGroup(ctx, groupID, found)
	})
}

func (r *Roster) changeGroup(ctx context.Context, caller auth.Caller, accountID string, users []directory.UserRef,
	fn func(*store.Tx, []directory.Candidate) (int, error),
) (n int, err error) {
	if len(users) == 0 {
		return 0, directory.Errorf(directory.ErrInvalid, "nobody is named")
	}
	err = r.attachUsers(ctx, caller, accountID, users, func(tx *store.Tx, found []directory.Candidate) error {
		if n, err = fn(tx, found); err == nil && n == 0 {
			return errAsItIs
		}
		return err
	})
	if errors.Is(err, errAsItIs) {
		return 0, nil
	}
	return n, err
}

// NestGroup puts a group into another, both named by their public ids: its members
// then have the roles of the other, too. It reports whether it was not there
// already. A group that would come to be within itself, by however many steps,
// fails with an error that wraps directory.ErrState.
func (r *Roster) NestGroup(ctx context.Context, caller auth.Caller, accountID, childID, parentID string) (changed bool, err error) {
	return r.changed(ctx, caller, accountID, func(tx *store.Tx) (bool, error) {
		changed, err := tx.NestGroup(ctx, childID, parentID)
		if err != nil || !changed {
			return false, err
		}
		return true, objectNote{GroupID: childID, After: objectFields{In: parentID}}.record(tx)
	})
}

// UnnestGroup takes a group out of another, both named by their public ids. It
// reports whether it was in it.
func (r *Roster) UnnestGroup(ctx context.Context, caller auth.Caller, accountID, childID, parentID string) (changed bool, err error) {
	return r.changed(ctx, caller, accountID, func(tx *store.Tx) (bool, error) {
		changed, err := tx.UnnestGroup(ctx, childID, parentID)
		if err != nil || !changed {
			return false, err
		}
		return true, objectNote{GroupID: childID, Before: objectFields{In: parentID}}.record(tx)
	})
}

// DeleteGroup deletes a group of the account by its public id. Its members stay
// members of the account. Who was removed before, and is restored later, comes
// back without it.
func (r *Roster) DeleteGroup(ctx context.Context, caller auth.Caller, accountID, groupID string) error {
	return r.change(ctx, caller, accountID, 0, func(tx *store.Tx) error {
		group, err := tx.DeleteGroup(ctx, groupID)
		if err != nil {
			return err
		}
		return objectNote{GroupID: groupID, Before: groupFields(group)}.record(tx)
	})
}
