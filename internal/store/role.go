package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"roster/internal/directory"
	"roster/internal/excerpt"
)

const (
	selectRoles = roleColumns + ` AND (public_id = $2 OR name = $2) ORDER BY id`
	selectRole  = roleColumns + ` AND public_id = $2`
	insertRole  = `INSERT INTO roles (account_id, id, public_id, kind, name, description, permissions, built_in, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8)`
	updateRole = `UPDATE roles SET name = $3, description = $4, permissions = $5 WHERE account_id = $1 AND id = $2 AND built_in = 0`

	countRoleUsers  = `SELECT COUNT(DISTINCT member_id) FROM live_member_roles WHERE account_id = $1 AND role_id = $2`
	selectRoleGroup = `SELECT DISTINCT o.id, o.public_id, o.name, o.description, o.created_at FROM (
  SELECT account_id, group_id FROM group_roles WHERE account_id = $1 AND role_id = $2 ` + noLimit + `
) x CROSS JOIN groups o WHERE o.account_id = x.account_id AND o.id = x.group_id ORDER BY o.created_at, o.id`
)

// FindRoles returns the roles of the account that have this public id or name:
// one of each kind may have the same name.
func (r *reader) FindRoles(ctx context.Context, account directory.AccountID, ref string) (roles []directory.Role, err error) {
	if !storable(ref) {
		return nil, nil
	}
	err = r.each(ctx, func(rows *sql.Rows) error {
		role, err := scanRole(rows)
		roles = append(roles, role)
		return err
	}, selectRoles, account, ref)
	return roles, wrapf(err, "find role %q", excerpt.Of(ref))
}

// RoleHolders counts the live members who were given the role, in whatever bot,
// and lists the groups that were.
func (s *Store) RoleHolders(ctx context.Context, account directory.AccountID, role directory.RoleID) (users int, groups []directory.Group, err error) {
	err = s.snapshot(ctx, func(r *reader) error {
		if err := r.row(ctx, countRoleUsers, account, role).Scan(&users); err != nil {
			return err
		}
		return r.each(ctx, func(rows *sql.Rows) error {
			group, err := scanGroup(rows)
			groups = append(groups, group)
			return err
		}, selectRoleGroup, account, role)
	})
	return users, groups, wrapf(err, "find who has the role")
}

// LockRole finds a role of the account by its public id and keeps it from being
// given to anybody, changed or deleted until the transaction ends. The error wraps
// directory.ErrNotFound when there is none.
func (tx *Tx) LockRole(ctx context.Context, publicID string) (directory.Role, error) {
	if !storable(publicID) {
		return directory.Role{}, wrapf(directory.ErrNotFound, "role %q", excerpt.Of(publicID))
	}
	var roles []directory.Role
	tx.ask(selectRole+tx.engine.lockRows, []any{tx.account, publicID}, func(row scanner) error {
		role, err := scanRole(row)
		roles = append(roles, role)
		return err
	})
	err := tx.flush(ctx)
	if err == nil && len(roles) == 0 {
		err = directory.ErrNotFound
	}
	if err != nil {
		return directory.Role{}, wrapf(err, "role %q", excerpt.Of(publicID))
	}
	return roles[0], nil
}

// CreateRole makes a role. It needs one id. A name that a role of its kind has
// fails with an error that wraps directory.ErrExists.
func (tx *Tx) CreateRole(ctx context.Context, role directory.Role) error {
	permissions, err := json.Marshal(role.Permissions)
	if err != nil {
		return err
	}
	id := tx.ID()
	tx.later(1, insertRole, tx.account, id, role.PublicID, string(role.Kind), role.Name, role.Description, string(permissions), tx.batch.At.UnixMicro())
	tx.Record(directory.AuditRun{Kind: directory.AuditRoleCreated, Object: id})
	return explainTaken(tx.flush(ctx), "a role of the kind %s is named %q already", role.Kind, excerpt.Of(role.Name))
}

// UpdateRole gives a role that LockRole found its new name, description and
// permissions. A taken name fails as in CreateRole.
func (tx *Tx) UpdateRole(ctx context.Context, role directory.Role) error {
	permissions, err := json.Marshal(role.Permissions)
	if err != nil {
		return err
	}
	tx.later(1, updateRole, tx.account, role.ID, role.Name, role.Description, string(permissions))
	tx.Record(directory.AuditRun{Kind: directory.AuditRoleModified, Object: int64(role.ID)})
	return explainTaken(tx.flush(ctx), "a role of the kind %s is named %q already", role.Kind, excerpt.Of(role.Name))
}

// explainTaken says what is there already.
func explainTaken(err error, format string, args ...any) error {
	if errors.Is(err, directory.ErrExists) {
		return directory.Errorf(directory.ErrExists, format, args...)
	}
	return err
}
