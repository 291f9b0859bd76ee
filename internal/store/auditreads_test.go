package store_test

import (
	"context"
	"database/sql/driver"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"modernc.org/sqlite"

	"roster/internal/directory"
	"roster/internal/store"
	"roster/internal/storetest"
)

// chainRowsRead counts rows of audit_chain that SQLite reads through the view that
// countChainReads puts in the place of the table.
var chainRowsRead atomic.Int64

func init() { //nolint:gochecknoinits // the driver wants its functions before the first connection
	sqlite.MustRegisterFunction("count_chain_row", &sqlite.FunctionImpl{
		Scalar: func(*sqlite.FunctionContext, []driver.Value) (driver.Value, error) {
			chainRowsRead.Add(1)
			return int64(1), nil
		},
	})
}

// countChainReads returns how many rows of audit_chain, or entries of its indexes, the
// database reads while read runs on a store of its own.
func countChainReads(t *testing.T, dsn string, read func(*store.Store)) int64 {
	t.Helper()
	counted := chainRowsRead.Load
	if strings.HasPrefix(dsn, "postgres") {
		counted = func() int64 { return rowsReadOfPostgres(t, dsn, "audit_chain") }
	}
	before := counted()
	s, err := store.Open(context.Background(), dsn, store.Options{})
	must(t, err)
	read(s)
	must(t, s.Close())
	return counted() - before
}

// rowsReadOfPostgres returns how many rows of a table were read so far. A connection reports its numbers when it ends, so it waits for the store's connections
// to end.
func rowsReadOfPostgres(t *testing.T, dsn, table string) (rows int64) {
	t.Helper()
	storetest.WaitAlone(t, dsn)
	must(t, storetest.SQL(t, dsn).QueryRow(`SELECT seq_tup_read + (SELECT SUM(idx_tup_read) FROM pg_stat_user_indexes i WHERE i.relid = t.relid)
FROM pg_stat_user_tables t WHERE relname = $1`, table).Scan(&rows))
	return rows
}

// fillChain makes the account's chain n entries longer, each a second after the one
// before and with one record. In the middle the clock goes back by a minute and more.
func fillChain(t *testing.T, dsn string, account directory.AccountID, n int) {
	t.Helper()
	numbers := make([]string, n)
	for i := range numbers {
		numbers[i] = strconv.Itoa(i)
	}
	list := "[" + strings.Join(numbers, ",") + "]"
	tx, err := storetest.SQL(t, dsn).Begin()
	must(t, err)
	defer tx.Rollback()
	exec := func(query string, args ...any) {
		_, err := tx.Exec(query, args...)
		must(t, err)
	}
	if strings.HasPrefix(dsn, "postgres") {
		exec("SELECT pg_stat_force_next_flush()") // what this reads is not counted later
	}
	back := fmt.Sprintf("CASE WHEN CAST(j.atom AS BIGINT) < %d THEN 0 ELSE 1 END", n/2)
	exec(`INSERT INTO audit_chain (account_id, number, batch_id, created_at, actor_kind, actor_id, removal_id, records, digest, hash, total, epoch)
SELECT h.account_id, h.number + 1 + CAST(j.atom AS BIGINT), 1000000 + CAST(j.atom AS BIGINT), 1000000 * (CAST(j.atom AS BIGINT) - 100 * `+back+`),
  'operator', 0, 0, 1, h.hash, h.hash, h.total + 1 + CAST(j.atom AS BIGINT), 1 + `+back+` FROM audit_heads h CROSS JOIN json_each($2) j WHERE h.account_id = $1`, account, list)
	exec(`UPDATE audit_heads SET (number, total, epoch, last_at) = (
SELECT number, total, epoch, created_at FROM audit_chain c WHERE c.account_id = $1 ORDER BY number DESC LIMIT 1) WHERE account_id = $1`, account)
	exec(`INSERT INTO audit_records (account_id, batch_id, seq, kind, person_id, object_id)
SELECT account_id, batch_id, 1, 'user.created', 0, 0 FROM audit_chain WHERE account_id = $1 AND batch_id >= 1000000`, account)
	must(t, tx.Commit())
}

// A page of the audit log reads about as many entries as it shows, wherever it is. The
// bounds of dates are found by halving, in each epoch.
func TestPageOfTheAuditLogReadsFewEntries(t *testing.T) {
	t.Parallel()
	const entries, limit = 20_000, 10
	storetest.Each(t, func(t *testing.T, dsn string) {
		f := newFixture(t, dsn)
		fillChain(t, dsn, f.account, entries)
		must(t, f.store.Close())
		if f.store.Engine() == "sqlite" {
			storetest.Exec(t, dsn, "ALTER TABLE audit_chain RENAME TO audit_chain_rows")
			storetest.Exec(t, dsn, "CREATE VIEW audit_chain AS SELECT * FROM audit_chain_rows WHERE count_chain_row()") //nolint:unqueryvet // a view of the whole table
		}
		at := func(n int64) time.Time { return time.Unix(n, 0) }
		page := func(n int) directory.Page { return directory.Page{Limit: limit, Offset: n} }
		bound := int64(bits.Len(entries + 2)) // steps of halving
		for name, c := range map[string]struct {
			q     directory.AuditQuery
			total int
			most  int64
		}{
			"newest":      {directory.AuditQuery{Page: page(0)}, entries + 2, limit + 1},
			"far back":    {directory.AuditQuery{Page: page(entries/limit - 1)}, entries + 2, limit + 1},
			"behind all":  {directory.AuditQuery{Page: page(entries)}, entries + 2, 0},
			"after":       {directory.AuditQuery{Page: page(0), After: &directory.AuditPosition{Number: entries / 3, Seq: 1}}, entries + 1 - entries/3, limit + 2},
			"dates":       {directory.AuditQuery{Page: page(0), From: at(500), To: at(5499)}, 5000, limit + 1 + 3*2*(bound+1)},
			"dates twice": {directory.AuditQuery{Page: page(1), From: at(entries/2 - 100), To: at(entries/2 + 99)}, 300, limit + 1 + 3*2*(bound+1)},
		} {
			var list directory.List[directory.AuditRecord]
			read := countChainReads(t, dsn, func(s *store.Store) {
				var err error
				list, err = s.AuditRecords(context.Background(), f.account, c.q)
				must(t, err)
			})
			t.Logf("%s: %d entries read", name, read)
			if list.Total != c.total || read > c.most {
				t.Errorf("%s: %d entries read for %d of %d records, want at most %d for %d of %d",
					name, read, len(list.Items), list.Total, c.most, min(limit, c.total), c.total)
			}
		}
	})
}
