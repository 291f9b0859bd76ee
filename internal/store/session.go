package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// session is one write transaction on one connection.
type session struct {
	q  querier
	tx *sql.Tx
	// run executes statements in order, on PostgreSQL in one round trip.
	run     func(ctx context.Context, statements []statement) error
	release func() // gives the connection back after the transaction has ended
}

// statement is one whose effect is not looked at before the next is sent.
type statement struct {
	query string
	args  []any
	rows  int   // how many it must touch, unless it has dest
	dest  []any // where the one row goes that it returns, nil when it writes
}

// errRows says that a statement touched other rows than the verb decided on.
func errRows(got int64, want int) error {
	return fmt.Errorf("it touched %d rows instead of %d", got, want)
}

// in names the statement that an error is about: those of a queue fail far from
// where the verb made them. The text holds no values.
func (s *statement) in(err error) error {
	const most = 60
	text := strings.Join(strings.Fields(s.query), " ")
	if len(text) > most {
		text = text[:most] + "..."
	}
	return wrapf(err, "statement %q", text)
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

func (p *prepared) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if stmt, ok := p.stmts[query]; ok {
		return stmt, nil
	}
	stmt, err := p.on.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
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
	turn chan struct{} // holds a token while somebody writes
	conn *sql.Conn     // nil until first needed
	q    *prepared     // on conn
}

func newSQLiteWriter(db *sql.DB) *sqliteWriter {
	return &sqliteWriter{db: db, turn: make(chan struct{}, 1)}
}

func (w *sqliteWriter) begin(ctx context.Context) (*session, error) {
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
	return &session{
		q:  w.q,
		tx: tx,
		run: func(ctx context.Context, statements []statement) error {
			return runEach(ctx, w.q, statements)
		},
		release: func() { <-w.turn },
	}, nil
}

func (w *sqliteWriter) beginTx(ctx context.Context) (*sql.Tx, error) {
	if w.conn == nil {
		conn, err := w.db.Conn(context.WithoutCancel(ctx))
		if err != nil {
			return nil, err
		}
		w.conn, w.q = conn, &prepared{on: conn}
	}
	tx, err := w.conn.BeginTx(context.WithoutCancel(ctx), nil) // see inTx
	if err != nil {
		// The connection may be to blame, so the next caller gets another.
		_ = w.drop()
	}
	return tx, err
}

// drop closes the connection, if there is one.
func (w *sqliteWriter) drop() error {
	if w.conn == nil {
		return nil
	}
	err := w.q.close()
	// Close would put it back into the pool.
	_ = w.conn.Raw(func(any) error { return driver.ErrBadConn })
	w.conn, w.q = nil, nil
	return err
}

// close waits for its turn and closes the database; callers behind it fail.
func (w *sqliteWriter) close() error {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	return errors.Join(w.drop(), w.db.Close())
}

// runEach executes statements one after the other, where a round trip costs nothing.
func runEach(ctx context.Context, q querier, statements []statement) error {
	for i := range statements {
		s := &statements[i]
		if err := s.runOn(ctx, q); err != nil {
			return s.in(err)
		}
	}
	return nil
}

func (s *statement) runOn(ctx context.Context, q querier) error {
	if s.dest != nil {
		return queryRow(ctx, q, s.query, s.args, s.dest)
	}
	res, err := q.ExecContext(ctx, s.query, s.args...)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n != int64(s.rows) {
		err = errRows(n, s.rows)
	}
	return err
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

// beginPostgres takes a connection of the pool for one transaction.
func beginPostgres(ctx context.Context, db *sql.DB) (*session, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	tx, err := conn.BeginTx(context.WithoutCancel(ctx), nil) // see inTx
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &session{
		q:  tx,
		tx: tx,
		run: func(ctx context.Context, statements []statement) error {
			return conn.Raw(func(driverConn any) error {
				return pipeline(ctx, driverConn.(*stdlib.Conn).Conn(), statements) //nolint:forcetypeassert // the pool is pgx's
			})
		},
		release: func() { _ = conn.Close() }, // back to the pool
	}, nil
}

// pipeline sends all statements before it reads the first answer.
func pipeline(ctx context.Context, conn *pgx.Conn, statements []statement) (err error) {
	batch := &pgx.Batch{}
	for _, s := range statements {
		batch.Queue(s.query, s.args...)
	}
	results := conn.SendBatch(ctx, batch)
	defer func() {
		if e := results.Close(); err == nil {
			err = e
		}
	}()
	for i := range statements {
		s := &statements[i]
		if err := s.result(results); err != nil {
			return s.in(err)
		}
	}
	return nil
}

// result reads the statement's answer out of a pipeline.
func (s *statement) result(results pgx.BatchResults) error {
	if s.dest != nil {
		return results.QueryRow().Scan(s.dest...)
	}
	tag, err := results.Exec()
	if err == nil && tag.RowsAffected() != int64(s.rows) {
		err = errRows(tag.RowsAffected(), s.rows)
	}
	return err
}
