package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"roster/internal/directory"
)

const keySize = 32

// Key is the secret key that seals what the database must keep readable, such
// as client secrets: AES-256-GCM, 32 bytes.
type Key struct {
	aead        cipher.AEAD
	fingerprint []byte
}

func newKey(raw []byte) (*Key, error) {
	block, err := aes.NewCipher(raw)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, raw)
	mac.Write([]byte("roster secret key fingerprint"))
	return &Key{aead: aead, fingerprint: mac.Sum(nil)[:16]}, nil
}

// Fingerprint tells keys apart and gives nothing of them away.
func (k *Key) Fingerprint() []byte { return k.fingerprint }

// Seal encrypts plain. purpose says what it is and whose, and must be the same
// when it is opened, so that a sealed text moved to another row is refused.
func (k *Key) Seal(plain []byte, purpose string) []byte {
	return k.aead.Seal(nil, nil, plain, []byte(purpose)) //nolint:gosec // the nonce is random, made inside
}

// Open decrypts what Seal made for the same purpose.
func (k *Key) Open(sealed []byte, purpose string) ([]byte, error) {
	plain, err := k.aead.Open(nil, nil, sealed, []byte(purpose))
	if err != nil {
		return nil, fmt.Errorf("unseal %s: the secret key does not fit or the data was changed", purpose)
	}
	return plain, nil
}

// ReadKey reads a key file: 32 bytes in standard base64. The error wraps
// os.ErrNotExist when there is no file, and directory.ErrInvalid when it holds
// no key.
func ReadKey(path string) (*Key, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(raw) != keySize {
		return nil, directory.Errorf(directory.ErrInvalid, "secret key file %s should hold %d bytes in base64", path, keySize)
	}
	return newKey(raw)
}

// CreateKey makes a key file that only its owner can read, unless there is one
// already, and reads it. The directory is made when it is missing.
func CreateKey(path string) (*Key, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	raw := make([]byte, keySize)
	rand.Read(raw)
	// The file appears whole or not at all: a link fails where a rename would
	// replace the key of a process that was quicker.
	tmp, err := os.CreateTemp(dir, filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(base64.StdEncoding.EncodeToString(raw) + "\n")
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return nil, fmt.Errorf("write the secret key file %s: %w", path, err)
	}
	err = os.Link(tmp.Name(), path)
	if _, missing := os.Stat(path); missing != nil { // a file system without links
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("write the secret key file %s: %w", path, err)
	}
	syncDir(dir)
	return ReadKey(path)
}

// syncDir makes a new name in the directory survive a power cut, as far as the
// file system can: the database will soon hold secrets that need the key.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}
