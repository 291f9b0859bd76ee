package auth

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"os"

	"roster/internal/directory"
)

// CheckpointKey signs checkpoints of the audit log. Its file is like that of a
// secret key, and another: whoever verifies needs the public half alone.
type CheckpointKey struct{ private ed25519.PrivateKey }

// LoadCheckpointKey reads the key from its file, or, if create says so, makes both
// where there is no file.
func LoadCheckpointKey(f KeyFile, create bool) (*CheckpointKey, error) {
	keys, err := f.Read()
	if create && errors.Is(err, os.ErrNotExist) {
		if err = f.Create(); err == nil {
			keys, err = f.Read()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("load the checkpoint key: %w", err)
	}
	seed, err := base64.StdEncoding.DecodeString(keys[0].text)
	if err != nil {
		return nil, err
	}
	return &CheckpointKey{ed25519.NewKeyFromSeed(seed)}, nil
}

// Public is the public half, in base64.
func (k *CheckpointKey) Public() string {
	return base64.StdEncoding.EncodeToString(k.private[ed25519.SeedSize:]) // where it stands
}

// Sign signs a checkpoint. The signature is base64.
func (k *CheckpointKey) Sign(c directory.Checkpoint) string {
	return base64.StdEncoding.EncodeToString(ed25519.Sign(k.private, c.Statement()))
}

// CheckSignature reports whether the key with that public half signed the
// checkpoint. The error wraps directory.ErrInvalid when public is no key.
func CheckSignature(public string, c directory.Checkpoint, signature string) (bool, error) {
	key, err := base64.StdEncoding.DecodeString(public)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return false, directory.Errorf(directory.ErrInvalid, "a checkpoint key has %d bytes in base64", ed25519.PublicKeySize)
	}
	sig, err := base64.StdEncoding.DecodeString(signature)
	return err == nil && ed25519.Verify(key, c.Statement(), sig), nil
}
