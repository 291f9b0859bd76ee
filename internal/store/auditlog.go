package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"

	"roster/internal/directory"
)

// Reading the audit log. The chain says how many records each entry has, so a
// page is found by walking the account's chain, one row a transaction, and then
// its records are looked up by their keys.
const (
	chainColumns = `SELECT number, batch_id, created_at, actor_kind, actor_id, removal_id, records, hash FROM audit_chain WHERE account_id = $1 AND records > 0`
	chainNewest  = chainColumns + ` AND created_at BETWEEN $2 AND $3 ORDER BY number DESC`
	chainAfter   = chainColumns + ` AND created_at BETWEEN $2 AND $3 AND number >= $4 ORDER BY number`

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
		w := auditWindow{skip: q.Page.Skip(), limit: q.Page.Limit, count: true}
		if err := w.find(ctx, r, account, q); err != nil {
			return err
		}
		out.Total, out.More = w.total, q.Page.More(w.total)
		var err error
		out.Items, err = w.read(ctx, r, account, false)
		return err
	})
	return out, wrapf(err, "read the audit log")
}

// AuditRecordsAfter returns up to limit records of the account behind a position,
// the oldest first, with details.
func (s *Store) AuditRecordsAfter(ctx context.Context, account directory.AccountID, after directory.AuditPosition, limit int) (records []directory.AuditRecord, err error) {
	err = s.snapshot(ctx, func(r *reader) error {
		w := auditWindow{limit: limit}
		if err := w.find(ctx, r, account, directory.AuditQuery{After: &after}); err != nil {
			return err
		}
		records, err = w.read(ctx, r, account, true)
		return err
	})
	return records, wrapf(err, "read the audit log")
}

// auditPart is a run of records of one entry that are in a window.
type auditPart struct {
	directory.AuditRecord       // what the entry says of each
	batch, removal        int64 // internal keys
	lo, hi                int   // the first and the last
}

// auditWindow is a page of the log: of the records in order it skips some and
// takes as many as its limit.
type auditWindow struct {
	skip, limit int
	count       bool // all records, also behind the window
	total       int
	taken       int
	newest      bool
	parts       []auditPart
}

// errWindowFull ends a walk of the chain.
var errWindowFull = errors.New("the window is full")

// find walks the chain and notes which records are in the window.
func (w *auditWindow) find(ctx context.Context, r *reader, account directory.AccountID, q directory.AuditQuery) error {
	from, to := int64(0), int64(1<<62)
	if !q.From.IsZero() {
		from = q.From.UnixMicro()
	}
	if !q.To.IsZero() {
		to = q.To.UnixMicro()
	}
	query, args := chainNewest, []any{account, from, to}
	if q.After != nil {
		query, args = chainAfter, append(args, q.After.Number)
	}
	w.newest = q.After == nil
	err := r.each(ctx, func(rows *sql.Rows) error {
		part, err := scanPart(rows)
		if err != nil {
			return err
		}
		if q.After != nil && part.Number == q.After.Number {
			part.lo = min(q.After.Seq, part.hi) + 1
		}
		return w.add(part)
	}, query, args...)
	if errors.Is(err, errWindowFull) {
		return nil
	}
	return err
}

// scanPart reads a row of chainColumns: all records of an entry.
func scanPart(row scanner) (part auditPart, err error) {
	var at int64
	err = row.Scan(&part.Number, &part.batch, &at, &part.Actor.Kind, &part.Actor.ID, &part.removal, &part.hi, &part.Hash)
	part.At, part.lo = fromMicros(at), 1
	return part, err
}

// add counts the records of an entry and takes those that are in the window.
func (w *auditWindow) add(part auditPart) error {
	n := part.hi - part.lo + 1
	before := w.total
	w.total += n
	skip := min(max(0, w.skip-before), n)
	take := min(n-skip, w.limit-w.taken)
	if take > 0 {
		w.taken += take
		if w.newest {
			part.hi -= skip
			part.lo = part.hi - take + 1
		} else {
			part.lo += skip
			part.hi = part.lo + take - 1
		}
		w.parts = append(w.parts, part)
	}
	if w.taken == w.limit && !w.count {
		return errWindowFull
	}
	return nil
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
