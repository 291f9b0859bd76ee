// Package store owns the database: the schema and its migrations, every SQL
// text of the product, transactions, the audit chain that each of them writes,
// and what differs between SQLite and PostgreSQL. No other package imports a
// driver or holds SQL.
//
// It does not decide who may do what or who can be removed: the verbs in
// package roster do, with the rules of package directory. A Store reads; all
// writing happens in Write, which takes the audit record along.
package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"roster/internal/directory"
)

// Store is an open database. It is safe for concurrent use.
type Store struct {
	reader
	write *sql.DB // for migrations; everything else goes through begin
	read  *sql.DB
	begin func(context.Context) (session, error)
	dsn   func(settings ...string) string // of another connection to SQLite
	guard *fileGuard                      // of SQLite; nil for PostgreSQL
	admit func(context.Context, Admission, time.Time) (directory.Quota, error)
	ids   *allocator
	close func() error
	clock func() time.Time
	// uptime is how long the store has been open, by a clock that nobody sets.
	uptime func() time.Duration
	opened time.Time

	writable writability
	counters counters // on SQLite
	running  running
	writes   atomic.Int64 // transactions that write
	paging   paging
	share    *share   // for transactions that write; nil for SQLite
	turns    *share   // for the admission of calls; nil for SQLite
	monitor  *monitor // of a server on PostgreSQL
	pooler   bool     // between this program and PostgreSQL

	commitGrace time.Duration
}

// Options change how a database is opened. The zero value is right for
// production.
type Options struct {
	// MustExist refuses to make a new SQLite file.
	MustExist bool
	// ReadOnly is for a caller that only reads. A SQLite database can then be read where
	// its file or its directory cannot be written. It changes nothing on PostgreSQL.
	ReadOnly bool
	// Serve is set by a server. There is one at a time to a SQLite database. On
	// PostgreSQL it watches the database server on a connection of its own.
	Serve bool
	// CommitGrace is how much longer than its context a COMMIT may take; 0 for 10 s.
	CommitGrace time.Duration
	// Clock replaces time.Now in tests.
	Clock func() time.Time
	// Uptime replaces, in tests, the monotonic time since the store was opened. Without it
	// that is what Clock says, which then never leaps.
	Uptime func() time.Duration
	// Trace is called with the text of each statement before it runs. Tests
	// count statements with it.
	Trace func(query string)
}

// Open opens the database at dsn: a postgres:// or postgresql:// URL, or the
// path of a SQLite file, which is made when it is missing. It does not migrate;
// see Migrate and SchemaState. The error says what to do where it can, and wraps
// directory.ErrUnavailable when the server cannot be reached.
func Open(ctx context.Context, dsn string, opts Options) (*Store, error) {
	s := &Store{clock: opts.Clock}
	if s.clock == nil {
		s.clock = time.Now
	}
	s.opened = s.clock()
	if s.uptime = opts.Uptime; s.uptime == nil {
		s.uptime = func() time.Duration { return s.clock().Sub(s.opened) }
	}
	var err error
	if IsPostgres(dsn) {
		err = s.openPostgres(ctx, dsn, opts)
	} else if scheme, _, isURL := strings.Cut(dsn, "://"); isURL { // the rest may hold a password
		err = fmt.Errorf("a database cannot be at %s://: give the path of a SQLite file, or a postgres:// URL", scheme)
	} else {
		err = s.openSQLite(ctx, dsn, opts)
	}
	if err != nil {
		return nil, err
	}
	s.trace, s.paging, s.commitGrace = opts.Trace, pagingDefaults, cmp.Or(opts.CommitGrace, defaultCommitGrace)
	s.ids = newAllocator(s.reserveIDs)
	s.writable.note(s.clock())
	return s, nil
}

// closeTimeout is how long Close waits for connections that are in use.
const closeTimeout = 10 * time.Second

// Close waits for running statements and closes all connections. It returns an error
// after 10 seconds if connections are still in use.
func (s *Store) Close() error {
	closed := make(chan error, 1)
	go func() { closed <- s.close() }()
	select {
	case err := <-closed:
		return err
	case <-time.After(closeTimeout):
		return errors.New("close the database: connections are still in use")
	}
}

// Engine names the database engine: "sqlite" or "postgres".
func (s *Store) Engine() string { return s.engine.name }

// Now is the store's time, cut to the microsecond that the database keeps.
func (s *Store) Now() time.Time { return s.clock().UTC().Truncate(time.Microsecond) }

// Opened is when the store was opened, by its clock, and Uptime how long ago that is by
// a clock that nobody sets.
func (s *Store) Opened() time.Time { return s.opened.UTC().Truncate(time.Microsecond) }

// Uptime is how long the store has been open; see Opened.
func (s *Store) Uptime() time.Duration { return s.uptime() }

// Writes counts the transactions that write of this process.
func (s *Store) Writes() int64 { return s.writes.Load() }

// querier is what *sql.DB, *sql.Tx and prepared have in common.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// reader has the methods that read, in and out of a transaction.
type reader struct {
	q      querier
	engine *engine
	trace  func(string)
}

func (r *reader) traced(query string) string {
	if r.trace != nil {
		r.trace(query)
	}
	return query
}

// row is a query for one row.
type row struct {
	r     *reader
	ctx   context.Context //nolint:containedctx // it lives as long as the expression r.row(...).Scan(...)
	query string
	args  []any
}

func (r *reader) row(ctx context.Context, query string, args ...any) row {
	return row{r, ctx, query, args}
}

// Scan runs the query and reads the row. The error is of the kinds of package
// directory, ErrNotFound when there is no row. A row that is looked up by a text
// that PostgreSQL cannot hold, as ids in requests may be, is not there.
func (r row) Scan(dest ...any) error {
	for _, arg := range r.args {
		if text, ok := arg.(string); ok && !storable(text) {
			return directory.ErrNotFound
		}
	}
	return r.r.engine.mapError(queryRow(r.ctx, r.r.q, r.r.traced(r.query), r.args, dest))
}

// storable says whether PostgreSQL can hold a text.
func storable(text string) bool { return directory.ValidText(text) }

// storableOf is the texts that can be anything's in the database.
func storableOf(texts ...string) []string {
	return slices.DeleteFunc(texts, func(text string) bool { return !storable(text) })
}

// each runs a query and calls scan for each row of its answer.
func (r *reader) each(ctx context.Context, scan func(*sql.Rows) error, query string, args ...any) error {
	return r.engine.mapError(queryEach(ctx, r.q, r.traced(query), args, scan))
}

// snapshot runs fn on one consistent state of the database.
func (s *Store) snapshot(ctx context.Context, fn func(*reader) error) error {
	if err := s.guard.check(); err != nil {
		return err
	}
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{Isolation: s.engine.snapshot, ReadOnly: true})
	if err != nil {
		return s.engine.mapError(err)
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	return fn(&reader{q: tx, engine: s.engine, trace: s.trace})
}

func fromMicros(us int64) time.Time { return time.UnixMicro(us).UTC() }

// wrapf adds what was being done to an error, and keeps nil.
func wrapf(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
}
