package directory

import "time"

// Checkpoint is what the end of an account's audit chain was at a time. Kept
// outside, it shows later whether that chain was cut or made anew.
type Checkpoint struct {
	At      time.Time
	Account string // public id
	Number  int64
	Hash    []byte
}

// Statement is what a signature of the checkpoint signs.
func (c *Checkpoint) Statement() []byte {
	b := appendText(nil, "roster audit checkpoint 1")
	b = appendInt(b, c.At.UnixMicro())
	b = appendText(b, c.Account)
	b = appendInt(b, c.Number)
	return appendText(b, string(c.Hash))
}
