package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"roster/internal/auth"
	"roster/internal/roster"
)

// checkedJSON is the result of a check. Findings are those before a repair.
type checkedJSON struct {
	Consistent bool             `json:"consistent"`
	Findings   []roster.Finding `json:"findings"`
	Repaired   int              `json:"repaired"`
}

func (e *env) dbCheckCommand() *cobra.Command {
	var repair bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the consistency of the database",
		Long: `Compares numbers that the database stores with the rows that they are derived from,
such as an account's number of users, and looks for owners and removals that do not
fit the members. It may run while 'roster serve' does, and only reads.

Exit code 0 means that the database is consistent. Otherwise it prints a line for
each finding, and the exit code is 1.

--repair corrects the derived numbers of each account in one transaction, which
leaves a record in the account's audit log. The exit code is 0 if nothing is left.
For other findings, restore a backup.

'roster audit verify' computes the hashes of the audit log, which this does not.`,
		Example: `  roster db check
  roster db check --repair`,
		Args: wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			if !repair {
				return e.read(ctx, func(r *roster.Roster) error { return e.checkDatabase(ctx, r, false) })
			}
			return e.with(ctx, roster.Options{MustExist: true}, func(r *roster.Roster) error { return e.checkDatabase(ctx, r, true) })
		}),
	}
	e.databaseFlag(cmd)
	cmd.Flags().BoolVar(&repair, "repair", false, "correct the numbers that can be derived")
	return cmd
}

// checkDatabase prints what differs, before and after a repair.
func (e *env) checkDatabase(ctx context.Context, r *roster.Roster, repair bool) error {
	found, err := r.CheckDatabase(ctx, auth.Operator())
	if err != nil {
		return err
	}
	left := found
	if repair && len(found) > 0 {
		if left, err = r.RepairDatabase(ctx, auth.Operator(), found); err != nil {
			return err
		}
	}
	result := checkedJSON{Consistent: len(left) == 0, Findings: append([]roster.Finding{}, found...), Repaired: len(found) - len(left)}
	err = e.print(result, func(w io.Writer) {
		for _, f := range found {
			if f.Account != "" {
				fmt.Fprintf(w, "Account %s: ", f.Account)
			}
			fmt.Fprintln(w, printable(f.What))
		}
		switch {
		case len(found) == 0:
			fmt.Fprintln(w, "The database is consistent.")
		case repair:
			fmt.Fprintf(w, "Repaired: %d of %s.\n", result.Repaired, plural(len(found), "finding"))
		}
	})
	switch {
	case err != nil || len(left) == 0:
		return err
	case repair:
		return fmt.Errorf("the database is inconsistent: %s cannot be repaired (restore a backup)", plural(len(left), "finding"))
	}
	return fmt.Errorf("the database is inconsistent: %s (run 'roster db check --repair')", plural(len(found), "finding"))
}
