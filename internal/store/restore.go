package store

import (
	"context"
	"database/sql"
	"time"

	"roster/internal/directory"
	"roster/internal/excerpt"
)

const (
	// Who joined the job as a table could not lock the removal alone.
	selectRemoval = `SELECT id, removed, restored, COALESCE(purged_at, 0),
  COALESCE((SELECT b.state FROM removal_jobs b WHERE b.account_id = removals.account_id AND b.id = removals.id), 'completed'),
  COALESCE((SELECT b.finished_at FROM removal_jobs b WHERE b.account_id = removals.account_id AND b.id = removals.id), created_at),
  COALESCE(restorable_until, 0)
FROM removals WHERE account_id = $1 AND public_id = $2`

	// The members of a removal, by its index; see list about the limit.
	membersOfRemoval = memberColumns + `(
  SELECT account_id, id FROM members WHERE account_id = $1 AND removal_id = $2 AND removal_id IS NOT NULL ` + noLimit + `
) r CROSS JOIN members m WHERE m.account_id = r.account_id AND m.id = r.id`
	someOfRemoval = membersOfRemoval + ` AND (m.email_key IN (SELECT atom FROM json_each($3)) OR m.org_user_id IN (SELECT atom FROM json_each($4)))`

	selectAddresses = `SELECT f.member_id, f.email FROM ` + keyedIDs + ` CROSS JOIN member_profiles f
WHERE f.account_id = j.account_id AND f.member_id = j.id`

	// "IS TRUE" as for markRemoved: the index of those who are removed has the
	// removal but not the id, and for each of the list all of it would be walked.
	markRestored = `UPDATE members SET removal_id = NULL WHERE (account_id, id) IN ` + idList + ` AND (removal_id = $3) IS TRUE`
	addRestored  = `UPDATE removals SET restored = restored + $3 WHERE account_id = $1 AND id = $2 AND COALESCE(purged_at, 0) = 0`
)

// keyedIDs is a list of ids with the account as a column; see list.
const keyedIDs = `(SELECT CAST($1 AS BIGINT) AS account_id, CAST(atom AS BIGINT) AS id FROM json_each($2) ` + list + `) j`

// What members have, and what it points to. A row of a removed member may point
// to what was deleted since.
const (
	groupsOf = keyedIDs + ` CROSS JOIN group_members x WHERE x.account_id = j.account_id AND x.member_id = j.id`
	rolesOf  = keyedIDs + ` CROSS JOIN member_roles x WHERE x.account_id = j.account_id AND x.member_id = j.id`
	tasksOf  = keyedIDs + ` CROSS JOIN member_tasks x WHERE x.account_id = j.account_id AND x.member_id = j.id`

	noGroup = ` AND NOT EXISTS (SELECT 1 FROM groups o WHERE o.account_id = x.account_id AND o.id = x.group_id)`
	noRole  = ` AND NOT EXISTS (SELECT 1 FROM roles o WHERE o.account_id = x.account_id AND o.id = x.role_id)`
	noBot   = ` AND NOT EXISTS (SELECT 1 FROM bots o WHERE o.account_id = x.account_id AND o.id = x.bot_id)`

	holdGroups = `SELECT o.id FROM (SELECT DISTINCT x.account_id, x.group_id AS id FROM ` + groupsOf + ` ` + noLimit + `) r CROSS JOIN groups o` + ofList
	holdBots   = `SELECT o.id FROM (SELECT x.account_id, x.bot_id AS id FROM ` + rolesOf + ` UNION
  SELECT x.account_id, x.bot_id FROM ` + tasksOf + ` ` + noLimit + `) r CROSS JOIN bots o` + ofList
	holdRoles = `SELECT o.id FROM (SELECT DISTINCT x.account_id, x.role_id AS id FROM ` + rolesOf + ` ` + noLimit + `) r CROSS JOIN roles o` + ofList
	ofList    = ` WHERE o.account_id = r.account_id AND o.id = r.id ORDER BY o.id`

	selectLost = `SELECT l.kind, COALESCE(d.public_id, ''), COALESCE(d.name, ''), COUNT(*) FROM (
  SELECT 'group' AS kind, x.account_id, x.member_id, x.group_id AS id FROM ` + groupsOf + noGroup + `
  UNION SELECT 'role', x.account_id, x.member_id, x.role_id FROM ` + rolesOf + noRole + `
  UNION SELECT 'bot', x.account_id, x.member_id, x.bot_id FROM ` + rolesOf + ` AND x.bot_id <> 0` + noBot + `
  UNION SELECT 'bot', x.account_id, x.member_id, x.bot_id FROM ` + tasksOf + noBot + `
) l LEFT JOIN deleted_objects d ON d.account_id = l.account_id AND d.id = l.id
GROUP BY l.kind, l.id, d.public_id, d.name ORDER BY l.kind, l.id`

	dropLostGroups = `DELETE FROM group_members WHERE (account_id, member_id) IN ` + idList + `
  AND NOT EXISTS (SELECT 1 FROM groups o WHERE o.account_id = group_members.account_id AND o.id = group_members.group_id)`
	dropLostRoles = `DELETE FROM member_roles WHERE (account_id, member_id) IN ` + idList + `
  AND (NOT EXISTS (SELECT 1 FROM roles o WHERE o.account_id = member_roles.account_id AND o.id = member_roles.role_id)
    OR bot_id <> 0 AND NOT EXISTS (SELECT 1 FROM bots o WHERE o.account_id = member_roles.account_id AND o.id = member_roles.bot_id))`
	dropLostTasks = `DELETE FROM member_tasks WHERE (account_id, member_id) IN ` + idList + `
  AND NOT EXISTS (SELECT 1 FROM bots o WHERE o.account_id = member_tasks.account_id AND o.id = member_tasks.bot_id)`
)

// LockedRemoval is a removal that nobody else purges or restores from until the
// transaction ends.
type LockedRemoval struct {
	directory.RemovalID
	Removed  int
	Restored int // so far
	State    directory.RemovalState
	Finished time.Time // once it is over
	// RestorableUntil is the end of the restore window; the zero time where an
	// earlier version made the removal.
	RestorableUntil time.Time
	Purged          bool
}

// LockRemoval finds a removal of the account by its public id and waits for
// whoever works on it. The transaction's records belong to it. The error wraps
// directory.ErrNotFound when there is none.
func (tx *Tx) LockRemoval(ctx context.Context, publicID string) (LockedRemoval, error) {
	var l LockedRemoval
	var purged, finished, until int64
	err := tx.row(ctx, selectRemoval+tx.engine.lockRows, tx.account, publicID).
		Scan(&l.RemovalID, &l.Removed, &l.Restored, &purged, &l.State, &finished, &until)
	l.Purged, l.Finished = purged != 0, fromMicros(finished)
	if until != 0 {
		l.RestorableUntil = fromMicros(until)
	}
	tx.batch.Removal = l.RemovalID
	return l, wrapf(err, "removal %q", excerpt.Of(publicID))
}

// RemovedMembers finds those whom the removal ended and nobody has restored or
// erased, in the order of their ids: all of them, or with sel those whom it
// names.
func (tx *Tx) RemovedMembers(ctx context.Context, l LockedRemoval, sel *directory.Selection) (removed []directory.Candidate, err error) {
	query, args := membersOfRemoval, []any{tx.account, l.RemovalID}
	if sel != nil {
		query, args = someOfRemoval, append(args, jsonTexts(sel.EmailKeys), jsonTexts(sel.OrgUserIDs))
	}
	return tx.removed(ctx, query, args)
}

func (tx *Tx) removed(ctx context.Context, query string, args []any) (removed []directory.Candidate, err error) {
	err = tx.each(ctx, func(rows *sql.Rows) error {
		var c directory.Candidate
		if err := rows.Scan(&c.Member, &c.Person, &c.EmailKey, &c.OrgUserID); err != nil {
			return err
		}
		removed = append(removed, c)
		return nil
	}, query+" ORDER BY m.id", args...)
	return removed, wrapf(err, "find the removed members")
}

// LiveLike finds the live members who have the address or the org id of one of
// these, and keeps them from leaving until the transaction ends: as long as they
// are there, the others stay out.
func (tx *Tx) LiveLike(ctx context.Context, members []directory.Candidate) ([]directory.Candidate, error) {
	var keys memberKeys
	for i := range members {
		keys.emails = append(keys.emails, members[i].EmailKey)
		if id := members[i].OrgUserID; id != "" {
			keys.orgUserIDs = append(keys.orgUserIDs, id)
		}
	}
	return tx.findMembers(ctx, tx.engine.hold, keys.emails, keys.orgUserIDs)
}

// Addresses returns how the account spells the addresses of members.
func (tx *Tx) Addresses(ctx context.Context, members []directory.MemberID) (map[directory.MemberID]string, error) {
	addresses := make(map[directory.MemberID]string, len(members))
	err := tx.each(ctx, func(rows *sql.Rows) error {
		var id directory.MemberID
		var email string
		if err := rows.Scan(&id, &email); err != nil {
			return err
		}
		addresses[id] = email
		return nil
	}, selectAddresses, tx.account, jsonInts(members))
	return addresses, wrapf(err, "read the addresses")
}

// Restore makes removed members live again, with everything that still exists
// of what they had, drops and returns what does not, and leaves an audit record
// for each member. Their sessions and password links from before the removal end,
// so that they sign in anew. When somebody has become a live member with one of their
// addresses or org ids meanwhile, the error wraps directory.ErrExists.
func (tx *Tx) Restore(ctx context.Context, l LockedRemoval, returning []directory.Candidate) (lost []directory.LostObject, err error) {
	ids, persons := split(returning)
	members := jsonInts(ids)
	tx.later(len(ids), markRestored, tx.account, members, l.RemovalID)
	tx.later(1, addRestored, tx.account, l.RemovalID, len(ids))
	tx.endSignIns(members)
	if tx.engine.holdRows != "" {
		// What they have must not be deleted from here on: whoever deletes it waits,
		// and then takes it from them as well.
		for _, query := range []string{holdGroups, holdBots, holdRoles} {
			tx.ask(query+tx.engine.holdOf("o"), []any{tx.account, members}, func(scanner) error { return nil })
		}
	}
	tx.ask(selectLost, []any{tx.account, members}, func(row scanner) error {
		var o directory.LostObject
		if err := row.Scan(&o.Kind, &o.PublicID, &o.Name, &o.Users); err != nil {
			return err
		}
		lost = append(lost, o)
		return nil
	})
	if err := tx.flush(ctx); err != nil {
		return nil, wrapf(err, "restore the members")
	}
	if len(lost) > 0 {
		for _, query := range []string{dropLostGroups, dropLostRoles, dropLostTasks} {
			if err := tx.exec(ctx, query, tx.account, members); err != nil {
				return nil, wrapf(err, "drop what was deleted meanwhile")
			}
		}
	}
	tx.Record(directory.AuditRun{Kind: directory.AuditUserRestored, Persons: persons})
	tx.users += len(returning)
	return lost, nil
}
