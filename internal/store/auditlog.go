package store

import (
	"context"
	"database/sql"
	"maps"
	"math"
	"slices"

	"roster/internal/directory"
)

// Reading the records of the audit log by their keys, with the names of what they are
// about. Which records a page shows is found in auditpage.go.
const (
	// Rows of a list: a batch, and the first and the last of its records.
	selectRecords = `SELECT r.batch_id, r.seq, r.kind, r.object_id, COALESCE(p.public_id, ''), COALESCE(p.email_key, ''), COALESCE(x.body, '')
FROM (SELECT CAST($1 AS BIGINT) AS account_id, CAST(value->>0 AS BIGINT) AS batch_id, CAST(value->>1 AS BIGINT) AS lo, CAST(value->>2 AS BIGINT) AS hi
  FROM json_each($2) ` + list + `) j
CROSS JOIN audit_records r LEFT JOIN persons p ON p.id = r.person_id
LEFT JOIN audit_changes x ON x.account_id = r.account_id AND x.batch_id = r.batch_id AND x.seq = r.seq
WHERE r.account_id = j.account_id AND r.batch_id = j.batch_id AND r.seq BETWEEN j.lo AND j.hi`
	recordDetails = `SELECT d.batch_id, d.body FROM ` + keyedIDs + ` CROSS JOIN audit_details d WHERE d.account_id = j.account_id AND d.batch_id = j.id`

	// Internal keys are unique over all kinds of thing.
	auditObjects = `SELECT o.id, 'group', o.public_id, o.name FROM ` + keyedIDs + ` CROSS JOIN groups o WHERE o.account_id = j.account_id AND o.id = j.id
UNION ALL SELECT o.id, 'bot', o.public_id, o.name FROM ` + keyedIDs + ` CROSS JOIN bots o WHERE o.account_id = j.account_id AND o.id = j.id
UNION ALL SELECT o.id, o.kind || ' role', o.public_id, o.name FROM ` + keyedIDs + ` CROSS JOIN roles o WHERE o.account_id = j.account_id AND o.id = j.id
UNION ALL SELECT o.id, o.kind, o.public_id, o.name FROM ` + keyedIDs + ` CROSS JOIN deleted_objects o WHERE o.account_id = j.account_id AND o.id = j.id
UNION ALL SELECT o.id, 'removal', o.public_id, '' FROM ` + keyedIDs + ` CROSS JOIN removals o WHERE o.account_id = j.account_id AND o.id = j.id
UNION ALL SELECT o.id, 'app', o.client_id, o.name FROM ` + keyedIDs + ` CROSS JOIN apps o WHERE o.account_id = j.account_id AND o.id = j.id
UNION ALL SELECT o.id, 'user', o.public_id, COALESCE(o.email_key, '') FROM ` + keyedIDs + ` CROSS JOIN persons o WHERE o.id = j.id
UNION ALL SELECT o.id, 'account', o.public_id, o.name FROM ` + keyedIDs + ` CROSS JOIN accounts o WHERE o.id = j.account_id AND o.id = j.id`
)

// AuditRecords returns a page of the account's audit records, without details.
// Total counts all records that the query names.
func (s *Store) AuditRecords(ctx context.Context, account directory.AccountID, q directory.AuditQuery) (directory.List[directory.AuditRecord], error) {
	var out directory.List[directory.AuditRecord]
	err := s.snapshot(ctx, func(r *reader) error {
		spans, err := r.auditSpans(ctx, account, q)
		if err != nil {
			return err
		}
		for _, span := range spans {
			out.Total += int(span.len())
		}
		out.More = q.Page.More(out.Total)
		newest := q.After == nil
		w, err := r.auditWindow(ctx, account, cutSpans(spans, q.Page, newest), newest)
		if err == nil {
			out.Items, err = w.read(ctx, r, account, false)
		}
		return err
	})
	return out, wrapf(err, "read the audit log")
}

// AuditRecordsAfter returns up to limit records of the account behind a position,
// the oldest first, with details.
func (s *Store) AuditRecordsAfter(ctx context.Context, account directory.AccountID, after directory.AuditPosition, limit int) (records []directory.AuditRecord, err error) {
	err = s.snapshot(ctx, func(r *reader) error {
		place, err := r.placeOf(ctx, account, after)
		if err != nil || place == math.MaxInt64 {
			return err
		}
		w, err := r.auditWindow(ctx, account, []auditSpan{{place, place + int64(limit)}}, false)
		if err == nil {
			records, err = w.read(ctx, r, account, true)
		}
		return err
	})
	return records, wrapf(err, "read the audit log")
}

// auditRows are the records of a window as they are read: in its order, each
// with the internal key of its object.
type auditRows struct {
	*auditWindow
	partOf  map[int64]int // batch -> its part
	starts  []int         // where each part begins
	records []directory.AuditRecord
	objects []int64
	wanted  map[int64]struct{} // keys of which the names are wanted
}

// read reads the records of the window, in its order.
func (w *auditWindow) read(ctx context.Context, r *reader, account directory.AccountID, details bool) ([]directory.AuditRecord, error) {
	a := &auditRows{
		auditWindow: w, partOf: make(map[int64]int, len(w.parts)), starts: make([]int, len(w.parts)),
		records: make([]directory.AuditRecord, w.taken), objects: make([]int64, w.taken), wanted: map[int64]struct{}{},
	}
	batches := make([]int64, len(w.parts))
	next := 0
	parts := jsonRows(len(w.parts), func(i int) jsonRow {
		part := &w.parts[i]
		a.partOf[part.batch], a.starts[i], batches[i] = i, next, part.batch
		next += part.hi - part.lo + 1
		a.wanted[part.removal], a.wanted[part.Actor.ID] = struct{}{}, struct{}{}
		return jsonRow{part.batch, int64(part.lo), int64(part.hi)}
	})
	if err := r.each(ctx, a.add, selectRecords, account, parts); err != nil {
		return nil, err
	}
	if err := a.addNames(ctx, r, account); err != nil || !details {
		return a.records, err
	}
	return a.records, r.each(ctx, a.addDetails, recordDetails, account, jsonInts(batches))
}

// add takes in a row of selectRecords.
func (a *auditRows) add(rows *sql.Rows) error {
	var batch, object int64
	var change string
	var rec directory.AuditRecord
	if err := rows.Scan(&batch, &rec.Seq, &rec.Kind, &object, &rec.UserID, &rec.Email, &change); err != nil {
		return err
	}
	i := a.partOf[batch]
	part := &a.parts[i]
	place := a.starts[i] + rec.Seq - part.lo
	if a.newest {
		place = a.starts[i] + part.hi - rec.Seq
	}
	rec.Number, rec.At, rec.Actor, rec.Hash = part.Number, part.At, part.Actor, part.Hash
	if change != "" {
		rec.Change = []byte(change)
	}
	a.records[place], a.objects[place] = rec, object
	a.wanted[object] = struct{}{}
	return nil
}

// auditNames reads what internal keys stand for.
func (r *reader) auditNames(ctx context.Context, account directory.AccountID, wanted map[int64]struct{}) (map[int64]directory.AuditObject, error) {
	names := make(map[int64]directory.AuditObject, len(wanted))
	delete(wanted, 0) // nobody, and nothing
	err := r.each(ctx, func(rows *sql.Rows) error {
		var id int64
		var o directory.AuditObject
		err := rows.Scan(&id, &o.Kind, &o.PublicID, &o.Name)
		names[id] = o
		return err
	}, auditObjects, account, jsonInts(slices.Sorted(maps.Keys(wanted))))
	return names, err
}

// addNames fills in what the internal keys stand for.
func (a *auditRows) addNames(ctx context.Context, r *reader, account directory.AccountID) error {
	names, err := r.auditNames(ctx, account, a.wanted)
	for i := range a.parts {
		part := &a.parts[i]
		for k := a.starts[i]; k <= a.starts[i]+part.hi-part.lo; k++ {
			rec := &a.records[k]
			rec.Object, rec.Removal, rec.By = names[a.objects[k]], names[part.removal].PublicID, names[rec.Actor.ID]
		}
	}
	return err
}

// addDetails takes in a row of recordDetails.
func (a *auditRows) addDetails(rows *sql.Rows) error {
	var batch int64
	var body string
	if err := rows.Scan(&batch, &body); err != nil {
		return err
	}
	i := a.partOf[batch]
	for k := a.starts[i]; k <= a.starts[i]+a.parts[i].hi-a.parts[i].lo; k++ {
		a.records[k].Details = []byte(body)
	}
	return nil
}
