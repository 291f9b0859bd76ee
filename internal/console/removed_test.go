package console_test

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// listed are the addresses on a page of a removal that can be chosen.
func (a answer) listed() (emails []string) {
	for _, found := range regexp.MustCompile(`name="user" value="([^"]*)"`).FindAllStringSubmatch(a.body, -1) {
		emails = append(emails, html.UnescapeString(found[1]))
	}
	return emails
}

// next is the address of the page that follows.
func (a answer) next() string {
	_, after, _ := strings.Cut(a.body, `rel="next" href="`)
	path, _, _ := strings.Cut(after, `"`)
	path, _, _ = strings.Cut(html.UnescapeString(path), "#")
	return path
}

// A removal's page lists who is out by pages that do not shift, restores those who
// are chosen, and says so when they were erased.
func TestPeopleOfARemoval(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		removal, people := w.removeNamed(120)
		c := signedIn(t, w.Server, helper)
		first := c.get(removal)
		if !slices.Equal(first.listed(), people[:50]) || strings.Contains(first.body, "<b>") || strings.Contains(first.body, "<i>") {
			t.Fatalf("first page: %d\n%s", first.status, first.body)
		}
		for _, text := range []string{"&lt;b&gt;Ann \u202e0<", "E&lt;i&gt;000", "30 days left"} {
			if !strings.Contains(first.body, text) {
				t.Errorf("the page does not say %q", text)
			}
		}
		// Somebody of the first page comes back: the second begins where it did.
		back := c.post(removal+"/restore", url.Values{"user": {people[3], people[5]}})
		if back.status != http.StatusSeeOther || back.location != removal {
			t.Fatalf("restored: %d to %q\n%s", back.status, back.location, back.body)
		}
		if page := c.get(removal); !strings.Contains(page.body, "Those users are restored") || !strings.Contains(page.body, "2 users were restored") {
			t.Errorf("after the restoration:\n%s", page.body)
		}
		second := c.get(first.next())
		if !slices.Equal(second.listed(), people[50:100]) {
			t.Errorf("second page: %d with %v", second.status, second.listed())
		}
		third := c.get(second.next())
		if !slices.Equal(third.listed(), people[100:]) || third.next() != "" {
			t.Errorf("third page: %d with %v", third.status, third.listed())
		}
		if again := c.get(removal); slices.Contains(again.listed(), people[3]) || !strings.Contains(again.body, "2 users were restored") {
			t.Errorf("who is back is listed:\n%s", again.body)
		}
		if got := c.get(removal + "?from=9223372036854775807"); got.status != http.StatusOK || !strings.Contains(got.body, "Nobody is listed from here on") {
			t.Errorf("behind the end: %d", got.status)
		}
		for _, from := range []string{"zz", "9223372036854775808"} {
			if got := c.get(removal + "?from=" + from); got.status != http.StatusNotFound {
				t.Errorf("from %s: %d", from, got.status)
			}
		}
		if got := c.post(removal+"/restore", nil); got.status != http.StatusUnprocessableEntity {
			t.Errorf("nobody chosen: %d", got.status)
		}
		if got := signedIn(t, w.Server, stranger).get(removal); got.status != http.StatusNotFound || strings.Contains(got.body, "p000") {
			t.Errorf("another account's: %d", got.status)
		}
		if got := signedIn(t, w.Server, viewer).get(removal); got.status != http.StatusOK || !strings.Contains(got.body, people[0]) || len(got.listed()) > 0 || strings.Contains(got.body, "Restore the chosen") {
			t.Errorf("read-only: %d\n%s", got.status, got.body)
		}

		w.runningThenErased(c, removal, people[0])
		w.VerifyAudit()
	})
}

// removeNamed removes n people with odd names, the last first, and returns the page
// of the removal and their addresses in order.
func (w *world) removeNamed(n int) (removal string, people []string) {
	w.T.Helper()
	rows := make([]roster.ImportRow, n)
	for i := range n {
		rows[i] = roster.ImportRow{Line: i + 1, Email: fmt.Sprintf("P%03d@example.com", i), OrgUserID: fmt.Sprintf("E<i>%03d", i)}
		rows[i].Profile = directory.Profile{FirstName: "<b>Ann", LastName: fmt.Sprintf("\u202e%d", i)}
		people = append(people, rows[i].Email)
	}
	if out, err := w.Roster.ImportUsers(context.Background(), auth.Operator(), w.account, rows, roster.ImportOptions{}); err != nil || len(out.Bad) > 0 {
		w.T.Fatal(err, out.Bad)
	}
	slices.Reverse(people)
	got := w.Remove(w.App(w.account), `{"deleteEmailIds":["`+strings.Join(people, `","`)+`"]}`)
	slices.Reverse(people)
	return "/console/removals/" + got.Header.Get("X-Removal-Id"), people
}

// runningThenErased looks at the page of a removal, of which somebody is out and
// somebody is back, as that of a job that runs, and after the purge.
func (w *world) runningThenErased(c *client, removal, somebody string) {
	t := w.T
	t.Helper()
	ctx, id := context.Background(), removal[strings.LastIndex(removal, "/")+1:]
	record, err := w.Roster.Removal(ctx, auth.Operator(), w.account, id)
	if err != nil {
		t.Fatal(err)
	}
	storetest.Exec(t, w.DSN, `INSERT INTO removal_jobs (account_id, id, state, batch_id, mixed, next_seq, spooled, created_at, turn_at)
SELECT account_id, id, 'running', 0, 0, 0, 0, 0, 0 FROM removals WHERE id = $1`, int64(record.ID))
	if page := c.get(removal); !strings.Contains(page.body, "Who is out so far") || !strings.Contains(page.body, somebody) || len(page.listed()) > 0 {
		t.Errorf("a job that runs: %d\n%s", page.status, page.body)
	}
	storetest.Exec(t, w.DSN, `DELETE FROM removal_jobs`)
	if _, err := w.Roster.PurgeRemoval(ctx, auth.Operator(), w.account, id); err != nil {
		t.Fatal(err)
	}
	page := c.get(removal)
	if !strings.Contains(page.body, "Those who were not restored were erased on") || strings.Contains(page.body, somebody) || len(page.listed()) > 0 {
		t.Errorf("erased: %d\n%s", page.status, page.body)
	}
}

// The list of removals names the person who asked, as long as they have an address.
func TestWhoAskedForARemoval(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.Users(w.account, "ann@example.com")
		form := url.Values{"ids": {`["ann@example.com"]`}, "key": {"k"}, "going": {"1"}, "number": {"1"}}
		made := signedIn(t, w.Server, helper).post("/console/users/remove", form)
		c := signedIn(t, w.Server, owner)
		for _, path := range []string{"/console/removals", made.location} {
			if page := c.get(path); !strings.Contains(page.body, helper) || strings.Contains(page.body, "Admin Console") {
				t.Errorf("%s does not say who asked:\n%s", path, page.body)
			}
		}
		gone := w.Remove(w.App(w.account), `{"deleteEmailIds":["`+helper+`"]}`)
		for _, id := range []string{made.location[strings.LastIndex(made.location, "/")+1:], gone.Header.Get("X-Removal-Id")} {
			if _, err := w.Roster.PurgeRemoval(t.Context(), auth.Operator(), w.account, id); err != nil {
				t.Fatal(err)
			}
		}
		for _, path := range []string{"/console/removals", made.location} {
			if page := c.get(path); strings.Contains(page.body, helper) || !strings.Contains(page.body, "Admin Console") {
				t.Errorf("%s names who was erased:\n%s", path, page.body)
			}
		}
	})
}

// In a browser: two of a removal are chosen and come back.
func TestRestoreTheChosenInTheBrowser(t *testing.T) {
	t.Parallel()
	s := rostertest.Start(t, storetest.New(t, "sqlite"), rostertest.Options{})
	account := s.Account(owner)
	s.Users(account, "ann@example.com", "bo@example.com", "cy@example.com")
	removal := s.Remove(s.App(account), `{"deleteEmailIds":["ann@example.com","bo@example.com","cy@example.com"]}`).Header.Get("X-Removal-Id")
	b := open(t, s)
	b.firstRun(s, account, owner)
	b.visit("/console/removals/" + removal)
	for _, email := range []string{"ann@example.com", "cy@example.com"} {
		b.must(chromedp.Do(b.within(), chromedp.Click(chromedp.CSS(`input[value="`+email+`"]`))))
	}
	b.click(".choose button")
	b.wantText(".flash", "Those users are restored")
	b.wantText("main", "2 users were restored")
	if got := fmt.Sprint(s.Members(account)); got != "[ann@example.com cy@example.com owner@example.com]" && got != "[owner@example.com ann@example.com cy@example.com]" {
		t.Errorf("the account has %s", got)
	}
}
