package roster

import (
	"context"
	"maps"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/excerpt"
	"roster/internal/store"
)

// NewRole describes a role to be made.
type NewRole struct {
	Kind        directory.RoleKind
	Name        string
	Description string
	Permissions directory.Permissions // read by directory.ParsePermission
}

// CreateRole makes a role and returns its public id. A name that a role of its
// kind has fails with an error that wraps directory.ErrExists.
func (r *Roster) CreateRole(ctx context.Context, caller auth.Caller, accountID string, role NewRole) (string, error) {
	name, err := directory.ParseName("role name", role.Name)
	if err != nil {
		return "", err
	}
	description, err := directory.ParseDescription(role.Description)
	if err != nil {
		return "", err
	}
	if err := enoughPermissions(role.Permissions); err != nil {
		return "", err
	}
	out := directory.Role{
		PublicID: directory.NewHexID(), Kind: role.Kind, Name: name, Description: description, Permissions: role.Permissions,
	}
	if out.Permissions == nil {
		out.Permissions = directory.Permissions{}
	}
	err = r.change(ctx, caller, accountID, 1, func(tx *store.Tx) error {
		if err := tx.CreateRole(ctx, out); err != nil {
			return err
		}
		return objectNote{RoleID: out.PublicID, After: roleFields(out)}.record(tx)
	})
	return out.PublicID, err
}

// FindRole finds a role of the account by its public id or its name, of the kind,
// unless that is empty. The error wraps directory.ErrNotFound when there is none,
// and directory.ErrInvalid when there are several.
func (r *Roster) FindRole(ctx context.Context, caller auth.Caller, accountID string, kind directory.RoleKind, ref string) (directory.Role, error) {
	account, err := r.account(ctx, caller, accountID)
	if err != nil {
		return directory.Role{}, err
	}
	roles, err := r.store.FindRoles(ctx, account.ID, ref)
	what := "role"
	if kind != "" {
		what = string(kind) + " role"
		roles = only(roles, kind)
	}
	return one(roles, err, what, ref)
}

func only(roles []directory.Role, kind directory.RoleKind) (of []directory.Role) {
	for _, role := range roles {
		if role.Kind == kind {
			of = append(of, role)
		}
	}
	return of
}

// RoleDetails is a role with who has it.
type RoleDetails struct {
	directory.Role
	Users  int // live members who were given it, in whatever bot
	Groups []directory.Group
}

// Role returns a role with who has it; see FindRole.
func (r *Roster) Role(ctx context.Context, caller auth.Caller, accountID string, kind directory.RoleKind, ref string) (RoleDetails, error) {
	role, err := r.FindRole(ctx, caller, accountID, kind, ref)
	if err != nil {
		return RoleDetails{}, err
	}
	account, err := r.account(ctx, caller, accountID)
	if err != nil {
		return RoleDetails{}, err
	}
	out := RoleDetails{Role: role}
	out.Users, out.Groups, err = r.store.RoleHolders(ctx, account.ID, role.ID)
	return out, err
}

// RoleChange is what UpdateRole changes; nil leaves a thing as it is.
type RoleChange struct {
	Name        *string
	Description *string
	// Permit sets permissions and leaves the others, Forget takes some away.
	Permit directory.Permissions
	Forget []string
}

// UpdateRole changes a role, which is named by its public id. It reports whether
// anything was not so already. A built-in role fails with an error that wraps
// directory.ErrState.
func (r *Roster) UpdateRole(ctx context.Context, caller auth.Caller, accountID, roleID string, c RoleChange) (changed bool, err error) {
	if err := parseTexts("role name", &c.Name, &c.Description); err != nil {
		return false, err
	}
	return r.changed(ctx, caller, accountID, func(tx *store.Tx) (bool, error) {
		role, err := tx.LockRole(ctx, roleID)
		if err != nil {
			return false, err
		}
		if err := notBuiltIn(role); err != nil {
			return false, err
		}
		next := role
		next.Permissions = maps.Clone(role.Permissions)
		maps.Copy(next.Permissions, c.Permit)
		for _, name := range c.Forget {
			delete(next.Permissions, name)
		}
		set(&next.Name, c.Name)
		set(&next.Description, c.Description)
		if next.Name == role.Name && next.Description == role.Description && maps.Equal(next.Permissions, role.Permissions) {
			return false, nil
		}
		if err := enoughPermissions(next.Permissions); err != nil {
			return false, err
		}
		if err := tx.UpdateRole(ctx, next); err != nil {
			return false, err
		}
		return true, objectNote{RoleID: roleID, Before: roleFields(role), After: roleFields(next)}.changes().record(tx)
	})
}

// DeleteRole deletes a role, which is named by its public id, and takes it from
// whoever has it. Who was removed before, and is restored later, comes back
// without it. A built-in role fails with an error that wraps directory.ErrState.
func (r *Roster) DeleteRole(ctx context.Context, caller auth.Caller, accountID, roleID string) error {
	return r.change(ctx, caller, accountID, 0, func(tx *store.Tx) error {
		role, err := tx.LockRole(ctx, roleID)
		if err == nil {
			err = notBuiltIn(role)
		}
		if err != nil {
			return err
		}
		if err := tx.DeleteRole(ctx, role); err != nil {
			return err
		}
		return objectNote{RoleID: roleID, Before: roleFields(role)}.record(tx)
	})
}

func notBuiltIn(role directory.Role) error {
	if role.BuiltIn {
		return directory.Errorf(directory.ErrState, "the role %q is built in: it can be neither changed nor deleted", excerpt.Of(role.Name))
	}
	return nil
}

func enoughPermissions(p directory.Permissions) error {
	if len(p) > directory.MaxPermissions {
		return directory.Errorf(directory.ErrInvalid, "a role has %d permissions at the most", directory.MaxPermissions)
	}
	return nil
}
