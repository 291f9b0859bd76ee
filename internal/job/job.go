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
