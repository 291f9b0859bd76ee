package roster_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
)

// Verbs about jobs of which one waits.
const (
	workOnJob = "work on a job"
	workOff   = "work off a job"
	cancelJob = "cancel a job"
	sweepJob  = "sweep a cancelled job"
)

var jobFaultVerbs = []faultVerb{
	// What was spooled before the fault may stay until it is swept.
	{name: "queue a job", steps: true, run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		_, err := queueRefs(ctx, r, f.Caller(), f.jobRefs())
		return err
	}},
	{name: workOnJob, run: func(ctx context.Context, r *roster.Roster, f *faultCase) error { return f.work(ctx, r) }},
	// A chunk for the addresses and one for the org ids.
	{name: workOff, steps: true, run: func(ctx context.Context, r *roster.Roster, f *faultCase) error { return f.work(ctx, r) }},
	{name: cancelJob, run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		if err := f.needJob(ctx, r); err != nil {
			return err
		}
		_, err := r.CancelRemoval(ctx, auth.Operator(), f.Account, f.Job, "id")
		return err
	}},
	{name: sweepJob, steps: true, run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		err := f.needJob(ctx, r)
		if err == nil {
			_, err = r.CancelRemoval(ctx, auth.Operator(), f.Account, f.Job, "id")
		}
		if err == nil {
			err = r.SweepSpools(ctx, auth.System())
		}
		return err
	}},
}

// work works on the job until it is over.
func (f *faultCase) work(ctx context.Context, r *roster.Roster) error {
	if err := f.needJob(ctx, r); err != nil {
		return err
	}
	r.ForgetJobFailures()
	// A database takes its time to see that a killed process, which may have had
	// the lock on the job, is gone.
	for deadline := time.Now().Add(time.Minute); ; {
		progress, err := r.WorkOff(ctx, auth.System())
		switch {
		case err != nil:
			return err
		case progress.Over && progress.Removed == 2:
			return nil
		case progress.Over || !progress.Worked && time.Now().After(deadline):
			return fmt.Errorf("progress %+v", progress)
		}
	}
}

// needJob queues a job where the verb was not prepared for.
func (f *faultCase) needJob(ctx context.Context, r *roster.Roster) error {
	if f.Job != "" {
		return nil
	}
	record, err := queueRefs(ctx, r, f.Caller(), f.jobRefs())
	f.Job = record.PublicID
	return err
}

// jobRefs are a list of whom two can be removed, with an org id unless all of it
// should be one chunk.
func (f *faultCase) jobRefs() []directory.UserRef {
	refs := f.refs("ann@example.com", "cy@example.com", "owner@example.com", "no@example.com")
	if f.Verb != workOnJob {
		refs = append(refs, directory.UserRef{Kind: directory.ByOrgUserID, Text: "E0"})
	}
	return refs
}

// queueRefs queues a job as the door does.
func queueRefs(ctx context.Context, r *roster.Roster, caller auth.Caller, refs []directory.UserRef) (directory.RemovalRecord, error) {
	spool, err := r.SpoolRemoval(caller)
	if err != nil {
		return directory.RemovalRecord{}, err
	}
	defer spool.Drop(context.WithoutCancel(ctx))
	for _, ref := range refs {
		if _, err := spool.Add(ctx, ref); err != nil {
			return directory.RemovalRecord{}, err
		}
	}
	record, _, err := spool.Queue(ctx, "id", directory.RepeatKey{})
	return record, err
}

func (f *faultCase) queue(t *testing.T, r *roster.Roster) string {
	t.Helper()
	record, err := queueRefs(context.Background(), r, f.Caller(), f.jobRefs())
	must(t, err)
	return record.PublicID
}
