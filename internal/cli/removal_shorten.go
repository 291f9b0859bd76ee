package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
)

// shortenCommand shortens restore windows that were promised.
type shortenCommand struct {
	removalCmd
	window time.Duration
	yes    bool
}

func (e *env) removalShortenCommand() *cobra.Command {
	c := &shortenCommand{removalCmd: removalCmd{env: e}}
	cmd := &cobra.Command{
		Use:   "shorten --window DURATION [--account ID]",
		Short: "Shorten the time in which removals can be undone",
		Long: `Ends the restore windows of removals that were made before no later than --window
after each removal, in one account or in all. A removal keeps the restore window
that the server had when it was made. A server with a longer --restore-window
lengthens it; only this command shortens it.

It says how many removals and users that concerns, and asks. Users whose window is
then over are erased by the next purge. Windows that are shorter stay as they are.
Each account gets a record in its audit log. For removals that are yet to come,
start the server with another --restore-window.`,
		Example: `  roster removal shorten --window 168h
  roster removal shorten --account 5f0c... --window 0   # erase everybody who was removed`,
		Args: wants(),
		RunE: run(func(ctx context.Context, _ []string) error { return c.run(ctx) }),
	}
	c.add(cmd)
	cmd.Flags().DurationVar(&c.window, "window", 0, "how long after a removal it can be undone at most")
	cmd.Flags().BoolVar(&c.yes, "yes", false, "do not ask before shortening")
	required(cmd, "window")
	return cmd
}

func (c *shortenCommand) run(ctx context.Context) error {
	if c.window < 0 {
		return usagef("--window must not be negative")
	}
	return c.with(ctx, func(r *roster.Roster) error {
		longer, err := r.LongerWindows(ctx, auth.Operator(), c.account, c.window)
		if err != nil {
			return err
		}
		if longer.Users > 0 && !c.yes {
			if err := c.confirm(ctx, longer); err != nil {
				return err
			}
		}
		done, err := r.ShortenWindows(ctx, auth.Operator(), c.account, c.window)
		if err != nil {
			return err
		}
		return c.env.print(struct {
			Removals int `json:"removals"`
			Users    int `json:"users"`
		}{done.Removals, done.Users}, func(w io.Writer) {
			fmt.Fprintf(w, "The restore window of %s with %s was shortened.\n", plural(done.Removals, "removal"), plural(done.Users, "user"))
		})
	})
}

// confirm asks a person before removals can be undone for a shorter time.
func (c *shortenCommand) confirm(ctx context.Context, longer directory.WindowChange) error {
	what := fmt.Sprintf("This shortens the restore window of %s with %s.", plural(longer.Removals, "removal"), plural(longer.Users, "user"))
	if longer.Ended > 0 {
		what += fmt.Sprintf(" The next purge erases %d of them for good.", longer.Ended)
	}
	return c.env.confirm(ctx, what, strconv.Itoa(longer.Users), "no restore window was shortened")
}
