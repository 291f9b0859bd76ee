package store_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"roster/internal/directory"
	"roster/internal/store"
	"roster/internal/storetest"
)

// auditLog is an account with an audit log of random entries, some without records.
// The clock goes on, and back: by less than a minute, and by more.
type auditLog struct {
	*fixture
	rng     *rand.Rand
	records []directory.AuditRecord
}

func newAuditLog(t *testing.T, dsn string, entries int) *auditLog {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var now atomic.Int64
	now.Store(1_900_000_000_000_000)
	clock := func() time.Time { return time.UnixMicro(now.Load()) }
	l := &auditLog{
		fixture: &fixture{TB: t, dsn: dsn, store: storetest.Open(t, dsn, store.Options{Clock: clock})},
		rng:     rand.New(rand.NewPCG(seed, 0)),
	}
	l.another("other")
	l.another("x")
	for range entries {
		switch l.rng.IntN(8) {
		case 0:
			now.Add(-1_000_000 * l.rng.Int64N(60))
		case 1:
			now.Add(-1_000_000 * (60 + l.rng.Int64N(500)))
		case 2: // at the same time
		default:
			now.Add(1_000_000 * l.rng.Int64N(200))
		}
		l.write(0, func(_ context.Context, tx *store.Tx) error {
			if n := l.rng.IntN(6); n > 0 {
				tx.Record(directory.AuditRun{Kind: directory.AuditUserModified, Persons: make([]directory.PersonID, n)})
			} else {
				tx.RecordDetails([]byte("{}"))
			}
			return nil
		})
	}
	l.read()
	return l
}

// read reads the whole log entry by entry. A time is before that of its predecessor only
// where the clock went back by more than a minute.
func (l *auditLog) read() {
	l.Helper()
	var last int64
	rows, err := storetest.SQL(l, l.dsn).Query("SELECT number, created_at, records FROM audit_chain WHERE account_id = $1 ORDER BY number", l.account)
	must(l, err)
	defer rows.Close()
	for rows.Next() {
		var rec directory.AuditRecord
		var at int64
		var n int
		must(l, rows.Scan(&rec.Number, &at, &n))
		if at < last && last-at <= time.Minute.Microseconds() {
			l.Errorf("entry %d is %d µs before its predecessor", rec.Number, last-at)
		}
		rec.At, last = time.UnixMicro(at).UTC(), at
		for rec.Seq = 1; rec.Seq <= n; rec.Seq++ {
			l.records = append(l.records, rec)
		}
	}
	must(l, rows.Err())
}

// model is what a query should find, read record by record.
func (l *auditLog) model(q directory.AuditQuery) (page []string, total int) {
	var all []string
	for i := range l.records {
		r := &l.records[i]
		if q.After != nil && r.ID() <= q.After.ID() || !q.From.IsZero() && r.At.Before(q.From) || !q.To.IsZero() && r.At.After(q.To) {
			continue
		}
		all = append(all, r.ID())
	}
	if q.After == nil {
		slices.Reverse(all)
	}
	from := min(q.Page.Skip(), len(all))
	return all[from:min(from+q.Page.Limit, len(all))], len(all)
}

func (l *auditLog) query() (q directory.AuditQuery) {
	some := func() time.Time {
		return l.records[l.rng.IntN(len(l.records))].At.Add(time.Duration(l.rng.IntN(3)-1) * time.Microsecond)
	}
	if l.rng.IntN(2) == 0 {
		q.From = some()
	}
	if l.rng.IntN(2) == 0 {
		q.To = some()
	}
	if l.rng.IntN(2) == 0 {
		last := l.records[len(l.records)-1].Number
		q.After = &directory.AuditPosition{Number: l.rng.Int64N(last + 3), Seq: l.rng.IntN(8)}
	}
	q.Page = directory.Page{Limit: 1 + l.rng.IntN(20), Offset: l.rng.IntN(4)}
	return q
}

func recordIDs(records []directory.AuditRecord) (ids []string) {
	for i := range records {
		ids = append(ids, records[i].ID())
	}
	return ids
}

// Pages are those that reading the whole log would give, wherever the clock went.
func TestPagesOfTheAuditLogAreThoseOfAllRecords(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		l := newAuditLog(t, dsn, storetest.Count(60, 300))
		ctx := context.Background()
		for range storetest.Count(150, 3000) {
			q := l.query()
			got, err := l.store.AuditRecords(ctx, l.account, q)
			must(t, err)
			want, total := l.model(q)
			if diff := cmp.Diff(want, recordIDs(got.Items), cmpopts.EquateEmpty()); diff != "" || got.Total != total || got.More != q.Page.More(total) {
				t.Errorf("%+v after %v: %d records, more: %v; want %d (-want +got):\n%s", q, q.After, got.Total, got.More, total, diff)
			}
		}
		var exported []directory.AuditRecord
		for after, n := (directory.AuditPosition{}), 1; n > 0; {
			some, err := l.store.AuditRecordsAfter(ctx, l.account, after, 7)
			must(t, err)
			if n = len(some); n > 0 {
				after = some[n-1].AuditPosition
			}
			exported = append(exported, some...)
		}
		if diff := cmp.Diff(recordIDs(l.records), recordIDs(exported)); diff != "" {
			t.Errorf("an export has others (-want +got):\n%s", diff)
		}
		l.checkPositions()
	})
}

// checkPositions checks that the log verifies, and that the migration computes the
// positions that were written.
func (l *auditLog) checkPositions() {
	l.Helper()
	if _, err := l.store.VerifyAudit(context.Background()); err != nil {
		l.Error(err)
	}
	before := storetest.Dump(l, l.dsn)
	for _, statement := range backToVersion12 {
		storetest.Exec(l, l.dsn, statement)
	}
	must(l, l.store.Migrate(context.Background()))
	if diff := before.Diff(storetest.Dump(l, l.dsn)); diff != "" {
		l.Errorf("the migration computes others (-written +computed):\n%s", diff)
	}
	var epochs int
	must(l, storetest.SQL(l, l.dsn).QueryRow("SELECT epoch FROM audit_heads WHERE account_id = $1", l.account).Scan(&epochs))
	if epochs == 0 {
		l.Error("the clock never went back far")
	}
}

// backToVersion12 takes away what the migrations from version 13 on make.
var backToVersion12 = []string{
	"DROP INDEX audit_chain_total", "ALTER TABLE audit_chain DROP COLUMN total", "ALTER TABLE audit_chain DROP COLUMN epoch",
	"ALTER TABLE audit_heads DROP COLUMN total", "ALTER TABLE audit_heads DROP COLUMN epoch", "ALTER TABLE audit_heads DROP COLUMN last_at",
	"DROP INDEX removals_restorable", "ALTER TABLE removals DROP COLUMN restorable_until", "DROP TABLE purge_state",
	"DROP TABLE restore_jobs", "DROP TABLE restore_items",
	"DROP TABLE schema_compatibility",
	"DELETE FROM roster_migrations WHERE version_id > 12",
}
