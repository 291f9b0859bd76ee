package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"
)

// restoring is what the commands that restore have in common: whom of a removal
// to bring back, and how the outcome is told.
type restoring struct {
	env   *env
	names naming
	all   bool
	yes   bool
}

func (s *restoring) add(cmd *cobra.Command) {
	s.names.add(cmd)
	f := cmd.Flags()
	f.BoolVar(&s.all, "all", false, "everybody of the removal")
	f.BoolVar(&s.yes, "yes", false, "do not ask before restoring everybody")
}

// collect gathers the ids of those who are named; none of them with --all.
func (s *restoring) collect(args []string) (ids []string, skipped []failedJSON, err error) {
	named := s.names.from != "" || len(args) > 0
	switch {
	case s.all && named:
		return nil, nil, usagef("give addresses, --from FILE or --all, only one of them")
	case s.all:
		return nil, nil, nil
	case !named:
		return nil, nil, usagef("nobody is named: give addresses or --from FILE, or --all for everybody of the removal")
	}
	return s.names.collect(s.env, args)
}

// confirm asks a person before everybody of a removal is restored.
func (s *restoring) confirm(ctx context.Context, removal string) error {
	if !s.all || s.yes {
		return nil
	}
	what := fmt.Sprintf("This restores everybody of the removal %s.", printable(removal))
	return s.env.confirm(ctx, what, "restore", "nobody was restored")
}

// restoreReport is what the commands that restore print.
type restoreReport struct {
	RemovalID string `json:"removalId"`
	// Requested and Restored are nil where they are not known: the public API does
	// not tell how many a whole removal had.
	Requested *int         `json:"requested,omitempty"`
	Restored  *int         `json:"restored,omitempty"`
	Failed    []failedJSON `json:"failed"`
	Lost      []lostJSON   `json:"notRestored,omitempty"`
	// Error is the failure of a call that ended the work early.
	Error string `json:"error,omitempty"`
}

// lostJSON is something that restored users do not have again, because it was
// deleted meanwhile.
type lostJSON struct {
	Kind  string `json:"kind"`
	ID    string `json:"id"`
	Name  string `json:"name"`
	Users int    `json:"users"`
}

// addLost adds up over the calls who lost the same.
func (r *restoreReport) addLost(lost lostJSON) {
	for i := range r.Lost {
		if r.Lost[i].Kind == lost.Kind && r.Lost[i].ID == lost.ID {
			r.Lost[i].Users += lost.Users
			return
		}
	}
	r.Lost = append(r.Lost, lost)
}

// report prints what came of the calls, of which the last may have failed.
func (s *restoring) report(r *restoreReport, callErr error) error {
	if r.Failed == nil {
		r.Failed = []failedJSON{}
	}
	if callErr != nil {
		r.Error = callErr.Error()
	}
	err := s.env.print(r, func(w io.Writer) {
		s.env.writeFailed(w, "NOT RESTORED", r.Failed)
		if len(r.Lost) > 0 {
			var rows [][]string
			for _, l := range r.Lost[:min(mostShown, len(r.Lost))] {
				rows = append(rows, []string{l.Kind, l.Name, strconv.Itoa(l.Users)})
			}
			writeFailures(w, s.env.width(), []string{"DELETED MEANWHILE", "NAME", "USERS WITHOUT IT"}, rows, len(r.Lost))
		}
		fmt.Fprintln(w, r.summary())
	})
	if err == nil && callErr == nil && len(r.Failed) > 0 {
		return errPartial
	}
	return err
}

// summary is the report in a sentence or two.
func (r *restoreReport) summary() string {
	switch {
	case r.Error != "" && r.Restored == nil:
		return "Nobody is known to be restored."
	case r.Error != "": // what became of the call that failed is not always known
		return fmt.Sprintf("%d of %d users are known to be restored. Run the same command again to go on.", *r.Restored, *r.Requested)
	case r.Restored != nil && *r.Requested == 0:
		return "Nobody of the removal is still removed."
	case r.Restored != nil:
		return fmt.Sprintf("%d of %d users restored, %d not restored.", *r.Restored, *r.Requested, *r.Requested-*r.Restored)
	case len(r.Failed) > 0:
		return fmt.Sprintf("Everybody of the removal is restored but for %d.", len(r.Failed))
	}
	return "Everybody of the removal is restored."
}
