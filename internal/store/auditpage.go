package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"roster/internal/directory"
)

// The records of an account have places, 1, 2, 3 ... in the order of the chain: an
// entry's total is the place of its last record. A page is a range of places, so it is
// found without reading what it skips.
const (
	chainTip   = `SELECT number, total, epoch FROM audit_heads WHERE account_id = $1`
	chainEntry = `SELECT total, records FROM audit_chain WHERE account_id = $1 AND number = $2`
	// The entries that hold the places behind $2 up to $3. Each holds one at least.
	chainPage = `SELECT number, batch_id, created_at, actor_kind, actor_id, removal_id, records, hash, total FROM audit_chain
WHERE account_id = $1 AND records > 0 AND total > $2
  AND total <= COALESCE((SELECT MIN(c.total) FROM audit_chain c WHERE c.account_id = $1 AND c.records > 0 AND c.total >= $3), $3)
ORDER BY account_id, total`

	// Rows of a list: an epoch and a time. For each, the number of records of the entries
	// that are earlier. Entries are in the order of epoch and time, so the last earlier one
	// is found by halving: by steps of $3, a power of two, half of that, and so on.
	recordsBefore = `WITH RECURSIVE h (key, account_id, epoch, at, number, step) AS (
  SELECT key, CAST($1 AS BIGINT), CAST(value->>0 AS BIGINT), CAST(value->>1 AS BIGINT), CAST(0 AS BIGINT), CAST($3 AS BIGINT)
  FROM (SELECT key, value FROM json_each($2) ` + list + `) j
UNION ALL
  SELECT h.key, h.account_id, h.epoch, h.at, h.number + COALESCE((SELECT h.step FROM audit_chain c
    WHERE c.account_id = h.account_id AND c.number = h.number + h.step AND (c.epoch, c.created_at) < (h.epoch, h.at)), 0), h.step / 2
  FROM h WHERE h.step > 0
)
SELECT h.key, COALESCE((SELECT c.total FROM audit_chain c WHERE c.account_id = h.account_id AND c.number = h.number), 0)
FROM h WHERE h.step = 0`
)

// auditSpan is the range of places after+1 to end.
type auditSpan struct{ after, end int64 }

func (s auditSpan) len() int64 { return s.end - s.after }

// auditSpans returns the places of the records that a query names, in ascending order.
func (r *reader) auditSpans(ctx context.Context, account directory.AccountID, q directory.AuditQuery) ([]auditSpan, error) {
	var number, total, epochs int64
	if err := r.row(ctx, chainTip, account).Scan(&number, &total, &epochs); err != nil {
		return nil, err
	}
	spans := []auditSpan{{0, total}}
	if !q.From.IsZero() || !q.To.IsZero() {
		var err error
		if spans, err = r.datedSpans(ctx, account, q, number, epochs); err != nil {
			return nil, err
		}
	}
	if q.After != nil {
		after, err := r.placeOf(ctx, account, *q.After)
		if err != nil {
			return nil, err
		}
		for i := range spans {
			spans[i].after = max(spans[i].after, after)
		}
	}
	return slices.DeleteFunc(spans, func(s auditSpan) bool { return s.len() <= 0 }), nil
}

// datedSpans returns the places of records between two times: a span for each epoch.
// The account's chain has entries up to number, in epochs 0 to epochs.
func (r *reader) datedSpans(ctx context.Context, account directory.AccountID, q directory.AuditQuery, number, epochs int64) ([]auditSpan, error) {
	from, behind := int64(math.MinInt64), int64(math.MaxInt64)
	if !q.From.IsZero() {
		from = q.From.UnixMicro()
	}
	if !q.To.IsZero() {
		behind = q.To.UnixMicro() + 1
	}
	bounds := jsonRows(2*int(epochs+1), func(i int) jsonRow {
		return jsonRow{int64(i / 2), []int64{from, behind}[i%2]}
	})
	step := int64(1) << bits.Len64(uint64(number)) / 2 // the largest power of two up to number
	spans := make([]auditSpan, epochs+1)
	err := r.each(ctx, func(rows *sql.Rows) error {
		var i int
		var places int64
		if err := rows.Scan(&i, &places); err != nil {
			return err
		}
		if i%2 == 0 {
			spans[i/2].after = places
		} else {
			spans[i/2].end = places
		}
		return nil
	}, recordsBefore, account, bounds, step)
	return spans, err
}

// placeOf returns the place of a record, or, where there is none at the position, that
// of the last one before it. Behind the end of the chain it is math.MaxInt64.
func (r *reader) placeOf(ctx context.Context, account directory.AccountID, at directory.AuditPosition) (int64, error) {
	if at.Number < 1 {
		return 0, nil
	}
	var total, records int64
	err := r.row(ctx, chainEntry, account, at.Number).Scan(&total, &records)
	if errors.Is(err, directory.ErrNotFound) {
		return math.MaxInt64, nil
	}
	return total - records + min(records, int64(at.Seq)), err
}

// cutSpans returns the part of the spans that a page shows, in ascending order. Pages
// are counted from the last place where newest is set.
func cutSpans(spans []auditSpan, page directory.Page, newest bool) (cut []auditSpan) {
	spans = slices.Clone(spans)
	if newest {
		slices.Reverse(spans)
	}
	skip, limit := int64(page.Skip()), int64(page.Limit)
	for _, s := range spans {
		n := min(max(0, s.len()-skip), limit)
		first := min(skip, s.len())
		skip, limit = skip-first, limit-n
		switch {
		case n == 0:
		case newest:
			cut = append(cut, auditSpan{s.end - first - n, s.end - first})
		default:
			cut = append(cut, auditSpan{s.after + first, s.after + first + n})
		}
	}
	if newest {
		slices.Reverse(cut)
	}
	return cut
}

// auditPart is a run of records of one entry that are in a window.
type auditPart struct {
	directory.AuditRecord       // what the entry says of each
	batch, removal        int64 // internal keys
	lo, hi                int   // the first and the last
}

// auditWindow is what a page shows.
type auditWindow struct {
	newest bool // first
	taken  int
	parts  []auditPart
}

// auditWindow reads the entries that hold the places of the spans.
func (r *reader) auditWindow(ctx context.Context, account directory.AccountID, spans []auditSpan, newest bool) (*auditWindow, error) {
	w := &auditWindow{newest: newest}
	for _, s := range spans {
		err := r.each(ctx, func(rows *sql.Rows) error {
			var part auditPart
			var at, records, total int64
			err := rows.Scan(&part.Number, &part.batch, &at, &part.Actor.Kind, &part.Actor.ID, &part.removal, &records, &part.Hash, &total)
			part.At = fromMicros(at)
			part.lo, part.hi = int(max(s.after-total+records, 0))+1, int(min(s.end-total+records, records))
			w.parts, w.taken = append(w.parts, part), w.taken+part.hi-part.lo+1
			return err
		}, chainPage, account, s.after, s.end)
		if err != nil {
			return nil, fmt.Errorf("find the page: %w", err)
		}
	}
	if newest {
		slices.Reverse(w.parts)
	}
	return w, nil
}
