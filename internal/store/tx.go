package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"

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
	account directory.AccountID
	batch   directory.AuditBatch
	details []byte
	salt    []byte
	nextID  int64
	endID   int64
}

// errNoAudit is a mistake of ours: nothing is ever written without a record.
var errNoAudit = errors.New("a transaction wrote no audit record")

// Write runs fn in one transaction and commits it together with the audit
// records that fn left with Record, which it must, and their link in the
// account's chain. When fn or anything else fails, nothing of it happened;
// only a failure of the commit itself leaves open which.
func (s *Store) Write(ctx context.Context, c Change, fn func(*Tx) error) error {
	// One key more is the batch's own.
	first, err := s.ids.take(ctx, c.IDs+1)
	if err != nil {
		return err
	}
	sqlTx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return s.engine.mapError(err)
	}
	defer sqlTx.Rollback() //nolint:errcheck // after a commit it does nothing
	tx := &Tx{
		reader:  reader{q: sqlTx, engine: s.engine, trace: s.trace},
		account: c.Account,
		batch:   directory.AuditBatch{Account: c.Account, ID: first, At: s.Now(), Actor: c.Actor},
		nextID:  first + 1,
		endID:   first + 1 + int64(c.IDs),
	}
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.writeAudit(ctx); err != nil {
		return err
	}
	tx.traced("COMMIT")
	return s.engine.mapError(sqlTx.Commit())
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
	tx.batch.Runs = append(tx.batch.Runs, run)
}

// RecordDetails leaves what is personal about the transaction: a JSON object
// that may be erased later without breaking the chain.
func (tx *Tx) RecordDetails(body []byte) {
	tx.salt = make([]byte, 16)
	rand.Read(tx.salt)
	tx.details = body
	tx.batch.DetailsHash = directory.DetailsHash(tx.salt, body)
}

// exec runs a statement that writes.
func (tx *Tx) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	res, err := tx.q.ExecContext(ctx, tx.traced(query), args...)
	return res, tx.engine.mapError(err)
}

// execRows runs a statement that must touch exactly want rows. Anything else
// means that the state is not what the verb decided on, and ends the transaction.
func (tx *Tx) execRows(ctx context.Context, want int, query string, args ...any) error {
	res, err := tx.exec(ctx, query, args...)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err != nil {
		return tx.engine.mapError(err)
	}
	if n != int64(want) {
		return fmt.Errorf("statement touched %d rows instead of %d", n, want)
	}
	return nil
}
