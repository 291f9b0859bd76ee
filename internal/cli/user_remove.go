package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"roster/client"
	"roster/internal/outfile"
)

type removeCommand struct {
	env    *env
	api    apiFlags
	names  naming
	dryRun bool
	atomic bool
	yes    bool

	batchSize  int
	perMinute  int
	resumePath string
	reportPath string
	async      bool
}

// apiPace is how many calls a minute a long removal makes unless told otherwise:
// what hosts of the published API let through.
const apiPace = 60

// longestWait is how long a host may ask a removal of many calls to wait: until
// its limit of an hour has room again.
const longestWait = time.Hour + 5*time.Minute

func (e *env) userRemoveCommand() *cobra.Command {
	c := &removeCommand{env: e}
	cmd := &cobra.Command{
		Use:   "remove [ADDRESS ...] --host URL --client-id ID",
		Short: "Remove users from an account",
		Long: `Removes users from the account of an app, through the public API of any host
that speaks it. ` + namingHelp + `

Users go in calls of ` + strconv.Itoa(apiBatch) + ` (--batch-size), each all done or not done at all. Those
who cannot be removed are listed with the reason, and the exit code is then 3. To
go on after a failure, run the same command again: who is gone already is reported
as not found, and nobody else is touched.

With --resume-file FILE it goes on instead where it was, however it was ended, and
its report tells about all of the list: nobody is reported as not found because an
earlier run removed them. FILE is written before and after each call.

A removal of several calls, or with --resume-file, makes calls again that met a
limit, a busy host or a broken connection; one call alone is made once. A host
without idempotency keys may then not find users whom a lost call has removed.
They are listed as unclear: they are out, by that call or before it.

--dry-run tells who would be removed and who would not, and removes nobody.
--atomic removes all or nobody: users go in one call then, of which a host has a
limit, and a single one who cannot be removed keeps all the others. --async has
the host do it in the background, as one job, and follows it. All three want a
host that knows them; others are found out before anybody is removed.

Each call is a removal with an id, by which 'roster user restore' can undo it.`,
		Example: `  export ROSTER_CLIENT_SECRET=...
  roster user remove ann@example.com --host http://127.0.0.1:8080 --client-id cs-...
  roster user remove --dry-run --from leavers.csv --host https://users.example.com --client-id cs-...
  roster user remove --from leavers.csv --resume-file leavers.resume --report-file report.csv --host https://users.example.com --client-id cs-...
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
	f.IntVar(&c.batchSize, "batch-size", apiBatch, "users in a call")
	f.IntVar(&c.perMinute, "calls-per-minute", apiPace, "calls within any minute at most; 0 for as many as the host lets through")
	f.StringVar(&c.resumePath, "resume-file", "", "file by which the same command goes on where it was")
	f.StringVar(&c.reportPath, "report-file", "", "file for what came of each user: CSV, or JSON if its name ends so")
	f.BoolVar(&c.async, "async", false, "have the host do it in the background, as one job, and follow it")
	completeFiles(cmd, "resume-file")
	completeFiles(cmd, "report-file")
	return cmd
}

// check looks for flags that make no sense together.
func (c *removeCommand) check() error {
	switch {
	case c.batchSize < 1:
		return usagef("--batch-size %d: a call needs a user", c.batchSize)
	case c.perMinute < 0:
		return usagef("--calls-per-minute %d is negative", c.perMinute)
	case c.async && (c.dryRun || c.atomic):
		return usagef("--async does not go with --dry-run or --atomic")
	case (c.resumePath != "" || c.reportPath != "") && (c.dryRun || c.atomic):
		return usagef("--resume-file and --report-file do not go with --dry-run or --atomic")
	}
	return c.checkFiles()
}

// checkFiles refuses files to write that would overwrite each other, or a file that
// the command reads.
func (c *removeCommand) checkFiles() error {
	if c.resumePath != "" && c.reportPath != "" && outfile.Same(c.resumePath, c.reportPath) {
		return usagef("--report-file and --resume-file must be different files")
	}
	app := &c.api.app
	used := []string{app.secretFile, app.keyFile, app.platformJWK}
	if c.names.from != "-" {
		used = append(used, c.names.from)
	}
	if c.resumePath != "" {
		lock := c.resumePath + ".lock"
		for _, path := range []string{c.resumePath, lock} {
			if err := outfile.Check(path, used...); err != nil {
				return err
			}
		}
		used = append(used, c.resumePath, lock)
	}
	if c.reportPath == "" {
		return nil
	}
	if err := outfile.Check(c.reportPath, used...); err != nil {
		return err
	}
	return checkReportFile(c.reportPath)
}

func (c *removeCommand) run(ctx context.Context, args []string) error {
	if err := c.check(); err != nil {
		return err
	}
	ids, skipped, err := c.names.collect(c.env, args)
	if err != nil {
		return err
	}
	api, err := c.client(len(ids))
	if err != nil {
		return err
	}
	report := removalReport{Requested: len(ids) + len(skipped), Failed: skipped, DryRun: c.dryRun}
	report.users = userOutcomes{ids: ids, orgIDs: c.names.orgIDs}
	if len(ids) == 0 || (c.atomic && !c.dryRun && len(skipped) > 0) {
		return c.finish(&report, skipped, nil) // a row that names nobody cannot be done
	}
	resume, err := c.openResume(ctx, ids, &report)
	if err != nil {
		return err
	}
	left := len(ids) - report.users.dealt
	if !c.yes && !c.dryRun && left > 0 {
		what := fmt.Sprintf("This removes up to %s from the account.", plural(left, "user"))
		if err := c.env.confirm(ctx, what, strconv.Itoa(left), "nobody was removed"); err != nil {
			return errors.Join(err, resume.close())
		}
	}
	switch {
	case left == 0:
		fmt.Fprintf(c.env.err, "roster: an earlier run has dealt with all of the list, as %s says: nobody was removed now\n", c.resumePath)
	case c.dryRun || c.atomic:
		err = c.removeWithOptions(ctx, api, ids, &report)
	case c.async:
		err = c.removeByJob(ctx, api, ids, resume, &report)
	default:
		err = c.removeInBatches(ctx, api, ids, resume, &report)
	}
	err = errors.Join(err, resume.close())
	return errors.Join(err, c.finish(&report, skipped, err))
}

// long says whether a removal goes on after trouble: not a single call, of which a
// person sees at once what is wrong, and which they can give again.
func (c *removeCommand) long(users int) bool {
	return !c.dryRun && !c.atomic && (users > c.batchSize || c.resumePath != "" || c.async)
}

func (c *removeCommand) client(users int) (*client.Client, error) {
	retry := once
	if c.long(users) || (c.dryRun && users > c.batchSize) { // a preview only past limits
		retry = client.Retry{MaxRetryAfter: longestWait}
	}
	return c.api.client(retry, c.env)
}

// openResume opens the resume file, if there is to be one, and adds to the report
// what earlier runs did.
func (c *removeCommand) openResume(ctx context.Context, ids []string, r *removalReport) (*resumeFile, error) {
	if c.resumePath == "" {
		return nil, nil //nolint:nilnil // none is wanted
	}
	f, err := openResumeFile(ctx, c.resumePath, resumeHeader{
		Host: c.api.host, ClientID: c.api.app.clientID, OrgIDs: c.names.orgIDs, Async: c.async,
		Users: len(ids), List: listHash(ids), BatchSize: c.batchSize,
	}, c.env.err)
	if err != nil {
		return nil, err
	}
	for i := range f.done {
		r.add(&f.done[i])
	}
	r.DoneBefore = r.users.dealt
	return f, nil
}

// finish writes the report file, if there is to be one, and prints the report.
func (c *removeCommand) finish(r *removalReport, skipped []failedJSON, callErr error) error {
	var err error
	if c.reportPath != "" {
		if err = c.checkFiles(); err == nil { // there may be others by now
			err = r.writeReportFile(c.reportPath, skipped)
		}
	}
	return errors.Join(err, c.report(r, callErr))
}

// removeWithOptions makes the calls of a preview, or that of all or nobody, and
// adds up what came of them.
func (c *removeCommand) removeWithOptions(ctx context.Context, api *client.Client, ids []string, r *removalReport) error {
	what, size := "Removing users", c.batchSize
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
		c.env.writeFailed(w, "UNCLEAR", r.Unclear)
		fmt.Fprintln(w, c.summary(r, callErr))
		c.writeUndo(w, r)
	})
	if err == nil && len(r.Failed)+len(r.Unclear) > 0 && callErr == nil {
		return errPartial
	}
	return err
}

// summary is the report in a sentence or two.
func (c *removeCommand) summary(r *removalReport, callErr error) string {
	if callErr != nil {
		return c.cutShort(r, callErr)
	}
	kept := r.Requested - r.Removed - len(r.Unclear)
	switch {
	case r.Atomic && r.DryRun:
		return fmt.Sprintf("Nobody would be removed, because %d of %d users cannot be.", len(r.Failed), r.Requested)
	case r.Atomic:
		return fmt.Sprintf("Nobody was removed, because %d of %d users cannot be.", len(r.Failed), r.Requested)
	case r.DryRun:
		return fmt.Sprintf("%d of %d users would be removed, %d would not.", r.Removed, r.Requested, kept)
	case len(r.Unclear) > 0:
		return fmt.Sprintf("%d of %d users removed, %d not removed, %d unclear: they are out, by a call whose answer was lost or before it.",
			r.Removed, r.Requested, kept, len(r.Unclear))
	}
	return fmt.Sprintf("%d of %d users removed, %d not removed.", r.Removed, r.Requested, kept)
}

// cutShort is the summary of what was done before a call failed.
func (c *removeCommand) cutShort(r *removalReport, callErr error) string {
	ignored, isIgnored := errors.AsType[*client.OptionError](callErr)
	switch {
	case isIgnored && ignored.Removed && !c.async:
		return fmt.Sprintf("%d of %d users were removed, against what was asked.", r.Removed, r.Requested)
	case c.dryRun:
		return "The preview was cut short."
	case c.atomic && !client.MayHaveActed(callErr):
		return "Nobody was removed."
	case c.atomic: // what became of the call is not known
		return fmt.Sprintf("All %d users were removed, or nobody: --dry-run shows who is still there.", r.Requested)
	case c.async:
		return c.jobCutShort(r)
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
