package store

import (
	"context"
	"database/sql"
	"time"

	"roster/internal/directory"
)

const (
	// windowBegins is when the restore window of a removal begins: at the end of a
	// job, and at the time of any other removal.
	windowBegins = `COALESCE((SELECT b.finished_at FROM removal_jobs b WHERE b.account_id = removals.account_id AND b.id = removals.id), created_at)`

	// A removal without a window erases in its own transactions: there is nothing
	// to prolong.
	lengthenWindows = `UPDATE removals SET restorable_until = ` + windowBegins + ` + $2
WHERE account_id = $1 AND purged_at IS NULL AND restorable_until > created_at AND restorable_until < ` + windowBegins + ` + $2
RETURNING removed - restored`
	// Whose removals lengthenWindows would change.
	selectShorter = `SELECT a.id FROM accounts a WHERE EXISTS (SELECT 1 FROM removals WHERE account_id = a.id AND purged_at IS NULL
  AND restorable_until > created_at AND restorable_until < ` + windowBegins + ` + $1) ORDER BY a.id`
	longerThan     = ` WHERE account_id = $1 AND purged_at IS NULL AND COALESCE(restorable_until > ` + windowBegins + ` + $2, TRUE)`
	shortenWindows = `UPDATE removals SET restorable_until = ` + windowBegins + ` + $2` + longerThan + ` RETURNING removed - restored`
	countLonger    = `SELECT COUNT(*), COALESCE(SUM(removed - restored), 0),
  COALESCE(SUM(CASE WHEN ` + windowBegins + ` + $2 <= $3 THEN removed - restored END), 0) FROM removals` + longerThan
	fillWindows = `UPDATE removals SET restorable_until = ` + windowBegins + ` + $1 WHERE (account_id, id) IN (
  SELECT r.account_id, r.id FROM accounts a CROSS JOIN removals r
  WHERE r.account_id = a.id AND r.purged_at IS NULL AND r.restorable_until IS NULL ORDER BY a.id, r.restorable_until LIMIT $2)`
	// A job whose window began with it: from its end on.
	moveWindow = `UPDATE removals SET restorable_until = restorable_until + $3 - created_at WHERE account_id = $1 AND id = $2`

	selectPurgeState = `SELECT restore_window, clock_at FROM purge_state WHERE id = 1`
	setPurgeWindow   = `UPDATE purge_state SET restore_window = $1 WHERE id = 1`
	setPurgeClock    = `UPDATE purge_state SET clock_at = $1 WHERE id = 1`
	selectNewest     = `SELECT COALESCE(MAX(c.created_at), 0) FROM audit_heads h CROSS JOIN audit_chain c
WHERE c.account_id = h.account_id AND c.number = h.number`
)

// restorableUntil is the end of the restore window of a removal made at a time.
func restorableUntil(at time.Time, window time.Duration) int64 {
	if window > 0 {
		window = max(window, time.Microsecond) // or it would erase at once
	}
	return at.Add(window).UnixMicro()
}

// PurgeState is what servers and the purge remember together.
type PurgeState struct {
	// Window is the restore window of the server that ran the purge last.
	Window time.Duration
	// ClockAt is when the purge has trusted a clock last, by that clock; before it
	// ever has, the time of the newest audit record. The zero time for neither.
	ClockAt time.Time
}

// PurgeState reads what servers and the purge remember.
func (r *reader) PurgeState(ctx context.Context) (state PurgeState, err error) {
	var window, clock int64
	if err = r.row(ctx, selectPurgeState).Scan(&window, &clock); err == nil && clock == 0 {
		err = r.row(ctx, selectNewest).Scan(&clock)
	}
	state.Window = time.Duration(window) * time.Microsecond
	if clock != 0 {
		state.ClockAt = fromMicros(clock)
	}
	return state, wrapf(err, "read the state of the purge")
}

// SetPurgeClock remembers that the purge trusts a clock that shows this time.
func (s *Store) SetPurgeClock(ctx context.Context, now time.Time) error {
	_, err := s.delete(ctx, setPurgeClock, now.UnixMicro())
	return wrapf(err, "write the state of the purge")
}

// SetPurgeWindow remembers the restore window of a server.
func (s *Store) SetPurgeWindow(ctx context.Context, window time.Duration) error {
	_, err := s.delete(ctx, setPurgeWindow, window.Microseconds())
	return wrapf(err, "write the state of the purge")
}

// windowsAtOnce is how many removals one transaction of FillWindows changes.
const windowsAtOnce = 500

// FillWindows gives the removals of earlier versions, which kept no end of the
// restore window, an end that is the window after they were over. It works in small
// transactions.
func (s *Store) FillWindows(ctx context.Context, window time.Duration) error {
	for n := windowsAtOnce; n == windowsAtOnce; {
		var err error
		if n, err = s.delete(ctx, fillWindows, window.Microseconds(), windowsAtOnce); err != nil {
			return wrapf(err, "fill in the ends of restore windows")
		}
	}
	return nil
}

// ShorterWindows returns the accounts with removals that LengthenWindows would change.
func (s *Store) ShorterWindows(ctx context.Context, window time.Duration) (accounts []directory.AccountID, err error) {
	err = s.each(ctx, func(rows *sql.Rows) error {
		var id directory.AccountID
		err := rows.Scan(&id)
		accounts = append(accounts, id)
		return err
	}, selectShorter, window.Microseconds())
	return accounts, wrapf(err, "find shorter restore windows")
}

// LengthenWindows makes the restore windows of the account's removals at least
// this long, those apart that erased at once, and counts the removals that changed.
// Whatever is recorded is left to the caller.
func (tx *Tx) LengthenWindows(ctx context.Context, window time.Duration) (directory.WindowChange, error) {
	return tx.changeWindows(ctx, lengthenWindows, window)
}

// ShortenWindows makes the restore windows of the account's removals this long at
// most, and counts the removals that changed. A removal may be purged as soon as the
// transaction is committed. Whatever is recorded is left to the caller.
func (tx *Tx) ShortenWindows(ctx context.Context, window time.Duration) (directory.WindowChange, error) {
	return tx.changeWindows(ctx, shortenWindows, window)
}

func (tx *Tx) changeWindows(ctx context.Context, query string, window time.Duration) (c directory.WindowChange, err error) {
	tx.ask(query, []any{tx.account, window.Microseconds()}, func(row scanner) error {
		users := 0
		err := row.Scan(&users)
		c.Removals++
		c.Users += users
		return err
	})
	return c, wrapf(tx.flush(ctx), "change the restore windows")
}

// LongerWindows counts the removals that ShortenWindows would change.
func (s *Store) LongerWindows(ctx context.Context, account directory.AccountID, window time.Duration) (c directory.WindowChange, err error) {
	err = s.row(ctx, countLonger, account, window.Microseconds(), s.Now().UnixMicro()).Scan(&c.Removals, &c.Users, &c.Ended)
	return c, wrapf(err, "count the removals with a longer restore window")
}
