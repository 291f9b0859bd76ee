package roster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"roster/internal/auth"
)

// maxClockLead is how far a clock may be ahead of what it is compared with before the
// purge distrusts it, and clockWait how long the purge then waits.
const (
	maxClockLead = 24 * time.Hour
	clockWait    = 24 * time.Hour
)

// ErrClockAhead says that the purge erases nobody because the clock of this machine may
// be wrong.
var ErrClockAhead = errors.New("the clock may be wrong")

// PurgeWait describes a pause of the purge: it erases no users while the clock of this
// machine is more than a day ahead of the last time that a purge trusted. The zero value
// means that the purge does not wait.
type PurgeWait struct {
	// Since is the time at which a clock was trusted last, and Ahead how much later it
	// is by the clock of this machine.
	Since time.Time
	Ahead time.Duration
	// Until is when the purge goes on, by the clock of this machine, unless the clock
	// leaps again.
	Until time.Time
}

// Waiting reports whether the purge waits.
func (w PurgeWait) Waiting() bool { return !w.Until.IsZero() }

// PurgeWait returns whether the purge of this process waits, as its last pass found.
func (r *Roster) PurgeWait() PurgeWait {
	r.clock.mu.Lock()
	defer r.clock.mu.Unlock()
	return r.clock.wait
}

// purgeClock decides whether the purge may trust the clock of this machine. The clock is
// compared with the time at which the purge of any server trusted a clock last, which the
// database keeps. When it is much later, either no server has run since or a clock is
// wrong, and nothing tells which: the purge waits until the process has run for a day in
// which the clock went as a monotonic one does, and no other server, with an earlier time,
// trusted its own.
type purgeClock struct {
	mu      sync.Mutex
	started bool
	waiting bool
	// The times by both clocks and the trusted time at the last pass that did not wait, or
	// at the beginning of the wait.
	now     time.Time
	uptime  time.Duration
	trusted time.Time
	wait    PurgeWait
}

// check decides at the time of a pass. trusted is the time at which a clock was trusted
// last, the zero time for never.
func (c *purgeClock) check(opened, now time.Time, uptime time.Duration, trusted time.Time) PurgeWait {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.started {
		c.started, c.waiting, c.now, c.trusted = true, true, opened, trusted
	}
	leapt := now.Sub(c.now)-(uptime-c.uptime) > maxClockLead
	switch {
	case trusted.IsZero() || now.Sub(trusted) <= maxClockLead:
		c.waiting = false
	case leapt || c.waiting && !trusted.Equal(c.trusted):
		c.waiting, c.now, c.uptime, c.trusted = true, now, uptime, trusted
	case uptime-c.uptime >= clockWait:
		c.waiting = false
	}
	if c.waiting {
		c.wait = PurgeWait{Since: trusted, Ahead: now.Sub(trusted), Until: now.Add(clockWait - (uptime - c.uptime))}
		return c.wait
	}
	c.now, c.uptime, c.wait = now, uptime, PurgeWait{}
	return c.wait
}

// trustedNow returns the time, and remembers it as one that the purge has trusted. The
// error wraps ErrClockAhead when the clock may be wrong.
func (r *Roster) trustedNow(ctx context.Context) (time.Time, error) {
	state, err := r.store.PurgeState(ctx)
	if err != nil {
		return time.Time{}, err
	}
	now := r.store.Now()
	if wait := r.clock.check(r.store.Opened(), now, r.store.Uptime(), state.ClockAt); wait.Waiting() {
		return now, fmt.Errorf("%w: it shows %s, %v after the last time that was trusted", ErrClockAhead,
			now.Format(time.RFC3339), wait.Ahead.Round(time.Minute))
	}
	return now, r.store.SetPurgeClock(ctx, now)
}

// TrustClock says that the clock of this machine is right, so that the purge of any
// server goes on at its next pass. Only the operator may.
func (r *Roster) TrustClock(ctx context.Context, caller auth.Caller) error {
	if err := caller.RequireOperator(); err != nil {
		return err
	}
	return r.store.SetPurgeClock(ctx, r.store.Now())
}
