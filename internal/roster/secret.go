package roster

import (
	"context"
	"crypto/subtle"
	"slices"
	"strconv"
	"strings"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/store"
)

// NewSecret is a key for an app that exists. The zero one is a new client secret.
type NewSecret struct {
	ClientSecret string // brought along from elsewhere
	PublicKey    []byte // PEM or JWK, for an app with RS256 or RS512
}

// AddSecret gives an app another client secret, or public key, beside the one
// that it has, and returns its number and the secret, which cannot be read
// again. Tokens are verified with both from the next call on, until RetireSecret.
// The error wraps directory.ErrState when the app has directory.MaxLiveKeys.
func (r *Roster) AddSecret(ctx context.Context, caller auth.Caller, clientID string, s NewSecret) (number int, secret string, err error) {
	if r.keys == nil {
		return 0, "", errNoKey
	}
	found, err := r.app(ctx, caller, clientID, directory.RightApps.Change())
	if err != nil {
		return 0, "", err
	}
	secret, material, err := keyMaterial(found.Algorithm, s.ClientSecret, s.PublicKey)
	if err != nil {
		return 0, "", err
	}
	_, err = r.changeApp(ctx, caller, clientID, 1, func(tx *store.Tx, app directory.App, keys []directory.AppKey) (note appNote, err error) {
		if err := notDeleted(app); err != nil {
			return note, err
		}
		if err := r.checkRoom(ctx, tx.KeyFingerprint, app, liveKeys(keys), material); err != nil {
			return note, err
		}
		number = len(keys) + 1 // retired ones count
		return appNote{Secret: number}, tx.AddKey(ctx, app.ID, number, r.sealAppKey(material))
	})
	if err != nil {
		return 0, "", err
	}
	return number, secret, nil
}

// checkRoom refuses a key more than an app may have, and one that it has: to
// retire the one would leave the other good.
func (r *Roster) checkRoom(ctx context.Context, look store.LookUp, app directory.App, live []directory.AppKey, material []byte) error {
	if len(live) >= directory.MaxLiveKeys {
		return directory.Errorf(directory.ErrState,
			"the app %s has %d live secrets already, %s: retire one that is not used any more with 'roster app secret retire %s NUMBER'",
			app.ClientID, len(live), numbers(live), app.ClientID)
	}
	opened, err := r.unseal(ctx, look, app.ID, live)
	if err != nil {
		return err
	}
	for i, key := range opened {
		if subtle.ConstantTimeCompare(key.Material, material) == 1 {
			return directory.Errorf(directory.ErrExists, "the app %s has this secret already, as number %d", app.ClientID, live[i].Number)
		}
	}
	return nil
}

// RetireSecret ends one of an app's secrets, or public keys, from the next call
// on, and erases it. It reports whether it was still live. The error wraps
// directory.ErrState when it is the only live one.
func (r *Roster) RetireSecret(ctx context.Context, caller auth.Caller, clientID string, number int) (changed bool, err error) {
	return r.changeApp(ctx, caller, clientID, 0, func(tx *store.Tx, app directory.App, keys []directory.AppKey) (note appNote, err error) {
		i := slices.IndexFunc(keys, func(k directory.AppKey) bool { return k.Number == number })
		switch live := liveKeys(keys); {
		case i < 0:
			return note, directory.Errorf(directory.ErrNotFound, "the app %s has no secret %d", clientID, number)
		case !keys[i].Live():
			return note, errAsItIs
		case len(live) == 1:
			return note, directory.Errorf(directory.ErrState, "secret %d is the only live one of the app %s: add another first with "+
				"'roster app secret add %s', or stop the app with 'roster app disable %s'", number, clientID, clientID, clientID)
		}
		tx.RetireKey(app.ID, keys[i].ID)
		return appNote{Secret: number}, nil
	})
}

// liveKeys are those that are not retired.
func liveKeys(keys []directory.AppKey) []directory.AppKey {
	var live []directory.AppKey
	for _, key := range keys {
		if key.Live() {
			live = append(live, key)
		}
	}
	return live
}

// numbers lists keys, as in "1 and 2".
func numbers(keys []directory.AppKey) string {
	texts := make([]string, len(keys))
	for i, key := range keys {
		texts[i] = strconv.Itoa(key.Number)
	}
	return strings.Join(texts, " and ")
}
