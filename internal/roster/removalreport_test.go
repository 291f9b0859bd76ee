package roster_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/store"
	"roster/internal/storetest"
)

// report is the whole report on a removal, a line in short for each.
func report(r *roster.Roster, account string, record *directory.RemovalRecord) (lines []string, err error) {
	err = r.EachOutcome(context.Background(), auth.Operator(), account, record, func(some []directory.RemovalLine) error {
		for _, l := range some {
			id := "-"
			if strings.HasPrefix(l.UserID, "u-") {
				id = "u"
			}
			lines = append(lines, fmt.Sprintf("%s %s|%s|%s|%s", id, l.Email, l.OrgUserID, l.Outcome, l.Reason))
		}
		return nil
	})
	return lines, err
}

// A report has a line for each whom a job names, whatever has become of them since.
func TestReportOfARemoval(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		now := time.Now()
		r := openJobs(t, dsn, 2, store.Options{Clock: func() time.Time { return now }})
		account, refs := jobAccount(t, r, "one", 5)
		job, err := queueRefs(ctx, r, callerOf(t, dsn, account), append(refs, directory.UserRef{Text: "no@one.example"}))
		must(t, err)
		record := func() *directory.RemovalRecord {
			record, err := r.Removal(ctx, auth.Operator(), account, job.PublicID)
			must(t, err)
			return &record
		}
		if lines, err := report(r, account, record()); !errors.Is(err, directory.ErrState) || len(lines) > 0 {
			t.Errorf("a job that runs: %v, %q", err, lines)
		}
		workAll(t, r)
		check := func(says string, want ...string) {
			t.Helper()
			lines, err := report(r, account, record())
			slices.Sort(lines)
			if must(t, err); !slices.Equal(lines, want) {
				t.Errorf("%s:\n%q instead of\n%q", says, lines, want)
			}
		}
		const stranger = "- no@one.example||not removed|USER_NOT_FOUND"
		line := func(i int, outcome directory.RemovalOutcome) string {
			return fmt.Sprintf("u %s||%s|", refs[i].Text, outcome)
		}
		check("all are out", stranger, line(0, "removed"), line(1, "removed"), line(2, "removed"), line(3, "removed"), line(4, "removed"))

		_, err = r.RestoreUsers(ctx, auth.Operator(), account, job.PublicID, refs[1:3], roster.RestoreOptions{})
		must(t, err)
		check("two are back", stranger, line(0, "removed"), line(1, "restored"), line(2, "restored"), line(3, "removed"), line(4, "removed"))

		_, err = r.PurgeRemoval(ctx, auth.Operator(), account, job.PublicID)
		must(t, err)
		check("the others are erased", line(1, "restored"), line(2, "restored"), "u ||erased|", "u ||erased|", "u ||erased|")
	})
}

// Who is restored or erased while the report is read does not stand in it twice:
// it is broken off.
func TestReportThatIsOvertaken(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		p := newPurgeBench(t, dsn, roster.Options{RestoreWindow: time.Hour})
		ctx := context.Background()
		p.users("one", "ann@example.com", "bo@example.com", "cy@example.com")
		p.remove("one", "ann@example.com", "bo@example.com", "cy@example.com")
		record := p.latest()
		restore := func(email string) {
			_, err := p.roster.RestoreUsers(ctx, p.caller["one"], "", record.PublicID, []directory.UserRef{{Text: email}}, roster.RestoreOptions{})
			p.check(err)
		}
		restore("ann@example.com")
		lines := 0
		err := p.roster.EachOutcome(ctx, p.caller["one"], "", &record, func(some []directory.RemovalLine) error {
			if lines == 0 {
				restore("bo@example.com")
			}
			lines += len(some)
			return nil
		})
		if !errors.Is(err, directory.ErrGone) || lines > 3 {
			t.Errorf("%d lines, %v", lines, err)
		}
	})
}

// Without a restore window a report still has a line for everybody.
func TestReportWithoutWindow(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		p := newPurgeBench(t, dsn, roster.Options{EraseAtOnce: true})
		p.users("one", "ann@example.com", "bo@example.com")
		p.remove("one", "ann@example.com", "bo@example.com", "stranger@example.com")
		record := p.latest()
		lines, err := report(p.roster, p.account["one"], &record)
		p.check(err)
		if want := []string{"u ||erased|", "u ||erased|"}; !slices.Equal(lines, want) {
			t.Errorf("the report is %q", lines)
		}
	})
}
