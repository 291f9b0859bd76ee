package store

import (
	"context"
	"sync"
)

// idBlock is how many keys a process takes from the database at once. What it
// does not use by its end is lost; there are 2^63.
const idBlock = 1024

// allocator hands out internal keys from blocks. Keys known beforehand let a
// verb write a whole tree of rows by a fixed number of statements, none of
// which waits for the answer of another.
type allocator struct {
	mu      sync.Mutex
	next    int64
	end     int64
	reserve func(ctx context.Context, n int64) (first int64, err error)
}

// take returns the first of n keys in a row. It must not be called inside a
// transaction: on SQLite it would wait for its own.
func (a *allocator) take(ctx context.Context, n int) (int64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.end-a.next < int64(n) {
		block := max(int64(n), idBlock)
		first, err := a.reserve(ctx, block)
		if err != nil {
			return 0, err
		}
		a.next, a.end = first, first+block
	}
	first := a.next
	a.next += int64(n)
	return first, nil
}

// reserveIDs takes a block of n keys from the database, in a transaction of its own.
func (s *Store) reserveIDs(ctx context.Context, n int64) (first int64, err error) {
	const query = "UPDATE id_blocks SET next_id = next_id + $1 WHERE only_row = 1 RETURNING next_id - $1"
	err = s.inTx(ctx, func(r *reader, _ session) error {
		return r.row(ctx, query, n).Scan(&first)
	})
	return first, wrapf(err, "reserve ids")
}
