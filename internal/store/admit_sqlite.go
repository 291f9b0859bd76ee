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
	insertToken = `INSERT INTO used_tokens (app_id, jti_hash, expires_at) VALUES ($1, $2, $3)`
	// What a server did before it was started again stands in the audit log, where
	// a job has many batches but was one call.
	selectRecentCalls = `SELECT c.created_at FROM audit_chain c
WHERE c.account_id = $1 AND c.number > (SELECT number FROM audit_heads WHERE account_id = $1) - $2 AND c.actor_kind = $3 AND c.created_at > $4
  AND NOT EXISTS (SELECT 1 FROM removal_jobs b WHERE b.account_id = c.account_id AND b.id = c.removal_id
    AND c.batch_id <> b.batch_id AND COALESCE(b.finished_at, c.created_at) >= c.created_at)`
)

// maxRecentCalls is how far back the audit log is read for calls of before.
const maxRecentCalls = 10_000

// counters are the calls of accounts that have limits.
type counters struct {
	mu sync.Mutex
	of map[directory.AccountID]*directory.CallCounter
}

func (c *counters) has(account directory.AccountID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of[account] != nil
}

// start counts from what is known, unless the account is counted already.
func (c *counters) start(account directory.AccountID, known *directory.CallCounter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = make(map[directory.AccountID]*directory.CallCounter)
	}
	if c.of[account] == nil {
		c.of[account] = known
	}
}

// take admits and counts a call of an account that is counted.
func (c *counters) take(account directory.AccountID, limits directory.RateLimits, now time.Time) (directory.Quota, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	counter := c.of[account]
	if counter == nil { // forgotten just now, since there was nothing
		counter = &directory.CallCounter{}
		c.of[account] = counter
	}
	quota, err := limits.Admit(counter.Usage(limits, now), now)
	if err == nil {
		counter.Add(now)
	}
	return quota, err
}

// giveBack undoes a take.
func (c *counters) giveBack(account directory.AccountID, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if counter := c.of[account]; counter != nil {
		counter.Remove(now)
	}
}

// forget drops what no limit counts any more.
func (c *counters) forget(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for account, counter := range c.of {
		if counter.Forget(now) {
			delete(c.of, account)
		}
	}
}

func (s *Store) admitSQLite(ctx context.Context, a Admission, now time.Time) (quota directory.Quota, err error) {
	counted := len(a.Limits) > 0
	if counted && !s.counters.has(a.Account) {
		known, err := s.recentCalls(ctx, a.Account, now)
		if err != nil {
			return quota, err
		}
		s.counters.start(a.Account, known)
	}
	if a.JTIHash == nil {
		return s.counters.take(a.Account, a.Limits, now)
	}
	taken := false
	err = s.inTx(ctx, func(r *reader, _ session) error {
		_, err := r.q.ExecContext(ctx, r.traced(insertToken), a.App, a.JTIHash, a.Until.UnixMicro())
		if err = r.engine.mapError(err); errors.Is(err, directory.ErrExists) {
			return errReplayed
		}
		if err != nil || !counted {
			return wrapf(err, "write down the token")
		}
		quota, err = s.counters.take(a.Account, a.Limits, now)
		taken = err == nil
		return err
	})
	if err != nil && taken {
		s.counters.giveBack(a.Account, now)
	}
	return quota, err
}

// recentCalls finds in the audit log what the account's apps did lately. Calls
// that changed nothing are not there.
func (s *Store) recentCalls(ctx context.Context, account directory.AccountID, now time.Time) (*directory.CallCounter, error) {
	known := &directory.CallCounter{}
	err := s.each(ctx, func(rows *sql.Rows) error {
		var at int64
		if err := rows.Scan(&at); err != nil {
			return err
		}
		known.Add(fromMicros(at))
		return nil
	}, selectRecentCalls, account, maxRecentCalls, string(directory.ActorApp), now.Add(-directory.MaxRatePeriod).UnixMicro())
	return known, wrapf(err, "find the account's latest calls")
}
