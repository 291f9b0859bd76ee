package roster_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// Behind PgBouncer in transaction mode, where each transaction may run on another
// connection to the server, calls at once work, and so does the purge.
func TestPgBouncerAgainstCallsAtOnce(t *testing.T) {
	t.Parallel()
	dsn := storetest.New(t, "postgres")
	ctx := context.Background()
	through := storetest.ThroughPgBouncer(t, dsn, 3)
	o := roster.Options{Database: through, RestoreWindow: time.Hour}
	o.Store.Clock = func() time.Time { return time.Now().Add(-2 * time.Hour) }
	r, err := roster.Open(ctx, o)
	must(t, err)
	t.Cleanup(func() { must(t, r.Close()) })
	account, err := r.CreateAccount(ctx, auth.Operator(), "X", "owner@example.com")
	must(t, err)
	caller := callerOf(t, dsn, account)
	const callers, each = 12, 15
	rows := make([]roster.ImportRow, callers*each)
	for i := range rows {
		rows[i].Email = fmt.Sprintf("u%d@example.com", i)
	}
	_, err = r.ImportUsers(ctx, auth.Operator(), account, rows, roster.ImportOptions{})
	must(t, err)
	var work sync.WaitGroup
	for n := range callers {
		work.Go(func() {
			for i := range each {
				refs := []directory.UserRef{{Text: rows[n*each+i].Email}}
				out, err := r.RemoveUsers(ctx, caller, refs, roster.RemovalOptions{})
				if err != nil || out.Removed != 1 {
					t.Errorf("remove: %d, %v", out.Removed, err)
				}
				if i%3 > 0 {
					continue
				}
				back, err := r.RestoreUsers(ctx, caller, "", out.PublicID, nil, roster.RestoreOptions{})
				if err != nil || back.Restored != 1 {
					t.Errorf("restore: %d, %v", back.Restored, err)
				}
			}
		})
	}
	work.Wait()

	o.Store.Clock = nil
	purging, err := roster.Open(ctx, o)
	must(t, err)
	t.Cleanup(func() { must(t, purging.Close()) })
	erased, err := purging.PurgeExpired(ctx, auth.System())
	must(t, err)
	if want := callers * each * 2 / 3; erased != want {
		t.Errorf("%d users erased, want %d", erased, want)
	}
}

// A migration holds locks over several transactions, which a pooler would give to
// others: it is refused, and the message says what to do.
func TestMigrationThroughPgBouncerIsRefused(t *testing.T) {
	t.Parallel()
	through := storetest.ThroughPgBouncer(t, storetest.Empty(t, "postgres"), 2)
	r, err := roster.Open(context.Background(), roster.Options{Database: through, Migration: roster.MigrateAll})
	if err == nil {
		r.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "roster migrate --database") {
		t.Errorf("opened with %v", err)
	}
}
