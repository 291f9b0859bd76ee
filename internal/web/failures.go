package web

import (
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"

	"roster/internal/directory"
)

// maxAddresses is how many addresses are remembered: those that failed last.
// Some hundred bytes each.
const maxAddresses = 10_000

// Failures counts refused credentials by the address they come from, in this
// process alone. Each limit is a bucket that refills evenly over its period, so
// an address needs the same room however often it fails.
type Failures struct {
	limits directory.RateLimits
	mu     sync.Mutex
	of     *simplelru.LRU[netip.Prefix, []*rate.Limiter]
}

// NewFailures makes a count with these limits; with none nobody fails too often.
func NewFailures(limits directory.RateLimits) *Failures {
	of, err := simplelru.NewLRU[netip.Prefix, []*rate.Limiter](maxAddresses, nil)
	if err != nil {
		panic(err) // the size is a mistake of ours
	}
	return &Failures{limits: limits, of: of}
}

// Add counts a failure of the address at now, or returns how long the address
// has to wait until its next one counts again.
func (f *Failures) Add(from netip.Addr, now time.Time) (wait time.Duration) {
	if len(f.limits) == 0 {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	key := network(from)
	buckets, ok := f.of.Get(key)
	if !ok {
		for _, l := range f.limits {
			buckets = append(buckets, rate.NewLimiter(rate.Limit(float64(l.Calls)/l.Period.Seconds()), l.Calls))
		}
		f.of.Add(key, buckets)
	}
	taken, wait := reserve(buckets, now)
	if wait > 0 {
		cancel(taken, now)
	}
	return wait
}

// Wait is what Add would return, without counting anything.
func (f *Failures) Wait(from netip.Addr, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	buckets, _ := f.of.Get(network(from))
	taken, wait := reserve(buckets, now)
	cancel(taken, now)
	return wait
}

func reserve(buckets []*rate.Limiter, now time.Time) (taken []*rate.Reservation, wait time.Duration) {
	for _, bucket := range buckets {
		r := bucket.ReserveN(now, 1)
		taken, wait = append(taken, r), max(wait, r.DelayFrom(now))
	}
	return taken, wait
}

func cancel(taken []*rate.Reservation, now time.Time) {
	for _, t := range taken {
		t.CancelAt(now)
	}
}

// network is what counts as one address: an IPv6 network of 64 bits, of which a
// single customer has all.
func network(addr netip.Addr) netip.Prefix {
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	prefix, _ := addr.Prefix(bits) // fails for the zero address alone, which is one as well
	return prefix
}
