package store

import (
	"context"
	"time"

	"roster/internal/directory"
	"roster/internal/excerpt"
)

// Deleting an object takes away what live members have by it. Rows of removed
// members are left alone, as everything else of theirs: they name an object that
// is gone, and no other will ever have its internal key. A restore drops them
// and tells by the tombstone, a row of deleted_objects, what it could not bring
// back; the purge erases them with the member. So a tombstone is needed while a
// member can be restored who left before the object went.

const (
	// livePerson is whom a row with a member_id is about, or NULL when they left.
	// It is one look-up for each row: joined to live_members, both planners walk
	// all members of the account. As for "IS TRUE", see markRemoved.
	livePerson = `(SELECT m.person_id FROM members m WHERE m.account_id = $1 AND m.id = member_id AND (m.removal_id IS NULL) IS TRUE)`

	deleteGroupUsers = `DELETE FROM group_members WHERE account_id = $1 AND group_id = $2 AND ` + livePerson + ` IS NOT NULL
RETURNING ` + livePerson
	deleteGroupRoles = `DELETE FROM group_roles WHERE account_id = $1 AND group_id = $2`
	deleteGroupBelow = `DELETE FROM group_groups WHERE account_id = $1 AND parent_id = $2`
	// Rows are found by an index and deleted by their key, since SQLite takes an
	// index that is not unique only where that holds all it needs.
	deleteGroupAbove = `DELETE FROM group_groups WHERE (account_id, parent_id, child_id) IN (
  SELECT account_id, parent_id, child_id FROM group_groups WHERE account_id = $1 AND child_id = $2)`
	deleteGroup = `DELETE FROM groups WHERE account_id = $1 AND id = $2`

	deleteBotTasks = `DELETE FROM member_tasks WHERE (account_id, member_id, bot_id) IN (
  SELECT account_id, member_id, bot_id FROM member_tasks WHERE account_id = $1 AND bot_id = $2
) AND ` + livePerson + ` IS NOT NULL`
	// The indexes have the role before the bot, and an account has few roles.
	botRoles       = `(SELECT account_id, id FROM roles WHERE account_id = $1 AND kind = 'bot' ` + noLimit + `) r`
	deleteBotUsers = `DELETE FROM member_roles WHERE (account_id, member_id, role_id, bot_id) IN (
  SELECT x.account_id, x.member_id, x.role_id, x.bot_id FROM ` + botRoles + ` CROSS JOIN member_roles x
  WHERE x.account_id = r.account_id AND x.role_id = r.id AND x.bot_id = $2
) AND ` + livePerson + ` IS NOT NULL`
	deleteBotGroups = `DELETE FROM group_roles WHERE (account_id, group_id, role_id, bot_id) IN (
  SELECT x.account_id, x.group_id, x.role_id, x.bot_id FROM ` + botRoles + ` CROSS JOIN group_roles x
  WHERE x.account_id = r.account_id AND x.role_id = r.id AND x.bot_id = $2)`
	deleteBot = `DELETE FROM bots WHERE account_id = $1 AND id = $2`

	deleteRoleUsers = `DELETE FROM member_roles WHERE (account_id, member_id, role_id, bot_id) IN (
  SELECT account_id, member_id, role_id, bot_id FROM member_roles WHERE account_id = $1 AND role_id = $2
) AND ` + livePerson + ` IS NOT NULL RETURNING ` + livePerson
	deleteRoleGroups = `DELETE FROM group_roles WHERE (account_id, group_id, role_id, bot_id) IN (
  SELECT account_id, group_id, role_id, bot_id FROM group_roles WHERE account_id = $1 AND role_id = $2)`
	deleteRole = `DELETE FROM roles WHERE account_id = $1 AND id = $2 AND built_in = 0`

	insertDeleted = `INSERT INTO deleted_objects (account_id, id, kind, public_id, name, deleted_at) VALUES ($1, $2, $3, $4, $5, $6)`
	forgetDeleted = `DELETE FROM deleted_objects WHERE (account_id, id) IN (
  SELECT d.account_id, d.id FROM accounts a CROSS JOIN deleted_objects d
  WHERE d.account_id = a.id AND d.deleted_at <= $1 AND NOT EXISTS (
    SELECT 1 FROM removals r WHERE r.account_id = d.account_id AND r.purged_at IS NULL AND r.created_at <= d.deleted_at + $2)
  ORDER BY d.account_id, d.deleted_at LIMIT $3)`
)

// DeleteGroup deletes a group, with what its live members and other groups have
// by it, leaves an audit record for each who was in it, and returns it. The error wraps
// directory.ErrNotFound when the account has no such group.
func (tx *Tx) DeleteGroup(ctx context.Context, publicID string) (directory.Group, error) {
	// Whoever puts somebody into a group holds its row, so nobody comes in meanwhile.
	group, err := tx.LockGroup(ctx, publicID)
	if err != nil {
		return group, err
	}
	id := group.ID
	var left []directory.PersonID
	tx.ask(deleteGroupUsers, []any{tx.account, id}, func(row scanner) error {
		var person directory.PersonID
		err := row.Scan(&person)
		left = append(left, person)
		return err
	})
	for _, query := range []string{deleteGroupRoles, deleteGroupBelow, deleteGroupAbove} {
		if err := tx.exec(ctx, query, tx.account, id); err != nil {
			return group, wrapf(err, "delete what hangs on group %q", excerpt.Of(publicID))
		}
	}
	tx.later(1, deleteGroup, tx.account, id)
	tx.leaveTombstone(directory.ObjectGroup, int64(id), publicID, group.Name)
	tx.Record(directory.AuditRun{Kind: directory.AuditGroupDeleted, Object: int64(id)})
	if len(left) > 0 {
		tx.Record(directory.AuditRun{Kind: directory.AuditGroupLeft, Object: int64(id), Persons: left})
	}
	return group, nil
}

// DeleteBot deletes a bot, with the roles and tasks that live members and groups
// have in it, and returns it. The error wraps directory.ErrNotFound when the
// account has no such bot.
func (tx *Tx) DeleteBot(ctx context.Context, publicID string) (directory.Bot, error) {
	// Whoever gives a role in a bot holds its row, so none is added meanwhile.
	bot, err := tx.bot(ctx, tx.engine.lockRows, publicID)
	if err != nil {
		return bot, err
	}
	// Tasks before roles, as a removal does that erases at once.
	for _, query := range []string{deleteBotTasks, deleteBotUsers, deleteBotGroups} {
		if err := tx.exec(ctx, query, tx.account, bot.ID); err != nil {
			return bot, wrapf(err, "delete what hangs on bot %q", excerpt.Of(publicID))
		}
	}
	tx.later(1, deleteBot, tx.account, bot.ID)
	tx.leaveTombstone(directory.ObjectBot, int64(bot.ID), publicID, bot.Name)
	tx.Record(directory.AuditRun{Kind: directory.AuditBotDeleted, Object: int64(bot.ID)})
	return bot, nil
}

// DeleteRole deletes a role that LockRole found, takes it from live members and
// from groups, and leaves an audit record for each member who had it.
func (tx *Tx) DeleteRole(ctx context.Context, role directory.Role) error {
	seen := map[directory.PersonID]bool{} // in another bot
	var had []directory.PersonID
	tx.ask(deleteRoleUsers, []any{tx.account, role.ID}, func(row scanner) error {
		var person directory.PersonID
		err := row.Scan(&person)
		if !seen[person] {
			seen[person] = true
			had = append(had, person)
		}
		return err
	})
	if err := tx.exec(ctx, deleteRoleGroups, tx.account, role.ID); err != nil {
		return wrapf(err, "delete what hangs on role %q", excerpt.Of(role.PublicID))
	}
	tx.later(1, deleteRole, tx.account, role.ID)
	tx.leaveTombstone(directory.ObjectRole, int64(role.ID), role.PublicID, role.Name)
	tx.Record(directory.AuditRun{Kind: directory.AuditRoleDeleted, Object: int64(role.ID)})
	if len(had) > 0 {
		tx.Record(directory.AuditRun{Kind: directory.AuditRoleUnassigned, Object: int64(role.ID), Persons: had})
	}
	return nil
}

// leaveTombstone remembers an object that this transaction deletes.
func (tx *Tx) leaveTombstone(kind directory.ObjectKind, id int64, publicID, name string) {
	tx.later(1, insertDeleted, tx.account, id, string(kind), publicID, name, tx.batch.At.UnixMicro())
}

// deletionTakes is longer than a transaction lasts and the clocks of servers
// differ. A tombstone has the time at which the deletion began, and who left
// while it waited for its turn was gone, too.
const deletionTakes = time.Hour

// ForgetDeleted erases tombstones that no restore can ask for at now: all who
// left before the object went have been purged. It works in small transactions
// and returns how many it erased.
func (s *Store) ForgetDeleted(ctx context.Context, now time.Time) (forgotten int, err error) {
	for {
		n, err := s.delete(ctx, forgetDeleted, now.Add(-deletionTakes).UnixMicro(), deletionTakes.Microseconds(), forgetAtOnce)
		forgotten += n
		if err != nil || n < forgetAtOnce {
			return forgotten, wrapf(err, "forget deleted objects")
		}
	}
}
