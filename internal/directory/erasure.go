package directory

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// Life is a membership, told from every other one of any account at any time.
type Life struct {
	Account string // public id
	User    string // public id of the person
	Joined  int64  // microseconds since 1970
}

// ErasureHash names an erased membership in a list that is kept outside of the
// database.
type ErasureHash [sha256.Size]byte

// Hash is keyed by the user's id, which is random and in the database alone: to
// whoever has no copy of that it tells nothing.
func (l Life) Hash() (h ErasureHash) {
	mac := hmac.New(sha256.New, []byte(l.User))
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(l.Joined)))
	mac.Write([]byte(l.Account))
	mac.Sum(h[:0])
	return h
}
