package cli

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"roster/client"
)

// keyOfJobLife is how long after the first attempt to start a job its key still
// finds it: somewhat less than the day for which hosts keep keys.
const keyOfJobLife = 23 * time.Hour

// removeByJob has the host do the removal as one job, and follows it to its end.
// With a resume file it goes on with the job that was started.
func (c *removeCommand) removeByJob(ctx context.Context, api *client.Client, ids []string, resume *resumeFile, r *removalReport) error {
	bar := c.env.progressFrom("Removing users", 0, len(ids))
	defer bar.end()
	id, err := c.startJob(ctx, api, ids, resume)
	if err != nil {
		if client.MayHaveActed(err) {
			r.users.sent = len(ids)
		}
		return err
	}
	r.users.sent = len(ids)
	r.RemovalIDs = append(r.RemovalIDs, id)
	job, err := api.WaitRemoval(ctx, id, 0, func(now *client.Removal) { bar.at(now.Done) })
	if job != nil {
		r.Removed = job.Removed
	}
	if err != nil {
		return err
	}
	bar.at(job.Done)
	r.RemovalIDs, r.Removed = nil, 0 // they come with what is added
	done := &resumeDone{Mark: client.Mark{Batches: 1, Users: min(job.Done, len(ids))}, Failed: failures(job.FailedUsers), RemovalID: id}
	r.add(done)
	r.users.sent = 0 // it goes on with no more
	if job.State != client.StateCompleted {
		return fmt.Errorf("the job is %s: it has dealt with %d of %d users, and goes on with no more", job.State, job.Done, job.Requested)
	}
	if resume != nil {
		return resume.add(resumeLine{Done: done})
	}
	return nil
}

// startJob starts the job, or finds the one that was started.
func (c *removeCommand) startJob(ctx context.Context, api *client.Client, ids []string, resume *resumeFile) (string, error) {
	run := rand.Text()
	if resume != nil {
		if resume.job != "" {
			return resume.job, nil
		}
		run = resume.header.Run
		begun := resume.mark.BegunAt
		if !begun.IsZero() && time.Since(begun) > keyOfJobLife {
			return "", errors.New("whether the job was started is not known any more: look for it in the account's removals, and delete the resume file to start another")
		}
		if begun.IsZero() {
			if err := resume.add(resumeLine{Begun: &client.Mark{BegunAt: time.Now().UTC()}}); err != nil {
				return "", err
			}
		}
	}
	key := sha256.Sum256([]byte("roster job " + run + " " + listHash(ids)))
	req := client.RemoveUsersRequest{EmailIDs: ids, IdempotencyKey: base64.RawURLEncoding.EncodeToString(key[:])}
	if c.names.orgIDs {
		req.EmailIDs, req.OrgUserIDs = nil, ids
	}
	job, err := api.StartRemoval(ctx, req)
	if err != nil {
		return "", err
	}
	if resume != nil {
		return job.ID, resume.add(resumeLine{Job: job.ID})
	}
	return job.ID, nil
}

// jobCutShort is the summary of a job that was not followed to its end.
func (c *removeCommand) jobCutShort(r *removalReport) string {
	switch {
	case len(r.RemovalIDs) == 0:
		return "The job is not known to have been started."
	case c.resumePath != "":
		return fmt.Sprintf("The removal %s goes on without this command, unless it has ended: run the same command again to follow it.", r.RemovalIDs[0])
	}
	return fmt.Sprintf("The removal %s goes on without this command, unless it has ended.", r.RemovalIDs[0])
}
