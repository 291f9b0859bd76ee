package publicapi_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"roster/internal/publicapi"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// shortBounds let a call that hangs end soon.
func shortBounds() rostertest.Options {
	return rostertest.Options{Limits: publicapi.Limits{CallTimeout: 2 * time.Second}, CommitGrace: time.Second}
}

// A COMMIT that waits for a synchronous standby which is gone ends within a bound: 503,
// and the log says that the outcome is unknown. It is not cancelled, since PostgreSQL
// would then commit without the standby. A replay is answered only when it is as
// durable as the standby makes it, even after an operator has cancelled the wait.
func TestCommitThatWaitsForAStandby(t *testing.T) {
	t.Parallel()
	pg := storetest.StartPostgres(t)
	w := start(t, pg.New(), shortBounds())
	sql := storetest.SQL(t, w.DSN)
	if _, err := sql.Exec("SET synchronous_commit = local"); err != nil { // of this test's own connection
		t.Fatal(err)
	}
	waiting := func() (n int) {
		if err := sql.QueryRow(`SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query = 'COMMIT'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	pg.Set("synchronous_standby_names", "gone")
	eventually(t, "the setting", func() bool {
		var names string
		return sql.QueryRow("SHOW synchronous_standby_names").Scan(&names) == nil && names == "gone"
	})

	got := w.keyed("k", "", emails(ann))
	w.compare(got, 503, unavailable, header1("Retry-After", "5"))
	w.logSays(got.Header.Get("X-Request-Id"), "the outcome is unknown")
	if waiting() == 0 {
		t.Fatal("the COMMIT does not wait any more: the server has cancelled it")
	}
	w.compare(w.keyed("k", "", emails(ann)), 409, keyRunning, nil)

	if _, err := sql.Exec(`SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query = 'COMMIT'`); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the COMMIT without the standby", func() bool {
		var n int
		return sql.QueryRow(`SELECT COUNT(*) FROM idempotency_keys`).Scan(&n) == nil && n == 1
	})
	got = w.keyed("k", "", emails(ann))
	w.compare(got, 503, unavailable, header1("Retry-After", "5"))

	pg.Set("synchronous_standby_names", "")
	eventually(t, "the replay", func() bool {
		got = w.keyed("k", "", emails(ann))
		return got.Status == 200
	})
	w.compare(got, 200, removed, header1("Idempotency-Replayed", "true"))
}

// A wait for a standby that an operator cancels while the caller still waits is no
// success: the server commits and warns that a failover would lose the transaction.
func TestCancelledWaitForAStandbyIsNoSuccess(t *testing.T) {
	t.Parallel()
	pg := storetest.StartPostgres(t)
	w := start(t, pg.New(), rostertest.Options{})
	sql := storetest.SQL(t, w.DSN)
	pg.Set("synchronous_standby_names", "gone")
	done := make(chan rostertest.Answer)
	go func() { done <- w.Remove(w.app, emails(ann)) }()
	eventually(t, "a COMMIT that waits", func() bool {
		var cancelled bool
		err := sql.QueryRow(`SELECT COALESCE(bool_or(pg_cancel_backend(pid)), false) FROM pg_stat_activity
WHERE wait_event = 'SyncRep' AND query = 'COMMIT'`).Scan(&cancelled)
		return err == nil && cancelled
	})
	got := <-done
	pg.Set("synchronous_standby_names", "")
	w.compare(got, 503, unavailable, header1("Retry-After", "5"))
}

// failoverTest removes users while a PostgreSQL server is replaced by its standby.
type failoverTest struct {
	*testing.T
	primary, standby *storetest.Postgres
	dsn              string // on the primary alone
	server           *rostertest.Server
	app              rostertest.App

	callers  sync.WaitGroup
	next     atomic.Int64
	stop     chan struct{}
	answered atomic.Int64

	mu    sync.Mutex
	acked []string
}

const failoverUsers = 8000

// newFailoverTest starts a primary, a standby, and a server with the bounds of one in
// use, to which callers send removals until the test ends.
func newFailoverTest(t *testing.T, synchronous bool) *failoverTest {
	t.Helper()
	f := &failoverTest{T: t, primary: storetest.StartPostgres(t), stop: make(chan struct{})}
	f.dsn = f.primary.New()
	f.standby = f.primary.StartStandby()
	if synchronous {
		f.primary.Set("synchronous_standby_names", "standby")
	}
	f.server = rostertest.Start(t, storetest.MultiHost(f.dsn, f.primary, f.standby), rostertest.Options{})
	account := f.server.Account("owner@example.com")
	f.app = f.server.App(account)
	people := make([]rostertest.Person, failoverUsers)
	for i := range people {
		people[i].Email = f.email(i)
	}
	f.server.Import(account, people...)
	for range 24 { // more than the pool has connections
		f.callers.Go(f.remove)
	}
	f.awaitMore("removals on the primary")
	return f
}

func (f *failoverTest) email(i int) string { return fmt.Sprintf("u%d@example.com", i) }

// remove removes one user after the other until the test stops it.
func (f *failoverTest) remove() {
	for {
		n := int(f.next.Add(1))
		select {
		case <-f.stop:
			return
		default:
		}
		if n >= failoverUsers {
			return
		}
		switch got := f.server.Remove(f.app, emails(f.email(n))); {
		case got.Status == 200 && got.Body == removed:
			f.mu.Lock()
			f.acked = append(f.acked, f.email(n))
			f.mu.Unlock()
			f.answered.Add(1)
		case got.Status == 503:
			time.Sleep(50 * time.Millisecond) // a client waits, too
		default:
			f.Errorf("answered %d %s", got.Status, got.Body)
			return
		}
	}
}

// awaitMore waits for 50 more removals to be acknowledged.
func (f *failoverTest) awaitMore(what string) {
	f.Helper()
	want := f.answered.Load() + 50
	eventually(f.T, what, func() bool { return f.answered.Load() >= want })
}

// end stops the callers and returns how many of the acknowledged removals the promoted
// standby does not have.
func (f *failoverTest) end() (lost int) {
	f.Helper()
	close(f.stop)
	f.callers.Wait()
	err := storetest.SQL(f, f.standby.On(f.dsn)).QueryRow(`SELECT COUNT(*) FROM live_members WHERE email_key = ANY(string_to_array($1, ' '))`,
		strings.Join(f.acked, " ")).Scan(&lost)
	if err != nil {
		f.Fatal(err)
	}
	return lost
}

// When a primary hangs, its synchronous standby is promoted, and the database URL names
// both, the server works again by itself, and no acknowledged removal is lost. No call
// reaches the earlier primary when it goes on.
func TestFailoverFromAServerThatHangsAgainstCalls(t *testing.T) {
	t.Parallel()
	f := newFailoverTest(t, true)
	f.primary.Freeze()
	f.standby.Promote()
	promoted := time.Now()
	f.awaitMore("removals on the promoted standby")
	t.Logf("works again %v after the promotion", time.Since(promoted))
	if ready := f.server.Do(rostertest.Request{Method: "GET", Path: "/readyz"}); ready.Status != 200 {
		t.Errorf("/readyz answers %d after the promotion", ready.Status)
	}
	f.primary.Thaw()
	f.awaitMore("removals beside the earlier primary")
	if lost := f.end(); lost > 0 {
		t.Errorf("%d acknowledged removals are lost", lost)
	}
}

// When a primary crashes while its standby is behind, no acknowledged removal is lost if the
// standby is synchronous: the calls wait for it. The control shows that the test sees
// what an asynchronous standby loses.
func TestFailoverToAStandbyThatIsBehindAgainstCalls(t *testing.T) {
	t.Parallel()
	for _, synchronous := range []bool{true, false} {
		t.Run(fmt.Sprintf("synchronous %v", synchronous), func(t *testing.T) {
			t.Parallel()
			f := newFailoverTest(t, synchronous)
			f.standby.Stop(storetest.StopImmediate)
			if synchronous {
				sql := storetest.SQL(t, f.dsn)
				eventually(t, "a COMMIT that waits for the standby", func() bool {
					var waits bool
					err := sql.QueryRow(`SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query = 'COMMIT')`).Scan(&waits)
					return err == nil && waits
				})
			} else {
				f.awaitMore("removals that the standby does not get")
			}
			f.primary.Stop(storetest.StopImmediate)
			f.standby.Start()
			f.standby.Promote()
			f.awaitMore("removals on the promoted standby")
			if lost := f.end(); (lost == 0) != synchronous {
				t.Errorf("%d of %d acknowledged removals are lost", lost, len(f.acked))
			}
		})
	}
}
