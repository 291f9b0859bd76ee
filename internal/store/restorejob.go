package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"

	"roster/internal/directory"
)

const (
	selectRestoreJobs = `SELECT b.account_id, b.removal_id, b.turn_at, r.public_id, b.actor_kind, b.actor_id FROM restore_jobs b CROSS JOIN removals r
WHERE b.finished_at IS NULL AND r.account_id = b.account_id AND r.id = b.removal_id
ORDER BY b.account_id, b.created_at, b.removal_id LIMIT $1`
	// A job that somebody else works on is passed by: see engine.skipLocked.
	selectRestoreJob = `SELECT b.state, b.request_id, b.total, b.done, b.restored, b.lost, b.next_seq FROM restore_jobs b
WHERE b.account_id = $1 AND b.removal_id = $2 AND b.finished_at IS NULL`
	selectRestoring = `SELECT COUNT(*) FROM restore_jobs WHERE account_id = $1 AND removal_id = $2 AND finished_at IS NULL`
	selectRestored  = `SELECT b.removal_id, b.state FROM removals r CROSS JOIN restore_jobs b
WHERE r.account_id = $1 AND r.public_id = $2 AND b.account_id = r.account_id AND b.removal_id = r.id`

	insertRestoreJob = `INSERT INTO restore_jobs (account_id, removal_id, state, actor_kind, actor_id, request_id, total, done, restored, lost, next_seq, created_at, turn_at)
VALUES ($1, $2, 'queued', $3, $4, $5, $6, 0, 0, '[]', 0, $7, $7)`
	moveRestoreJob = `UPDATE restore_jobs SET state = $4, done = $5, restored = $6, lost = $7, next_seq = $8, turn_at = $9, finished_at = $10
WHERE account_id = $1 AND removal_id = $2 AND next_seq = $3 AND finished_at IS NULL`
	endRestoreJob = `UPDATE restore_jobs SET state = $3, finished_at = $4 WHERE account_id = $1 AND removal_id = $2 AND finished_at IS NULL`
	// The one before, if any, is over.
	forgetRestoreJob = `DELETE FROM restore_jobs WHERE account_id = $1 AND removal_id = $2`

	idsOfRemoval       = `SELECT id FROM members WHERE account_id = $1 AND removal_id = $2 AND removal_id IS NOT NULL`
	insertRestoreItems = `INSERT INTO restore_items (account_id, removal_id, seq, member_ids)
SELECT $1, $2, CAST(j.value->>0 AS BIGINT), j.value->>1 FROM json_each($3) j`
	selectRestoreItems = `SELECT seq, member_ids FROM restore_items WHERE account_id = $1 AND removal_id = $2 AND seq >= $3 ORDER BY seq LIMIT $4`
	deleteRestoreItems = `DELETE FROM restore_items WHERE account_id = $1 AND removal_id = $2 AND seq >= $3 AND seq < $4`
	forgetRestoreItems = `DELETE FROM restore_items WHERE account_id = $1 AND removal_id = $2`
	// "IS TRUE" as for markRemoved.
	membersOfItems = memberColumns + keyedIDs + ` CROSS JOIN members m
WHERE m.account_id = j.account_id AND m.id = j.id AND (m.removal_id = $3) IS TRUE`
)

// itemRowsAtOnce is how many rows of a list one statement writes.
const itemRowsAtOnce = 4000

// QueueRestoration makes a job of the restoration of everybody whom a locked removal
// has ended and nobody has restored: these members, perRow of them to a row of the
// job's list. It leaves an audit record. The removal must not have a restoration that is
// not over: see Restoring.
func (tx *Tx) QueueRestoration(ctx context.Context, l LockedRemoval, members []directory.MemberID, requestID string, perRow int) error {
	if err := tx.exec(ctx, forgetRestoreJob, tx.account, l.RemovalID); err != nil {
		return wrapf(err, "queue a restoration")
	}
	actor := tx.batch.Actor
	tx.later(1, insertRestoreJob, tx.account, l.RemovalID, string(actor.Kind), actor.ID, requestID, len(members), tx.batch.At.UnixMicro())
	seq := int64(0)
	for some := range slices.Chunk(members, perRow*itemRowsAtOnce) {
		var rows []jsonRow
		for row := range slices.Chunk(some, perRow) {
			rows = append(rows, jsonRow{seq, jsonInts(row)})
			seq++
		}
		tx.later(len(rows), insertRestoreItems, tx.account, l.RemovalID, jsonRows(len(rows), func(i int) jsonRow { return rows[i] }))
	}
	tx.Record(directory.AuditRun{Kind: directory.AuditRestoreQueued, Object: int64(l.RemovalID)})
	return wrapf(tx.flush(ctx), "queue a restoration")
}

// RemovedMemberIDs returns the members whom the removal ended and nobody has restored or
// erased.
func (tx *Tx) RemovedMemberIDs(ctx context.Context, l LockedRemoval) (ids []directory.MemberID, err error) {
	err = tx.each(ctx, func(rows *sql.Rows) error {
		var id directory.MemberID
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	}, idsOfRemoval, tx.account, l.RemovalID)
	slices.Sort(ids)
	return ids, wrapf(err, "find the removed members")
}

// Restoring reports whether a restoration of the removal is not over. The transaction
// has locked the removal, so that none begins.
func (tx *Tx) Restoring(ctx context.Context, removal directory.RemovalID) (bool, error) {
	n := 0
	err := tx.row(ctx, selectRestoring, tx.account, removal).Scan(&n)
	return n > 0, wrapf(err, "look for a restoration")
}

// OpenRestorations returns up to limit restorations that are not over, those of each
// account together and the oldest first.
func (r *reader) OpenRestorations(ctx context.Context, limit int) ([]OpenJob, error) {
	var jobs []OpenJob
	err := r.each(ctx, func(rows *sql.Rows) error {
		job := OpenJob{JobRef: JobRef{Restores: true}}
		err := rows.Scan(&job.Account, &job.ID, &job.Turn, &job.PublicID, &job.Actor.Kind, &job.Actor.ID)
		jobs = append(jobs, job)
		return err
	}, selectRestoreJobs, limit)
	return jobs, wrapf(err, "find restorations")
}

// LockedRestoration is a restoration that nobody else works on until the transaction
// ends.
type LockedRestoration struct {
	directory.RestoreJob
	id   directory.RemovalID
	next int64 // the place mark
}

// LockRestoration takes the restoration of a removal for this transaction. The error
// wraps ErrJobTaken when it is over or another server works on it.
func (tx *Tx) LockRestoration(ctx context.Context, removal directory.RemovalID) (*LockedRestoration, error) {
	job := &LockedRestoration{id: removal}
	lost := ""
	err := tx.row(ctx, selectRestoreJob+tx.engine.skipLocked, tx.account, removal).
		Scan(&job.State, &job.RequestID, &job.Total, &job.Done, &job.Restored, &lost, &job.next)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		err = ErrJobTaken
	case err == nil:
		err = json.Unmarshal([]byte(lost), &job.Lost)
	}
	return job, wrapf(err, "lock a restoration")
}

// RestoreItems are some of the members that a restoration deals with.
type RestoreItems struct {
	// Listed counts those of the list, and Removed are those of them whom nobody has
	// restored meanwhile, in the order of their ids.
	Listed  int
	Removed []directory.Candidate

	rows int
	end  int64 // the place behind them
}

// NextOfRestoration returns the members of the next rows of the job's list, limit rows
// at most.
func (tx *Tx) NextOfRestoration(ctx context.Context, job *LockedRestoration, limit int) (items RestoreItems, err error) {
	var ids []directory.MemberID
	items.end = job.next
	err = tx.each(ctx, func(rows *sql.Rows) error {
		var seq int64
		var members string
		if err := rows.Scan(&seq, &members); err != nil {
			return err
		}
		var some []directory.MemberID
		items.rows++
		items.end = seq + 1
		err := json.Unmarshal([]byte(members), &some)
		ids = append(ids, some...)
		return err
	}, selectRestoreItems, tx.account, job.id, job.next, limit)
	if err != nil {
		return items, wrapf(err, "read the list of a restoration")
	}
	items.Listed = len(ids)
	items.Removed, err = tx.removed(ctx, membersOfItems, []any{tx.account, jsonInts(ids), job.id})
	return items, err
}

// AdvanceRestoration moves the job's place mark behind members of its list, which it
// deletes, and writes down the job's counts and what was lost. When that was the end of
// the list the job is over, which it reports.
func (tx *Tx) AdvanceRestoration(ctx context.Context, job *LockedRestoration, items RestoreItems) (over bool, err error) {
	lost, err := json.Marshal(job.Lost)
	if err != nil {
		return false, err
	}
	tx.later(items.rows, deleteRestoreItems, tx.account, job.id, job.next, items.end)
	left := 0
	err = tx.row(ctx, `SELECT COUNT(*) FROM (`+selectRestoreItems+`) x`, tx.account, job.id, items.end, 1).Scan(&left)
	if err != nil {
		return false, wrapf(err, "read the list of a restoration")
	}
	now := tx.batch.At.UnixMicro()
	state, finished := directory.RemovalRunning, sql.NullInt64{}
	if left == 0 {
		state, finished = directory.RemovalCompleted, sql.NullInt64{Int64: now, Valid: true}
	}
	tx.later(1, moveRestoreJob, tx.account, job.id, job.next, string(state), job.Done, job.Restored, string(lost), items.end, now, finished)
	return left == 0, nil
}

// EndRestoration ends the restoration of a removal before its time, as cancelled or
// failed, and reports whether it did: it does not when it has ended so before. Whom it
// has restored stays. The error wraps directory.ErrNotFound when the account has no such
// removal, and directory.ErrState when no restoration of it runs.
func (tx *Tx) EndRestoration(ctx context.Context, publicID string, state directory.RemovalState) (ended bool, err error) {
	var id directory.RemovalID
	var now directory.RemovalState
	// It waits for a chunk that is being done.
	err = tx.row(ctx, selectRestored+tx.engine.lockJob, tx.account, publicID).Scan(&id, &now)
	if errors.Is(err, directory.ErrNotFound) {
		if _, _, err = tx.Removal(ctx, tx.account, publicID); err == nil {
			err = directory.Errorf(directory.ErrState, "no restoration of removal %s is running", publicID)
		}
	}
	switch {
	case err != nil:
		return false, wrapf(err, "lock a restoration")
	case now == state:
		return false, nil
	case now.Over():
		return false, directory.Errorf(directory.ErrState, "the restoration of removal %s is over: it is %s", publicID, now)
	}
	tx.batch.Removal = id
	kind := directory.AuditRestoreCancelled
	if state == directory.RemovalFailed {
		kind = directory.AuditRestoreFailed
	}
	tx.Record(directory.AuditRun{Kind: kind, Object: int64(id)})
	if err := tx.exec(ctx, forgetRestoreItems, tx.account, id); err != nil {
		return false, wrapf(err, "end a restoration")
	}
	return true, tx.execRows(ctx, 1, endRestoreJob, tx.account, id, string(state), tx.batch.At.UnixMicro())
}
