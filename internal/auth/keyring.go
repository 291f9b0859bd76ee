package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"time"

	"roster/internal/directory"
)

const keySize = 32

// Key is a secret key that seals what the database must keep readable, such
// as client secrets: AES-256-GCM, 32 bytes.
type Key struct {
	aead        cipher.AEAD
	fingerprint []byte
	text        string // as it stands in a key file
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
	return &Key{aead: aead, fingerprint: mac.Sum(nil)[:16], text: base64.StdEncoding.EncodeToString(raw)}, nil
}

// randomKey makes a key.
func randomKey() (*Key, error) {
	raw := make([]byte, keySize)
	rand.Read(raw)
	return newKey(raw)
}

// Fingerprint tells keys apart and gives nothing of them away.
func (k *Key) Fingerprint() []byte { return k.fingerprint }

// String is the fingerprint, so that no key is ever printed by mistake.
func (k *Key) String() string { return hex.EncodeToString(k.fingerprint) }

// GoString is String too.
func (k *Key) GoString() string { return k.String() }

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

// ErrKeyMissing says that the key file lacks a key, which may be on its way, or
// rotated out since somebody read what it had sealed.
var ErrKeyMissing = directory.Errorf(directory.ErrUnavailable, "secret key missing")

// lookAgain is how long a key file that lacks a key is not read again for it.
const lookAgain = time.Second

// Keyring holds the keys of a key file, and reads the file again when it is
// asked for a key that it does not hold. It forgets none. It is safe for
// concurrent use.
type Keyring struct {
	file KeyFile
	read sync.Mutex // held by who reads the file

	mu     sync.RWMutex
	keys   map[string]*Key      // by fingerprint
	lacked map[string]time.Time // fingerprints that were not in the file, and when
}

// OpenKeyring reads a key file; its errors are those of KeyFile.Read.
func OpenKeyring(file KeyFile) (*Keyring, error) {
	k := &Keyring{file: file, keys: make(map[string]*Key), lacked: make(map[string]time.Time)}
	return k, k.load()
}

// Key returns the key with that fingerprint. Where the file does not hold it,
// the error wraps ErrKeyMissing and says what to do.
func (k *Keyring) Key(fingerprint []byte) (*Key, error) {
	if key, err := k.held(fingerprint); key != nil || err != nil {
		return key, err
	}
	// One reads the file, and the others who wait find what it read.
	k.read.Lock()
	defer k.read.Unlock()
	if key, err := k.held(fingerprint); key != nil || err != nil {
		return key, err
	}
	readErr := k.load()
	k.mu.Lock()
	defer k.mu.Unlock()
	if key, ok := k.keys[string(fingerprint)]; ok {
		delete(k.lacked, string(fingerprint))
		return key, nil
	}
	k.lacked[string(fingerprint)] = time.Now()
	return nil, k.missing(fingerprint, readErr)
}

// Holds says whether the key with that fingerprint is on the ring.
func (k *Keyring) Holds(fingerprint []byte) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.keys[string(fingerprint)] != nil
}

// Fingerprints lists those of all keys on the ring, as text.
func (k *Keyring) Fingerprints() []string {
	k.mu.RLock()
	defer k.mu.RUnlock()
	var all []string
	for _, key := range k.keys {
		all = append(all, key.String())
	}
	slices.Sort(all)
	return all
}

// held returns the key, an error when the file was found to lack it just now,
// and neither when the file should be read.
func (k *Keyring) held(fingerprint []byte) (*Key, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if key, ok := k.keys[string(fingerprint)]; ok {
		return key, nil
	}
	if at, ok := k.lacked[string(fingerprint)]; ok && time.Since(at) < lookAgain {
		return nil, k.missing(fingerprint, nil)
	}
	return nil, nil
}

func (k *Keyring) missing(fingerprint []byte, readErr error) error {
	why := ""
	if readErr != nil {
		why = fmt.Sprintf(" (%v)", readErr)
	}
	return directory.Errorf(ErrKeyMissing, "the secret key file %s lacks the key %x%s, with which the database is sealed: "+
		"copy the file from the machine where 'roster secret-key rotate' ran; it is then read without a restart", k.file.Path, fingerprint, why)
}

func (k *Keyring) load() error {
	k.file.traced("read")
	keys, err := k.file.Read()
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, key := range keys {
		k.keys[string(key.fingerprint)] = key
	}
	return nil
}
