package publicapi

import (
	"sync"

	"roster/internal/directory"
)

// load bounds what the calls that are being handled hold in memory, all
// together. A call pays for its body as it arrives and for its ids as they are
// read, and gets all of it back when it has been answered. See
// docs/adr/0012-what-calls-hold.md for why it is made like this:
//
//   - Nobody waits for room: calls that keep what they have and wait for more
//     can wait for each other. A call that gets none is refused, and what it
//     held is there for the others at once.
//   - Nothing is paid for before it is there. Who announces much and sends
//     little holds little.
//   - The first 64 KiB of each call are paid from a budget of their own, so
//     that small calls pass while large ones have taken all there is.
//   - An account gets no more than is left for the others.
type load struct {
	small, large *budget
	perID        int64 // bytes that an id counts for at least
}

const (
	smallCall = 64 << 10 // what a call pays from the small budget
	smallLoad = 32 << 20 // the small budget
	// paidAtOnce is the step in which calls pay, so that they do not meet at
	// the budgets for every id.
	paidAtOnce = 4 << 10
)

func newLoad(limits Limits) *load {
	return &load{
		small: newBudget(smallLoad),
		large: newBudget(limits.MaxBodies),
		perID: limits.MaxBody / int64(limits.MaxIDs),
	}
}

// budget is a number of bytes of which accounts hold some.
type budget struct {
	mu   sync.Mutex
	free int64
	held map[directory.AccountID]int64
}

func newBudget(bytes int64) *budget {
	return &budget{free: bytes, held: make(map[directory.AccountID]int64)}
}

// take adds n bytes to what a call of the account holds, and reports whether it
// gets them: it does unless the account would then hold more than is left. One
// account by itself gets half of a budget, the second a third and so on, and
// there is always something left for the next. A call that gets none has given
// back all of it in the same moment, lest others are refused for what is as good
// as free.
func (b *budget) take(account directory.AccountID, n int64, holds *int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held[account]+n > b.free-n {
		b.giveLocked(account, holds)
		return false
	}
	b.free -= n
	b.held[account] += n
	*holds += n
	return true
}

// give returns what a call of the account holds.
func (b *budget) give(account directory.AccountID, holds *int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.giveLocked(account, holds)
}

func (b *budget) giveLocked(account directory.AccountID, holds *int64) {
	b.free += *holds
	if b.held[account] -= *holds; b.held[account] == 0 {
		delete(b.held, account)
	}
	*holds = 0
}

// holding is what one call holds of the load. It belongs to one goroutine.
type holding struct {
	load         *load
	perID        int64 // bytes that an id counts for
	account      directory.AccountID
	bytes, ids   int64 // what has been read
	small, large int64 // what has been paid, by budget
}

func (l *load) hold(account directory.AccountID) *holding {
	return &holding{load: l, perID: l.perID, account: account}
}

// addBytes pays for n more bytes of the body, or returns errOverload.
func (h *holding) addBytes(n int) error {
	h.bytes += int64(n)
	return h.pay()
}

// addID pays for one more id, or returns errOverload.
func (h *holding) addID() error { return h.addIDs(1) }

// addIDs pays for what takes as much memory as n ids, or returns errOverload.
func (h *holding) addIDs(n int) error {
	h.ids += int64(n)
	return h.pay()
}

// forgetBytes says that the bytes so far are held no more, while what was paid
// for them stays paid until release.
func (h *holding) forgetBytes() { h.bytes = 0 }

// pay pays what is due: as many bytes as the body has, or as its ids count for
// where that is more.
func (h *holding) pay() error {
	due := max(h.bytes, h.ids*h.perID)
	for h.small+h.large < due {
		from, paid := h.load.small, &h.small
		if h.small == smallCall {
			from, paid = h.load.large, &h.large
		}
		if !from.take(h.account, paidAtOnce, paid) {
			return errOverload
		}
	}
	return nil
}

// release gives back everything.
func (h *holding) release() {
	h.load.small.give(h.account, &h.small)
	h.load.large.give(h.account, &h.large)
}
