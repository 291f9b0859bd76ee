package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"roster/internal/auth"
	"roster/internal/peoplefile"
	"roster/internal/roster"
)

func (e *env) userCommand() *cobra.Command {
	return group("user", "Import, list, remove and restore users, and change their status",
		e.userImportCommand(), e.userListCommand(), e.userRemoveCommand(), e.userRestoreCommand(),
		e.userStatusCommand(roster.Activate, "Make users active", "Makes users active, unless they are locked."),
		e.userStatusCommand(roster.Suspend, "Suspend users", "Suspends users, unless they are locked; 'roster user activate' undoes it."),
		e.userStatusCommand(roster.Unlock, "Unlock users", "Makes locked users active."))
}

func (e *env) userImportCommand() *cobra.Command {
	var account string
	var o roster.ImportOptions
	cmd := &cobra.Command{
		Use:   "import --account ID FILE",
		Short: "Make people members of an account",
		Long: `Makes the people in a CSV file members of an account, in one transaction. It
may run while 'roster serve' does. FILE may be - for standard input.

The header names the columns as the API does: emailId, which is needed, and
` + wrap(strings.Join(peoplefile.Columns()[1:], ", ")+".") + `
Columns are parted by comma, semicolon, tab or |.

Rows that cannot be taken are reported with their line, and then nothing at all
is imported, unless --skip-bad is given. People who are members already are such
rows, unless --update is given: their fields are then changed where the file has
a text, and kept where it has none.`,
		Example: `  roster user import --account 5f0c... people.csv`,
		Args:    wants("FILE"),

		ValidArgsFunction: completeOneFile,
		RunE: run(func(ctx context.Context, args []string) error {
			text, err := e.readFile(args[0])
			if err != nil {
				return err
			}
			rows, err := e.parseImport(text)
			if err != nil {
				return fileError(args[0], err)
			}
			return e.with(ctx, roster.Options{MustExist: true}, func(r *roster.Roster) error {
				writing := e.spinner(fmt.Sprintf("Writing %d people", len(rows)))
				out, err := r.ImportUsers(ctx, auth.Operator(), account, rows, o)
				writing.end()
				if err != nil {
					return err
				}
				return e.reportImport(out, o)
			})
		}),
	}
	e.databaseFlag(cmd)
	cmd.Flags().StringVar(&account, "account", "", "id of the account")
	cmd.Flags().BoolVar(&o.SkipBad, "skip-bad", false, "import the good rows though there are bad ones")
	cmd.Flags().BoolVar(&o.Update, "update", false, "change people who are members already")
	required(cmd, "account")
	return cmd
}

// readFile reads a file of people whole; "-" is standard input. It must be UTF-8.
func (e *env) readFile(name string) (text []byte, err error) {
	if name == "-" {
		name = "standard input"
		text, err = io.ReadAll(e.in)
	} else {
		text, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, err
	}
	return peoplefile.Decode(name, text)
}

// parseImport reads the rows of an import file.
func (e *env) parseImport(text []byte) ([]roster.ImportRow, error) {
	lines := bytes.Count(text, []byte("\n"))
	bar := e.progress("Reading lines", lines)
	defer bar.end()
	rows, err := peoplefile.ReadPeople(text, bar.at)
	if err != nil {
		return nil, err
	}
	bar.at(lines)
	return rows, nil
}

// mostShown is how many bad rows or failed users are listed for people.
const mostShown = 20

// writeFailures writes the table of those who are shown of all there are.
func writeFailures(w io.Writer, width int, header []string, rows [][]string, all int) {
	if all == 0 {
		return
	}
	writeTable(w, width, header, rows)
	if more := all - len(rows); more > 0 {
		fmt.Fprintf(w, "... and %d more (--json lists all)\n", more)
	}
	fmt.Fprintln(w)
}

func (e *env) reportImport(out roster.Imported, o roster.ImportOptions) error {
	if out.Bad == nil {
		out.Bad = []roster.BadRow{}
	}
	err := e.print(out, func(w io.Writer) {
		var rows [][]string
		for _, bad := range out.Bad[:min(mostShown, len(out.Bad))] {
			rows = append(rows, []string{strconv.Itoa(bad.Line), bad.Email, bad.Reason})
		}
		writeFailures(w, e.width(), []string{"LINE", "ADDRESS", "REASON"}, rows, len(out.Bad))
		fmt.Fprintf(w, "%d created, %d updated, %d bad rows.\n", out.Created, out.Updated, len(out.Bad))
	})
	if err != nil || len(out.Bad) == 0 {
		return err
	}
	if !o.SkipBad {
		fmt.Fprintln(e.err, "roster: nothing was imported: correct the bad rows, or import the others with --skip-bad; --update changes members")
	}
	return errPartial
}

// userJSON is a member as 'user list' prints it.
type userJSON struct {
	EmailID   string `json:"emailId"`
	OrgUserID string `json:"orgUserId"`
	UserID    string `json:"userId"`
	FirstName string `json:"firstName"`
	LastName  string `json:"lastName"`
	Status    string `json:"status"`
}
