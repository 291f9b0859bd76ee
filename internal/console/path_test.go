package console_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/rostertest"
	"roster/internal/server"
	"roster/internal/storetest"
)

const goodPassword = "correct horse battery"

// link makes a link that sets a member's password.
func link(t *testing.T, s *rostertest.Server, account, email string) string {
	t.Helper()
	made, err := s.Roster.CreatePasswordLink(context.Background(), auth.Operator(), account, email)
	if err != nil {
		t.Fatal(err)
	}
	return server.LinkPath(made.Token)
}

// setPassword sets a member's password without a browser.
func setPassword(t *testing.T, s *rostertest.Server, account, email string) {
	t.Helper()
	path := link(t, s, account, email)
	if err := s.Roster.SetPassword(context.Background(), path[strings.LastIndex(path, "/")+1:], goodPassword); err != nil {
		t.Fatal(err)
	}
}

// firstRun goes from the link to the overview.
func (b *tab) firstRun(s *rostertest.Server, account, email string) {
	b.Helper()
	b.visit(link(b.T, s, account, email))
	b.fill("password", goodPassword)
	b.fill("again", goodPassword)
	b.click("main button")
	b.wantText(".flash", "Your password is set")
	b.signIn(email)
}

func (b *tab) signIn(email string) {
	b.Helper()
	b.fill("email", email)
	b.fill("password", goodPassword)
	b.click("main button")
}

var screenshots = flag.String("screenshots", "", "directory to write the screenshots of the documents to")

// pictured are the pages that the documents show.
var pictured = []string{"signin-dark", "overview", "app", "new-app-phone-dark", "users", "user", "remove-preview", "removal"}

// Every page is checked in light and dark, wide and on a phone; see checks.js. With
// -screenshots the pages are written to files, too.
func TestPagesAtAllWidths(t *testing.T) {
	t.Parallel()
	s := rostertest.Start(t, storetest.New(t, "sqlite"), rostertest.Options{})
	account := s.Account("olga.owner@example.com")
	s.Import(account,
		rostertest.Person{Email: "ann@example.com", OrgUserID: "E10031", FirstName: "Ann", LastName: "Lindqvist"},
		rostertest.Person{Email: "bo@example.com"},
		rostertest.Person{Email: "chris@example.com", OrgUserID: "E10207", FirstName: "Christopher Maximilian", LastName: "von Hohenstein-Wagner"},
		rostertest.Person{Email: "dana.desk@example.com", FirstName: "Dana"},
		rostertest.Person{Email: "eli@example.com", OrgUserID: "E10388", FirstName: "Eli", LastName: "Okafor"})
	s.Bot(account, "Order desk", "dana.desk@example.com")
	s.Bot(account, "Travel and expenses of all regions, with approvals", "dana.desk@example.com")
	s.Bot(account, "Onboarding", "eli@example.com")
	b := open(t, s)
	ids := sampleApps(t, s, account)
	sizes := []struct {
		name   string
		width  int64
		height int64
		dark   bool
	}{{"", 1280, 800, false}, {"-dark", 1280, 800, true}, {"-phone", 390, 844, false}, {"-phone-dark", 390, 844, true}}
	shoot := func(page, path string) {
		for _, size := range sizes {
			b.look(size.width, size.height, size.dark)
			b.visit(path)
			if name := page + size.name; *screenshots != "" && slices.Contains(pictured, name) {
				b.picture(filepath.Join(*screenshots, "console-"+name+".png"))
			}
		}
	}
	if *screenshots != "" {
		b.must(os.MkdirAll(*screenshots, 0o755))
	}
	shoot("link", link(t, s, account, "olga.owner@example.com"))
	shoot("signin", "/console/sign-in")
	b.firstRun(s, account, "olga.owner@example.com")
	shoot("overview", "/console")
	shoot("apps", "/console/apps")
	shoot("new-app", "/console/apps/new")
	shoot("app", "/console/apps/"+ids[0])
	shoot("edit-app", "/console/apps/"+ids[0]+"/edit")
	shoot("delete-app", "/console/apps/"+ids[0]+"/delete")
	shoot("add-secret", "/console/apps/"+ids[0]+"/secrets/new")
	removal := sampleRemoval(t, s, account)
	shoot("users", "/console/users")
	shoot("users-found", "/console/users?search=leaver.1")
	shoot("user", "/console/users/"+sampleUser(t, s, account))
	shoot("user-bare", "/console/users/"+userID(t, s, account, "bo@example.com"))
	shoot("user-owner", "/console/users/"+userID(t, s, account, "olga.owner@example.com"))
	shoot("user-long", "/console/users/"+richUser(t, s, account, strings.Repeat("long.", 12)+"@"+strings.Repeat("department.", 12)+"example.com", strings.Repeat("W", 240)))
	shoot("import", "/console/users/import")
	shoot("remove", "/console/users/remove")
	shoot("removals", "/console/removals")
	shoot("removal", "/console/removals/"+removal)
	shoot("undo", "/console/removals/"+removal+"/restore")
	for _, size := range sizes {
		b.look(size.width, size.height, size.dark)
		b.visit("/console/users/remove")
		b.fill("list", "ann@example.com\nbo@example.com\ndana.desk@example.com\neli@example.com\nolga.owner@example.com\nnobody-at-all-with-a-very-long-address-indeed@a-department-of-ours.example.com\n")
		b.click("main form button")
		b.wantText("h1", "Remove users?")
		if name := "remove-preview" + size.name; *screenshots != "" && slices.Contains(pictured, name) {
			b.picture(filepath.Join(*screenshots, "console-"+name+".png"))
		}
		b.fill("new-owner", "nobody@example.com")
		b.click(`button[value="chosen"]`)
		b.wantText("#problem", "Choose whose bots")
	}
	for _, size := range sizes {
		b.look(size.width, size.height, size.dark)
		b.visit("/console/users/import")
		b.fill("list", "emailId,firstName\nnew"+size.name+"@example.com,New\nann@example.com,Ann\nnobody-at-all-with-a-very-long-address-indeed.a-department-of-ours.example.com,\n")
		b.click("main form button")
		b.wantText("h1", "Import users?")
		b.click("main form button")
		b.wantText("h1", "1 user imported")
	}
	shoot("sessions", "/console/sessions")
	shoot("accounts", "/console/accounts")
	shoot("not-found", "/console/nothing")
	for _, size := range sizes {
		b.look(size.width, size.height, size.dark)
		b.visit("/console/apps/" + ids[0])
		b.click(`form[action$="/token"] button`)
	}
}

// sampleUser makes a user as there may be many, and does something to them.
func sampleUser(t *testing.T, s *rostertest.Server, account string) (id string) {
	t.Helper()
	ctx, operator := context.Background(), auth.Operator()
	const email = "priya.raman@example.com"
	row := roster.ImportRow{Line: 1, Email: email, OrgUserID: "E10482", Profile: directory.Profile{
		FirstName: "Priya", LastName: "Raman", CompanyName: "Example Ltd", Department: "Customer care", WorkNumber: "+44 20 7946 0018", City: "London", Country: "United Kingdom",
	}}
	out, err := s.Roster.ImportUsers(ctx, operator, account, []roster.ImportRow{row}, roster.ImportOptions{})
	if err != nil || len(out.Bad) > 0 {
		t.Fatalf("import: %v %v", err, out.Bad)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	group, err := s.Roster.MakeGroup(ctx, operator, account, roster.NewGroup{Name: "Service desk", Description: "First line, all regions"})
	must(err)
	_, err = s.Roster.AddToGroup(ctx, operator, account, group, []directory.UserRef{{Text: email}})
	must(err)
	role(t, s, account, "User helper", email, directory.Permissions{"userManagement": directory.PermitYes})
	bot := s.Bot(account, "Leave requests", email)
	tester, err := s.Roster.FindRole(ctx, operator, account, directory.BotRole, directory.RoleBotTester)
	must(err)
	item := directory.RoleAssignment{RoleID: tester.PublicID, BotID: bot, AddGroups: []string{"Service desk"}}
	_, err = s.Roster.AssignRoles(ctx, operator, account, directory.BotRole, []directory.RoleAssignment{item}, "")
	must(err)
	tasks := []directory.TaskRef{{BotID: bot, Dialogs: []string{"apply-for-leave", "cancel-leave"}}}
	_, err = s.Roster.UpdateUsers(ctx, operator, account, []directory.UserItem{{Email: email, Tasks: &tasks}}, roster.UserOptions{})
	must(err)
	setPassword(t, s, account, email)
	c := newClient(t, s)
	c.header = map[string]string{"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:152.0) Gecko/20100101 Firefox/152.0"}
	c.signIn(email)
	return userID(t, s, account, email)
}

// sampleRemoval makes removals that show what there is to show.
func sampleRemoval(t *testing.T, s *rostertest.Server, account string) (id string) {
	t.Helper()
	var people []string
	for i := range 30 {
		people = append(people, fmt.Sprintf("leaver.%02d@example.com", i))
	}
	s.Users(account, people...)
	s.Bot(account, "Help desk", people[0])
	app := s.App(account)
	for i := range 3 {
		body := `{"deleteEmailIds":["` + strings.Join(people[10*i:10*i+10], `","`) + `","olga.owner@example.com","<who>@example.com"]}`
		id = s.Remove(app, body).Header.Get("X-Removal-Id")
	}
	if _, err := s.Roster.RestoreUsers(context.Background(), auth.Operator(), account, id, []directory.UserRef{{Text: people[25]}}, roster.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	return id
}

// sampleApps makes apps that show what there is to show.
func sampleApps(t *testing.T, s *rostertest.Server, account string) (ids []string) {
	t.Helper()
	ctx := context.Background()
	for _, name := range []string{"Offboarding", "Role sync from HR", "Nightly audit export to the archive of the compliance department, all regions"} {
		app := roster.NewApp{Name: name, Scopes: scopesOf(len(ids))}
		app.Policy.MustExpire = true
		id, secret, err := s.Roster.CreateApp(ctx, auth.Operator(), account, app)
		if err != nil {
			t.Fatal(err)
		}
		if len(ids) == 0 { // one that has been refused
			s.Remove(rostertest.App{ClientID: id, Secret: secret}, `{}`)
			s.Remove(rostertest.App{ClientID: id, Secret: secret + "x"}, `{}`)
		}
		ids = append(ids, id)
	}
	if _, err := s.Roster.DisableApp(ctx, auth.Operator(), ids[1]); err != nil {
		t.Fatal(err)
	}
	if err := s.Roster.FlushNotes(ctx, true); err != nil {
		t.Fatal(err)
	}
	return ids
}

// scopesOf is some scopes, more or fewer.
func scopesOf(n int) []directory.Scope {
	all := directory.Scopes()
	if n == 2 {
		return all[3:]
	}
	return all[:n+1]
}
