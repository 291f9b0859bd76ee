package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"roster/internal/directory"
)

// Calls that can be repeated. The outcome of a call is kept in its own
// transaction, so it is there exactly when what it tells about was done.

const (
	// Takes the key's turn, or does not, without waiting: whoever holds it is a
	// call that is still running, here or on another server. A statement of its
	// own, so that the next one sees what the call before has committed.
	tryKey        = `SELECT pg_try_advisory_xact_lock($1)`
	selectOutcome = `SELECT request_hash, outcome FROM idempotency_keys WHERE app_id = $1 AND key_hash = $2 AND expires_at > $3`
	// One that has expired may still be there.
	insertOutcome = `INSERT INTO idempotency_keys (app_id, key_hash, request_hash, outcome, expires_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (app_id, key_hash) DO UPDATE SET
  request_hash = excluded.request_hash, outcome = excluded.outcome, expires_at = excluded.expires_at`
	// Changes nothing, but makes the COMMIT wait until it is durable, and with it all that
	// was committed before.
	confirmOutcome = `UPDATE idempotency_keys SET expires_at = expires_at WHERE app_id = $1 AND key_hash = $2`
	deleteOutcomes = `DELETE FROM idempotency_keys WHERE (app_id, key_hash) IN (
  SELECT app_id, key_hash FROM idempotency_keys WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)`
)

// errRepeated ends the transaction of a call that was made before.
var errRepeated = errors.New("the call was made before")

// WriteOnce is Write for a call of an app that may be repeated. The first time
// fn returns an outcome, a JSON object, which is committed together with what fn
// wrote. Repeated within directory.RepeatableFor, the call gets that outcome and
// writes nothing, and repeated is true. The error wraps directory.ErrKeyReused
// when the key was used with another request, and directory.ErrRunning while a
// call with it runs, on any server of the database.
func (s *Store) WriteOnce(ctx context.Context, c Change, app directory.AppID, key directory.RepeatKey,
	fn func(*Tx) (outcome []byte, err error),
) (outcome []byte, repeated bool, err error) {
	done, err := s.running.enter(app, key)
	if err != nil {
		return nil, false, err
	}
	defer done()
	err = s.Write(ctx, c, func(tx *Tx) error {
		outcome, err = tx.outcome(ctx, app, key)
		if repeated = errors.Is(err, errRepeated); repeated && tx.engine.pipelines {
			tx.confirm(app, key)
			return nil
		}
		if err != nil {
			return err
		}
		if outcome, err = fn(tx); err != nil {
			return err
		}
		tx.later(1, insertOutcome, app, key.Key[:], key.Request[:], string(outcome), tx.batch.At.Add(directory.RepeatableFor).UnixMicro())
		return nil
	})
	if errors.Is(err, errRepeated) {
		return outcome, true, nil
	}
	return outcome, repeated, err
}

// confirm lets the transaction commit without an audit record, once the outcome that
// it has read is as durable as one of its own. A server that commits without its
// synchronous standby, because the wait was cancelled, shows the outcome although a
// failover would lose it.
func (tx *Tx) confirm(app directory.AppID, key directory.RepeatKey) {
	tx.replay = true
	tx.later(1, confirmOutcome, app, key.Key[:])
}

// outcome makes sure that nobody else makes the call until the transaction ends.
// It fails with errRepeated when the call was made before, and then returns what
// came of it.
func (tx *Tx) outcome(ctx context.Context, app directory.AppID, key directory.RepeatKey) ([]byte, error) {
	mine := true
	if tx.engine.pipelines { // several servers
		tx.queue = append(tx.queue, statement{query: tryKey, args: []any{lockOf(app, key)}, dest: []any{&mine}})
	}
	var request, outcome []byte
	tx.ask(selectOutcome, []any{app, key.Key[:], tx.batch.At.UnixMicro()}, func(row scanner) error {
		return row.Scan(&request, &outcome)
	})
	switch err := tx.flush(ctx); {
	case err != nil:
		return nil, wrapf(err, "look for an earlier call")
	case !mine:
		return nil, directory.ErrRunning
	case request == nil:
		return nil, nil
	case !bytes.Equal(request, key.Request[:]):
		return nil, directory.ErrKeyReused
	}
	return outcome, errRepeated
}

// Outcome returns what came of an earlier call with the key, nil when there was
// none that has ended. It keeps nobody from making the call: WriteOnce does, and
// this is for a verb of several transactions that has to know before the first.
func (s *Store) Outcome(ctx context.Context, app directory.AppID, key directory.RepeatKey, now time.Time) (outcome []byte, err error) {
	var request []byte
	err = s.row(ctx, selectOutcome, app, key.Key[:], now.UnixMicro()).Scan(&request, &outcome)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return nil, nil
	case err == nil && !bytes.Equal(request, key.Request[:]):
		return nil, directory.ErrKeyReused
	case err == nil && s.engine.pipelines: // see Tx.confirm
		err = s.transact(ctx, func(*reader, session) ([]statement, error) {
			return []statement{{query: confirmOutcome, args: []any{app, key.Key[:]}, rows: 1}}, nil
		})
	}
	return outcome, wrapf(err, "look for an earlier call")
}

// lockOf is the number by which PostgreSQL knows the call. Should two calls have
// the same one, the second is told that it is running.
func lockOf(app directory.AppID, key directory.RepeatKey) int64 {
	return int64(binary.BigEndian.Uint64(key.Key[:])) ^ int64(app) // any 64 bits will do
}

// running are the calls of this process that can be repeated. On SQLite they are
// all there are.
type running struct {
	mu    sync.Mutex
	calls map[runningCall]struct{}
}

type runningCall struct {
	app directory.AppID
	key [len(directory.RepeatKey{}.Key)]byte
}

// enter notes that a call runs, until done.
func (r *running) enter(app directory.AppID, key directory.RepeatKey) (done func(), err error) {
	call := runningCall{app, key.Key}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, runs := r.calls[call]; runs {
		return nil, directory.ErrRunning
	}
	if r.calls == nil {
		r.calls = make(map[runningCall]struct{})
	}
	r.calls[call] = struct{}{}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.calls, call)
	}, nil
}

// forgetOutcomes deletes the outcomes of calls that can no longer be repeated.
func (s *Store) forgetOutcomes(ctx context.Context, now time.Time) error {
	for {
		n, err := s.delete(ctx, deleteOutcomes, now.UnixMicro(), forgetAtOnce)
		if err != nil || n < forgetAtOnce {
			return wrapf(err, "forget the outcomes of calls")
		}
	}
}
