package roster_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/store"
	"roster/internal/storetest"
)

// openJobs opens a directory whose jobs work in chunks of so many users.
func openJobs(t *testing.T, dsn string, chunk int, o store.Options) *roster.Roster {
	t.Helper()
	r, err := roster.Open(context.Background(), roster.Options{Database: dsn, JobChunk: chunk, Store: o})
	must(t, err)
	t.Cleanup(func() { must(t, r.Close()) })
	return r
}

// openRestores opens a directory that restores at most 100 users in one transaction, and
// more in chunks of so many.
func openRestores(t *testing.T, dsn string, chunk int) *roster.Roster {
	t.Helper()
	r, err := roster.Open(context.Background(), roster.Options{Database: dsn, JobChunk: chunk, RestoreAtOnce: 100})
	must(t, err)
	t.Cleanup(func() { must(t, r.Close()) })
	return r
}

// workAll works until there is nothing to do.
func workAll(t *testing.T, r *roster.Roster) {
	t.Helper()
	for {
		progress, err := r.WorkOff(context.Background(), auth.System())
		must(t, err)
		if !progress.Worked {
			return
		}
	}
}

// refusedOf reads all that a removal refused.
func refusedOf(t *testing.T, r *roster.Roster, account string, record *directory.RemovalRecord) (all []directory.RefusedUser) {
	t.Helper()
	must(t, r.EachRefused(context.Background(), auth.Operator(), account, record, func(some []directory.RefusedUser) error {
		all = append(all, some...)
		return nil
	}))
	return all
}

// TestJobIsThatOfACall removes random lists from random accounts by jobs, in
// chunks of one to three: what comes of each is what a call would have answered
// at its place, which is what the model of calls is held against.
func TestJobIsThatOfACall(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		var rosters []*roster.Roster
		for chunk := range 3 {
			rosters = append(rosters, openJobs(t, dsn, 1+chunk, store.Options{}))
		}
		rapid.Check(t, func(rt *rapid.T) {
			r := rapid.SampledFrom(rosters).Draw(rt, "chunk")
			id, members := modelAccount(rt, t, r, "one")
			refs := modelRefs(rt)
			caller := callerOf(t, dsn, id)
			job, err := queueRefs(ctx, r, caller, refs)
			must(t, err)
			slices.SortStableFunc(refs, func(a, b directory.UserRef) int { return int(a.Kind) - int(b.Kind) })
			want, err := r.RemoveUsers(ctx, caller, refs, roster.RemovalOptions{DryRun: true})
			must(t, err)
			workAll(t, r)

			got, err := r.Removal(ctx, auth.Operator(), id, job.PublicID)
			must(t, err)
			if got.State != directory.RemovalCompleted || got.Requested != want.Requested || got.Removed != want.Removed || got.Failed() != len(want.Refused) {
				rt.Fatalf("the job came to %+v, want %+v", got, want)
			}
			if diff := cmp.Diff(want.RefusedByReason(), got.RefusedByReason); diff != "" {
				rt.Fatal(diff)
			}
			refused := refusedOf(t, r, id, &got)
			for i, refusal := range want.Refused {
				if refused[i].Ref != refs[refusal.Ref] || refused[i].Reason != refusal.Reason ||
					(refs[refusal.Ref].Kind == directory.ByOrgUserID && refused[i].Email != refusal.Email) {
					rt.Fatalf("refusal %d is %+v, want %+v of %+v", i, refused[i], refusal, refs[refusal.Ref])
				}
			}
			if left := len(keysOf(t, r, id)); len(refused) != len(want.Refused) || left != len(members)-want.Removed {
				rt.Fatalf("%d refused, want %d; %d members are left, want %d", len(refused), len(want.Refused), left, len(members)-want.Removed)
			}
		})
		must(t, rosters[0].SweepSpools(ctx, auth.System()))
		for table, rows := range storetest.Dump(t, dsn) {
			if (table == "removal_spool" || table == "removal_met") && len(rows) > 0 {
				t.Errorf("%d rows of %s are left", len(rows), table)
			}
		}
		_, err := rosters[0].VerifyAudit(ctx, auth.Operator())
		must(t, err)
	})
}

// jobAccount makes an account with so many members besides its owner.
func jobAccount(t *testing.T, r *roster.Roster, name string, n int) (id string, refs []directory.UserRef) {
	t.Helper()
	ctx := context.Background()
	id, err := r.CreateAccount(ctx, auth.Operator(), name, "owner@"+name+".example")
	must(t, err)
	rows := make([]roster.ImportRow, n)
	for i := range rows {
		rows[i].Email = fmt.Sprintf("user.%d@%s.example", i, name)
		refs = append(refs, directory.UserRef{Text: rows[i].Email})
	}
	_, err = r.ImportUsers(ctx, auth.Operator(), id, rows, roster.ImportOptions{})
	must(t, err)
	return id, refs
}

// Accounts take turns, chunk by chunk, whatever the number and the size of their
// jobs; of one account the oldest job comes first.
func TestAccountsTakeTurns(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		now := time.Now()
		r := openJobs(t, dsn, 1, store.Options{Clock: func() time.Time { now = now.Add(time.Millisecond); return now }})
		names := map[string]string{}
		queue := func(name, account string, refs []directory.UserRef) {
			record, err := queueRefs(context.Background(), r, callerOf(t, dsn, account), refs)
			must(t, err)
			names[record.PublicID] = name
		}
		one, refs := jobAccount(t, r, "one", 7)
		queue("a", one, refs[:4])
		queue("b", one, refs[4:])
		two, refs := jobAccount(t, r, "two", 3)
		queue("c", two, refs)
		var order string
		for range 10 {
			progress, err := r.WorkOff(context.Background(), auth.System())
			must(t, err)
			order += names[progress.Removal]
			if len(order) == 3 { // a third account comes, and waits for the turn of each
				three, refs := jobAccount(t, r, "three", 1)
				queue("d", three, refs)
			}
		}
		if want := "acacadcabb"; order != want {
			t.Errorf("the order was %s, want %s", order, want)
		}
	})
}

// Two servers work on the same jobs, while somebody cancels some of them at
// random moments: each user goes once, by one of them, and nobody of a job goes
// after it was cancelled.
func TestServersShareJobs(t *testing.T) {
	t.Parallel()
	const jobs, each = 6, 20
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		servers := []*roster.Roster{openJobs(t, dsn, 1, store.Options{})}
		if servers[0].Engine() == "postgres" {
			servers = append(servers, openJobs(t, dsn, 2, store.Options{}), openJobs(t, dsn, 3, store.Options{}))
		}
		r := servers[0]
		account, refs := jobAccount(t, r, "one", jobs*each/2)
		other, more := jobAccount(t, r, "two", jobs*each/2)
		var ids []string
		for i := range jobs / 2 {
			for name, all := range map[string][]directory.UserRef{account: refs, other: more} {
				record, err := queueRefs(ctx, r, callerOf(t, dsn, name), all[i*each:(i+1)*each])
				must(t, err)
				ids = append(ids, name+" "+record.PublicID)
			}
		}
		var running sync.WaitGroup
		for _, server := range servers {
			running.Go(func() {
				for range 3 * jobs * each {
					if _, err := server.WorkOff(ctx, auth.System()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		cancelled := map[string]int{} // how many were removed then
		for _, id := range ids[:jobs/2] {
			var account, removal string
			_, err := fmt.Sscan(id, &account, &removal)
			must(t, err)
			record, err := r.CancelRemoval(ctx, auth.Operator(), account, removal, "")
			switch {
			case errors.Is(err, directory.ErrState): // it was over
			case err != nil:
				t.Error(err)
			default:
				cancelled[removal] = record.Removed
			}
		}
		running.Wait()
		gone := 0
		for _, id := range ids {
			var account, removal string
			_, err := fmt.Sscan(id, &account, &removal)
			must(t, err)
			record, err := r.Removal(ctx, auth.Operator(), account, removal)
			must(t, err)
			gone += record.Removed
			want, isCancelled := cancelled[removal]
			if !isCancelled {
				want = each
			}
			if record.Removed != want || (record.State == directory.RemovalCancelled) != isCancelled || record.Failed() != 0 {
				t.Errorf("the job is %+v, want %d removed", record, want)
			}
		}
		left := len(keysOf(t, r, account)) + len(keysOf(t, r, other))
		if left != 2+jobs*each-gone {
			t.Errorf("%d are left of %d, and %d are gone", left, 2+jobs*each, gone)
		}
		_, err := r.VerifyAudit(ctx, auth.Operator())
		must(t, err)
	})
}

// What a job removed comes back by a restoration, and goes for good by a purge;
// while the job is not over neither is possible.
func TestJobIsRestoredAndPurged(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		now := time.Now()
		r := openJobs(t, dsn, 2, store.Options{Clock: func() time.Time { return now }})
		account, refs := jobAccount(t, r, "one", 5)
		refs = append(refs, directory.UserRef{Text: "no@one.example"}, directory.UserRef{Text: "owner@one.example"})
		job, err := queueRefs(ctx, r, callerOf(t, dsn, account), refs)
		must(t, err)
		_, err = r.WorkOff(ctx, auth.System())
		must(t, err)
		_, err = r.RestoreUsers(ctx, auth.Operator(), account, job.PublicID, nil, roster.RestoreOptions{})
		if !errors.Is(err, directory.ErrState) {
			t.Errorf("restoring a job that runs: %v", err)
		}
		if _, err = r.PurgeRemoval(ctx, auth.Operator(), account, job.PublicID); !errors.Is(err, directory.ErrState) {
			t.Errorf("purging a job that runs: %v", err)
		}
		now = now.Add(roster.DefaultRestoreWindow) // since it was asked for, not since it was over
		erased, err := r.PurgeExpired(ctx, auth.System())
		if must(t, err); erased != 0 {
			t.Errorf("%d were erased of a job that runs", erased)
		}
		workAll(t, r)
		now = now.Add(roster.DefaultRestoreWindow - time.Second)
		restored, err := r.RestoreUsers(ctx, callerOf(t, dsn, account), "", job.PublicID, refs[:2], roster.RestoreOptions{})
		if must(t, err); restored.Restored != 2 || len(restored.Refused) != 0 {
			t.Errorf("restored %+v", restored)
		}
		record, err := r.Removal(ctx, auth.Operator(), account, job.PublicID)
		must(t, err)
		if n := len(refusedOf(t, r, account, &record)); n != 2 || record.Left() != 3 {
			t.Errorf("%d are refused, %d left", n, record.Left())
		}
		erased, err = r.PurgeExpired(ctx, auth.System())
		if must(t, err); erased != 0 {
			t.Errorf("%d were erased before the end of the window", erased)
		}
		now = now.Add(2 * time.Second)
		erased, err = r.PurgeExpired(ctx, auth.System())
		if must(t, err); erased != 3 {
			t.Errorf("%d were erased at the end of the window", erased)
		}
		record, err = r.Removal(ctx, auth.Operator(), account, job.PublicID)
		must(t, err)
		if n := len(refusedOf(t, r, account, &record)); n != 0 || record.Purged.IsZero() || record.Failed() != 2 {
			t.Errorf("%d refused ids are left: %+v", n, record)
		}
		for _, table := range []string{"audit_details", "removal_refusals", "removal_spool"} {
			for _, row := range storetest.Dump(t, dsn)[table] {
				t.Errorf("%s keeps %s", table, row)
			}
		}
		_, err = r.VerifyAudit(ctx, auth.Operator())
		must(t, err)
	})
}

// Without a restore window a job erases at once, and its result stays for a day.
func TestJobWithoutWindow(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		now := time.Now()
		r, err := roster.Open(ctx, roster.Options{Database: dsn, EraseAtOnce: true, Store: store.Options{Clock: func() time.Time { return now }}})
		must(t, err)
		defer r.Close()
		account, refs := jobAccount(t, r, "one", 3)
		job, err := queueRefs(ctx, r, callerOf(t, dsn, account), append(refs, directory.UserRef{Text: "no@one.example"}))
		must(t, err)
		workAll(t, r)
		if rows := storetest.Dump(t, dsn)["members"]; len(rows) != 1 {
			t.Errorf("members are kept: %v", rows)
		}
		for _, step := range []struct {
			later time.Duration
			kept  int
		}{{0, 1}, {24*time.Hour - time.Second, 1}, {2 * time.Second, 0}} {
			now = now.Add(step.later)
			_, err = r.PurgeExpired(ctx, auth.System())
			must(t, err)
			record, err := r.Removal(ctx, auth.Operator(), account, job.PublicID)
			must(t, err)
			if n := len(refusedOf(t, r, account, &record)); n != step.kept {
				t.Errorf("%d refused ids are kept after %v more, want %d", n, step.later, step.kept)
			}
		}
		_, err = r.RestoreUsers(ctx, callerOf(t, dsn, account), "", job.PublicID, nil, roster.RestoreOptions{})
		if !errors.Is(err, directory.ErrGone) {
			t.Errorf("restoring: %v", err)
		}
	})
}

// A list that never ended is swept once nothing has come for a while, and one
// that is still coming is not.
func TestBrokenListIsSwept(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		now := time.Now()
		r := openJobs(t, dsn, 1, store.Options{Clock: func() time.Time { return now }})
		account, refs := jobAccount(t, r, "one", 90)
		spool, err := r.SpoolRemoval(callerOf(t, dsn, account))
		must(t, err)
		for _, ref := range refs {
			_, err := spool.Add(ctx, ref)
			must(t, err)
		}
		left := func() int { return len(storetest.Dump(t, dsn)["removal_spool"]) }
		now = now.Add(14 * time.Minute)
		must(t, r.SweepSpools(ctx, auth.System()))
		workAll(t, r)
		if left() == 0 {
			t.Fatal("a list that is coming was swept, or worked on")
		}
		now = now.Add(2 * time.Minute)
		must(t, r.SweepSpools(ctx, auth.System()))
		if n := left() + len(storetest.Dump(t, dsn)["removal_jobs"]); n != 0 {
			t.Errorf("%d rows are left", n)
		}
		if _, _, err := spool.Queue(ctx, "id", directory.RepeatKey{}); !errors.Is(err, directory.ErrUnavailable) {
			t.Errorf("a list that was swept is queued: %v", err)
		}
		if n := len(keysOf(t, r, account)); n != 91 {
			t.Errorf("%d members", n)
		}
	})
}

// A job that cannot go on is given up after a few attempts: what it has done
// stays, and others are not held up.
func TestJobFails(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		now := time.Now()
		r := openJobs(t, dsn, 1, store.Options{Clock: func() time.Time { return now }})
		account, refs := jobAccount(t, r, "one", 3)
		bad, err := queueRefs(ctx, r, callerOf(t, dsn, account), refs[:2])
		must(t, err)
		good, err := queueRefs(ctx, r, callerOf(t, dsn, account), refs[2:])
		must(t, err)
		_, err = r.WorkOff(ctx, auth.System())
		must(t, err)
		storetest.Exec(t, dsn, "UPDATE removal_spool SET ids = '[x' WHERE seq = 1")
		state := func(id string) directory.RemovalState {
			record, err := r.Removal(ctx, auth.Operator(), account, id)
			must(t, err)
			return record.State
		}
		for i := range 5 {
			if got := state(bad.PublicID); got != directory.RemovalRunning {
				t.Fatalf("%s after %d attempts", got, i)
			}
			progress, err := r.WorkOff(ctx, auth.System())
			if err == nil || progress.Worked {
				t.Fatalf("attempt %d: %+v, %v", i, progress, err)
			}
			if progress, err := r.WorkOff(ctx, auth.System()); err != nil || (progress.Worked && i < 4) {
				t.Fatalf("it is tried again at once: %+v, %v", progress, err)
			}
			now = now.Add(time.Second)
		}
		workAll(t, r)
		if bad, good := state(bad.PublicID), state(good.PublicID); bad != directory.RemovalFailed || good != directory.RemovalCompleted {
			t.Errorf("the jobs are %s and %s", bad, good)
		}
		record, err := r.Removal(ctx, auth.Operator(), account, bad.PublicID)
		must(t, err)
		restored, err := r.RestoreUsers(ctx, auth.Operator(), account, bad.PublicID, nil, roster.RestoreOptions{})
		must(t, err)
		if record.Removed != 1 || record.Finished.IsZero() || restored.Restored != 1 {
			t.Errorf("%+v, restored %+v", record, restored)
		}
		_, err = r.VerifyAudit(ctx, auth.Operator())
		must(t, err)
	})
}

// A whole removal that is too large for one transaction is restored by several,
// with the answer that one would have given; those who cannot come back are told.
func TestLargeRemovalIsRestored(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		r := openRestores(t, dsn, 1000)
		account, refs := jobAccount(t, r, "one", 2500)
		var emails []string
		for _, ref := range refs[:1800] {
			emails = append(emails, ref.Text)
		}
		group, err := r.CreateGroup(ctx, auth.Operator(), account, "Staff", emails)
		must(t, err)
		job, err := queueRefs(ctx, r, callerOf(t, dsn, account), refs)
		must(t, err)
		workAll(t, r)
		must(t, r.DeleteGroup(ctx, auth.Operator(), account, group))
		_, err = r.ImportUsers(ctx, auth.Operator(), account, []roster.ImportRow{{Email: refs[7].Text}, {Email: refs[2400].Text}}, roster.ImportOptions{})
		must(t, err)
		out, err := r.RestoreUsers(ctx, callerOf(t, dsn, account), "", job.PublicID, nil, roster.RestoreOptions{RequestID: "id"})
		must(t, err)
		if out.Restored != 2498 || len(out.Refused) != 2 || len(out.Lost) != 1 || out.Lost[0].Users != 1799 || r.Counts().UsersRestored != 2498 {
			t.Errorf("restored %d, refused %+v, lost %+v", out.Restored, out.Refused, out.Lost)
		}
		record, err := r.Removal(ctx, auth.Operator(), account, job.PublicID)
		must(t, err)
		if n := len(keysOf(t, r, account)); n != 2501 || record.Left() != 2 {
			t.Errorf("%d members, %d left of the removal", n, record.Left())
		}
		kept, err := r.Restoration(ctx, callerOf(t, dsn, account), "", &record, "id")
		must(t, err)
		if kept.Restored != 2498 || len(kept.Refused) != 2 || kept.RefusedByReason[directory.ReasonUserExists] != 2 || !slices.Equal(kept.Lost, out.Lost) {
			t.Errorf("what is kept of it: %+v", kept)
		}
		_, err = r.VerifyAudit(ctx, auth.Operator())
		must(t, err)
	})
}

// A whole restoration of several transactions that is repeated under its key
// restores nobody more, though somebody could come back by now.
func TestLargeRestorationIsRepeated(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		r := openRestores(t, dsn, 1000)
		account, refs := jobAccount(t, r, "one", 400)
		caller := callerOf(t, dsn, account)
		removal, err := r.RemoveUsers(ctx, caller, refs, roster.RemovalOptions{})
		must(t, err)
		again := make([]roster.ImportRow, 150)
		for i := range again {
			again[i] = roster.ImportRow{Line: i + 1, Email: refs[i].Text}
		}
		_, err = r.ImportUsers(ctx, auth.Operator(), account, again, roster.ImportOptions{})
		must(t, err)
		o := roster.RestoreOptions{Repeat: directory.NewRepeatKey("k", directory.NewRequestHash("r"))}
		first, err := r.RestoreUsers(ctx, caller, "", removal.PublicID, nil, o)
		must(t, err)
		if first.Restored != 250 || len(first.Refused) != 150 || first.Repeated {
			t.Fatalf("restored %d, refused %d", first.Restored, len(first.Refused))
		}
		_, err = r.RemoveUsers(ctx, caller, refs[:150], roster.RemovalOptions{})
		must(t, err)
		members := len(keysOf(t, r, account))
		second, err := r.RestoreUsers(ctx, caller, "", removal.PublicID, nil, o)
		must(t, err)
		if n := len(keysOf(t, r, account)); !second.Repeated || second.Restored != 250 || len(second.Refused) != 150 || n != members {
			t.Errorf("repeated %v: restored %d, refused %d, %d members instead of %d", second.Repeated, second.Restored, len(second.Refused), n, members)
		}
		o.Repeat = directory.NewRepeatKey("k", directory.NewRequestHash("other"))
		if _, err := r.RestoreUsers(ctx, caller, "", removal.PublicID, nil, o); !errors.Is(err, directory.ErrKeyReused) {
			t.Errorf("another request: %v", err)
		}
	})
}
