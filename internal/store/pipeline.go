package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// lockTimeout is how long a statement of a transaction that writes waits for a
	// lock.
	lockTimeout = time.Minute
	// rollbackTimeout is how long a ROLLBACK may take before its connection is closed.
	rollbackTimeout = 5 * time.Second
)

// beginWrite sets the timeouts of a transaction, in milliseconds, and takes the lock
// of those that write; see lowestWriter.
const beginWrite = `SELECT set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true), pg_advisory_xact_lock_shared($3)`

// postgresSession is a transaction on a connection of the pool. A caller waits
// for the server once for each list of statements: BEGIN goes with the first
// of them and COMMIT with the last.
type postgresSession struct {
	conn   *sql.Conn
	begun  bool
	lowest int64 // see lowestWriter
}

func beginPostgres(ctx context.Context, db *sql.DB) (session, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &postgresSession{conn: conn}, nil
}

// beginStatements begin a transaction. The server ends a statement that takes longer
// than ctx allows, should it not get the request to cancel it. It checks the lowest
// writer by a statement of its own, which sees what was committed before the lock.
func (s *postgresSession) beginStatements(ctx context.Context) []statement {
	var limit time.Duration // none
	if deadline, ok := ctx.Deadline(); ok {
		limit = max(time.Until(deadline), time.Millisecond)
	}
	milliseconds := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	return []statement{
		{query: "BEGIN"},
		{query: beginWrite, args: []any{milliseconds(lockTimeout), milliseconds(limit), writersLock}, rows: 1},
		{query: lowestWriter, dest: []any{&s.lowest}},
	}
}

// QueryContext implements querier.
func (s *postgresSession) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	return s.conn.QueryContext(ctx, query, args...)
}

// ExecContext implements querier.
func (s *postgresSession) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	return s.conn.ExecContext(ctx, query, args...)
}

// begin sends BEGIN by itself, for a transaction that does not start with a list.
func (s *postgresSession) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil { // which database/sql would call a bad connection
		return err
	}
	if s.begun {
		return nil
	}
	return s.run(ctx, nil)
}

func (s *postgresSession) run(ctx context.Context, statements []statement) error {
	if s.begun {
		return s.raw(func(conn *pgx.Conn) error { return pipeline(ctx, conn, statements) })
	}
	s.begun = true
	statements = append(s.beginStatements(ctx), statements...)
	if err := s.raw(func(conn *pgx.Conn) error { return pipeline(ctx, conn, statements) }); err != nil {
		return err
	}
	return checkWriter(s.lowest)
}

func (s *postgresSession) commit(ctx context.Context, last []statement) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	statements := slices.Concat(last, []statement{{query: "COMMIT"}})
	err := s.raw(func(conn *pgx.Conn) error {
		return commitOn(conn, func() error { return pipeline(ctx, conn, statements) })
	})
	if answer, ok := errors.AsType[*pgconn.PgError](err); err == nil || ok && answer.Severity != "FATAL" ||
		errors.Is(err, pgx.ErrTxCommitRollback) {
		return err
	}
	return fmt.Errorf("%w: %w", errOutcomeUnknown, err)
}

// end leaves a connection that is of no more use to the pool, which closes it;
// the server then undoes the transaction by itself.
func (s *postgresSession) end() {
	_ = s.raw(func(conn *pgx.Conn) error {
		if conn.IsClosed() || conn.PgConn().TxStatus() == 'I' { // idle: nothing is left to undo
			return nil
		}
		ctx, cancel := context.WithTimeout(context.Background(), rollbackTimeout)
		defer cancel()
		_, err := conn.Exec(ctx, "ROLLBACK")
		return err
	})
	_ = s.conn.Close()
}

func (s *postgresSession) raw(fn func(*pgx.Conn) error) error {
	return s.conn.Raw(func(driverConn any) error {
		return fn(driverConn.(*stdlib.Conn).Conn()) //nolint:forcetypeassert // the pool is pgx's
	})
}

// pipeline sends all statements before it reads the first answer. The server
// skips those behind one that fails.
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
	switch {
	case s.dest != nil:
		return results.QueryRow().Scan(s.dest...)
	case s.each != nil:
		rows, err := results.Query()
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := s.each(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	}
	tag, err := results.Exec()
	switch {
	case err != nil:
		return err
	case tag.String() == "ROLLBACK": // that is how COMMIT ends a transaction with a fault
		return pgx.ErrTxCommitRollback
	case tag.RowsAffected() != int64(s.rows):
		return errRows(tag.RowsAffected(), s.rows)
	}
	return nil
}
