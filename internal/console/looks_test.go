package console_test

import (
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

var screenshots = flag.String("screenshots", "", "directory to write the screenshots of the documents to")

// pictured are the pages that the documents show.
var pictured = []string{"signin-dark", "overview", "app", "new-app-phone-dark", "users", "user", "remove-preview", "removal"}

type look struct {
	name          string
	width, height int64
	dark          bool
}

// allLooks are the ways to look at a page. What fits depends on the width and the
// contrast on the colours, so two of the four see all there is to see.
var allLooks = []look{{"-phone", 390, 844, false}, {"-dark", 1280, 800, true}, {"-phone-dark", 390, 844, true}, {"", 1280, 800, false}}

// looks are all of them for pictures and in the long form, else the last two.
func looks() []look {
	if storetest.Long() || *screenshots != "" {
		return allLooks
	}
	return allLooks[2:]
}

// album goes through the pages of the console and looks at each.
type album struct {
	*tab
	server  *rostertest.Server
	account string
	jobs    *turns
	app     string // path of one
	desk    string // id of a bot
}

const olga = "olga.owner@example.com"

// Every page is checked in light and dark, wide and on a phone, and by keyboard; see
// checks.js and focus.js. With -screenshots the pages are written to files, too.
func TestPagesAtAllWidths(t *testing.T) {
	t.Parallel()
	jobs := newTurns()
	s := rostertest.Start(t, storetest.New(t, "sqlite"), rostertest.Options{Trace: jobs.trace})
	t.Cleanup(jobs.open)
	account := s.Account(olga)
	if *screenshots != "" {
		if err := os.MkdirAll(*screenshots, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	a := &album{tab: open(t, s), server: s, account: account, jobs: jobs}
	a.signingIn()
	a.emptyPages()
	a.appPages()
	a.userPages()
	over := a.removalPages()
	a.importPages()
	a.accountPages()
	a.errorPages(over)
}

// show looks at the page that is there, in all ways, and presses Tab through it.
func (a *album) show(page string) {
	a.Helper()
	for _, look := range looks() {
		a.look(look.width, look.height, look.dark)
		a.check()
		a.inOrder()
		if name := page + look.name; *screenshots != "" && slices.Contains(pictured, name) {
			a.picture(filepath.Join(*screenshots, "console-"+name+".png"))
		}
	}
	a.tabThrough()
}

// shoot opens a page and looks at it.
func (a *album) shoot(page, path string) {
	a.Helper()
	a.visit(path)
	a.show(page)
}

func (a *album) signingIn() {
	path := link(a.T, a.server, a.account, olga)
	a.shoot("link", path)
	a.shoot("signin", "/console/sign-in")
	a.firstRun(a.server, a.account, olga)
	a.shoot("link-used", path)
	a.visit("/console")
	a.menuByKeys()
}

func (a *album) emptyPages() {
	a.visit("/console")
	a.wantText(".empty", "The account is new")
	a.show("new")
	a.shoot("no-apps", "/console/apps")
	a.shoot("no-removals", "/console/removals")
	a.shoot("nobody", "/console/users?search=nobody+at+all")
}

// longName is one that has nowhere to break.
var longName = strings.Repeat("W", 240)

func (a *album) appPages() {
	ids := sampleApps(a.T, a.server, a.account)
	path := "/console/apps/" + ids[0]
	a.app = path
	a.shoot("apps", "/console/apps")
	a.shoot("app", path)
	a.shoot("app-disabled", "/console/apps/"+ids[1])
	a.shoot("edit-app", path+"/edit")
	a.shoot("delete-app", path+"/delete")
	a.shoot("add-secret", path+"/secrets/new")
	a.click("main form button")
	a.show("secret")
	a.shoot("app-two-secrets", path)
	a.shoot("retire-secret", path+"/secrets/1/retire")
	a.visit(path)
	a.click(`form[action$="/token"] button`)
	a.show("token")
	a.shoot("new-app", "/console/apps/new")
	a.fill("name", longName)
	a.must(chromedp.Do(a.within(), chromedp.Click(chromedp.CSS(`input[value="RS256"]`))))
	a.click("main form button")
	a.wantText("#problem", "key")
	a.show("new-app-wrong")
	a.must(chromedp.Do(a.within(), chromedp.Click(chromedp.CSS(`input[value="HS256"]`))))
	a.click("main form button")
	a.show("secret-long")
	a.click("main a.primary")
	a.show("app-long")
	a.shoot("apps-long", "/console/apps")
}

func (a *album) userPages() {
	s, account := a.server, a.account
	s.Import(account,
		rostertest.Person{Email: "ann@example.com", OrgUserID: "E10031", FirstName: "Ann", LastName: "Lindqvist"},
		rostertest.Person{Email: "bo@example.com"},
		rostertest.Person{Email: "chris@example.com", OrgUserID: "E10207", FirstName: "Christopher Maximilian", LastName: "von Hohenstein-Wagner"},
		rostertest.Person{Email: "dana.desk@example.com", FirstName: "Dana"},
		rostertest.Person{Email: "eli@example.com", OrgUserID: "E10388", FirstName: "Eli", LastName: "Okafor"})
	a.desk = s.Bot(account, "Order desk", "dana.desk@example.com")
	s.Bot(account, "Travel and expenses of all regions, with approvals", "dana.desk@example.com")
	s.Bot(account, "Onboarding", "eli@example.com")
	a.shoot("overview", "/console")
	if ask[bool](a.tab, `document.querySelector(".empty") !== null`) {
		a.Error("an account with users and apps is shown as new")
	}
	a.shoot("user", "/console/users/"+sampleUser(a.T, s, account))
	a.shoot("user-bare", "/console/users/"+userID(a.T, s, account, "bo@example.com"))
	a.shoot("user-owner", "/console/users/"+userID(a.T, s, account, olga))
	a.shoot("user-removed", "/console/users/"+removedUser(a.T, s, account))
	a.shoot("users", "/console/users")
	a.shoot("users-wrong", "/console/users?search=ab")
	long := strings.Repeat("long.", 12) + "@" + strings.Repeat("department.", 12) + "example.com"
	a.shoot("user-long", "/console/users/"+richUser(a.T, s, account, long, longName))
	a.shoot("users-long", "/console/users?search=department")
}

// removalPages returns the path of a removal that is over.
func (a *album) removalPages() (removal string) {
	removal = "/console/removals/" + sampleRemoval(a.T, a.server, a.account)
	a.shoot("removals", "/console/removals")
	a.shoot("removal", removal)
	a.shoot("undo", removal+"/restore")
	a.must(chromedp.Do(a.within(), chromedp.Click(chromedp.CSS(`input[value="some"]`))))
	a.click("main form button")
	a.show("undo-wrong")
	a.fill("list", "leaver.21@example.com\n"+longName+"@example.com")
	a.click("main form button")
	a.show("restored")
	a.shoot("remove", "/console/users/remove")
	a.click("main form button")
	a.show("remove-wrong")
	a.fill("list", "ann@example.com\nbo@example.com\ndana.desk@example.com\neli@example.com\n"+olga+"\nnobody-at-all-with-a-very-long-address-indeed@a-department-of-ours.example.com\n")
	a.click("main form button")
	a.show("remove-preview")
	a.fill("number", "7")
	a.click("main form .destructive")
	a.show("remove-preview-wrong")
	a.fill("new-owner", "nobody@example.com")
	a.click(`button[value="chosen"]`)
	a.wantText("#problem", "Choose whose bots")
	a.show("remove-owners-wrong")
	a.server.Bot(a.account, "Desk "+longName[:200], "eli@example.com")
	if err := a.server.Roster.DeleteBot(a.Context(), auth.Operator(), a.account, a.desk); err != nil {
		a.Fatal(err)
	}
	a.click(`button[value="all"]`)
	a.wantText("#owners + p + form", "Order desk")
	a.show("remove-owners-changed")
	a.running()
	return removal
}

// running looks at a removal of many that has come as far as its first chunk.
func (a *album) running() {
	var people []string
	for i := range 1200 {
		people = append(people, fmt.Sprintf("many.%04d@example.com", i))
	}
	a.server.Users(a.account, people...)
	c := signedIn(a.T, a.server, olga)
	preview := c.post("/console/users/remove/preview", url.Values{"list": {strings.Join(people, "\n")}})
	removal := c.post("/console/users/remove", preview.confirmed("1200")).location
	a.jobs.one <- struct{}{}
	a.visit(removal)
	a.wantText("h1", "Removing users")
	a.show("running")
	a.jobs.open()
}

func (a *album) importPages() {
	a.shoot("import", "/console/users/import")
	a.click("main form button")
	a.show("import-wrong")
	a.fill("list", "emailId,firstName\nnew@example.com,New\nann@example.com,Ann\nnobody-at-all-with-a-very-long-address-indeed.a-department-of-ours.example.com,\n")
	a.click("main form button")
	a.wantText("h1", "Import users?")
	a.show("import-preview")
	a.click("main form button")
	a.wantText(".flash", "are imported")
}

func (a *album) accountPages() {
	other := newClient(a.T, a.server)
	other.header = map[string]string{"User-Agent": strings.Repeat("Mozilla/5.0 (X11; Linux x86_64) ", 8) + longName}
	other.signIn(olga)
	a.shoot("sessions", "/console/sessions")
	a.shoot("accounts", "/console/accounts")
	long, err := a.server.Roster.CreateAccount(a.Context(), auth.Operator(), longName, olga)
	if err != nil {
		a.Fatal(err)
	}
	setPassword(a.T, a.server, long, olga)
	a.visit("/console/sign-in?another")
	a.signIn(olga)
	a.shoot("accounts-long", "/console/accounts")
	a.click(`.choices li:has([value="` + long + `"]) button`)
	a.show("overview-long")
	a.visit("/console/accounts")
	a.click(`.choices li:not(:has([aria-current])) button`)
}

// errorPages are those that say no.
func (a *album) errorPages(over string) {
	a.shoot("not-found", "/console/nothing")
	a.shoot("not-possible", "/console/sign-out")
	a.post(over + "/cancel")
	a.wantText(".crumb", "409")
	a.show("conflict")

	const viewer = "viewer@example.com"
	a.server.Users(a.account, viewer)
	role(a.T, a.server, a.account, longName, viewer, directory.Permissions{"viewOnly": directory.PermitYes})
	setPassword(a.T, a.server, a.account, viewer)
	a.post("/console/sign-out")
	a.signIn(viewer)
	a.shoot("no-access", "/console/apps/new")
	a.shoot("users-viewer", "/console/users")
	a.shoot("app-viewer", a.app)
	storetest.Exec(a.T, a.server.DSN, "ALTER TABLE removals RENAME TO elsewhere")
	a.shoot("went-wrong", "/console/removals")
	storetest.Exec(a.T, a.server.DSN, "ALTER TABLE elsewhere RENAME TO removals")
	take(a.T, a.server, a.account, longName, viewer)
	a.visit("/console")
	a.wantText("h1", "No account")
	a.show("no-account")
	a.server.Remove(a.server.App(a.account), `{"deleteEmailIds":["`+viewer+`"]}`)
	a.visit("/console")
	a.wantText("h1", "Sign in")
}

// post sends an empty form to where no button of the page leads.
func (a *album) post(path string) {
	a.Helper()
	ask[bool](a.tab, fmt.Sprintf(`{
		const form = Object.assign(document.createElement("form"), { id: "made", method: "post", action: %q });
		form.append(Object.assign(document.createElement("button"), { textContent: "Send" }));
		document.querySelector("main").prepend(form);
	} true`, path))
	a.click("#made button")
}
