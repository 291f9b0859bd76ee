package console_test

import (
	"context"
	"encoding/csv"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"roster/internal/auth"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// report reads the report on a removal: its rows below the header, without the user
// ids of those who have one.
func (c *client) report(removal string) (rows []string) {
	c.t.Helper()
	got := c.get(removal + "/report.csv")
	if got.status != http.StatusOK || !strings.HasPrefix(got.header.Get("Content-Type"), "text/csv") ||
		!strings.HasSuffix(got.header.Get("Content-Disposition"), `-report.csv"`) {
		c.t.Fatalf("the report: %d %v\n%s", got.status, got.header, got.body)
	}
	table, err := csv.NewReader(strings.NewReader(got.body)).ReadAll()
	if err != nil || strings.Join(table[0], ",") != "emailId,orgUserId,userId,outcome,reason,reasonCode" {
		c.t.Fatalf("the report: %v\n%s", err, got.body)
	}
	for _, row := range table[1:] {
		if strings.HasPrefix(row[2], "u-") {
			row[2] = "u"
		}
		rows = append(rows, strings.Join(row, ","))
	}
	return rows
}

// The report on a removal has everybody: who is out, who is back, who was erased, and
// who was not removed, with nothing that a spreadsheet takes for a formula.
func TestReportFile(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		rows := []roster.ImportRow{{Line: 1, Email: "ann@example.com", OrgUserID: "=E1"}, {Line: 2, Email: "+bo@example.com"}}
		if _, err := w.Roster.ImportUsers(context.Background(), auth.Operator(), w.account, rows, roster.ImportOptions{}); err != nil {
			t.Fatal(err)
		}
		id := w.Remove(w.App(w.account), `{"deleteEmailIds":["ann@example.com","+bo@example.com","-no@example.com"],"orgUserIds":["@x"]}`).Header.Get("X-Removal-Id")
		removal := "/console/removals/" + id
		c := signedIn(t, w.Server, helper)
		const refused = "'-no@example.com,,,not removed,Not a user of this account,USER_NOT_FOUND"
		const refusedID = ",'@x,,not removed,Not a user of this account,USER_NOT_FOUND"
		check := func(says string, want ...string) {
			t.Helper()
			got := c.report(removal)
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s:\n%q", says, got)
			}
		}
		check("after the removal", "ann@example.com,'=E1,u,removed,,", "'+bo@example.com,,u,removed,,", refused, refusedID)
		c.post(removal+"/restore", url.Values{"user": {"+bo@example.com"}})
		check("after one is back", "ann@example.com,'=E1,u,removed,,", "'+bo@example.com,,u,restored,,", refused, refusedID)
		if page := c.get(removal); !strings.Contains(page.body, "A line for everybody whom the removal named") {
			t.Errorf("the page does not offer the report:\n%s", page.body)
		}
		if _, err := w.Roster.PurgeRemoval(t.Context(), auth.Operator(), w.account, id); err != nil {
			t.Fatal(err)
		}
		check("after the purge", "'+bo@example.com,,u,restored,,", ",,u,erased,,")
		if page := c.get(removal); !strings.Contains(page.body, "Of the erased it has the user id alone") {
			t.Errorf("the page does not say what the report still has:\n%s", page.body)
		}
		if got := signedIn(t, w.Server, stranger).get(removal + "/report.csv"); got.status != http.StatusNotFound {
			t.Errorf("another account's: %d", got.status)
		}
	})
}

// A report that is read in several parts is whole.
func TestReportFileOfMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.New(t, "sqlite"))
	removal, people := w.removeNamed(2300)
	c := signedIn(t, w.Server, viewer)
	check := func(says string, restored int) {
		t.Helper()
		rows := c.report(removal)
		back := 0
		for i, row := range rows {
			if strings.Contains(row, ",restored,") {
				back++
			}
			rows[i], _, _ = strings.Cut(row, ",")
		}
		slices.Sort(rows)
		want := slices.Sorted(slices.Values(people))
		if !slices.Equal(rows, want) || back != restored {
			t.Errorf("%s: %d rows, %d of them restored", says, len(rows), back)
		}
	}
	check("all are out", 0)
	h := signedIn(t, w.Server, helper)
	h.post(removal+"/restore", url.Values{"user": people[:1200]})
	h.post(removal+"/restore", url.Values{"user": people[1200:1250]})
	check("many are back", 1250)
	h.post(removal+"/restore", url.Values{"who": {"all"}})
	check("all are back", 2300)
}
