package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"roster/internal/directory"
)

const (
	// writableFor is how long a commit, or a check, shows that the database can be
	// written.
	writableFor = 5 * time.Second
	// checkTimeout is how long a check may take before the database counts as one that
	// cannot be written: a disk that fails may not answer at all.
	checkTimeout = 5 * time.Second
)

// errBusy says that a check found another process writing.
var errBusy = errors.New("another process writes to the database")

// writability is what is known about whether the database can be written.
type writability struct {
	mu      sync.Mutex
	written time.Time // when a transaction was last committed, or the database opened
	checked time.Time // when the last check ended
	began   time.Time // when the check began that is running; zero for none
	err     error     // what the last check found
}

// note remembers that the database could be written at now.
func (w *writability) note(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.written = now
}

// begin reports whether a check is due, and else what is known.
func (w *writability) begin(now time.Time) (due bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !w.began.IsZero() && now.Sub(w.began) > checkTimeout:
		return false, directory.Errorf(directory.ErrUnavailable, "the database has not answered a write since %s", w.began.UTC().Format(time.RFC3339))
	case now.Sub(w.written) < writableFor:
		return false, nil
	case !w.began.IsZero() || now.Sub(w.checked) < writableFor:
		return false, w.err
	}
	w.began = now
	return true, nil
}

// end notes what a check found. As long as a writer may wait for another process,
// one that writes is no reason to call the database read only.
func (w *writability) end(now time.Time, err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.began, w.checked = time.Time{}, now
	switch {
	case err == nil:
		w.written = now
	case errors.Is(err, errBusy) && now.Sub(w.written) < busyTimeout*time.Millisecond:
		err = nil
	case errors.Is(err, errBusy):
		err = directory.Errorf(directory.ErrUnavailable, "another process has been writing to the database since %s", w.written.UTC().Format(time.RFC3339))
	}
	w.err = err
	return err
}

// Ready returns nil while this program can read and write the database. A server on
// PostgreSQL asks on a connection of its own, so that it gets an answer while all
// others are in use. The error wraps directory.ErrUnavailable, unless the schema is
// not the one that this version needs.
func (s *Store) Ready(ctx context.Context) error {
	if s.monitor != nil {
		return s.monitor.check(ctx)
	}
	var lowest int64
	version, err := s.currentVersion(ctx)
	if err == nil {
		err = s.row(ctx, lowestWriter).Scan(&lowest)
	}
	if err == nil {
		err = checkVersions(version, lowest)
	}
	if err != nil {
		return err
	}
	return s.checkWritable(ctx)
}

// errReadOnlyServer says that a PostgreSQL server takes no writes.
var errReadOnlyServer = directory.Errorf(directory.ErrUnavailable, "the database cannot be written: the server is a standby, or read only")

// checkWritable reports whether the database can be written: on SQLite by writing
// to it, on PostgreSQL by asking whether the server takes writes. While others
// commit it does nothing, and it looks every few seconds at most, however often it
// is called. The error wraps directory.ErrUnavailable.
func (s *Store) checkWritable(ctx context.Context) error {
	due, err := s.writable.begin(s.clock())
	if !due {
		return err
	}
	return s.writable.end(s.clock(), wrapf(s.engine.mapError(s.tryWrite(ctx)), "the database cannot be written"))
}

// tryWrite is the check of checkWritable.
func (s *Store) tryWrite(ctx context.Context) error {
	if s.engine.oneWriter() {
		return s.tryWriteSQLite(ctx)
	}
	var readOnly string // on a standby, too
	err := s.row(ctx, "SELECT current_setting('transaction_read_only')").Scan(&readOnly)
	if err == nil && readOnly != "off" {
		err = errReadOnlyServer
	}
	return err
}

// tryWriteSQLite skips a key, on a connection of its own that waits for no lock. It
// must change something: SQLite does not write a row that stays as it is.
func (s *Store) tryWriteSQLite(ctx context.Context) error {
	if err := s.guard.check(); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", s.dsn("_txlock=immediate", noWait))
	if err != nil {
		return err
	}
	defer db.Close()
	tx, err := db.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		if isBusy(err) {
			return errBusy
		}
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	if _, err := tx.ExecContext(ctx, "UPDATE id_blocks SET next_id = next_id + 1 WHERE only_row = 1"); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	return s.guard.check()
}
