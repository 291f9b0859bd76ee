package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/excerpt"
	"roster/internal/roster"
)

func (e *env) removalCommand() *cobra.Command {
	return group("removal", "Look at removals, cancel or undo them, and end the time for that",
		e.removalListCommand(), e.removalShowCommand(), e.removalCancelCommand(), e.removalRestoreCommand(),
		e.removalShortenCommand(), e.removalPurgeCommand())
}

// removalCmd is a command about an account's removals.
type removalCmd struct {
	env     *env
	account string
}

func (c *removalCmd) add(cmd *cobra.Command) {
	c.env.databaseFlag(cmd)
	cmd.Flags().StringVar(&c.account, "account", "", "id of the account")
}

// with opens the directory.
func (c *removalCmd) with(ctx context.Context, fn func(*roster.Roster) error) error {
	return c.env.with(ctx, roster.Options{MustExist: true}, fn)
}

// read is with for a command that only reads.
func (c *removalCmd) read(ctx context.Context, fn func(*roster.Roster) error) error {
	return c.env.with(ctx, roster.Options{MustExist: true, ReadOnly: true}, fn)
}

// removalJSON is a removal in results.
type removalJSON struct {
	ID              string `json:"id"`
	Actor           string `json:"actor"`
	ClientID        string `json:"clientId,omitempty"`
	State           string `json:"state"`
	Requested       int    `json:"requested"`
	Done            int    `json:"done"`
	Removed         int    `json:"removed"`
	Failed          int    `json:"failed"`
	Restored        int    `json:"restored"`
	Left            int    `json:"left"`                      // neither restored nor erased
	RestorableUntil string `json:"restorableUntil,omitempty"` // none while it is not over
	Created         string `json:"createdOn"`
	Finished        string `json:"finishedOn,omitempty"`
	Purged          string `json:"purgedOn,omitempty"`
	// Restoration is the last one in the background.
	Restoration *restorationJSON `json:"restoration,omitempty"`
}

// restorationJSON is how far a restoration in the background has come.
type restorationJSON struct {
	State    string `json:"state"`
	Total    int    `json:"total"`
	Done     int    `json:"done"`
	Restored int    `json:"restored"`
}

func newRemovalJSON(r *directory.RemovalRecord) removalJSON {
	out := removalJSON{
		ID: r.PublicID, Actor: string(r.Actor.Kind), ClientID: r.ClientID,
		State: string(r.State), Requested: r.Requested, Done: r.Done(), Removed: r.Removed, Failed: r.Failed(), Restored: r.Restored,
		Left: r.Left(), RestorableUntil: timeText(r.RestorableUntil), Created: timeText(r.Created), Finished: timeText(r.Finished), Purged: timeText(r.Purged),
	}
	if job := r.Restore; job != nil {
		out.Restoration = &restorationJSON{string(job.State), job.Total, job.Done, job.Restored}
	}
	return out
}

func (e *env) removalListCommand() *cobra.Command {
	c := &removalCmd{env: e}
	var page directory.Page
	cmd := &cobra.Command{
		Use:   "list --account ID",
		Short: "List the removals of an account",
		Long: `Lists the removals of an account, the newest first: how many users were named,
how many of them removed, and how many of those restored or left, which is neither
restored nor erased.`,
		Example: `  roster removal list --account 5f0c...
  roster removal list --account 5f0c... --limit 10 --offset 1   # the second ten`,
		Args: wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			if page.Limit < 1 || page.Offset < 0 {
				return usagef("--limit must be 1 or more, and --offset 0 or more")
			}
			return c.read(ctx, func(r *roster.Roster) error {
				out, err := r.Removals(ctx, auth.Operator(), c.account, page)
				if err != nil {
					return err
				}
				list := make([]removalJSON, len(out.Removals))
				for i := range out.Removals {
					list[i] = newRemovalJSON(&out.Removals[i])
				}
				return e.print(struct {
					Total    int           `json:"total"`
					More     bool          `json:"availableMore"`
					Removals []removalJSON `json:"removals"`
				}{out.Total, out.More, list}, func(w io.Writer) { writeRemovals(w, e.width(), list, out.Total) })
			})
		}),
	}
	c.add(cmd)
	cmd.Flags().IntVar(&page.Limit, "limit", 50, "most removals to list")
	cmd.Flags().IntVar(&page.Offset, "offset", 0, "page of that many to list, from 0")
	required(cmd, "account")
	return cmd
}

func writeRemovals(w io.Writer, width int, list []removalJSON, total int) {
	if len(list) == 0 {
		fmt.Fprintf(w, "None of the account's %s is on this page.\n", plural(total, "removal"))
		return
	}
	rows := make([][]string, len(list))
	for i, r := range list {
		rows[i] = []string{
			r.ID, r.Created, stateText(r.State, r.Done, r.Requested), strconv.Itoa(r.Requested), strconv.Itoa(r.Removed), strconv.Itoa(r.Restored), strconv.Itoa(r.Left),
		}
	}
	writeTable(w, width, []string{"REMOVAL", "CREATED", "STATE", "NAMED", "REMOVED", "RESTORED", "LEFT"}, rows)
	if total > len(list) {
		fmt.Fprintf(w, "%d of %s; --offset turns the page.\n", len(list), plural(total, "removal"))
	}
}

// stateText says for people how far a removal has come.
func stateText(state string, done, requested int) string {
	if directory.RemovalState(state) == directory.RemovalCompleted || requested == 0 {
		return state
	}
	return fmt.Sprintf("%s %d%%", state, 100*done/requested)
}

func (e *env) removalShowCommand() *cobra.Command {
	c := &removalCmd{env: e}
	cmd := &cobra.Command{
		Use:   "show --account ID REMOVAL_ID",
		Short: "Show a removal: who asked, what became of it, who was refused",
		Long: `Shows a removal, by the id that its answer had in X-Removal-Id: who asked for it
and when, how many were removed, how many of them can still be restored and until
when, and who was refused and why. The refused, of a call 1000 of them at the
most, and what the caller calls itself are shown until the removed are erased. Of
a job that runs it shows how far it has come; the refused follow when it is over.`,
		Example: `  roster removal show --account 5f0c... rm-...`,
		Args:    wants("REMOVAL_ID"),
		RunE: run(func(ctx context.Context, args []string) error {
			return c.read(ctx, func(r *roster.Roster) error {
				record, err := r.Removal(ctx, auth.Operator(), c.account, args[0])
				if err != nil {
					return err
				}
				var refused []directory.RefusedUser // of a job they are read apart
				if err := r.EachRefused(ctx, auth.Operator(), c.account, &record, func(some []directory.RefusedUser) error {
					refused = append(refused, some...)
					return nil
				}); err != nil {
					return err
				}
				record.Refused = refused
				return e.print(newRemovalDetailsJSON(&record), func(w io.Writer) { writeRemoval(w, e.width(), &record, time.Now()) })
			})
		}),
	}
	c.add(cmd)
	required(cmd, "account")
	return cmd
}

// removalDetailsJSON is a removal with all that there is to it.
type removalDetailsJSON struct {
	removalJSON
	Subject   string        `json:"subject,omitempty"`
	RequestID string        `json:"requestId,omitempty"`
	Refused   []refusedJSON `json:"refused"`
}

// refusedJSON is a user who was not removed.
type refusedJSON struct {
	EmailID    string           `json:"emailId,omitempty"`
	OrgUserID  string           `json:"orgUserId,omitempty"`
	ReasonCode directory.Reason `json:"reasonCode"`
}

func newRemovalDetailsJSON(r *directory.RemovalRecord) removalDetailsJSON {
	out := removalDetailsJSON{newRemovalJSON(r), r.Actor.Label, r.RequestID, make([]refusedJSON, len(r.Refused))}
	for i, user := range r.Refused {
		email, orgUserID := user.Names()
		out.Refused[i] = refusedJSON{EmailID: email, OrgUserID: orgUserID, ReasonCode: user.Reason}
	}
	return out
}

// reasonWords say for people why a user was refused.
var reasonWords = map[directory.Reason]string{
	directory.ReasonInvalidID:    "cannot be an id",
	directory.ReasonUserNotFound: "was not a member",
	directory.ReasonAccountOwner: "owns the account",
	directory.ReasonBotOwner:     "owned a bot",
}

func writeRemoval(w io.Writer, width int, r *directory.RemovalRecord, now time.Time) {
	field := func(name, value string) { fmt.Fprintf(w, "%-13s%s\n", name, printable(value)) }
	field("Removal", r.PublicID)
	by := string(r.Actor.Kind)
	if r.ClientID != "" {
		by += " " + r.ClientID
	}
	if r.Actor.Label != "" {
		by += ", which calls itself " + strconv.Quote(excerpt.Of(r.Actor.Label))
	}
	field("Asked by", by)
	field("State", stateText(string(r.State), r.Done(), r.Requested))
	field("Created", timeText(r.Created))
	if r.Finished.After(r.Created) {
		field("Finished", timeText(r.Finished))
	}
	if r.RequestID != "" {
		field("Request", r.RequestID)
	}
	field("Named", strconv.Itoa(r.Requested))
	field("Removed", strconv.Itoa(r.Removed))
	field("Refused", strconv.Itoa(r.Failed()))
	field("Restored", strconv.Itoa(r.Restored))
	if job := r.Restore; job != nil {
		field("Restoration", fmt.Sprintf("%s, %d of %s restored", stateText(string(job.State), job.Done, job.Total), job.Restored, plural(job.Total, "user")))
	}
	field("Restorable", restorable(r, now))
	if r.Failed() == 0 || !r.State.Over() {
		return
	}
	fmt.Fprintln(w)
	if len(r.Refused) == 0 {
		fmt.Fprintln(w, "The ids of the refused are erased.")
		return
	}
	rows := make([][]string, min(mostShown, len(r.Refused)))
	for i, user := range r.Refused[:len(rows)] {
		name := user.Ref.Text
		if user.Email != "" {
			name += " (" + user.Email + ")"
		}
		rows[i] = []string{name, cmp.Or(reasonWords[user.Reason], string(user.Reason))}
	}
	writeTable(w, width, []string{"NOT REMOVED", "REASON"}, rows)
	if more := len(r.Refused) - len(rows); more > 0 {
		fmt.Fprintf(w, "... and %d more (--json lists all)\n", more)
	}
	if lost := r.Failed() - len(r.Refused); lost > 0 {
		fmt.Fprintf(w, "... and %d more whose ids were not kept\n", lost)
	}
}

// restorable says for people how many can be restored, and until when.
func restorable(r *directory.RemovalRecord, now time.Time) string {
	switch {
	case !r.State.Over():
		return "none before it is over"
	case r.Restoring():
		return "being restored"
	case !r.Purged.IsZero():
		return "none: erased on " + timeText(r.Purged)
	case r.Left() == 0:
		return "none"
	case now.After(r.RestorableUntil):
		return fmt.Sprintf("%d, until the next pass of the server: the time ended on %s", r.Left(), timeText(r.RestorableUntil))
	}
	return fmt.Sprintf("%d, until %s", r.Left(), timeText(r.RestorableUntil))
}

func (e *env) removalCancelCommand() *cobra.Command {
	c := &removalCmd{env: e}
	cmd := &cobra.Command{
		Use:   "cancel --account ID REMOVAL_ID",
		Short: "Cancel a removal, or its restoration, that is done in the background",
		Long: `Ends a job between two of its chunks, whichever app asked for it. Users whom it has
removed stay removed, and can be restored; users whom it has restored stay
restored. What is over cannot be cancelled; to cancel it again does no harm.`,
		Example: `  roster removal cancel --account 5f0c... rm-...`,
		Args:    wants("REMOVAL_ID"),
		RunE: run(func(ctx context.Context, args []string) error {
			return c.with(ctx, func(r *roster.Roster) error {
				record, err := r.Removal(ctx, auth.Operator(), c.account, args[0])
				if err != nil {
					return err
				}
				if record.Restore != nil && record.Restore.State != directory.RemovalCompleted {
					return c.cancelRestoration(ctx, r, args[0])
				}
				if record, err = r.CancelRemoval(ctx, auth.Operator(), c.account, args[0], ""); err != nil {
					return err
				}
				return e.print(newRemovalJSON(&record), func(w io.Writer) {
					fmt.Fprintf(w, "Cancelled. Of %d named, %d were dealt with, and %s removed.\n", record.Requested, record.Done(), plural(record.Removed, "user"))
				})
			})
		}),
	}
	c.add(cmd)
	required(cmd, "account")
	return cmd
}

// cancelRestoration ends the restoration of a removal.
func (c *removalCmd) cancelRestoration(ctx context.Context, r *roster.Roster, id string) error {
	record, err := r.CancelRestoration(ctx, auth.Operator(), c.account, id, "")
	if err != nil {
		return err
	}
	return c.env.print(newRemovalJSON(&record), func(w io.Writer) {
		fmt.Fprintf(w, "The restoration is cancelled. %d of %s were restored.\n", record.Restore.Restored, plural(record.Restore.Total, "user"))
	})
}

// purgeCommand erases removals for good.
type purgeCommand struct {
	removalCmd
	expired, clockIsRight, yes bool
}

func (e *env) removalPurgeCommand() *cobra.Command {
	c := &purgeCommand{removalCmd: removalCmd{env: e}}
	cmd := &cobra.Command{
		Use:   "purge --account ID REMOVAL_ID ... | --expired",
		Short: "Erase for good who was removed, before the time for it or when it has come",
		Long: `Erases the memberships that removals ended, with their groups, roles and
profiles, the refused ids, and the addresses of people whom no account has any
more. Afterwards nobody of these removals can be restored. Audit records stay:
they name people by id alone.

With --expired it does what the server does every ten minutes: in every account it
erases the users of all removals whose restore window has ended, which 'removal
list' and 'removal show' tell. While the clock of this machine is more than a day
ahead of the time at which a purge trusted a clock last, it erases nobody: if the
clock is right, say so by --clock-is-right. The purge of the server, which waits
for a day otherwise, then goes on as well.

If it is interrupted, run it again: it goes on.`,
		Example: `  roster removal purge --account 5f0c... rm-...
  roster removal purge --expired
  roster removal purge --expired --clock-is-right`,
		Args: cobra.ArbitraryArgs, // see run
		RunE: run(c.run),
	}
	c.add(cmd)
	cmd.Flags().BoolVar(&c.expired, "expired", false, "erase all whose restore window is over; no account and no removal is named")
	cmd.Flags().BoolVar(&c.clockIsRight, "clock-is-right", false, "with --expired: trust the clock of this machine, however far ahead it is")
	cmd.Flags().BoolVar(&c.yes, "yes", false, "do not ask before erasing")
	return cmd
}

func (c *purgeCommand) run(ctx context.Context, ids []string) error {
	switch {
	case c.expired && len(ids) > 0:
		return usagef("name removals or give --expired, not both")
	case c.clockIsRight && !c.expired:
		return usagef("--clock-is-right goes with --expired")
	case c.expired:
		return c.with(ctx, func(r *roster.Roster) error { return c.purgeExpired(ctx, r) })
	case len(ids) == 0:
		return usagef("REMOVAL_ID is missing: name removals with --account, or give --expired")
	case c.account == "":
		return usagef("--account is missing: whose removals are they?")
	}
	return c.with(ctx, func(r *roster.Roster) error { return c.purge(ctx, r, ids) })
}

// purgeExpired erases what is due.
func (c *purgeCommand) purgeExpired(ctx context.Context, r *roster.Roster) error {
	if c.clockIsRight {
		if err := r.TrustClock(ctx, auth.Operator()); err != nil {
			return err
		}
	}
	erased, err := r.PurgeExpired(ctx, auth.Operator())
	if errors.Is(err, roster.ErrClockAhead) {
		err = fmt.Errorf("nobody was erased: %w. If it is right, give --clock-is-right", err)
	}
	return c.report(erased, err)
}

// purge erases the named removals, once all of them are known to be there.
func (c *purgeCommand) purge(ctx context.Context, r *roster.Roster, names []string) error {
	var ids []string
	left := 0
	for _, name := range names {
		record, err := r.Removal(ctx, auth.Operator(), c.account, name)
		if err != nil {
			return err
		}
		if !slices.Contains(ids, record.PublicID) {
			ids = append(ids, record.PublicID)
			left += record.Left()
		}
	}
	if !c.yes && left > 0 {
		what := fmt.Sprintf("This erases %s for good.", plural(left, "membership"))
		if err := c.env.confirm(ctx, what, strconv.Itoa(left), "nothing was erased"); err != nil {
			return err
		}
	}
	erased := 0
	var failed error
	for _, id := range ids {
		n, err := r.PurgeRemoval(ctx, auth.Operator(), c.account, id)
		erased += n
		failed = errors.Join(failed, err)
		if err != nil && !errors.Is(err, directory.ErrState) { // which says that it is done
			break
		}
	}
	return c.report(erased, failed)
}

// report says what was erased, also where a failure ended the work early.
func (c *purgeCommand) report(erased int, failed error) error {
	if failed != nil && erased == 0 {
		return failed
	}
	out := struct {
		Erased int    `json:"erased"`
		Error  string `json:"error,omitempty"`
	}{Erased: erased}
	if failed != nil {
		out.Error = failed.Error()
	}
	err := c.env.print(out, func(w io.Writer) { fmt.Fprintf(w, "%s erased.\n", plural(erased, "membership")) })
	return errors.Join(failed, err)
}
