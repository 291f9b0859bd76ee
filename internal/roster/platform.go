package roster

import (
	"context"
	"errors"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/store"
)

// platformPurpose binds the sealed key of the platform to its key id.
func platformPurpose(kid string) string { return "platform key " + kid }

// PlatformKey returns the public half of the platform's RSA key as a JSON Web
// Key. Apps with Enforce JWE encrypt their tokens to it. It is made when it is
// first asked for. Only the operator may.
func (r *Roster) PlatformKey(ctx context.Context, caller auth.Caller) ([]byte, error) {
	if err := caller.RequireOperator(); err != nil {
		return nil, err
	}
	key, err := r.needPlatformKey(ctx)
	if err != nil {
		return nil, err
	}
	return key.JWK()
}

// needPlatformKey opens the platform's key, which it makes where there is none.
func (r *Roster) needPlatformKey(ctx context.Context) (*auth.PlatformKey, error) {
	key, err := r.openPlatformKey(ctx)
	if !errors.Is(err, directory.ErrNotFound) {
		return key, err
	}
	if err := r.createPlatformKey(ctx); err != nil {
		return nil, err
	}
	return r.openPlatformKey(ctx)
}

func (r *Roster) createPlatformKey(ctx context.Context) error {
	if r.keys == nil {
		return errNoKey
	}
	key, err := auth.NewPlatformKey()
	if err != nil {
		return err
	}
	plain, err := key.Marshal()
	if err != nil {
		return err
	}
	return r.store.CreatePlatformKey(ctx, key.ID, func(held store.HeldKey) (directory.Sealed, error) {
		return r.keys.seal(held, platformPurpose(key.ID), plain)
	})
}

// openPlatformKey reads the key from the database, or from memory once it was read.
func (r *Roster) openPlatformKey(ctx context.Context) (*auth.PlatformKey, error) {
	if key := r.platform.Load(); key != nil {
		return key, nil
	}
	if r.keys == nil {
		return nil, errNoKey
	}
	plain, err := r.readPlatformKey(ctx)
	if errors.Is(err, auth.ErrKeyMissing) {
		plain, err = r.readPlatformKey(ctx)
	}
	if err != nil {
		return nil, err
	}
	key, err := auth.ParsePlatformKey(plain)
	if err == nil {
		r.platform.Store(key)
	}
	return key, err
}

// readPlatformKey reads the key from the database and unseals it.
func (r *Roster) readPlatformKey(ctx context.Context) ([]byte, error) {
	sealed, err := r.store.PlatformKey(ctx)
	if err != nil {
		return nil, err
	}
	return r.keys.open(ctx, r.store.KeyFingerprint, sealed.Sealed, platformPurpose(sealed.ID))
}

// platformKey is the key with that id, nil when there is none.
func (r *Roster) platformKey(ctx context.Context, kid string) (*auth.PlatformKey, error) {
	key, err := r.openPlatformKey(ctx)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case key.ID != kid:
		return nil, nil
	}
	return key, nil
}
