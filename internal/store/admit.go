package store

import (
	"context"
	"errors"
	"time"

	"roster/internal/directory"
)

// Admission is a call that asks to be let in.
type Admission struct {
	Account directory.AccountID
	// Limits are those of the account; none for no limit.
	Limits directory.RateLimits
	// App and JTIHash name the call's token where it is good for one call, and
	// then it cannot be used again before Until; no hash for any other token.
	App     directory.AppID
	JTIHash []byte
	Until   time.Time
}

// errReplayed ends the transaction of a token that was used before.
var errReplayed = errors.New("token used before")

// Admit counts the call and remembers its token, both or neither, and returns
// what is left of the account's limits. A token that was used before is replayed
// and nothing else; a call over a limit is a *directory.RateLimitError. On
// PostgreSQL that holds over all servers.
//
// What is remembered lasts as long as anything that is committed later: on
// PostgreSQL nobody waits for the disk, but its log is written in order, so a
// removal that survives a crash has its token survive too.
func (s *Store) Admit(ctx context.Context, a Admission) (q directory.Quota, replayed bool, err error) {
	if len(a.Limits) == 0 && a.JTIHash == nil {
		return directory.Quota{}, false, nil
	}
	q, err = s.admit(ctx, a, s.Now())
	if errors.Is(err, errReplayed) {
		return directory.Quota{}, true, nil
	}
	return q, false, err
}

const (
	deleteTokens = `DELETE FROM used_tokens WHERE (app_id, jti_hash) IN (
  SELECT app_id, jti_hash FROM used_tokens WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)`
	deleteBuckets = `DELETE FROM rate_buckets WHERE second < $1`
)

// forgetAtOnce is how many tokens are forgotten in one transaction: SQLite's
// other writers wait for it.
const forgetAtOnce = 1000

// ForgetCalls deletes tokens that nobody can use any more at cutoff, the outcomes
// of calls that could be repeated until then, and what was counted longer than a
// rate limit's period before it. It returns how many tokens.
func (s *Store) ForgetCalls(ctx context.Context, cutoff time.Time) (tokens int, err error) {
	s.counters.forget(cutoff)
	if _, err := s.delete(ctx, deleteBuckets, cutoff.Add(-directory.MaxRatePeriod).Unix()); err != nil {
		return 0, wrapf(err, "forget calls")
	}
	if err := s.forgetOutcomes(ctx, cutoff); err != nil {
		return 0, err
	}
	for {
		n, err := s.delete(ctx, deleteTokens, cutoff.UnixMicro(), forgetAtOnce)
		tokens += n
		if err != nil || n < forgetAtOnce {
			return tokens, wrapf(err, "forget used tokens")
		}
	}
}

// delete runs one statement in a transaction of its own.
func (s *Store) delete(ctx context.Context, query string, args ...any) (rows int, err error) {
	err = s.inTx(ctx, func(r *reader, _ session) error {
		rows, err = r.touch(ctx, query, args...)
		return err
	})
	return rows, err
}

// touch runs a statement that writes, outside of Write, and returns how many rows
// it touched.
func (r *reader) touch(ctx context.Context, query string, args ...any) (rows int, err error) {
	result, err := r.q.ExecContext(ctx, r.traced(query), args...)
	if err != nil {
		st := statement{query: query}
		return 0, r.engine.mapError(st.in(err))
	}
	n, err := result.RowsAffected()
	return int(n), err
}
