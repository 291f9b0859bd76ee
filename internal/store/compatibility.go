package store

import (
	"context"
	"database/sql"
	"errors"
	"path"
	"strconv"
	"strings"
	"sync"

	"roster/internal/directory"
)

// A server of an earlier version may run beside one that has migrated the database.
// The database names the lowest schema version that a program must know to write to
// it. Each transaction that writes compares this with its own version, under a lock
// that a migration takes exclusively: no transaction of an earlier version is running
// when a migration changes the schema, and none begins afterwards.

const (
	// writersLock is the key of the advisory lock on PostgreSQL. SQLite has one writer.
	writersLock  int64 = 0x726f737465720001
	lowestWriter       = `SELECT lowest_writer FROM schema_compatibility WHERE only_row = 1`
	raiseLowest        = `UPDATE schema_compatibility SET lowest_writer = $1 WHERE only_row = 1`

	// compatibilityVersion is the migration that creates the table.
	compatibilityVersion = 15
	// compatible marks a migration that leaves a schema to which programs of earlier
	// versions may write.
	compatible = "-- Programs of earlier versions may still write."
)

// errEarlierVersion ends a transaction of a program that is too old for the database.
var errEarlierVersion = directory.Errorf(directory.ErrUnavailable,
	"a later version of roster has migrated the database, and this version must not write to it: upgrade this program")

// checkWriter returns an error if this program is of an earlier version than the
// lowest that may write.
func checkWriter(lowest int64) error {
	if lowest > schemaVersion() {
		return errEarlierVersion
	}
	return nil
}

// checkVersions returns an error if this program cannot work with a schema of the given
// version and lowest writer.
func checkVersions(version, lowest int64) error {
	if version < schemaVersion() {
		return errors.New("the schema of the database is older than this version needs: run 'roster migrate'")
	}
	return checkWriter(lowest)
}

// lockWriters waits for the transactions that write and keeps others from beginning
// until tx ends.
func (e *engine) lockWriters(ctx context.Context, tx *sql.Tx) error {
	if e.oneWriter() {
		return nil
	}
	_, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", writersLock)
	return err
}

// raiseLowestWriter makes the version of a migration the lowest that may write,
// unless the migration is marked as compatible.
func raiseLowestWriter(ctx context.Context, tx *sql.Tx, version int64, migration string) error {
	if version <= compatibilityVersion || strings.Contains(migration, compatible) {
		return nil
	}
	_, err := tx.ExecContext(ctx, raiseLowest, version)
	return err
}

// schemaVersion is the version of the schema that this program creates.
var schemaVersion = sync.OnceValue(func() int64 {
	files, err := schemaFiles.ReadDir("schema")
	if err != nil {
		panic(err)
	}
	version, err := versionOf(files[len(files)-1].Name()) // they are sorted
	if err != nil {
		panic(err)
	}
	return version
})

// versionOf is the version of a migration, which its file name starts with.
func versionOf(name string) (int64, error) {
	digits, _, _ := strings.Cut(path.Base(name), "_")
	return strconv.ParseInt(digits, 10, 64)
}
