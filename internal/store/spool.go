package store

import (
	"context"
	"database/sql"
	"time"

	"roster/internal/directory"
)

const (
	countJobs = `SELECT COUNT(*) FROM removal_jobs WHERE account_id = $1 AND spooled = 1 AND finished_at IS NULL`
	insertJob = `INSERT INTO removal_jobs (account_id, id, state, batch_id, mixed, next_seq, spooled, created_at, turn_at)
VALUES ($1, $2, 'spooling', 0, 0, 0, 1, $3, $3)`
	touchSpool  = `UPDATE removal_jobs SET turn_at = $3 WHERE account_id = $1 AND id = $2 AND state = 'spooling'`
	insertSpool = `INSERT INTO removal_spool (account_id, removal_id, seq, ids)
SELECT $1, $2, CAST(j.value->>0 AS BIGINT), j.value->>1 FROM json_each($3) j`
	queueJob = `UPDATE removal_jobs SET state = 'queued', batch_id = $3, mixed = $4, turn_at = $5 WHERE account_id = $1 AND id = $2 AND state = 'spooling'`

	// What nobody will work on: lists of jobs that are over, and those that did
	// not arrive as a whole.
	selectLeftovers = `SELECT account_id, id FROM removal_jobs
WHERE spooled = 1 AND (finished_at IS NOT NULL OR state = 'spooling' AND turn_at < $1)`
	dropSpool   = `UPDATE removal_jobs SET state = 'dropped', finished_at = $3 WHERE account_id = $1 AND id = $2 AND state = 'spooling'`
	deleteSpool = `DELETE FROM removal_spool WHERE account_id = $1 AND removal_id = $2 AND seq IN (
  SELECT seq FROM removal_spool WHERE account_id = $1 AND removal_id = $2 ORDER BY seq LIMIT $3)`
	deleteMet = `DELETE FROM removal_met WHERE account_id = $1 AND removal_id = $2 AND org_user_id IN (
  SELECT org_user_id FROM removal_met WHERE account_id = $1 AND removal_id = $2 ORDER BY org_user_id LIMIT $3)`
	emptySpool = `UPDATE removal_jobs SET spooled = 0 WHERE account_id = $1 AND id = $2 AND finished_at IS NOT NULL`
	forgetJob  = `DELETE FROM removal_jobs WHERE account_id = $1 AND id = $2 AND state = 'dropped'`
)

// SpoolRow is a row of a job's list: some ids as JSON, and their place in the
// order in which they are dealt with.
type SpoolRow struct {
	Seq int64
	IDs string
}

// BeginSpool makes room for the list of a job. Nothing can be seen of it, and
// nobody works on it, until QueueRemoval. An account that has most jobs that are
// not over gets no other: the error wraps directory.ErrTooManyJobs.
func (s *Store) BeginSpool(ctx context.Context, account directory.AccountID, most int) (directory.RemovalID, error) {
	id, err := s.ids.take(ctx, 1)
	if err != nil {
		return 0, err
	}
	err = s.inTx(ctx, func(r *reader, sess session) error {
		var jobs int
		if err := r.row(ctx, countJobs, account).Scan(&jobs); err != nil {
			return err
		}
		if jobs >= most {
			return directory.Errorf(directory.ErrTooManyJobs, "the account has %d jobs that are not over", jobs)
		}
		return r.run(ctx, sess, statement{query: insertJob, args: []any{account, id, s.Now().UnixMicro()}, rows: 1})
	})
	return directory.RemovalID(id), wrapf(err, "make room for the list of a job")
}

// Spool adds to the list of a job whose list is still arriving. The error wraps
// directory.ErrUnavailable when it was taken for given up.
func (s *Store) Spool(ctx context.Context, account directory.AccountID, id directory.RemovalID, rows []SpoolRow) error {
	list := jsonRows(len(rows), func(i int) jsonRow { return jsonRow{rows[i].Seq, rows[i].IDs} })
	err := s.inTx(ctx, func(r *reader, sess session) error {
		touched, err := r.touch(ctx, touchSpool, account, id, s.Now().UnixMicro())
		if err != nil {
			return err
		}
		if touched == 0 {
			return directory.Errorf(directory.ErrUnavailable, "it came too slowly and was given up")
		}
		return r.run(ctx, sess, statement{query: insertSpool, args: []any{account, id, list}, rows: len(rows)})
	})
	return wrapf(err, "write down the list of a job")
}

// run executes statements outside of Write.
func (r *reader) run(ctx context.Context, sess session, statements ...statement) error {
	for _, st := range statements {
		r.traced(st.query)
	}
	return r.engine.mapError(sess.run(ctx, statements))
}

// QueueRemoval makes a removal of a list that has arrived as a whole, for others
// to work on: see WorkOff. out has its public id, its labels and how many users and
// ids are named; mixed says whether there are addresses and org ids among them, and
// window is how long the removal can be undone once it is over. It returns the time of
// the removal.
func (tx *Tx) QueueRemoval(id directory.RemovalID, out directory.Removal, mixed bool, window time.Duration) time.Time {
	tx.batch.Removal = id
	actor, now := tx.batch.Actor, tx.batch.At.UnixMicro()
	tx.later(1, queueJob, tx.account, id, tx.batch.ID, flag(mixed), now)
	tx.later(1, insertRemoval, tx.account, id, out.PublicID, string(actor.Kind), actor.ID,
		out.Requested, 0, "{}", now, out.Labels.Note, out.Labels.Run, restorableUntil(tx.batch.At, window))
	tx.Record(directory.AuditRun{Kind: directory.AuditJobQueued, Object: int64(id)})
	return tx.batch.At
}

// DropSpool gives up the list of a job that was not queued.
func (s *Store) DropSpool(ctx context.Context, account directory.AccountID, id directory.RemovalID) error {
	claimed, err := s.delete(ctx, dropSpool, account, id, s.Now().UnixMicro())
	if err != nil || claimed == 0 {
		return wrapf(err, "give up the list of a job")
	}
	return s.sweep(ctx, JobRef{Account: account, ID: id})
}

// JobRef names a job.
type JobRef struct {
	Account  directory.AccountID
	ID       directory.RemovalID
	Restores bool // the removal with this id
}

// sweptAtOnce is how many rows of a list one transaction deletes.
const sweptAtOnce = 500

// SweepSpools erases lists that nobody will work on: what is left of jobs that
// are over, and lists of which nothing has arrived since before. It works in
// small transactions.
func (s *Store) SweepSpools(ctx context.Context, before time.Time) error {
	var left []JobRef
	err := s.each(ctx, func(rows *sql.Rows) error {
		var job JobRef
		err := rows.Scan(&job.Account, &job.ID)
		left = append(left, job)
		return err
	}, selectLeftovers, before.UnixMicro())
	for _, job := range left {
		if err == nil {
			_, err = s.delete(ctx, dropSpool, job.Account, job.ID, s.Now().UnixMicro()) // unless it is over
		}
		if err == nil {
			err = s.sweep(ctx, job)
		}
	}
	return wrapf(err, "sweep the lists of jobs")
}

// sweep erases the list of a job that is over or was dropped, and one that was
// dropped with it.
func (s *Store) sweep(ctx context.Context, job JobRef) error {
	for _, query := range []string{deleteSpool, deleteMet} {
		for n := sweptAtOnce; n == sweptAtOnce; {
			var err error
			if n, err = s.delete(ctx, query, job.Account, job.ID, sweptAtOnce); err != nil {
				return err
			}
		}
	}
	for _, query := range []string{forgetJob, emptySpool} {
		if _, err := s.delete(ctx, query, job.Account, job.ID); err != nil {
			return err
		}
	}
	return nil
}
