package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"roster/client"
	"roster/internal/directory"
)

// naming is how a command is told which users are meant: by arguments or a file.
type naming struct {
	from   string
	orgIDs bool
}

// namingHelp is what the commands say about it.
const namingHelp = `Users are named by their addresses, as arguments or in a file;
with --org-ids by the organisation's own ids.

A file has one id on each line, or is a CSV with a header that has a column
emailId or orgUserId; its columns are parted by comma, semicolon, tab or |.
Where it has both, emailId counts, unless --org-ids is given.`

func (n *naming) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&n.from, "from", "", "file with the users; - for standard input")
	f.BoolVar(&n.orgIDs, "org-ids", false, "the ids are the organisation's own, not addresses")
	completeFiles(cmd, "from")
}

// failedJSON is a user, or a row of a file, that was not handled.
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

// failures are those of an answer of the public API.
func failures(of []client.FailedUser) []failedJSON {
	all := make([]failedJSON, len(of))
	for i, f := range of {
		all[i] = failedJSON{EmailID: f.EmailID, OrgUserID: f.OrgUserID, Reason: f.Reason.Message}
	}
	return all
}

// writeFailed writes the table of those who were not handled, under a title.
func (e *env) writeFailed(w io.Writer, title string, failed []failedJSON) {
	var rows [][]string
	for i := range failed[:min(mostShown, len(failed))] {
		rows = append(rows, []string{failed[i].name(), failed[i].Reason})
	}
	writeFailures(w, e.width(), []string{title, "REASON"}, rows, len(failed))
}

// collect gathers the ids from the arguments or the file, each user once, and
// the rows that name nobody.
func (n *naming) collect(e *env, args []string) (ids []string, skipped []failedJSON, err error) {
	switch {
	case n.from == "" && len(args) == 0:
		return nil, nil, usagef("nobody is named: give addresses or --from FILE")
	case n.from != "" && len(args) > 0:
		return nil, nil, usagef("give addresses or --from FILE, not both")
	case n.from == "":
		ids = args
	default:
		text, err := e.readFile(n.from)
		if err != nil {
			return nil, nil, err
		}
		if ids, skipped, n.orgIDs, err = parseLeavers(text, n.orgIDs); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", n.from, err)
		}
	}
	ids = n.unique(ids)
	if len(ids)+len(skipped) == 0 {
		return nil, nil, fmt.Errorf("%s names nobody", n.from)
	}
	return ids, skipped, nil
}

// unique drops later mentions of the same user, as the server will, so that
// those who were handled can be counted.
func (n *naming) unique(ids []string) []string {
	seen := make(map[string]struct{}, len(ids))
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		key := strings.TrimSpace(id)
		if !n.orgIDs {
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
