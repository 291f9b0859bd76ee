package directory_test

import (
	"errors"
	"testing"
	"time"

	"roster/internal/directory"
)

// Which limit an answer tells about, and how long a refused call has to wait.
func TestAdmit(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	usage := func(calls int, oldest, newest time.Duration) directory.Usage {
		return directory.Usage{Calls: calls, Oldest: now.Add(-oldest), Newest: now.Add(-newest)}
	}
	minute, hour := directory.RateLimit{Calls: 60, Period: time.Minute}, directory.RateLimit{Calls: 1800, Period: time.Hour}
	for _, c := range []struct {
		says      string
		usage     []directory.Usage
		refused   bool
		limit     directory.RateLimit
		remaining int
		reset     time.Duration
	}{
		{"the first call", []directory.Usage{{}, {}}, false, minute, 59, time.Minute},
		{"a call later", []directory.Usage{usage(1, 20*time.Second, 0), usage(1, 20*time.Second, 0)}, false, minute, 58, 40 * time.Second},
		{"the hour is nearer", []directory.Usage{usage(1, time.Second, 0), usage(1790, 59*time.Minute, 0)}, false, hour, 9, time.Minute},
		{"equal: the longer wait", []directory.Usage{usage(10, time.Second, 0), usage(1750, time.Minute, 0)}, false, hour, 49, 59 * time.Minute},
		{"the last call", []directory.Usage{usage(59, time.Second, 0), {}}, false, minute, 0, 59 * time.Second},
		{"the minute is full", []directory.Usage{usage(60, 50*time.Second, 0), usage(60, 50*time.Second, 0)}, true, minute, 0, 10 * time.Second},
		{"both are full", []directory.Usage{usage(60, time.Second, 0), usage(1800, 59*time.Minute, 0)}, true, hour, 0, time.Minute},
		{"the hour is full and the minute empty", []directory.Usage{{}, usage(1800, time.Minute, 0)}, true, hour, 0, 59 * time.Minute},
		{"more than there may be now", []directory.Usage{usage(90, 50*time.Second, time.Second), {}}, true, minute, 0, 59 * time.Second},
	} {
		quota, err := directory.RateLimits{minute, hour}.Admit(c.usage, now)
		if limited, ok := errors.AsType[*directory.RateLimitError](err); ok {
			if quota = limited.Quota; limited.RetryAfter != c.reset {
				t.Errorf("%s: retry after %v", c.says, limited.RetryAfter)
			}
		}
		if (err != nil) != c.refused || quota.Limit != c.limit || quota.Remaining != c.remaining || quota.Reset != c.reset {
			t.Errorf("%s: %+v, %v", c.says, quota, err)
		}
	}
}

// What was added and removed again counts for nothing, in any order.
func TestCallCounter(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	limits := directory.RateLimits{{Calls: 9, Period: time.Second}, {Calls: 9, Period: time.Minute}}
	var c directory.CallCounter
	for _, ms := range []int{-59_000, -500, 100, -60_000, -1000, -1001, 59_000, 62_000, -500} {
		c.Add(now.Add(time.Duration(ms) * time.Millisecond))
	}
	check := func(second, minute int) {
		t.Helper()
		usage := c.Usage(limits, now)
		if usage[0].Calls != second || usage[1].Calls != minute {
			t.Errorf("counted %+v, want %d in the second and %d in the minute", usage, second, minute)
		}
	}
	// Of this second and the one before, both ways, and of the minute.
	check(4, 7)
	c.Remove(now.Add(-500 * time.Millisecond))
	check(3, 6)
	if c.Forget(now.Add(59*time.Minute)) || c.Forget(now.Add(time.Hour)) {
		t.Error("calls are forgotten that count")
	}
	if !c.Forget(now.Add(2*time.Hour)) || c.Usage(limits, now)[1].Calls != 0 {
		t.Error("calls are kept that count no more")
	}
}
