package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"roster/client"
	"roster/internal/directory"
)

// removeBatch is how many users go into one call: enough for its cost not to
// matter, and few enough for progress to be seen.
const removeBatch = 10_000

type removeCommand struct {
	env    *env
	app    appFlags
	host   string
	from   string
	orgIDs bool
	yes    bool
}

func (e *env) userRemoveCommand() *cobra.Command {
	c := &removeCommand{env: e}
	cmd := &cobra.Command{
		Use:   "remove [ADDRESS ...] --host URL --client-id ID",
		Short: "Remove users from an account",
		Long: `Removes users from the account of an app, through the public API of any host
that speaks it. Users are named by their addresses, as arguments or in a file;
with --org-ids by the organisation's own ids.

A file has one id on each line, or is a CSV with a header that has a column
emailId or orgUserId; its columns are parted by comma, semicolon, tab or |.
Where it has both, emailId counts, unless --org-ids is given.

Users go in calls of ` + strconv.Itoa(removeBatch) + `, each all done or not done at all. Those who
cannot be removed are listed with the reason, and the exit code is then 3. To go
on after a failure, run the same command again: who is gone already is reported
as not found, and nobody else is touched.`,
		Example: `  export ROSTER_CLIENT_SECRET=...
  roster user remove ann@example.com --host http://127.0.0.1:8080 --client-id cs-...
  roster user remove --from leavers.csv --host https://users.example.com --client-id cs-... --yes
  roster user remove --from leavers.csv --host https://users.example.com --client-id cs-... --alg RS256 --key private.pem`,
		RunE: run(c.run),
	}
	c.app.add(cmd)
	f := cmd.Flags()
	f.StringVar(&c.host, "host", "", "URL of the host, such as https://users.example.com")
	f.StringVar(&c.from, "from", "", "file with the users to remove; - for standard input")
	f.BoolVar(&c.orgIDs, "org-ids", false, "the ids are the organisation's own, not addresses")
	f.BoolVar(&c.yes, "yes", false, "do not ask before removing")
	required(cmd, "host")
	completeFiles(cmd, "from")
	return cmd
}

func (c *removeCommand) run(ctx context.Context, args []string) error {
	ids, skipped, err := c.collect(args)
	if err != nil {
		return err
	}
	secret, kind, err := c.app.keys()
	if err != nil {
		return err
	}
	api, err := client.New(client.Config{Host: c.host, ClientID: c.app.clientID, ClientSecret: secret, TokenKind: kind})
	if err != nil {
		return usageError{err}
	}
	if err := c.confirm(ctx, len(ids)); err != nil {
		return err
	}
	report := removalReport{Requested: len(ids) + len(skipped), Failed: skipped}
	bar := c.env.progress("Removing users", len(ids))
	done := 0
	for batch := range slices.Chunk(ids, removeBatch) {
		req := client.RemoveUsersRequest{EmailIDs: batch}
		if c.orgIDs {
			req = client.RemoveUsersRequest{OrgUserIDs: batch}
		}
		out, callErr := api.RemoveUsers(ctx, req)
		if callErr != nil {
			err = callErr
			report.Error = err.Error()
			break
		}
		report.Removed += len(batch) - len(out.Failed)
		for _, f := range out.Failed {
			report.Failed = append(report.Failed, failedJSON{EmailID: f.EmailID, OrgUserID: f.OrgUserID, Reason: f.Reason.Message})
		}
		done += len(batch)
		bar.at(done)
	}
	bar.end()
	return errors.Join(err, c.report(&report))
}

// removalReport is what 'user remove' prints.
type removalReport struct {
	Requested int          `json:"requested"`
	Removed   int          `json:"removed"`
	Failed    []failedJSON `json:"failed"`
	// Error is the failure of a call that ended the work early.
	Error string `json:"error,omitempty"`
}

type failedJSON struct {
	Line      int    `json:"line,omitempty"`
	EmailID   string `json:"emailId,omitempty"`
	OrgUserID string `json:"orgUserId,omitempty"`
	Reason    string `json:"reason"`
}

func (f *failedJSON) name() string {
	switch {
	case f.Line > 0:
		return "line " + strconv.Itoa(f.Line)
	case f.OrgUserID != "":
		return f.OrgUserID
	}
	return f.EmailID
}

func (c *removeCommand) report(r *removalReport) error {
	if r.Failed == nil {
		r.Failed = []failedJSON{}
	}
	err := c.env.print(r, func(w io.Writer) {
		var rows [][]string
		for i := range r.Failed[:min(mostShown, len(r.Failed))] {
			rows = append(rows, []string{r.Failed[i].name(), r.Failed[i].Reason})
		}
		writeFailures(w, c.env.width(), []string{"NOT REMOVED", "REASON"}, rows, len(r.Failed))
		if r.Error != "" { // what became of the call that failed is not always known
			fmt.Fprintf(w, "%d of %d users are known to be removed. Run the same command again to go on.\n", r.Removed, r.Requested)
			return
		}
		fmt.Fprintf(w, "%d of %d users removed, %d not removed.\n", r.Removed, r.Requested, r.Requested-r.Removed)
	})
	if err == nil && len(r.Failed) > 0 && r.Error == "" {
		return errPartial
	}
	return err
}

// confirm asks a person, never a script, for the number of users.
func (c *removeCommand) confirm(ctx context.Context, n int) error {
	if c.yes {
		return nil
	}
	what := fmt.Sprintf("This removes up to %s from the account.", plural(n, "user"))
	return c.env.confirm(ctx, what, n, "nobody was removed")
}

// collect gathers the ids from the arguments or the file, each user once, and
// the rows that name nobody.
func (c *removeCommand) collect(args []string) (ids []string, skipped []failedJSON, err error) {
	switch {
	case c.from == "" && len(args) == 0:
		return nil, nil, usagef("nobody is named: give addresses or --from FILE")
	case c.from != "" && len(args) > 0:
		return nil, nil, usagef("give addresses or --from FILE, not both")
	case c.from == "":
		ids = args
	default:
		text, err := c.env.readFile(c.from)
		if err != nil {
			return nil, nil, err
		}
		if ids, skipped, c.orgIDs, err = parseLeavers(text, c.orgIDs); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", c.from, err)
		}
	}
	ids = c.unique(ids)
	if len(ids)+len(skipped) == 0 {
		return nil, nil, fmt.Errorf("%s names nobody", c.from)
	}
	return ids, skipped, nil
}

// unique drops later mentions of the same user, as the server will, so that
// those who were removed can be counted.
func (c *removeCommand) unique(ids []string) []string {
	seen := make(map[string]struct{}, len(ids))
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		key := strings.TrimSpace(id)
		if !c.orgIDs {
			if email, err := directory.ParseEmail(id); err == nil {
				key = email.Key
			}
		}
		_, twice := seen[key]
		seen[key] = struct{}{}
		return twice
	})
}

// parseLeavers reads a file of leavers: a table whose header names a column of
// ids, or one id on each line. byOrgID says which ids these are: never both,
// since the two could name two people in one row.
func parseLeavers(text []byte, orgIDs bool) (ids []string, skipped []failedJSON, byOrgID bool, err error) {
	comma, ok := splitHeader(firstLine(text), "emailId", "orgUserId")
	if !ok {
		ids, err = parseLines(text)
		return ids, nil, orgIDs, err
	}
	t, err := readTable(text, comma, nil)
	if err != nil {
		return nil, nil, false, err
	}
	name := "emailId"
	if orgIDs || t.column(name) < 0 {
		name = "orgUserId"
	}
	column := t.column(name)
	if column < 0 {
		return nil, nil, false, fmt.Errorf("it has no column %s", name)
	}
	for _, row := range t.rows {
		if id := row.field(column); id != "" {
			ids = append(ids, id)
		} else {
			skipped = append(skipped, failedJSON{Line: row.line, Reason: "the row has no " + name})
		}
	}
	return ids, skipped, name == "orgUserId", nil
}

// parseLines reads a file with one id on each line, in quotes or not.
func parseLines(text []byte) (ids []string, err error) {
	line := 0
	for l := range strings.Lines(string(text)) {
		line++
		id := strings.TrimSpace(l)
		switch {
		case id == "":
			continue
		case len(id) > 1 && id[0] == '"' && id[len(id)-1] == '"':
			id = strings.TrimSpace(strings.ReplaceAll(id[1:len(id)-1], `""`, `"`))
		case strings.ContainsAny(id, delimiters):
			return nil, fmt.Errorf("line %d has several columns, and the first line does not name them: add a header with emailId or orgUserId", line)
		}
		ids = append(ids, id)
	}
	return ids, nil
}
