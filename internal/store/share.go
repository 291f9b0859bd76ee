package store

import (
	"context"
	"fmt"
	"sync"

	"roster/internal/directory"
)

// share bounds how many connections of the pool the transactions of one account hold.
// Transactions of an account wait for each other's locks; without a bound those of one
// account could hold all connections. A caller waits here without a connection.
type share struct {
	most int

	mu       sync.Mutex
	accounts map[directory.AccountID]*accountShare
}

type accountShare struct {
	slots chan struct{}
	users int // callers that wait for a slot or hold one
}

// newShare gives an account so many connections at most.
func newShare(most int) *share {
	return &share{most: most, accounts: make(map[directory.AccountID]*accountShare)}
}

// enter waits for a connection of the account's share to be free, no longer than ctx.
// The caller calls leave when it has given its connection back. The error wraps
// directory.ErrUnavailable.
func (s *share) enter(ctx context.Context, account directory.AccountID) (leave func(), err error) {
	if s == nil { // SQLite
		return func() {}, nil
	}
	s.mu.Lock()
	a := s.accounts[account]
	if a == nil {
		a = &accountShare{slots: make(chan struct{}, s.most)}
		s.accounts[account] = a
	}
	a.users++
	s.mu.Unlock()
	select {
	case a.slots <- struct{}{}:
		return func() {
			<-a.slots
			s.forget(account, a)
		}, nil
	case <-ctx.Done():
		s.forget(account, a)
		return nil, fmt.Errorf("%w: too many calls of the account wait for the database: %w", directory.ErrUnavailable, ctx.Err())
	}
}

// forget ends a use of an account's share. One without users is deleted.
func (s *share) forget(account directory.AccountID, a *accountShare) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.users--; a.users == 0 {
		delete(s.accounts, account)
	}
}
