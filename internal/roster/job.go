package roster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/store"
)

// DefaultJobChunk is the most users that one transaction of a job removes,
// unless Options say otherwise.
const DefaultJobChunk = 1000

const (
	// openJobs is how many jobs are looked at to find the next one.
	openJobs = 10_000
	// A chunk should take no longer than this: while others write, so that whoever
	// comes upon it does not wait long, and while nobody does.
	busyChunk  = 5 * time.Millisecond
	quietChunk = 20 * time.Millisecond
	// busyFor is how long after a transaction of others they count as writing.
	busyFor = 2 * time.Second
	// jobAttempts is how often in a row a chunk may fail, other than for a
	// database that is busy or down, before its job is failed.
	jobAttempts = 5
	// jobRetry is how long a job whose chunk failed is left alone.
	jobRetry = time.Second
)

// jobs is what this process knows of the work in the background.
type jobs struct {
	wake     chan struct{} // holds a token when there may be something to do
	mostRows int           // rows of a list that a chunk takes at most
	rowIDs   int           // ids in a row of a list
	open     atomic.Int64
	chunks   atomic.Int64
	ended    map[directory.RemovalState]*atomic.Int64 // never changed once made

	mu     sync.Mutex // held while a chunk is done
	rows   int        // how many the next chunk takes
	writes int64      // transactions of this process when the last chunk ended
	busy   time.Time  // when others were last seen to write
	failed map[store.JobRef]jobFailure
}

// jobFailure says how often in a row a job's chunk failed, and when it is tried
// again.
type jobFailure struct {
	times int
	again time.Time
}

func newJobs(chunk int) jobs {
	if chunk == 0 {
		chunk = DefaultJobChunk
	}
	rowIDs := min(spoolRow, chunk)
	return jobs{
		wake: make(chan struct{}, 1), rowIDs: rowIDs, mostRows: chunk / rowIDs, rows: 1, failed: make(map[store.JobRef]jobFailure),
		ended: map[directory.RemovalState]*atomic.Int64{
			directory.RemovalCompleted: new(atomic.Int64), directory.RemovalCancelled: new(atomic.Int64), directory.RemovalFailed: new(atomic.Int64),
		},
	}
}

// JobsWaiting returns a channel that gets a value when a job was queued by this
// process.
func (r *Roster) JobsWaiting() <-chan struct{} { return r.jobs.wake }

func (r *Roster) wakeWorkers() {
	select {
	case r.jobs.wake <- struct{}{}:
	default: // it is awake
	}
}

// CancelRemoval ends a job between two chunks: whom it has removed stays
// removed and can be restored. It returns the removal as it then is; one that was
// cancelled before is none the worse. The account and the right to it are as for
// Removals. The error wraps directory.ErrNotFound when the account has no such
// removal, and directory.ErrState when it is over.
func (r *Roster) CancelRemoval(ctx context.Context, caller auth.Caller, accountID, id, requestID string) (directory.RemovalRecord, error) {
	account, err := r.ownAccount(ctx, caller, accountID, directory.ScopeUserManagement)
	if err != nil {
		return directory.RemovalRecord{}, err
	}
	details, err := json.Marshal(removalDetails{Subject: caller.Actor.Label, RequestID: requestID})
	if err != nil {
		return directory.RemovalRecord{}, err
	}
	change := store.Change{Account: account, Actor: caller.Actor}
	record, err := r.endJob(ctx, change, id, directory.RemovalCancelled, details, (*store.Tx).EndJob)
	r.setRestorable(&record)
	return record, err
}

// errEnded ends a transaction that has nothing to do.
var errEnded = errors.New("the job has ended so before")

// endJob ends a job before its time by end, unless that was done before, and returns what
// then is of the removal.
func (r *Roster) endJob(ctx context.Context, change store.Change, id string, state directory.RemovalState, details []byte,
	end func(*store.Tx, context.Context, string, directory.RemovalState) (bool, error),
) (record directory.RemovalRecord, err error) {
	err = r.store.Write(ctx, change, func(tx *store.Tx) error {
		ended, err := end(tx, ctx, id, state)
		if err != nil {
			return err
		}
		if record, _, err = tx.Removal(ctx, change.Account, id); err != nil {
			return err
		}
		if !ended {
			return errEnded
		}
		tx.RecordDetails(details)
		return nil
	})
	if errors.Is(err, errEnded) {
		return record, nil
	}
	if err == nil {
		r.jobs.ended[state].Add(1)
	}
	return record, err
}

// Progress is what a call of WorkOff came to.
type Progress struct {
	// Worked says that a chunk was done: there may be more to do at once.
	Worked bool
	// Removal is the public id of the job. Started says that the chunk was its
	// first, Over that it was its last.
	Removal       string
	Started, Over bool
	// Restores says that the job is a restoration of the removal. Requested and, of a
	// removal, Removed or, of a restoration, Restored are the job's counts so far.
	Restores                     bool
	Requested, Removed, Restored int
}

// WorkOff does the next chunk of the removal or restoration whose turn it is, in a transaction of
// its own that moves the job's place mark: so no user is handled twice, and after
// a crash another server goes on from there. Accounts take turns, whatever their
// jobs' sizes; of one account the oldest job comes first. Servers share the work:
// each passes by what another one is at. A job that fails again and again is
// ended as failed; the error is for the log. Only the operator may.
func (r *Roster) WorkOff(ctx context.Context, caller auth.Caller) (Progress, error) {
	if err := caller.RequireOperator(); err != nil {
		return Progress{}, err
	}
	r.jobs.mu.Lock()
	defer r.jobs.mu.Unlock()
	open, err := r.store.OpenJobs(ctx, openJobs)
	if err != nil {
		return Progress{}, err
	}
	restorations, err := r.store.OpenRestorations(ctx, openJobs)
	if err != nil {
		return Progress{}, err
	}
	open = append(open, restorations...)
	r.jobs.open.Store(int64(len(open)))
	for _, job := range r.inTurn(open) {
		progress, err := r.workOn(ctx, job)
		if errors.Is(err, store.ErrJobTaken) {
			continue
		}
		return progress, err
	}
	return Progress{}, nil
}

// inTurn picks the oldest removal and the oldest restoration of each account, the one that
// has waited longest first, without those that are left alone for a while.
func (r *Roster) inTurn(open []store.OpenJob) []store.OpenJob {
	type line struct {
		account  directory.AccountID
		restores bool
	}
	seen := make(map[line]bool)
	now := r.store.Now()
	first := open[:0]
	for _, job := range open {
		if seen[line{job.Account, job.Restores}] {
			continue
		}
		seen[line{job.Account, job.Restores}] = true
		if !now.Before(r.jobs.failed[job.JobRef].again) {
			first = append(first, job)
		}
	}
	slices.SortStableFunc(first, func(a, b store.OpenJob) int { return cmp.Compare(a.Turn, b.Turn) })
	return first
}

// workOn does a chunk of the job.
func (r *Roster) workOn(ctx context.Context, job store.OpenJob) (Progress, error) {
	if job.Restores {
		return r.restoreOn(ctx, job)
	}
	var c chunk
	var began time.Time
	change := store.Change{Account: job.Account, Actor: job.Actor}
	err := r.store.Write(ctx, change, func(tx *store.Tx) error {
		began = time.Now()
		c = chunk{roster: r, tx: tx, rows: r.jobs.rows}
		return c.write(ctx, job.ID)
	})
	if err != nil {
		return Progress{}, r.chunkFailed(ctx, job, err)
	}
	r.chunkDone(job, time.Since(began))
	r.notes.usersRemoved.Add(int64(c.out.Removed))
	r.notes.usersRefused.Add(int64(len(c.out.Refused)))
	p := Progress{Worked: true, Removal: job.PublicID, Started: c.first, Over: c.over, Requested: c.job.Requested, Removed: c.job.Removed}
	if c.over {
		r.jobs.ended[directory.RemovalCompleted].Add(1)
	}
	return p, nil
}

// chunkDone notes that a chunk of the job was done, and how long that took.
func (r *Roster) chunkDone(job store.OpenJob, took time.Duration) {
	delete(r.jobs.failed, job.JobRef)
	r.pace(took)
	r.jobs.chunks.Add(1)
}

// pace chooses how much the next chunk takes by how long the last one took.
func (r *Roster) pace(took time.Duration) {
	j, now := &r.jobs, time.Now()
	if writes := r.store.Writes(); writes > j.writes+1 { // others than the chunk
		j.busy, j.writes = now, writes
	} else {
		j.writes = writes
	}
	most := quietChunk
	if now.Sub(j.busy) < busyFor {
		most = busyChunk
	}
	switch {
	case took > most:
		j.rows = max(1, min(j.rows/2, int(int64(j.rows)*int64(most)/int64(took))))
	case took < most/2:
		j.rows = min(2*j.rows, j.mostRows)
	}
}

// chunkFailed notes that a chunk of the job failed, and ends the job when it has
// failed too often.
func (r *Roster) chunkFailed(ctx context.Context, job store.OpenJob, err error) error {
	if errors.Is(err, store.ErrJobTaken) {
		return err
	}
	err = fmt.Errorf("work on removal %s: %w", job.PublicID, err)
	if ctx.Err() != nil {
		return err
	}
	failure := r.jobs.failed[job.JobRef]
	failure.again = r.store.Now().Add(jobRetry)
	if !errors.Is(err, directory.ErrUnavailable) {
		failure.times++
	}
	r.jobs.failed[job.JobRef] = failure
	if failure.times < jobAttempts {
		return err
	}
	system := auth.System()
	details, end := []byte(`{}`), (*store.Tx).EndJob // the log has the reason, which may name people
	if job.Restores {
		details, end = []byte(`{"restored":0,"part":true}`), (*store.Tx).EndRestoration
	}
	_, ended := r.endJob(ctx, store.Change{Account: job.Account, Actor: system.Actor}, job.PublicID, directory.RemovalFailed, details, end)
	if ended == nil {
		delete(r.jobs.failed, job.JobRef)
		err = fmt.Errorf("%w; it is given up", err)
	}
	return errors.Join(err, ended)
}

// chunk is a part of a job that is being done.
type chunk struct {
	roster *Roster
	tx     *store.Tx
	rows   int // of the list, at most
	job    *store.LockedJob
	out    directory.Removal // of this chunk
	first  bool
	over   bool // it was the last
}

// write does it within the transaction: as RemoveUsers, but that members who are
// named in the same job by an address and an org id may stand far apart.
func (c *chunk) write(ctx context.Context, id directory.RemovalID) (err error) {
	if c.job, err = c.tx.LockJob(ctx, id); err != nil {
		return err
	}
	c.first = c.job.First
	rows, err := c.tx.NextOfJob(ctx, c.job, c.rows)
	if err != nil {
		return err
	}
	refs, named, err := c.read(ctx, rows)
	if err != nil {
		return err
	}
	selection := directory.Select(refs)
	found, err := c.tx.LockCandidates(ctx, selection)
	if err != nil {
		return err
	}
	if err := c.meet(ctx, found); err != nil {
		return err
	}
	var leaving []directory.Candidate
	leaving, c.out = selection.Decide(found)
	c.count(named)
	if len(c.out.Refused) > 0 || len(leaving) == 0 { // a record there must be
		details, err := json.Marshal(removalDetails{
			Requested: c.out.Requested, Removed: c.out.Removed,
			RefusedByReason: c.out.RefusedByReason(), Refused: keepRefusals(refs, c.out.Refused, len(c.out.Refused)),
		})
		if err != nil {
			return err
		}
		c.tx.RecordDetails(details)
	}
	if err := c.tx.RemoveSome(ctx, c.job, leaving); err != nil {
		return err
	}
	c.over, err = c.tx.Advance(ctx, c.job, rows, len(c.out.Refused) > 0)
	return err
}

// meet remembers whom the chunk finds by address, where their org ids may follow.
func (c *chunk) meet(ctx context.Context, found []directory.Candidate) error {
	if !c.job.Mixed {
		return nil
	}
	var met []directory.Candidate
	for i := range found {
		if found[i].EmailKey != "" {
			met = append(met, found[i])
		}
	}
	if len(met) == 0 {
		return nil
	}
	return c.tx.Meet(ctx, c.job, met)
}

// read returns the ids of rows of the list without those of members whom the job
// has met by their addresses, and how many there were with these.
func (c *chunk) read(ctx context.Context, rows []store.SpoolRow) (refs []directory.UserRef, named int, err error) {
	var orgIDs []string
	for _, row := range rows {
		some, err := readSpooled(row)
		if err != nil {
			return nil, 0, err
		}
		refs = append(refs, some...)
		if row.Seq < firstOrgID || !c.job.Mixed {
			continue
		}
		for _, ref := range some {
			if key, ok := ref.Key(); ok {
				orgIDs = append(orgIDs, key)
			}
		}
	}
	named = len(refs)
	if len(orgIDs) == 0 {
		return refs, named, nil
	}
	met, err := c.tx.MetByAddress(ctx, c.job, orgIDs)
	refs = slices.DeleteFunc(refs, func(ref directory.UserRef) bool {
		key, ok := ref.Key()
		return ok && ref.Kind == directory.ByOrgUserID && met[key]
	})
	return refs, named, err
}

// count adds the chunk's outcome to the job's counts. Of named ids those that
// were second names of somebody are requested no more.
func (c *chunk) count(named int) {
	c.job.Requested -= named - c.out.Requested
	c.job.Removed += c.out.Removed
	for reason, n := range c.out.RefusedByReason() {
		c.job.Refused[reason] += n
	}
}
