package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"roster/internal/directory"
	"roster/internal/outfile"
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
	byNarrow:          " INDEXED BY member_profiles_narrow",
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

func (s *Store) openSQLite(ctx context.Context, path string, o Options) (err error) {
	if err := checkSQLiteFile(path, o.MustExist || o.ReadOnly); err != nil {
		return err
	}
	if o.ReadOnly {
		return s.openToRead(ctx, path)
	}
	unlock := func() error { return nil }
	if o.Serve {
		if unlock, err = LockServer(ctx, path); err != nil {
			return err
		}
	}
	if s.write, err = sql.Open("sqlite", sqliteDSN(path, "_txlock=immediate",
		"_pragma=journal_mode(WAL)", "_pragma=cache_size(-65536)")); err != nil {
		return errors.Join(err, unlock())
	}
	s.write.SetMaxOpenConns(2) // one for the writer, one for migrations
	// Not on s.write, which would put another program's file into WAL mode.
	guard, err := s.openReaders(ctx, path)
	if err != nil {
		return errors.Join(err, s.write.Close(), unlock())
	}
	writer := newSQLiteWriter(s.write, guard)
	s.begin = writer.begin
	s.close = func() error { return errors.Join(s.read.Close(), writer.close(), unlock()) }
	err = enterWAL(ctx, s.write, path)
	if err == nil {
		err = s.unmarkBackup(ctx)
	}
	if err != nil {
		s.close() //nolint:errcheck // the first error counts
	}
	return err
}

// openToRead opens a database for a command that only reads. SQLite makes a log and
// its index beside a database that it reads. Where it cannot, or could not delete
// them afterwards, a database without a log is read as a file that does not change.
func (s *Store) openToRead(ctx context.Context, path string) error {
	s.begin = func(context.Context) (session, error) {
		return nil, directory.Errorf(directory.ErrUnavailable, "the database was opened to be read only")
	}
	s.close = func() error { return s.read.Close() }
	log, noLog := os.Stat(outfile.Resolve(path) + "-wal")
	if noLog == nil || isWritable(path) {
		_, err := s.openReaders(ctx, path)
		if !cannotWrite(err) {
			return err
		}
		if noLog == nil && log.Size() > 0 {
			return fmt.Errorf("%w (or copy it to a place that can be written, together with its -wal, in which the last changes are)", err)
		}
	}
	guard, err := s.openReaders(ctx, path, "mode=ro", "immutable=1")
	s.close = func() error { return errors.Join(s.read.Close(), guard.checkUnchanged()) }
	return err
}

// openReaders opens the connections that read, with settings of their own, and
// checks that the file is a database of ours.
func (s *Store) openReaders(ctx context.Context, path string, settings ...string) (guard *fileGuard, err error) {
	if guard, err = newFileGuard(path); err != nil {
		return nil, err
	}
	s.dsn = func(more ...string) string { return sqliteDSN(path, slices.Concat(settings, more)...) }
	if s.read, err = sql.Open("sqlite", s.dsn("_pragma=query_only(1)")); err != nil {
		return nil, err
	}
	s.read.SetMaxOpenConns(max(4, runtime.NumCPU()))
	s.read.SetMaxIdleConns(max(4, runtime.NumCPU()))
	s.guard, s.admit = guard, s.admitSQLite
	s.reader = reader{q: guarded{&prepared{on: s.read}, guard}, engine: sqliteEngine}
	if err = checkOurs(ctx, s.read, path); err == nil {
		err = guard.check() // it is the file that was opened
	}
	if err != nil {
		s.read.Close()
	}
	return guard, err
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

// noWait is a setting of a connection that waits for no lock.
const noWait = "_pragma=busy_timeout(0)"

// sqliteDSN names the file with the settings that every connection needs. FULL
// makes a commit survive a power cut; the default of WAL mode would not.
func sqliteDSN(path string, settings ...string) string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}
	settings = append(slices.Clip(settings), "_pragma=synchronous(FULL)", "_pragma=foreign_keys(1)")
	if !slices.Contains(settings, noWait) { // of two the driver takes any
		settings = append(settings, fmt.Sprintf("_pragma=busy_timeout(%d)", busyTimeout))
	}
	return u.String() + "?" + strings.Join(settings, "&")
}
