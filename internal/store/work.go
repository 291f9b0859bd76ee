package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"roster/internal/directory"
)

const (
	selectJobs = `SELECT b.account_id, b.id, b.turn_at, r.public_id, r.actor_kind, r.actor_id FROM removal_jobs b CROSS JOIN removals r
WHERE b.spooled = 1 AND b.state IN ('queued', 'running') AND r.account_id = b.account_id AND r.id = b.id
ORDER BY b.account_id, b.created_at, b.id LIMIT $1`
	// A job that somebody else works on is passed by: see engine.skipLocked. The
	// counts are read by another statement, since this one sees them as they were
	// when it began, and somebody may have moved the job on just before its lock.
	selectJob      = `SELECT b.state, b.mixed, b.next_seq FROM removal_jobs b WHERE b.account_id = $1 AND b.id = $2 AND b.state IN ('queued', 'running')`
	selectCounts   = `SELECT requested, removed, refused, COALESCE(restorable_until = created_at, FALSE) FROM removals WHERE account_id = $1 AND id = $2`
	selectJobState = `SELECT b.id, b.state FROM removals r CROSS JOIN removal_jobs b
WHERE r.account_id = $1 AND r.public_id = $2 AND b.account_id = r.account_id AND b.id = r.id`
	selectSpool = `SELECT seq, ids FROM removal_spool WHERE account_id = $1 AND removal_id = $2 AND seq >= $3 ORDER BY seq LIMIT $4`
	deleteDone  = `DELETE FROM removal_spool WHERE account_id = $1 AND removal_id = $2 AND seq >= $3 AND seq < $4`
	moveJob     = `UPDATE removal_jobs SET state = 'running', next_seq = $4, turn_at = $5
WHERE account_id = $1 AND id = $2 AND next_seq = $3 AND state IN ('queued', 'running')`
	endJob = `UPDATE removal_jobs SET state = $3, finished_at = $4, spooled = $5
WHERE account_id = $1 AND id = $2 AND state IN ('queued', 'running')`
	countChunk = `UPDATE removals SET requested = $3, removed = $4, refused = $5
WHERE account_id = $1 AND id = $2 AND requested = $6 AND removed = $7`
	insertRefusals = `INSERT INTO removal_refusals (account_id, removal_id, seq, batch_id) VALUES ($1, $2, $3, $4)`

	// The ids of members are the list, and few of them have no org id.
	insertMet = `INSERT INTO removal_met (account_id, removal_id, org_user_id)
SELECT m.account_id, $3, m.org_user_id FROM (SELECT CAST($1 AS BIGINT) AS account_id, CAST(atom AS BIGINT) AS id FROM json_each($2) ` + list + `) j
CROSS JOIN members m WHERE m.account_id = j.account_id AND m.id = j.id AND m.org_user_id IS NOT NULL
ON CONFLICT DO NOTHING`
	selectMet = `SELECT x.org_user_id FROM (SELECT CAST($1 AS BIGINT) AS account_id, CAST($3 AS BIGINT) AS removal_id, atom FROM json_each($2) ` + list + `) j
CROSS JOIN removal_met x WHERE x.account_id = j.account_id AND x.removal_id = j.removal_id AND x.org_user_id = j.atom`
)

// OpenJob is a job that is not over.
type OpenJob struct {
	JobRef
	Turn     int64 // when it was last worked on, in Unix microseconds
	PublicID string
	Actor    directory.Actor // who asked for it, without a label
}

// OpenJobs returns up to limit jobs that are not over, those of each account
// together and the oldest first.
func (r *reader) OpenJobs(ctx context.Context, limit int) ([]OpenJob, error) {
	var jobs []OpenJob
	err := r.each(ctx, func(rows *sql.Rows) error {
		var job OpenJob
		err := rows.Scan(&job.Account, &job.ID, &job.Turn, &job.PublicID, &job.Actor.Kind, &job.Actor.ID)
		jobs = append(jobs, job)
		return err
	}, selectJobs, limit)
	return jobs, wrapf(err, "find jobs")
}

// LockedJob is a job that nobody else works on until the transaction ends.
type LockedJob struct {
	ID directory.RemovalID
	// Mixed says that the list has addresses and org ids.
	Mixed bool
	// First says that nothing was done of it yet.
	First bool
	// Erases says that the job was queued under a restore window of 0: whom it removes
	// is erased at once.
	Erases bool
	// Requested, Removed and Refused count as directory.RemovalRecord does.
	Requested, Removed int
	Refused            map[directory.Reason]int

	next               int64 // the place mark
	requested, removed int   // as they stand in the database
}

// ErrJobTaken says that a job is over, or that another server works on it.
var ErrJobTaken = errors.New("the job is over or taken by another server")

// LockJob takes a job for this transaction, whose records belong to it. The
// error wraps ErrJobTaken when it is over or another server works on it.
func (tx *Tx) LockJob(ctx context.Context, id directory.RemovalID) (*LockedJob, error) {
	job := &LockedJob{ID: id}
	var mixed int
	var refused string
	var state directory.RemovalState
	tx.ask(selectJob+tx.engine.skipLocked, []any{tx.account, id}, func(row scanner) error { return row.Scan(&state, &mixed, &job.next) })
	tx.ask(selectCounts, []any{tx.account, id}, func(row scanner) error { return row.Scan(&job.requested, &job.removed, &refused, &job.Erases) })
	err := tx.flush(ctx)
	switch {
	case err == nil && state == "":
		err = ErrJobTaken
	case err == nil:
		err = json.Unmarshal([]byte(refused), &job.Refused)
	}
	job.First = state == directory.RemovalQueued
	job.Mixed, job.Requested, job.Removed = mixed != 0, job.requested, job.removed
	tx.batch.Removal = id
	return job, wrapf(err, "lock a job")
}

// NextOfJob returns the next rows of the job's list, limit at most.
func (tx *Tx) NextOfJob(ctx context.Context, job *LockedJob, limit int) (list []SpoolRow, err error) {
	err = tx.each(ctx, func(rows *sql.Rows) error {
		var row SpoolRow
		err := rows.Scan(&row.Seq, &row.IDs)
		list = append(list, row)
		return err
	}, selectSpool, tx.account, job.ID, job.next, limit)
	return list, wrapf(err, "read the list of a job")
}

// MetByAddress returns which of these org ids are of members whom the job has
// met by their addresses before.
func (tx *Tx) MetByAddress(ctx context.Context, job *LockedJob, orgUserIDs []string) (map[string]bool, error) {
	met := make(map[string]bool)
	err := tx.each(ctx, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		met[id] = true
		return err
	}, selectMet, tx.account, jsonTexts(orgUserIDs), job.ID)
	return met, wrapf(err, "find whom a job has met")
}

// Meet remembers the org ids of members whom the job meets by their addresses.
func (tx *Tx) Meet(ctx context.Context, job *LockedJob, members []directory.Candidate) error {
	ids, _ := split(members)
	return wrapf(tx.exec(ctx, insertMet, tx.account, jsonInts(ids), job.ID), "remember whom a job has met")
}

// RemoveSome ends the memberships of those who leave by a chunk of the job, or
// erases them where the job does that, and leaves an audit record for each.
func (tx *Tx) RemoveSome(ctx context.Context, job *LockedJob, leaving []directory.Candidate) error {
	if len(leaving) == 0 {
		return nil
	}
	members, persons := split(leaving)
	tx.later(len(members), markRemoved, tx.account, jsonInts(members), job.ID)
	tx.Record(directory.AuditRun{Kind: directory.AuditUserDeleted, Persons: persons})
	tx.users -= len(leaving)
	if job.Erases {
		return tx.erase(ctx, leaving, job.ID)
	}
	return nil
}

// Advance moves the job's place mark behind rows of its list, which it deletes,
// and writes down the job's counts. refused says whether the details of this
// transaction hold ids that were refused. When that was the end of the list the
// job is over, which it reports.
func (tx *Tx) Advance(ctx context.Context, job *LockedJob, rows []SpoolRow, refused bool) (over bool, err error) {
	counts, err := json.Marshal(job.Refused)
	if err != nil {
		return false, err
	}
	now := tx.batch.At.UnixMicro()
	tx.later(1, countChunk, tx.account, job.ID, job.Requested, job.Removed, string(counts), job.requested, job.removed)
	if len(rows) > 0 {
		next := rows[len(rows)-1].Seq + 1
		tx.later(len(rows), deleteDone, tx.account, job.ID, job.next, next)
		tx.later(1, moveJob, tx.account, job.ID, job.next, next, now)
		job.next = next
	}
	if refused {
		tx.later(1, insertRefusals, tx.account, job.ID, rows[0].Seq, tx.batch.ID)
	}
	more, err := tx.NextOfJob(ctx, job, 1)
	if err != nil || len(more) > 0 {
		return false, err
	}
	// Whom it has met is to be swept.
	tx.later(1, endJob, tx.account, job.ID, string(directory.RemovalCompleted), now, flag(job.Mixed))
	tx.later(1, moveWindow, tx.account, job.ID, now)
	return true, nil
}

// EndJob ends a job before its time, as cancelled or failed, and reports whether
// it did: it does not when the job has ended so before. The error wraps
// directory.ErrNotFound when the account has no such removal, and
// directory.ErrState when it is over.
func (tx *Tx) EndJob(ctx context.Context, publicID string, state directory.RemovalState) (ended bool, err error) {
	var id directory.RemovalID
	var now directory.RemovalState
	// It waits for a chunk that is being done.
	err = tx.row(ctx, selectJobState+tx.engine.lockJob, tx.account, publicID).Scan(&id, &now)
	if errors.Is(err, directory.ErrNotFound) {
		// A call's removal, if there is one, was over when it could be read.
		record, _, err := tx.Removal(ctx, tx.account, publicID)
		if err != nil {
			return false, err
		}
		now = record.State
	} else if err != nil {
		return false, wrapf(err, "lock a job")
	}
	switch {
	case now == state:
		return false, nil
	case now.Over():
		return false, directory.Errorf(directory.ErrState, "the removal %s is over: it is %s", publicID, now)
	}
	tx.batch.Removal = id
	kind := directory.AuditJobCancelled
	if state == directory.RemovalFailed {
		kind = directory.AuditJobFailed
	}
	tx.Record(directory.AuditRun{Kind: kind, Object: int64(id)})
	tx.later(1, endJob, tx.account, id, string(state), tx.batch.At.UnixMicro(), 1)
	return true, tx.execRows(ctx, 1, moveWindow, tx.account, id, tx.batch.At.UnixMicro())
}
