package console_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/rostertest"
)

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

// removedUser makes a user and removes them.
func removedUser(t *testing.T, s *rostertest.Server, account string) (id string) {
	t.Helper()
	s.Import(account, rostertest.Person{Email: "maya.fischer@example.com", OrgUserID: "E10077", FirstName: "Maya", LastName: "Fischer"})
	id = userID(t, s, account, "maya.fischer@example.com")
	if got := s.Remove(s.App(account), `{"orgUserIds":["E10077"]}`); got.Status != http.StatusOK {
		t.Fatalf("remove: %d %s", got.Status, got.Body)
	}
	return id
}
