package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"roster/client"
)

type restoreCommand struct {
	restoring

	api     apiFlags
	removal string
}

func (e *env) userRestoreCommand() *cobra.Command {
	c := &restoreCommand{restoring: restoring{env: e}}
	cmd := &cobra.Command{
		Use:   "restore --removal ID [ADDRESS ...] --host URL --client-id ID",
		Short: "Undo a removal, or a part of it",
		Long: `Brings removed users back into the account of an app, through the public API:
with their groups, roles and access flags, as they were. A host keeps who was
removed for a time, 30 days unless set otherwise; after it nobody can be
restored. The id of a removal is what 'roster user remove' prints.

` + namingHelp + `
--all restores everybody of the removal.

Those who cannot be restored are listed with the reason, and the exit code is
then 3. What was deleted meanwhile, such as a group, is named: nobody can have it
again. The command may be run again: who is back already is not found, or with
--all no failure.`,
		Example: `  export ROSTER_CLIENT_SECRET=...
  roster user restore --removal rm-... ann@example.com --host https://users.example.com --client-id cs-...
  roster user restore --removal rm-... --all --host https://users.example.com --client-id cs-...`,
		RunE: run(c.run),
	}
	c.api.add(cmd)
	c.add(cmd)
	cmd.Flags().StringVar(&c.removal, "removal", "", "id of the removal")
	required(cmd, "removal")
	return cmd
}

func (c *restoreCommand) run(ctx context.Context, args []string) error {
	ids, skipped, err := c.collect(args)
	if err != nil {
		return err
	}
	api, err := c.api.client(once, c.env)
	if err != nil {
		return err
	}
	if err := c.confirm(ctx, c.removal); err != nil {
		return err
	}
	report := restoreReport{RemovalID: c.removal, Failed: skipped}
	if c.all {
		err = c.restoreAll(ctx, api, &report)
	} else {
		err = c.restoreSome(ctx, api, ids, len(ids)+len(skipped), &report)
	}
	return errors.Join(err, c.report(&report, err))
}

// restoreAll undoes the whole removal.
func (c *restoreCommand) restoreAll(ctx context.Context, api *client.Client, r *restoreReport) error {
	going := c.env.spinner("Restoring users")
	defer going.end()
	return c.call(ctx, api, client.RestoreUsersRequest{All: true}, r)
}

// restoreSome brings back those who are named.
func (c *restoreCommand) restoreSome(ctx context.Context, api *client.Client, ids []string, requested int, r *restoreReport) error {
	restored := 0
	r.Requested, r.Restored = &requested, &restored
	return c.env.inBatches(ctx, "Restoring users", ids, apiBatch, func(ctx context.Context, batch []string) error {
		req := client.RestoreUsersRequest{EmailIDs: batch}
		if c.names.orgIDs {
			req = client.RestoreUsersRequest{OrgUserIDs: batch}
		}
		before := len(r.Failed)
		if err := c.call(ctx, api, req, r); err != nil {
			return err
		}
		restored += len(batch) - (len(r.Failed) - before)
		return nil
	})
}

// call makes one call and adds what came of it to the report.
func (c *restoreCommand) call(ctx context.Context, api *client.Client, req client.RestoreUsersRequest, r *restoreReport) error {
	out, err := api.RestoreUsers(ctx, c.removal, req)
	if err != nil {
		return err
	}
	r.Failed = append(r.Failed, failures(out.Failed)...)
	for _, l := range out.NotRestored {
		r.addLost(lostJSON(l))
	}
	return nil
}
