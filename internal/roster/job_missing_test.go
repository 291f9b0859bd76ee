package roster_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/store"
	"roster/internal/storetest"
)

// loseChain deletes the row that each transaction of an account needs, and which no
// transaction deletes.
func loseChain(t *testing.T, dsn, account string) {
	t.Helper()
	storetest.Exec(t, dsn, "DELETE FROM audit_heads WHERE account_id = (SELECT id FROM accounts WHERE public_id = $1)", account)
}

// A chunk that does not find what it needs is a failure, and is told: it does not
// pass for one that another server works on.
func TestChunkThatMissesARowFails(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		r := openJobs(t, dsn, 10, store.Options{})
		id, refs := jobAccount(t, r, "one", 1)
		job, err := queueRefs(t.Context(), r, callerOf(t, dsn, id), refs)
		must(t, err)
		loseChain(t, dsn, id)
		progress, err := r.WorkOff(t.Context(), auth.System())
		if err == nil || errors.Is(err, directory.ErrNotFound) || !strings.Contains(err.Error(), job.PublicID) || progress.Worked {
			t.Errorf("%+v, %v; want that the job's chunk failed", progress, err)
		}
	})
}

// The purge neither takes a missing row for the work of another server nor tries it
// again and again.
func TestPurgeThatMissesARowFails(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		r, err := roster.Open(t.Context(), roster.Options{Database: dsn, RestoreWindow: time.Nanosecond})
		must(t, err)
		t.Cleanup(func() { must(t, r.Close()) })
		id, refs := jobAccount(t, r, "one", 1)
		_, err = r.RemoveUsers(t.Context(), callerOf(t, dsn, id), refs, roster.RemovalOptions{})
		must(t, err)
		loseChain(t, dsn, id)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = r.PurgeExpired(ctx, auth.System())
		if err == nil || errors.Is(err, directory.ErrNotFound) || !strings.Contains(err.Error(), "has no head") {
			t.Errorf("%v; want that the purge failed", err)
		}
	})
}
