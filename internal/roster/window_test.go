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
	"roster/internal/store"
	"roster/internal/storetest"
)

// openAhead opens a directory with a clock that shows another time than this machine's.
func openAhead(t *testing.T, dsn string, ahead time.Duration, o roster.Options) *roster.Roster {
	t.Helper()
	o.Database = dsn
	o.Store = store.Options{Clock: func() time.Time { return time.Now().Add(ahead) }}
	r, err := roster.Open(context.Background(), o)
	must(t, err)
	t.Cleanup(func() { must(t, r.Close()) })
	return r
}

// purgeAs runs a pass of the purge as the server does.
func purgeAs(t *testing.T, r *roster.Roster) int {
	t.Helper()
	n, err := r.PurgeExpired(context.Background(), auth.System())
	must(t, err)
	return n
}

// A server with a window of 0 erases nobody who was removed under a longer one.
func TestShorterWindowKeepsWhatWasPromised(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		p := newPurgeBench(t, dsn, roster.Options{})
		p.users("one", "ann@example.com", "bo@example.com")
		p.remove("one", "ann@example.com")
		promised := p.latest().RestorableUntil
		for _, o := range []roster.Options{{EraseAtOnce: true}, {RestoreWindow: time.Microsecond}} {
			short := openAhead(t, dsn, 0, o)
			if n := purgeAs(t, short); n != 0 {
				t.Fatalf("with the window %v, %d memberships were erased", o.RestoreWindow, n)
			}
			record, err := short.Removal(context.Background(), auth.Operator(), p.account["one"], p.latest().PublicID)
			must(t, err)
			if !record.RestorableUntil.Equal(promised) {
				t.Errorf("with the window %v, it can be undone until %v, want %v", o.RestoreWindow, record.RestorableUntil, promised)
			}
		}
		short := openAhead(t, dsn, 0, roster.Options{EraseAtOnce: true})
		out, err := short.RestoreUsers(context.Background(), p.caller["one"], "", p.latest().PublicID, nil, roster.RestoreOptions{})
		must(t, err)
		if out.Restored != 1 {
			t.Errorf("restored %+v", out)
		}
		_, err = short.RemoveUsers(context.Background(), p.caller["one"], []directory.UserRef{{Text: "bo@example.com"}}, roster.RemovalOptions{})
		must(t, err)
		if p.personal("bo@example.com") {
			t.Error("a removal made under a window of 0 kept the user")
		}
	})
}

// A server that starts with a clock far ahead of the database erases nobody.
func TestPurgeWaitsForAClockThatIsAhead(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		p := newPurgeBench(t, dsn, roster.Options{})
		p.users("one", "ann@example.com")
		p.remove("one", "ann@example.com")
		ahead := openAhead(t, dsn, 31*24*time.Hour, roster.Options{})
		if n, err := ahead.PurgeExpired(context.Background(), auth.System()); n != 0 {
			t.Errorf("%d memberships were erased, error %v", n, err)
		}
	})
}

// leapBench is a directory on a machine whose clock leaps while monotonic time goes on.
type leapBench struct {
	*purgeBench
	wall, uptime atomic.Int64 // nanoseconds beyond those of this machine
}

func newLeapBench(t *testing.T, dsn string) *leapBench {
	l := &leapBench{purgeBench: newPurgeBench(t, dsn, roster.Options{})}
	l.users("one", "ann@example.com", "bo@example.com")
	l.remove("one", "ann@example.com")
	return l
}

// server opens the directory as a server that was just started.
func (l *leapBench) server() *roster.Roster {
	l.Helper()
	before := l.uptime.Load()
	began := time.Now()
	r, err := roster.Open(context.Background(), roster.Options{Database: l.dsn, Store: store.Options{
		Clock:  func() time.Time { return time.Now().Round(0).Add(time.Duration(l.wall.Load())) },
		Uptime: func() time.Duration { return time.Since(began) + time.Duration(l.uptime.Load()-before) },
	}})
	l.check(err)
	l.Cleanup(func() { l.check(r.Close()) })
	return r
}

// pass runs a pass of the purge, and returns how many it erased and whether it waits.
func (l *leapBench) pass(r *roster.Roster) (erased int, waits bool) {
	l.Helper()
	erased, err := r.PurgeExpired(context.Background(), auth.System())
	waits = errors.Is(err, roster.ErrClockAhead)
	if !waits {
		l.check(err)
	}
	if waits != r.PurgeWait().Waiting() {
		l.Errorf("the pass waits: %v, and it says %+v", waits, r.PurgeWait())
	}
	return erased, waits
}

const month = 31 * 24 * time.Hour

// A clock that leaps by a month erases nobody before a day has passed, however often
// the server is started anew and whatever is written meanwhile; a correction ends it.
func TestPurgeWaitsAfterTheClockLeapt(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		l := newLeapBench(t, dsn)
		r := l.server()
		if erased, waits := l.pass(r); erased != 0 || waits {
			t.Fatalf("%d erased, waits %v", erased, waits)
		}
		l.wall.Store(int64(month))
		if erased, waits := l.pass(r); erased != 0 || !waits {
			t.Fatalf("after the leap: %d erased, waits %v", erased, waits)
		}
		_, err := r.RemoveUsers(context.Background(), l.caller["one"], []directory.UserRef{{Text: "bo@example.com"}}, roster.RemovalOptions{})
		l.check(err) // with an audit record of the wrong time
		again := l.server()
		if erased, waits := l.pass(again); erased != 0 || !waits {
			t.Fatalf("after another start: %d erased, waits %v", erased, waits)
		}
		l.wall.Store(0)
		if erased, waits := l.pass(again); erased != 0 || waits {
			t.Fatalf("after the correction: %d erased, waits %v", erased, waits)
		}
		l.wall.Store(int64(month))
		if erased, waits := l.pass(again); erased != 0 || !waits {
			t.Fatalf("after the second leap: %d erased, waits %v", erased, waits)
		}
		l.wall.Add(int64(24 * time.Hour))
		l.uptime.Add(int64(24 * time.Hour))
		if erased, waits := l.pass(again); erased != 1 || waits {
			t.Fatalf("a day later: %d erased, waits %v", erased, waits)
		}
	})
}

// The operator can say that the clock is right.
func TestOperatorTrustsTheClock(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		l := newLeapBench(t, dsn)
		r := l.server()
		l.wall.Store(int64(month))
		if _, waits := l.pass(r); !waits {
			t.Fatal("it does not wait")
		}
		command := l.server()
		l.check(command.TrustClock(context.Background(), auth.Operator()))
		if err := command.TrustClock(context.Background(), l.caller["one"]); !errors.Is(err, directory.ErrDenied) {
			t.Errorf("an app: %v", err)
		}
		if erased, waits := l.pass(r); erased != 1 || waits {
			t.Errorf("%d erased, waits %v", erased, waits)
		}
	})
}

// A longer window holds for removals that were made before, also of an earlier version,
// and a command shortens it; both are recorded.
func TestWindowsAreLengthenedAndShortened(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		p := newPurgeBench(t, dsn, roster.Options{RestoreWindow: time.Hour})
		p.users("one", "ann@example.com", "bo@example.com", "cy@example.com")
		p.remove("one", "ann@example.com")
		until := func() time.Duration {
			record := p.latest()
			return record.RestorableUntil.Sub(record.Finished)
		}
		adopt := func(r *roster.Roster) { t.Helper(); p.check(r.AdoptRestoreWindow(ctx, auth.System())) }
		adopt(p.roster)
		adopt(openAhead(t, dsn, 0, roster.Options{EraseAtOnce: true})) // which is longer than nothing only
		if until() != time.Hour {
			t.Errorf("it can be undone for %v", until())
		}
		long := openAhead(t, dsn, 0, roster.Options{RestoreWindow: 48 * time.Hour})
		adopt(long)
		adopt(long)
		if until() != 48*time.Hour {
			t.Errorf("after a longer setting it can be undone for %v", until())
		}
		short := openAhead(t, dsn, 0, roster.Options{RestoreWindow: time.Minute})
		adopt(short)
		if longer, err := short.LongerWindows(ctx, auth.Operator(), "", time.Hour); err != nil || longer != (directory.WindowChange{Removals: 1, Users: 1}) {
			t.Errorf("%+v would be shortened, error %v", longer, err)
		}
		if longer, err := short.LongerWindows(ctx, auth.Operator(), p.account["one"], 0); err != nil || longer != (directory.WindowChange{Removals: 1, Users: 1, Ended: 1}) {
			t.Errorf("%+v would be ended, error %v", longer, err)
		}
		if _, err := short.ShortenWindows(ctx, p.caller["one"], "", 0); !errors.Is(err, directory.ErrDenied) {
			t.Errorf("an app: %v", err)
		}
		if done, err := short.ShortenWindows(ctx, auth.Operator(), p.account["two"], 0); err != nil || done.Removals != 0 {
			t.Errorf("of another account %+v, error %v", done, err)
		}
		done, err := short.ShortenWindows(ctx, auth.Operator(), "", 2*time.Hour)
		if p.check(err); done != (directory.WindowChange{Removals: 1, Users: 1}) || until() != 2*time.Hour {
			t.Errorf("shortened %+v to %v", done, until())
		}
		adopt(short) // the same setting lengthens nothing
		if until() != 2*time.Hour {
			t.Errorf("after another pass it can be undone for %v", until())
		}

		storetest.Exec(t, dsn, "UPDATE removals SET restorable_until = NULL")
		if n := purgeAs(t, openAhead(t, dsn, 0, roster.Options{})); n != 0 || until() != roster.DefaultRestoreWindow {
			t.Errorf("of an earlier version %d were erased; it can be undone for %v", n, until())
		}
		adopt(short)
		if until() != roster.DefaultRestoreWindow {
			t.Errorf("a removal of an earlier version can be undone for %v", until())
		}
		for kind, want := range map[directory.AuditKind]int{directory.AuditWindowsLonger: 1, directory.AuditWindowsShorter: 1} {
			if n := p.count("SELECT COUNT(*) FROM audit_records WHERE kind = '" + string(kind) + "'"); n != want {
				t.Errorf("%d records of %s, want %d", n, kind, want)
			}
		}
		p.purge()
	})
}

// A job keeps the window of the server that took it in, whatever later servers have.
func TestJobKeepsItsWindow(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		r := openJobs(t, dsn, 2, store.Options{})
		forGood, err := roster.Open(ctx, roster.Options{Database: dsn, EraseAtOnce: true, JobChunk: 2})
		must(t, err)
		defer forGood.Close()
		account, refs := jobAccount(t, r, "one", 8)
		for _, c := range []struct {
			takes, works *roster.Roster
			refs         []directory.UserRef
			kept         int
		}{{r, forGood, refs[:4], 4}, {forGood, r, refs[4:], 0}} {
			job, err := queueRefs(ctx, c.takes, callerOf(t, dsn, account), c.refs)
			must(t, err)
			workAll(t, c.works)
			record, err := r.Removal(ctx, auth.Operator(), account, job.PublicID)
			must(t, err)
			page, err := r.RemovedUsers(ctx, auth.Operator(), account, &record, "", 10)
			must(t, err)
			want := record.Finished
			if c.kept > 0 {
				want = want.Add(roster.DefaultRestoreWindow)
			}
			if len(page.Users) != c.kept || !record.RestorableUntil.Equal(want) {
				t.Errorf("%d users are kept, want %d, until %v, want %v", len(page.Users), c.kept, record.RestorableUntil, want)
			}
		}
	})
}
