package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/excerpt"
	"roster/internal/roster"
)

func (e *env) auditCommand() *cobra.Command {
	return group("audit", "Look after the audit log",
		e.auditListCommand(), e.auditExportCommand(), e.auditCheckpointCommand(), e.auditVerifyCommand())
}

func (e *env) auditVerifyCommand() *cobra.Command {
	var file, key string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check that the audit log is whole",
		Long: `Walks the chain of every account's audit log and computes every hash again.
It may run while 'roster serve' does. Exit code 0 means that the log is what
was written.

Whoever can write to the database can also cut the end of the log, or make all of
it anew with hashes that fit. Only a file of checkpoints that was kept elsewhere
shows that: see 'roster audit checkpoint'.`,
		Example: `  roster audit verify
  roster audit verify --checkpoint checkpoints.jsonl --checkpoint-key wYb...=`,
		Args: wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			if key != "" && file == "" {
				return usagef("--checkpoint-key goes with --checkpoint")
			}
			return e.read(ctx, func(r *roster.Roster) error {
				return e.verifyAudit(ctx, r, file, key)
			})
		}),
	}
	e.databaseFlag(cmd)
	e.secretKeyFlag(cmd)
	cmd.Flags().StringVar(&file, "checkpoint", "", "file of checkpoints that was kept elsewhere")
	cmd.Flags().StringVar(&key, "checkpoint-key", "", "public key that signed them (default: the one of this machine)")
	completeFiles(cmd, "checkpoint")
	return cmd
}

func (e *env) verifyAudit(ctx context.Context, r *roster.Roster, path, key string) error {
	if path == "" {
		report, err := r.VerifyAudit(ctx, auth.Operator())
		if err != nil {
			return err
		}
		return e.print(report, func(w io.Writer) {
			fmt.Fprintf(w, "The audit log is whole: %d records in %d entries of %d accounts.\n",
				report.Records, report.Batches, report.Accounts)
		})
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	n, report, err := r.VerifyCheckpoints(ctx, auth.Operator(), file, key)
	if err != nil {
		return err
	}
	return e.print(struct {
		Accounts    int `json:"accounts"`
		Batches     int `json:"batches"`
		Records     int `json:"records"`
		Checkpoints int `json:"checkpoints"`
	}{report.Accounts, report.Batches, report.Records, n}, func(w io.Writer) {
		fmt.Fprintf(w, "The audit log is whole: %d records in %d entries of %d accounts, and all %s are in it.\n",
			report.Records, report.Batches, report.Accounts, plural(n, "checkpoint"))
	})
}

func (e *env) auditCheckpointCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "checkpoint --to FILE",
		Short: "Write down where the audit log ends, signed",
		Long: `Appends a signed line to a file for each account whose audit log has grown since
the last one. 'roster serve --audit-checkpoint FILE' does so by itself.

Keep the file where those who can write to the database cannot change it, or copy
it there. 'roster audit verify --checkpoint FILE' then finds a log that was cut or
made anew. The key that signs is made beside the secret key, with .checkpoint at
the end of its name; its public half, which this prints, is all that verifying
needs.`,
		Example: `  roster audit checkpoint --to /mnt/worm/checkpoints.jsonl`,
		Args:    wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			return e.read(ctx, func(r *roster.Roster) error {
				lines, key, err := r.WriteCheckpoint(ctx, auth.Operator(), file)
				if err != nil {
					return err
				}
				return e.print(struct {
					Written int    `json:"written"`
					Key     string `json:"checkpointKey"`
				}{lines, key}, func(w io.Writer) {
					fmt.Fprintf(w, "%s written, signed by %s.\n", plural(lines, "checkpoint"), key)
				})
			})
		}),
	}
	e.databaseFlag(cmd)
	e.secretKeyFlag(cmd)
	cmd.Flags().StringVar(&file, "to", "", "file to append to")
	completeFiles(cmd, "to")
	required(cmd, "to")
	return cmd
}

// auditRecordJSON is a record in results.
type auditRecordJSON struct {
	ID          string          `json:"auditLogId"`
	At          string          `json:"at"`
	Account     string          `json:"account,omitempty"`
	Kind        string          `json:"kind"`
	Name        string          `json:"name"`
	Category    string          `json:"category"`
	Description string          `json:"description"`
	Actor       string          `json:"actor"`
	ActorID     string          `json:"actorId,omitempty"` // client id or user id
	UserID      string          `json:"userId,omitempty"`
	Email       string          `json:"emailId,omitempty"`
	ObjectKind  string          `json:"objectKind,omitempty"`
	ObjectID    string          `json:"objectId,omitempty"`
	ObjectName  string          `json:"objectName,omitempty"`
	RemovalID   string          `json:"removalId,omitempty"`
	Change      json.RawMessage `json:"change,omitempty"`
	Details     json.RawMessage `json:"details,omitempty"`
	Entry       int64           `json:"entry"`
	EntryHash   []byte          `json:"entryHash"` // base64
}

func newAuditRecordJSON(r *directory.AuditRecord) auditRecordJSON {
	return auditRecordJSON{
		ID: r.ID(), At: r.At.Format("2006-01-02T15:04:05.000000Z"), Kind: string(r.Kind), Name: r.Name(), Category: r.Category(), Description: r.Describe(),
		Actor: string(r.Actor.Kind), ActorID: r.By.PublicID, UserID: r.UserID, Email: r.Email,
		ObjectKind: r.Object.Kind, ObjectID: r.Object.PublicID, ObjectName: r.Object.Name,
		RemovalID: r.Removal, Change: r.Change, Details: r.Details, Entry: r.Number, EntryHash: r.Hash,
	}
}

func (e *env) auditListCommand() *cobra.Command {
	var account, since, until string
	var q directory.AuditQuery
	cmd := &cobra.Command{
		Use:   "list --account ID",
		Short: "List what was changed in an account, and by whom",
		Long: `Lists the records of an account's audit log, the newest first. People are named by
address as long as that is known, and by user id once they were erased.`,
		Example: `  roster audit list --account 5f0c...
  roster audit list --account 5f0c... --since 2031-07-01 --until 2031-07-31T12:00:00Z --json`,
		Args: wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			if q.Page.Limit < 1 || q.Page.Offset < 0 {
				return usagef("--limit must be 1 or more, and --offset 0 or more")
			}
			var err error
			if q.From, err = parseDay("since", since, 0); err != nil {
				return err
			}
			if q.To, err = parseDay("until", until, 24*time.Hour-time.Microsecond); err != nil {
				return err
			}
			return e.read(ctx, func(r *roster.Roster) error {
				out, err := r.AuditRecords(ctx, auth.Operator(), account, q)
				if err != nil {
					return err
				}
				list := make([]auditRecordJSON, len(out.Items))
				for i := range out.Items {
					list[i] = newAuditRecordJSON(&out.Items[i])
				}
				return e.print(struct {
					Total   int               `json:"total"`
					More    bool              `json:"moreAvailable"`
					Records []auditRecordJSON `json:"records"`
				}{out.Total, out.More, list}, func(w io.Writer) { writeAuditRecords(w, e.width(), list, out.Total) })
			})
		}),
	}
	e.databaseFlag(cmd)
	cmd.Flags().StringVar(&account, "account", "", "id of the account")
	cmd.Flags().StringVar(&since, "since", "", "first day or time, such as 2031-07-01 or 2031-07-01T12:00:00Z")
	cmd.Flags().StringVar(&until, "until", "", "last day or time")
	cmd.Flags().IntVar(&q.Page.Limit, "limit", 50, "most records to list")
	cmd.Flags().IntVar(&q.Page.Offset, "offset", 0, "page of that many to list, from 0")
	required(cmd, "account")
	return cmd
}

// parseDay reads a day in UTC, to which rest is added, or a time; zero for none.
func parseDay(flag, text string, rest time.Duration) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day.Add(rest), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, usagef("--%s %q is no day such as 2031-07-01 and no time such as 2031-07-01T12:00:00Z", flag, excerpt.Of(text))
	}
	return at, nil
}

func writeAuditRecords(w io.Writer, width int, list []auditRecordJSON, total int) {
	if len(list) == 0 {
		fmt.Fprintf(w, "None of the account's %s is on this page.\n", plural(total, "record"))
		return
	}
	rows := make([][]string, len(list))
	for i, r := range list {
		rows[i] = []string{r.At[:len("2006-01-02T15:04:05")] + "Z", r.Name, r.Description}
	}
	writeTable(w, width, []string{"TIME", "NAME", "DESCRIPTION"}, rows)
	if total > len(list) {
		fmt.Fprintf(w, "%d of %s; --offset turns the page.\n", len(list), plural(total, "record"))
	}
}

func (e *env) auditExportCommand() *cobra.Command {
	var account, after string
	cmd := &cobra.Command{
		Use:   "export --account ID",
		Short: "Print an account's whole audit log as JSON Lines",
		Long: `Prints every record of an account's audit log, the oldest first, as a JSON object
on a line of its own: who did what to whom, what it was before and after, the
details of the whole call, and the entry of the chain that covers it with its hash.
What was erased is left out. --after goes on behind a record, so that an export can
be continued later.`,
		Example: `  roster audit export --account 5f0c... > audit.jsonl
  roster audit export --account 5f0c... --after 000000000000070000000001 >> audit.jsonl`,
		Args: wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			var from directory.AuditPosition
			if after != "" {
				var err error
				if from, err = directory.ParseAuditID(after); err != nil {
					return usagef("--after: %v", err)
				}
			}
			return e.read(ctx, func(r *roster.Roster) error {
				out := bufio.NewWriter(e.out)
				enc := json.NewEncoder(out)
				enc.SetEscapeHTML(false)
				err := r.EachAuditRecord(ctx, auth.Operator(), account, from, func(rec *directory.AuditRecord) error {
					line := newAuditRecordJSON(rec)
					line.Account = account
					return enc.Encode(line)
				})
				if err != nil {
					return err
				}
				return out.Flush()
			})
		}),
	}
	e.databaseFlag(cmd)
	cmd.Flags().StringVar(&account, "account", "", "id of the account")
	cmd.Flags().StringVar(&after, "after", "", "auditLogId of the record behind which to begin")
	required(cmd, "account")
	return cmd
}
