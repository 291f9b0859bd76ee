package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
)

func (e *env) dbCommand() *cobra.Command {
	return group("db", "Back up, restore and check the database", e.dbBackupCommand(), e.dbRestoreCommand(), e.dbErasuresCommand(), e.dbCheckCommand())
}

func (e *env) dbBackupCommand() *cobra.Command {
	var replace bool
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the database to a file while servers go on",
		Long: `Copies a SQLite database to FILE while servers go on working: one moment of it,
whole. The copy is read back and its audit log verified before it gets its name.

Client secrets are in it sealed: keep a copy of the key file too, elsewhere. So
that whoever is erased later stays erased when the backup is restored, keep the
list of erasures with the backups: see 'roster db erasures'.

A PostgreSQL database is backed up by pg_dump --format=custom.`,
		Example: `  roster db backup /backup/roster-2031-07-01.db`,
		Args:    wants("FILE"),

		ValidArgsFunction: completeOneFile,
		RunE: run(func(ctx context.Context, args []string) error {
			return e.read(ctx, func(r *roster.Roster) error {
				going := e.spinner("Copying and checking the database")
				report, err := r.Backup(ctx, auth.Operator(), args[0], replace)
				going.end()
				if errors.Is(err, directory.ErrExists) {
					return fmt.Errorf("%w: choose another name, or give --replace", err)
				}
				if err != nil {
					return err
				}
				return e.print(struct {
					File     string `json:"file"`
					Accounts int    `json:"accounts"`
					Records  int    `json:"auditRecords"`
				}{args[0], report.Accounts, report.Records}, func(w io.Writer) {
					fmt.Fprintf(w, "The backup %s is good: %s, %s.\n", printable(args[0]), plural(report.Accounts, "account"), plural(report.Records, "audit record"))
				})
			})
		}),
	}
	e.databaseFlag(cmd)
	cmd.Flags().BoolVar(&replace, "replace", false, "replace FILE if it is a backup that is not in use")
	return cmd
}

func (e *env) dbErasuresCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "erasures FILE",
		Short: "Add to a list whom the database has erased",
		Long: `Adds every membership that was erased to the list in FILE, as a hash that tells
nothing to whoever has no copy of the database. 'roster db restore --erasures FILE'
erases whom it names once more. 'roster serve --erasures FILE' keeps the list by
itself.

Keep one list with all backups. Lines are only ever added to it.`,
		Example: `  roster db erasures /backup/roster.erasures`,
		Args:    wants("FILE"),

		ValidArgsFunction: completeOneFile,
		RunE: run(func(ctx context.Context, args []string) error {
			return e.read(ctx, func(r *roster.Roster) error {
				total, added, err := r.WriteErasures(ctx, auth.Operator(), args[0])
				if err != nil {
					return err
				}
				return e.print(map[string]int{"erasures": total, "added": added}, func(w io.Writer) {
					fmt.Fprintf(w, "The list has %s, %d of them new.\n", plural(total, "erasure"), added)
				})
			})
		}),
	}
	e.databaseFlag(cmd)
	return cmd
}

// notErasedJSON is somebody whom a restored backup could not be rid of.
type notErasedJSON struct {
	Account string `json:"account"`
	Email   string `json:"email"`
	Reason  string `json:"reasonCode"`
}

// restoredJSON is what came of restoring a backup.
type restoredJSON struct {
	Accounts  int             `json:"accounts"`
	Records   int             `json:"auditRecords"`
	Erased    int             `json:"erased"`
	NotErased []notErasedJSON `json:"notErased"`
	Sessions  int             `json:"sessionsEnded"`
	Aside     string          `json:"previousDatabase,omitempty"`
}

func (e *env) dbRestoreCommand() *cobra.Command {
	var o roster.RestoreOf
	cmd := &cobra.Command{
		Use:   "restore [FILE]",
		Short: "Restore a backup",
		Long: `Puts a backup in the place of the SQLite database. Stop the servers first. The
backup is checked and brought up to date, whom the lists of erasures name is erased
from it again, and everybody who was signed in to the console is signed out. The
audit log of each account says that it was restored. Until all of that is done
nothing is changed, and a database that is replaced stays beside the new one.

What was done after the backup was taken is undone: also removals, so remove those
people again. The key file must be the one of that time.

Of PostgreSQL, restore the backup with pg_restore, and then run this without FILE.

Whoever should be erased and owns the account or bots in the backup stays, and is
listed; the exit code is then 3. Pass on what they own, and remove them.`,
		Example: `  roster db restore /backup/roster-2031-07-01.db --erasures /backup/roster.erasures --replace`,
		Args:    cobra.MaximumNArgs(1),

		ValidArgsFunction: completeOneFile,
		RunE: run(func(ctx context.Context, args []string) error {
			if len(args) > 0 {
				o.Backup = args[0]
			}
			o.Options = roster.Options{Database: e.database, SecretKeyFile: e.secretKeyFile}
			going := e.spinner("Restoring and checking the backup")
			out, err := roster.RestoreBackup(ctx, auth.Operator(), o)
			going.end()
			if errors.Is(err, directory.ErrExists) && !o.Replace {
				return fmt.Errorf("%w: give --replace to put the backup in its place", err)
			}
			if err != nil {
				return err
			}
			return e.printRestored(&out)
		}),
	}
	e.databaseFlag(cmd)
	e.secretKeyFlag(cmd)
	cmd.Flags().StringArrayVar(&o.Erasures, "erasures", nil, "list of erasures that was kept with the backups; give it again for more")
	cmd.Flags().BoolVar(&o.Replace, "replace", false, "take the place of the database that is there")
	completeFiles(cmd, "erasures")
	return cmd
}

func (e *env) printRestored(out *roster.BackupRestored) error {
	result := restoredJSON{
		Accounts: out.Accounts, Records: out.Records, Erased: out.Erased,
		NotErased: []notErasedJSON{}, Sessions: out.Sessions, Aside: out.Aside,
	}
	for _, left := range out.Left {
		result.NotErased = append(result.NotErased, notErasedJSON{left.Account, left.Email, string(left.Reason)})
	}
	err := e.print(result, func(w io.Writer) {
		fmt.Fprintf(w, "The backup is restored: %s, %s, and the audit log is whole.\n", plural(out.Accounts, "account"), plural(out.Records, "audit record"))
		fmt.Fprintf(w, "%s erased again, %s of the console ended.\n", plural(out.Erased, "membership"), plural(out.Sessions, "session"))
		if out.Aside != "" {
			fmt.Fprintf(w, "The database that was there before is now %s: delete it when you are sure.\n", printable(out.Aside))
		}
		for _, left := range out.Left {
			fmt.Fprintf(w, "NOT ERASED: %s in account %s (%s)\n", printable(left.Email), left.Account, left.Reason)
		}
	})
	if err == nil && len(out.Left) > 0 {
		return errPartial
	}
	return err
}
