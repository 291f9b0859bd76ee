package roster

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"os"
	"slices"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/store"
)

// How much of a rotation one step does: some accounts are looked up at once, and
// a transaction is short enough not to hold up others.
const (
	resealAccounts = 1000
	resealSecrets  = 200
)

// rotateAttempts is how often a rotation starts over that finds another quicker.
const rotateAttempts = 10

// KeyInfo tells of a secret key, and nothing that would open anything.
type KeyInfo struct {
	Fingerprint string    `json:"fingerprint"`
	State       KeyState  `json:"state"`
	Version     int       `json:"version,omitzero"`   // none while it waits
	Created     time.Time `json:"createdOn,omitzero"` // when it began to seal, to the second
	Seals       int       `json:"seals"`              // secrets that only this key opens
	InFile      bool      `json:"inFile"`
}

// KeyState is what a secret key is to the database.
type KeyState string

// States of a secret key.
const (
	KeyCurrent KeyState = "current" // seals what is new
	KeyRetired KeyState = "retired" // opens what is still sealed with it
	KeyWaiting KeyState = "waiting" // in the file, for the next rotation
)

// SecretKeys lists the secret keys that matter: the current one, those that
// still seal something, and those in the key file, which may be missing. Only
// the operator may.
func (r *Roster) SecretKeys(ctx context.Context, caller auth.Caller) ([]KeyInfo, error) {
	if err := caller.RequireOperator(); err != nil {
		return nil, err
	}
	file, err := r.keyFile()
	if err != nil {
		return nil, err
	}
	held, err := file.Read()
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	known, err := r.store.SecretKeys(ctx)
	if err != nil {
		return nil, err
	}
	infos := []KeyInfo{}
	for _, k := range known {
		info := KeyInfo{
			Fingerprint: hex.EncodeToString(k.Fingerprint), State: KeyCurrent,
			Version: k.Version, Created: k.Created.UTC().Truncate(time.Second), Seals: k.Seals,
			InFile: slices.ContainsFunc(held, func(key *auth.Key) bool { return bytes.Equal(key.Fingerprint(), k.Fingerprint) }),
		}
		if !k.Retired.IsZero() {
			info.State = KeyRetired
		}
		if info.State == KeyCurrent || info.Seals > 0 || info.InFile {
			infos = append(infos, info)
		}
	}
	for _, key := range held {
		if !isKnown(known, key) {
			infos = append(infos, KeyInfo{Fingerprint: key.String(), State: KeyWaiting, InFile: true})
		}
	}
	return infos, nil
}

func isKnown(known []directory.SecretKey, key *auth.Key) bool {
	return slices.ContainsFunc(known, func(k directory.SecretKey) bool { return bytes.Equal(k.Fingerprint, key.Fingerprint()) })
}

// AddSecretKey puts a new key into the key file, for the next rotation, unless
// one waits there already. It returns its fingerprint and whether it is new.
// Only the operator may.
func (r *Roster) AddSecretKey(ctx context.Context, caller auth.Caller) (fingerprint string, added bool, err error) {
	if err := r.mayRotate(caller); err != nil {
		return "", false, err
	}
	key, added, err := r.nextKey(ctx)
	if err != nil {
		return "", false, err
	}
	return key.String(), added, nil
}

func (r *Roster) mayRotate(caller auth.Caller) error {
	if err := caller.RequireOperator(); err != nil {
		return err
	}
	if r.keys == nil {
		return errNoKey
	}
	return nil
}

// nextKey is the key in the file that the database has never seen, the newest
// of them, or a new one.
func (r *Roster) nextKey(ctx context.Context) (*auth.Key, bool, error) {
	known, err := r.keys.list(ctx)
	if err != nil {
		return nil, false, err
	}
	return r.keys.file.Add(func(keys []*auth.Key) *auth.Key { return waitingKey(known, keys) })
}

func waitingKey(known []directory.SecretKey, keys []*auth.Key) *auth.Key {
	for _, key := range slices.Backward(keys) {
		if !isKnown(known, key) {
			return key
		}
	}
	return nil
}

// Rotation tells what RotateSecretKey did.
type Rotation struct {
	Fingerprint string   `json:"fingerprint"` // of the key that seals now
	Version     int      `json:"version"`
	Resealed    int      `json:"resealed"` // secrets sealed anew
	Dropped     []string `json:"dropped"`  // fingerprints of keys taken out of the file
	// Resumed is set when an earlier rotation was found unfinished: that was
	// brought to its end, and no other was begun.
	Resumed bool `json:"resumed"`
}

// RotateSecretKey makes the key that waits in the file, or else a new one, the
// current one, seals all secrets anew with it, and takes keys out of the file
// that open nothing any more. The new key is in the file before the database
// names it, and an old one until nothing needs it, so at no time is anything
// unreadable. Ended at any point, it can be called again and goes on. Servers
// may run all the while, and several calls at once. Only the operator may.
func (r *Roster) RotateSecretKey(ctx context.Context, caller auth.Caller) (Rotation, error) {
	out := Rotation{Dropped: []string{}}
	if err := r.mayRotate(caller); err != nil {
		return out, err
	}
	err := r.beginRotation(ctx, &out)
	if err != nil {
		return out, err
	}
	if out.Resealed, err = r.resealAll(ctx, caller); err != nil {
		return out, err
	}
	version, fingerprint, err := r.keys.current(ctx)
	if err != nil {
		return out, err
	}
	out.Version, out.Fingerprint = version, hex.EncodeToString(fingerprint)
	dropped, err := r.dropKeys(ctx)
	for _, key := range dropped {
		out.Dropped = append(out.Dropped, key.String())
	}
	return out, err
}

// beginRotation makes the next key the current one, unless an earlier rotation
// has to be finished.
func (r *Roster) beginRotation(ctx context.Context, out *Rotation) (err error) {
	if _, _, err = r.keys.current(ctx); err != nil {
		return err
	}
	if out.Resumed, err = r.unfinished(ctx); err != nil || out.Resumed {
		return err
	}
	return r.nextVersion(ctx)
}

// unfinished says whether a rotation was ended before it was done: keys are
// left over that are not current any more. A key that waits in the file is the
// wish for another rotation, which will do that one's work too.
func (r *Roster) unfinished(ctx context.Context) (bool, error) {
	known, err := r.keys.list(ctx)
	if err != nil {
		return false, err
	}
	held, err := r.keys.file.Read()
	if err != nil || waitingKey(known, held) != nil {
		return false, err
	}
	for _, k := range known {
		inFile := slices.ContainsFunc(held, func(key *auth.Key) bool { return bytes.Equal(key.Fingerprint(), k.Fingerprint) })
		if !k.Retired.IsZero() && (k.Seals > 0 || inFile) {
			return true, nil
		}
	}
	return false, nil
}

// nextVersion makes the next key the current one. Another rotation may be
// quicker: with the same key its work is ours.
func (r *Roster) nextVersion(ctx context.Context) error {
	var next *auth.Key
	for range rotateAttempts {
		version, fingerprint, err := r.keys.current(ctx)
		if err != nil || next != nil && bytes.Equal(fingerprint, next.Fingerprint()) {
			return err
		}
		if next, _, err = r.nextKey(ctx); err != nil {
			return err
		}
		if err := r.store.RotateKey(ctx, version, next.Fingerprint()); !errors.Is(err, store.ErrNotCurrent) {
			return err
		}
	}
	return directory.Errorf(directory.ErrUnavailable, "other rotations of the secret key are always quicker: run this again")
}

// resealAll seals everything anew that an older key than the current one seals.
func (r *Roster) resealAll(ctx context.Context, caller auth.Caller) (total int, err error) {
	total, err = r.store.ResealPlatformKeys(ctx, func(look store.LookUp, held store.HeldKey, key directory.PlatformKey) (directory.Sealed, error) {
		return r.keys.reseal(ctx, look, held, key.Sealed, platformPurpose(key.ID))
	})
	if err != nil {
		return 0, err
	}
	for {
		accounts, err := r.store.AccountsToReseal(ctx, resealAccounts)
		if err != nil || len(accounts) == 0 {
			return total, err
		}
		for _, account := range accounts {
			n, err := r.resealAccount(ctx, caller, account)
			total += n
			if err != nil {
				return total, err
			}
		}
	}
}

// resealAccount seals the secrets of one account's apps anew.
func (r *Roster) resealAccount(ctx context.Context, caller auth.Caller, account directory.AccountID) (total int, err error) {
	for {
		n := 0
		err := r.store.Write(ctx, store.Change{Account: account, Actor: caller.Actor}, func(tx *store.Tx) (err error) {
			n, err = tx.ResealAppKeys(ctx, resealSecrets, func(held store.HeldKey, app directory.AppID, sealed directory.Sealed) (directory.Sealed, error) {
				return r.keys.reseal(ctx, tx.KeyFingerprint, held, sealed, secretPurpose(app))
			})
			return err
		})
		switch {
		case errors.Is(err, store.ErrNothingToReseal):
			return total, nil
		case err != nil:
			return total, err
		}
		total += n
	}
}

// dropKeys takes those keys out of the file that are retired and open nothing
// any more: nothing is ever sealed with a retired key again.
func (r *Roster) dropKeys(ctx context.Context) ([]*auth.Key, error) {
	known, err := r.keys.list(ctx)
	if err != nil {
		return nil, err
	}
	return r.keys.file.Drop(func(key *auth.Key) bool {
		return slices.ContainsFunc(known, func(k directory.SecretKey) bool {
			return bytes.Equal(k.Fingerprint, key.Fingerprint()) && !k.Retired.IsZero() && k.Seals == 0
		})
	})
}
