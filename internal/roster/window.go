package roster

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/store"
)

// windowEnd is when the restore window of a removal ends: what was kept with the
// removal, or what AdoptRestoreWindow will keep where an earlier version kept nothing.
func (r *Roster) windowEnd(kept, finished time.Time) time.Time {
	if kept.IsZero() {
		return finished.Add(r.unknownWindow())
	}
	return kept
}

// unknownWindow is the restore window of removals whose own is not known. Too long a
// window can be shortened; too short a one erases users for good.
func (r *Roster) unknownWindow() time.Duration { return max(r.window, DefaultRestoreWindow) }

// windowNote is what the audit record of changed restore windows keeps.
type windowNote struct {
	Window   string `json:"window"` // as time.ParseDuration reads it
	Removals int    `json:"removals"`
	Users    int    `json:"users"`
}

// AdoptRestoreWindow applies the restore window of this server to removals that were
// made before. A window that is longer than that of the server before lengthens theirs,
// but for removals that erased at once; a shorter one changes nothing about them: see
// ShortenWindows. Removals of earlier versions, which kept no window, get this one, and
// DefaultRestoreWindow at least. Each account whose removals are lengthened gets an
// audit record. A server calls it before each PurgeExpired. Only the operator may.
func (r *Roster) AdoptRestoreWindow(ctx context.Context, caller auth.Caller) error {
	if err := caller.RequireOperator(); err != nil {
		return err
	}
	state, err := r.store.PurgeState(ctx)
	if err != nil {
		return err
	}
	if err := r.store.FillWindows(ctx, r.unknownWindow()); err != nil {
		return err
	}
	if r.window == state.Window {
		return nil
	}
	if r.window > state.Window {
		accounts, err := r.store.ShorterWindows(ctx, r.window)
		if err != nil {
			return err
		}
		if _, err := r.changeWindows(ctx, caller, accounts, directory.AuditWindowsLonger, r.window, (*store.Tx).LengthenWindows); err != nil {
			return err
		}
	}
	return r.store.SetPurgeWindow(ctx, r.window)
}

// LongerWindows counts the removals that ShortenWindows would change. Only the operator
// may.
func (r *Roster) LongerWindows(ctx context.Context, caller auth.Caller, accountID string, window time.Duration) (total directory.WindowChange, err error) {
	accounts, err := r.accountsFor(ctx, caller, accountID)
	for _, account := range accounts {
		change, err := r.store.LongerWindows(ctx, account, window)
		if err != nil {
			return total, err
		}
		total = total.Add(change)
	}
	return total, err
}

// ShortenWindows ends the restore windows of removals that were made before no later
// than the window after they were over, and returns how many removals and users that
// concerns. Users whose window is then over are erased by the next purge. accountID names
// an account; empty is for all of them. Each account whose removals change gets an audit
// record. It is a transaction for each account. A negative window is an error that wraps
// directory.ErrInvalid. Only the operator may.
func (r *Roster) ShortenWindows(ctx context.Context, caller auth.Caller, accountID string, window time.Duration) (directory.WindowChange, error) {
	if window < 0 {
		return directory.WindowChange{}, directory.Errorf(directory.ErrInvalid, "a restore window cannot be negative")
	}
	accounts, err := r.accountsFor(ctx, caller, accountID)
	if err != nil {
		return directory.WindowChange{}, err
	}
	return r.changeWindows(ctx, caller, accounts, directory.AuditWindowsShorter, window, (*store.Tx).ShortenWindows)
}

// changeWindows runs change for each of the accounts, and leaves a record where it has
// changed anything.
func (r *Roster) changeWindows(ctx context.Context, caller auth.Caller, accounts []directory.AccountID, kind directory.AuditKind, window time.Duration,
	change func(*store.Tx, context.Context, time.Duration) (directory.WindowChange, error),
) (total directory.WindowChange, err error) {
	for _, account := range accounts {
		var changed directory.WindowChange
		err := r.store.Write(ctx, store.Change{Account: account, Actor: caller.Actor}, func(tx *store.Tx) (err error) {
			if changed, err = change(tx, ctx, window); err != nil {
				return err
			}
			if changed.Removals == 0 {
				return errAsItIs
			}
			note, err := json.Marshal(windowNote{window.String(), changed.Removals, changed.Users})
			tx.Record(directory.AuditRun{Kind: kind, Object: int64(account), Note: note})
			return err
		})
		if err != nil && !errors.Is(err, errAsItIs) {
			return total, err
		}
		total = total.Add(changed)
	}
	return total, nil
}

// accountsFor is the account that the operator names, or all of them.
func (r *Roster) accountsFor(ctx context.Context, caller auth.Caller, accountID string) (ids []directory.AccountID, err error) {
	if err := caller.RequireOperator(); err != nil {
		return nil, err
	}
	if accountID != "" {
		account, err := r.account(ctx, caller, accountID)
		return []directory.AccountID{account.ID}, err
	}
	accounts, err := r.store.Accounts(ctx)
	for _, account := range accounts {
		ids = append(ids, account.ID)
	}
	return ids, err
}
