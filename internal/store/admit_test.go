package store_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"roster/internal/directory"
	"roster/internal/store"
	"roster/internal/storetest"
)

// clock is a time that tests set.
type clock struct{ us atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.us.Store(1_800_000_000_000_000)
	return c
}

func (c *clock) now() time.Time          { return time.UnixMicro(c.us.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.us.Add(d.Microseconds()) }

// limitsOf parses limits that are right.
func limitsOf(t interface{ Fatal(args ...any) }, text string) directory.RateLimits {
	limits, err := directory.ParseRateLimits(text)
	if err != nil {
		t.Fatal(err)
	}
	return limits
}

// meter is the model: the times of the calls that were admitted.
type meter struct {
	limits   directory.RateLimits
	admitted []time.Time
}

// within counts the admitted calls after since, until now.
func (m *meter) within(since time.Time) int {
	n := 0
	for _, at := range m.admitted {
		if at.After(since) {
			n++
		}
	}
	return n
}

// check compares one decision with the model: nothing is admitted that would be
// too many in a rolling period, and nothing refused that would not be in one
// that is a second longer.
func (m *meter) check(t *rapid.T, now time.Time, quota directory.Quota, err error) (wait time.Duration) {
	var limited *directory.RateLimitError
	if err != nil && !errors.As(err, &limited) {
		t.Fatal(err)
	}
	must, may := false, false // be refused
	remaining := 1 << 30
	for _, l := range m.limits {
		must = must || m.within(now.Add(-l.Period)) >= l.Calls
		may = may || m.within(now.Add(-l.Period-time.Second)) >= l.Calls
		remaining = min(remaining, l.Calls-1-m.within(now.Add(-l.Period)))
	}
	switch {
	case err == nil && must:
		t.Fatalf("one call too many was admitted at %v", now)
	case err != nil && !may:
		t.Fatalf("a call at %v was refused for nothing: %v", now, err)
	case err == nil:
		m.admitted = append(m.admitted, now)
		if quota.Remaining > remaining || quota.Reset <= 0 {
			t.Fatalf("%+v is left at %v, want %d at most", quota, now, remaining)
		}
		return 0
	}
	// The wait is long enough if the next call is admitted, which the caller
	// tries. It is not too long if a second less would be too short.
	earlier := now.Add(limited.RetryAfter - time.Second)
	tooEarly := false
	for _, l := range m.limits {
		tooEarly = tooEarly || m.within(earlier.Add(-l.Period)) >= l.Calls
	}
	if limited.RetryAfter > time.Second && !tooEarly {
		t.Fatalf("a call at %v is told to wait %v, which is too long", now, limited.RetryAfter)
	}
	return limited.RetryAfter
}

// Calls at random times, on PostgreSQL over two servers, against a model.
func TestAdmissionsAgainstAModel(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		c := newClock()
		stores := []*store.Store{storetest.Open(t, dsn, store.Options{Clock: c.now})}
		if stores[0].Engine() == "postgres" {
			stores = append(stores, storetest.Open(t, dsn, store.Options{Clock: c.now}))
		}
		account := directory.AccountID(1000)
		rapid.Check(t, func(t *rapid.T) {
			account++
			m := &meter{limits: limitsOf(t, rapid.SampledFrom([]string{"1/s", "3/s,5/m", "5/m", "7/m,9/h", "4/h"}).Draw(t, "limits"))}
			longest := int(m.limits[len(m.limits)-1].Period / time.Millisecond)
			wait := time.Duration(0)
			for range rapid.IntRange(1, 60).Draw(t, "calls") {
				told := wait > 0 && rapid.Bool().Draw(t, "does as told")
				if told {
					c.advance(wait)
				} else {
					// Mostly close together, sometimes a period apart.
					most := rapid.SampledFrom([]int{0, 1, 500, 2000, longest / 10, longest + 1000}).Draw(t, "most")
					c.advance(time.Duration(rapid.IntRange(0, most).Draw(t, "ms")) * time.Millisecond)
				}
				s := stores[rapid.IntRange(0, len(stores)-1).Draw(t, "store")]
				quota, _, err := s.Admit(context.Background(), store.Admission{Account: account, Limits: m.limits})
				if told && err != nil {
					t.Fatalf("refused after waiting %v as told: %v", wait, err)
				}
				wait = m.check(t, c.now(), quota, err)
			}
		})
	})
}

// An hour of a caller who never stops: exactly as many as the hour allows, and
// never more than the minute does.
func TestAnHourOfCalls(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		c := newClock()
		s := storetest.Open(t, dsn, store.Options{Clock: c.now})
		limits := directory.DefaultRateLimits()
		var admitted []time.Time
		for end := c.now().Add(time.Hour); c.now().Before(end); {
			_, _, err := s.Admit(context.Background(), store.Admission{Account: 1, Limits: limits})
			var limited *directory.RateLimitError
			switch {
			case err == nil:
				admitted = append(admitted, c.now())
				c.advance(10 * time.Millisecond)
			case !errors.As(err, &limited):
				t.Fatal(err)
			default:
				c.advance(min(limited.RetryAfter, 2345*time.Millisecond)) // impatient
			}
		}
		if len(admitted) != 1800 {
			t.Errorf("%d calls were admitted in an hour", len(admitted))
		}
		for i := 60; i < len(admitted); i++ {
			if d := admitted[i].Sub(admitted[i-60]); d < time.Minute {
				t.Fatalf("61 calls within %v", d)
			}
		}
	})
}

// A token is good for one call of one app, and both it and the slot are taken
// or neither.
func TestOneTimeTokens(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		c := newClock()
		s := storetest.Open(t, dsn, store.Options{Clock: c.now})
		limits := limitsOf(t, "2/m")
		admit := func(app directory.AppID, jti string) string {
			t.Helper()
			a := store.Admission{Account: 1, Limits: limits, App: app, JTIHash: []byte(jti), Until: c.now().Add(time.Hour)}
			quota, replayed, err := s.Admit(context.Background(), a)
			switch {
			case replayed:
				return "replay"
			case errors.Is(err, directory.ErrRateLimited):
				return "limit"
			case err != nil:
				t.Fatal(err)
			}
			return strconv.Itoa(quota.Remaining)
		}
		for i, step := range []struct {
			app  directory.AppID
			jti  string
			want string
		}{
			{1, "a", "1"},
			{1, "a", "replay"},
			{1, "a", "replay"}, // and no slot is gone
			{2, "a", "0"},      // another app
			{1, "a", "replay"}, // also where the limit is reached
			{1, "b", "limit"},
			{1, "b", "limit"}, // and no replay
		} {
			if got := admit(step.app, step.jti); got != step.want {
				t.Fatalf("step %d: %s, want %s", i, got, step.want)
			}
		}
		c.advance(time.Minute)
		if got := admit(1, "b"); got != "1" {
			t.Errorf("the token of a refused call: %s", got)
		}
		s.Close()
		s = storetest.Open(t, dsn, store.Options{Clock: c.now})
		if got := admit(1, "b"); got != "replay" {
			t.Errorf("a used token after a restart: %s", got)
		}
	})
}

// Used tokens go when they have expired, and not before.
func TestForgetCalls(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		c := newClock()
		s := storetest.Open(t, dsn, store.Options{Clock: c.now})
		ctx := context.Background()
		const tokens = 2100 // more than go at once
		for i := range tokens {
			a := store.Admission{Account: 1, App: 1, JTIHash: fmt.Append(nil, i), Until: c.now().Add(time.Duration(i) * time.Second)}
			_, _, err := s.Admit(ctx, a)
			must(t, err)
		}
		_, _, err := s.Admit(ctx, store.Admission{Account: 1, Limits: directory.DefaultRateLimits()})
		must(t, err)
		forget := func(after time.Duration, want int) {
			t.Helper()
			if n, err := s.ForgetCalls(ctx, c.now().Add(after)); err != nil || n != want {
				t.Errorf("after %v: %d tokens, %v, want %d", after, n, err, want)
			}
		}
		forget(0, 0)
		forget(10*time.Second, 10) // 0 to 9: the one due now can still be used
		forget(10*time.Second, 0)
		_, replayed, err := s.Admit(ctx, store.Admission{Account: 1, App: 1, JTIHash: fmt.Append(nil, 10), Until: c.now()})
		must(t, err)
		if !replayed {
			t.Error("a token that is due now was forgotten")
		}
		forget(tokens*time.Second, tokens-10)
		c.advance(time.Second)
		quota, _, err := s.Admit(ctx, store.Admission{Account: 1, Limits: directory.DefaultRateLimits()})
		must(t, err)
		if quota.Remaining != 58 {
			t.Errorf("%d calls are left: a call was forgotten that still counts", quota.Remaining)
		}
		_, err = s.ForgetCalls(ctx, c.now().Add(2*time.Hour))
		must(t, err)
		for _, table := range []string{"used_tokens", "rate_buckets"} {
			if left := storetest.Dump(t, dsn)[table]; len(left) > 0 {
				t.Errorf("%s: %q", table, left)
			}
		}
	})
}

// Calls of one account at the same time: as many as the limit, also from two
// servers.
func TestAdmissionsAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		c := newClock()
		stores := []*store.Store{storetest.Open(t, dsn, store.Options{Clock: c.now})}
		if stores[0].Engine() == "postgres" {
			stores = append(stores, storetest.Open(t, dsn, store.Options{Clock: c.now}))
		}
		for account := range directory.AccountID(5) {
			var admitted atomic.Int32
			var calls sync.WaitGroup
			for i := range 200 {
				calls.Go(func() {
					a := store.Admission{Account: account + 1, Limits: directory.DefaultRateLimits()}
					if i%2 == 0 {
						a.App, a.JTIHash, a.Until = 1, fmt.Append(nil, account, i), c.now()
					}
					_, _, err := stores[i%len(stores)].Admit(context.Background(), a)
					if err == nil {
						admitted.Add(1)
					} else if !errors.Is(err, directory.ErrRateLimited) {
						t.Error(err)
					}
				})
			}
			calls.Wait()
			if n := admitted.Load(); n != 60 {
				t.Errorf("%d calls were admitted, not 60", n)
			}
		}
	})
}

// The turn is what makes it exact: while one call has been counted and not yet
// committed, another one of the same account waits. Without the turn it would be
// admitted as well, which is the control.
func TestAdmissionsTakeTurns(t *testing.T) {
	t.Parallel()
	dsn := storetest.New(t, "postgres")
	c := newClock()
	s := storetest.Open(t, dsn, store.Options{Clock: c.now})
	ctx := context.Background()
	turn, count := store.AdmitStatements()
	for account, inTurn := range map[directory.AccountID]bool{1: true, 2: false} {
		// A call of a second ago has the only slot, and is not committed yet.
		open, err := storetest.SQL(t, dsn).BeginTx(ctx, nil)
		must(t, err)
		defer open.Rollback()
		if inTurn {
			_, err = open.ExecContext(ctx, turn, account)
			must(t, err)
		}
		var seen bool
		var counted string
		must(t, open.QueryRowContext(ctx, count, account, c.us.Load()-1e6, "[[1,60000000]]", 0, nil, 0).Scan(&seen, &counted))
		if counted != "[[0, 0, 0]]" {
			t.Fatalf("the first call counted %s", counted)
		}
		decided := make(chan error, 1)
		go func() {
			_, _, err := s.Admit(ctx, store.Admission{Account: account, Limits: limitsOf(t, "1/m")})
			decided <- err
		}()
		if inTurn {
			waitForLock(t, dsn)
			must(t, open.Commit())
		}
		err = <-decided
		if limited := errors.Is(err, directory.ErrRateLimited); limited != inTurn || (err != nil && !limited) {
			t.Errorf("in turn: %v, the second call: %v", inTurn, err)
		}
	}
}

// waitForLock waits until somebody waits for an advisory lock.
func waitForLock(t *testing.T, dsn string) {
	t.Helper()
	db := storetest.SQL(t, dsn)
	for waiting := 0; waiting == 0; {
		must(t, db.QueryRowContext(context.Background(), `SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&waiting))
	}
}

// On SQLite the calls are counted anew when the server starts, whatever the audit log
// has of those before.
func TestCallsAreCountedAnewAfterARestart(t *testing.T) {
	t.Parallel()
	dsn := storetest.New(t, "sqlite")
	f := newFixture(t, dsn)
	err := f.store.Write(context.Background(), store.Change{Account: f.account, Actor: directory.Actor{Kind: directory.ActorApp, ID: 1}}, func(tx *store.Tx) error {
		tx.RecordDetails([]byte("{}"))
		return nil
	})
	must(t, err)
	for range 2 {
		s := storetest.Open(t, dsn, store.Options{})
		for _, want := range []int{4, 3} {
			quota, _, err := s.Admit(context.Background(), store.Admission{Account: f.account, Limits: limitsOf(t, "5/h")})
			must(t, err)
			if quota.Remaining != want {
				t.Errorf("%d calls are left, want %d", quota.Remaining, want)
			}
		}
	}
}
