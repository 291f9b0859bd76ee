package main_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"roster/client"
	"roster/internal/storetest"
)

// TestKilledServerLosesNothing kills the server with SIGKILL at random moments
// while it removes users. What was acknowledged is done, every other call is
// done or not done as a whole, and each removed user has an audit record. Calls
// with an idempotency key are then repeated: each has one effect and one answer.
func TestKilledServerLosesNothing(t *testing.T) {
	t.Parallel()
	kills, population, largest := storetest.Count(12, 50), storetest.Count(6000, 100_000), storetest.Count(400, 20_000)
	seed := uint64(time.Now().UnixNano())
	for _, engine := range storetest.Engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			t.Logf("seed %d", seed)
			k := newKillTest(t, engine, population)
			k.callsLeft = kills * callers * callsEach
			rng := rand.New(rand.NewPCG(seed, 1))
			for range kills {
				k.round(rng, largest)
			}
			k.checkAll()
			k.repeatAll()
		})
	}
}

// In each round so many callers make so many calls each, one after the other.
const callers, callsEach = 4, 3

// killCall is a call of a round: whom it named, and whether it was acknowledged.
type killCall struct {
	emails  []string
	key     string // empty for every other one
	acked   bool
	removal string // of the answer
}

type killTest struct {
	*testDirectory
	left      []string // users that no call has named yet
	callsLeft int      // in this round and all that follow
	calls     []*killCall
}

func newKillTest(t *testing.T, engine string, population int) *killTest {
	d := newDirectory(t, engine, population)
	return &killTest{testDirectory: d, left: d.users}
}

// round serves, lets callers remove users, and kills the server at a
// random moment after a random number of answers.
func (k *killTest) round(rng *rand.Rand, largest int) {
	serve, addr := k.serve()
	c := k.client(addr)
	answers, killAfter := make(chan struct{}, 1000), rng.IntN(6)
	var dead atomic.Bool
	var running sync.WaitGroup
	for range callers {
		// Any size from a single user to the largest call, more often small; and a
		// user stays for each call to come.
		var calls []*killCall
		for range callsEach {
			k.callsLeft--
			n := 1 + min(rng.IntN(largest)/(1+rng.IntN(20)), (len(k.left)-k.callsLeft-1)/20)
			call := &killCall{emails: k.left[:n]}
			if k.callsLeft%2 == 0 {
				call.key = fmt.Sprintf("call-%d", k.callsLeft)
			}
			calls = append(calls, call)
			k.left = k.left[n:]
		}
		k.calls = append(k.calls, calls...)
		running.Go(func() {
			for _, call := range calls {
				if dead.Load() {
					return
				}
				out, err := c.RemoveUsers(context.Background(), client.RemoveUsersRequest{EmailIDs: call.emails, IdempotencyKey: call.key})
				if err != nil {
					return
				}
				if len(out.Failed) > 0 {
					k.Errorf("%d users failed, the first with %s", len(out.Failed), out.Failed[0].Reason.Message)
				}
				call.acked, call.removal = true, out.RemovalID
				answers <- struct{}{}
			}
		})
	}
	for range killAfter {
		<-answers
	}
	time.Sleep(time.Duration(rng.IntN(3000)) * time.Microsecond) // the random moment
	dead.Store(true)
	if err := serve.Process.Signal(syscall.SIGKILL); err != nil {
		k.Error(err)
	}
	_ = serve.Wait()
	running.Wait()
}

// checkAll compares the database with what the callers were told.
func (k *killTest) checkAll() {
	storetest.WaitAlone(k.T, k.dsn)
	live := make(map[string]bool)
	for _, email := range k.list() {
		live[email] = true
	}
	removed, acked := 0, 0
	for _, call := range k.calls {
		gone := 0
		for _, e := range call.emails {
			if !live[e] {
				gone++
			}
		}
		removed += gone
		if call.acked {
			acked++
		}
		if gone != len(call.emails) && (call.acked || gone > 0) {
			k.Errorf("%d of %d users are gone; acknowledged: %v", gone, len(call.emails), call.acked)
		}
	}
	for _, e := range k.left {
		if !live[e] {
			k.Errorf("%s is gone and nobody named them", e)
		}
	}
	if acked == 0 || acked == len(k.calls) {
		k.Errorf("%d of %d calls were acknowledged: the test kills too early or too late", acked, len(k.calls))
	}
	result(k.T, k.home, "audit", "verify", "--database", k.dsn)
	var records int
	err := storetest.SQL(k.T, k.dsn).QueryRow("SELECT COUNT(*) FROM audit_records WHERE kind = 'user.deleted'").Scan(&records)
	if err != nil || records != removed {
		k.Errorf("%d users are gone and %d records say so; error %v", removed, records, err)
	}
	k.Logf("%d calls, %d acknowledged, %d users removed", len(k.calls), acked, removed)
}

// repeatAll repeats every call that has a key. Those that were made get their
// first answer, in which everybody was removed, and the others remove everybody
// now: nobody is found gone.
func (k *killTest) repeatAll() {
	serve, addr := k.serve()
	defer func() {
		_ = serve.Process.Signal(syscall.SIGTERM)
		_ = serve.Wait()
	}()
	c, repeated := k.client(addr), 0
	for _, call := range k.calls {
		if call.key == "" {
			continue
		}
		out, err := c.RemoveUsers(context.Background(), client.RemoveUsersRequest{EmailIDs: call.emails, IdempotencyKey: call.key})
		if err != nil || len(out.Failed) > 0 || (call.acked && out.RemovalID != call.removal) {
			k.Fatalf("repeated call of %d users, acknowledged %v as %s: %+v, error %v", len(call.emails), call.acked, call.removal, out, err)
		}
		repeated++
	}
	if repeated == 0 {
		k.Error("no call had a key")
	}
}
