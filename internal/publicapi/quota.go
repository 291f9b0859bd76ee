package publicapi

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"roster/internal/directory"
)

// setRetryAfter rounds up: who comes back a moment early is refused again.
func setRetryAfter(h http.Header, wait time.Duration) {
	h.Set("Retry-After", strconv.Itoa(seconds(wait)))
}

func seconds(d time.Duration) int { return int(max(1, (d+time.Second-1)/time.Second)) }

// setQuota tells a caller about the limit that is nearest to its end, and all
// that there are (draft-ietf-httpapi-ratelimit-headers-06). Without limits there
// is nothing to tell.
func setQuota(h http.Header, q directory.Quota) {
	if len(q.Limits) == 0 {
		return
	}
	h.Set("RateLimit-Limit", strconv.Itoa(q.Limit.Calls))
	h.Set("RateLimit-Remaining", strconv.Itoa(q.Remaining))
	h.Set("RateLimit-Reset", strconv.Itoa(seconds(q.Reset)))
	policies := make([]string, len(q.Limits))
	for i, l := range q.Limits {
		policies[i] = fmt.Sprintf("%d;w=%d", l.Calls, l.Period/time.Second)
	}
	h.Set("RateLimit-Policy", strings.Join(policies, ", "))
}
