package web

import (
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"roster/internal/directory"
)

func limitsOf(t interface{ Fatal(args ...any) }, text string) directory.RateLimits {
	limits, err := directory.ParseRateLimits(text)
	if err != nil {
		t.Fatal(err)
	}
	return limits
}

// A hundred thousand addresses take no more room than maxAddresses, and the one
// that goes on failing is not forgotten among them.
func TestFailuresAreBounded(t *testing.T) {
	t.Parallel()
	f := NewFailures(limitsOf(t, "3/m"))
	now := time.Unix(1_800_000_000, 0)
	stubborn := netip.MustParseAddr("203.0.113.7")
	for range 3 {
		if wait := f.Add(stubborn, now); wait != 0 {
			t.Fatalf("limited too early: %v", wait)
		}
	}
	addr := netip.MustParseAddr("10.0.0.0")
	for i := range 100_000 {
		addr = addr.Next()
		f.Add(addr, now)
		if i%1000 == 0 && f.Add(stubborn, now) == 0 {
			t.Fatalf("forgotten after %d others", i)
		}
	}
	if n := f.of.Len(); n != maxAddresses {
		t.Errorf("%d addresses are kept", n)
	}
}

// All addresses of an IPv6 network of 64 bits are one; others are not.
func TestFailuresByNetwork(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"2001:db8::1", "2001:db8::ffff:2", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"203.0.113.7", "203.0.113.8", false},
		{"203.0.113.7", "203.0.113.7", true},
	} {
		f := NewFailures(limitsOf(t, "1/m"))
		f.Add(netip.MustParseAddr(c.a), now)
		if limited := f.Add(netip.MustParseAddr(c.b), now) > 0; limited != c.same {
			t.Errorf("%s and %s are the same: %v", c.a, c.b, limited)
		}
	}
	f := NewFailures(limitsOf(t, "1/m"))
	f.Add(netip.Addr{}, now)
	if f.Add(netip.Addr{}, now) == 0 {
		t.Error("connections without an address have no limit")
	}
}

// Random failures: no more than the limit at once and its refill, and who waits
// as told is answered.
func TestFailuresOverTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limits := limitsOf(t, rapid.SampledFrom([]string{"1/s", "3/m", "2/s,7/m", "60/m,1800/h"}).Draw(t, "limits"))
		f := NewFailures(limits)
		from := netip.MustParseAddr("203.0.113.7")
		start := time.Unix(1_800_000_000, 0)
		now := start
		answered := 0
		for range rapid.IntRange(1, 200).Draw(t, "failures") {
			now = now.Add(time.Duration(rapid.IntRange(0, 1000).Draw(t, "ms")) * time.Millisecond)
			wait := f.Add(from, now)
			if wait > 0 {
				now = now.Add((wait + time.Second - 1).Truncate(time.Second)) // as Retry-After says it
				if wait = f.Add(from, now); wait > 0 {
					t.Fatalf("limited for %v after waiting as told", wait)
				}
			}
			answered++
			for _, l := range limits {
				most := float64(l.Calls) * (1 + now.Sub(start).Seconds()/l.Period.Seconds())
				if float64(answered) > most+1e-6 {
					t.Fatalf("%d failures were answered within %v", answered, now.Sub(start))
				}
			}
		}
	})
}
