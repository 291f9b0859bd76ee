package cli

import (
	"context"
	"slices"

	"roster/client"
)

// removeInBatches makes the calls of a removal, one after the other, and adds up
// what came of them. With a resume file it begins where that says.
func (c *removeCommand) removeInBatches(ctx context.Context, api *client.Client, ids []string, resume *resumeFile, r *removalReport) error {
	o := client.RemoveAllOptions{
		OrgUserIDs: c.names.orgIDs, BatchSize: c.batchSize, CallsPerMinute: c.perMinute, Settle: c.long(len(ids)),
	}
	if resume != nil {
		o.Run, o.From = resume.header.Run, resume.mark
		o.Before = func(b *client.Batch) error { return resume.add(resumeLine{Begun: &b.Mark}) }
	}
	bar := c.env.progressFrom("Removing users", r.users.dealt, len(ids))
	defer bar.end()
	for b, err := range api.RemoveAll(ctx, slices.Values(ids), o) {
		if err != nil {
			if !b.Mark.BegunAt.IsZero() {
				r.users.sent = b.Mark.Users + len(b.IDs)
			}
			return err
		}
		done := &resumeDone{
			Mark: b.Mark, Failed: failures(b.Failed), Unclear: failures(b.Unclear), RemovalID: b.RemovalID,
		}
		r.add(done)
		if resume != nil {
			if err := resume.add(resumeLine{Done: done}); err != nil {
				return err
			}
		}
		bar.at(b.Mark.Users)
	}
	return nil
}
