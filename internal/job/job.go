// Package job is the door for what the server does by itself: it calls verbs of
// package roster at their time. It owns when they run, not what they do.
package job

import (
	"context"
	"log/slog"
	"time"

	"roster/internal/auth"
	"roster/internal/roster"
)

// purgeEvery is how long after its end a pass of the purge starts again. A
// restore window is counted in days, so minutes do not matter.
const purgeEvery = 10 * time.Minute

// notesEvery is how far an app's refusals and the last use of its secrets may
// be behind its calls. Each time one transaction or two take their turn.
const notesEvery = 5 * time.Second

// lastNotes bounds how long the end of the server waits for its notes.
const lastNotes = 5 * time.Second

// Notes writes down, again and again until ctx ends and then once more, why
// tokens were refused and when secrets were used. A failure is logged and tried
// again.
func Notes(ctx context.Context, r *roster.Roster, log *slog.Logger) {
	timer := time.NewTicker(notesEvery)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			if err := r.FlushNotes(ctx, false); err != nil && ctx.Err() == nil {
				log.Warn("refused tokens and used secrets are written down later", "error", err)
			}
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastNotes)
			defer cancel()
			if err := r.FlushNotes(last, true); err != nil {
				log.Warn("the last refused tokens and used secrets are not written down", "error", err)
			}
			return
		}
	}
}

// Purge erases, pass after pass, who was removed longer ago than the restore
// window, until ctx ends. A pass that fails is logged and tried again.
func Purge(ctx context.Context, r *roster.Roster, log *slog.Logger) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		erased, err := r.PurgeExpired(ctx, auth.System())
		if err != nil && ctx.Err() == nil {
			log.Error("purge failed and will be tried again", "error", err)
		}
		if erased > 0 {
			log.Info("purged", "memberships", erased)
		}
		timer.Reset(purgeEvery)
	}
}
