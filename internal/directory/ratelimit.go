package directory

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"roster/internal/excerpt"
)

// RateLimit is how many calls may be made within any stretch of time of a
// length, the last minute or the last hour.
type RateLimit struct {
	Calls  int
	Period time.Duration // whole seconds
}

// RateLimits must all hold. None of them means no limit.
type RateLimits []RateLimit

// rateUnits are the periods that a limit can have.
var rateUnits = []struct {
	name   string
	period time.Duration
}{{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}}

// MaxRateCalls is the highest number of calls in a limit. Whoever wants more
// wants none.
const MaxRateCalls = 1_000_000

// RatesOff is the text of no limits.
const RatesOff = "off"

// DefaultRateLimits are those of the published API: 60 calls a minute and 1,800
// an hour.
func DefaultRateLimits() RateLimits {
	return RateLimits{{60, time.Minute}, {1800, time.Hour}}
}

// ParseRateLimits reads limits such as "60/m,1800/h", one for each of s, m and
// h at most, or "off". The error wraps ErrInvalid.
func ParseRateLimits(text string) (RateLimits, error) {
	if text == RatesOff {
		return nil, nil
	}
	var limits RateLimits
	for part := range strings.SplitSeq(text, ",") {
		limit, err := parseRateLimit(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		for _, other := range limits {
			if other.Period == limit.Period {
				return nil, Errorf(ErrInvalid, "rate limit %q has two limits for the same period", excerpt.Of(text))
			}
		}
		limits = append(limits, limit)
	}
	return limits, nil
}

func parseRateLimit(text string) (RateLimit, error) {
	number, unit, _ := strings.Cut(text, "/")
	calls, err := strconv.Atoi(number)
	if err != nil || calls < 1 || calls > MaxRateCalls {
		return RateLimit{}, Errorf(ErrInvalid, "rate limit %q: write the calls, 1 to %d, and the period, as in 60/m,1800/h, or off", excerpt.Of(text), MaxRateCalls)
	}
	for _, u := range rateUnits {
		if u.name == unit {
			return RateLimit{calls, u.period}, nil
		}
	}
	return RateLimit{}, Errorf(ErrInvalid, "rate limit %q: the period is s, m or h, as in 60/m,1800/h", excerpt.Of(text))
}

// String is the form that ParseRateLimits reads.
func (l RateLimits) String() string {
	if len(l) == 0 {
		return RatesOff
	}
	parts := make([]string, len(l))
	for i, limit := range l {
		for _, u := range rateUnits {
			if u.period == limit.Period {
				parts[i] = fmt.Sprintf("%d/%s", limit.Calls, u.name)
			}
		}
	}
	return strings.Join(parts, ",")
}
