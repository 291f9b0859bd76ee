package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"roster/internal/directory"
	"roster/internal/outfile"
)

// backupMark is the user_version of a file that MarkBackup has marked ("bakp").
const backupMark = 0x62616b70

// Backup copies a SQLite database into a new file: all that was committed when the
// copy began, and nothing else, not even free pages. Others go on writing
// meanwhile. When it returns the copy is on the disk.
func (s *Store) Backup(ctx context.Context, path string) error {
	if err := makePrivate(path); err != nil {
		return err
	}
	if err := s.guard.check(); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", s.dsn()) // which may read what cannot be written
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", path)
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("copy the database: %w", s.engine.mapError(err))
	}
	return syncFile(path)
}

// MarkBackup marks a SQLite database that no process has open as a backup, which
// may be replaced. A process that opens it to write takes the mark away.
func MarkBackup(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", sqliteDSN(path))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", backupMark))
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("mark the backup: %w", sqliteEngine.mapError(err))
	}
	return syncFile(path)
}

// unmarkBackup takes the mark of a backup away, now that it is a database.
func (s *Store) unmarkBackup(ctx context.Context) error {
	var mark int
	err := s.row(ctx, "PRAGMA user_version").Scan(&mark)
	if err == nil && mark == backupMark {
		_, err = s.write.ExecContext(ctx, "PRAGMA user_version = 0")
	}
	return wrapf(s.engine.mapError(err), "open the backup as a database")
}

// CheckReplaceable checks that the file at path is a backup that no process has
// open. It changes nothing. The error wraps directory.ErrInvalid when the file is
// anything else, and directory.ErrUnavailable when it is in use.
func CheckReplaceable(ctx context.Context, path string) error {
	if !isBackup(path) {
		return directory.Errorf(directory.ErrInvalid, "%s is not a backup made by 'roster db backup': choose another name", path)
	}
	db, err := sql.Open("sqlite", sqliteDSN(path, "mode=rw", noWait, "_pragma=locking_mode(EXCLUSIVE)"))
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	// In this mode the first lock that is taken excludes idle connections, too.
	for _, query := range []string{"BEGIN EXCLUSIVE", "ROLLBACK"} {
		if _, err := db.ExecContext(ctx, query); err != nil {
			return directory.Errorf(directory.ErrUnavailable, "%s is in use, or cannot be written: choose another name (%v)", path, err)
		}
	}
	return db.Close()
}

// isBackup reads the mark from the header of a SQLite file; see
// https://www.sqlite.org/fileformat.html.
func isBackup(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	header := make([]byte, 100)
	if _, err := io.ReadFull(file, header); err != nil || string(header[:16]) != "SQLite format 3\x00" {
		return false
	}
	return binary.BigEndian.Uint32(header[60:]) == backupMark && binary.BigEndian.Uint32(header[68:]) == applicationID
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
	db, err := sql.Open("sqlite", sqliteDSN(path, noWait))
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

// Vacant checks that a SQLite database can be put at path. The log of another one,
// which was moved away or is in use, would be read into the new one; the error
// wraps directory.ErrInvalid when it is there.
func Vacant(path string) error {
	for _, ending := range []string{"-wal", "-journal", "-shm"} {
		_, err := os.Lstat(path + ending)
		if err == nil {
			return directory.Errorf(directory.ErrInvalid, "%s belongs to another database, which is in use or was moved away: move it to where that is", path+ending)
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
	return outfile.Rename(from, path)
}

// syncFile waits until a file is on the disk.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
