package roster

import (
	"context"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/store"
)

// TestTokenLife is how long a test token is good.
const TestTokenLife = 5 * time.Minute

// TestToken makes a short-lived token of an app, to try a call with: what the app
// would sign with its newest client secret, with all that its policy demands. It
// leaves an audit record. The error wraps directory.ErrState when the app cannot
// call, or signs with a private key, which is not here.
func (r *Roster) TestToken(ctx context.Context, caller auth.Caller, clientID string) (token string, err error) {
	if r.keys == nil {
		return "", errNoKey
	}
	found, err := r.app(ctx, caller, clientID, directory.RightApps.Change())
	if err != nil {
		return "", err
	}
	var platform *auth.PlatformKey
	if found.Policy.EnforceJWE {
		if platform, err = r.needPlatformKey(ctx); err != nil {
			return "", err
		}
	}
	change := store.Change{Account: found.Account, Actor: caller.Actor}
	err = r.store.Write(ctx, change, func(tx *store.Tx) error {
		app, keys, err := tx.LockApp(ctx, clientID)
		if err != nil {
			return err
		}
		live := liveKeys(keys)
		switch {
		case app.State != directory.AppEnabled:
			return directory.Errorf(directory.ErrState, "the app %s is %s", clientID, app.State)
		case app.Algorithm.PublicKey():
			return directory.Errorf(directory.ErrState, "the app %s signs with its own private key: make a token with 'roster token --alg %s --key FILE'", clientID, app.Algorithm)
		case len(live) == 0:
			return directory.Errorf(directory.ErrState, "the app %s has no live secret", clientID)
		}
		newest := live[len(live)-1]
		opened, err := r.unseal(ctx, tx.KeyFingerprint, app.ID, live[len(live)-1:])
		if err != nil {
			return err
		}
		key := platform
		if !app.Policy.EnforceJWE {
			key = nil
		}
		if token, err = auth.IssueToken(app, opened[0].Material, key, "test token", r.store.Now(), TestTokenLife); err != nil {
			return err
		}
		tx.Record(directory.AuditRun{Kind: directory.AuditAppTestToken, Object: int64(app.ID)})
		return appNote{ClientID: clientID, Secret: newest.Number}.record(tx)
	})
	return token, err
}
