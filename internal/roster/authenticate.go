package roster

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/store"
)

// secretPurpose binds a sealed client secret to its app.
func secretPurpose(app directory.AppID) string {
	return "client secret of app " + strconv.FormatInt(int64(app), 10)
}

// Authenticate finds out which app sent a token. A refusal is an *auth.Refusal
// and says why; the wire must not.
func (r *Roster) Authenticate(ctx context.Context, compact string) (auth.Caller, error) {
	if r.keys == nil {
		return auth.Caller{}, errNoKey
	}
	token, err := auth.ParseToken(compact, func(kid string) (*auth.PlatformKey, error) {
		return r.platformKey(ctx, kid)
	})
	if err != nil {
		return auth.Caller{}, err
	}
	app, sealed, err := r.store.App(ctx, token.ClientID)
	unknown := errors.Is(err, directory.ErrNotFound)
	if err != nil && !unknown {
		return auth.Caller{}, err
	}
	if !unknown {
		id := app.ClientID
		r.known.Store(&id)
	}
	keys, err := r.openKeys(ctx, app, sealed)
	unusable := notCallable(app, token.ClientID, unknown)
	if unusable != nil {
		keys = nil
	} else if err != nil {
		return auth.Caller{}, err
	}
	claims, err := token.Verify(app, keys, r.store.Now())
	if unusable != nil || err != nil {
		r.evenOut(ctx, unknown)
	}
	switch {
	case unusable != nil:
		return auth.Caller{}, unusable
	case err != nil:
		return auth.Caller{}, err
	}
	r.notes.used(app.ID, claims.Key, r.store.Now())
	return auth.AppCaller(app, claims), nil
}

// evenOut makes refusals of all kinds take as long. To read an app takes longer
// than to find that there is none, so after the one it does the other.
func (r *Roster) evenOut(ctx context.Context, unknown bool) {
	other := new(string) // no app's client id
	if known := r.known.Load(); unknown && known != nil {
		other = known
	}
	app, sealed, _ := r.store.App(ctx, *other)
	_, _ = r.openKeys(ctx, app, sealed) // what becomes of it changes nothing
}

// notCallable says why nobody can call as the app that a token names; nil when
// they can.
func notCallable(app directory.App, clientID string, unknown bool) *auth.Refusal {
	switch {
	case unknown:
		return auth.Refuse(auth.ReasonUnknownApp, "no app has the client id %s", printable(clientID))
	case app.State == directory.AppDisabled:
		return auth.Refuse(auth.ReasonAppDisabled, "it is disabled").Of(app)
	case app.State != directory.AppEnabled:
		return auth.Refuse(auth.ReasonAppDeleted, "it is deleted").Of(app)
	}
	return nil
}

// openKeys opens the live keys of an app, which were read just now.
func (r *Roster) openKeys(ctx context.Context, app directory.App, sealed []directory.AppKey) ([]auth.AppKey, error) {
	keys, err := r.unseal(ctx, r.store.KeyFingerprint, app.ID, sealed)
	if !errors.Is(err, auth.ErrKeyMissing) {
		return keys, err
	}
	if _, sealed, err = r.store.App(ctx, app.ClientID); err != nil {
		return nil, err
	}
	return r.unseal(ctx, r.store.KeyFingerprint, app.ID, sealed)
}

// unseal opens live keys of an app.
func (r *Roster) unseal(ctx context.Context, look store.LookUp, app directory.AppID, sealed []directory.AppKey) ([]auth.AppKey, error) {
	keys := make([]auth.AppKey, len(sealed))
	for i, s := range sealed {
		material, err := r.keys.open(ctx, look, s.Sealed, secretPurpose(app))
		if err != nil {
			return nil, err
		}
		keys[i] = auth.AppKey{ID: s.ID, Material: material}
	}
	return keys, nil
}

// printable is a stranger's claim of a client id as a log may show it. What has
// not the form of one could be anything, an address included.
func printable(clientID string) string {
	if len(clientID) <= 64 && strings.HasPrefix(clientID, "cs-") && !strings.ContainsFunc(clientID, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	}) {
		return clientID
	}
	return "(not of the form cs-...)"
}
