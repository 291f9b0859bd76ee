package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"roster/internal/directory"
)

// Backup copies a SQLite database into a new file: all that was committed when the
// copy began, and nothing else, not even free pages. Others go on writing
// meanwhile. When it returns the copy is on the disk.
func (s *Store) Backup(ctx context.Context, path string) error {
	if err := makePrivate(path); err != nil {
		return err
	}
	if _, err := s.write.ExecContext(ctx, "VACUUM INTO ?", path); err != nil {
		return fmt.Errorf("copy the database: %w", s.engine.mapError(err))
	}
	return syncFile(path)
}

// Integrity reads a whole SQLite database and checks that it is one. The error
// wraps ErrBroken when it is damaged. On PostgreSQL it does nothing.
func (s *Store) Integrity(ctx context.Context) error {
	if !s.engine.oneWriter() {
		return nil
	}
	var found []string
	err := s.each(ctx, func(rows *sql.Rows) error {
		var text string
		err := rows.Scan(&text)
		found = append(found, text)
		return err
	}, "PRAGMA integrity_check(3)")
	if err != nil {
		return fmt.Errorf("%w: the database cannot be read: %w", ErrBroken, err)
	}
	if len(found) != 1 || found[0] != "ok" {
		return fmt.Errorf("%w: the database is damaged: %s", ErrBroken, strings.Join(found, "; "))
	}
	return nil
}

// CopyFile copies a SQLite database that nobody has open to a new file, and
// waits for the disk.
func CopyFile(from, to string) error {
	if wal, err := os.Stat(from + "-wal"); err == nil && wal.Size() > 0 {
		return fmt.Errorf("%s is in use, or was when its machine stopped: there is a %s-wal beside it; back it up with 'roster db backup'", from, filepath.Base(from))
	}
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Sync(), dst.Close())
}

// Alone puts a SQLite database that nobody has open into one file, without a log
// beside it. The error wraps directory.ErrUnavailable while somebody has it open.
func Alone(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", sqliteDSN(path)+"&_pragma=busy_timeout(0)")
	if err != nil {
		return err
	}
	defer db.Close()
	// Only whoever is alone may leave the mode that has a log.
	var mode string
	err = db.QueryRowContext(ctx, "PRAGMA journal_mode = DELETE").Scan(&mode)
	if err != nil && !errors.Is(sqliteEngine.mapError(err), directory.ErrUnavailable) {
		return explainSQLite(err, path)
	}
	if err != nil || mode != "delete" {
		return directory.Errorf(directory.ErrUnavailable, "%s is in use: stop the server first", path)
	}
	return db.Close()
}

// Vacant checks that a SQLite database can be put at path, where there is none.
// The log of one that was moved away would be read into the new one; the error
// wraps directory.ErrInvalid when it is there.
func Vacant(path string) error {
	for _, ending := range []string{"-wal", "-journal"} {
		_, err := os.Lstat(path + ending)
		if err == nil {
			return directory.Errorf(directory.ErrInvalid, "%s is left of a database that is no longer there: move it to where that is", path+ending)
		}
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Replace puts the SQLite database at from in the place of the one at path, which
// stays at aside. There is one at path at any time. Nobody may have them open.
func Replace(ctx context.Context, from, path, aside string) error {
	if err := Alone(ctx, path); err != nil {
		return err
	}
	if err := os.Link(path, aside); err != nil {
		return fmt.Errorf("keep the database that was there: %w", err)
	}
	return Move(from, path)
}

// Move renames a file and waits for the disk.
func Move(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncFile(filepath.Dir(to))
}

// syncFile waits until a file, or the names in a directory, are on the disk.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
