package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"roster/internal/directory"
	"roster/internal/excerpt"
)

const (
	removalColumns = `SELECT r.id, r.public_id, r.actor_kind, r.actor_id,
  COALESCE((SELECT a.client_id FROM apps a WHERE a.id = r.actor_id AND r.actor_kind = 'app'), ''),
  COALESCE((SELECT p.email_key FROM persons p WHERE p.id = r.actor_id AND r.actor_kind = 'person'), ''),
  r.requested, r.removed, r.restored, r.refused, r.created_at, r.purged_at,
  r.note, r.run, COALESCE(b.state, 'completed'), CASE WHEN b.id IS NULL THEN r.created_at ELSE b.finished_at END, r.restorable_until,
  COALESCE(s.state, ''), COALESCE(s.request_id, ''), COALESCE(s.total, 0), COALESCE(s.done, 0), COALESCE(s.restored, 0), COALESCE(s.lost, '')`
	ofJob = ` LEFT JOIN removal_jobs b ON b.account_id = r.account_id AND b.id = r.id
  LEFT JOIN restore_jobs s ON s.account_id = r.account_id AND s.removal_id = r.id`
	// What a page skips is skipped in the index of the order, and not looked up.
	pageOfRemovals = `SELECT account_id, id FROM removals WHERE account_id = $1 ORDER BY account_id DESC, created_at DESC, id DESC LIMIT $2 OFFSET $3`
	listRemovals   = removalColumns + `, '' FROM (` + pageOfRemovals + `) j
CROSS JOIN removals r` + ofJob + ` WHERE r.account_id = j.account_id AND r.id = j.id ORDER BY r.created_at DESC, r.id DESC`
	countRemovals = `SELECT COUNT(*) FROM removals WHERE account_id = $1`

	// Of the batches that belong to a removal its own is the first in the chain;
	// ids of batches do not say, since each process takes them in blocks. "+ 0"
	// keeps the planners from walking the chain in the order of its numbers. A job
	// has too many batches for that, and says which it is.
	selectRecord = removalColumns + `, COALESCE((
  SELECT d.body FROM audit_details d WHERE d.account_id = b.account_id AND d.batch_id = b.batch_id), (
  SELECT d.body FROM audit_chain c CROSS JOIN audit_details d
  WHERE c.account_id = r.account_id AND c.removal_id = r.id AND c.removal_id <> 0
    AND d.account_id = c.account_id AND d.batch_id = c.batch_id AND b.id IS NULL
  ORDER BY c.number + 0 LIMIT 1), '')
FROM removals r` + ofJob + ` WHERE r.account_id = $1 AND r.public_id = $2`

	// What the batches of a removal say, from the newest back.
	detailsOfRemoval = `SELECT c.number, d.body FROM audit_chain c CROSS JOIN audit_details d
WHERE c.account_id = $1 AND c.removal_id = $2 AND c.removal_id <> 0 AND c.number + 0 < $3
  AND d.account_id = c.account_id AND d.batch_id = c.batch_id
ORDER BY c.number + 0 DESC LIMIT $4`

	// The batches that hold the ids which a job refused.
	refusalsOfJob = `SELECT seq, account_id, batch_id FROM removal_refusals WHERE account_id = $1 AND removal_id = $2`
	selectRefused = `SELECT x.seq, d.body FROM (` + refusalsOfJob + ` AND seq > $3 ORDER BY seq LIMIT $4) x CROSS JOIN audit_details d
WHERE d.account_id = x.account_id AND d.batch_id = x.batch_id ORDER BY x.seq`
	someRefusals         = `SELECT seq FROM removal_refusals WHERE account_id = $1 AND removal_id = $2 ORDER BY seq LIMIT $3`
	deleteRefusedDetails = `DELETE FROM audit_details WHERE account_id = $1 AND batch_id IN (
  SELECT batch_id FROM removal_refusals WHERE account_id = $1 AND removal_id = $2 ORDER BY seq LIMIT $3)`
	deleteRefusals = `DELETE FROM removal_refusals WHERE account_id = $1 AND removal_id = $2 AND seq IN (` + someRefusals + `)`
)

// Removals returns a page of the account's removals, the newest first, without
// what their details hold.
func (s *Store) Removals(ctx context.Context, account directory.AccountID, page directory.Page) (directory.RemovalPage, error) {
	var out directory.RemovalPage
	err := s.snapshot(ctx, func(r *reader) error {
		if err := r.row(ctx, countRemovals, account).Scan(&out.Total); err != nil {
			return err
		}
		out.More = page.More(out.Total)
		if page.Skip() >= out.Total {
			return nil
		}
		return r.each(ctx, func(rows *sql.Rows) error {
			record, _, err := scanRemoval(rows)
			out.Removals = append(out.Removals, record)
			return err
		}, listRemovals, account, page.Limit, page.Skip())
	})
	return out, wrapf(err, "list the removals")
}

// Removal finds a removal of the account by its public id, and returns it with
// the body of its details, empty once these are erased. The error wraps
// directory.ErrNotFound when there is none.
func (r *reader) Removal(ctx context.Context, account directory.AccountID, publicID string) (record directory.RemovalRecord, details string, err error) {
	if !storable(publicID) {
		return record, "", fmt.Errorf("removal %q: %w", excerpt.Of(publicID), directory.ErrNotFound)
	}
	found := false
	err = r.each(ctx, func(rows *sql.Rows) (err error) {
		found = true
		record, details, err = scanRemoval(rows)
		return err
	}, selectRecord, account, publicID)
	if err == nil && !found {
		err = fmt.Errorf("removal %q: %w", excerpt.Of(publicID), directory.ErrNotFound)
	}
	return record, details, err
}

// scanRemoval reads a row of removalColumns and one column more.
func scanRemoval(rows *sql.Rows) (record directory.RemovalRecord, details string, err error) {
	var refused, lost string
	var restore directory.RestoreJob
	var created int64
	var purged, finished, until sql.NullInt64
	if err := rows.Scan(&record.ID, &record.PublicID, &record.Actor.Kind, &record.Actor.ID, &record.ClientID, &record.Actor.Label,
		&record.Requested, &record.Removed, &record.Restored, &refused, &created, &purged,
		&record.Labels.Note, &record.Labels.Run, &record.State, &finished, &until,
		&restore.State, &restore.RequestID, &restore.Total, &restore.Done, &restore.Restored, &lost, &details); err != nil {
		return record, "", err
	}
	if err := json.Unmarshal([]byte(refused), &record.RefusedByReason); err != nil {
		return record, "", fmt.Errorf("read the counts of removal %s: %w", record.PublicID, err)
	}
	if restore.State != "" {
		record.Restore = &restore
		if err := json.Unmarshal([]byte(lost), &restore.Lost); err != nil {
			return record, "", fmt.Errorf("read the restoration of removal %s: %w", record.PublicID, err)
		}
	}
	record.Created = fromMicros(created)
	if finished.Valid {
		record.Finished = fromMicros(finished.Int64)
	}
	if until.Valid && record.State.Over() {
		record.RestorableUntil = fromMicros(until.Int64)
	}
	if purged.Valid {
		record.Purged = fromMicros(purged.Int64)
	}
	return record, details, nil
}

// RemovalDetails reads a part of what transactions that belong to a removal left with
// RecordDetails: up to limit bodies from before a number in the account's chain back,
// the newest first, and the number of the last of them.
func (r *reader) RemovalDetails(ctx context.Context, account directory.AccountID, id directory.RemovalID, before int64, limit int) (bodies []string, last int64, err error) {
	last = before
	err = r.each(ctx, func(rows *sql.Rows) error {
		var body string
		err := rows.Scan(&last, &body)
		bodies = append(bodies, body)
		return err
	}, detailsOfRemoval, account, id, before, limit)
	return bodies, last, wrapf(err, "read what was said of a removal")
}

// JobRefusals reads a part of what a job refused: the bodies of up to limit
// details that follow the place after, in the order of the job's list, and the
// place of the last of them. There is no more when it returns none.
func (r *reader) JobRefusals(ctx context.Context, account directory.AccountID, id directory.RemovalID, after int64, limit int) (bodies []string, last int64, err error) {
	last = after
	err = r.each(ctx, func(rows *sql.Rows) error {
		var body string
		err := rows.Scan(&last, &body)
		bodies = append(bodies, body)
		return err
	}, selectRefused, account, id, after, limit)
	return bodies, last, wrapf(err, "read what a job refused")
}

// ForgetJobRefusals erases what a job refused, in small transactions.
func (s *Store) ForgetJobRefusals(ctx context.Context, account directory.AccountID, id directory.RemovalID) error {
	for n := sweptAtOnce; n == sweptAtOnce; {
		err := s.inTx(ctx, func(r *reader, _ session) (err error) {
			if _, err = r.touch(ctx, deleteRefusedDetails, account, id, sweptAtOnce); err == nil {
				n, err = r.touch(ctx, deleteRefusals, account, id, sweptAtOnce)
			}
			return err
		})
		if err != nil {
			return wrapf(err, "forget what a job refused")
		}
	}
	return nil
}
