package client_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roster/client"
	"roster/internal/hosttest"
)

func numbered(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("u%d@example.com", i)
	}
	return ids
}

// staffOf makes members of ids: each tenth is not there, and each tenth cannot be
// removed. wanted are those who can.
func staffOf(r *rand.Rand, ids []string) (members map[string]string, wanted map[string]bool) {
	members, wanted = map[string]string{"bystander@example.com": ""}, map[string]bool{}
	for _, id := range ids {
		switch r.IntN(10) {
		case 0:
		case 1:
			members[id] = "Unauthorized to perform this activity"
		default:
			members[id], wanted[id] = "", true
		}
	}
	return members, wanted
}

func caller(t *testing.T, h *hosttest.Host, cl *hosttest.Clock) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{
		Host: h.URL, ClientID: "cs-1", ClientSecret: hosttest.Secret, Now: cl.Now,
		Sleep: func(ctx context.Context, d time.Duration) error { cl.Add(d); return ctx.Err() },
		Retry: client.Retry{Attempts: 50},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// outcome is what was told about each user, and how often.
type outcome struct {
	removed, failed, unclear map[string]bool
	order                    []string // of the batches
	twice                    []string
}

func newOutcome() *outcome {
	return &outcome{map[string]bool{}, map[string]bool{}, map[string]bool{}, nil, nil}
}

func (o *outcome) add(b *client.Batch) {
	put := func(into map[string]bool, id string) {
		if o.removed[id] || o.failed[id] || o.unclear[id] {
			o.twice = append(o.twice, id)
		}
		into[id] = true
	}
	o.order = append(o.order, b.IDs...)
	for _, id := range b.Removed {
		put(o.removed, id)
	}
	for _, f := range b.Failed {
		put(o.failed, f.EmailID)
	}
	for _, f := range b.Unclear {
		put(o.unclear, f.EmailID)
	}
}

// check compares what was told with what happened.
func (o *outcome) check(t *testing.T, h *hosttest.Host, ids []string, members map[string]string, wanted map[string]bool, exact bool) {
	t.Helper()
	for id, n := range h.Seen().Removed {
		if n != 1 || !wanted[id] {
			t.Errorf("%s was removed %d times", id, n)
		}
	}
	if len(h.Seen().Removed) != len(wanted) {
		t.Errorf("%d were removed, not %d", len(h.Seen().Removed), len(wanted))
	}
	if diff := cmp.Diff(ids, o.order); diff != "" || len(o.twice) > 0 {
		t.Errorf("order (-want +got):\n%stwice %v", diff, o.twice)
	}
	for _, id := range ids {
		_, member := members[id]
		switch {
		case wanted[id] && (o.removed[id] || (o.unclear[id] && !exact)):
		case !wanted[id] && member && o.failed[id]:
		case !member && (o.failed[id] || (o.unclear[id] && !exact)):
		default:
			t.Errorf("%s: removed %v, failed %v, unclear %v", id, o.removed[id], o.failed[id], o.unclear[id])
		}
	}
}

// Whatever a host does to calls, and wherever the work breaks off, exactly the
// right people go, and each is told about once and rightly. Without keys it may be
// told that it is unclear, of nobody who is still there.
func TestRemoveAllThroughTrouble(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 2))
			ids := numbered(1 + r.IntN(200))
			members, wanted := staffOf(r, ids)
			cl := hosttest.NewClock()
			keys := seed%2 == 0
			h := hosttest.Start(t, members, hosttest.Config{
				KeepsKeys: keys, PerMinute: 60, Now: cl.Now, Trouble: 0.5, Seed: seed, Busy: r.IntN(20),
			})
			o := client.RemoveAllOptions{BatchSize: 1 + r.IntN(9), Settle: true, Run: "run", CallsPerMinute: 60 * r.IntN(2)}
			told, mark := newOutcome(), client.Mark{}
			o.Before = func(b *client.Batch) error { mark = b.Mark; return nil }
			for runs := 1; mark.Users < len(ids); runs++ {
				if runs > 500 {
					t.Fatal("no end")
				}
				// The process dies during its nth call, or just after a batch.
				ctx, cancel := context.WithCancel(t.Context())
				dies := 1 + r.IntN(30)
				h.OnCall(func(int) {
					if dies--; dies == 0 {
						cancel()
					}
				})
				o.From = mark
				for b, err := range caller(t, h, cl).RemoveAll(ctx, slices.Values(ids), o) {
					if err != nil {
						break // as after a crash: the mark is that of Before
					}
					told.add(b)
					mark = b.Mark
					if r.IntN(20) == 0 {
						break
					}
				}
				cancel()
			}
			told.check(t, h, ids, members, wanted, keys)
			if h.Seen().Calls > 20 && h.Seen().Troubles == 0 {
				t.Error("there was no trouble")
			}
		})
	}
}

// A long list goes through a limit without a refusal when the pace is known, and
// with refusals when it is not; each minute has as many calls as it may.
func TestRemoveAllKeepsPace(t *testing.T) {
	t.Parallel()
	ids := numbered(1000)
	for _, pace := range []int{0, 60} {
		cl := hosttest.NewClock()
		begin := cl.Now()
		members, wanted := staffOf(rand.New(rand.NewPCG(1, 1)), ids)
		h := hosttest.Start(t, members, hosttest.Config{PerMinute: 60, Now: cl.Now})
		told := newOutcome()
		for b, err := range caller(t, h, cl).RemoveAll(t.Context(), slices.Values(ids), client.RemoveAllOptions{BatchSize: 5, CallsPerMinute: pace}) {
			if err != nil {
				t.Fatal(err)
			}
			told.add(b)
		}
		told.check(t, h, ids, members, wanted, true)
		took := cl.Now().Sub(begin)
		if h.Seen().Calls != 200 || (h.Seen().Limited == 0) != (pace > 0) || took < 3*time.Minute || took > 200*time.Second {
			t.Errorf("%d calls, %d refused, %v", h.Seen().Calls, h.Seen().Limited, took)
		}
	}
}

// Where no keys are kept, and nobody asked to settle it, a lost call is not made
// again, and the mark tells that it was begun.
func TestRemoveAllEndsWhereOutcomeIsUnknown(t *testing.T) {
	t.Parallel()
	cl := hosttest.NewClock()
	h := hosttest.Start(t, map[string]string{"u0@example.com": ""}, hosttest.Config{Now: cl.Now, Trouble: 1, Seed: 3})
	for b, err := range caller(t, h, cl).RemoveAll(t.Context(), slices.Values(numbered(5)), client.RemoveAllOptions{BatchSize: 2}) {
		if err == nil {
			t.Fatal("no error")
		}
		if client.MayHaveActed(err) == b.Mark.BegunAt.IsZero() || b.Mark.Users != 0 || b.Removed != nil {
			t.Errorf("%v: batch %+v", err, b)
		}
	}
	if h.Seen().Calls == 0 {
		t.Error("no call")
	}
}

// A call is not made again either by what is below the client, for which a key is
// leave to do so: the host may not know keys. Its connection was used before.
func TestKeyIsNoLeaveToRepeat(t *testing.T) {
	t.Parallel()
	for _, keyed := range []string{"", "k"} {
		c, p, _ := newPatient(t, client.Config{Retry: client.Retry{Attempts: 1}}, allRemoved)
		n := 0
		for _, err := range c.RemoveAll(t.Context(), slices.Values(numbered(3)), client.RemoveAllOptions{BatchSize: 1}) {
			if n++; (err == nil) != (n == 1) {
				t.Fatalf("batch %d: error %v", n, err)
			}
			if len(p.calls()) != 1 {
				t.Errorf("batch %d: %d calls", n, len(p.calls()))
			}
			p.meets(allRemoved, trouble{breaks: true})
		}
		p.meets(allRemoved)
		for i := range 2 {
			_, err := c.RemoveUsers(t.Context(), client.RemoveUsersRequest{EmailIDs: ann, IdempotencyKey: keyed})
			if (err == nil) != (i == 0) || len(p.calls()) != 1 {
				t.Errorf("key %q, call %d: error %v, %d calls", keyed, i, err, len(p.calls()))
			}
			p.meets(allRemoved, trouble{breaks: true})
		}
	}
}

// It goes on only with the list and the run that it began with, and is refused
// before any call.
func TestRemoveAllFromMark(t *testing.T) {
	t.Parallel()
	ids := numbered(10)
	members, wanted := staffOf(rand.New(rand.NewPCG(1, 1)), ids)
	cl := hosttest.NewClock()
	h := hosttest.Start(t, members, hosttest.Config{Now: cl.Now})
	c := caller(t, h, cl)
	told := newOutcome()
	var mark client.Mark
	for b, err := range c.RemoveAll(t.Context(), slices.Values(ids), client.RemoveAllOptions{BatchSize: 4, Run: "a"}) {
		if err != nil {
			t.Fatal(err)
		}
		told.add(b)
		mark = b.Mark
		break
	}
	other := slices.Clone(ids)
	other[2] = "x@example.com"
	stop := errors.New("the disk is full")
	for name, test := range map[string]struct {
		ids  []string
		o    client.RemoveAllOptions
		want error
	}{
		"another list":    {other, client.RemoveAllOptions{BatchSize: 4, Run: "a", From: mark}, client.ErrOtherList},
		"a shorter list":  {ids[:3], client.RemoveAllOptions{BatchSize: 4, Run: "a", From: mark}, client.ErrOtherList},
		"without a name":  {ids, client.RemoveAllOptions{BatchSize: 4, From: mark}, nil},
		"negative":        {ids, client.RemoveAllOptions{BatchSize: -1}, nil},
		"not to be noted": {ids, client.RemoveAllOptions{Before: func(*client.Batch) error { return stop }}, stop},
	} {
		n := 0
		for _, err := range c.RemoveAll(t.Context(), slices.Values(test.ids), test.o) {
			if n++; err == nil || (test.want != nil && !errors.Is(err, test.want)) {
				t.Errorf("%s: error %v", name, err)
			}
		}
		if n != 1 || h.Seen().Calls != 1 {
			t.Errorf("%s: %d batches, %d calls", name, n, h.Seen().Calls)
		}
	}
	for b, err := range c.RemoveAll(t.Context(), slices.Values(ids), client.RemoveAllOptions{BatchSize: 4, Run: "a", From: mark}) {
		if err != nil {
			t.Fatal(err)
		}
		told.add(b)
	}
	told.check(t, h, ids, members, wanted, true)
}
