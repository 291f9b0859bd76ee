package roster

import (
	"testing"
	"time"
)

// clockPass is a pass of the purge: the time by this machine's clock, for how long the
// process has run, and when a clock was trusted last, all in hours; trusted is never where
// it is negative.
type clockPass struct {
	now, uptime, trusted int
	waits                bool
}

// The purge erases only by a clock that nothing speaks against.
func TestPurgeClock(t *testing.T) {
	t.Parallel()
	const month = 30 * 24
	for name, passes := range map[string][]clockPass{
		"a new database":                    {{0, 0, -1, false}},
		"a server that was off for an hour": {{1, 0, 0, false}, {2, 1, 1, false}},
		"passes that failed for days":       {{1, 0, 0, false}, {100, 99, 1, false}},
		"a server that was off for a week": {
			{168, 0, 0, true}, {168 + 23, 23, 0, true}, {168 + 24, 24, 0, false}, {168 + 25, 25, 168 + 24, false},
		},
		"a leap while the server runs": {
			{1, 1, 0, false}, {month, 2, 1, true}, {month + 23, 25, 1, true}, {month + 24, 26, 1, false},
		},
		"a second leap":                      {{month, 0, 0, true}, {2 * month, 20, 0, true}, {2*month + 20, 40, 0, true}, {2*month + 24, 44, 0, false}},
		"a clock that is corrected":          {{month, 0, 0, true}, {2, 2, 0, false}, {3, 3, 2, false}},
		"a clock that is put back":           {{month, 0, month, false}, {1, 1, month, false}, {2, 2, 1, false}},
		"the operator says that it is right": {{month, 0, 0, true}, {month + 1, 1, month, false}},
		"another server with an earlier time": {
			{month, 0, 0, true}, {month + 12, 12, 12, true}, {month + 24, 24, 24, true}, {month + 48, 48, 48, true},
		},
		"a machine that slept for two days": {{1, 1, 0, false}, {50, 2, 1, true}, {74, 26, 1, false}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			at := func(hours int) time.Time { return start.Add(time.Duration(hours) * time.Hour) }
			var c purgeClock
			opened := at(passes[0].now - passes[0].uptime)
			for i, p := range passes {
				var trusted time.Time
				if p.trusted >= 0 {
					trusted = at(p.trusted)
				}
				wait := c.check(opened, at(p.now), time.Duration(p.uptime)*time.Hour, trusted)
				if wait.Waiting() != p.waits {
					t.Fatalf("pass %d: waits %v, want %v", i, wait.Waiting(), p.waits)
				}
				if p.waits && (!wait.Since.Equal(trusted) || wait.Ahead != at(p.now).Sub(trusted) || wait.Until.Before(at(p.now))) {
					t.Errorf("pass %d: waits %+v", i, wait)
				}
			}
		})
	}
}
