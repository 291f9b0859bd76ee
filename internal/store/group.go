package store

import (
	"context"
	"database/sql"

	"roster/internal/directory"
	"roster/internal/excerpt"
)

const (
	selectGroups = groupColumns + ` AND public_id = $2 UNION ` + groupColumns + ` AND name = $2`
	selectGroup  = groupColumns + ` AND public_id = $2`
	updateGroup  = `UPDATE groups SET name = $3, description = $4 WHERE account_id = $1 AND id = $2`

	addGroupUsers = `INSERT INTO group_members (account_id, group_id, member_id)
SELECT $1, $2, CAST(j.atom AS BIGINT) FROM json_each($3) j WHERE true ON CONFLICT DO NOTHING RETURNING member_id`
	takeGroupUsers = `DELETE FROM group_members WHERE (account_id, group_id, member_id) IN (
  SELECT CAST($1 AS BIGINT), CAST($2 AS BIGINT), CAST(j.atom AS BIGINT) FROM json_each($3) j ` + list + `) RETURNING member_id`

	countGroupUsers = `SELECT COUNT(*) FROM live_group_members WHERE account_id = $1 AND group_id = $2`
	groupsOver      = `SELECT o.id, o.public_id, o.name, o.description, o.created_at FROM ` + keyedIDs + ` CROSS JOIN group_groups x CROSS JOIN groups o
WHERE x.account_id = j.account_id AND x.child_id = j.id AND o.account_id = x.account_id AND o.id = x.parent_id ORDER BY o.created_at, o.id`
)

// FindGroups returns the groups of the account that have this public id or name:
// one may be named like the id of another.
func (r *reader) FindGroups(ctx context.Context, account directory.AccountID, ref string) (groups []directory.Group, err error) {
	if !storable(ref) {
		return nil, nil
	}
	err = r.each(ctx, func(rows *sql.Rows) error {
		group, err := scanGroup(rows)
		groups = append(groups, group)
		return err
	}, selectGroups, account, ref)
	return groups, wrapf(err, "find group %q", excerpt.Of(ref))
}

// GroupAround is a group with what it is nested in, what is nested in it, how
// many live members are in it, and the roles that it was given.
type GroupAround struct {
	directory.GroupEntry
	Parents []directory.Group
	Users   int
	Roles   []directory.RoleGrant
}

// GroupAround reads what there is to a group.
func (s *Store) GroupAround(ctx context.Context, account directory.AccountID, group directory.Group) (GroupAround, error) {
	out := GroupAround{GroupEntry: directory.GroupEntry{Group: group}}
	ids := jsonInts([]directory.GroupID{group.ID})
	err := s.snapshot(ctx, func(r *reader) (err error) {
		if err := r.row(ctx, countGroupUsers, account, group.ID).Scan(&out.Users); err != nil {
			return err
		}
		nested, err := r.nested(ctx, account, ids)
		if err != nil {
			return err
		}
		out.Nested = nested[group.ID]
		err = r.each(ctx, func(rows *sql.Rows) error {
			parent, err := scanGroup(rows)
			out.Parents = append(out.Parents, parent)
			return err
		}, groupsOver, account, ids)
		if err != nil {
			return err
		}
		out.Roles, err = r.groupRoles(ctx, account, group.ID)
		return err
	})
	return out, wrapf(err, "read group %q", excerpt.Of(group.PublicID))
}

// nested lists the groups that are nested in these, by their parents.
func (r *reader) nested(ctx context.Context, account directory.AccountID, ids string) (map[directory.GroupID][]directory.Group, error) {
	nested := map[directory.GroupID][]directory.Group{}
	err := r.each(ctx, func(rows *sql.Rows) error {
		var parent directory.GroupID
		var created int64
		var g directory.Group
		if err := rows.Scan(&parent, &g.ID, &g.PublicID, &g.Name, &g.Description, &created); err != nil {
			return err
		}
		g.Created = fromMicros(created)
		nested[parent] = append(nested[parent], g)
		return nil
	}, selectNested, account, ids)
	return nested, err
}

// LockGroup finds a group of the account by its public id and keeps everybody
// else from changing it, or what is in it, until the transaction ends. The error
// wraps directory.ErrNotFound when there is none.
func (tx *Tx) LockGroup(ctx context.Context, publicID string) (directory.Group, error) {
	group, err := scanGroup(tx.row(ctx, selectGroup+tx.engine.lockRows, tx.account, publicID))
	return group, wrapf(err, "group %q", excerpt.Of(publicID))
}

// UpdateGroup gives a group that LockGroup found its new name and description. A
// taken name fails with an error that wraps directory.ErrExists.
func (tx *Tx) UpdateGroup(ctx context.Context, group directory.Group) error {
	tx.later(1, updateGroup, tx.account, group.ID, group.Name, group.Description)
	tx.Record(directory.AuditRun{Kind: directory.AuditGroupModified, Object: int64(group.ID)})
	return explainTaken(tx.flush(ctx), "a group is named %q already", excerpt.Of(group.Name))
}

// AddToGroup puts held members into a group, which is named by its public id, and
// leaves an audit record for each who was not in it. It returns how many.
func (tx *Tx) AddToGroup(ctx context.Context, publicID string, members []directory.Candidate) (int, error) {
	return tx.changeGroup(ctx, publicID, members, addGroupUsers, directory.AuditGroupJoined)
}

// RemoveFromGroup takes held members out of a group, which is named by its public
// id, and leaves an audit record for each who was in it. It returns how many.
func (tx *Tx) RemoveFromGroup(ctx context.Context, publicID string, members []directory.Candidate) (int, error) {
	return tx.changeGroup(ctx, publicID, members, takeGroupUsers, directory.AuditGroupLeft)
}

func (tx *Tx) changeGroup(ctx context.Context, publicID string, members []directory.Candidate, query string, kind directory.AuditKind) (int, error) {
	group, err := tx.LockGroup(ctx, publicID) // of two that add and take the same, one is wholly after the other
	if err != nil {
		return 0, err
	}
	ids, _ := split(members)
	of := make(map[directory.MemberID]directory.PersonID, len(members))
	for _, m := range members {
		of[m.Member] = m.Person
	}
	var persons []directory.PersonID
	tx.ask(query, []any{tx.account, group.ID, jsonInts(ids)}, func(row scanner) error {
		var member directory.MemberID
		err := row.Scan(&member)
		persons = append(persons, of[member])
		return err
	})
	if err := tx.flush(ctx); err != nil || len(persons) == 0 {
		return 0, wrapf(err, "change who is in group %q", excerpt.Of(publicID))
	}
	tx.Record(directory.AuditRun{Kind: kind, Object: int64(group.ID), Persons: persons})
	return len(persons), nil
}
