package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"roster/internal/directory"
	"roster/internal/store"
	"roster/internal/storetest"
)

// waitForWaiters returns when so many transactions wait for a lock.
func waitForWaiters(t *testing.T, dsn string, n int) {
	t.Helper()
	db := storetest.SQL(t, dsn)
	for deadline := time.Now().Add(time.Minute); ; {
		var waiting int
		must(t, db.QueryRow("SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&waiting))
		if waiting >= n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d transactions wait instead of %d", waiting, n)
		}
	}
}

// meanwhile runs first up to its end, starts second, which must come to wait for
// it, and lets first commit. It returns the error of second.
func (f *fixture) meanwhile(t *testing.T, first, second func(context.Context, *store.Tx) error) error {
	t.Helper()
	return f.meanwhileWith(t, 1, first, second)
}

// meanwhileWith is meanwhile for a first that needs so many ids.
func (f *fixture) meanwhileWith(t *testing.T, ids int, first, second func(context.Context, *store.Tx) error) error {
	t.Helper()
	written, commit := make(chan struct{}), make(chan struct{})
	firstDone, secondDone := make(chan error, 1), make(chan error, 1)
	go func() {
		firstDone <- f.tryWrite(ids, func(ctx context.Context, tx *store.Tx) error {
			err := first(ctx, tx)
			close(written)
			<-commit
			return err
		})
	}()
	<-written
	go func() { secondDone <- f.tryWrite(1, second) }()
	waitForWaiters(t, f.dsn, 1)
	close(commit)
	must(t, <-firstDone)
	return <-secondDone
}

// removal returns a transaction that removes whom refs name, and where it
// leaves its outcome.
func removal(refs ...directory.UserRef) (*directory.Removal, func(context.Context, *store.Tx) error) {
	out := &directory.Removal{}
	return out, func(ctx context.Context, tx *store.Tx) error {
		sel := directory.Select(refs)
		found, err := tx.LockCandidates(ctx, sel)
		if err != nil {
			return err
		}
		var leaving []directory.Candidate
		leaving, *out = sel.Decide(found)
		out.PublicID = directory.NewRemovalID()
		tx.RecordDetails([]byte("{}"))
		tx.Remove(leaving, *out, []byte("{}"), time.Hour)
		return nil
	}
}

func reasons(out *directory.Removal) (list []directory.Reason) {
	for _, r := range out.Refused {
		list = append(list, r.Reason)
	}
	return list
}

// What others commit while a removal waits for them counts. SQLite has one
// writer at a time, so this is about PostgreSQL.
//
//nolint:tparallel // its parts count who waits in one database
func TestRemovalThatWaitedSeesWhatWasCommittedMeanwhile(t *testing.T) {
	t.Parallel()
	byEmail := directory.UserRef{Text: "a@x.example"}
	byOrgID := directory.UserRef{Kind: directory.ByOrgUserID, Text: "A"}
	stranger := directory.UserRef{Text: "nobody@x.example"}
	longList, longWant := []directory.UserRef{byEmail}, []directory.Reason{directory.ReasonBotOwner}
	for i := range 20 { // for which the owners are asked for by another statement
		longList = append(longList, directory.UserRef{Text: fmt.Sprintf("nobody-%d@x.example", i)})
		longWant = append(longWant, directory.ReasonUserNotFound)
	}
	moveOrgID := func(ctx context.Context, tx *store.Tx) error {
		held, err := tx.LockMembers(ctx, []string{"a@x.example"}, nil)
		if err != nil {
			return err
		}
		return changeOrgID(ctx, tx, held[0], "Z")
	}
	makeBot := func(ctx context.Context, tx *store.Tx) error {
		held, err := tx.HoldMembers(ctx, []string{"a@x.example"}, nil)
		if err != nil {
			return err
		}
		return tx.CreateBot(ctx, directory.NewBotID(), "Desk", held[0])
	}
	_, removeHer := removal(byEmail)
	f := newFixture(t, storetest.New(t, "postgres"))
	for _, tt := range []struct {
		name  string
		first func(context.Context, *store.Tx) error
		refs  []directory.UserRef
		want  []directory.Reason
		stays bool
	}{
		{"she got a bot", makeBot, []directory.UserRef{byEmail}, []directory.Reason{directory.ReasonBotOwner}, true},
		{"she got a bot, both lists", makeBot, []directory.UserRef{byEmail, byOrgID}, []directory.Reason{directory.ReasonBotOwner}, true},
		{"she got a bot, by org id", makeBot, []directory.UserRef{byOrgID}, []directory.Reason{directory.ReasonBotOwner}, true},
		{"she got a bot, long list", makeBot, longList, longWant, true},
		{"she was removed", removeHer, []directory.UserRef{byEmail}, []directory.Reason{directory.ReasonUserNotFound}, false},
		{"she was removed, by org id", removeHer, []directory.UserRef{byOrgID}, []directory.Reason{directory.ReasonUserNotFound}, false},
		{"her org id changed", moveOrgID, []directory.UserRef{byOrgID}, []directory.Reason{directory.ReasonUserNotFound}, true},
		{
			"her org id changed, both lists", moveOrgID,
			[]directory.UserRef{stranger, byOrgID},
			[]directory.Reason{directory.ReasonUserNotFound, directory.ReasonUserNotFound},
			true,
		},
		{"her org id changed, named by both", moveOrgID, []directory.UserRef{byEmail, byOrgID}, []directory.Reason{directory.ReasonUserNotFound}, false},
		{
			"her org id changed to another that is named", moveOrgID,
			[]directory.UserRef{byOrgID, {Kind: directory.ByOrgUserID, Text: "Z"}},
			[]directory.Reason{directory.ReasonUserNotFound},
			false,
		},
		{"she left, and others stayed", removeHer, longList[:2], []directory.Reason{directory.ReasonUserNotFound, directory.ReasonUserNotFound}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f.another(strings.NewReplacer(" ", "-", ",", "").Replace(tt.name))
			f.members("a@x.example")
			out, remove := removal(tt.refs...)
			must(t, f.meanwhile(t, tt.first, remove))
			if !slices.Equal(reasons(out), tt.want) {
				t.Errorf("refused for %v, want %v", reasons(out), tt.want)
			}
			if stays := slices.Contains(f.live(), "a@x.example"); stays != tt.stays {
				t.Errorf("she is a member: %v, want %v", stays, tt.stays)
			}
			_, err := f.store.VerifyAudit(context.Background())
			must(t, err)
		})
	}
}

// A purge that waited for another works on what that one left.
func TestPurgeThatWaitedDoesNotCloseARemovalTooEarly(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.New(t, "postgres"))
	f.members("a@x.example", "b@x.example")
	f.remove("", "a@x.example", "b@x.example")
	later := time.Now().Add(2 * time.Hour)
	due, err := f.store.DueRemovals(context.Background(), later, later, 10)
	must(t, err)
	purge := func(ctx context.Context, tx *store.Tx) error {
		erased, closed, err := tx.Purge(ctx, due[0].Removal, later, 1)
		if err == nil && (erased != 1 || closed) {
			t.Errorf("%d erased and closed: %v", erased, closed)
		}
		return err
	}
	must(t, f.meanwhile(t, purge, purge))
	f.write(0, func(ctx context.Context, tx *store.Tx) error {
		erased, closed, err := tx.Purge(ctx, due[0].Removal, later, 1)
		if erased != 0 || !closed {
			t.Errorf("at the end %d erased and closed: %v", erased, closed)
		}
		return err
	})
	err = f.tryWrite(0, func(ctx context.Context, tx *store.Tx) error {
		_, _, err := tx.Purge(ctx, due[0].Removal, later, 1)
		return err
	})
	if !errors.Is(err, store.ErrRemovalClosed) {
		t.Errorf("a closed removal was purged again: %v", err)
	}
}

// Nothing can be attached to a member who is leaving.
func TestWhoeverAttachesToALeavingMemberFindsNobody(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.New(t, "postgres"))
	f.members("a@x.example")
	_, remove := removal(directory.UserRef{Text: "a@x.example"})
	err := f.meanwhile(t, remove, func(ctx context.Context, tx *store.Tx) error {
		held, err := tx.HoldMembers(ctx, []string{"a@x.example"}, nil)
		if len(held) > 0 {
			t.Errorf("held %+v", held)
		}
		return errors.Join(err, errOfTest)
	})
	if !errors.Is(err, errOfTest) {
		t.Error(err)
	}
}

// Whoever holds a member does not keep others from holding her, too.
func TestManyMayAttachToOneMemberAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.New(t, "postgres"))
	f.members("a@x.example")
	f.write(1, func(_ context.Context, outer *store.Tx) error {
		if _, err := outer.HoldMembers(context.Background(), []string{"a@x.example"}, nil); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		err := f.store.Write(ctx, store.Change{Account: f.account, Actor: operator}, func(tx *store.Tx) error {
			held, err := tx.HoldMembers(ctx, []string{"a@x.example"}, nil)
			if len(held) != 1 {
				t.Errorf("held %+v", held)
			}
			return errors.Join(err, errOfTest)
		})
		if !errors.Is(err, errOfTest) {
			t.Error(err)
		}
		outer.RecordDetails([]byte("{}"))
		return nil
	})
}

// Transactions that wait for each other in a circle: the database ends one, and
// that runs again.
func TestTransactionEndedByADeadlockRunsAgain(t *testing.T) {
	t.Parallel()
	dsn := storetest.New(t, "postgres") + "&options=-c%20deadlock_timeout%3D20ms"
	f := newFixture(t, dsn)
	f.members("a@x.example", "b@x.example")
	var runs atomic.Int64
	both := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	done := make(chan error, 2)
	for i, order := range [][2]string{{"a@x.example", "b@x.example"}, {"b@x.example", "a@x.example"}} {
		go func() {
			first := true
			done <- f.tryWrite(0, func(ctx context.Context, tx *store.Tx) error {
				runs.Add(1)
				if _, err := tx.LockMembers(ctx, []string{order[0]}, nil); err != nil {
					return err
				}
				if first {
					first = false
					close(both[i])
					<-both[1-i]
				}
				if _, err := tx.LockMembers(ctx, []string{order[1]}, nil); err != nil {
					return err
				}
				tx.RecordDetails([]byte("{}"))
				return nil
			})
		}()
	}
	must(t, errors.Join(<-done, <-done))
	// One is ended at least; what runs again takes its rows in the same order and
	// can meet the other once more.
	if runs.Load() < 3 {
		t.Errorf("%d runs: neither was ended and ran again", runs.Load())
	}
	_, err := f.store.VerifyAudit(context.Background())
	must(t, err)
}
