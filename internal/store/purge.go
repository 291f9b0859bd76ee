package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"roster/internal/directory"
)

const (
	// In the order of both indexes, so that nothing is sorted. Whether a job is due
	// is left to the reader: as a condition it would make PostgreSQL sort.
	selectDue = `SELECT r.account_id, r.id,
  COALESCE((SELECT COALESCE(b.finished_at, $3) FROM removal_jobs b WHERE b.account_id = r.account_id AND b.id = r.id), $3 - 1) < $3
FROM accounts a CROSS JOIN removals r
WHERE r.account_id = a.id AND r.purged_at IS NULL AND r.restorable_until <= $1
  AND NOT EXISTS (SELECT 1 FROM restore_jobs s WHERE s.account_id = r.account_id AND s.removal_id = r.id AND s.finished_at IS NULL)
ORDER BY a.id, r.restorable_until LIMIT $2 OFFSET $4`
	// Not "IS NULL": PostgreSQL would walk the index of what is not purged yet.
	selectOpen = `SELECT id FROM removals WHERE account_id = $1 AND id = $2 AND COALESCE(purged_at, 0) = 0 AND COALESCE(restorable_until, $3) <= $3`
	// Any of them: to find the first by id PostgreSQL would look at all each time.
	selectRemoved = `SELECT m.id, m.person_id FROM (
  SELECT account_id, id FROM members WHERE account_id = $1 AND removal_id = $2 AND removal_id IS NOT NULL LIMIT $3
) r CROSS JOIN members m WHERE m.account_id = r.account_id AND m.id = r.id ORDER BY m.id`
	purgeTasks    = `DELETE FROM member_tasks WHERE (account_id, member_id) IN ` + idList
	purgeRoles    = `DELETE FROM member_roles WHERE (account_id, member_id) IN ` + idList
	purgeGroups   = `DELETE FROM group_members WHERE (account_id, member_id) IN ` + idList
	purgeProfiles = `DELETE FROM member_profiles WHERE (account_id, member_id) IN ` + idList
	// By the key, since SQLite takes an index that is not unique only where that
	// holds all it needs.
	purgeChanges = `UPDATE audit_changes SET salt = NULL, body = NULL WHERE (account_id, batch_id, seq) IN (
  SELECT x.account_id, x.batch_id, x.seq FROM ` + keyedIDs + `
  CROSS JOIN audit_changes x WHERE x.account_id = j.account_id AND x.member_id = j.id AND x.member_id <> 0)`
	purgeMembers = `DELETE FROM members WHERE (account_id, id) IN ` + idList + ` AND (removal_id = $3) IS TRUE`
	// The person stays as a bare key, which audit records name; the address goes
	// with the last membership in any account.
	purgePersons = `UPDATE persons SET memberships = memberships - 1, email_key = CASE WHEN memberships > 1 THEN email_key END
WHERE id IN (SELECT CAST(j.atom AS BIGINT) FROM json_each($1) j ` + list + `)`
	purgeDetails = `DELETE FROM audit_details WHERE account_id = $1 AND batch_id IN (
  SELECT c.batch_id FROM audit_chain c WHERE c.account_id = $1 AND c.removal_id = $2 AND c.removal_id <> 0)`
	closeRemoval = `UPDATE removals SET purged_at = $3, note = '' WHERE account_id = $1 AND id = $2 AND COALESCE(purged_at, 0) = 0`
)

// DueRemoval is a removal whose restore window is over.
type DueRemoval struct {
	Account directory.AccountID
	Removal directory.RemovalID
}

// DueRemovals returns up to limit removals that have not been purged and whose
// restore window had ended at a time; of jobs those that were over before jobs.
func (r *reader) DueRemovals(ctx context.Context, at, jobs time.Time, limit int) (due []DueRemoval, err error) {
	for seen, all := 0, 0; len(due) == 0 && seen == all; all += limit {
		err := r.each(ctx, func(rows *sql.Rows) error {
			var d DueRemoval
			var is bool
			if err := rows.Scan(&d.Account, &d.Removal, &is); err != nil {
				return err
			}
			seen++
			if is {
				due = append(due, d)
			}
			return nil
		}, selectDue, at.UnixMicro(), limit, jobs.UnixMicro(), seen)
		if err != nil {
			return nil, wrapf(err, "find removals to purge")
		}
	}
	return due, nil
}

// ErrRemovalClosed says that a removal is not to be purged: another server has purged
// it just now, or its restore window was lengthened.
var ErrRemovalClosed = errors.New("the removal was purged already, or its restore window has not ended")

// Purge erases up to limit memberships that the removal ended, with all that
// hangs on them, and the addresses of people whom no account has any more. It
// leaves an audit record for each. With the last of them go the removal's
// personal details, and the removal is closed. It reports how many memberships
// it erased and whether the removal is closed now. The error wraps ErrRemovalClosed
// when it was closed before, and when its restore window had not ended at a time, and
// directory.ErrState while a restoration in the background is not over.
func (tx *Tx) Purge(ctx context.Context, removal directory.RemovalID, at time.Time, limit int) (erased int, closed bool, err error) {
	tx.batch.Removal = removal
	// Whoever works on a removal has its row to himself; the next one waits, and
	// then sees what is left.
	var id directory.RemovalID
	err = tx.row(ctx, selectOpen+tx.engine.lockRows, tx.account, removal, at.UnixMicro()).Scan(&id)
	if errors.Is(err, directory.ErrNotFound) {
		err = ErrRemovalClosed
	}
	if err != nil {
		return 0, false, wrapf(err, "lock the removal")
	}
	switch restoring, err := tx.Restoring(ctx, removal); {
	case err != nil:
		return 0, false, err
	case restoring:
		return 0, false, directory.Errorf(directory.ErrState, "the removal is being restored: wait, or cancel that")
	}
	var members []directory.Candidate
	err = tx.each(ctx, func(rows *sql.Rows) error {
		var c directory.Candidate
		if err := rows.Scan(&c.Member, &c.Person); err != nil {
			return err
		}
		members = append(members, c)
		return nil
	}, selectRemoved, tx.account, removal, limit)
	if err != nil {
		return 0, false, wrapf(err, "find the removed members")
	}
	if len(members) > 0 {
		if err := tx.erase(ctx, members, removal); err != nil {
			return 0, false, err
		}
	}
	if len(members) == limit {
		return limit, false, nil
	}
	if len(members) == 0 {
		tx.Record(directory.AuditRun{Kind: directory.AuditRemovalClosed, Object: int64(removal)})
	}
	return len(members), true, tx.closeRemoval(ctx, removal)
}

// EraseAtOnce erases the memberships that this transaction's Remove ended, and
// closes the removal: there is nothing to restore.
func (tx *Tx) EraseAtOnce(ctx context.Context, leaving []directory.Candidate) error {
	if len(leaving) > 0 {
		if err := tx.erase(ctx, leaving, tx.batch.Removal); err != nil {
			return err
		}
	}
	return tx.closeRemoval(ctx, tx.batch.Removal)
}

// erase deletes memberships that the removal ended, children first, leaves an audit
// record for each, and notes which they were: a backup may still have them.
func (tx *Tx) erase(ctx context.Context, members []directory.Candidate, removal directory.RemovalID) error {
	ids, persons := split(members)
	list := jsonInts(ids)
	for _, query := range []string{noteErasures, purgeTasks, purgeRoles, purgeGroups, purgeProfiles, purgeChanges} {
		if err := tx.exec(ctx, query, tx.account, list); err != nil {
			return wrapf(err, "erase what hangs on the members")
		}
	}
	if err := tx.unindexSearch(ctx, ids); err != nil {
		return err
	}
	tx.endSignIns(list)
	tx.drop(forgetPasswords, list)
	tx.later(len(ids), purgeMembers, tx.account, list, removal)
	tx.later(len(ids), purgePersons, jsonInts(persons))
	tx.Record(directory.AuditRun{Kind: directory.AuditUserErased, Persons: persons})
	return wrapf(tx.flush(ctx), "erase the members")
}

// closeRemoval erases the personal details of a removal of which nobody is left.
func (tx *Tx) closeRemoval(ctx context.Context, removal directory.RemovalID) error {
	tx.later(1, closeRemoval, tx.account, removal, tx.batch.At.UnixMicro())
	if err := tx.exec(ctx, forgetRestoreJob, tx.account, removal); err != nil {
		return wrapf(err, "close the removal")
	}
	return wrapf(tx.exec(ctx, purgeDetails, tx.account, removal), "close the removal")
}
