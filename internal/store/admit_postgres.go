package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/stdlib"

	"roster/internal/directory"
)

const (
	// Takes turns among the calls of an account. A statement of its own: the one
	// that counts must begin, and so take its view of the data, after the turn
	// before has committed.
	takeTurn = `SELECT set_config('synchronous_commit', 'off', true), pg_advisory_xact_lock(hashtextextended('admission', $1))`
	// $2 is now, and $3 a list of limits, [calls, period] each, times in
	// microseconds; see directory.CallCounter for what counts.
	admitCall = `WITH limits AS MATERIALIZED (
  SELECT key, CAST(value->>0 AS BIGINT) AS most, $2 - CAST(value->>1 AS BIGINT) AS since, $2 + CAST(value->>1 AS BIGINT) AS until
  FROM json_each($3)
), usage AS MATERIALIZED (
  SELECT l.key, l.most, u.calls, u.oldest, u.newest FROM limits l CROSS JOIN LATERAL (
    SELECT CAST(COALESCE(SUM(b.calls), 0) AS BIGINT) AS calls, COALESCE(MIN(b.last_at), 0) AS oldest, COALESCE(MAX(b.last_at), 0) AS newest
    FROM rate_buckets b
    WHERE b.account_id = $1 AND b.second BETWEEN l.since / 1000000 AND l.until / 1000000 AND b.last_at > l.since
  ) u
), seen AS (
  SELECT FROM used_tokens WHERE app_id = $4 AND jti_hash = $5
), admitted AS (
  SELECT WHERE NOT EXISTS (SELECT FROM seen) AND NOT EXISTS (SELECT FROM usage WHERE calls >= most)
), token AS (
  INSERT INTO used_tokens (app_id, jti_hash, expires_at)
  SELECT $4, $5, $6 FROM admitted WHERE CAST($5 AS BYTEA) IS NOT NULL
), slot AS (
  INSERT INTO rate_buckets (account_id, second, calls, last_at)
  SELECT $1, $2 / 1000000, 1, $2 FROM admitted WHERE EXISTS (SELECT FROM usage)
  ON CONFLICT (account_id, second) DO UPDATE SET calls = rate_buckets.calls + 1,
    last_at = GREATEST(rate_buckets.last_at, excluded.last_at)
)
SELECT EXISTS (SELECT FROM seen),
  CAST((SELECT COALESCE(json_agg(json_build_array(calls, oldest, newest) ORDER BY key), '[]') FROM usage) AS TEXT)`
)

// admissionsAtOnce is how many connections an account holds for the admission of its
// calls, which the server admits one after the other: one more than works, so that
// none waits for a round trip.
const admissionsAtOnce = 2

// admission is the batch that admits a call, and where its answer goes.
func admission(a Admission, now time.Time, replayed *bool, usage *string) []statement {
	limits := jsonRows(len(a.Limits), func(i int) jsonRow {
		return jsonRow{int64(a.Limits[i].Calls), a.Limits[i].Period.Microseconds()}
	})
	return []statement{
		{query: takeTurn, args: []any{int64(a.Account)}, rows: 1},
		{
			query: admitCall,
			args:  []any{int64(a.Account), now.UnixMicro(), limits, int64(a.App), a.JTIHash, a.Until.UnixMicro()},
			dest:  []any{replayed, usage},
		},
	}
}

// admitPostgres needs one round trip: what is sent together is one transaction.
func (s *Store) admitPostgres(ctx context.Context, a Admission, now time.Time) (directory.Quota, error) {
	leave, err := s.turns.enter(ctx, a.Account)
	if err != nil {
		return directory.Quota{}, err
	}
	defer leave()
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return directory.Quota{}, s.engine.mapError(err)
	}
	defer conn.Close()
	var replayed bool
	var counted string
	statements := admission(a, now, &replayed, &counted)
	for _, st := range statements {
		s.traced(st.query)
	}
	err = conn.Raw(func(driverConn any) error {
		return pipeline(ctx, driverConn.(*stdlib.Conn).Conn(), statements) //nolint:forcetypeassert // the pool is pgx's
	})
	if err != nil {
		return directory.Quota{}, wrapf(s.engine.mapError(err), "admit the call")
	}
	if replayed {
		return directory.Quota{}, errReplayed
	}
	usage, err := parseUsage(counted)
	if err != nil {
		return directory.Quota{}, err
	}
	return a.Limits.Admit(usage, now)
}

// parseUsage reads what admitCall has counted.
func parseUsage(text string) ([]directory.Usage, error) {
	var rows [][3]int64
	if err := json.Unmarshal([]byte(text), &rows); err != nil {
		return nil, fmt.Errorf("read the calls counted: %w", err)
	}
	usage := make([]directory.Usage, len(rows))
	for i, row := range rows {
		usage[i] = directory.Usage{Calls: int(row[0]), Oldest: fromMicros(row[1]), Newest: fromMicros(row[2])}
	}
	return usage, nil
}
