package cli

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"roster/internal/auth"
	"roster/internal/roster"
)

func (e *env) auditCommand() *cobra.Command {
	verify := &cobra.Command{
		Use:   "verify",
		Short: "Check that the audit log is whole",
		Long: `Walks the chain of every account's audit log and computes every hash again.
It may run while 'roster serve' does. Exit code 0 means that the log is what
was written.`,
		Args: wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			return e.with(ctx, roster.Options{MustExist: true}, func(r *roster.Roster) error {
				report, err := r.VerifyAudit(ctx, auth.Operator())
				if err != nil {
					return err
				}
				return e.print(report, func(w io.Writer) {
					fmt.Fprintf(w, "The audit log is whole: %d records in %d entries of %d accounts.\n",
						report.Records, report.Batches, report.Accounts)
				})
			})
		}),
	}
	e.databaseFlag(verify)
	return group("audit", "Look after the audit log", verify)
}

func (e *env) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  wants(),
		RunE: run(func(context.Context, []string) error {
			version, revision := "unknown", ""
			if info, ok := debug.ReadBuildInfo(); ok {
				version = info.Main.Version
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						revision = s.Value
					}
				}
			}
			return e.print(struct {
				Version  string `json:"version"`
				Revision string `json:"revision,omitempty"`
				Go       string `json:"go"`
			}{version, revision, runtime.Version()}, func(w io.Writer) {
				fmt.Fprintln(w, "roster", version, revision, runtime.Version())
			})
		}),
	}
}
