package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"roster/internal/directory"
)

// applicationID marks a SQLite file as ours ("rost"), so that no other
// program's database is migrated by mistake.
const applicationID = 0x726f7374

// busyTimeout is how long, in milliseconds, a writer waits for a writer of
// another process, which may be an import of a hundred thousand people.
const busyTimeout = 60_000

var sqliteEngine = &engine{
	name:              "sqlite",
	byRemoval:         " INDEXED BY members_removed",
	byPerson:          " INDEXED BY audit_records_person",
	idInRemoval:       "id",
	snapshot:          sql.LevelDefault, // a read transaction in WAL mode is a snapshot
	types:             schemaTypes{Int: "INTEGER", Blob: "BLOB", Key: "TEXT", Table: "STRICT, WITHOUT ROWID"},
	emailKeyOfProfile: `substr(f.sort_name, instr(f.sort_name, char(10)) + 1)`,
	hasWord:           ` AND instr(f.search_text, $%d) > 0`,
	kind:              sqliteKind,
}

func sqliteKind(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return nil
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return directory.ErrExists
	}
	switch e.Code() & 0xff { // the primary code
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR,
		sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_INTERRUPT:
		return directory.ErrUnavailable
	}
	return nil
}

func (s *Store) openSQLite(ctx context.Context, path string, mustExist bool) error {
	if err := checkSQLiteFile(path, mustExist); err != nil {
		return err
	}
	var err error
	if s.write, err = sql.Open("sqlite", sqliteDSN(path, "_txlock=immediate",
		"_pragma=journal_mode(WAL)", "_pragma=cache_size(-65536)")); err != nil {
		return err
	}
	s.write.SetMaxOpenConns(2) // one for the writer, one for migrations
	if s.read, err = sql.Open("sqlite", sqliteDSN(path, "_pragma=query_only(1)")); err != nil {
		return err
	}
	s.read.SetMaxOpenConns(max(4, runtime.NumCPU()))
	s.read.SetMaxIdleConns(max(4, runtime.NumCPU()))
	writer := newSQLiteWriter(s.write)
	s.begin = writer.begin
	s.admit = s.admitSQLite
	s.reader = reader{q: &prepared{on: s.read}, engine: sqliteEngine}
	s.close = func() error { return errors.Join(s.read.Close(), writer.close()) }

	// Not on s.write, which would put another program's file into WAL mode.
	err = checkOurs(ctx, s.read, path)
	if err == nil {
		err = enterWAL(ctx, s.write, path)
	}
	if err == nil {
		err = s.unmarkBackup(ctx)
	}
	if err != nil {
		s.close() //nolint:errcheck // the first error counts
	}
	return err
}

// enterWAL makes the first connection that writes, which puts a new file into
// WAL mode for good. SQLite does not wait while others look at the file, so
// this does.
func enterWAL(ctx context.Context, db *sql.DB, path string) error {
	for deadline := time.Now().Add(busyTimeout * time.Millisecond); ; {
		conn, err := db.Conn(ctx)
		if err == nil {
			return conn.Close()
		}
		if !errors.Is(sqliteEngine.mapError(err), directory.ErrUnavailable) || time.Now().After(deadline) {
			return explainSQLite(err, path)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// sqliteDSN names the file with the settings that every connection needs. FULL
// makes a commit survive a power cut; the default of WAL mode would not.
func sqliteDSN(path string, settings ...string) string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}
	settings = append(settings, fmt.Sprintf("_pragma=busy_timeout(%d)", busyTimeout), "_pragma=synchronous(FULL)", "_pragma=foreign_keys(1)")
	return u.String() + "?" + strings.Join(settings, "&")
}

// checkSQLiteFile refuses early, with words, what SQLite would refuse with a code.
func checkSQLiteFile(path string, mustExist bool) error {
	if path == "" || path == ":memory:" {
		return directory.Errorf(directory.ErrInvalid, "database %q: give the path of a file or a postgres:// URL", path)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist) && mustExist:
		return fmt.Errorf("database file %s does not exist: check --database, or make one with 'roster account create'", path)
	case errors.Is(err, os.ErrNotExist):
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			return fmt.Errorf("cannot make the database file %s: its directory does not exist", path)
		}
		return makePrivate(path)
	case err != nil:
		return fmt.Errorf("cannot open the database file: %w", err)
	case info.IsDir():
		return fmt.Errorf("database %s is a directory: give the path of a file", path)
	}
	return nil
}

// makePrivate makes an empty file that only its owner can read; SQLite gives
// the files beside it the same mode.
func makePrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("cannot make the database file: %w", err)
	}
	return f.Close()
}

// checkOurs makes sure that the file is a database of ours or a new one. The
// first migration marks it as ours, in one transaction with its tables; before
// that there is the table of migrations, made by another process just now or
// by one that was killed.
func checkOurs(ctx context.Context, db *sql.DB, path string) error {
	var id, tables int
	const foreign = "SELECT COUNT(*) FROM sqlite_schema WHERE tbl_name NOT IN ('" + versionTable + "', 'sqlite_sequence')"
	if err := db.QueryRowContext(ctx, foreign).Scan(&tables); err != nil {
		return explainSQLite(err, path)
	}
	if tables == 0 {
		return nil
	}
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return explainSQLite(err, path)
	}
	if id != applicationID {
		return fmt.Errorf("%s is the database of another program: check --database", path)
	}
	return nil
}

func explainSQLite(err error, path string) error {
	why := ""
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_NOTADB:
			return fmt.Errorf("%s is not a database file: check --database", path)
		case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY:
			why = ": the server's user must be able to write to the file and to its directory"
		}
	}
	return fmt.Errorf("cannot open the database file %s%s: %w", path, why, sqliteEngine.mapError(err))
}
