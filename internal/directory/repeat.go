package directory

import (
	"crypto/sha256"
	"hash"
	"time"
)

// RepeatableFor is how long the outcome of a call with an idempotency key is
// kept: a caller who repeats the call within that time gets the first outcome.
const RepeatableFor = 24 * time.Hour

// RepeatKey is the idempotency key of a call, and what the call asks for. Both
// are hashed: they are of any length and may hold names. The zero value is that
// of a call that cannot be repeated.
type RepeatKey struct {
	Key     [sha256.Size]byte
	Request [sha256.Size]byte
}

// NewRepeatKey hashes a key and the parts of what the call asks for.
func NewRepeatKey(key string, request hash.Hash) RepeatKey {
	return RepeatKey{Key: sha256.Sum256([]byte(key)), Request: [sha256.Size]byte(request.Sum(nil))}
}

// IsZero reports whether the call cannot be repeated.
func (k RepeatKey) IsZero() bool { return k == RepeatKey{} }

// NewRequestHash starts the hash of a request with texts about it, such as its
// path; what else belongs to it is written to the hash.
func NewRequestHash(texts ...string) hash.Hash {
	h := sha256.New()
	for _, text := range texts {
		h.Write(appendText(nil, text))
	}
	return h
}
