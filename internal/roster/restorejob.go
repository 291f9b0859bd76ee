package roster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/store"
)

// restorePoll is how long a call that waits for a restoration lets another server do the
// next chunk.
const restorePoll = 10 * time.Millisecond

// queue makes a job of the restoration, unless there is one that is not over.
func (re *restoration) queue(ctx context.Context, change store.Change) error {
	err := re.roster.store.Write(ctx, change, func(tx *store.Tx) error {
		removal, err := tx.LockRemoval(ctx, re.removal)
		if err != nil {
			return err
		}
		running, err := tx.Restoring(ctx, removal.RemovalID)
		switch {
		case err != nil:
			return err
		case running:
			return errAsItIs
		}
		members, err := tx.RemovedMemberIDs(ctx, removal)
		if err != nil {
			return err
		}
		if err := re.possible(removal, len(members)); err != nil {
			return err
		}
		// These details record the request, and those of each chunk record its outcome.
		details, err := re.describePart()
		tx.RecordDetails(details)
		if err != nil {
			return err
		}
		return tx.QueueRestoration(ctx, removal, members, re.options.RequestID, re.roster.jobs.rowIDs)
	})
	if errors.Is(err, errAsItIs) {
		return nil
	}
	if err == nil {
		re.roster.wakeWorkers()
	}
	return err
}

// finish works on the restoration, together with other servers, until it is over, and
// takes what came of it.
func (re *restoration) finish(ctx context.Context, change store.Change, removal directory.RemovalID) error {
	r := re.roster
	job := store.OpenJob{JobRef: store.JobRef{Account: change.Account, ID: removal, Restores: true}, PublicID: re.removal, Actor: change.Actor}
	for {
		record, _, err := r.store.Removal(ctx, change.Account, re.removal)
		if err != nil {
			return err
		}
		if record.Restore == nil || record.Restore.State.Over() {
			return re.take(record.Restore)
		}
		for err == nil {
			r.jobs.mu.Lock()
			_, err = r.workOn(ctx, job)
			r.jobs.mu.Unlock()
		}
		if !errors.Is(err, store.ErrJobTaken) {
			return err
		}
		select { // it is over, or another server works on it
		case <-ctx.Done():
			return fmt.Errorf("%w: wait for the restoration: %w", directory.ErrUnavailable, ctx.Err())
		case <-time.After(restorePoll):
		}
	}
}

// take adds what came of a job to what the restoration reports.
func (re *restoration) take(job *directory.RestoreJob) error {
	switch {
	case job == nil: // the removal was closed
		return nil
	case job.State == directory.RemovalCompleted:
		re.begun, re.before = true, directory.Restoration{Restored: job.Restored, Lost: job.Lost}
		return nil
	}
	return directory.Errorf(directory.ErrState, "the restoration of removal %s was ended as %s: %d of %d users are restored",
		re.removal, job.State, job.Restored, job.Total)
}

// describePart is describe for a transaction that does not end the restoration.
func (re *restoration) describePart() ([]byte, error) {
	d := re.details()
	d.Part = true
	return json.Marshal(d)
}

// restoreChunk is a part of a restoration that is being done.
type restoreChunk struct {
	restoration
	tx   *store.Tx
	rows int // of the list, at most
	job  *store.LockedRestoration
	over bool // it was the last
}

// write does it within the transaction.
func (c *restoreChunk) write(ctx context.Context, id directory.RemovalID) (err error) {
	if c.job, err = c.tx.LockRestoration(ctx, id); err != nil {
		return err
	}
	removal, err := c.tx.LockRemoval(ctx, c.removal)
	if err != nil {
		return err
	}
	items, err := c.tx.NextOfRestoration(ctx, c.job, c.rows)
	if err != nil {
		return err
	}
	live, err := c.tx.LiveLike(ctx, items.Removed)
	if err != nil {
		return err
	}
	returning, refused := c.selection.DecideRestoration(items.Removed, live)
	c.options.RequestID = c.job.RequestID
	c.out = directory.Restoration{Restored: len(returning), Refused: refused}
	if err := c.spell(ctx, c.tx); err != nil {
		return err
	}
	if len(returning) > 0 {
		if c.out.Lost, err = c.tx.Restore(ctx, removal, returning); err != nil {
			return err
		}
	}
	details, err := c.describePart()
	if err != nil {
		return err
	}
	c.tx.RecordDetails(details)
	c.job.Done += items.Listed
	c.job.Restored += len(returning)
	c.job.Lost = directory.AddLost(c.job.Lost, c.out.Lost)
	c.over, err = c.tx.AdvanceRestoration(ctx, c.job, items)
	return err
}

// restoreOn does a chunk of a restoration; see workOn.
func (r *Roster) restoreOn(ctx context.Context, job store.OpenJob) (Progress, error) {
	var c restoreChunk
	var began time.Time
	var err error
	change := store.Change{Account: job.Account, Actor: job.Actor}
	for range restoreAttempts {
		err = r.store.Write(ctx, change, func(tx *store.Tx) error {
			began = time.Now()
			c = restoreChunk{restoration: restoration{roster: r, removal: job.PublicID}, tx: tx, rows: r.jobs.rows}
			return c.write(ctx, job.ID)
		})
		if !errors.Is(err, directory.ErrExists) { // somebody came in between; see RestoreUsers
			break
		}
	}
	if err != nil {
		return Progress{}, r.chunkFailed(ctx, job, err)
	}
	r.chunkDone(job, time.Since(began))
	r.notes.usersRestored.Add(int64(c.out.Restored))
	if c.over {
		r.jobs.ended[directory.RemovalCompleted].Add(1)
	}
	return Progress{
		Worked: true, Removal: job.PublicID, Restores: true, Started: c.job.State == directory.RemovalQueued, Over: c.over,
		Requested: c.job.Total, Restored: c.job.Restored,
	}, nil
}

// CancelRestoration ends the restoration of a removal that is done in the background
// between two chunks: whom it has restored stays restored, and the others can be restored
// later. It returns the removal as it then is. The account and the right to it are as for
// RestoreUsers. The error wraps directory.ErrNotFound when the account has no such
// removal, and directory.ErrState when no restoration of it runs.
func (r *Roster) CancelRestoration(ctx context.Context, caller auth.Caller, accountID, id, requestID string) (directory.RemovalRecord, error) {
	account, err := r.ownAccount(ctx, caller, accountID, directory.ScopeUserManagement)
	if err != nil {
		return directory.RemovalRecord{}, err
	}
	re := restoration{roster: r, caller: caller, removal: id, options: RestoreOptions{RequestID: requestID}}
	details, err := re.describePart()
	if err != nil {
		return directory.RemovalRecord{}, err
	}
	change := store.Change{Account: account, Actor: caller.Actor}
	record, err := r.endJob(ctx, change, id, directory.RemovalCancelled, details, (*store.Tx).EndRestoration)
	r.setRestorable(&record)
	return record, err
}
