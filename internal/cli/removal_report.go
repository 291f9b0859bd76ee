package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"roster/internal/csvfile"
	"roster/internal/outfile"
)

// removalReport is what 'user remove' prints.
type removalReport struct {
	Requested int          `json:"requested"`
	Removed   int          `json:"removed"` // with DryRun those who would be
	Failed    []failedJSON `json:"failed"`
	// Unclear are no members now, and whether this command removed them is not known.
	Unclear []failedJSON `json:"unclear,omitempty"`
	// DoneBefore counts the users whom earlier runs dealt with, by the resume file.
	DoneBefore int `json:"doneBefore,omitempty"`
	// RemovalIDs are those of the calls, from a host that gives them.
	RemovalIDs []string `json:"removalIds,omitempty"`
	DryRun     bool     `json:"dryRun,omitempty"`
	// Atomic says that nobody was removed because of those who failed.
	Atomic bool `json:"atomic,omitempty"`
	// Error is the failure of a call that ended the work early.
	Error string `json:"error,omitempty"`

	users userOutcomes
}

// add adds what came of the users up to a mark.
func (r *removalReport) add(d *resumeDone) {
	r.Failed = append(r.Failed, d.Failed...)
	r.Unclear = append(r.Unclear, d.Unclear...)
	if d.RemovalID != "" {
		r.RemovalIDs = append(r.RemovalIDs, d.RemovalID)
	}
	r.Removed += r.users.add(d)
}

// Outcomes of a user in the report file.
const (
	outcomeRemoved    = "removed"
	outcomeNotRemoved = "not removed"
	outcomeUnclear    = "unclear"
	outcomeNotTried   = "not tried"
	outcomeUnknown    = "unknown" // a call that may have removed them was not answered
)

// userOutcomes is what came of each user of the list, in its order.
type userOutcomes struct {
	ids    []string
	orgIDs bool
	dealt  int // users of the list, from its begin
	sent   int // those who were in a call, also one that was not answered
	calls  []outcomesOfCall
}

// outcomesOfCall is what came of the users of one call.
type outcomesOfCall struct {
	to        int // the place behind its last user
	notGone   map[string]userOutcome
	removalID string
}

// userOutcome is a line of the report file.
type userOutcome struct {
	EmailID   string `json:"emailId,omitempty"`
	OrgUserID string `json:"orgUserId,omitempty"`
	Outcome   string `json:"outcome"`
	Reason    string `json:"reason,omitempty"`
	RemovalID string `json:"removalId,omitempty"`
}

// add adds what came of the users up to a mark, and returns how many went.
func (u *userOutcomes) add(d *resumeDone) (removed int) {
	call := outcomesOfCall{to: d.Mark.Users, removalID: d.RemovalID, notGone: map[string]userOutcome{}}
	for outcome, list := range map[string][]failedJSON{outcomeNotRemoved: d.Failed, outcomeUnclear: d.Unclear} {
		for i := range list {
			call.notGone[u.id(&list[i])] = userOutcome{Outcome: outcome, Reason: list[i].Reason}
		}
	}
	for _, id := range u.ids[u.dealt:call.to] {
		if _, ok := call.notGone[id]; !ok {
			removed++
		}
	}
	u.dealt = call.to
	u.calls = append(u.calls, call)
	return removed
}

// id is that by which the list names a user.
func (u *userOutcomes) id(f *failedJSON) string {
	if u.orgIDs {
		return f.OrgUserID
	}
	return f.EmailID
}

// each calls yield for the users in their order.
func (u *userOutcomes) each(yield func(userOutcome) error) error {
	next := 0
	for i, id := range u.ids {
		o := userOutcome{Outcome: outcomeNotTried}
		switch {
		case i >= u.dealt && i < u.sent:
			o.Outcome = outcomeUnknown
		case i < u.dealt:
			for u.calls[next].to <= i {
				next++
			}
			call := &u.calls[next]
			o.Outcome = outcomeRemoved
			if other, ok := call.notGone[id]; ok {
				o = other
			}
			o.RemovalID = call.removalID
		}
		if u.orgIDs {
			o.OrgUserID = id
		} else {
			o.EmailID = id
		}
		if err := yield(o); err != nil {
			return err
		}
	}
	return nil
}

// reportHeader is the header of a report in CSV.
var reportHeader = []string{"emailId", "orgUserId", "outcome", "reason", "removalId"}

// checkReportFile refuses to write a report over a file that is none.
func checkReportFile(path string) error {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	begin := make([]byte, 64)
	n, err := io.ReadFull(file, begin)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	text := string(begin[:n])
	for _, own := range []string{strings.Join(reportHeader, ",") + "\n", `[{"emailId":`, `[{"orgUserId":`, `[{"outcome":`} {
		if strings.HasPrefix(text, own) {
			return nil
		}
	}
	return fmt.Errorf("%s is there and no report of 'user remove': give another --report-file", path)
}

// writeReportFile writes what came of each user: JSON under a name that ends so,
// else CSV. skipped are rows of the list that name nobody.
func (r *removalReport) writeReportFile(path string, skipped []failedJSON) error {
	write := r.writeCSV
	if strings.EqualFold(filepath.Ext(path), ".json") {
		write = r.writeJSON
	}
	err := outfile.Replace(path, func(w io.Writer) error {
		out := bufio.NewWriter(w)
		return errors.Join(write(out, skipped), out.Flush())
	})
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

func (r *removalReport) writeCSV(to io.Writer, skipped []failedJSON) error {
	w := csvfile.NewWriter(to)
	err := w.Write(reportHeader...)
	if err != nil {
		return err
	}
	err = r.users.each(func(o userOutcome) error {
		return w.Write(o.EmailID, o.OrgUserID, o.Outcome, o.Reason, o.RemovalID)
	})
	if err != nil {
		return err
	}
	for i := range skipped {
		if err := w.Write("", "", outcomeNotRemoved, skipped[i].name()+": "+skipped[i].Reason, ""); err != nil {
			return err
		}
	}
	return w.Flush()
}

func (r *removalReport) writeJSON(to io.Writer, skipped []failedJSON) error {
	all := []userOutcome{}
	_ = r.users.each(func(o userOutcome) error { all = append(all, o); return nil })
	for i := range skipped {
		all = append(all, userOutcome{Outcome: outcomeNotRemoved, Reason: skipped[i].name() + ": " + skipped[i].Reason})
	}
	enc := json.NewEncoder(to)
	enc.SetEscapeHTML(false)
	return enc.Encode(all)
}
