package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"

	"roster/internal/directory"
)

// engine holds what differs between the two databases. The SQL texts are
// shared but for the words in it.
type engine struct {
	name     string
	snapshot sql.IsolationLevel // of a read that sees one state throughout
	// lock ends a query of members that are about to leave, hold one of members
	// to whom something is attached. A leaving one waits for the others and
	// the reverse; SQLite has a single writer and needs neither.
	lock string
	hold string
	// lockRows ends any other query of rows that the transaction will change,
	// holdRows one of rows that must stay as they are until it ends.
	lockRows string
	holdRows string
	// lockJob ends a query of a job (b) that is to be changed, skipLocked one that
	// leaves out a job that somebody else has locked.
	lockJob    string
	skipLocked string
	// emailKeyOfProfile is the key of the address in a profile f, which is behind
	// the name in its sort_name.
	emailKeyOfProfile string
	// hasWord is the condition that a profile f has a word of a search.
	hasWord string
	// byRemoval follows the members in a query of those of a removal: without
	// statistics SQLite would walk the account.
	byRemoval string
	// byPerson follows the audit records in a query of those of a person, for the same
	// reason.
	byPerson string
	// byNarrow follows the profiles in a query that reads no more of them than their narrow
	// index has: SQLite takes the primary key otherwise, which is the whole row.
	byNarrow string
	// idInRemoval is what they are sorted by: without the "+ 0" PostgreSQL might walk
	// the account in the order of its ids.
	idInRemoval string
	// pipelines says that a list of statements takes one round trip.
	pipelines bool
	types     schemaTypes
	// kind sorts a driver's error into ErrUnavailable, ErrExists or nil.
	kind func(error) error
}

// oneWriter says that no transaction that writes runs beside another one.
func (e *engine) oneWriter() bool { return e.lock == "" }

// holdOf is holdRows for a query of several tables of which one is held.
func (e *engine) holdOf(alias string) string {
	if e.holdRows == "" {
		return ""
	}
	return e.holdRows + " OF " + alias
}

// lockOf is lockRows for a query of several tables of which one is locked.
func (e *engine) lockOf(alias string) string {
	if e.lockRows == "" {
		return ""
	}
	return e.lockRows + " OF " + alias
}

// errRolledBack says that the database ended a transaction to resolve a
// conflict with others, and that the same transaction may succeed now.
var errRolledBack = directory.Errorf(directory.ErrUnavailable, "rolled back because of a conflict")

// mapError wraps a driver's error in the kind the layers above speak, and
// leaves others as they are.
func (e *engine) mapError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return directory.ErrNotFound
	}
	if kind := e.kind(err); kind != nil {
		return fmt.Errorf("%w: %w", kind, err)
	}
	var netErr net.Error
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, context.DeadlineExceeded) || errors.As(err, &netErr) {
		return fmt.Errorf("%w: %w", directory.ErrUnavailable, err)
	}
	return err
}
