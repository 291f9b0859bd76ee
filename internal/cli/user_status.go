package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"roster/internal/auth"
	"roster/internal/roster"
)

// userStatusCommand is a command that changes the status of users.
func (e *env) userStatusCommand(change roster.StatusChange, short, long string) *cobra.Command {
	c := &accountCmd{env: e}
	var names naming
	use := string(change)
	cmd := &cobra.Command{
		Use:     use + " --account ID ADDRESS ...",
		Short:   short,
		Long:    long + " When one who is named cannot be changed, nobody is.\n\n" + namingHelp,
		Example: "  roster user " + use + " --account 5f0c... ann@example.com\n  roster user " + use + " --account 5f0c... --from people.csv",
		RunE: run(func(ctx context.Context, args []string) error {
			users, err := names.refs(e, args, true)
			if err != nil {
				return err
			}
			return c.with(ctx, func(r *roster.Roster) error {
				n, err := r.ChangeStatus(ctx, auth.Operator(), c.account, users, change, "")
				if err != nil {
					return err
				}
				return e.print(map[string]int{"requested": len(users), "changed": n}, func(w io.Writer) {
					fmt.Fprintf(w, "%d of %s changed.\n", n, plural(len(users), "user"))
				})
			})
		}),
	}
	c.add(cmd)
	names.add(cmd)
	return cmd
}
