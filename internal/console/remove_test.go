package console_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"roster/internal/auth"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// hidden is a hidden field of a page's form.
func (a answer) hidden(name string) string {
	found := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(a.body)
	if found == nil {
		return ""
	}
	return html.UnescapeString(found[1])
}

// confirmed is the form of a preview with a number typed.
func (a answer) confirmed(number string) url.Values {
	form := url.Values{"number": {number}}
	for _, name := range []string{"ids", "kind", "key", "skipped", "going"} {
		form.Set(name, a.hidden(name))
	}
	return form
}

// told is the number that a tile of a page shows.
func (a answer) told(id string) string {
	found := regexp.MustCompile(`id="` + id + `">([^<]*)<`).FindStringSubmatch(a.body)
	if found == nil {
		return ""
	}
	return found[1]
}

// The path without a script: a list, the preview, the number, the removal, its
// report, and the undoing of some.
func TestRemoveAndUndo(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.Bot(w.account, "Help <desk>", plain)
		w.Users(w.account, "ann@example.com", "bo@example.com", "cy@example.com")
		c := signedIn(t, w.Server, helper)
		before := w.Dump()
		list := "Name;emailId\nAnn;Ann@Example.com\nBo;bo@example.com\nNobody;\nOwner;" + owner + "\nPlain;" + plain + "\nWho;<who>@example.com\nCy;cy@example.com\n"
		preview := c.post("/console/users/remove/preview", url.Values{"list": {list}, "kind": {"emailId"}})
		if preview.status != http.StatusOK || preview.told("going") != "3" || preview.told("staying") != "3" {
			t.Fatalf("preview: %d\n%s", preview.status, preview.body)
		}
		for _, text := range []string{"Owns the account", "Help &lt;desk&gt;", "&lt;who&gt;@example.com", "1 line names nobody and is left out: 4."} {
			if !strings.Contains(preview.body, text) {
				t.Errorf("the preview does not say %q", text)
			}
		}
		if fmt.Sprint(before) != fmt.Sprint(w.Dump()) {
			t.Error("the preview has changed something")
		}
		form := preview.confirmed
		for _, wrong := range []string{"", "2", "six", "-3", "3.5", "03x"} {
			if got := c.post("/console/users/remove", form(wrong)); got.status != http.StatusUnprocessableEntity || got.hidden("ids") == "" {
				t.Errorf("number %q: %d", wrong, got.status)
			}
		}
		if got := c.post("/console/users/remove", form("2")); !strings.Contains(got.body, "left out: 4.") {
			t.Error("after a wrong number the lines that were left out are forgotten")
		}
		if fmt.Sprint(before) != fmt.Sprint(w.Dump()) {
			t.Error("a wrong number has changed something")
		}
		done := c.post("/console/users/remove", form(" 3 "))
		if !strings.HasPrefix(done.location, "/console/removals/rm-") {
			t.Fatalf("removal: %d to %q", done.status, done.location)
		}
		if again := c.post("/console/users/remove", form("3")); again.location != done.location {
			t.Errorf("sent twice: %d to %q", again.status, again.location)
		}
		page := c.get(done.location)
		if page.told("removed") != "3" || page.told("failed") != "3" || !strings.Contains(page.body, helper) {
			t.Errorf("removal page:\n%s", page.body)
		}
		if list := c.get("/console/removals"); !strings.Contains(list.body, done.location) || !strings.Contains(list.body, w.removal) {
			t.Error("the list of removals is not whole")
		}
		csv := c.get(done.location + "/not-removed.csv")
		if want := "emailId,orgUserId,reason,reasonCode\n" + owner + ",,Owns the account,ACCOUNT_OWNER\n" + plain + ",,Owns bots,BOT_OWNER\n" +
			"<who>@example.com,,Not a user of this account,USER_NOT_FOUND\n"; csv.body != want {
			t.Errorf("the report is\n%s", csv.body)
		}

		restoreByParts(t, w, c, done.location)
		if page := c.get(done.location); page.told("restored") != "2" {
			t.Errorf("restored %s", page.told("restored"))
		}
		if _, err := w.Roster.PurgeRemoval(t.Context(), auth.Operator(), w.account, w.removal); err != nil {
			t.Fatal(err)
		}
		over := c.post("/console/removals/"+w.removal+"/restore", url.Values{"who": {"all"}})
		if over.status != http.StatusGone || !strings.Contains(over.body, "the users of removal "+w.removal+" were erased.") {
			t.Errorf("whoever was erased is restored: %d\n%s", over.status, over.body)
		}
		for _, back := range []string{"ann@example.com", "bo@example.com", "cy@example.com"} {
			if !slices.Contains(w.Members(w.account), back) {
				t.Errorf("%s is not back", back)
			}
		}
		w.VerifyAudit()
	})
}

// posted posts a form and returns the page to which that leads, which is the same again
// when it is reloaded.
func (c *client) posted(path string, form url.Values) answer {
	c.t.Helper()
	done := c.post(path, form)
	if done.status != http.StatusSeeOther {
		c.t.Fatalf("POST %s: %d\n%s", path, done.status, done.body)
	}
	page := c.get(done.location)
	if again := c.get(done.location); page.status != http.StatusOK || again.body != page.body {
		c.t.Errorf("%s: %d, and reloaded %d", done.location, page.status, again.status)
	}
	return page
}

// restoreByParts brings back some of three who were removed, and then the rest.
func restoreByParts(t *testing.T, w *world, c *client, removal string) {
	t.Helper()
	if got := c.get(removal + "/restore"); got.status != http.StatusOK {
		t.Errorf("restore page: %d", got.status)
	}
	if got := c.post(removal+"/restore", url.Values{"who": {"some"}}); got.status != http.StatusUnprocessableEntity {
		t.Errorf("nobody restored: %d", got.status)
	}
	if got := c.post(removal+"/restore", url.Values{"who": {"all"}, "list": {"ann@example.com"}}); got.status != http.StatusUnprocessableEntity {
		t.Errorf("all, and one by name: %d", got.status)
	}
	named := url.Values{"who": {"some"}, "list": {"ann@example.com\nzoe@example.com\n"}}
	some := c.posted(removal+"/restore", named)
	if !strings.Contains(some.body, "1 user restored") || !strings.Contains(some.body, "zoe@example.com") || !strings.Contains(some.body, "Not among those of this removal") {
		t.Errorf("some restored:\n%s", some.body)
	}
	members := w.Members(w.account)
	if again := c.posted(removal+"/restore", named); !strings.Contains(again.body, "Nobody restored") || !slices.Equal(members, w.Members(w.account)) {
		t.Errorf("the same form again:\n%s", again.body)
	}
	w.Users(w.account, "cy@example.com")
	rest := c.posted(removal+"/restore", url.Values{"who": {"all"}})
	if !strings.Contains(rest.body, "1 user restored") || !strings.Contains(rest.body, "A user has this address again") {
		t.Errorf("the rest restored:\n%s", rest.body)
	}
}

// A long list is a job, whose page shows how far it has come.
func TestRemoveManyByTheConsole(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		const n = 1500
		var emails []string
		for i := range n {
			emails = append(emails, fmt.Sprintf("user%04d@example.com", i))
		}
		w.Users(w.account, emails...)
		c := signedIn(t, w.Server, owner)
		preview := c.post("/console/users/remove/preview", url.Values{"list": {strings.Join(emails, "\n")}})
		if preview.told("going") != "1,500" {
			t.Fatalf("preview: %d, %s go", preview.status, preview.told("going"))
		}
		done := c.post("/console/users/remove", preview.confirmed("1,500"))
		for deadline := time.Now().Add(time.Minute); ; {
			page := c.get(done.location)
			running := strings.Contains(page.body, `<noscript><meta http-equiv="refresh"`)
			if !running && page.told("removed") == "1,500" && strings.Contains(page.body, "1,500 users removed") {
				break
			}
			if time.Now().After(deadline) || !running {
				t.Fatalf("not done: %d, running %v\n%s", page.status, running, page.body)
			}
		}
		if left := len(w.Members(w.account)); left != 6 {
			t.Errorf("%d are left", left)
		}
		if got := c.post(done.location+"/cancel", nil); got.status != http.StatusConflict {
			t.Errorf("stopping what is over: %d", got.status)
		}
		w.VerifyAudit()
	})
}

// What is wrong with a list is said, and nobody is removed.
func TestListsThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.New(t, "sqlite"))
	c := signedIn(t, w.Server, owner)
	before := w.Dump()
	many := strings.Repeat("a@example.com\n", 100_001)
	for name, list := range map[string]string{
		"nothing": "", "blanks": " \n\t\n", "columns without a header": "Ann,ann@example.com\n",
		"too many": many, "a quote that does not end": "emailId,n\n\"a@x.com,\nb@x.com,\n",
	} {
		if got := c.post("/console/users/remove/preview", url.Values{"list": {list}}); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, `role="alert"`) {
			t.Errorf("%s: %d", name, got.status)
		}
	}
	for name, form := range map[string]url.Values{
		"no ids": {"number": {"1"}, "going": {"1"}}, "no list of ids": {"ids": {`{"a":1}`}, "number": {"1"}, "going": {"1"}},
		"no key":    {"ids": {`["ann@example.com"]`}, "number": {"1"}, "going": {"1"}},
		"empty ids": {"ids": {`[]`}, "number": {"0"}, "going": {"0"}}, "null": {"ids": {`null`}, "number": {"0"}, "going": {"0"}},
	} {
		if got := c.post("/console/users/remove", form); got.status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, got.status)
		}
	}
	if got := c.post("/console/users/remove/preview", url.Values{"list": {strings.Repeat("x", 21<<20)}}); got.status != http.StatusBadRequest {
		t.Errorf("a form that is too long: %d", got.status)
	}
	if fmt.Sprint(before) != fmt.Sprint(w.Dump()) {
		t.Error("something was changed")
	}
}

// The number that is typed is that of those who leave, also when others have come or
// gone since the preview; and a form that is sent twice makes one removal.
func TestWhoLeavesIsWhoWasShown(t *testing.T) {
	t.Parallel()
	for _, n := range []int{3, 1200} { // at once, and as a job
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			t.Parallel()
			storetest.EachInLong(t, func(t *testing.T, dsn string) { testWhoLeaves(t, newWorld(t, dsn), n) })
		})
	}
}

func testWhoLeaves(t *testing.T, w *world, n int) {
	t.Helper()
	var people []string
	for i := range n {
		people = append(people, fmt.Sprintf("leaver%04d@example.com", i))
	}
	w.Users(w.account, people[1:]...)
	c := signedIn(t, w.Server, helper)
	preview := c.post("/console/users/remove/preview", url.Values{"list": {strings.Join(people, "\n")}, "kind": {"emailId"}})
	w.Users(w.account, people[0])
	before := w.Members(w.account)
	other := c.post("/console/users/remove", preview.confirmed(strconv.Itoa(n-1)))
	if other.status != http.StatusConflict || !strings.Contains(other.body, "The number has changed") || other.hidden("going") != strconv.Itoa(n) {
		t.Fatalf("somebody came: %d\n%s", other.status, other.body)
	}
	if after := w.Members(w.account); !slices.Equal(before, after) {
		t.Errorf("somebody was removed: %d of %d are left", len(after), len(before))
	}
	first := c.post("/console/users/remove", other.confirmed(strconv.Itoa(n)))
	second := c.post("/console/users/remove", other.confirmed(strconv.Itoa(n)))
	if !strings.HasPrefix(first.location, "/console/removals/rm-") || second.location != first.location {
		t.Errorf("sent twice: %d to %q, then %d to %q", first.status, first.location, second.status, second.location)
	}
}

// A restoration of more users than one transaction restores is done in the background,
// on a page that shows how far it has come.
func TestRestoreManyByTheConsole(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		var hold atomic.Bool
		goOn := make(chan struct{})
		w := newWorldWith(t, dsn, rostertest.Options{RestoreAtOnce: 50, JobChunk: 10, Trace: func(query string) {
			if strings.HasPrefix(query, "UPDATE removals SET restored") && hold.Load() {
				<-goOn // one for each chunk
			}
		}})
		removal, people := w.removeNamed(120)
		w.Users(w.account, people[7])
		c := signedIn(t, w.Server, helper)
		hold.Store(true)
		asked := c.post(removal+"/restore", url.Values{"who": {"all"}})
		if asked.status != http.StatusSeeOther || asked.location != removal {
			t.Fatalf("asked for: %d to %q\n%s", asked.status, asked.location, asked.body)
		}
		for range 3 {
			goOn <- struct{}{}
		}
		page := c.get(removal)
		for _, text := range []string{"<h1>Restoring users</h1>", `<noscript><meta http-equiv="refresh"`, `of 120 handled`, "Stop restoring", `<progress max="120"`} {
			if !strings.Contains(page.body, text) {
				t.Errorf("the page does not say %q:\n%s", text, page.body)
			}
		}
		if strings.Contains(page.body, "Restore the chosen") || strings.Contains(page.body, `/restore">Undo`) {
			t.Error("the page offers to restore what is being restored")
		}
		hold.Store(false)
		close(goOn)
		for deadline := time.Now().Add(time.Minute); strings.Contains(page.body, "Restoring users"); page = c.get(removal) {
			if time.Now().After(deadline) {
				t.Fatalf("not done:\n%s", page.body)
			}
		}
		if page.told("restored") != "119" || !strings.Contains(page.body, "119 of 120 restored") {
			t.Errorf("afterwards:\n%s", page.body)
		}
		_, after, _ := strings.Cut(page.body, `<a href="`+removal+`/restorations/`)
		request, _, _ := strings.Cut(after, `"`)
		details := c.get(removal + "/restorations/" + request)
		if details.status != http.StatusOK || !strings.Contains(details.body, "119 users restored") || !strings.Contains(details.body, people[7]) {
			t.Errorf("its details: %d\n%s", details.status, details.body)
		}
		w.VerifyAudit()
	})
}
