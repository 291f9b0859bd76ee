package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"roster/internal/directory"
)

const insertToken = `INSERT INTO used_tokens (app_id, jti_hash, expires_at) VALUES ($1, $2, $3)`

// counters are the calls of accounts that have limits, since the server started: a
// restart forgives at most the calls of one period.
type counters struct {
	mu sync.Mutex
	of map[directory.AccountID]*directory.CallCounter
}

// take admits and counts a call.
func (c *counters) take(account directory.AccountID, limits directory.RateLimits, now time.Time) (directory.Quota, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = make(map[directory.AccountID]*directory.CallCounter)
	}
	counter := c.of[account]
	if counter == nil {
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
	if a.JTIHash == nil {
		return s.counters.take(a.Account, a.Limits, now)
	}
	taken := false
	err = s.inTx(ctx, func(r *reader, _ session) error {
		_, err := r.q.ExecContext(ctx, r.traced(insertToken), a.App, a.JTIHash, a.Until.UnixMicro())
		if err = r.engine.mapError(err); errors.Is(err, directory.ErrExists) {
			return errReplayed
		}
		if err != nil || len(a.Limits) == 0 {
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
