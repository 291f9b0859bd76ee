package client

import "time"

// pacer keeps calls within a number a minute, counted over any minute. A nil
// pacer lets all through at once. It is for one caller at a time.
type pacer struct {
	starts []time.Time // of the last calls, a ring
	turn   int
}

// newPacer returns nil for perMinute 0.
func newPacer(perMinute int) *pacer {
	if perMinute <= 0 {
		return nil
	}
	return &pacer{starts: make([]time.Time, perMinute)}
}

// next takes the place of the next call, and returns how long to wait for it.
func (p *pacer) next(now time.Time) time.Duration {
	if p == nil {
		return 0
	}
	at := now
	if oldest := p.starts[p.turn]; !oldest.IsZero() && oldest.Add(time.Minute).After(now) {
		at = oldest.Add(time.Minute)
	}
	p.starts[p.turn] = at
	p.turn = (p.turn + 1) % len(p.starts)
	return at.Sub(now)
}
