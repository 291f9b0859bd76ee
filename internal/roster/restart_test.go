package roster_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// TestPostgresStops stops the PostgreSQL server at random moments while users
// are removed from several accounts, and starts it again. What was acknowledged
// is done, every other call is done or not done as a whole and was answered as
// one to be tried again, and the first call after the start works.
func TestPostgresStops(t *testing.T) {
	t.Parallel()
	rounds, users := storetest.Count(6, 100), storetest.Count(1800, 24_000)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	s := newStopTest(t, users)
	for round := range rounds {
		mode := storetest.StopImmediate
		if round%4 == 3 {
			mode = storetest.StopFast
		}
		s.round(rng, mode)
	}
	for _, problem := range s.problems() {
		t.Error(problem)
	}
	done, acked, failed := s.counts()
	t.Logf("%d calls acknowledged, %d failed, of which %d were done", acked, failed, done-acked)
	if acked < rounds || failed < rounds {
		t.Error("the server stops too early or too late")
	}
	s.checkControls()
}

// slowRestart is what a restart takes at least where writes reach the disk. The
// one of the test is quicker, and calls may come just after it.
const slowRestart = 200 * time.Millisecond

// A server that was restarted while nobody called is not noticed by the next
// calls: they get new connections.
func TestPostgresRestartsBetweenCalls(t *testing.T) {
	t.Parallel()
	s := newStopTest(t, 100)
	for _, mode := range []storetest.StopMode{storetest.StopImmediate, storetest.StopFast} {
		var all []func()
		for range 8 { // more than the pool has connections
			for _, a := range s.accounts {
				call := a.take(1)
				all = append(all, func() {
					if err := s.remove(a, call); err != nil {
						s.Error(err)
					}
				})
			}
		}
		together(all[:12]...)
		stopped := time.Now()
		s.pg.Stop(mode)
		s.pg.Start()
		for time.Since(stopped) < slowRestart {
			storetest.Exec(t, s.dsn, "SELECT 1")
		}
		together(all[12:]...)
	}
	for _, problem := range s.problems() {
		t.Error(problem)
	}
}

// stopAccount is an account of the test: who is left to be removed, and the calls so far.
type stopAccount struct {
	id     string
	caller auth.Caller
	left   []string
	calls  []*stopCall
}

// stopCall is a removal: whom it named, and whether it was acknowledged.
type stopCall struct {
	emails []string
	acked  bool
}

type stopTest struct {
	*testing.T
	pg       *storetest.Postgres
	dsn      string
	roster   *roster.Roster
	accounts []*stopAccount
}

func newStopTest(t *testing.T, users int) *stopTest {
	t.Helper()
	s := &stopTest{T: t, pg: storetest.StartPostgres(t)}
	s.dsn = s.pg.New()
	r, err := roster.Open(context.Background(), roster.Options{Database: s.dsn})
	must(t, err)
	t.Cleanup(func() { r.Close() })
	s.roster = r
	for n := range 3 {
		a := &stopAccount{}
		a.id, err = r.CreateAccount(context.Background(), auth.Operator(), "X", "owner@example.com")
		must(t, err)
		a.caller = callerOf(t, s.dsn, a.id)
		rows := make([]roster.ImportRow, users)
		for i := range rows {
			rows[i].Email = fmt.Sprintf("u%d@a%d.example", i, n)
			a.left = append(a.left, rows[i].Email)
		}
		_, err = r.ImportUsers(context.Background(), auth.Operator(), a.id, rows, roster.ImportOptions{})
		must(t, err)
		s.accounts = append(s.accounts, a)
	}
	return s
}

// take makes a call of the next few users.
func (a *stopAccount) take(n int) *stopCall {
	call := &stopCall{emails: a.left[:min(n, len(a.left))]}
	a.left = a.left[len(call.emails):]
	a.calls = append(a.calls, call)
	return call
}

// remove makes the call.
func (s *stopTest) remove(a *stopAccount, call *stopCall) error {
	refs := make([]directory.UserRef, len(call.emails))
	for i, e := range call.emails {
		refs[i].Text = e
	}
	out, err := s.roster.RemoveUsers(context.Background(), a.caller, refs, roster.RemovalOptions{})
	if err == nil && out.Removed != len(refs) {
		s.Errorf("%d of %d removed", out.Removed, len(refs))
	}
	call.acked = err == nil
	return err
}

// round lets two callers for each account remove users until the server has
// stopped, at a random moment.
func (s *stopTest) round(rng *rand.Rand, mode storetest.StopMode) {
	s.Helper()
	answers := make(chan struct{}, 1000)
	var stopped atomic.Bool
	var callers sync.WaitGroup
	for _, a := range s.accounts {
		for range 2 {
			var calls []*stopCall
			for range 15 {
				calls = append(calls, a.take(1+rng.IntN(12)))
			}
			callers.Go(func() { s.callUntil(&stopped, a, calls, answers) })
		}
	}
	for range 6 + rng.IntN(30) {
		<-answers
	}
	time.Sleep(time.Duration(rng.IntN(3000)) * time.Microsecond) // the random moment
	s.pg.Stop(mode)
	stopped.Store(true)
	callers.Wait()
	for _, a := range s.accounts {
		if err := s.remove(a, a.take(1)); !errors.Is(err, directory.ErrUnavailable) {
			s.Errorf("without a server: %v, want ErrUnavailable", err)
		}
	}
	s.pg.Start()
	for _, a := range s.accounts {
		if err := s.remove(a, a.take(1)); err != nil {
			s.Errorf("the first call after the start: %v", err)
		}
	}
}

// callUntil makes the calls one after the other until the server has stopped.
func (s *stopTest) callUntil(stopped *atomic.Bool, a *stopAccount, calls []*stopCall, answers chan<- struct{}) {
	for _, call := range calls {
		if stopped.Load() {
			return
		}
		if err := s.remove(a, call); err != nil && !errors.Is(err, directory.ErrUnavailable) {
			s.Errorf("while the server stops: %v, want ErrUnavailable", err)
		}
		answers <- struct{}{}
	}
}

// problems compares the database with what the callers were told.
func (s *stopTest) problems() (list []string) {
	s.Helper()
	ctx := context.Background()
	removals, removed := 0, 0
	for _, a := range s.accounts {
		live := map[string]bool{}
		must(s.T, s.roster.EachUser(ctx, auth.Operator(), a.id, func(m directory.Member) error {
			live[m.Email] = true
			return nil
		}))
		for _, call := range a.calls {
			gone := 0
			for _, e := range call.emails {
				if !live[e] {
					gone++
				}
			}
			if gone > 0 {
				removals++
				removed += gone
			}
			if gone != len(call.emails) && (call.acked || gone > 0) {
				list = append(list, fmt.Sprintf("%d of %d users are gone; acknowledged: %v", gone, len(call.emails), call.acked))
			}
		}
		for _, e := range a.left {
			if !live[e] {
				list = append(list, e+" is gone and nobody named them")
			}
		}
	}
	for query, want := range map[string]int{
		"SELECT COUNT(*) FROM audit_records WHERE kind = 'user.deleted'": removed,
		"SELECT COUNT(*) FROM removals":                                  removals,
	} {
		var n int
		must(s.T, storetest.SQL(s, s.dsn).QueryRow(query).Scan(&n))
		if n != want {
			list = append(list, fmt.Sprintf("%s: %d, want %d", query, n, want))
		}
	}
	if _, err := s.roster.VerifyAudit(ctx, auth.Operator()); err != nil {
		list = append(list, err.Error())
	}
	return list
}

// counts returns how many calls were done, acknowledged and failed.
func (s *stopTest) counts() (done, acked, failed int) {
	must(s.T, storetest.SQL(s, s.dsn).QueryRow("SELECT COUNT(*) FROM removals").Scan(&done))
	for _, a := range s.accounts {
		for _, call := range a.calls {
			if call.acked {
				acked++
			} else {
				failed++
			}
		}
	}
	return done, acked, failed
}

// checkControls makes sure that half a removal, a lost one and a lost record
// would have been seen.
func (s *stopTest) checkControls() {
	s.Helper()
	for _, spoil := range [][2]string{
		{"UPDATE members SET removal_id = NULL WHERE id = (SELECT MAX(id) FROM members WHERE removal_id = (SELECT MAX(id) FROM removals WHERE removed > 1))", "users are gone"},
		{"DELETE FROM removals WHERE id = (SELECT MAX(id) FROM removals)", "FROM removals"},
		{"DELETE FROM audit_chain WHERE batch_id = (SELECT MAX(batch_id) FROM audit_chain)", "audit"},
	} {
		storetest.Exec(s, s.dsn, spoil[0])
		if found := fmt.Sprint(s.problems()); !strings.Contains(found, spoil[1]) {
			s.Errorf("after %s nothing was found: %s", spoil[0], found)
		}
	}
}
