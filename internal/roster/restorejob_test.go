package roster_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/store"
	"roster/internal/storetest"
)

// restoreBench is a whole removal whose restoration takes several chunks.
type restoreBench struct {
	*testing.T
	dsn, account, removal string
	caller                auth.Caller
	roster                *roster.Roster
	refs                  []directory.UserRef
	trace                 atomic.Pointer[func(string)] // called before each statement
}

func newRestoreBench(t *testing.T, dsn string, users int) *restoreBench {
	t.Helper()
	b := &restoreBench{T: t, dsn: dsn}
	var err error
	b.roster, err = roster.Open(context.Background(), roster.Options{Database: dsn, JobChunk: 25, RestoreAtOnce: 30, Store: store.Options{
		Trace: func(query string) {
			if trace := b.trace.Load(); trace != nil {
				(*trace)(query)
			}
		},
	}})
	must(t, err)
	t.Cleanup(func() { must(t, b.roster.Close()) })
	b.account, b.refs = jobAccount(t, b.roster, "one", users)
	b.caller = callerOf(t, dsn, b.account)
	out, err := b.roster.RemoveUsers(context.Background(), b.caller, b.refs, roster.RemovalOptions{})
	must(t, err)
	b.removal = out.PublicID
	return b
}

func (b *restoreBench) restore(ctx context.Context, o roster.RestoreOptions) (directory.Restoration, error) {
	return b.roster.RestoreUsers(ctx, b.caller, "", b.removal, nil, o)
}

func (b *restoreBench) record() *directory.RemovalRecord {
	b.Helper()
	record, err := b.roster.Removal(context.Background(), auth.Operator(), b.account, b.removal)
	must(b.T, err)
	return &record
}

// work does chunks of what is to be done, n at the most.
func (b *restoreBench) work(n int) {
	b.Helper()
	for range n {
		progress, err := b.roster.WorkOff(context.Background(), auth.System())
		if must(b.T, err); !progress.Worked {
			return
		}
	}
}

// again makes members of some of the removed users, so that these cannot come back.
func (b *restoreBench) again(refs ...directory.UserRef) {
	b.Helper()
	var rows []roster.ImportRow
	for i, ref := range refs {
		rows = append(rows, roster.ImportRow{Line: i + 1, Email: ref.Text})
	}
	_, err := b.roster.ImportUsers(context.Background(), auth.Operator(), b.account, rows, roster.ImportOptions{})
	must(b.T, err)
}

// A call that ends before its restoration leaves that to the servers; neither the purge
// nor the end of the window comes between, and a call that comes later joins it.
func TestRestorationOutlivesItsCall(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		b := newRestoreBench(t, dsn, 200)
		b.again(b.refs[120])
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		chunks := 0
		trace := func(query string) {
			if strings.HasPrefix(query, "UPDATE removals SET restored") {
				if chunks++; chunks == 3 {
					cancel()
				}
			}
		}
		b.trace.Store(&trace)
		if out, err := b.restore(ctx, roster.RestoreOptions{RequestID: "first"}); err == nil {
			t.Fatalf("restored %+v", out)
		}
		b.trace.Store(nil)
		if record := b.record(); !record.Restoring() || record.Restored == 0 || record.Restored == 199 {
			t.Fatalf("after the call %d are restored, by %+v", record.Restored, record.Restore)
		}
		storetest.Exec(t, dsn, "UPDATE removals SET restorable_until = 1")
		if n, err := b.roster.PurgeExpired(context.Background(), auth.System()); n != 0 || err != nil {
			t.Errorf("%d were erased, error %v", n, err)
		}
		if _, err := b.roster.PurgeRemoval(context.Background(), auth.Operator(), b.account, b.removal); !errors.Is(err, directory.ErrState) {
			t.Errorf("erasing: %v", err)
		}
		if _, err := b.restore(context.Background(), roster.RestoreOptions{Atomic: true}); !errors.Is(err, directory.ErrState) {
			t.Errorf("all or nobody: %v", err)
		}
		out, err := b.restore(context.Background(), roster.RestoreOptions{RequestID: "second"})
		must(t, err)
		if out.Restored != 199 || len(out.Refused) != 1 || out.Refs[out.Refused[0].Ref].Text != b.refs[120].Text {
			t.Errorf("restored %d, refused %+v", out.Restored, out.Refused)
		}
		if record := b.record(); record.Restoring() || record.Restore.Total != 200 || record.Restore.Done != 200 || record.Restore.Restored != 199 {
			t.Errorf("it ended as %+v", record.Restore)
		}
		if n := len(keysOf(t, b.roster, b.account)); n != 201 || b.roster.Counts().UsersRestored != 199 {
			t.Errorf("%d members, %d restored", n, b.roster.Counts().UsersRestored)
		}
		if n, err := b.roster.PurgeExpired(context.Background(), auth.System()); n != 1 || err != nil {
			t.Errorf("%d were erased of one who could not come back, error %v", n, err)
		}
		_, err = b.roster.VerifyAudit(context.Background(), auth.Operator())
		must(t, err)
	})
}

// A restoration in the background says how far it has come and what came of it, and can
// be stopped and begun anew.
func TestRestorationInTheBackground(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		b := newRestoreBench(t, dsn, 120)
		b.again(b.refs[3], b.refs[60])
		out, err := b.restore(ctx, roster.RestoreOptions{RequestID: "first", Background: true})
		if must(t, err); !out.Queued || out.Restored != 0 {
			t.Fatalf("it came to %+v", out)
		}
		if twice, err := b.restore(ctx, roster.RestoreOptions{RequestID: "twice", Background: true}); err != nil || !twice.Queued {
			t.Fatalf("asked for twice: %+v, error %v", twice, err)
		}
		b.work(2)
		record := b.record()
		if job := record.Restore; !record.Restoring() || job.State != directory.RemovalRunning || job.RequestID != "first" || job.Total != 120 || job.Done < 25 || job.Done > 100 {
			t.Fatalf("after two chunks %+v", job)
		}
		// Some of them come back by another call meanwhile.
		_, err = b.roster.RestoreUsers(ctx, b.caller, "", b.removal, b.refs[110:115], roster.RestoreOptions{})
		must(t, err)
		done := record.Restore.Done
		if _, err := b.roster.CancelRestoration(ctx, b.caller, "", "rm-1", ""); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("cancelling an unknown one: %v", err)
		}
		for range 2 { // the second time does no harm
			cancelled, err := b.roster.CancelRestoration(ctx, b.caller, "", b.removal, "stop")
			record = &cancelled
			if must(t, err); record.Restoring() || record.Restore.State != directory.RemovalCancelled || record.Restore.Done != done {
				t.Fatalf("cancelled, it is %+v", record.Restore)
			}
		}
		b.work(10)
		if n := len(storetest.Dump(t, dsn)["restore_items"]); n != 0 || b.record().Restored != record.Restored {
			t.Errorf("after it was cancelled: %d rows of its list, %d restored", n, b.record().Restored)
		}

		_, err = b.restore(ctx, roster.RestoreOptions{RequestID: "again", Background: true})
		must(t, err)
		b.work(100)
		record = b.record()
		if job := record.Restore; job.State != directory.RemovalCompleted || job.Done != job.Total || record.Restored != 118 || record.Left() != 2 {
			t.Errorf("it ended as %+v, restored %d", job, record.Restored)
		}
		kept, err := b.roster.Restoration(ctx, b.caller, "", record, "again")
		must(t, err)
		if kept.Restored != record.Restore.Restored || len(kept.Refused) != 2 || kept.RefusedByReason[directory.ReasonUserExists] != 2 {
			t.Errorf("what is kept of it: %+v", kept)
		}
		if _, err := b.roster.CancelRestoration(ctx, b.caller, "", b.removal, ""); !errors.Is(err, directory.ErrState) {
			t.Errorf("cancelling what is over: %v", err)
		}
		if _, err := b.roster.CancelRestoration(ctx, auth.Caller{}, b.account, b.removal, ""); err == nil {
			t.Error("anybody can cancel it")
		}
		_, err = b.roster.VerifyAudit(ctx, auth.Operator())
		must(t, err)
	})
}

// A restoration that cannot go on is given up, and the one who waits is told.
func TestRestorationFails(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		b := newRestoreBench(t, dsn, 100)
		_, err := b.restore(ctx, roster.RestoreOptions{RequestID: "id", Background: true})
		must(t, err)
		storetest.Exec(t, dsn, "UPDATE restore_items SET member_ids = 'x' WHERE seq = 2")
		for range 20 {
			b.roster.ForgetJobDelays()
			if _, err = b.roster.WorkOff(ctx, auth.System()); !b.record().Restoring() {
				break
			}
		}
		if record := b.record(); err == nil || record.Restore.State != directory.RemovalFailed || record.Restored == 0 {
			t.Fatalf("error %v, it ended as %+v", err, record.Restore)
		}
		out, err := b.restore(ctx, roster.RestoreOptions{})
		must(t, err)
		if n := len(keysOf(t, b.roster, b.account)); n != 101 || len(out.Refused) != 0 {
			t.Errorf("begun anew: %d members, %+v", n, out)
		}
	})
}
