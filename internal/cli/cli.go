// Package cli is the command line: the table of commands, their flags, help,
// output and exit codes. A command reads its flags, calls one verb of package
// roster, or the public API through package client, and prints the outcome.
//
// Results go to standard output, as text for people on a terminal and as JSON
// elsewhere or with --json; everything else goes to standard error.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"roster/internal/excerpt"
	"roster/internal/roster"
)

// Exit codes.
const (
	exitDone    = 0
	exitFailed  = 1
	exitUsage   = 2
	exitPartial = 3 // some users were not removed, restored or imported
)

// env is what a command works with.
type env struct {
	in   io.Reader
	out  io.Writer
	err  io.Writer
	json bool // --json

	database      string
	secretKeyFile string

	// now and sleep are the clock by which calls are made again; nil for the real one.
	now   func() time.Time
	sleep func(context.Context, time.Duration) error
}

// runError is a failure of a command that was called rightly.
type runError struct{ error }

func (e runError) Unwrap() error { return e.error }

// errPartial ends a command that did what it could and has said what it could not.
var errPartial = errors.New("some users were not handled")

// usageError is a wrong call that only the command itself can notice.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Main runs the command that args name and returns its exit code. ctx ends when
// the process should stop.
func Main(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	return (&env{in: in, out: out, err: errOut}).main(ctx, args)
}

func (e *env) main(ctx context.Context, args []string) int {
	root := e.root()
	root.SetArgs(args)
	root.SetIn(e.in)
	root.SetOut(e.out)
	root.SetErr(e.err)
	cmd, err := root.ExecuteContextC(ctx)
	var run runError
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errPartial):
		return exitPartial
	case errors.As(err, &run) && !errors.As(err, &usage):
		fmt.Fprintln(e.err, "roster:", printableLines(err.Error())) // it may be the words of a host
		return exitFailed
	}
	// What the libraries say of flags and commands quotes all that it was given.
	fmt.Fprintf(e.err, "roster: %s\nSee '%s --help'.\n", printableLines(excerpt.Message(err.Error())), cmd.CommandPath())
	return exitUsage
}

func (e *env) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "roster",
		Short: "A self-hosted account user directory",
		Long: `roster is a self-hosted account user directory. It removes users from an
account through DELETE /api/public/users, one or a hundred thousand in a call.

To see it work:          roster demo
To set up your own:      roster account create --name "Example" --owner-email you@example.com
                         roster app create --account ID --name Offboarding --scope "User Management > User Management"
                         roster user import --account ID people.csv
                         roster serve
To remove people:        roster user remove --host http://127.0.0.1:8080 --client-id ID --from leavers.csv
To take it back:         roster user restore --host http://127.0.0.1:8080 --client-id ID --removal ID --all

A setting can come from the environment, such as ROSTER_DATABASE for --database;
the command line wins. The help of a command names the variables of its settings.
Flags that say what a single call does, such as --yes and --all, have none.
'roster completion SHELL --help' says how a shell learns to complete all this.
Results go to standard output: as text on a terminal, else as JSON.
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 some users were not removed,
restored or imported.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return e.applySettings(cmd)
		},
	}
	root.PersistentFlags().BoolVar(&e.json, "json", false, "print the result as JSON, also on a terminal")
	root.AddCommand(
		e.demoCommand(), e.serveCommand(), e.accountCommand(), e.appCommand(), e.userCommand(),
		e.groupCommand(), e.roleCommand(), e.botCommand(),
		e.removalCommand(), e.consoleCommand(),
		e.tokenCommand(), e.secretKeyCommand(), e.platformKeyCommand(),
		e.auditCommand(), e.dbCommand(), e.migrateCommand(), e.versionCommand(),
	)
	addCompletion(root)
	markSettings(root)
	return root
}

// group is a command that only holds others.
func group(use, short string, children ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.NoArgs,
		RunE:  wantsCommand,
	}
	cmd.AddCommand(children...)
	return cmd
}

func wantsCommand(cmd *cobra.Command, _ []string) error {
	return usagef("'%s' wants a command", cmd.CommandPath())
}

// run marks what a command returns as a failure of its work, not of its usage.
func run(fn func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := fn(cmd.Context(), args); err != nil {
			return runError{err}
		}
		return nil
	}
}

// required marks flags without which a command makes no sense.
func required(cmd *cobra.Command, flags ...string) {
	for _, f := range flags {
		if err := cmd.MarkFlagRequired(f); err != nil {
			panic(err) // the flag is not there: a mistake of ours
		}
	}
}

// databaseFlag adds --database to a command that opens one.
func (e *env) databaseFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&e.database, "database", "roster.db", "path of a SQLite file, or a postgres:// URL")
	completeFiles(cmd, "database")
}

// secretKeyFlag adds --secret-key-file to a command that needs the key.
func (e *env) secretKeyFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&e.secretKeyFile, "secret-key-file", "",
		"file of the key that seals client secrets (default: the database file and .key; for PostgreSQL ~/.config/roster/secret.key)")
	completeFiles(cmd, "secret-key-file")
}

// options adds to options what the flags say.
func (e *env) options(o roster.Options) roster.Options {
	o.Database = e.database
	o.SecretKeyFile = e.secretKeyFile
	return o
}

// open opens the directory for one command.
func (e *env) open(ctx context.Context, o roster.Options) (*roster.Roster, error) {
	return roster.Open(ctx, e.options(o))
}

// with opens the directory, runs fn and closes it again.
func (e *env) with(ctx context.Context, o roster.Options, fn func(*roster.Roster) error) error {
	r, err := e.open(ctx, o)
	if err != nil {
		return err
	}
	return errors.Join(fn(r), r.Close())
}

// read is with for a command that only reads.
func (e *env) read(ctx context.Context, fn func(*roster.Roster) error) error {
	return e.with(ctx, roster.Options{MustExist: true, ReadOnly: true}, fn)
}

// wantsJSON says whether results are for programs.
func (e *env) wantsJSON() bool { return e.json || !isTerminal(e.out) }

// print writes a result: v as JSON, or what text makes of it for people.
func (e *env) print(v any, text func(io.Writer)) error {
	if !e.wantsJSON() {
		text(e.out)
		return nil
	}
	enc := json.NewEncoder(e.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// width is how many columns the terminal has that results go to.
func (e *env) width() int {
	if f, ok := e.out.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
