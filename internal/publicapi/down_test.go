package publicapi_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"roster/internal/rostertest"
	"roster/internal/storetest"
)

const unavailable = `{"errors":[{"msg":"Service Unavailable","code":503}]}`

// refusedFor makes a call that the store cannot serve: nobody is told more than
// that, and nothing has happened, but the operator can read why.
func (w *world) refusedFor(why, body string) {
	w.T.Helper()
	got := w.Remove(w.app, body)
	w.compare(got, 503, unavailable, header1("Retry-After", "5"))
	w.logSays(got.Header.Get("X-Request-Id"), why)
	if !strings.Contains(w.Log.String(), `"msg":"database unavailable","requestId":"`+got.Header.Get("X-Request-Id")) {
		w.T.Error("the log does not warn of it")
	}
}

// Contract 1: store down is 503 with Retry-After: a disk that is full, or that
// must not be written to.
func TestDiskOnTheWire(t *testing.T) {
	t.Parallel()
	dsn := storetest.New(t, "sqlite")
	writers := storetest.WatchWriters(t, dsn)
	w := start(t, dsn, rostertest.Options{})
	long := []string{ann}
	for i := range 300 { // the details of this removal need pages of their own
		long = append(long, fmt.Sprintf("stranger%d.%s", i, ann))
	}
	before := w.Dump()

	writers.Set(t, "max_page_count", 1) // as many as there are
	w.refusedFor("database or disk is full", emails(long...))
	writers.Set(t, "max_page_count", 1<<30)
	writers.Set(t, "query_only", 1)
	w.refusedFor("attempt to write a readonly database", emails(ann))
	writers.Set(t, "query_only", 0)
	w.unchanged(before)
	w.compare(w.Remove(w.app, emails(ann)), 200, removed, nil)
}

// slowRestart is what a restart takes at least where writes reach the disk. The
// one of the test is quicker, and calls may come just after it.
const slowRestart = 200 * time.Millisecond

// A server of PostgreSQL that crashes in the middle of a call says nothing: its
// connections end. The call can be made again when it is back.
func TestPostgresCrashOnTheWire(t *testing.T) {
	t.Parallel()
	pg := storetest.StartPostgres(t)
	var crash atomic.Bool
	w := start(t, pg.New(), rostertest.Options{Trace: func(query string) {
		if strings.HasPrefix(query, "UPDATE members") && crash.CompareAndSwap(true, false) {
			pg.Stop(storetest.StopImmediate)
		}
	}})
	before := w.Dump()
	crash.Store(true)
	w.refusedFor("unavailable", emails(ann))
	stopped := time.Now()
	w.refusedFor("unavailable", emails(ann))
	pg.Start()
	for time.Since(stopped) < slowRestart {
		storetest.Exec(t, w.DSN, "SELECT 1")
	}
	w.unchanged(before)
	w.compare(w.Remove(w.app, emails(ann)), 200, removed, nil)
}
