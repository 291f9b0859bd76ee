package console_test

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// richUser makes a member of the account who has something of everything. Each
// text of theirs is name and what it is.
func richUser(t testing.TB, s *rostertest.Server, account, email, name string) (id string) {
	t.Helper()
	ctx, operator := context.Background(), auth.Operator()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	row := roster.ImportRow{Line: 1, Email: email, OrgUserID: name + " 1"}
	for _, field := range row.Profile.Fields() {
		*field.Text = name + " " + field.Name
	}
	out, err := s.Roster.ImportUsers(ctx, operator, account, []roster.ImportRow{row}, roster.ImportOptions{})
	if err != nil || len(out.Bad) > 0 {
		t.Fatalf("import: %v %v", err, out.Bad)
	}
	who := []directory.UserRef{{Text: email}}
	assign := func(kind directory.RoleKind, item directory.RoleAssignment) {
		t.Helper()
		failures, err := s.Roster.AssignRoles(ctx, operator, account, kind, []directory.RoleAssignment{item}, "")
		check(err)
		if failures[0] != nil {
			t.Fatalf("assign: %+v", failures[0])
		}
	}
	inner, err := s.Roster.MakeGroup(ctx, operator, account, roster.NewGroup{Name: name + " team", Description: name + " description"})
	check(err)
	outer, err := s.Roster.MakeGroup(ctx, operator, account, roster.NewGroup{Name: name + " department"})
	check(err)
	_, err = s.Roster.NestGroup(ctx, operator, account, inner, outer)
	check(err)
	_, err = s.Roster.AddToGroup(ctx, operator, account, inner, who)
	check(err)
	direct, err := s.Roster.CreateRole(ctx, operator, account, roster.NewRole{Kind: directory.AdminRole, Name: name + " admin", Permissions: directory.Permissions{"viewOnly": directory.PermitYes}})
	check(err)
	assign(directory.AdminRole, directory.RoleAssignment{RoleID: direct, AddUsers: who})
	given, err := s.Roster.CreateRole(ctx, operator, account, roster.NewRole{Kind: directory.BotRole, Name: name + " bot role", Permissions: directory.Permissions{}})
	check(err)
	bot := s.Bot(account, name+" helper", email)
	desk := s.Bot(account, name+" desk", email)
	assign(directory.BotRole, directory.RoleAssignment{RoleID: given, BotID: desk, AddGroups: []string{name + " department"}})
	tasks := []directory.TaskRef{{BotID: bot, Dialogs: []string{name + " dialog"}}, {BotID: desk}}
	failed, err := s.Roster.UpdateUsers(ctx, operator, account, []directory.UserItem{{Email: email, Tasks: &tasks}}, roster.UserOptions{})
	if err != nil || len(failed) > 0 {
		t.Fatalf("tasks: %v %+v", err, failed)
	}
	return userID(t, s, account, email)
}

// texts is what a page says, without its markup, a line for each element.
func (a answer) texts() string {
	_, main, _ := strings.Cut(a.body, "<main")
	lines := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(main, "\n")
	return html.UnescapeString(regexp.MustCompile(`\s*\n\s*`).ReplaceAllString(lines, "\n"))
}

// section is what a section of a user's page says.
func (a answer) section(id string) string {
	_, rest, _ := strings.Cut(a.body, `<section aria-labelledby="`+id+`">`)
	body, _, _ := strings.Cut(rest, "</section>")
	return answer{body: "<main>" + body}.texts()
}

// buttonsOf are the changes of status that a page offers.
func buttonsOf(a answer) string {
	return strings.Join(regexp.MustCompile(`name="change" value="\w+"`).FindAllString(a.body, -1), " ")
}

// A user's page shows all that they have, and says by what.
func TestUserPage(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		id := richUser(t, w.Server, w.account, "Ann.Odd+x'y@example.com", "Ann")
		c := signedIn(t, w.Server, admin)
		page := c.get("/console/users/" + id)
		if page.status != http.StatusOK || !strings.Contains(c.get("/console/users").body, `href="/console/users/`+id+`"`) {
			t.Fatalf("no page, or no link to it: %d", page.status)
		}
		for section, want := range map[string][]string{
			"profile": {"Ann.Odd+x'y@example.com", "Ann 1", "Ann firstName", "Ann dept", "Ann country", "Developer", "Creates bots", id},
			"roles":   {"Ann admin\nthe account\ndirectly", "Ann bot role\nAnn desk\nthrough Ann department", "Bot Owner\nAnn helper\nas the owner of the bot"},
			"groups":  {"Ann team\nAnn description"},
			"bots":    {"Ann helper", "Ann desk", "before it is passed on"},
			"tasks":   {"Ann helper\nAnn dialog", "Ann desk\nall"},
			"history": {`The operator gave user ann.odd+x'y@example.com admin role "Ann admin"`, "City:\nAnn city\nCompany:", "Bot tasks:\nempty\n→\nbecame\nst-", " (Ann dialog), "},
		} {
			for _, text := range want {
				if got := page.section(section); !strings.Contains(got, text) {
					t.Errorf("%s does not show %q:\n%s", section, text, got)
				}
			}
		}
		if groups := page.section("groups"); strings.Contains(groups, "department") {
			t.Errorf("a group above is shown as theirs:\n%s", groups)
		}
		// Whoever has nothing has a page too.
		empty := c.get("/console/users/" + w.user)
		for _, text := range []string{"No roles.", "In no group.", "Not signed in", "never", plain} {
			if !strings.Contains(empty.texts(), text) {
				t.Errorf("the page of who has nothing does not say %q:\n%s", text, empty.texts())
			}
		}
		own := c.get("/console/users/" + userID(t, w.Server, w.account, owner))
		if text := own.texts(); !strings.Contains(text, "They own the account") || !strings.Contains(text, "admin\nthe account\nas the owner of the account") || strings.Contains(text, "Remove…") || strings.Contains(text, "Suspend") {
			t.Errorf("the owner's page:\n%s", text)
		}
		if text := signedIn(t, w.Server, viewer).get("/console/users/" + id).texts(); strings.Contains(text, "Remove…") || strings.Contains(text, "Suspend") || !strings.Contains(text, "Ann admin") {
			t.Errorf("the page of who may only look:\n%s", text)
		}
		preview := c.post("/console/users/remove/preview", url.Values{"user": {"Ann.Odd+x'y@example.com"}})
		if preview.told("staying") != "1" || !strings.Contains(preview.texts(), "Ann helper") {
			t.Errorf("the preview of one:\n%s", preview.texts())
		}
	})
}

// Whatever a text is, the page shows it as text.
func TestNaughtyUserIsText(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		s := rostertest.Start(t, dsn, rostertest.Options{})
		account := s.Account(owner)
		setPassword(t, s, account, owner)
		c := signedIn(t, s, owner)
		for i, name := range []string{
			`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `{{.Session}}`, "\u202egnitfarD\u202c", "👩‍👩‍👧‍👦 семья 家族", strings.Repeat("W", 200),
		} {
			email := fmt.Sprintf("n%d@example.com", i)
			page := c.get("/console/users/" + richUser(t, s, account, email, name))
			if page.status != http.StatusOK || strings.Contains(page.body, "<script>alert") || strings.Contains(page.body, "<img") {
				t.Errorf("%q: %d, or it is markup", name, page.status)
			}
			text := page.texts()
			for _, what := range []string{
				" 1", " lastName", " companyName", " dept", " companyContactPhone", " worknumber", " street", " suiteNo", " city", " zip", " state", " country",
				" team", " description", " department", " admin", " bot role", " helper", " desk", " dialog",
			} {
				if !strings.Contains(text, name+what) {
					t.Errorf("%q is not shown:\n%s", name+what, text)
				}
			}
		}
		long := roster.ImportRow{Line: 1, Email: strings.Repeat("l", 64) + "@example.com"}
		for _, field := range long.Profile.Fields() {
			*field.Text = field.Name + strings.Repeat("<b>", (directory.MaxProfileText-len(field.Name))/3)
		}
		if out, err := s.Roster.ImportUsers(context.Background(), auth.Operator(), account, []roster.ImportRow{long}, roster.ImportOptions{}); err != nil || len(out.Bad) > 0 {
			t.Fatalf("import: %v %v", err, out.Bad)
		}
		page := c.get("/console/users/" + userID(t, s, account, long.Email))
		for _, field := range long.Profile.Fields() {
			if !strings.Contains(page.texts(), *field.Text) || strings.Contains(page.body, "<b>") {
				t.Errorf("%s of %d characters is not shown as it is", field.Name, directory.MaxProfileText)
			}
		}
		agent := newClient(t, s)
		agent.header = map[string]string{"User-Agent": `<script>alert(1)</script> "\` + strings.Repeat("A", 300)}
		agent.signIn(owner)
		if got := c.get("/console/users/" + userID(t, s, account, owner)); !strings.Contains(got.section("sessions"), `<script>alert(1)</script> "\AAA`) || strings.Contains(got.body, "<script>alert") {
			t.Errorf("the browser's name:\n%s", got.section("sessions"))
		}
		s.VerifyAudit()
	})
}

// Who is out has a page too, as long as they can be told: with the removal that took
// them out, and their history.
func TestRemovedUserPage(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.Import(w.account, rostertest.Person{Email: "Gone@example.com", OrgUserID: "E7", FirstName: "Gwen", LastName: "O<b>"}, rostertest.Person{Email: "bare@example.com"})
		path, bare := "/console/users/"+userID(t, w.Server, w.account, "gone@example.com"), "/console/users/"+userID(t, w.Server, w.account, "bare@example.com")
		c := signedIn(t, w.Server, owner)
		app := w.App(w.account)
		first := w.Remove(app, `{"deleteEmailIds":["gone@example.com"]}`).Header.Get("X-Removal-Id")
		c.post("/console/removals/"+first+"/restore", url.Values{"user": {"gone@example.com"}})
		if page := c.get(path).texts(); !strings.Contains(page, "Profile") || strings.Contains(page, "They are out") {
			t.Errorf("the page of who is back:\n%s", page)
		}
		w.Bot(w.account, "Desk <1>", "gone@example.com")
		if _, err := w.Roster.TransferBots(context.Background(), auth.Operator(), w.account, []directory.UserRef{{Text: "gone@example.com"}}, owner, ""); err != nil {
			t.Fatal(err)
		}
		second := w.Remove(app, `{"deleteEmailIds":["gone@example.com","bare@example.com"]}`).Header.Get("X-Removal-Id")
		removal := "/console/removals/" + second
		if people := c.get(removal); !strings.Contains(people.body, `href="`+path+`"`) || !strings.Contains(people.body, `href="`+bare+`"`) {
			t.Errorf("the removal's people lead nowhere:\n%s", people.body)
		}
		page := c.get(path)
		for section, want := range map[string][]string{
			"removed": {"Gone@example.com", "E7", "App cs-"},
			"history": {"removed user gone@example.com", "restored user gone@example.com", "created user gone@example.com", `passed bot "Desk <1>" on from user gone@example.com`},
		} {
			for _, text := range want {
				if got := page.section(section); !strings.Contains(got, text) {
					t.Errorf("%s does not show %q:\n%s", section, text, got)
				}
			}
		}
		text := page.texts()
		if !strings.Contains(text, "Gwen O<b>") || !strings.Contains(text, "they can be brought back") || strings.Contains(page.body, "<form method=\"post\" action=\"/console/users") ||
			!strings.Contains(page.section("removed"), "of\n") || !strings.Contains(page.body, `href="`+removal+`"`) || strings.Count(page.section("history"), "removed user") != 2 {
			t.Errorf("the page of who is out:\n%s", text)
		}
		if got := signedIn(t, w.Server, helper).get(path); got.status != http.StatusOK || !strings.Contains(got.section("history"), "your roles do not let you see") {
			t.Errorf("without the audit log: %d\n%s", got.status, got.texts())
		}
		restore := `<form method="post" action="` + removal + `/restore">`
		if look := signedIn(t, w.Server, viewer).get(path); !strings.Contains(page.body, restore) || strings.Contains(look.body, restore) {
			t.Error("who may restore them is not who is offered to")
		}
		c.post(removal+"/restore", url.Values{"user": {"Gone@example.com"}})
		if back := c.get(path).texts(); !strings.Contains(back, "Profile") {
			t.Errorf("they were not restored by their page:\n%s", back)
		}
		w.Remove(app, `{"orgUserIds":["E7"]}`)
		// Made again, they are a user like others, with the history of before.
		w.Users(w.account, "gone@example.com")
		if again := c.get(path); !strings.Contains(again.texts(), "Profile") || strings.Count(again.section("history"), "removed user") != 3 {
			t.Errorf("the page of who was made again:\n%s", again.texts())
		}
	})
}

// Nobody, somebody who was erased and another account's member are all the same page.
func TestUsersWhoAreNotHere(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.Users(w.account, "gone@example.com")
		gone := userID(t, w.Server, w.account, "gone@example.com")
		if got := w.Remove(w.App(w.account), `{"deleteEmailIds":["gone@example.com"]}`); got.Status != http.StatusOK {
			t.Fatalf("remove: %d", got.Status)
		}
		w.Users(w.account, "erased@example.com")
		erased := userID(t, w.Server, w.account, "erased@example.com")
		removed := w.Remove(w.App(w.account), `{"deleteEmailIds":["erased@example.com"]}`)
		if _, err := w.Roster.PurgeRemoval(context.Background(), auth.Operator(), w.account, removed.Header.Get("X-Removal-Id")); err != nil {
			t.Fatal(err)
		}
		c := signedIn(t, w.Server, owner)
		want := c.get("/console/users/u-nobody")
		if want.status != http.StatusNotFound || !strings.Contains(want.body, "Page not found") {
			t.Fatalf("nobody: %d", want.status)
		}
		for _, id := range []string{erased, userID(t, w.Server, w.other, stranger), plain, "%00", "%ff", "..", "U-X", strings.Repeat("u", 10_000), strings.ToUpper(w.user)} {
			for _, path := range []string{"", "/status", "/sessions/end"} {
				got := c.get("/console/users/" + id)
				if path != "" {
					got = c.post("/console/users/"+id+path, url.Values{"change": {"activate"}})
				}
				notText := strings.HasPrefix(id, "%") // no route matches
				if got.status != http.StatusNotFound || (got.body != want.body && !notText) {
					t.Errorf("%.40s%s: %d\n%s", id, path, got.status, got.texts())
				}
			}
		}
		for _, path := range []string{"/status", "/sessions/end"} {
			if got := c.post("/console/users/"+gone+path, url.Values{"change": {"activate"}}); got.status != http.StatusNotFound {
				t.Errorf("%s of somebody who is out: %d", path, got.status)
			}
		}
		for _, query := range []string{"?before=x", "?before=" + strings.Repeat("g", 24)} {
			if got := c.get("/console/users/" + w.user + query); got.status != http.StatusNotFound {
				t.Errorf("%s: %d", query, got.status)
			}
		}
	})
}

// Statuses are changed by buttons, as their rules allow, and hold at the next click.
func TestStatusOfAUser(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		c, victim := signedIn(t, w.Server, helper), signedIn(t, w.Server, viewer)
		path := "/console/users/" + userID(t, w.Server, w.account, viewer)
		change := func(path, change string) answer {
			return c.post(path+"/status", url.Values{"change": {change}})
		}
		buttons := func() string { return buttonsOf(c.get(path)) }
		for _, step := range []struct{ change, flash, buttons string }{
			{"activate", "Nothing was changed", `name="change" value="suspend"`},
			{"suspend", "The user is suspended", `name="change" value="activate"`},
			{"suspend", "Nothing was changed", `name="change" value="activate"`},
			{"activate", "The user is active", `name="change" value="suspend"`},
		} {
			if got := change(path, step.change); got.status != http.StatusSeeOther || got.location != path {
				t.Errorf("%s: %d to %q", step.change, got.status, got.location)
			}
			if text := c.get(path).texts(); !strings.Contains(text, step.flash) {
				t.Errorf("%s: no %q:\n%s", step.change, step.flash, text)
			}
			if got := buttons(); got != step.buttons {
				t.Errorf("after %s the page offers %s", step.change, got)
			}
			if got := victim.get("/console/users"); (got.status == http.StatusOK) == (step.buttons == `name="change" value="activate"`) {
				t.Errorf("after %s their own click: %d", step.change, got.status)
			}
		}
		storetest.Exec(t, dsn, "UPDATE member_profiles SET status = 'locked' WHERE email = $1", viewer)
		if got := buttons(); got != `name="change" value="unlock"` {
			t.Errorf("of who is locked the page offers %s", got)
		}
		if got := change(path, "activate"); got.status != http.StatusConflict {
			t.Errorf("activate who is locked: %d", got.status)
		}
		change(path, "unlock")
		if text := c.get(path).texts(); !strings.Contains(text, "unlocked") {
			t.Errorf("after unlock:\n%s", text)
		}
		for _, bad := range []string{"", "delete", "Suspend"} {
			if got := change(path, bad); got.status != http.StatusBadRequest {
				t.Errorf("change %q: %d", bad, got.status)
			}
		}
		if got := change("/console/users/"+userID(t, w.Server, w.account, owner), "suspend"); got.status != http.StatusConflict || !strings.Contains(got.texts(), "owner of the account cannot be suspended") {
			t.Errorf("suspend the owner: %d", got.status)
		}
		if got := buttonsOf(c.get("/console/users/" + userID(t, w.Server, w.account, helper))); strings.Contains(got, "suspend") {
			t.Errorf("they are offered to suspend themself: %s", got)
		}
		if got := change("/console/users/"+userID(t, w.Server, w.account, helper), "suspend"); got.status != http.StatusConflict || !strings.Contains(got.texts(), "nobody can suspend themselves") {
			t.Errorf("suspend themself: %d", got.status)
		}
		w.VerifyAudit()
	})
}

// All sessions of a user in the account end by one click, and none elsewhere.
func TestEndSessionsOfAUser(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.Users(w.other, viewer)
		role(t, w.Server, w.other, "Keeper", viewer, directory.Permissions{"appManagement": directory.PermitYes})
		setPassword(t, w.Server, w.other, viewer)
		in := func(account string) *client {
			c := signedIn(t, w.Server, viewer)
			c.post("/console/accounts", url.Values{"account": {account}})
			return c
		}
		here, too, elsewhere := in(w.account), in(w.account), in(w.other)
		c := signedIn(t, w.Server, helper)
		path := "/console/users/" + userID(t, w.Server, w.account, viewer)
		if n := strings.Count(c.get(path).section("sessions"), "Go-http-client"); n != 3 { // the third can enter the account
			t.Errorf("the page shows %d sessions, want 3", n)
		}
		if got := here.post(path+"/sessions/end", nil); got.status != http.StatusForbidden {
			t.Errorf("who may only look ends sessions: %d", got.status)
		}
		for _, flash := range []string{"are ended", "no session"} {
			if got := c.post(path+"/sessions/end", nil); got.location != path {
				t.Fatalf("end: %d", got.status)
			}
			if text := c.get(path).texts(); !strings.Contains(text, flash) || !strings.Contains(text, "Not signed in") {
				t.Errorf("no %q:\n%s", flash, text)
			}
		}
		for _, ended := range []*client{here, too} {
			if got := ended.get("/console"); got.location != "/console/accounts" {
				t.Errorf("a session that was ended: %d to %q", got.status, got.location)
			}
		}
		if got := elsewhere.post("/console/accounts", url.Values{"account": {w.account}}); got.status != http.StatusForbidden {
			t.Errorf("entering the account after its end: %d to %q", got.status, got.location)
		}
		if got := elsewhere.get("/console"); got.status != http.StatusOK {
			t.Errorf("the session in the other account: %d", got.status)
		}
		history := signedIn(t, w.Server, owner).get(path).section("history")
		if n := strings.Count(history, "User "+helper+" ended a session of user "+viewer); n != 3 {
			t.Errorf("the audit log tells of %d ended sessions, want 3:\n%s", n, history)
		}
		w.VerifyAudit()
	})
}

// The history has each record once, the newest first, with what it changed; and is
// for who may see the audit log.
func TestHistoryOfAUser(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		const changes = 120
		for i := range changes {
			item := directory.UserItem{Email: plain, Profile: directory.Profile{City: fmt.Sprintf("<b>City %d", i)}}
			for place, field := range item.Profile.Fields() {
				if *field.Text != "" {
					item.Given = item.Given.With(place)
				}
			}
			failed, err := w.Roster.UpdateUsers(context.Background(), auth.Operator(), w.account, []directory.UserItem{item}, roster.UserOptions{})
			if err != nil || len(failed) > 0 {
				t.Fatalf("update: %v %v", err, failed)
			}
		}
		c := signedIn(t, w.Server, owner)
		var found []string
		pages := 0
		for path := "/console/users/" + w.user; path != ""; pages++ {
			page := c.get(path)
			found = append(found, regexp.MustCompile(`(?:<b>City \d+|empty)\n→\nbecame\n<b>City \d+`).FindAllString(page.section("history"), -1)...)
			_, after, _ := strings.Cut(page.body, `rel="next" href="`)
			path, _, _ = strings.Cut(html.UnescapeString(after), `"`)
			if pages > 0 && !strings.Contains(page.body, ">Newest<") {
				t.Error("no way back to the newest")
			}
		}
		if pages < 3 || len(found) != changes {
			t.Fatalf("%d pages with %d changes: %q", pages, len(found), found)
		}
		for i, text := range found {
			if !strings.HasSuffix(text, fmt.Sprintf("City %d", changes-1-i)) {
				t.Errorf("change %d is %q", i, text)
			}
		}
		if got := signedIn(t, w.Server, helper).get("/console/users/" + w.user); got.status != http.StatusOK || strings.Contains(got.section("history"), "City") || !strings.Contains(got.section("history"), "audit log") {
			t.Errorf("the history for who may not see the audit log: %d\n%s", got.status, got.section("history"))
		}
	})
}

// From the table to a user's page, a button there, and the preview of a removal.
func TestUserInTheBrowser(t *testing.T) {
	t.Parallel()
	s := rostertest.Start(t, storetest.New(t, "sqlite"), rostertest.Options{})
	account := s.Account(owner)
	s.Users(account, plain)
	b := open(t, s)
	b.firstRun(s, account, owner)
	b.click(`.side a[href="/console/users"]`)
	b.click(`tbody a[href$="` + userID(t, s, account, plain) + `"]`)
	b.wantText("h1", plain)
	b.click(`form:has([value="suspend"]) button`)
	b.wantText(".flash", "The user is suspended")
	b.wantText(".history", "not active")
	b.click(".head .warning")
	b.wantText("#going", "1")
	b.visit("/console/users/" + userID(t, s, account, owner))
	b.click(`form[action$="/sessions/end"] button`)
	b.wantText("h1", "Sign in")
	s.VerifyAudit()
}
