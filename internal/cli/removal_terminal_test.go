package cli_test

import (
	"regexp"
	"strings"
	"testing"

	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// removalCase is an account whose people were removed by these calls.
func removalCase(t *testing.T, bodies ...string) (env sessionOptions, client string, ids []string) {
	t.Helper()
	return removalCaseOn(t, storetest.New(t, "sqlite"), bodies...)
}

func removalCaseOn(t *testing.T, dsn string, bodies ...string) (env sessionOptions, client string, ids []string) {
	t.Helper()
	s := rostertest.Start(t, dsn, rostertest.Options{})
	account := s.Account("owner@example.com")
	s.Import(account, rostertest.Person{Email: "Ann@example.com", OrgUserID: "E1"}, rostertest.Person{Email: "bo@example.com"},
		rostertest.Person{Email: "cy@example.com", OrgUserID: "E3"})
	s.Bot(account, "Help desk", "cy@example.com")
	app := s.App(account)
	for _, body := range bodies {
		got := s.Do(rostertest.Request{
			Body: body, Token: app.Token(map[string]any{"sub": "evil \x1b[31m"}), Header: map[string]string{"X-Request-Id": "offboarding-7"},
		})
		if got.Status != 200 {
			t.Fatalf("%s answered %d %s", body, got.Status, got.Body)
		}
		ids = append(ids, got.Header.Get("X-Removal-Id"))
	}
	return normal("ROSTER_DATABASE="+dsn, "ROSTER_ACCOUNT="+account), app.ClientID, ids
}

// shows checks what a terminal shows, line by line; TIME stands for any time.
func (s *session) shows(want ...string) {
	s.t.Helper()
	pattern := strings.ReplaceAll(regexp.QuoteMeta(strings.Join(want, "\r\n")), "TIME", `20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
	if !regexp.MustCompile("^" + pattern + "$").MatchString(s.String()) {
		s.t.Errorf("the terminal shows\n%s\nnot\n%s", s, strings.Join(want, "\n"))
	}
}

// Removals are tables and fields for people, and nothing in them can act on the
// terminal.
func TestRemovalsOnTerminal(t *testing.T) {
	t.Parallel()
	env, client, ids := removalCase(t,
		`{"deleteEmailIds":["ann@example.com","東京@example.com","\u001b]0;title\u0007",7],"orgUserIds":["E3"]}`, `{"deleteEmailIds":["bo@example.com"]}`)
	s := startSession(t, env, "removal", "list")
	s.end(0)
	s.shows(
		"REMOVAL                                  CREATED               STATE      NAMED  REMOVED  RESTORED  LEFT",
		ids[1]+"  TIME  completed  1      1        0         1",
		ids[0]+"  TIME  completed  5      1        0         1",
		"",
	)
	s = startSession(t, env, "removal", "list", "--limit", "1", "--offset", "1")
	s.end(0)
	s.wait(t, ids[0]+` .*\r\n1 of 2 removals; --offset turns the page.\r\n$`)
	s = startSession(t, env, "removal", "list", "--offset", "1")
	s.end(0)
	s.shows("None of the account's 2 removals is on this page.", "")

	asked := []string{
		"Removal      " + ids[0],
		"Asked by     app " + client + `, which calls itself "evil [31m"`,
		"State        completed",
		"Created      TIME",
		"Request      offboarding-7",
		"Named        5",
		"Removed      1",
		"Refused      4",
		"Restored     0",
	}
	refused := []string{
		"",
		"NOT REMOVED          REASON",
		"東京@example.com     was not a member",
		"\ufffd]0;title\ufffd           cannot be an id",
		"7                    cannot be an id",
		"E3 (cy@example.com)  owned a bot",
		"",
	}
	s = startSession(t, env, "removal", "show", ids[0])
	s.end(0)
	s.shows(append(append(asked, "Restorable   1, until TIME"), refused...)...)

	// A person must type the number of users before a restore window is shortened.
	const asks = "This shortens the restore window of 2 removals with 2 users. The next purge erases 2 of them for good. Type 2 to go on: "
	s = startSession(t, env, "removal", "shorten", "--window", "0")
	s.wait(t, regexp.QuoteMeta(asks))
	s.send("1\n")
	s.end(1)
	s.wait(t, "no restore window was shortened")
	s = startSession(t, env, "removal", "shorten", "--window", "0")
	s.wait(t, regexp.QuoteMeta(asks))
	s.send("2\n")
	s.end(0)
	s.wait(t, `The restore window of 2 removals with 2 users was shortened\.`)
	s = startSession(t, env, "removal", "shorten", "--window", "1h", "--yes")
	s.end(0)
	s.shows("The restore window of 0 removals with 0 users was shortened.", "")

	s = startSession(t, env, "removal", "show", ids[0])
	s.end(0)
	s.shows(append(append(asked, "Restorable   1, until the next pass of the server: the time ended on TIME"), refused...)...)

	s = startSession(t, env, "removal", "purge", "--yes", ids[0])
	s.end(0)
	s.shows("1 membership erased.", "")
	s = startSession(t, env, "removal", "show", ids[0])
	s.end(0)
	s.wait(t, `Asked by +app `+client+`\r\n(.*\r\n)+Refused +4\r\nRestored +0\r\nRestorable +none: erased on 20.*Z\r\n\r\nThe ids of the refused are erased.\r\n$`)
}

// More refused than a terminal should have to show, and than are kept.
func TestManyRefusedOnTerminal(t *testing.T) {
	t.Parallel()
	var body strings.Builder
	for i := range 1010 {
		body.WriteString(`,"` + strings.Repeat("x", i+1) + `"`)
	}
	env, _, ids := removalCase(t, `{"deleteEmailIds":[`+body.String()[1:]+`]}`)
	s := startSession(t, env, "removal", "show", ids[0])
	s.end(0)
	s.wait(t, `Restorable +none\r\n(.*\r\n)+x{20} +cannot be an id\r\n\.\.\. and 980 more \(--json lists all\)\r\n\.\.\. and 10 more whose ids were not kept\r\n$`)
}

// A person must type the number of memberships; a script is not asked.
func TestPurgeAsks(t *testing.T) {
	t.Parallel()
	const asks = "This erases 2 memberships for good. Type 2 to go on: "
	for _, c := range []struct {
		name, typed string
		args        []string
		code        int
		shows       string
	}{
		{"the right number", "2\n", nil, 0, asks + "2\r\n2 memberships erased.\r\n"},
		{"another number", "1\n", nil, 1, asks + "1\r\nroster: nothing was erased\r\n"},
		{"nothing", "\n", nil, 1, "nothing was erased"},
		{"Ctrl-C", "\x03", nil, 1, "nothing was erased"},
		{"with --yes", "", []string{"--yes"}, 0, "2 memberships erased.\r\n"},
		{"what is due", "", []string{"--expired"}, 2, "not both"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			env, _, ids := removalCase(t, `{"deleteEmailIds":["ann@example.com","bo@example.com"]}`, `{"deleteEmailIds":["nobody@example.com"]}`)
			s := startSession(t, env, append([]string{"removal", "purge", ids[0], ids[1], ids[0]}, c.args...)...)
			if c.typed != "" {
				s.wait(t, regexp.QuoteMeta(asks))
				s.send(c.typed)
			}
			s.end(c.code)
			if !strings.Contains(s.String(), c.shows) || (c.typed == "") == strings.Contains(s.String(), "to go on") {
				t.Errorf("the terminal shows %q", s)
			}
			left := startSession(t, env, "removal", "list")
			left.end(0)
			left.wait(t, ids[0]+` .* `+map[int]string{0: "0", 1: "2", 2: "2"}[c.code]+`\r\n$`)
		})
	}
}

// A job shows how far it has come, and can be cancelled.
func TestJobOnTerminal(t *testing.T) {
	t.Parallel()
	dsn := storetest.New(t, "sqlite")
	env, client, ids := removalCaseOn(t, dsn, `{"deleteEmailIds":["ann@example.com","no@example.com"]}`)
	storetest.Exec(t, dsn, `INSERT INTO removal_jobs (account_id, id, state, batch_id, mixed, next_seq, spooled, created_at, turn_at)
SELECT account_id, id, 'running', 0, 0, 0, 0, 0, 0 FROM removals`) // nobody works on it
	storetest.Exec(t, dsn, "UPDATE removals SET requested = 7")
	s := startSession(t, env, "removal", "list")
	s.end(0)
	s.wait(t, ids[0]+`  20\S+Z  running 28%  7      1        0         1\r\n$`)
	s = startSession(t, env, "removal", "show", ids[0])
	s.end(0)
	s.shows(
		"Removal      "+ids[0],
		"Asked by     app "+client,
		"State        running 28%",
		"Created      TIME",
		"Named        7",
		"Removed      1",
		"Refused      1",
		"Restored     0",
		"Restorable   none before it is over",
		"",
	)
	s = startSession(t, env, "removal", "cancel", ids[0])
	s.end(0)
	s.shows("Cancelled. Of 7 named, 2 were dealt with, and 1 user removed.", "")
	s = startSession(t, env, "removal", "show", ids[0])
	s.end(0)
	s.wait(t, `State        cancelled 28%\r\nCreated .*\r\nFinished     20\S+Z\r\n(.*\r\n)+Restorable   1, until 20`)
}

// A restoration in the background shows how far it has come, and can be cancelled.
func TestRestorationOnTerminal(t *testing.T) {
	t.Parallel()
	dsn := storetest.New(t, "sqlite")
	server := rostertest.Start(t, dsn, rostertest.Options{})
	account := server.Account("owner@example.com")
	server.Users(account, "ann@example.com")
	removed := server.Remove(server.App(account), `{"deleteEmailIds":["ann@example.com"]}`)
	ids := []string{removed.Header.Get("X-Removal-Id")}
	if err := server.Stop(); err != nil { // so that nobody works on it
		t.Fatal(err)
	}
	env := normal("ROSTER_DATABASE="+dsn, "ROSTER_ACCOUNT="+account)
	storetest.Exec(t, dsn, `INSERT INTO restore_jobs (account_id, removal_id, state, actor_kind, actor_id, request_id, total, done, restored, lost, next_seq, created_at, turn_at)
SELECT account_id, id, 'running', 'operator', 0, '', 4000, 1000, 998, '[]', 40, 0, 0 FROM removals`)
	s := startSession(t, env, "removal", "show", ids[0])
	s.end(0)
	s.wait(t, `Restoration +running 25%, 998 of 4000 users restored\r\nRestorable +being restored\r\n`)
	s = startSession(t, env, "removal", "purge", "--yes", ids[0])
	s.end(1)
	s.wait(t, `the removal is being restored: wait, or cancel that`)
	for range 2 {
		s = startSession(t, env, "removal", "cancel", ids[0])
		s.end(0)
		s.shows("The restoration is cancelled. 998 of 4000 users were restored.", "")
	}
	s = startSession(t, env, "removal", "show", "--json", ids[0])
	s.end(0)
	s.wait(t, `"restoration":\{"state":"cancelled","total":4000,"done":1000,"restored":998\}`)
}
