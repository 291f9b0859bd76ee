package roster_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// readyBench is a directory whose clock a test moves.
type readyBench struct {
	*testing.T
	dsn    string
	ahead  atomic.Int64
	roster *roster.Roster
}

func newReadyBench(t *testing.T, dsn string) *readyBench {
	t.Helper()
	b := &readyBench{T: t, dsn: dsn}
	o := roster.Options{Database: dsn}
	o.Store.Clock = func() time.Time { return time.Now().Add(time.Duration(b.ahead.Load())) }
	var err error
	b.roster, err = roster.Open(context.Background(), o)
	must(t, err)
	t.Cleanup(func() { must(t, b.roster.Close()) })
	return b
}

// want checks whether the directory is ready after a time.
func (b *readyBench) want(what string, after time.Duration, ready bool) {
	b.Helper()
	b.ahead.Add(int64(after))
	err := b.roster.Ready(context.Background())
	if (err == nil) != ready || (err != nil && !errors.Is(err, directory.ErrUnavailable)) {
		b.Errorf("%s: %v, want ready: %v", what, err, ready)
	}
}

// A directory on SQLite is not ready while its disk takes no writes, and does not
// find out by a write for each question.
func TestReadyOnSQLiteMeansWritable(t *testing.T) {
	t.Parallel()
	dsn := storetest.New(t, "sqlite")
	writers := storetest.WatchWriters(t, dsn)
	b := newReadyBench(t, dsn)
	b.want("at first", 0, true)
	writers.Set(t, "query_only", 1)
	b.want("read only, just after it was opened", 0, true)
	b.want("read only", time.Minute, false)
	writers.Set(t, "query_only", 0)
	b.want("asked again at once", 0, false)
	b.want("it can be written again", 6*time.Second, true)
	writers.Set(t, "query_only", 1)
	b.want("read only again", 6*time.Second, false)
	writers.Set(t, "query_only", 0)
	_, err := b.roster.CreateAccount(context.Background(), auth.Operator(), "X", "owner@example.com")
	must(t, err)
	b.want("after a commit", 0, true)

	keys := func() (next int) {
		must(t, storetest.SQL(t, dsn).QueryRow("SELECT next_id FROM id_blocks").Scan(&next))
		return next
	}
	before := keys()
	for range 100 {
		b.want("one of many", 100*time.Millisecond, true)
	}
	if written := keys() - before; written < 1 || written > 3 {
		t.Errorf("100 questions within 10 s wrote %d times", written)
	}
}

// A long import is no reason to send calls elsewhere, but a lock that outlasts
// the patience of a call is.
func TestReadyWhileAnotherProcessWrites(t *testing.T) {
	t.Parallel()
	dsn := storetest.New(t, "sqlite")
	b := newReadyBench(t, dsn)
	conn, err := storetest.SQL(t, dsn).Conn(context.Background())
	must(t, err)
	defer conn.Close()
	exec := func(query string) {
		_, err := conn.ExecContext(context.Background(), query)
		must(t, err)
	}
	exec("BEGIN IMMEDIATE")
	b.want("for a short time", 6*time.Second, true)
	b.want("for a long time", time.Minute, false)
	exec("ROLLBACK")
	b.want("no more", 6*time.Second, true)
}

// A directory on PostgreSQL is not ready on a server that takes no writes.
func TestReadyOnPostgresMeansWritable(t *testing.T) {
	t.Parallel()
	dsn := storetest.New(t, "postgres")
	b := newReadyBench(t, dsn)
	b.want("a server that takes writes", time.Minute, true)
	b = newReadyBench(t, dsn+"&default_transaction_read_only=on")
	b.want("a server that takes none", time.Minute, false)
}
