package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"roster/client"
)

type removeCommand struct {
	env    *env
	api    apiFlags
	names  naming
	dryRun bool
	atomic bool
	yes    bool
}

func (e *env) userRemoveCommand() *cobra.Command {
	c := &removeCommand{env: e}
	cmd := &cobra.Command{
		Use:   "remove [ADDRESS ...] --host URL --client-id ID",
		Short: "Remove users from an account",
		Long: `Removes users from the account of an app, through the public API of any host
that speaks it. ` + namingHelp + `

Users go in calls of ` + strconv.Itoa(apiBatch) + `, each all done or not done at all. Those who
cannot be removed are listed with the reason, and the exit code is then 3. To go
on after a failure, run the same command again: who is gone already is reported
as not found, and nobody else is touched.

--dry-run tells who would be removed and who would not, and removes nobody.
--atomic removes all or nobody: users go in one call then, of which a host has a
limit, and a single one who cannot be removed keeps all the others. Both want a
host that knows them; others are found out before anybody is removed.

Each call is a removal with an id, by which 'roster user restore' can undo it.`,
		Example: `  export ROSTER_CLIENT_SECRET=...
  roster user remove ann@example.com --host http://127.0.0.1:8080 --client-id cs-...
  roster user remove --dry-run --from leavers.csv --host https://users.example.com --client-id cs-...
  roster user remove --from leavers.csv --host https://users.example.com --client-id cs-... --yes
  roster user remove --from leavers.csv --host https://users.example.com --client-id cs-... --alg RS256 --key private.pem`,
		RunE: run(c.run),
	}
	c.api.add(cmd)
	c.names.add(cmd)
	f := cmd.Flags()
	f.BoolVar(&c.dryRun, "dry-run", false, "say who would be removed, and remove nobody")
	f.BoolVar(&c.atomic, "atomic", false, "remove all of them, or nobody if somebody cannot be removed")
	f.BoolVar(&c.yes, "yes", false, "do not ask before removing")
	return cmd
}

func (c *removeCommand) run(ctx context.Context, args []string) error {
	ids, skipped, err := c.names.collect(c.env, args)
	if err != nil {
		return err
	}
	api, err := c.api.client()
	if err != nil {
		return err
	}
	report := removalReport{Requested: len(ids) + len(skipped), Failed: skipped, DryRun: c.dryRun}
	if len(ids) == 0 || (c.atomic && !c.dryRun && len(skipped) > 0) {
		return c.report(&report, nil) // a row that names nobody cannot be done
	}
	if !c.yes && !c.dryRun {
		what := fmt.Sprintf("This removes up to %s from the account.", plural(len(ids), "user"))
		if err := c.env.confirm(ctx, what, strconv.Itoa(len(ids)), "nobody was removed"); err != nil {
			return err
		}
	}
	err = c.remove(ctx, api, ids, &report)
	return errors.Join(err, c.report(&report, err))
}

// remove makes the calls and adds up what came of them.
func (c *removeCommand) remove(ctx context.Context, api *client.Client, ids []string, r *removalReport) error {
	what, size := "Removing users", apiBatch
	if c.dryRun {
		what = "Checking users"
	}
	if c.atomic {
		size = len(ids)
	}
	return c.env.inBatches(ctx, what, ids, size, func(ctx context.Context, batch []string) error {
		req := client.RemoveUsersRequest{EmailIDs: batch, DryRun: c.dryRun, Atomic: c.atomic}
		if c.names.orgIDs {
			req.EmailIDs, req.OrgUserIDs = nil, batch
		}
		out, err := api.RemoveUsers(ctx, req)
		if out == nil {
			return err
		}
		if c.dryRun && err != nil { // no preview: what counts is what this call did
			*r = removalReport{Requested: r.Requested}
		}
		r.Failed = append(r.Failed, failures(out.Failed)...)
		if !out.Atomic {
			r.Removed += len(batch) - len(out.Failed)
		}
		if out.RemovalID != "" {
			r.RemovalIDs = append(r.RemovalIDs, out.RemovalID)
		}
		return err
	})
}

// removalReport is what 'user remove' prints.
type removalReport struct {
	Requested int          `json:"requested"`
	Removed   int          `json:"removed"` // with DryRun those who would be
	Failed    []failedJSON `json:"failed"`
	// RemovalIDs are those of the calls, from a host that gives them.
	RemovalIDs []string `json:"removalIds,omitempty"`
	DryRun     bool     `json:"dryRun,omitempty"`
	// Atomic says that nobody was removed because of those who failed.
	Atomic bool `json:"atomic,omitempty"`
	// Error is the failure of a call that ended the work early.
	Error string `json:"error,omitempty"`
}

// report prints what came of the calls, of which the last may have failed.
func (c *removeCommand) report(r *removalReport, callErr error) error {
	if r.Failed == nil {
		r.Failed = []failedJSON{}
	}
	if callErr != nil {
		r.Error = callErr.Error()
	} else if c.atomic && len(r.Failed) > 0 {
		r.Atomic, r.Removed = true, 0
	}
	err := c.env.print(r, func(w io.Writer) {
		title := "NOT REMOVED"
		if r.DryRun || r.Atomic {
			title = "CANNOT BE REMOVED"
		}
		c.env.writeFailed(w, title, r.Failed)
		fmt.Fprintln(w, c.summary(r, callErr))
		c.writeUndo(w, r)
	})
	if err == nil && len(r.Failed) > 0 && callErr == nil {
		return errPartial
	}
	return err
}

// summary is the report in a sentence or two.
func (c *removeCommand) summary(r *removalReport, callErr error) string {
	if callErr != nil {
		return c.cutShort(r, callErr)
	}
	kept := r.Requested - r.Removed
	switch {
	case r.Atomic && r.DryRun:
		return fmt.Sprintf("Nobody would be removed, because %d of %d users cannot be.", len(r.Failed), r.Requested)
	case r.Atomic:
		return fmt.Sprintf("Nobody was removed, because %d of %d users cannot be.", len(r.Failed), r.Requested)
	case r.DryRun:
		return fmt.Sprintf("%d of %d users would be removed, %d would not.", r.Removed, r.Requested, kept)
	}
	return fmt.Sprintf("%d of %d users removed, %d not removed.", r.Removed, r.Requested, kept)
}

// cutShort is the summary of what was done before a call failed.
func (c *removeCommand) cutShort(r *removalReport, callErr error) string {
	refused, isRefused := errors.AsType[*client.Error](callErr)
	ignored, isIgnored := errors.AsType[*client.OptionError](callErr)
	switch {
	case isIgnored && ignored.Removed:
		return fmt.Sprintf("%d of %d users were removed, against what was asked.", r.Removed, r.Requested)
	case c.dryRun:
		return "The preview was cut short."
	case c.atomic && (isIgnored || (isRefused && refused.Status < 500)):
		return "Nobody was removed."
	case c.atomic: // what became of the call is not known
		return fmt.Sprintf("All %d users were removed, or nobody: --dry-run shows who is still there.", r.Requested)
	}
	// What became of the call that failed is not always known.
	return fmt.Sprintf("%d of %d users are known to be removed. Run the same command again to go on.", r.Removed, r.Requested)
}

// writeUndo says how to take the removals back.
func (c *removeCommand) writeUndo(w io.Writer, r *removalReport) {
	if r.Removed == 0 || len(r.RemovalIDs) == 0 {
		return
	}
	fmt.Fprintln(w, "\nTo undo it, while the host keeps who was removed:")
	for _, id := range r.RemovalIDs {
		fmt.Fprintf(w, "  roster user restore --all --removal %s --host %s --client-id %s\n", id, shellWord(c.api.host), shellWord(c.api.app.clientID))
	}
}
