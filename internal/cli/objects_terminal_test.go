package cli_test

import (
	"regexp"
	"strings"
	"testing"

	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// objectCase is an account with a group, a custom role and a bot, whose names hold
// what a terminal would act on where a name may.
func objectCase(t *testing.T) sessionOptions {
	t.Helper()
	dsn := storetest.New(t, "sqlite")
	s := rostertest.Start(t, dsn, rostertest.Options{})
	account := s.Account("owner@example.com")
	s.Users(account, "Ann@example.com", "bo@example.com")
	s.Bot(account, "Help\u202edesk", "bo@example.com")
	env := normal("ROSTER_DATABASE="+dsn, "ROSTER_ACCOUNT="+account)
	for _, args := range [][]string{
		{"group", "create", "--name", "東京", "ann@example.com"},
		{"role", "create", "--kind", "bot", "--name", "Analyst", "--permission", "analytics=VIEW"},
		{"role", "assign", "Analyst", "--bot", "Help\u202edesk", "--group", "東京"},
	} {
		startSession(t, env, args...).end(0)
	}
	return env
}

var anID = regexp.MustCompile(`(u|e|st)-[0-9a-f-]{36}|[0-9a-f]{24}`)

// Objects are tables and fields for people, and nothing in them can act on the
// terminal.
func TestObjectsOnTerminal(t *testing.T) {
	t.Parallel()
	env := objectCase(t)
	for _, c := range []struct {
		args  string
		shows []string
	}{
		{"account list", []string{`ID +owner@example.com +Account of owner@example.com +TIME`}},
		{"account show", []string{`Account +ID`, `Owner +owner@example.com`, `Rate limit +server`, `Users +3`, `Groups +1`, `Roles +5`, `Bots +1`, `Apps +0`}},
		{"group list", []string{`GROUP +USERS +GROUPS +NAME +CREATED`, `ID +1 +0 +東京 +TIME`}},
		{"group list --offset 1", []string{`None of the account's 1 group is on this page.`}},
		{"group show 東京 --users", []string{`Name +東京`, `Description +none`, `Roles +Analyst in Help�desk`, `ADDRESS +STATUS +NAME +USER ID`, `Ann@example.com +not active +ID`}},
		{"role list --limit 1", []string{`ROLE +KIND +BUILT IN +NAME +CREATED`, `ID +admin +yes +admin +TIME`, `1 of 5 roles; --offset turns the page.`}},
		{"role show Analyst", []string{`Kind +bot`, `Built in +no`, `Users +0`, `Groups +1`, `  東京`, `PERMISSION +VALUE`, `analytics +VIEW`}},
		{"bot list", []string{`BOT +OWNER +NAME +CREATED`, `ID +bo@example.com +Help�desk +TIME`}},
		{"group add 東京 ann@example.com bo@example.com", []string{`1 of 2 users added.`}},
		{"role unassign Analyst --bot Help\u202edesk --group 東京", []string{`The role Analyst is unassigned: 0 users, 1 group.`}},
	} {
		s := startSession(t, env, strings.Split(c.args, " ")...)
		s.end(0)
		screen := anID.ReplaceAllString(s.String(), "ID")
		for _, line := range c.shows {
			line = strings.ReplaceAll(line, "TIME", `20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
			if !regexp.MustCompile("(?m)^" + line + " *\r?$").MatchString(screen) {
				t.Errorf("%s: the terminal does not show %s, but\n%s", c.args, line, screen)
			}
		}
		if strings.ContainsAny(screen, "\u202e\x1b") {
			t.Errorf("%s: the terminal was sent %q", c.args, screen)
		}
	}
}

// A person is asked before something goes for good; a script is not.
func TestDeletionsAsk(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args, asks, typed string
		code              int
		shows             string
	}{
		{"group delete 東京", "This deletes the group 東京 (ID) for good. Type delete to go on: ", "delete\n", 0, "The group 東京 is deleted."},
		{"group delete 東京", "Type delete to go on: ", "yes\n", 1, "roster: nothing was deleted"},
		{"group delete 東京 --yes", "", "", 0, "The group 東京 is deleted."},
		{"role delete Analyst", "This deletes the role Analyst (ID) for good. Type delete to go on: ", "\x03", 1, "roster: nothing was deleted"},
		{"bot delete Help\u202edesk", "This deletes the bot Help�desk (ID) for good. Type delete to go on: ", "delete\n", 0, "The bot Help�desk is deleted."},
		{
			"account transfer --owner bo@example.com", "This gives the account Account of owner@example.com from owner@example.com to bo@example.com. Type transfer to go on: ",
			"transfer\n", 0, "The account Account of owner@example.com belongs to bo@example.com.",
		},
		{"account transfer --owner bo@example.com", "Type transfer to go on: ", "\n", 1, "roster: nothing was changed"},
	} {
		t.Run(c.args+c.typed, func(t *testing.T) {
			t.Parallel()
			env := objectCase(t)
			s := startSession(t, env, strings.Split(c.args, " ")...)
			if c.typed != "" {
				s.wait(t, "to go on: ")
				s.send(c.typed)
			}
			s.end(c.code)
			screen := anID.ReplaceAllString(s.String(), "ID")
			if !strings.Contains(screen, c.asks) || !strings.Contains(screen, c.shows) || (c.typed == "") == strings.Contains(screen, "to go on") {
				t.Errorf("the terminal shows %q", screen)
			}
		})
	}
}
