package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"time"

	"roster/internal/directory"
)

// Change says on whose behalf a transaction writes and how many internal keys
// it needs.
type Change struct {
	// Account is the account written to. 0 makes one: the first key then
	// becomes the account's.
	Account directory.AccountID
	Actor   directory.Actor
	// IDs is how many internal keys the transaction may take with Tx.ID.
	IDs int
}

// Tx is a running transaction that writes. It reads its own writes.
type Tx struct {
	reader
	sess    session
	queue   []statement
	account directory.AccountID
	batch   directory.AuditBatch
	details []byte
	salt    []byte
	users   int // by how many the account has more
	nextID  int64
	endID   int64
	replay  bool // of an earlier call, without an audit record
}

// writeAttempts is how often a transaction is run that the database rolls back
// because of a conflict with others.
const writeAttempts = 5

// errNoAudit is a mistake of ours: nothing is ever written without a record.
var errNoAudit = errors.New("a transaction wrote no audit record")

// Write runs fn in one transaction and commits it together with the audit
// records that fn left with Record, which it must, and their link in the
// account's chain. When fn or anything else fails, nothing of it happened;
// only a failure of the commit itself leaves open which. fn runs again when the
// database rolls the transaction back because of a conflict, so it must not
// count on its own earlier effects.
func (s *Store) Write(ctx context.Context, c Change, fn func(*Tx) error) error {
	// One key more is the batch's own.
	first, err := s.ids.take(ctx, c.IDs+1)
	if err != nil {
		return err
	}
	leave, err := s.share.enter(ctx, c.Account)
	if err != nil {
		return err
	}
	defer leave()
	for range writeAttempts {
		err = s.writeOnce(ctx, c, first, fn)
		if !errors.Is(err, errRolledBack) {
			break
		}
	}
	return err
}

func (s *Store) writeOnce(ctx context.Context, c Change, first int64, fn func(*Tx) error) error {
	return s.transact(ctx, func(r *reader, sess session) ([]statement, error) {
		tx := &Tx{
			sess:    sess,
			account: c.Account,
			batch:   directory.AuditBatch{Account: c.Account, ID: first, At: s.Now(), Actor: c.Actor},
			nextID:  first + 1,
			endID:   first + 1 + int64(c.IDs),
		}
		tx.reader = reader{q: tx, engine: r.engine, trace: r.trace}
		if err := fn(tx); err != nil {
			return nil, err
		}
		if tx.replay {
			return tx.queue, nil
		}
		err := tx.writeAudit(ctx)
		return tx.queue, err
	})
}

// inTx runs fn in a transaction that writes, and commits it unless fn fails.
func (s *Store) inTx(ctx context.Context, fn func(*reader, session) error) error {
	return s.transact(ctx, func(r *reader, sess session) ([]statement, error) { return nil, fn(r, sess) })
}

// transact is inTx for a function that leaves statements to go with the commit;
// see session.commit. The transaction does not end with ctx by itself, only its
// statements do: database/sql would roll back from another goroutine, while
// this one uses the connection.
func (s *Store) transact(ctx context.Context, fn func(*reader, session) (last []statement, err error)) error {
	sess, err := s.begin(ctx)
	if err != nil {
		return s.engine.mapError(err)
	}
	defer sess.end()
	s.writes.Add(1)
	last, err := fn(&reader{q: sess, engine: s.engine, trace: s.trace}, sess)
	if err != nil {
		return err
	}
	for _, st := range last {
		s.traced(st.query)
	}
	s.traced("COMMIT")
	if err := ctx.Err(); err != nil {
		return s.engine.mapError(err)
	}
	limited, cancel := s.commitContext(ctx)
	defer cancel()
	if err := sess.commit(limited, last); err != nil {
		return s.engine.mapError(err)
	}
	s.writable.note(s.clock())
	return nil
}

const (
	// defaultCommitGrace is how much longer than its context a call may take for its
	// COMMIT, which is not to be given up in the moment that it was sent.
	defaultCommitGrace = 10 * time.Second
	// commitTimeout is how long a COMMIT may take when the context has no deadline.
	commitTimeout = time.Minute
)

// commitContext bounds a COMMIT. It does not end when ctx is cancelled.
func (s *Store) commitContext(ctx context.Context) (context.Context, context.CancelFunc) {
	end := time.Now().Add(commitTimeout)
	if deadline, ok := ctx.Deadline(); ok {
		end = time.Now().Add(s.commitGrace)
		if deadline.After(end) {
			end = deadline
		}
	}
	return context.WithDeadline(context.WithoutCancel(ctx), end)
}

// ID returns a fresh internal key from those the Change asked for.
func (tx *Tx) ID() int64 {
	if tx.nextID == tx.endID {
		panic("store: a transaction takes more ids than its Change asked for")
	}
	tx.nextID++
	return tx.nextID - 1
}

// Record leaves a run of audit records to be written when the transaction ends.
func (tx *Tx) Record(run directory.AuditRun) {
	if run.Note != nil {
		run.Changes = []directory.AuditChange{{Body: run.Note}}
	}
	tx.batch.Runs = append(tx.batch.Runs, run)
}

// Note gives the transaction's first run of records what it says as a whole; see
// AuditRun.
func (tx *Tx) Note(body []byte) {
	tx.batch.Runs[0].Changes = []directory.AuditChange{{Body: body}}
}

// Silent says that nothing has been recorded so far.
func (tx *Tx) Silent() bool { return len(tx.batch.Runs) == 0 }

// RecordDetails leaves what is personal about the transaction: a JSON object
// that may be erased later without breaking the chain.
func (tx *Tx) RecordDetails(body []byte) {
	tx.salt = make([]byte, saltSize)
	rand.Read(tx.salt)
	tx.details = body
	tx.batch.DetailsHash = directory.DetailsHash(tx.salt, body)
}

// QueryContext implements querier for the methods that read. What is queued
// runs first, so that they see it.
func (tx *Tx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := tx.flush(ctx); err != nil {
		return nil, err
	}
	return tx.sess.QueryContext(ctx, query, args...)
}

// ExecContext implements querier.
func (tx *Tx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := tx.flush(ctx); err != nil {
		return nil, err
	}
	return tx.sess.ExecContext(ctx, query, args...)
}

// exec runs a statement that writes.
func (tx *Tx) exec(ctx context.Context, query string, args ...any) error {
	if err := tx.flush(ctx); err != nil {
		return err
	}
	s := statement{query: query}
	_, err := tx.sess.ExecContext(ctx, tx.traced(query), args...)
	return tx.engine.mapError(s.in(err))
}

// execRows runs a statement that must touch exactly want rows. Anything else
// means that the state is not what the verb decided on, and ends the transaction.
func (tx *Tx) execRows(ctx context.Context, want int, query string, args ...any) error {
	tx.later(want, query, args...)
	return tx.flush(ctx)
}

// later queues a statement that must touch exactly want rows. It runs, with the
// others of the queue, before anything else does.
func (tx *Tx) later(want int, query string, args ...any) {
	tx.queue = append(tx.queue, statement{query: query, args: args, rows: want})
}

// ask queues a query whose rows go to each when it runs, with the others of the
// queue.
func (tx *Tx) ask(query string, args []any, each func(scanner) error) {
	tx.queue = append(tx.queue, statement{query: query, args: args, each: each})
}

// flush runs the queue.
func (tx *Tx) flush(ctx context.Context) error {
	if len(tx.queue) == 0 {
		return nil
	}
	for _, s := range tx.queue {
		tx.traced(s.query)
	}
	err := tx.sess.run(ctx, tx.queue)
	tx.queue = tx.queue[:0]
	return tx.engine.mapError(err)
}
