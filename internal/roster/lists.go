package roster

import (
	"context"

	"roster/internal/auth"
	"roster/internal/directory"
)

// Lists of what an account has, page by page, in the order of creation. The
// account is an app's own where accountID is empty; the operator names one. The
// caller needs the scope Role Management.

// Roles returns a page of the account's roles, of one kind, or of both where kind
// is empty.
func (r *Roster) Roles(ctx context.Context, caller auth.Caller, accountID string, kind directory.RoleKind, page directory.Page) (directory.List[directory.Role], error) {
	account, err := r.listed(ctx, caller, accountID, page)
	if err != nil {
		return directory.List[directory.Role]{}, err
	}
	return r.store.Roles(ctx, account, kind, page)
}

// Bots returns a page of the account's bots.
func (r *Roster) Bots(ctx context.Context, caller auth.Caller, accountID string, page directory.Page) (directory.List[directory.BotEntry], error) {
	account, err := r.listed(ctx, caller, accountID, page)
	if err != nil {
		return directory.List[directory.BotEntry]{}, err
	}
	return r.store.Bots(ctx, account, page)
}

// UserRoles returns a page of the account's live members with the roles that they
// have, by themselves and through groups.
func (r *Roster) UserRoles(ctx context.Context, caller auth.Caller, accountID string, page directory.Page) (directory.List[directory.MemberRoles], error) {
	account, err := r.listed(ctx, caller, accountID, page)
	if err != nil {
		return directory.List[directory.MemberRoles]{}, err
	}
	return r.store.UserRoles(ctx, account, page)
}

// Groups returns a page of the account's groups, each with those nested in it.
func (r *Roster) Groups(ctx context.Context, caller auth.Caller, accountID string, page directory.Page) (directory.List[directory.GroupEntry], error) {
	account, err := r.listed(ctx, caller, accountID, page)
	if err != nil {
		return directory.List[directory.GroupEntry]{}, err
	}
	return r.store.Groups(ctx, account, page)
}

// EachGroupUser calls yield with the live members who are in groups by themselves,
// some at a time, group by group: at is the place of their group in the list. No
// connection of the database is held while yield runs, so it may wait for a client;
// a member who joins or leaves a group meanwhile may be missing.
func (r *Roster) EachGroupUser(ctx context.Context, caller auth.Caller, accountID string, groups []directory.GroupID, yield func(at int, users []directory.Member) error) error {
	account, err := r.ownAccountToSee(ctx, caller, accountID, directory.ScopeRoleManagement)
	if err != nil {
		return err
	}
	return r.store.EachGroupUser(ctx, account, groups, yield)
}

// listed is the account whose list is read, if the caller may.
func (r *Roster) listed(ctx context.Context, caller auth.Caller, accountID string, page directory.Page) (directory.AccountID, error) {
	if page.Limit < 1 || page.Offset < 0 {
		return 0, directory.Errorf(directory.ErrInvalid, "a page has a limit of 1 or more and an offset of 0 or more")
	}
	return r.ownAccountToSee(ctx, caller, accountID, directory.ScopeRoleManagement)
}
