package store

import (
	"context"
	"database/sql"

	"roster/internal/directory"
)

// The audit log has no index by person, which every removal would pay for. What it
// says of one is found by walking it back from its end, a stretch at a time.
const (
	// A stretch has so many entries and, but for the first of them, so many records.
	historyEntries = 2000
	historyRecords = 50_000

	personByID   = `SELECT id, COALESCE(email_key, '') FROM persons WHERE public_id = $1`
	chainStretch = chainColumns + ` AND number BETWEEN $2 AND $3 ORDER BY number DESC`
	// Of the first entry of the list records count up to a number.
	recordsOf = `SELECT j.place, r.seq, r.kind, r.object_id, COALESCE(x.body, '')
FROM (SELECT CAST($1 AS BIGINT) AS account_id, key AS place, CAST(atom AS BIGINT) AS batch_id FROM json_each($2) ` + list + `) j
CROSS JOIN audit_records r
LEFT JOIN audit_changes x ON x.account_id = r.account_id AND x.batch_id = r.batch_id AND x.seq = r.seq
WHERE r.account_id = j.account_id AND r.batch_id = j.batch_id AND r.person_id = $3 AND (j.place > 0 OR r.seq <= $4)
ORDER BY j.place, r.seq DESC LIMIT $5`
)

// UserHistory reads up to limit of the account's audit records about a person, the
// newest first, older than a position, or from the end of the log where before is
// nil. It looks at a stretch of the log and no further, so there may be older ones
// though it finds fewer. Details are left out. The error wraps directory.ErrNotFound
// when nobody has the public id.
func (s *Store) UserHistory(ctx context.Context, account directory.AccountID, userID string, before *directory.AuditPosition, limit int) (out directory.UserHistory, err error) {
	err = s.snapshot(ctx, func(r *reader) error {
		var person directory.PersonID
		var email string
		if err := r.row(ctx, personByID, userID).Scan(&person, &email); err != nil {
			return err
		}
		parts, oldest, err := r.logStretch(ctx, account, before)
		if err != nil {
			return err
		}
		if out.Records, err = r.recordsOf(ctx, account, person, parts, limit+1); err != nil {
			return err
		}
		switch {
		case len(out.Records) > limit:
			out.Records = out.Records[:limit]
			out.Next = &out.Records[limit-1].AuditPosition
		case oldest > 1:
			out.Next = &directory.AuditPosition{Number: oldest, Seq: 1}
		}
		for i := range out.Records {
			out.Records[i].UserID, out.Records[i].Email = userID, email
		}
		return nil
	})
	return out, wrapf(err, "read what the audit log says of %s", userID)
}

// logStretch reads the entries of a stretch of the log that have records, the newest
// first, and the number of the oldest entry that it has come to.
func (r *reader) logStretch(ctx context.Context, account directory.AccountID, before *directory.AuditPosition) (parts []auditPart, oldest int64, err error) {
	var newest int64
	var hash []byte
	if err := r.row(ctx, selectHead, account).Scan(&newest, &hash); err != nil {
		return nil, 0, err
	}
	if before != nil {
		newest = min(newest, before.Number)
	}
	oldest = max(1, newest-historyEntries+1)
	records := 0
	err = r.each(ctx, func(rows *sql.Rows) error {
		part, err := scanPart(rows)
		if err != nil || records >= historyRecords {
			return err
		}
		if before != nil && part.Number == before.Number {
			part.hi = min(part.hi, before.Seq-1)
		}
		if records += part.hi; records >= historyRecords {
			oldest = part.Number
		}
		parts = append(parts, part)
		return nil
	}, chainStretch, account, oldest, newest)
	return parts, oldest, err
}

// recordsOf reads up to limit records about a person in entries, in their order.
func (r *reader) recordsOf(ctx context.Context, account directory.AccountID, person directory.PersonID, parts []auditPart, limit int) (records []directory.AuditRecord, err error) {
	var objects, removals []int64
	wanted := map[int64]struct{}{}
	if len(parts) == 0 {
		return nil, nil
	}
	batches := make([]int64, len(parts))
	for i := range parts {
		batches[i] = parts[i].batch
	}
	err = r.each(ctx, func(rows *sql.Rows) error {
		var place int
		var object int64
		var rec directory.AuditRecord
		var change string
		if err := rows.Scan(&place, &rec.Seq, &rec.Kind, &object, &change); err != nil {
			return err
		}
		part := &parts[place]
		rec.Number, rec.At, rec.Actor, rec.Hash = part.Number, part.At, part.Actor, part.Hash
		if change != "" {
			rec.Change = []byte(change)
		}
		records, objects, removals = append(records, rec), append(objects, object), append(removals, part.removal)
		for _, id := range []int64{object, part.removal, part.Actor.ID} {
			wanted[id] = struct{}{}
		}
		return nil
	}, recordsOf, account, jsonInts(batches), person, parts[0].hi, limit)
	if err != nil {
		return nil, err
	}
	names, err := r.auditNames(ctx, account, wanted)
	for i := range records {
		rec := &records[i]
		rec.Object, rec.By, rec.Removal = names[objects[i]], names[rec.Actor.ID], names[removals[i]].PublicID
	}
	return records, err
}
