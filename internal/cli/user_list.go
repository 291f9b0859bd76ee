package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
)

func (e *env) userListCommand() *cobra.Command {
	var account string
	cmd := &cobra.Command{
		Use:   "list --account ID",
		Short: "List the members of an account",
		Long: `Lists the live members of an account, its owner too, in the order in which they
became members.`,
		Args: wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			return e.read(ctx, func(r *roster.Roster) error {
				if e.wantsJSON() {
					return e.listJSON(ctx, r, account)
				}
				return e.listText(ctx, r, account)
			})
		}),
	}
	e.databaseFlag(cmd)
	cmd.Flags().StringVar(&account, "account", "", "id of the account")
	required(cmd, "account")
	return cmd
}

// listJSON prints the members as they are read, an array with one on each line.
func (e *env) listJSON(ctx context.Context, r *roster.Roster, account string) error {
	w := bufio.NewWriter(e.out)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	sep := "[\n"
	err := r.EachUser(ctx, auth.Operator(), account, func(m directory.Member) error {
		if _, err := w.WriteString(sep); err != nil {
			return err
		}
		sep = ","
		return enc.Encode(userJSON{m.Email, m.OrgUserID, m.UserID, m.Profile.FirstName, m.Profile.LastName, string(m.Status)})
	})
	if err != nil {
		return err
	}
	if _, err := w.WriteString("]\n"); err != nil { // an account has its owner, so the array was begun
		return err
	}
	return w.Flush()
}

func (e *env) listText(ctx context.Context, r *roster.Roster, account string) error {
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ADDRESS\tORG USER ID\tNAME\tSTATUS\tUSER ID")
	err := r.EachUser(ctx, auth.Operator(), account, func(m directory.Member) error {
		name := strings.TrimSpace(m.Profile.FirstName + " " + m.Profile.LastName)
		_, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", printable(m.Email), printable(m.OrgUserID), printable(name), m.Status, m.UserID)
		return err
	})
	if err != nil {
		return err
	}
	return w.Flush()
}
