package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"

	"roster/internal/directory"
	"roster/internal/excerpt"
)

// session is one write transaction on one connection. It reads its own writes.
type session interface {
	querier
	// run executes statements in order, on PostgreSQL in one round trip.
	run(ctx context.Context, statements []statement) error
	// commit executes the last statements and then commits, on PostgreSQL in one
	// round trip. So nobody looks at their effect before the commit: when it is
	// not the right one they have to fail by themselves. It does not end with ctx.
	commit(ctx context.Context, last []statement) error
	// end undoes what was not committed and gives the connection back.
	end()
}

// statement is one of a list that is sent without waiting for the answers in
// between.
type statement struct {
	query string
	args  []any
	rows  int                 // how many it must touch, when it writes
	dest  []any               // where the one row goes that it returns
	each  func(scanner) error // called for each row that it returns
}

// scanner is a row of an answer, as *sql.Rows and pgx.Rows have it.
type scanner interface {
	Scan(dest ...any) error
}

// errOutcomeUnknown says that a COMMIT was sent and its answer did not come in time, or
// not at all: the transaction happened as a whole or not at all.
var errOutcomeUnknown = directory.Errorf(directory.ErrUnavailable, "the database did not confirm a COMMIT, and the outcome is unknown")

// errRows says that a statement touched other rows than the verb decided on.
func errRows(got int64, want int) error {
	return fmt.Errorf("it touched %d rows instead of %d", got, want)
}

// in names the statement that an error is about: those of a queue fail far from
// where the verb made them. The text holds no values.
func (s *statement) in(err error) error {
	return wrapf(err, "statement %q", excerpt.Of(strings.Join(strings.Fields(s.query), " ")))
}

// prepared runs queries as prepared statements that it keeps: SQLite spends
// about as long on compiling a short statement as on running it. Every text is
// a constant of this package, so they are few.
type prepared struct {
	on interface {
		PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
	}
	mu    sync.Mutex
	stmts map[string]*sql.Stmt
}

// stmt returns the prepared statement of a query. It prepares without the mutex:
// preparing may wait for a connection, and other callers must not wait with it.
func (p *prepared) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	p.mu.Lock()
	stmt, ok := p.stmts[query]
	p.mu.Unlock()
	if ok {
		return stmt, nil
	}
	stmt, err := p.on.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if first, ok := p.stmts[query]; ok { // another caller was quicker
		return first, stmt.Close()
	}
	if p.stmts == nil {
		p.stmts = make(map[string]*sql.Stmt)
	}
	p.stmts[query] = stmt
	return stmt, nil
}

// close closes all statements. Those of a sql.Conn must be closed before it is:
// database/sql does not do it, and SQLite keeps a connection open, with its
// files, that has one left.
func (p *prepared) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	for _, stmt := range p.stmts {
		err = errors.Join(err, stmt.Close())
	}
	p.stmts = nil
	return err
}

// QueryContext implements querier.
func (p *prepared) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := p.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

// ExecContext implements querier.
func (p *prepared) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	stmt, err := p.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(ctx, args...)
}

// sqliteWriter is the one connection of a process that writes to a SQLite
// file. Callers take turns in the order in which they come.
type sqliteWriter struct {
	db   *sql.DB
	file *fileGuard
	turn chan struct{} // holds a token while somebody writes
	conn *sql.Conn     // nil until first needed
	q    *prepared     // on conn
	log  *fileGuard    // of the log that conn writes to
}

func newSQLiteWriter(db *sql.DB, file *fileGuard) *sqliteWriter {
	return &sqliteWriter{db: db, file: file, turn: make(chan struct{}, 1)}
}

func (w *sqliteWriter) begin(ctx context.Context) (session, error) {
	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	tx, err := w.beginTx(ctx)
	if err != nil {
		<-w.turn
		return nil, err
	}
	return &sqliteSession{prepared: w.q, tx: tx, check: w.check, release: func() { <-w.turn }}, nil
}

// check returns an error unless what the connection writes is in the database: its
// file and its log still have their names.
func (w *sqliteWriter) check() error {
	if err := w.file.check(); err != nil {
		return err
	}
	return w.log.check()
}

func (w *sqliteWriter) beginTx(ctx context.Context) (*sql.Tx, error) {
	if err := w.check(); err != nil {
		return nil, err
	}
	if w.conn == nil {
		conn, err := w.db.Conn(context.WithoutCancel(ctx))
		if err != nil {
			return nil, err
		}
		w.conn, w.q = conn, &prepared{on: conn}
	}
	tx, err := w.conn.BeginTx(context.WithoutCancel(ctx), nil) // see transact
	// The transaction has opened the log.
	if err == nil && w.log == nil {
		if w.log, err = newFileGuard(w.file.log()); err != nil {
			_ = tx.Rollback()
		}
	}
	if err != nil {
		// The connection may be to blame, so the next caller gets another.
		_ = w.drop()
		return nil, err
	}
	if err := w.checkVersion(ctx); err != nil {
		_ = tx.Rollback()
		return nil, err
	}
	return tx, nil
}

// checkVersion returns an error if the program must not write to the database.
func (w *sqliteWriter) checkVersion(ctx context.Context) error {
	var lowest int64
	if err := queryRow(context.WithoutCancel(ctx), w.q, lowestWriter, nil, []any{&lowest}); err != nil {
		return err
	}
	return checkWriter(lowest)
}

// drop closes the connection, if there is one.
func (w *sqliteWriter) drop() error {
	if w.conn == nil {
		return nil
	}
	err := w.q.close()
	// Close would put it back into the pool.
	_ = w.conn.Raw(func(any) error { return driver.ErrBadConn })
	w.conn, w.q, w.log = nil, nil, nil
	return err
}

// close waits for its turn and closes the database; callers behind it fail.
func (w *sqliteWriter) close() error {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	return errors.Join(w.drop(), w.db.Close())
}

// sqliteSession is a turn of the writer.
type sqliteSession struct {
	*prepared
	tx        *sql.Tx
	check     func() error // of the files that were written
	release   func()
	abandoned bool // a commit goes on by itself, and then ends the session
}

// run implements session. There is no round trip to be saved.
func (s *sqliteSession) run(ctx context.Context, statements []statement) error {
	for i := range statements {
		st := &statements[i]
		if err := s.runOne(ctx, st); err != nil {
			return st.in(err)
		}
	}
	return nil
}

func (s *sqliteSession) runOne(ctx context.Context, st *statement) error {
	switch {
	case st.dest != nil:
		return queryRow(ctx, s, st.query, st.args, st.dest)
	case st.each != nil:
		return queryEach(ctx, s, st.query, st.args, func(rows *sql.Rows) error { return st.each(rows) })
	}
	res, err := s.ExecContext(ctx, st.query, st.args...)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n != int64(st.rows) {
		err = errRows(n, st.rows)
	}
	return err
}

// commit implements session. A disk that hangs cannot be interrupted: the caller goes
// on without it, and the connection belongs to the commit until that ends.
func (s *sqliteSession) commit(ctx context.Context, last []statement) error {
	done := make(chan error, 1)
	go func() {
		err := s.run(context.WithoutCancel(ctx), last)
		if err == nil {
			err = s.tx.Commit()
		}
		if err == nil {
			err = s.check()
		}
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		s.abandoned = true
		go func() {
			<-done //nolint:errcheck // the caller has been answered
			s.close()
		}()
		return fmt.Errorf("%w: %w", errOutcomeUnknown, ctx.Err())
	}
}

func (s *sqliteSession) end() {
	if !s.abandoned {
		s.close()
	}
}

func (s *sqliteSession) close() {
	_ = s.tx.Rollback() // after a commit it does nothing
	s.release()
}

// queryRow reads the one row that a query returns.
func queryRow(ctx context.Context, q querier, query string, args, dest []any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return err
		}
		return sql.ErrNoRows
	}
	if err := rows.Scan(dest...); err != nil {
		return err
	}
	return rows.Close()
}

// queryEach calls scan for each row that a query returns.
func queryEach(ctx context.Context, q querier, query string, args []any, scan func(*sql.Rows) error) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
