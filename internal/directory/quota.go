package directory

import (
	"fmt"
	"slices"
	"time"
)

// MaxRatePeriod is the longest period that a limit can have.
const MaxRatePeriod = time.Hour

// Usage is how many calls count against a limit at a moment, and when the
// oldest and the newest of them were made; zero times when there is none.
type Usage struct {
	Calls          int
	Oldest, Newest time.Time
}

// Quota is what an account has left of the limit that is nearest to its end.
type Quota struct {
	Limits RateLimits // all that hold; with none the rest means nothing
	Limit  RateLimit  // the nearest
	// Remaining calls may be made at once, and Reset is when there will be more.
	Remaining int
	Reset     time.Duration
}

// RateLimitError refuses a call that a rate limit forbids. The same call is let
// through after RetryAfter, unless others take its place.
type RateLimitError struct {
	Quota      Quota // nothing remains; zero when the limit is no account's
	RetryAfter time.Duration
}

// Error implements error.
func (e *RateLimitError) Error() string {
	if len(e.Quota.Limits) == 0 {
		return ErrRateLimited.Error()
	}
	return fmt.Sprintf("%v: %d in %v", ErrRateLimited, e.Quota.Limit.Calls, e.Quota.Limit.Period)
}

// Unwrap returns the kind.
func (e *RateLimitError) Unwrap() error { return ErrRateLimited }

// Admit decides on a call at now, given what the limits have counted, each at
// its place. It returns what is left after the call, or a *RateLimitError.
func (l RateLimits) Admit(usage []Usage, now time.Time) (Quota, error) {
	nearest := Quota{Limits: l, Remaining: -1}
	admitted := true
	for i, limit := range l {
		left := limit.Calls - usage[i].Calls
		q := Quota{Limits: l, Limit: limit, Remaining: max(left, 0), Reset: limit.reset(usage[i], now)}
		admitted = admitted && left > 0
		if nearest.Remaining < 0 || q.Remaining < nearest.Remaining ||
			(q.Remaining == nearest.Remaining && q.Reset > nearest.Reset) {
			nearest = q
		}
	}
	if !admitted {
		return Quota{}, &RateLimitError{Quota: nearest, RetryAfter: nearest.Reset}
	}
	nearest.Remaining--
	return nearest, nil
}

// reset is how long it takes until the first of the calls counts no more, or
// all of them where there are more than the limit now allows.
func (l RateLimit) reset(u Usage, now time.Time) time.Duration {
	switch {
	case u.Calls == 0:
		return l.Period
	case u.Calls > l.Calls:
		return u.Newest.Add(l.Period).Sub(now)
	}
	return u.Oldest.Add(l.Period).Sub(now)
}

// CallCounter counts calls by the second. The calls of one second count until
// the last of them is out of a limit's period. So there are never more than the
// limit in any stretch of time as long as its period, wherever that begins, and
// what is remembered grows with the seconds, not with the calls. The zero value
// has counted none.
type CallCounter struct {
	buckets []callBucket // in the order of their seconds
}

type callBucket struct {
	second int64 // since 1970
	calls  int
	last   time.Time
}

// find is the place of the bucket of a second, which may not be there.
func (c *CallCounter) find(second int64) (int, bool) {
	return slices.BinarySearchFunc(c.buckets, second, func(b callBucket, s int64) int { return int(b.second - s) })
}

// Add counts a call.
func (c *CallCounter) Add(at time.Time) {
	i, found := c.find(at.Unix())
	if !found {
		c.buckets = slices.Insert(c.buckets, i, callBucket{second: at.Unix(), last: at})
	}
	b := &c.buckets[i]
	b.calls++
	if at.After(b.last) {
		b.last = at
	}
}

// Remove takes back a call that was counted.
func (c *CallCounter) Remove(at time.Time) {
	if i, found := c.find(at.Unix()); found {
		if c.buckets[i].calls--; c.buckets[i].calls == 0 {
			c.buckets = slices.Delete(c.buckets, i, i+1)
		}
	}
}

// Usage returns what counts against each limit at now. Calls of later times
// count as well, since clocks differ; those a period ahead are nonsense.
func (c *CallCounter) Usage(limits RateLimits, now time.Time) []Usage {
	usage := make([]Usage, len(limits))
	for i, limit := range limits {
		since, until := now.Add(-limit.Period), now.Add(limit.Period)
		first, _ := c.find(since.Unix())
		for _, b := range c.buckets[first:] {
			if b.second > until.Unix() {
				break
			}
			if !b.last.After(since) {
				continue
			}
			if usage[i].Calls == 0 {
				usage[i].Oldest = b.last
			}
			usage[i].Calls += b.calls
			usage[i].Newest = b.last
		}
	}
	return usage
}

// Forget drops what no limit counts any more at now, and reports whether
// nothing is left.
func (c *CallCounter) Forget(now time.Time) (empty bool) {
	first, _ := c.find(now.Add(-MaxRatePeriod).Unix())
	c.buckets = slices.Delete(c.buckets, 0, first)
	return len(c.buckets) == 0
}
