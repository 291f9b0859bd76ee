package console_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// walk is the whole path of somebody who has just begun.
type walk struct {
	*tab
	server  *rostertest.Server
	account string
	script  bool
	jobs    *turns
}

// turns lets the server's jobs do a chunk at a time.
type turns struct {
	one  chan struct{}
	free chan struct{} // closed when they need not wait
	open func()
}

func newTurns() *turns {
	w := &turns{one: make(chan struct{}, 100), free: make(chan struct{})}
	w.open = sync.OnceFunc(func() { close(w.free) })
	return w
}

// trace holds up whoever is about to look for a job.
func (w *turns) trace(query string) {
	if !strings.Contains(query, "b.spooled = 1 AND b.state IN ('queued', 'running')") {
		return
	}
	select {
	case <-w.one:
	case <-w.free:
	}
}

// The whole path in a browser, with scripts on both engines and without scripts:
// set a password by the link, sign in, create an app and use its token, import many
// users, find one, remove most of them by a job, read the report, restore some, read
// the history.
func TestTheWholePath(t *testing.T) {
	t.Parallel()
	t.Run("with scripts", func(t *testing.T) {
		t.Parallel()
		storetest.Each(t, func(t *testing.T, dsn string) { walkTheWholePath(t, dsn, true) })
	})
	t.Run("without scripts", func(t *testing.T) {
		t.Parallel()
		storetest.EachInLong(t, func(t *testing.T, dsn string) { walkTheWholePath(t, dsn, false) })
	})
}

func walkTheWholePath(t *testing.T, dsn string, script bool) {
	jobs := newTurns()
	s := rostertest.Start(t, dsn, rostertest.Options{Trace: jobs.trace, JobChunk: manyGo / 4})
	t.Cleanup(jobs.open)
	account := s.Account(owner)
	s.Users(account, "ann@example.com", "someone@example.com")
	w := &walk{open(t, s), s, account, script, jobs}
	_, err := chromedp.Call(w.within(), emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !script})
	w.must(err)
	w.firstRun(s, account, owner)
	w.wantText("h1", "Account of "+owner)
	w.useAnApp()
	w.importMany()
	w.removeMany()
	w.undoSome()
	w.readTheHistory()
	w.endTheSession()
	s.VerifyAudit()
}

// useAnApp makes an app, calls the API with its token, and deletes it.
func (w *walk) useAnApp() {
	w.click(`.side a[href="/console/apps"]`)
	w.wantText(".empty", "No apps yet")
	w.click(".empty a")
	w.fill("name", "Offboarding")
	w.click("main form button")
	w.wantText("h1", "The app is made")
	if hidden := ask[bool](w.tab, `document.querySelector("[data-copy]").hidden`); hidden == w.script {
		w.Errorf("scripts are on: %v, the button that needs one is hidden: %v", w.script, hidden)
	}
	app := rostertest.App{ClientID: w.text("#client-id"), Secret: w.text("#client-secret")}
	if got := w.server.Remove(app, `{"deleteEmailIds":["ann@example.com"]}`); got.Status != http.StatusUnauthorized || !strings.Contains(got.Body, "exp") {
		w.Errorf("a token without exp: %d %s", got.Status, got.Body)
	}
	w.click("main a.primary")
	if strings.Contains(w.text("body"), app.Secret) {
		w.Error("the secret is shown a second time")
	}
	w.click(`form[action$="/token"] button`)
	token := w.text("#token")
	if got := w.server.Do(rostertest.Request{Token: token, Body: `{"deleteEmailIds":["ann@example.com"]}`}); got.Status != http.StatusOK {
		w.Errorf("a removal with the test token: %d %s", got.Status, got.Body)
	}
	w.wantText("#curl", "-H 'auth: "+token+"'")
	w.wantMembers(owner, "someone@example.com")

	w.must(w.server.Roster.FlushNotes(context.Background(), true))
	w.click("main a.primary")
	w.wantText("main", "No exp, which the app demands")
	w.click(`form[action$="/disable"] button`)
	w.wantText(".flash", "disabled")
	w.click(`form[action$="/enable"] button`)
	w.click(`a[href$="/secrets/new"]`)
	w.click("main form button")
	if second := w.text("#client-secret"); second == app.Secret {
		w.Error("the second secret is the first")
	}
	w.click("main a.primary")
	w.click(`a[href$="/secrets/1/retire"]`)
	w.click("main form button")
	w.wantText(".flash", "retired")
	w.click(`a[href$="/edit"]`)
	w.click("main form button")
	w.wantText(".flash", "Nothing was changed")
	w.click(`a[href$="/delete"]`)
	w.click("main form button")
	w.wantText(".empty", "No apps yet")
}

// How many users are imported, and how many of them are removed: more than the
// console removes without a job. The texts are as the pages show the numbers.
const (
	manyCome, manyGo         = 1500, 1200
	manyComeText, manyGoText = "1,500", "1,200"
)

// person is the address of one of the many.
func person(i int) string { return fmt.Sprintf("person%05d@example.com", i) }

// importMany imports them from a file, and finds one.
func (w *walk) importMany() {
	var text strings.Builder
	text.WriteString("Email Id,First Name,orgUserId\n")
	for i := range manyCome {
		fmt.Fprintf(&text, "%s,\"Nr. %d, of many\",E%d\n", person(i), i, i)
	}
	text.WriteString("no address,Nobody,\n")
	w.click(`.side a[href="/console/users"]`)
	w.click(`main a[href="/console/users/import"]`)
	w.upload("newcomers.csv", text.String())
	w.click("main form button")
	w.wantText("#created", manyComeText)
	w.wantText("#bad", "1")
	w.wantText("main", "Not an e-mail address")
	w.click("main form button")
	w.wantText(".flash", "are imported")
	if n := len(w.server.Members(w.account)); n != manyCome+2 {
		w.Errorf("the account has %d users", n)
	}
	w.fill("search", "1471")
	w.click(".search button")
	w.wantText("tbody", person(1471))
	if n := ask[int](w.tab, `document.querySelectorAll("tbody tr").length`); n != 1 {
		w.Errorf("%d users are found", n)
	}
}

// removeMany removes some of them by a file, sees how far it has come, and reads
// the report.
func (w *walk) removeMany() {
	var text strings.Builder
	text.WriteString("name,emailId\nOwner," + owner + "\n")
	for i := range manyGo {
		text.WriteString("Somebody," + person(i) + "\n")
	}
	text.WriteString("Stranger,=nobody@example.com\n")
	w.click(`.side a[href="/console/users/remove"]`)
	w.upload("leavers.csv", text.String())
	w.click("main form button")
	w.wantText("#going", manyGoText)
	w.wantText("#staying", "2")
	w.wantText("main", "Owns the account")
	w.fill("number", strconv.Itoa(manyGo))
	w.click("main form .destructive")
	w.wantText("h1", "Removing users")
	w.wantProgress()

	href, err := chromedp.Run(w.within(), chromedp.AttributeValue(chromedp.CSS(`a[href$="/not-removed.csv"]`), "href"))
	w.must(err)
	want := "emailId,orgUserId,reason,reasonCode\n" + owner + ",,Owns the account,ACCOUNT_OWNER\n'=nobody@example.com,,Not a user of this account,USER_NOT_FOUND\n"
	c := signedIn(w.T, w.server, owner)
	if got := c.get(href.Value); got.body != want {
		w.Errorf("who was not removed:\n%s", got.body)
	}
	href, err = chromedp.Run(w.within(), chromedp.AttributeValue(chromedp.CSS(`a[href$="/report.csv"]`), "href"))
	w.must(err)
	if got := c.report(strings.TrimSuffix(href.Value, "/report.csv")); len(got) != manyGo+2 {
		w.Errorf("the report has %d lines", len(got))
	}
}

// wantProgress lets the job do chunk after chunk, and looks at the page until it
// says that it is over. With scripts the page stays the same one meanwhile.
func (w *walk) wantProgress() {
	const look = `[document.querySelector("h1"), document.querySelector("#removed")].map((e) => e?.textContent).join(": ") + " " + (document.documentElement.dataset.mark || "new")`
	ask[string](w.tab, `document.documentElement.dataset.mark = "same"`)
	var seen []string
	for deadline := time.Now().Add(2 * time.Minute); ; {
		shown, err := chromedp.Run(w.within(), chromedp.Evaluate[string](look))
		readable := err == nil && strings.Contains(shown, "users") // or the page comes anew meanwhile
		if readable && !slices.Contains(seen, shown) {
			seen = append(seen, shown)
			if len(seen) > 3 {
				w.jobs.open()
			} else {
				w.jobs.one <- struct{}{}
			}
		}
		if shown == manyGoText+" users removed: "+manyGoText+" new" {
			break
		}
		if time.Now().After(deadline) {
			w.Fatalf("seen so far: %q", seen)
		}
	}
	kept := 0
	for _, shown := range seen {
		if strings.HasPrefix(shown, "Removing users") && strings.HasSuffix(shown, " same") {
			kept++
		}
	}
	if len(seen) < 3 || w.script && kept != len(seen)-1 || !w.script && kept > 1 {
		w.Errorf("the page showed %q", seen)
	}
	w.check()
}

// undoSome brings two of them back, and finds the removal in the list.
func (w *walk) undoSome() {
	w.click(`main a[href$="/restore"]`)
	w.must(chromedp.Do(w.within(), chromedp.Click(chromedp.CSS(`input[value="some"]`))))
	w.fill("list", person(7)+"\n"+person(8))
	w.click("main form button")
	w.wantText(".flash", "Those users are restored")
	w.click(`.side a[href="/console/removals"]`)
	w.wantText("tbody tr:first-child", owner)
	w.wantText("tbody tr:first-child", manyGoText)
	want := []string{owner, "someone@example.com", person(7), person(8)}
	for i := manyGo; i < manyCome; i++ {
		want = append(want, person(i))
	}
	w.wantMembers(want...)
}

// readTheHistory looks one of the restored up: their page says what happened to
// them, the newest first, and leads to the removal.
func (w *walk) readTheHistory() {
	back := person(7)
	w.click(`.side a[href="/console/users"]`)
	w.fill("search", back)
	w.click(".search button")
	w.click("tbody a")
	w.wantText("h1", "Nr. 7, of many")
	const each = `[...document.querySelectorAll(".history > li")].map((e) => e.querySelector(".text p").textContent)`
	who, whom := "User "+owner, "user "+back
	want := []string{who + " restored " + whom, who + " removed " + whom + " from the account", who + " created " + whom}
	if got := ask[[]string](w.tab, each); !slices.Equal(got, want) {
		w.Errorf("the history is %q, want %q", got, want)
	}
	w.click(".history > li:first-child a")
	w.wantText("#removed", manyGoText)
	w.wantText("#restored", "2")
}

func (w *walk) endTheSession() {
	w.visit("/console/sessions")
	w.wantText("tbody", "this one")
	w.click(`button[aria-label="Sign out here"]`)
	w.wantText(".flash", "signed out")
	w.visit("/console/apps")
	w.wantText("h1", "Sign in")
}

// wantMembers fails unless the account has these members, in whatever order.
func (w *walk) wantMembers(want ...string) {
	w.Helper()
	got := w.server.Members(w.account)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		w.Errorf("the account has %d users, %.200q, want %d, %.200q", len(got), got, len(want), want)
	}
}

// upload chooses a file of this text.
func (w *walk) upload(name, text string) {
	w.Helper()
	file := filepath.Join(w.TempDir(), name)
	w.must(os.WriteFile(file, []byte(text), 0o600))
	w.must(chromedp.Do(w.within(), chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{file})))
}
