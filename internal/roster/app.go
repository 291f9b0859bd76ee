package roster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/excerpt"
	"roster/internal/store"
)

// Apps returns the account's apps, oldest first; deleted ones too if all are wanted.
func (r *Roster) Apps(ctx context.Context, caller auth.Caller, accountID string, all bool) ([]directory.App, error) {
	account, err := r.accountFor(ctx, caller, accountID, directory.RightApps.See())
	if err != nil {
		return nil, err
	}
	return r.store.Apps(ctx, account.ID, all)
}

// AppDetails is an app with all that its administrators look at.
type AppDetails struct {
	directory.App
	AccountID string                  // public
	Keys      []directory.AppKey      // in the order of their numbers, still sealed
	Refusals  []directory.AppRefusals // the latest first
}

// App returns an app by its client id, whatever its state. Its refusals are some
// seconds behind the calls, and when its keys were last used a minute or so.
func (r *Roster) App(ctx context.Context, caller auth.Caller, clientID string) (AppDetails, error) {
	app, err := r.app(ctx, caller, clientID, directory.RightApps.See())
	if err != nil {
		return AppDetails{}, err
	}
	details := AppDetails{App: app}
	if details.AccountID, err = r.store.AccountPublicID(ctx, app.Account); err != nil {
		return details, err
	}
	if details.Keys, err = r.store.AppKeys(ctx, app.ID); err != nil {
		return details, err
	}
	details.Refusals, err = r.store.AppRefusals(ctx, app.ID)
	return details, err
}

// app finds the app that a verb is about, if the caller may do that. A person
// does not learn whether another account has it.
func (r *Roster) app(ctx context.Context, caller auth.Caller, clientID string, need directory.Need) (directory.App, error) {
	app, _, err := r.store.App(ctx, clientID)
	if err != nil {
		return app, err
	}
	if caller.IsPerson() && caller.RequireAccount(app.Account) != nil {
		return directory.App{}, fmt.Errorf("app %q: %w", excerpt.Of(clientID), directory.ErrNotFound)
	}
	return app, caller.Require(app.Account, need)
}

// errAsItIs ends a transaction that has nothing to change.
var errAsItIs = errors.New("it is so already")

// changeApp runs fn in a transaction that has the app and its keys to itself. fn
// returns what the audit record keeps of the change beside the client id, or errAsItIs, and then
// nothing was changed.
func (r *Roster) changeApp(ctx context.Context, caller auth.Caller, clientID string, ids int,
	fn func(*store.Tx, directory.App, []directory.AppKey) (appNote, error),
) (changed bool, err error) {
	found, err := r.app(ctx, caller, clientID, directory.RightApps.Change())
	if err != nil {
		return false, err
	}
	change := store.Change{Account: found.Account, Actor: caller.Actor, IDs: ids}
	err = r.store.Write(ctx, change, func(tx *store.Tx) error {
		app, keys, err := tx.LockApp(ctx, clientID)
		if err != nil {
			return err
		}
		note, err := fn(tx, app, keys)
		if err != nil {
			return err
		}
		note.ClientID = clientID
		return note.record(tx)
	})
	if errors.Is(err, errAsItIs) {
		return false, nil
	}
	return err == nil, err
}

// appNote is what the audit record of an app keeps beside ids.
type appNote struct {
	ClientID      string              `json:"clientId"`
	Algorithm     directory.Algorithm `json:"algorithm,omitempty"`
	Name          string              `json:"name,omitempty"`
	MustExpire    *bool               `json:"mustExpire,omitempty"`
	EnforceJTI    *bool               `json:"enforceJti,omitempty"`
	EnforceJWE    *bool               `json:"enforceJwe,omitempty"`
	ScopesAdded   []directory.Scope   `json:"scopesAdded,omitempty"`
	ScopesRemoved []directory.Scope   `json:"scopesRemoved,omitempty"`
	Secret        int                 `json:"secret,omitempty"` // its number
}

// record leaves the note with the audit record of a transaction.
func (n appNote) record(tx *store.Tx) error {
	body, err := json.Marshal(n)
	if err == nil {
		tx.RecordDetails(body)
	}
	return err
}

// notDeleted refuses to change an app that is gone.
func notDeleted(app directory.App) error {
	if app.State == directory.AppDeleted {
		return directory.Errorf(directory.ErrState,
			"the app %s is deleted, which cannot be undone: make another with 'roster app create'", app.ClientID)
	}
	return nil
}

// AppChange is what UpdateApp changes; nil leaves a thing as it is.
type AppChange struct {
	Name       *string
	MustExpire *bool
	EnforceJTI *bool
	EnforceJWE *bool
}

// UpdateApp changes an app's name, and what it demands of its tokens from the
// next call on. It reports whether anything was not so already.
func (r *Roster) UpdateApp(ctx context.Context, caller auth.Caller, clientID string, c AppChange) (changed bool, err error) {
	if c.Name != nil {
		name, err := directory.ParseName("app name", *c.Name)
		if err != nil {
			return false, err
		}
		c.Name = &name
	}
	if c.EnforceJWE != nil && *c.EnforceJWE {
		if _, err := r.app(ctx, caller, clientID, directory.RightApps.Change()); err != nil { // no key is made for nothing
			return false, err
		}
		if _, err := r.needPlatformKey(ctx); err != nil {
			return false, err
		}
	}
	return r.changeApp(ctx, caller, clientID, 0, func(tx *store.Tx, app directory.App, _ []directory.AppKey) (note appNote, err error) {
		if err := notDeleted(app); err != nil {
			return note, err
		}
		if c.Name != nil && app.Name != *c.Name {
			app.Name, note.Name = *c.Name, *c.Name
		}
		note.MustExpire = turn(&app.Policy.MustExpire, c.MustExpire)
		note.EnforceJTI = turn(&app.Policy.EnforceJTI, c.EnforceJTI)
		note.EnforceJWE = turn(&app.Policy.EnforceJWE, c.EnforceJWE)
		if note.Name == "" && note.MustExpire == nil && note.EnforceJTI == nil && note.EnforceJWE == nil {
			return note, errAsItIs
		}
		tx.UpdateApp(app)
		return note, nil
	})
}

// turn sets a switch and returns its new place, or nil when it stays where it is.
func turn(is, want *bool) *bool {
	if want == nil || *is == *want {
		return nil
	}
	*is = *want
	return want
}

// EnableApp lets a disabled app call again. It reports whether it was disabled.
func (r *Roster) EnableApp(ctx context.Context, caller auth.Caller, clientID string) (changed bool, err error) {
	return r.changeApp(ctx, caller, clientID, 0, func(tx *store.Tx, app directory.App, _ []directory.AppKey) (note appNote, err error) {
		if err := notDeleted(app); err != nil {
			return note, err
		}
		if app.State == directory.AppEnabled {
			return note, errAsItIs
		}
		tx.EnableApp(app.ID)
		return appNote{}, nil
	})
}

// DisableApp refuses all calls of an app, on every server, from the next one on,
// until EnableApp. It reports whether the app was enabled.
func (r *Roster) DisableApp(ctx context.Context, caller auth.Caller, clientID string) (changed bool, err error) {
	return r.changeApp(ctx, caller, clientID, 0, func(tx *store.Tx, app directory.App, _ []directory.AppKey) (note appNote, err error) {
		if err := notDeleted(app); err != nil {
			return note, err
		}
		if app.State == directory.AppDisabled {
			return note, errAsItIs
		}
		tx.DisableApp(app.ID)
		return appNote{}, nil
	})
}

// DeleteApp ends an app for good: its keys and scopes are erased, and its client
// id stays taken. It reports whether the app was still there.
func (r *Roster) DeleteApp(ctx context.Context, caller auth.Caller, clientID string) (changed bool, err error) {
	return r.changeApp(ctx, caller, clientID, 0, func(tx *store.Tx, app directory.App, keys []directory.AppKey) (note appNote, err error) {
		if app.State == directory.AppDeleted {
			return note, errAsItIs
		}
		tx.DeleteApp(app, liveKeys(keys))
		return appNote{ScopesRemoved: app.Scopes}, nil
	})
}

// AddScopes gives an app rights, from its next call on, and returns those of the
// scopes that it lacked.
func (r *Roster) AddScopes(ctx context.Context, caller auth.Caller, clientID string, scopes []directory.Scope) (added []directory.Scope, err error) {
	_, err = r.changeApp(ctx, caller, clientID, 0, func(tx *store.Tx, app directory.App, _ []directory.AppKey) (note appNote, err error) {
		if err := notDeleted(app); err != nil {
			return note, err
		}
		if added = pick(scopes, func(s directory.Scope) bool { return !app.Has(s) }); len(added) == 0 {
			return note, errAsItIs
		}
		tx.AddScopes(app.ID, added)
		return appNote{ScopesAdded: added}, nil
	})
	return added, err
}

// RemoveScopes takes rights from an app, from its next call on, and returns those
// of the scopes that it had. It may be left with none.
func (r *Roster) RemoveScopes(ctx context.Context, caller auth.Caller, clientID string, scopes []directory.Scope) (removed []directory.Scope, err error) {
	_, err = r.changeApp(ctx, caller, clientID, 0, func(tx *store.Tx, app directory.App, _ []directory.AppKey) (note appNote, err error) {
		if removed = pick(scopes, app.Has); len(removed) == 0 {
			return note, errAsItIs
		}
		tx.RemoveScopes(app.ID, removed)
		return appNote{ScopesRemoved: removed}, nil
	})
	return removed, err
}

// pick returns the scopes that are wanted, each once, sorted.
func pick(scopes []directory.Scope, wanted func(directory.Scope) bool) []directory.Scope {
	var picked []directory.Scope
	for _, s := range scopes {
		if wanted(s) {
			picked = append(picked, s)
		}
	}
	slices.Sort(picked)
	return slices.Compact(picked)
}
