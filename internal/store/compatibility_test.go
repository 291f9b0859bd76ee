package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"roster/internal/directory"
	"roster/internal/store"
	"roster/internal/storetest"
)

// earlier makes the program one of an earlier version than those that may write.
const earlier = "UPDATE schema_compatibility SET lowest_writer = lowest_writer + 1000"

// touch writes an audit record.
func (f *fixture) touch() error {
	return f.tryWrite(0, func(_ context.Context, tx *store.Tx) error {
		tx.Record(directory.AuditRun{Kind: directory.AuditAccountModified, Object: int64(f.account)})
		return nil
	})
}

// wantRefused checks that a program of an earlier version was refused.
func (f *fixture) wantRefused(err error, before storetest.Content) {
	f.Helper()
	if !errors.Is(err, directory.ErrUnavailable) {
		f.Errorf("a program of an earlier version wrote: %v", err)
	}
	if diff := before.Diff(storetest.Dump(f, f.dsn)); diff != "" {
		f.Errorf("a program of an earlier version changed the database: %s", diff)
	}
}

// Once a later version has migrated the database in a way that this one does not know,
// this one writes nothing more and is not ready. It still reads.
func TestEarlierVersionDoesNotWrite(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		f := newFixture(t, dsn)
		must(t, f.touch())
		storetest.Exec(t, dsn, earlier)
		before := storetest.Dump(t, dsn)
		f.wantRefused(f.touch(), before)
		if err := f.store.Ready(context.Background()); !errors.Is(err, directory.ErrUnavailable) {
			t.Errorf("ready: %v", err)
		}
		if _, err := f.store.Account(context.Background(), "x"); err != nil {
			t.Error(err)
		}
	})
}

// A later schema to which this version may still write does not stop it.
func TestCompatibleMigrationStopsNobody(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		f := newFixture(t, dsn)
		storetest.Exec(t, dsn, "UPDATE roster_migrations SET version_id = version_id + 1000 WHERE version_id > 0")
		must(t, f.touch())
		must(t, f.store.Ready(context.Background()))
	})
}

// On PostgreSQL a migration waits for the transactions that write, and one that begins
// while it runs sees what it has decided.
func TestMigrationAgainstWrites(t *testing.T) {
	t.Parallel()
	dsn := storetest.New(t, "postgres")
	f := newFixture(t, dsn)
	db := storetest.SQL(t, dsn)
	free := func() (free bool) {
		must(t, db.QueryRow("SELECT pg_try_advisory_xact_lock($1)", store.WritersLock).Scan(&free))
		return free
	}
	must(t, f.tryWrite(0, func(ctx context.Context, tx *store.Tx) error {
		if _, err := tx.ExecContext(ctx, "SELECT 1"); err != nil {
			return err
		}
		if free() {
			t.Error("a migration does not wait for a transaction that writes")
		}
		tx.Record(directory.AuditRun{Kind: directory.AuditAccountModified, Object: int64(f.account)})
		return nil
	}))
	if !free() {
		t.Error("a migration waits although nobody writes")
	}

	migration, err := db.Begin()
	must(t, err)
	_, err = migration.Exec("SELECT pg_advisory_xact_lock($1)", store.WritersLock)
	must(t, err)
	before := storetest.Dump(t, dsn)
	done := make(chan error)
	go func() { done <- f.touch() }()
	for waits := false; !waits; time.Sleep(time.Millisecond) {
		must(t, db.QueryRow("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))").Scan(&waits))
	}
	_, err = migration.Exec(earlier)
	must(t, err)
	must(t, migration.Commit())
	err = <-done
	storetest.Exec(t, dsn, "UPDATE schema_compatibility SET lowest_writer = lowest_writer - 1000")
	f.wantRefused(err, before)
}
