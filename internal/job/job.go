// Package job is the door for what the server does by itself: it calls verbs of
// package roster at their time. It owns when they run, not what they do.
package job

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"roster/internal/auth"
	"roster/internal/roster"
)

// How long after its end a pass starts again. A restore window is counted in
// days, and what is forgotten takes little room, so minutes do not matter.
const (
	purgeEvery  = 10 * time.Minute
	forgetEvery = 10 * time.Minute
)

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

// Purge applies the server's restore window to removals that were made before, and
// erases, pass after pass, everybody whose removal can no longer be restored, until ctx
// ends. A pass that fails is logged and tried again. While the clock may be wrong it
// erases nobody: the log says so once, and when it goes on.
func Purge(ctx context.Context, r *roster.Roster, log *slog.Logger) {
	waited := false
	every(ctx, purgeEvery, func() {
		err := r.AdoptRestoreWindow(ctx, auth.System())
		erased := 0
		if err == nil {
			erased, err = r.PurgeExpired(ctx, auth.System())
		}
		waits := errors.Is(err, roster.ErrClockAhead)
		switch wait := r.PurgeWait(); {
		case waits && !waited:
			log.Warn("the purge waits: is the clock of this machine right? See 'roster removal purge --help'", "error", err,
				"trusted", wait.Since, "until", wait.Until)
		case waits:
		case err != nil && ctx.Err() == nil:
			log.Error("purge failed and will be tried again", "error", err)
		case waited && err == nil:
			log.Info("the purge goes on")
		}
		waited = waits || waited && err != nil
		if erased > 0 {
			log.Info("purged", "memberships", erased)
		}
	})
}

// ForgetCalls deletes, pass after pass, used tokens that have expired and counts
// of calls that no rate limit asks for any more, until ctx ends. A pass that
// fails is logged and tried again.
func ForgetCalls(ctx context.Context, r *roster.Roster, log *slog.Logger) {
	every(ctx, forgetEvery, func() {
		if _, err := r.ForgetCalls(ctx, auth.System()); err != nil && ctx.Err() == nil {
			log.Error("old calls could not be forgotten, which will be tried again", "error", err)
		}
	})
}

// ForgetSignIns deletes, pass after pass, sessions and links that are over, and
// passwords of people who were erased, until ctx ends. A pass that fails is logged
// and tried again.
func ForgetSignIns(ctx context.Context, r *roster.Roster, log *slog.Logger) {
	every(ctx, forgetEvery, func() {
		if err := r.ForgetSignIns(ctx, auth.System()); err != nil && ctx.Err() == nil {
			log.Error("old sessions could not be forgotten, which will be tried again", "error", err)
		}
	})
}

// Checkpoints writes, pass after pass, where the audit log of each account ends
// into a file, until ctx ends. A pass that fails is logged and tried again.
func Checkpoints(ctx context.Context, r *roster.Roster, path string, pause time.Duration, log *slog.Logger) {
	every(ctx, pause, func() {
		if _, _, err := r.WriteCheckpoint(ctx, auth.System(), path); err != nil && ctx.Err() == nil {
			log.Error("the end of the audit log could not be written down, which will be tried again", "file", path, "error", err)
		}
	})
}

// erasuresEvery is how long an erasure waits, at the most, for its line in a list
// that is kept with the backups.
const erasuresEvery = time.Minute

// Erasures adds to a list, pass after pass, who was erased, until ctx ends. A pass
// that fails is logged and tried again.
func Erasures(ctx context.Context, r *roster.Roster, path string, log *slog.Logger) {
	written := -1
	every(ctx, erasuresEvery, func() {
		n, err := r.CountErasures(ctx, auth.System())
		if err == nil && n != written {
			if _, _, err = r.WriteErasures(ctx, auth.System(), path); err == nil {
				written = n
			}
		}
		if err != nil && ctx.Err() == nil {
			log.Error("the list of erasures could not be written, which will be tried again", "file", path, "error", err)
		}
	})
}

// every runs a pass at once, and again each time that the pause after it is
// over, until ctx ends.
func every(ctx context.Context, pause time.Duration, pass func()) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		pass()
		timer.Reset(pause)
	}
}

// jobsEvery is how long a worker waits for jobs of other servers when there was
// nothing to do, and after a failure.
const jobsEvery = time.Second

// sweepEvery is how often leftovers of jobs are swept.
const sweepEvery = time.Minute

// Removals works on removals and restorations in the background, chunk by chunk, until ctx ends. A
// chunk that is then being done is undone, and done by whoever comes next.
func Removals(ctx context.Context, r *roster.Roster, log *slog.Logger) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-r.JobsWaiting():
		}
		workOff(ctx, r, log)
		timer.Reset(jobsEvery)
	}
}

// workOff works until there is nothing to do, or something failed.
func workOff(ctx context.Context, r *roster.Roster, log *slog.Logger) {
	for ctx.Err() == nil {
		progress, err := r.WorkOff(ctx, auth.System())
		switch {
		case err != nil && ctx.Err() == nil:
			log.Error("a job did not get on and will be tried again", "error", err)
			return
		case !progress.Worked:
			return
		}
		if progress.Restores {
			logRestoration(log, progress)
			continue
		}
		if progress.Started {
			log.Info("job started", "removal", progress.Removal, "requested", progress.Requested)
		}
		if progress.Over {
			log.Info("job completed", "removal", progress.Removal, "requested", progress.Requested, "removed", progress.Removed)
		}
	}
}

func logRestoration(log *slog.Logger, p roster.Progress) {
	if p.Started {
		log.Info("restoration started", "removal", p.Removal, "requested", p.Requested)
	}
	if p.Over {
		log.Info("restoration completed", "removal", p.Removal, "requested", p.Requested, "restored", p.Restored)
	}
}

// SweepSpools erases, pass after pass, what is left of jobs that are over, until
// ctx ends. A pass that fails is logged and tried again.
func SweepSpools(ctx context.Context, r *roster.Roster, log *slog.Logger) {
	every(ctx, sweepEvery, func() {
		if err := r.SweepSpools(ctx, auth.System()); err != nil && ctx.Err() == nil {
			log.Error("leftovers of jobs could not be swept, which will be tried again", "error", err)
		}
	})
}
