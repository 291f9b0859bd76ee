package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"roster/internal/directory"
	"roster/internal/excerpt"
	"roster/internal/outfile"
)

// checkSQLiteFile refuses early, with words, what SQLite would refuse with a code,
// and makes the file where it may be missing.
func checkSQLiteFile(path string, mustExist bool) error {
	info, err := os.Stat(path)
	switch {
	case path == "" || path == ":memory:":
		return directory.Errorf(directory.ErrInvalid, "database %q: give the path of a file or a postgres:// URL", excerpt.Of(path))
	case errors.Is(err, fs.ErrNotExist) && mustExist:
		return fmt.Errorf("database file %s does not exist: check --database, or make one with 'roster account create'", path)
	case errors.Is(err, fs.ErrNotExist):
		// Another process may make the file just now, and the files beside it.
		if err := CheckNew(path); err != nil && IsNewFile(path) {
			return err
		}
		return makePrivate(path)
	case err != nil:
		return fmt.Errorf("cannot open the database file: %w", err)
	case info.IsDir():
		return fmt.Errorf("database %s is a directory: give the path of a file", path)
	}
	return nil
}

// IsNewFile reports whether a DSN names a SQLite file that does not exist.
func IsNewFile(dsn string) bool {
	if dsn == "" || dsn == ":memory:" || strings.Contains(dsn, "://") {
		return false
	}
	_, err := os.Stat(dsn)
	return errors.Is(err, fs.ErrNotExist)
}

// CheckNew checks that a SQLite database can be made at path, where there is no file.
func CheckNew(path string) error {
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("cannot make the database file %s: its directory does not exist", path)
	}
	if err := outfile.Check(path); err != nil {
		return err
	}
	return Vacant(outfile.Resolve(path))
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

// isWritable reports whether this process may write to a file. The file must not be
// open as a database: to close it drops the locks of SQLite.
func isWritable(path string) bool {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		file.Close()
	}
	return err == nil
}

// LockServer takes the lock that a server holds on its SQLite database, and that
// no two processes can have. The lock is one of SQLite's own, on an empty file
// beside the database: it works wherever SQLite does, and ends with the process.
// The error wraps directory.ErrUnavailable when another server has it.
func LockServer(ctx context.Context, path string) (unlock func() error, err error) {
	lock := outfile.Resolve(path) + ".lock"
	if err := makePrivate(lock); err != nil {
		return nil, err
	}
	// The journal in memory leaves no file behind.
	db, err := sql.Open("sqlite", sqliteDSN(lock, "_txlock=exclusive", noWait, "_pragma=journal_mode(MEMORY)"))
	if err != nil {
		return nil, err
	}
	tx, err := db.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		db.Close()
		if isBusy(err) {
			return nil, directory.Errorf(directory.ErrUnavailable,
				"another server uses the database %s: stop it first, or use PostgreSQL, which serves several", path)
		}
		return nil, fmt.Errorf("lock the database: %w", sqliteEngine.mapError(err))
	}
	return func() error { return errors.Join(tx.Rollback(), db.Close()) }, nil
}

// fileGuard notices when the file of a database is deleted or replaced while it is
// open: SQLite goes on with the file that it has, which has lost its name and ends
// with the process.
type fileGuard struct {
	path string
	file os.FileInfo
}

func newFileGuard(path string) (*fileGuard, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the database file: %w", err)
	}
	return &fileGuard{path, info}, nil
}

// log is the path of the database's log, which SQLite puts beside the file itself.
func (g *fileGuard) log() string { return outfile.Resolve(g.path) + "-wal" }

// check returns an error that wraps directory.ErrUnavailable unless the path still
// names the file. A nil guard finds nothing.
func (g *fileGuard) check() error {
	if g == nil {
		return nil
	}
	if now, err := os.Stat(g.path); err != nil || !os.SameFile(now, g.file) {
		return directory.Errorf(directory.ErrUnavailable, "the database file %s was deleted or replaced while it was in use: put it back, or restart", g.path)
	}
	return nil
}

// checkUnchanged returns an error if the file was written to since it was opened.
func (g *fileGuard) checkUnchanged() error {
	if err := g.check(); err != nil {
		return err
	}
	now, err := os.Stat(g.path)
	if err == nil && (now.Size() != g.file.Size() || !now.ModTime().Equal(g.file.ModTime())) {
		err = directory.Errorf(directory.ErrUnavailable, "the database %s was changed while it was read: run this again", g.path)
	}
	return err
}

// guarded checks before each query that the database is still there.
type guarded struct {
	querier
	guard *fileGuard
}

// QueryContext implements querier.
func (g guarded) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := g.guard.check(); err != nil {
		return nil, err
	}
	return g.querier.QueryContext(ctx, query, args...)
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

// isBusy reports whether another connection holds a lock.
func isBusy(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == sqlite3.SQLITE_BUSY
}

// cannotWrite reports whether SQLite could not use a database because its file or
// its directory cannot be written.
func cannotWrite(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return false
	}
	code := e.Code() & 0xff
	return code == sqlite3.SQLITE_CANTOPEN || code == sqlite3.SQLITE_READONLY
}

func explainSQLite(err error, path string) error {
	why := ""
	if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Code()&0xff == sqlite3.SQLITE_NOTADB {
		return fmt.Errorf("%s is not a database file: check --database", path)
	}
	if cannotWrite(err) {
		why = ": the server's user must be able to write to the file and to its directory"
	}
	return fmt.Errorf("cannot open the database file %s%s: %w", path, why, sqliteEngine.mapError(err))
}
