package publicapi

import (
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"

	"roster/internal/directory"
	"roster/internal/web"
)

// DefaultFailureLimit is how many refused credentials of one address are
// answered as such unless Limits say otherwise.
func DefaultFailureLimit() directory.RateLimits { return directory.DefaultRateLimits() }

// maxAddresses is how many addresses are remembered: those that failed last.
// Some hundred bytes each.
const maxAddresses = 10_000

// failures counts refused credentials by the address they come from, in this
// process alone. Each limit is a bucket that refills evenly over its period, so
// an address needs the same room however often it fails.
type failures struct {
	limits directory.RateLimits
	mu     sync.Mutex
	of     *simplelru.LRU[netip.Prefix, []*rate.Limiter]
}

func newFailures(limits directory.RateLimits) *failures {
	of, err := simplelru.NewLRU[netip.Prefix, []*rate.Limiter](maxAddresses, nil)
	if err != nil {
		panic(err) // the size is a mistake of ours
	}
	return &failures{limits: limits, of: of}
}

// add counts a failure of the address at now, or returns how long the address
// has to wait until its next one counts again.
func (f *failures) add(from netip.Addr, now time.Time) (wait time.Duration) {
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
	taken := make([]*rate.Reservation, len(buckets))
	for i, bucket := range buckets {
		taken[i] = bucket.ReserveN(now, 1)
		wait = max(wait, taken[i].DelayFrom(now))
	}
	if wait > 0 {
		for _, t := range taken {
			t.CancelAt(now)
		}
	}
	return wait
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

// failed counts refused credentials by the client's address. From one that has
// failed too often they are answered as that, whatever is wrong with them.
func (a *API) failed(w http.ResponseWriter, r *http.Request, wire *wireError) *wireError {
	client := a.logClient(r)
	wait := a.failures.add(client, a.roster.Now())
	if wait <= 0 {
		return wire
	}
	setRetryAfter(w.Header(), wait)
	return errRateLimit
}

// logClient puts the address that a refused call comes from into its line of
// the log. Calls that are served are nobody's business there.
func (a *API) logClient(r *http.Request) netip.Addr {
	client := a.limits.Proxies.Client(r)
	web.AddLog(r.Context(), slog.String("client", client.String()))
	return client
}
