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

	"roster/internal/directory"
	"roster/internal/store"
	"roster/internal/storetest"
)

// once makes a call that can be repeated, on a store.
func once(s *store.Store, account directory.AccountID, app directory.AppID, key, request string, fn func()) (string, bool, error) {
	c := store.Change{Account: account, Actor: directory.Actor{Kind: directory.ActorApp, ID: int64(app)}}
	k := directory.NewRepeatKey(key, directory.NewRequestHash(request))
	outcome, repeated, err := s.WriteOnce(context.Background(), c, app, k, func(tx *store.Tx) ([]byte, error) {
		fn()
		tx.Record(directory.AuditRun{Kind: directory.AuditAccountModified, Object: int64(account)})
		return fmt.Appendf(nil, `{"request":%q}`, request), nil
	})
	return string(outcome), repeated, err
}

// Of many calls with a key at once one does its work; the others are told that it
// runs, or what came of it. On PostgreSQL they come to two servers.
func TestCallsWithAKeyAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		f := newFixture(t, dsn)
		stores := []*store.Store{f.store, f.store}
		if f.store.Engine() == "postgres" {
			stores[1] = storetest.Open(t, dsn, store.Options{})
		}
		for round := range 20 {
			key := strconv.Itoa(round)
			var done, answered atomic.Int64
			var calls sync.WaitGroup
			for i := range 16 {
				calls.Go(func() {
					outcome, _, err := once(stores[i%2], f.account, 1, key, "r", func() { done.Add(1) })
					switch {
					case err == nil && outcome == `{"request":"r"}`:
						answered.Add(1)
					case !errors.Is(err, directory.ErrRunning):
						t.Errorf("outcome %q, error %v", outcome, err)
					}
				})
			}
			calls.Wait()
			if done.Load() != 1 || answered.Load() < 1 {
				t.Fatalf("done %d times, answered %d times", done.Load(), answered.Load())
			}
		}
	})
}

// While a call with a key does its work, another with it is told so at once and
// does nothing: here, and on PostgreSQL on another server. A call of another app
// is another one.
func TestKeyIsTakenWhileItsCallRuns(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		f := newFixture(t, dsn)
		stores := []*store.Store{f.store}
		if f.store.Engine() == "postgres" {
			stores = append(stores, storetest.Open(t, dsn, store.Options{}))
		}
		for _, s := range stores {
			key := fmt.Sprintf("%p", s)
			outcome, repeated, err := once(f.store, f.account, 1, key, "r", func() {
				if _, _, err := once(s, f.account, 1, key, "r", func() { t.Error("the call was made twice") }); !errors.Is(err, directory.ErrRunning) {
					t.Errorf("a call with the key of one that runs: %v", err)
				}
			})
			if outcome != `{"request":"r"}` || repeated || err != nil {
				t.Fatalf("outcome %q, repeated %v, error %v", outcome, repeated, err)
			}
			if _, repeated, err = once(s, f.account, 1, key, "r", nil); !repeated || err != nil {
				t.Errorf("afterwards: repeated %v, error %v", repeated, err)
			}
			if _, repeated, err = once(s, f.account, 2, key, "r", func() {}); repeated || err != nil {
				t.Errorf("another app: repeated %v, error %v", repeated, err)
			}
		}
	})
}

// A call that fails keeps nothing, and its key is free; outcomes that are over
// are deleted, and no others.
func TestOutcomesThatAreOver(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		var later time.Duration
		account := newFixture(t, dsn).account
		s := storetest.Open(t, dsn, store.Options{Clock: func() time.Time { return time.Now().Add(later) }})
		failing := func(*store.Tx) ([]byte, error) { return nil, directory.ErrInvalid }
		k := directory.NewRepeatKey("k", directory.NewRequestHash("r"))
		c := store.Change{Account: account, Actor: directory.Actor{Kind: directory.ActorApp, ID: 1}}
		if _, _, err := s.WriteOnce(t.Context(), c, 1, k, failing); !errors.Is(err, directory.ErrInvalid) {
			t.Fatal(err)
		}
		call := func(key, request string, wantRepeated bool, want error) {
			t.Helper()
			outcome, repeated, err := once(s, account, 1, key, request, func() {})
			if repeated != wantRepeated || !errors.Is(err, want) || (err == nil && outcome != fmt.Sprintf(`{"request":%q}`, request)) {
				t.Fatalf("key %s: outcome %q, repeated %v, error %v", key, outcome, repeated, err)
			}
		}
		call("k", "r", false, nil)
		call("k", "other", false, directory.ErrKeyReused)
		later = time.Hour
		call("later", "r", false, nil)
		later = directory.RepeatableFor
		call("k", "other", false, nil) // its day is over
		call("later", "r", true, nil)
		later = directory.RepeatableFor + time.Hour
		if _, err := s.ForgetCalls(t.Context(), s.Now()); err != nil {
			t.Fatal(err)
		}
		var kept int
		if err := storetest.SQL(t, dsn).QueryRow("SELECT COUNT(*) FROM idempotency_keys").Scan(&kept); err != nil || kept != 1 {
			t.Errorf("%d outcomes are kept, error %v", kept, err)
		}
		call("k", "other", true, nil)
		call("later", "r", false, nil)
	})
}
