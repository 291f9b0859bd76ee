package publicapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"roster/internal/publicapi"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// Paths of the assignments.
const (
	adminRolesPath = "/api/public/adminroles/assignments/"
	botRolesPath   = "/api/public/btroles/assignments/"
)

// What the items of an assignment are answered with.
func assigned(role string) string { return `{"status":"success","roleId":"` + role + `"}` }

func notAssigned(role, msg, code string) string {
	if code != "" {
		code = `,"reasonCode":"` + code + `"`
	}
	return failure(`"status":"failure","roleId":"`+role+`"`, msg, code)
}

const (
	badRole     = "Invalid roleId"
	badBot      = "Invalid botId"
	noSuchGroup = "Group not found. Please check the provided group name."
)

// given lists who of the account has a role, and which groups have it: addresses
// of live members and names of groups, each with the role and the bot.
func (w *world) given() []string {
	w.T.Helper()
	rows, err := storetest.SQL(w.T, w.DSN).Query(`SELECT m.email_key || ' ' || r.name || COALESCE(' ' || b.name, '') FROM live_member_roles x
JOIN accounts a ON a.id = x.account_id JOIN members m ON m.account_id = a.id AND m.id = x.member_id JOIN roles r ON r.account_id = a.id AND r.id = x.role_id
LEFT JOIN bots b ON b.account_id = a.id AND b.id = x.bot_id WHERE a.public_id = $1
UNION ALL SELECT g.name || ' ' || r.name || COALESCE(' ' || b.name, '') FROM group_roles x
JOIN accounts a ON a.id = x.account_id JOIN groups g ON g.account_id = a.id AND g.id = x.group_id JOIN roles r ON r.account_id = a.id AND r.id = x.role_id
LEFT JOIN bots b ON b.account_id = a.id AND b.id = x.bot_id WHERE a.public_id = $1`, w.account)
	if err != nil {
		w.T.Fatal(err)
	}
	defer rows.Close()
	given := []string{}
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			w.T.Fatal(err)
		}
		given = append(given, line)
	}
	if err := rows.Err(); err != nil {
		w.T.Fatal(err)
	}
	slices.Sort(given)
	return given
}

// assignment is a sentence about the assignment of roles: a list of items, their
// outcomes, and who has what afterwards.
type assignment struct {
	says string
	path string
	body string // $ADMIN, $TESTER, $OWNER, $DESK stand for ids
	want []string
	now  []string
}

// Contract 5.5: users by address or org id, groups by name, blanks ignored, an
// outcome for each item in order, and each item as a whole or not at all.
func TestRolesAreAssigned(t *testing.T) {
	t.Parallel()
	const admin, bot = adminRolesPath, botRolesPath
	ok := func(roles ...string) (out []string) {
		for _, r := range roles {
			out = append(out, assigned(r))
		}
		return out
	}
	eachCase(t, []assignment{
		{"to users by address", admin, `[{"roleId":"$ADMIN","addUsers":["ANN@example.com"," bob@example.com "]}]`, ok("$ADMIN"), []string{"ann@example.com admin", "bob@example.com admin"}},
		{"to users by org id", admin, `[{"roleId":"$ADMIN","addOrgUserIds":["E1"," E4 "]}]`, ok("$ADMIN"), []string{"ann@example.com admin", "dan@example.com admin"}},
		{"to users by both", admin, `[{"roleId":"$ADMIN","addUsers":["ann@example.com"],"addOrgUserIds":["E1","E2"]}]`, ok("$ADMIN"), []string{"ann@example.com admin", "bob@example.com admin"}},
		{"to groups by name", admin, `[{"roleId":"$ADMIN","addGroups":["Staff"," Sales & <Co> "]}]`, ok("$ADMIN"), []string{"Sales & <Co> admin", "Staff admin"}},
		{"in a bot", bot, `[{"roleId":"$TESTER","botId":"$DESK","addUsers":["ann@example.com"],"addGroups":["Staff"]}]`, ok("$TESTER"), []string{"Staff Bot Tester Desk", "ann@example.com Bot Tester Desk"}},
		{"the role Bot Owner, without the bot", bot, `[{"roleId":"$OWNER","botId":"$DESK","addUsers":["ann@example.com"]}]`, ok("$OWNER"), []string{"ann@example.com Bot Owner Desk"}},
		{"and taken away", bot, `[{"roleId":"$TESTER","botId":"$DESK","removeUsers":["cleo@example.com"],"removeOrgUserIds":["E2"],"removeGroups":["Sales & <Co>"]}]`, ok("$TESTER"), []string{}},
		{"blanks are ignored", admin, `[{"roleId":"$ADMIN","addUsers":[""," \t"],"removeUsers":[""],"addOrgUserIds":[" "],"addGroups":[""],"removeGroups":["  "]}]`, ok("$ADMIN"), nil},
		{"nobody is named", admin, `[{"roleId":"$ADMIN"},{"roleId":"$ADMIN","addUsers":[],"addGroups":null}]`, ok("$ADMIN", "$ADMIN"), nil},
		{"what is so already is no failure", bot, `[{"roleId":"$TESTER","botId":"$DESK","addUsers":["cleo@example.com"],"removeUsers":["ann@example.com"],"removeGroups":["Staff"]}]`, ok("$TESTER"), nil},
		{"added and removed in one is removed", admin, `[{"roleId":"$ADMIN","removeUsers":["ann@example.com"],"addUsers":["ann@example.com","bob@example.com"]}]`, ok("$ADMIN"), []string{"bob@example.com admin"}},
		{"items are done in order", admin, `[{"roleId":"$ADMIN","addUsers":["ann@example.com","bob@example.com"]},{"roleId":"$ADMIN","removeUsers":["bob@example.com"],"removeGroups":["Staff"]},{"roleId":"$ADMIN","addGroups":["Staff"]}]`, ok("$ADMIN", "$ADMIN", "$ADMIN"), []string{"Staff admin", "ann@example.com admin"}},
		{
			"a failed item does nothing, and the others are done", admin,
			`[{"roleId":"$ADMIN","addUsers":["ann@example.com","nobody@example.com"],"removeUsers":["x"]},{"roleId":"$ADMIN","addUsers":["bob@example.com"]},{"roleId":"$ADMIN","addGroups":["Staff","staff"],"removeUsers":["bob@example.com"]}]`,
			[]string{notAssigned("$ADMIN", noSuchEmail, ""), assigned("$ADMIN"), notAssigned("$ADMIN", noSuchGroup, "")},
			[]string{"bob@example.com admin"},
		},
		{
			"every failure", bot,
			`[{"roleId":"nonsense","botId":"x","addUsers":["x"]},{"roleId":"$TESTER","botId":"st-x","addUsers":["x"]},{"roleId":"$TESTER"},{"roleId":"$ADMIN","botId":"$DESK"},` +
				`{"roleId":"$TESTER","botId":"$DESK","addUsers":["x"],"addOrgUserIds":["E9"]},{"roleId":"$TESTER","botId":"$DESK","addOrgUserIds":["E9"]},` +
				`{"roleId":"$TESTER","botId":"$DESK","removeOrgUserIds":["\u0007"]},{"roleId":"$TESTER","botId":"$DESK","removeUsers":["foreign@example.com"]},` +
				`{"roleId":"$TESTER","botId":"$DESK","addUsers":[7]},{"botId":"$DESK"},{"roleId":null},{"roleId":"\u0000","botId":"\u0000","addGroups":["\u0000"]},{"roleId":"$TESTER","botId":"$DESK","addGroups":["\u0000"]}]`,
			[]string{
				notAssigned("nonsense", badRole, ""), notAssigned("$TESTER", badBot, ""), notAssigned("$TESTER", badBot, ""), notAssigned("$ADMIN", badRole, ""),
				notAssigned("$TESTER", badEmail, ""), notAssigned("$TESTER", noSuchOrgID, ""), notAssigned("$TESTER", badOrgID, ""), notAssigned("$TESTER", noSuchEmail, ""),
				notAssigned("$TESTER", badEmail, ""), notAssigned("", badRole, ""), notAssigned("", badRole, ""), notAssigned(`\u0000`, badRole, ""), notAssigned("$TESTER", noSuchGroup, ""),
			},
			nil,
		},
		{"a bot is ignored for an admin role", admin, `[{"roleId":"$ADMIN","botId":"nonsense","addUsers":["ann@example.com"],"other":[{}]}]`, ok("$ADMIN"), []string{"ann@example.com admin"}},
		{
			"codes", admin + "?reasons=codes", `[{"roleId":"$TESTER"},{"roleId":"$ADMIN","addUsers":["nobody@example.com"]},{"roleId":"$ADMIN","addGroups":["x"]}]`,
			[]string{notAssigned("$TESTER", badRole, "INVALID_ROLE"), notAssigned("$ADMIN", noSuchEmail, "USER_NOT_FOUND"), notAssigned("$ADMIN", noSuchGroup, "GROUP_NOT_FOUND")},
			nil,
		},
		{"without the slash", strings.TrimSuffix(admin, "/"), `[{"roleId":"$ADMIN","addUsers":["ann@example.com"]}]`, ok("$ADMIN"), []string{"ann@example.com admin"}},
	}, func(a assignment) string { return a.says }, func(t *testing.T, w *world, a assignment) { a.check(t, w) })
}

func (a assignment) check(t *testing.T, w *world) {
	t.Helper()
	w.group("Staff", ann)
	w.group("Sales & <Co>", bob)
	w.assign("Bot Tester", w.vars["$DESK"], bob, cleo)
	app := w.roleApp(w.account)
	names := strings.NewReplacer("$ADMIN", w.roleID("admin"), "$TESTER", w.roleID("Bot Tester"), "$OWNER", w.roleID("Bot Owner"), "$DESK", w.vars["$DESK"])
	before := w.Dump()
	body := names.Replace(a.body)
	send := func() rostertest.Answer {
		return w.send(rostertest.Request{Method: "POST", Path: a.path, Body: body, Token: app.Token(nil)})
	}
	want := "[" + names.Replace(strings.Join(a.want, ",")) + "]"
	w.compare(send(), 200, want, nil)
	if a.now == nil { // nothing was changed
		w.unchanged(before)
		return
	}
	now := a.now
	if len(now) > 0 {
		now = append(now, "bob@example.com Bot Tester Desk", "cleo@example.com Bot Tester Desk")
	}
	slices.Sort(now)
	if got := w.given(); !slices.Equal(got, now) {
		t.Errorf("now %q, want %q", got, now)
	}
	// Again, it is so already.
	before = w.Dump()
	w.compare(send(), 200, want, nil)
	w.unchanged(before)
}

// Contract 1 holds for these paths too.
func TestAssignmentRequests(t *testing.T) {
	token := func(w *world) string { return w.roleApp(w.account).Token(nil) }
	var rows []row
	for _, path := range []string{adminRolesPath, botRolesPath} {
		post := func(says, body string, status int, want string) {
			rows = append(rows, row{says: path + " " + says, method: "POST", path: path, token: token, body: body, status: status, want: want})
		}
		post("no body", "", 400, invalidJSON)
		post("no JSON", `[{]`, 400, invalidJSON)
		post("a key twice", `[{"roleId":"a","roleId":"a"}]`, 400, invalidJSON)
		post("more than one value", `[] []`, 400, invalidJSON)
		for _, body := range []string{
			`[]`, `{}`, `null`, `"x"`, `{"roleId":"x"}`, `[null]`, `[[]]`, `["x"]`, `[{"roleId":7}]`, `[{"roleId":"a","botId":[]}]`, `[{"roleId":"a","addUsers":"ann@example.com"}]`,
			`[{"roleId":"a","addUsers":[[]]}]`, `[{"roleId":"a","removeUsers":[{}]}]`, `[{"roleId":"a","addGroups":[7]}]`, `[{"roleId":"a","removeGroups":[null]}]`, `[{"roleId":"a","addGroups":{}}]`,
			`[{"roleId":"a"},7]`,
		} {
			post(body, body, 412, invalidArgs)
		}
		for _, query := range []string{"?dryRun=true", "?atomic=true", "?dryrun=false", "?%zz"} {
			rows = append(rows, row{says: path + query, method: "POST", path: path + query, token: token, body: `[{"roleId":"a"}]`, status: 412, want: invalidArgs})
		}
		for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
			rows = append(rows, row{says: method + " " + path, method: method, path: path, token: none, body: `[]`, status: 405, want: notAllowed, headers: header1("Allow", "POST")})
		}
		rows = append(rows,
			row{says: path + " scope", method: "POST", path: path, body: "[", status: 401, want: badScope},
			row{says: path + " credentials", method: "POST", path: path, token: none, body: "[", status: 401, want: badToken},
			row{says: path + " type", method: "POST", path: path, token: token, header: header1("Content-Type", "text/plain"), body: "[", status: 415, want: unsupported},
			row{says: path + " an override is ignored", method: "POST", path: path, token: token, header: overridden("DELETE"), body: "[]", status: 412, want: invalidArgs})
	}
	check(t, rostertest.Options{}, rows)
}

// Each item, user and group counts towards the limit of a call.
func TestAssignmentLimits(t *testing.T) {
	token := func(w *world) string { return w.roleApp(w.account).Token(nil) }
	post := func(says, body string, status int, want string) row {
		return row{says: says, method: "POST", path: adminRolesPath, token: token, body: body, status: status, want: want}
	}
	checkReading(t, rostertest.Options{Limits: publicapi.Limits{MaxIDs: 3, MaxBody: 200}}, []row{
		post("at the limit", `[{"roleId":"a","addUsers":["x"],"removeGroups":["y"]}]`, 200, "["+notAssigned("a", badRole, "")+"]"),
		post("a user more", `[{"roleId":"a","addUsers":["x"],"removeGroups":["y","z"]}]`, 413, over3IDs),
		post("items alone", `[{},{},{},{}]`, 413, over3IDs),
		post("types before the number", `[{},{},{},{},7]`, 412, invalidArgs),
		post("too large", fmt.Sprintf(`[{"roleId":"%0200d"}]`, 1), 413, over200),
	})
}

// What another account has is answered for like what there is not.
func TestAssignmentsOfOthers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		w.group("Staff", ann)
		app := w.roleApp(w.other)
		theirs := query[string](w, `SELECT r.public_id FROM roles r JOIN accounts a ON a.id = r.account_id WHERE a.public_id <> $1 AND r.name = 'Bot Tester'`)
		body := func(role, bot, user, org, group string) string {
			item := func(rest string) string { return `{"roleId":"` + role + `","botId":"` + bot + `"` + rest + `}` }
			return "[" + item("") + "," + item(`,"addUsers":["`+user+`"]`) + "," + item(`,"addOrgUserIds":["`+org+`"]`) + "," + item(`,"addGroups":["`+group+`"]`) + "]"
		}
		before := w.Dump()
		send := func(path, body string) string {
			got := w.send(rostertest.Request{Method: "POST", Path: path, Body: body, Token: app.Token(nil)})
			if got.Status != 200 || strings.Contains(got.Body, "success") {
				t.Errorf("%s %s answered %d %s", path, body, got.Status, got.Body)
			}
			return strings.NewReplacer(w.roleID("Bot Tester"), "ROLE", w.roleID("admin"), "ROLE", "000000000000000000000000", "ROLE").Replace(got.Body)
		}
		for _, path := range []string{adminRolesPath, botRolesPath} {
			unknown := send(path, body("000000000000000000000000", "st-0", "nobody@example.com", "E9", "None"))
			for _, role := range []string{w.roleID("Bot Tester"), w.roleID("admin")} {
				if got := send(path, body(role, w.vars["$DESK"], bob, "E1", "Staff")); got != unknown {
					t.Errorf("another account's things: %s\nunknown ones: %s", got, unknown)
				}
			}
		}
		if got, want := send(botRolesPath, body(theirs, w.vars["$DESK"], bob, "E1", "Staff")), send(botRolesPath, body(theirs, "st-0", "nobody@example.com", "E9", "None")); got != want {
			t.Errorf("another account's bot: %s\nan unknown one: %s", got, want)
		}
		w.unchanged(before)
	})
}
