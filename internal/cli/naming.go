package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"roster/client"
	"roster/internal/directory"
	"roster/internal/peoplefile"
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
		read, err := peoplefile.ReadIDs(text, n.orgIDs)
		if err != nil {
			return nil, nil, fileError(n.from, err)
		}
		ids, n.orgIDs = read.IDs, read.ByOrgID
		for _, line := range read.Skipped {
			skipped = append(skipped, failedJSON{Line: line, Reason: "the row has no " + read.Column()})
		}
	}
	ids = n.unique(ids)
	if len(ids)+len(skipped) == 0 {
		return nil, nil, fmt.Errorf("%s names nobody", n.from)
	}
	return ids, skipped, nil
}

// fileError says what is wrong with a file of users. A file that could name
// different people is wrong usage: it has to be changed.
func fileError(name string, err error) error {
	err = fmt.Errorf("%s: %w", name, err)
	if _, ok := errors.AsType[peoplefile.AmbiguousError](err); ok {
		return usageError{err}
	}
	return err
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
