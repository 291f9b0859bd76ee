package store

import (
	"context"
	"fmt"
	"sync"

	"roster/internal/directory"
)

// idBlock is how many keys a process takes from the database at once. What it
// does not use by its end is lost; there are 2^63.
const idBlock = 1024

// allocator hands out internal keys from blocks. Keys known beforehand let a
// verb write a whole tree of rows by a fixed number of statements, none of
// which waits for the answer of another.
//
// Reserving a block waits for a connection. Only callers who need one wait with it,
// each no longer than its context.
type allocator struct {
	reserve func(ctx context.Context, n int64) (first int64, err error)
	turn    chan struct{} // holds a token while a block is reserved

	mu   sync.Mutex
	next int64
	end  int64
}

func newAllocator(reserve func(ctx context.Context, n int64) (first int64, err error)) *allocator {
	return &allocator{reserve: reserve, turn: make(chan struct{}, 1)}
}

// take returns the first of n keys in a row. It must not be called inside a
// transaction: on SQLite it would wait for its own.
func (a *allocator) take(ctx context.Context, n int) (int64, error) {
	if first, ok := a.cut(int64(n)); ok {
		return first, nil
	}
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return 0, fmt.Errorf("%w: wait for ids: %w", directory.ErrUnavailable, ctx.Err())
	}
	if first, ok := a.cut(int64(n)); ok { // of a block that another caller reserved
		return first, nil
	}
	block := max(int64(n), idBlock)
	first, err := a.reserve(ctx, block)
	if err != nil {
		return 0, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next, a.end = first+int64(n), first+block
	return first, nil
}

// cut takes n keys of the block, if that many are left.
func (a *allocator) cut(n int64) (first int64, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.end-a.next < n {
		return 0, false
	}
	a.next += n
	return a.next - n, true
}

// reserveIDs takes a block of n keys from the database, in a transaction of its own.
func (s *Store) reserveIDs(ctx context.Context, n int64) (first int64, err error) {
	const query = "UPDATE id_blocks SET next_id = next_id + $1 WHERE only_row = 1 RETURNING next_id - $1"
	err = s.inTx(ctx, func(r *reader, _ session) error {
		return r.row(ctx, query, n).Scan(&first)
	})
	return first, wrapf(err, "reserve ids")
}
