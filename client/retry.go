package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Retry says when a call that failed is made again. The zero value is right for
// most.
//
// Made again is a call that surely did nothing: one that was refused by a limit
// (429) or because it did not arrive (408), or for which there was no connection,
// provided that the host has answered this Client before, since else its address
// may be wrong. A call whose outcome is unknown (502, 503, 504, a connection that
// broke, an answer that was cut) is made again only where that cannot do anything
// twice: when it only reads, or has an IdempotencyKey. With such a key also one
// whose first attempt still runs (409). Nothing else is made again.
//
// The wait is what the host asked for in Retry-After. Without that it grows from
// MinWait twofold each time up to MaxWait, and a random half of it is left out,
// so that many clients do not come back at once.
type Retry struct {
	// Attempts bounds how often a call is made; 0 for 8 times, 1 for once.
	Attempts int
	// MinWait and MaxWait bound the wait where the host asks for none; 0 for half a
	// second and 30 seconds.
	MinWait, MaxWait time.Duration
	// MaxRetryAfter is how long a host may ask to wait; 0 for 5 minutes. When it asks
	// for more, the call fails at once, and Error.RetryAfter says for how much.
	MaxRetryAfter time.Duration
}

func (r Retry) withDefaults() (Retry, error) {
	if r.Attempts < 0 || r.MinWait < 0 || r.MaxWait < 0 || r.MaxRetryAfter < 0 {
		return r, errors.New("the numbers of Retry may not be negative")
	}
	if r.Attempts == 0 {
		r.Attempts = 8
	}
	if r.MinWait == 0 {
		r.MinWait = 500 * time.Millisecond
	}
	if r.MaxWait == 0 {
		r.MaxWait = 30 * time.Second
	}
	if r.MaxRetryAfter == 0 {
		r.MaxRetryAfter = 5 * time.Minute
	}
	r.MaxWait = max(r.MaxWait, r.MinWait)
	return r, nil
}

// callError is a call without an answer of the API.
type callError struct {
	err    error
	acted  bool // the host may have done it
	broken bool // the connection failed
}

// Error implements error.
func (e *callError) Error() string { return e.err.Error() }

// Unwrap returns what failed.
func (e *callError) Unwrap() error { return e.err }

// MayHaveActed says whether a call that failed with err may have been done all the
// same: its answer was lost, or is an error of the host itself (5xx). A call that
// was refused (4xx) or never left did nothing.
func MayHaveActed(err error) bool {
	if e, ok := errors.AsType[*callError](err); ok {
		return e.acted
	}
	if e, ok := errors.AsType[*OptionError](err); ok {
		return e.Removed
	}
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Status >= http.StatusInternalServerError || e.replay())
}

// failed is the error of a call of which an attempt may have been done.
func (c *Client) failed(err error, acted bool) error {
	if acted == MayHaveActed(err) {
		return err
	}
	return &callError{err: err, acted: acted}
}

// replay says whether a token was taken for a used one. Each attempt has a fresh
// token, so something on the way has sent it twice, and the host may have acted
// on the first.
func (e *Error) replay() bool {
	return e.Status == http.StatusUnauthorized && strings.HasSuffix(e.Message, "possibly a replay")
}

// stillRunning is the text of 409 for a key whose first call has not ended.
const stillRunning = "A request with this Idempotency-Key is still running"

// again says whether a call that failed is made again, and after which wait.
func (c *Client) again(ctx context.Context, rq *request, attempt int, err error) (time.Duration, bool) {
	if ctx.Err() != nil || attempt >= c.retry.Attempts {
		return 0, false
	}
	asked := time.Duration(0)
	if e, ok := errors.AsType[*callError](err); ok {
		if !e.broken || (e.acted && !rq.repeat) || (!e.acted && !c.answered.Load()) {
			return 0, false
		}
	} else if e, ok := errors.AsType[*Error](err); ok {
		if !e.passing(rq) || e.RetryAfter > c.retry.MaxRetryAfter {
			return 0, false
		}
		asked = e.RetryAfter
	} else {
		return 0, false // it could not even be made
	}
	wait := c.retry.MaxWait
	if n := attempt - 1; n < 30 && c.retry.MinWait<<n>>n == c.retry.MinWait { // no overflow
		wait = min(wait, c.retry.MinWait<<n)
	}
	jitter := rand.N(wait/2 + 1) //nolint:gosec // nobody gains from guessing it
	if asked > 0 {
		return asked + min(jitter, time.Second), true
	}
	return wait - jitter, true
}

// passing says whether the refusal may pass when the call is made again.
func (e *Error) passing(rq *request) bool {
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusRequestTimeout:
		return true // nothing was done
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return rq.repeat
	case http.StatusConflict:
		return rq.key != "" && e.Message == stillRunning
	}
	return rq.repeat && e.replay()
}

// retryAfter reads how long a host wants to be left alone, in seconds or until a
// date. A date is read by the host's own clock where the answer tells it.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(text, 10, 64); err == nil {
		const most = 365 * 24 * 60 * 60 // a year: as a Duration it cannot overflow
		return time.Duration(min(seconds, most)) * time.Second
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return max(until.Sub(now), 0)
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait: %w", context.Cause(ctx))
	}
}
