package roster

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/store"
)

// errNoKey is a mistake of ours: whoever handles secrets asks for the key.
var errNoKey = errors.New("the directory was opened without its secret key")

// secretKeys seals and opens secrets of the database. The database numbers the
// keys that seal it and knows their fingerprints; the keys are in the key file.
type secretKeys struct {
	store *store.Store
	file  auth.KeyFile
	ring  *auth.Keyring
	// fingerprints has those of the versions that were met. They never change.
	fingerprints sync.Map // int -> []byte
}

// loadKeys reads the key file and sees that it holds the key that the database
// is sealed with. Only a database that holds no secret gets a new key: any
// other would make all its secrets unreadable.
func loadKeys(ctx context.Context, s *store.Store, file auth.KeyFile) (*secretKeys, error) {
	version, fingerprint, err := s.CurrentKey(ctx)
	if err != nil {
		return nil, err
	}
	for {
		if version == 0 {
			if version, fingerprint, err = firstKey(ctx, s, file); err != nil {
				return nil, err
			}
		}
		ring, err := openKeyring(file, fingerprint)
		if err == nil {
			return &secretKeys{store: s, file: file, ring: ring}, nil
		}
		// The key may have been rotated out between the look into the database
		// and that into the file.
		before := version
		var readErr error
		if version, fingerprint, readErr = s.CurrentKey(ctx); readErr != nil {
			return nil, readErr
		}
		if version == before {
			return nil, err
		}
	}
}

// firstKey gives a database that has no key yet that of the file, which is made
// when it is missing. It returns whose it is in the end: another process may
// have been first, with another key.
func firstKey(ctx context.Context, s *store.Store, file auth.KeyFile) (version int, fingerprint []byte, err error) {
	keys, err := file.Read()
	if errors.Is(err, os.ErrNotExist) {
		if err = file.Create(); err == nil {
			keys, err = file.Read()
		}
	}
	if err != nil {
		return 0, nil, fmt.Errorf("read the secret key: %w", err)
	}
	if err := s.PinSecretKey(ctx, keys[len(keys)-1].Fingerprint()); err != nil {
		return 0, nil, err
	}
	return s.CurrentKey(ctx)
}

// openKeyring reads a key file that must hold the key with that fingerprint.
func openKeyring(file auth.KeyFile, fingerprint []byte) (*auth.Keyring, error) {
	ring, err := auth.OpenKeyring(file)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("secret key file %s is missing, and the database holds secrets sealed with the key %s: "+
			"restore the file from a backup or name it with --secret-key-file", file.Path, hex.EncodeToString(fingerprint))
	case err != nil:
		return nil, fmt.Errorf("read the secret key: %w", err)
	}
	if !ring.Holds(fingerprint) {
		return nil, fmt.Errorf("secret key file %s holds the key %s, but the database is sealed with the key %s: "+
			"name the right file with --secret-key-file, or, if the key was rotated on another machine, copy the file from there",
			file.Path, strings.Join(ring.Fingerprints(), ", "), hex.EncodeToString(fingerprint))
	}
	return ring, nil
}

// seal encrypts plain for a purpose under the key that a transaction holds.
func (k *secretKeys) seal(held store.HeldKey, purpose string, plain []byte) (directory.Sealed, error) {
	key, err := k.ring.Key(held.Fingerprint())
	if err != nil {
		return directory.Sealed{}, err
	}
	return directory.Sealed{KeyVersion: held.Version(), Text: key.Seal(plain, purpose)}, nil
}

// open decrypts what was sealed for the purpose, under whatever key that was.
// The error wraps auth.ErrKeyMissing when the key file lacks the key. What was
// read outside of a transaction may just have been sealed anew and its key taken
// out of the file, so whoever did reads it once more.
func (k *secretKeys) open(ctx context.Context, look store.LookUp, sealed directory.Sealed, purpose string) ([]byte, error) {
	fingerprint, err := k.fingerprint(ctx, look, sealed.KeyVersion)
	if err != nil {
		return nil, err
	}
	key, err := k.ring.Key(fingerprint)
	if err != nil {
		return nil, fmt.Errorf("unseal %s: %w", purpose, err)
	}
	return key.Open(sealed.Text, purpose)
}

// fingerprint is that of the key with the version, which the database tells once.
func (k *secretKeys) fingerprint(ctx context.Context, look store.LookUp, version int) ([]byte, error) {
	if known, ok := k.fingerprints.Load(version); ok {
		return known.([]byte), nil //nolint:forcetypeassert // nothing else is stored
	}
	fingerprint, err := look(ctx, version)
	if err == nil {
		k.fingerprints.Store(version, fingerprint)
	}
	return fingerprint, err
}

// current is the key that seals. The error wraps directory.ErrUnavailable when
// the key file lacks it: then it was rotated on another machine.
func (k *secretKeys) current(ctx context.Context) (version int, fingerprint []byte, err error) {
	version, fingerprint, err = k.store.CurrentKey(ctx)
	if err == nil {
		_, err = k.ring.Key(fingerprint)
	}
	return version, fingerprint, err
}

// list lists all keys of the database, and notes their fingerprints.
func (k *secretKeys) list(ctx context.Context) ([]directory.SecretKey, error) {
	keys, err := k.store.SecretKeys(ctx)
	for _, key := range keys {
		k.fingerprints.Store(key.Version, key.Fingerprint)
	}
	return keys, err
}

// reseal opens what was sealed for the purpose and seals it under the held key.
func (k *secretKeys) reseal(ctx context.Context, look store.LookUp, held store.HeldKey, sealed directory.Sealed, purpose string) (directory.Sealed, error) {
	plain, err := k.open(ctx, look, sealed, purpose)
	if err != nil {
		return directory.Sealed{}, err
	}
	return k.seal(held, purpose, plain)
}
