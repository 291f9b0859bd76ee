package publicapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// What calls about users are answered.
const (
	created    = `{"msg":"Users are created Successfully"}`
	updated    = `{"msg":"Users are updated Successfully"}`
	emptyUsers = `{"errors":[{"msg":"users cannot be empty","code":400}]}`
)

// notDone is the failure of a user of a call: a member of userInfo, given as JSON.
func notDone(id, firstName, msg, codes string) string {
	return `{"userInfo":` + failure(id+`,"firstName":"`+firstName+`","status":"failure"`, msg, codes) + `}`
}

// users is the body with these items.
func users(items ...string) string { return `{"users":[` + strings.Join(items, ",") + `]}` }

// profiles are what the database holds of the live members of the account, one
// line for each who is not of the cast: keys, status, flags, profile, then what
// they have.
func (w *world) profiles(of ...string) []string {
	w.T.Helper()
	var lines []string
	for _, query := range []string{
		`SELECT m.email_key, f.email || '|' || COALESCE(m.org_user_id, '') || '|' || f.status || '|' || f.can_create_bot || f.is_developer || f.data_table_access || '|' ||
f.first_name || '|' || f.last_name || '|' || f.company_name || '|' || f.department || '|' || f.company_contact_phone || '|' || f.work_number || '|' ||
f.street || '|' || f.suite_number || '|' || f.city || '|' || f.zip || '|' || f.state || '|' || f.country
FROM live_members m JOIN accounts a ON a.id = m.account_id JOIN member_profiles f ON f.account_id = m.account_id AND f.member_id = m.id WHERE a.public_id = $1`,
		`SELECT m.email_key, 'in ' || g.name FROM live_group_members x JOIN accounts a ON a.id = x.account_id JOIN members m ON m.account_id = a.id AND m.id = x.member_id
JOIN groups g ON g.account_id = a.id AND g.id = x.group_id WHERE a.public_id = $1`,
		`SELECT m.email_key, 'is ' || r.name || COALESCE(' of ' || b.name, '') FROM live_member_roles x JOIN accounts a ON a.id = x.account_id
JOIN members m ON m.account_id = a.id AND m.id = x.member_id JOIN roles r ON r.account_id = a.id AND r.id = x.role_id
LEFT JOIN bots b ON b.account_id = a.id AND b.id = x.bot_id WHERE a.public_id = $1`,
		`SELECT m.email_key, 'does ' || b.name || ' ' || x.dialogs FROM live_member_tasks x JOIN accounts a ON a.id = x.account_id
JOIN members m ON m.account_id = a.id AND m.id = x.member_id JOIN bots b ON b.account_id = a.id AND b.id = x.bot_id WHERE a.public_id = $1`,
	} {
		rows, err := storetest.SQL(w.T, w.DSN).Query(query, w.account)
		if err != nil {
			w.T.Fatal(err)
		}
		for rows.Next() {
			var key, line string
			if err := rows.Scan(&key, &line); err != nil {
				w.T.Fatal(err)
			}
			if slices.Contains(of, key) {
				lines = append(lines, line)
			}
		}
		if err := rows.Err(); err != nil {
			w.T.Fatal(err)
		}
	}
	slices.Sort(lines)
	return lines
}

// userRow is a sentence about making or changing users: what is sent, the answer,
// and what is there afterwards of those whom it is about.
type userRow struct {
	says   string
	body   string // $STAFF, $SALES, $ADMIN, $TESTER, $OWNER, $DESK, $HEAD stand for ids
	query  string
	status int
	want   string
	of     []string // address keys
	now    []string // nil where nothing was changed
}

func (u userRow) check(t *testing.T, method string, w *world) {
	t.Helper()
	w.group("Staff", ann)
	w.group("Sales", bob)
	w.assign("Bot Tester", w.vars["$DESK"], bob, cleo)
	pairs := []string{"$ADMIN", w.roleID("admin"), "$TESTER", w.roleID("Bot Tester"), "$OWNER", w.roleID("Bot Owner")}
	for name, id := range w.vars {
		pairs = append(pairs, name, id)
	}
	for _, name := range []string{"Staff", "Sales"} {
		pairs = append(pairs, "$"+strings.ToUpper(name), w.groupID(name))
	}
	names := strings.NewReplacer(pairs...)
	before := w.Dump()
	got := w.send(rostertest.Request{Method: method, Path: "/api/public/users" + u.query, Body: names.Replace(u.body), Token: w.app.Token(nil)})
	if u.status == 0 {
		u.status = 200
	}
	w.compare(got, u.status, names.Replace(u.want), nil)
	if u.now == nil {
		w.unchanged(before)
		return
	}
	want := make([]string, len(u.now))
	for i := range want {
		want[i] = names.Replace(u.now[i])
	}
	slices.Sort(want)
	if now := w.profiles(u.of...); !slices.Equal(now, want) {
		t.Errorf("afterwards\n     %q\nwant %q", now, want)
	}
}

func (w *world) groupID(name string) (id string) {
	w.T.Helper()
	err := storetest.SQL(w.T, w.DSN).QueryRow(`SELECT g.public_id FROM groups g JOIN accounts a ON a.id = g.account_id WHERE a.public_id = $1 AND g.name = $2`,
		w.account, name).Scan(&id)
	if err != nil {
		w.T.Fatal(err)
	}
	return id
}

func checkUsers(t *testing.T, method string, rows []userRow) {
	t.Helper()
	eachCase(t, rows, func(row userRow) string { return row.says }, func(t *testing.T, w *world, row userRow) { row.check(t, method, w) })
}

// plain is what is there of a new user with nothing but an address.
func bare(email string) string { return email + "||not active|110||||||||||||" }

// Contract 4.1: POST /users.
func TestUsersAreCreated(t *testing.T) {
	t.Parallel()
	one := func(rest string) string {
		return `{"userInfo":{"emailId":"Eve@Example.com","firstName":"Eve"}` + rest + `}`
	}
	eve := []string{"eve@example.com"}
	fails := func(msg string) string { return failed(notDone(`"emailId":"Eve@Example.com"`, "Eve", msg, "")) }
	const named = "Eve@Example.com||not active|110|Eve|||||||||||"
	checkUsers(t, "POST", []userRow{
		{says: "emailId needed, all else optional", body: users(`{"userInfo":{"emailId":" Eve@Example.com "}}`), want: created, of: eve, now: []string{bare("Eve@Example.com")}},
		{
			says: "every field", body: users(`{"userInfo":{"emailId":"Eve@Example.com","orgUserId":" E9 ","firstName":"Eve","lastName":"<O'Neil> \u00e9","companyName":"Co","dept":"HR",` +
				`"companyContactPhone":"1","worknumber":"2","street":"S","suiteNo":"3","city":"C","zip":"4","state":"T","country":"X"}}`),
			want: created, of: eve, now: []string{"Eve@Example.com|E9|not active|110|Eve|<O'Neil> é|Co|HR|1|2|S|3|C|4|T|X"},
		},
		{says: "flags default to true", body: users(one(`,"canCreateBot":false`)), want: created, of: eve, now: []string{strings.Replace(named, "110", "010", 1)}},
		{says: "flags that are null are absent", body: users(one(`,"canCreateBot":null,"isDeveloper":false`)), want: created, of: eve, now: []string{strings.Replace(named, "110", "100", 1)}},
		{says: "sendEmail is accepted", body: `{"users":[` + one("") + `],"sendEmail":false}`, want: created, of: eve, now: []string{named}},
		{says: "groups", body: users(one(`,"groups":["$STAFF","$SALES","$STAFF"]`)), want: created, of: eve, now: []string{named, "in Staff", "in Sales"}},
		{
			says: "roles without botId are admin roles, streamId is botId", of: eve, want: created,
			body: users(one(`,"roles":[{"roleId":"$ADMIN"},{"roleId":"$TESTER","botId":"$DESK"},{"roleId":"$OWNER","streamId":"$HEAD"},{"roleId":"$ADMIN","botId":null}]`)),
			now:  []string{named, "is admin", "is Bot Tester of Desk", "is Bot Owner of Head"},
		},
		{
			says: "tasks by streamId or botId, no dialogs is all", of: eve, want: created,
			body: users(one(`,"assignBotTasks":[{"streamId":"$DESK","dialogs":["dg-1","dg-2"]},{"botId":"$HEAD"},{"dialogs":["x"]}]`)),
			now:  []string{named, `does Desk ["dg-1","dg-2"]`, "does Head []"},
		},
		{says: "null counts as absent", body: `{"users":[{"userInfo":{"emailId":"Eve@Example.com","firstName":"Eve","orgUserId":null,"zip":null},"groups":null,"roles":null,"assignBotTasks":null,"canCreateBot":null}],"sendEmail":null}`, want: created, of: eve, now: []string{named}},
		{says: "unknown keys are ignored, keys match in their case", body: `{"Users":1,"users":[{"userInfo":{"emailId":"Eve@Example.com","firstName":"Eve","FirstName":7,"x":[{}]},"Groups":["x"],"more":{}}]}`, want: created, of: eve, now: []string{named}},

		{says: "a bad address", body: users(`{"userInfo":{"emailId":"eve","firstName":"Eve"}}`), want: failed(notDone(`"emailId":"eve"`, "Eve", "INVALID_EMAIL", ""))},
		{says: "no address", body: users(`{"userInfo":{"orgUserId":"E9"}}`, `{}`), want: failed(notDone(`"emailId":""`, "", "INVALID_EMAIL", ""), notDone(`"emailId":""`, "", "INVALID_EMAIL", ""))},
		{says: "who is a member", body: users(`{"userInfo":{"emailId":"ANN@example.com","firstName":"<b>"}}`), want: failed(notDone(`"emailId":"ANN@example.com"`, "<b>", "User already exists", ""))},
		{says: "who is a member of another account alone is made", body: users(`{"userInfo":{"emailId":"foreign@example.com","orgUserId":"F1"}}`), want: created, of: []string{"foreign@example.com"}, now: []string{"foreign@example.com|F1|not active|110||||||||||||"}},
		{says: "an unknown group", body: users(one(`,"groups":["$STAFF","Staff"]`)), want: fails("Invalid groupId")},
		{says: "an unknown role", body: users(one(`,"roles":[{"roleId":"admin"}]`)), want: fails("Invalid roleId")},
		{says: "a bot role without a bot", body: users(one(`,"roles":[{"roleId":"$TESTER"}]`)), want: fails("Invalid roleId")},
		{says: "an admin role in a bot", body: users(one(`,"roles":[{"roleId":"$ADMIN","botId":"$DESK"}]`)), want: fails("Invalid roleId")},
		{says: "an unknown bot of a role", body: users(one(`,"roles":[{"roleId":"$TESTER","botId":"st-x"}]`)), want: fails("Invalid botId")},
		{says: "an unknown bot of tasks", body: users(one(`,"assignBotTasks":[{"botId":"\u0000"}]`)), want: fails("Invalid botId")},
		{says: "an org id of another member", body: users(`{"userInfo":{"emailId":"Eve@Example.com","firstName":"Eve","orgUserId":"E1"}}`), want: fails("orgUserId already in use")},
		{says: "what cannot be an org id", body: users(`{"userInfo":{"emailId":"Eve@Example.com","firstName":"Eve","orgUserId":"\u0007"}}`), want: fails("Invalid orgUserId")},
		{says: "a field with control characters", body: users(`{"userInfo":{"emailId":"Eve@Example.com","firstName":"Eve","dept":"a\u0000"}}`), want: fails("Invalid dept")},
		{says: "what cannot be a dialog", body: users(one(`,"assignBotTasks":[{"botId":"$DESK","dialogs":["a\nb"]}]`)), want: fails("Invalid dialogs")},
		{
			says: "the order of the checks", want: failed(
				notDone(`"emailId":"x"`, "", "INVALID_EMAIL", ""), notDone(`"emailId":"`+ann+`"`, "", "User already exists", ""),
				notDone(`"emailId":"e@x.io"`, "", "Invalid groupId", ""), notDone(`"emailId":"e@x.io"`, "", "Invalid roleId", ""), notDone(`"emailId":"e@x.io"`, "", "Invalid botId", ""),
				notDone(`"emailId":"e@x.io"`, "", "orgUserId already in use", "")),
			body: users(
				`{"userInfo":{"emailId":"x","orgUserId":"E1","dept":"\u0000"},"groups":["x"],"roles":[{"roleId":"x"}]}`,
				`{"userInfo":{"emailId":"`+ann+`","orgUserId":"E1","dept":"\u0000"},"groups":["x"],"roles":[{"roleId":"x"}]}`,
				`{"userInfo":{"emailId":"e@x.io","orgUserId":"E1","dept":"\u0000"},"groups":["x"],"roles":[{"roleId":"x","botId":"x"}]}`,
				`{"userInfo":{"emailId":"e@x.io","orgUserId":"E1","dept":"\u0000"},"roles":[{"roleId":"$TESTER","botId":"x"},{"roleId":"x"}],"assignBotTasks":[{"botId":"x"}]}`,
				`{"userInfo":{"emailId":"e@x.io","orgUserId":"E1","dept":"\u0000"},"assignBotTasks":[{"botId":"x"}]}`,
				`{"userInfo":{"emailId":"e@x.io","orgUserId":"E1","dept":"\u0000"}}`),
		},
		{
			says: "some are made and some are not", of: []string{"eve@example.com", "fay@example.com", "gus@example.com"},
			body: users(`{"userInfo":{"emailId":"fay@example.com","orgUserId":"E7"}}`, `{"userInfo":{"emailId":"gus@example.com","firstName":"Gus"},"groups":["$STAFF","x"]}`, one(`,"groups":["$SALES"]`)),
			want: failed(notDone(`"emailId":"gus@example.com"`, "Gus", "Invalid groupId", "")),
			now:  []string{named, "in Sales", "fay@example.com|E7|not active|110||||||||||||"},
		},
		{
			says: "one after the other: twice is once, and a failed one takes nothing", of: []string{"eve@example.com", "fay@example.com"},
			body: users(`{"userInfo":{"emailId":"eve@example.com","orgUserId":"E9"},"groups":["x"]}`, `{"userInfo":{"emailId":"EVE@example.com","orgUserId":"E9"}}`,
				`{"userInfo":{"emailId":"eve@example.com"}}`, `{"userInfo":{"emailId":"fay@example.com","orgUserId":"E9"}}`),
			want: failed(notDone(`"emailId":"eve@example.com"`, "", "Invalid groupId", ""), notDone(`"emailId":"eve@example.com"`, "", "User already exists", ""),
				notDone(`"emailId":"fay@example.com"`, "", "orgUserId already in use", "")),
			now: []string{"EVE@example.com|E9|not active|110||||||||||||"},
		},
		{
			says: "codes", query: "?reasons=codes",
			body: users(`{"userInfo":{"emailId":"x"}}`, `{"userInfo":{"emailId":"bob@example.com"}}`, `{"userInfo":{"emailId":"e@x.io"},"groups":["x"]}`, `{"userInfo":{"emailId":"e@x.io","orgUserId":"E1"}}`,
				`{"userInfo":{"emailId":"e@x.io","orgUserId":"\u0007"}}`, `{"userInfo":{"emailId":"e@x.io","zip":"\n"}}`, `{"userInfo":{"emailId":"e@x.io"},"roles":[{}]}`,
				`{"userInfo":{"emailId":"e@x.io"},"roles":[{"roleId":"$TESTER","botId":"x"}]}`, `{"userInfo":{"emailId":"e@x.io","orgUserId":" \n"}}`),
			want: failed(notDone(`"emailId":"x"`, "", "INVALID_EMAIL", `,"reasonCode":"INVALID_ID"`), notDone(`"emailId":"bob@example.com"`, "", "User already exists", `,"reasonCode":"USER_EXISTS"`),
				notDone(`"emailId":"e@x.io"`, "", "Invalid groupId", `,"reasonCode":"INVALID_GROUP"`), notDone(`"emailId":"e@x.io"`, "", "orgUserId already in use", `,"reasonCode":"ORG_USER_ID_IN_USE"`),
				notDone(`"emailId":"e@x.io"`, "", "Invalid orgUserId", `,"reasonCode":"INVALID_ORG_USER_ID"`), notDone(`"emailId":"e@x.io"`, "", "Invalid zip", `,"reasonCode":"INVALID_FIELD"`),
				notDone(`"emailId":"e@x.io"`, "", "Invalid roleId", `,"reasonCode":"INVALID_ROLE"`), notDone(`"emailId":"e@x.io"`, "", "Invalid botId", `,"reasonCode":"INVALID_BOT"`)),
			of: []string{"e@x.io"}, now: []string{bare("e@x.io")},
		},
	})
}

// The bodies that POST and PUT /users refuse as a whole.
func TestBadBodiesOfUsers(t *testing.T) {
	const good = `{"userInfo":{"emailId":"eve@example.com"}}`
	var rows []row
	for _, method := range []string{"POST", "PUT"} {
		for _, bad := range []struct {
			says, body string
			status     int
			want       string
		}{
			{"no body", ``, 400, invalidJSON},
			{"cut", `{"users":[` + good, 400, invalidJSON},
			{"a key twice", `{"users":[],"users":[` + good + `]}`, 400, invalidJSON},
			{"a key twice within an item", users(`{"userInfo":{"emailId":"a@x.io","emailId":"b@x.io"}}`), 400, invalidJSON},
			{"an unknown key twice", users(`{"userInfo":{"x":1,"x":2}}`), 400, invalidJSON},
			{"data after the value", users(good) + `{}`, 400, invalidJSON},
			{"invalid UTF-8", users("{\"userInfo\":{\"firstName\":\"\xff\"}}"), 400, invalidJSON},
			{"a lone surrogate", users(`{"userInfo":{"firstName":"\ud800"}}`), 400, invalidJSON},
			{"nesting deeper than 32", users(`{"x":` + strings.Repeat("[", 30) + strings.Repeat("]", 30) + `}`), 400, invalidJSON},
			{"JSON before types", `{"users":7,"x":`, 400, invalidJSON},
			{"no list", `{}`, 412, invalidArgs},
			{"a list that is null", `{"users":null}`, 412, invalidArgs},
			{"null", `null`, 412, invalidArgs},
			{"a list as the body", `[` + good + `]`, 412, invalidArgs},
			{"an object for the list", `{"users":` + good + `}`, 412, invalidArgs},
			{"a text in the list", `{"users":["eve@example.com"]}`, 412, invalidArgs},
			{"null in the list", `{"users":[null,` + good + `]}`, 412, invalidArgs},
			{"userInfo of a wrong type", users(`{"userInfo":[]}`), 412, invalidArgs},
			{"an address of a wrong type", users(`{"userInfo":{"emailId":7}}`), 412, invalidArgs},
			{"a field of a wrong type", users(`{"userInfo":{"emailId":"eve@example.com","zip":80331}}`), 412, invalidArgs},
			{"a flag of a wrong type", users(`{"userInfo":{"emailId":"eve@example.com"},"isDeveloper":"true"}`), 412, invalidArgs},
			{"groups of a wrong type", users(`{"userInfo":{"emailId":"eve@example.com"},"groups":"x"}`), 412, invalidArgs},
			{"roles of a wrong type", users(`{"userInfo":{"emailId":"eve@example.com"},"roles":["x"]}`), 412, invalidArgs},
			{"tasks of a wrong type", users(`{"userInfo":{"emailId":"eve@example.com"},"assignBotTasks":{}}`), 412, invalidArgs},
			{"dialogs of a wrong type", users(`{"userInfo":{"emailId":"eve@example.com"},"assignBotTasks":[{"dialogs":[7]}]}`), 412, invalidArgs},
			{"sendEmail of a wrong type", `{"users":[` + good + `],"sendEmail":1}`, 412, invalidArgs},
			{"types before an empty list", `{"users":[],"sendEmail":1}`, 412, invalidArgs},
			{"an empty list", `{"users":[]}`, 400, emptyUsers},
		} {
			rows = append(rows, row{says: method + ": " + bad.says, method: method, body: bad.body, status: bad.status, want: bad.want})
		}
		rows = append(rows,
			row{says: method + ": no preview", method: method, path: "/api/public/users?dryRun=true", body: users(good), status: 412, want: invalidArgs},
			row{says: method + ": no all or nobody", method: method, path: "/api/public/users?atomic=true", body: users(good), status: 412, want: invalidArgs},
			row{says: method + ": content type", method: method, header: header1("Content-Type", "text/plain"), body: "{", status: 415, want: unsupported},
			row{says: method + ": scope before body", method: method, token: func(w *world) string { return scopeless(w).Token(nil) }, body: "{", status: 401, want: badScope},
			row{says: method + ": credentials before body", method: method, token: none, body: "{", status: 401, want: badToken},
			row{
				says: method + ": nobody of another account", method: method, token: func(w *world) string { return w.otherApp.Token(nil) }, body: `{"users":[{}]}`, status: 200,
				want: failed(notDone(`"emailId":""`, "", "INVALID_EMAIL", "")),
			},
		)
	}
	check(t, rostertest.Options{}, rows)
}

// What a call of users may name and hold.
func TestLimitsOfUsers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		for _, method := range []string{"POST", "PUT"} {
			many := users(strings.TrimSuffix(strings.Repeat("{},", 100_001), ","))
			w.compare(w.send(rostertest.Request{Method: method, Body: many, Token: w.app.Token(nil)}), 413,
				`{"errors":[{"msg":"Too many users in one call: the limit is 100000. Send them in several calls, or as a job (Prefer: respond-async).","code":413}]}`, nil)
			large := users("{}") + strings.Repeat(" ", 16<<20)
			w.compare(w.send(rostertest.Request{Method: method, Body: large, Token: w.app.Token(nil)}), 413,
				fmt.Sprintf(`{"errors":[{"msg":"Request body is too large: the limit is %d bytes.","code":413}]}`, 16<<20), nil)
		}
	})
}
