package publicapi_test

import (
	"context"
	"strings"
	"testing"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// change updates users of the account by its verb.
func (w *world) change(items ...directory.UserItem) {
	w.T.Helper()
	failed, err := w.Roster.UpdateUsers(context.Background(), auth.Operator(), w.account, items, roster.UserOptions{})
	if err != nil || len(failed) > 0 {
		w.T.Fatalf("update users: %v, %v", failed, err)
	}
}

// Contract 4.2: PUT /users.
func TestUsersAreUpdated(t *testing.T) {
	t.Parallel()
	const (
		bobs = `bob@example.com|E2|not active|110||||||||||||`
		was  = `is Bot Tester of Desk`
	)
	one := func(rest string) string { return users(`{"userInfo":{"emailId":"bob@example.com"}` + rest + `}`) }
	bob := []string{"bob@example.com"}
	fails := func(msg string) string { return failed(notDone(`"emailId":"bob@example.com"`, "", msg, "")) }
	checkUsers(t, "PUT", []userRow{
		{says: "found by emailId", body: users(`{"userInfo":{"emailId":" BOB@example.com ","firstName":"Bob","zip":"1"}}`), want: updated, of: bob, now: []string{`bob@example.com|E2|not active|110|Bob|||||||||1||`, was, "in Sales"}},
		{says: "found by orgUserId", body: users(`{"userInfo":{"orgUserId":" E2 ","firstName":"Bob"}}`), want: updated, of: bob, now: []string{`bob@example.com|E2|not active|110|Bob|||||||||||`, was, "in Sales"}},
		{says: "with both orgUserId is new, and the address as it is spelt stays", body: users(`{"userInfo":{"emailId":"BOB@example.com","orgUserId":"E9"}}`), want: updated, of: bob, now: []string{`bob@example.com|E9|not active|110||||||||||||`, was, "in Sales"}},
		{says: "absent and null are unchanged", body: one(`,"canCreateBot":null,"groups":null,"roles":{"addTo":null},"assignBotTasks":null`), want: updated},
		{says: "what is so already is written by nobody", body: one(`,"canCreateBot":true,"groups":{"addTo":["$SALES"],"removeFrom":["$STAFF"]},"roles":{"addTo":[{"roleId":"$TESTER","botId":"$DESK"}],"removeFrom":[{"roleId":"$ADMIN"}]},"assignBotTasks":[]`), want: updated},
		{says: "a blank orgUserId changes nothing", body: users(`{"userInfo":{"emailId":"bob@example.com","orgUserId":" "}}`), want: updated},
		{says: "flags", body: one(`,"canCreateBot":false`), want: updated, of: bob, now: []string{strings.Replace(bobs, "110", "010", 1), was, "in Sales"}},
		{says: "groups and roles, addTo and removeFrom", body: one(`,"groups":{"addTo":["$STAFF"],"removeFrom":["$SALES"]},"roles":{"addTo":[{"roleId":"$ADMIN"}],"removeFrom":[{"roleId":"$TESTER","streamId":"$DESK"}]}`), want: updated, of: bob, now: []string{bobs, "in Staff", "is admin"}},
		{says: "added and removed in one is removed", body: one(`,"groups":{"addTo":["$SALES","$STAFF"],"removeFrom":["$SALES"]},"roles":{"removeFrom":[{"roleId":"$TESTER","botId":"$DESK"}],"addTo":[{"roleId":"$TESTER","botId":"$DESK"}]}`), want: updated, of: bob, now: []string{bobs, "in Staff"}},
		{
			says: "tasks are all that the user has", body: users(
				`{"userInfo":{"emailId":"bob@example.com"},"assignBotTasks":[{"botId":"$DESK","dialogs":["dg-1"]},{"botId":"$HEAD"}]}`,
				`{"userInfo":{"emailId":"bob@example.com"},"assignBotTasks":[{"streamId":"$DESK","dialogs":["dg-2"]},{"botId":"$MAIL"}]}`),
			want: updated, of: bob, now: []string{bobs, was, "in Sales", `does Desk ["dg-2"]`, "does Mail & <Post> []"},
		},
		{
			says: "tasks without botId unassign all", body: users(
				`{"userInfo":{"emailId":"bob@example.com"},"assignBotTasks":[{"botId":"$DESK"}],"isDeveloper":false}`, `{"userInfo":{"emailId":"bob@example.com"},"assignBotTasks":[{"dialogs":["x"]}]}`),
			want: updated, of: bob, now: []string{strings.Replace(bobs, "110", "100", 1), was, "in Sales"},
		},
		{
			says: "one takes what another leaves", body: users(`{"userInfo":{"orgUserId":"E2","emailId":"ann@example.com"}}`, `{"userInfo":{"emailId":"bob@example.com","orgUserId":"E9"}}`, `{"userInfo":{"orgUserId":"E2","emailId":"ann@example.com"}}`, `{"userInfo":{"emailId":"dan@example.com","orgUserId":"E1"}}`),
			want: failed(notDone(`"emailId":"ann@example.com"`, "", "orgUserId already in use", "")), of: []string{"ann@example.com", "bob@example.com", "dan@example.com"},
			now: []string{"Ann@Example.com|E2|not active|110||||||||||||", "in Staff", strings.Replace(bobs, "E2", "E9", 1), was, "in Sales", "Dan@example.com|E1|not active|110||||||||||||"},
		},
		{says: "each item as a whole", body: one(`,"isDeveloper":false,"groups":{"addTo":["$STAFF"],"removeFrom":["x"]}`), want: fails("Invalid groupId")},
		{says: "an unknown role", body: one(`,"isDeveloper":false,"roles":{"removeFrom":[{"roleId":"x"}]}`), want: fails("Invalid roleId")},
		{says: "an unknown bot", body: one(`,"isDeveloper":false,"roles":{"removeFrom":[{"roleId":"$TESTER","botId":"x"}]}`), want: fails("Invalid botId")},
		{says: "an unknown bot of tasks", body: one(`,"assignBotTasks":[{"botId":"x"}]`), want: fails("Invalid botId")},
		{says: "a field that is too long", body: users(`{"userInfo":{"emailId":"bob@example.com","street":"` + strings.Repeat("x", 1025) + `"}}`), want: fails("Invalid street")},
		{
			says: "unknown users", body: users(`{"userInfo":{"emailId":"nobody@example.com","firstName":"No"}}`, `{"userInfo":{"orgUserId":"E9"}}`, `{"userInfo":{"emailId":"x","orgUserId":"E2"}}`, `{}`,
				`{"userInfo":{"emailId":"foreign@example.com"}}`, `{"userInfo":{"orgUserId":"F1"}}`, `{"userInfo":{"orgUserId":"\u0007"}}`),
			want: failed(notDone(`"emailId":"nobody@example.com"`, "No", noSuchEmail, ""), notDone(`"orgUserId":"E9"`, "", noSuchOrgID, ""), notDone(`"emailId":"x"`, "", "INVALID_EMAIL", ""), notDone(`"emailId":""`, "", "INVALID_EMAIL", ""),
				notDone(`"emailId":"foreign@example.com"`, "", noSuchEmail, ""), notDone(`"orgUserId":"F1"`, "", noSuchOrgID, ""), notDone(`"orgUserId":"\u0007"`, "", badOrgID, "")),
		},
	})
}

// aboutUsers is a sentence about POST /usersInfo or /useraccess.
type aboutUsers struct {
	says, body string
	status     int
	want       string
}

// Contract 4.3: POST /usersInfo.
func TestUsersInfo(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		w.group("Staff", ann)
		w.assign("admin", "", ann)
		w.assign("Bot Tester", w.vars["$DESK"], ann)
		no := false
		w.change(directory.UserItem{
			Email: ann, Profile: directory.Profile{FirstName: "Ann", LastName: "<O'Neil>"}, Given: 3, CanCreateBot: &no,
			Tasks: &[]directory.TaskRef{{BotID: w.vars["$HEAD"]}, {BotID: w.vars["$DESK"], Dialogs: []string{"dg-1", "dg-2"}}},
		})
		storetest.Exec(t, dsn, `UPDATE member_profiles SET last_login_at = 1764064800123456 WHERE first_name = 'Ann'`)
		w.vars["$STAFF"], w.vars["$ADMIN"], w.vars["$TESTER"], w.vars["$OWN"] = w.groupID("Staff"), w.roleID("admin"), w.roleID("Bot Tester"), w.roleID("Bot Owner")
		for _, name := range []string{"ann", "bob", "owner"} {
			w.vars["$USER"+name] = w.userID(name + "@example.com")
		}
		anns := `{"canCreateBot":false,"isDeveloper":true,"userInfo":{"emailId":"Ann@Example.com","userId":"$USERann","firstName":"Ann","lastName":"<O'Neil>","status":"not active","lastLogin":"2025-11-25T10:00:00.123Z"},` +
			`"roles":{"btRoles":[{"roleId":"$TESTER","roleName":"Bot Tester","groups":[],"botId":"$DESK","botName":"Desk"}],"adminRoles":[{"roleId":"$ADMIN","roleName":"admin","groups":[]}]},` +
			`"assignBotTasks":[{"botId":"$HEAD","dialogs":[],"actions":[],"alerts":[],"knowledgeTask":[]},{"botId":"$DESK","dialogs":["dg-1","dg-2"],"actions":[],"alerts":[],"knowledgeTask":[]}],` +
			`"groups":[{"groupId":"$STAFF","groupName":"Staff"}]}`
		bobs := `{"canCreateBot":true,"isDeveloper":true,"userInfo":{"emailId":"bob@example.com","userId":"$USERbob","firstName":"","lastName":"","status":"not active","lastLogin":null},` +
			`"roles":{"btRoles":[],"adminRoles":[]},"assignBotTasks":[],"groups":[]}`
		owners := `{"canCreateBot":true,"isDeveloper":true,"userInfo":{"emailId":"owner@example.com","userId":"$USERowner","firstName":"","lastName":"","status":"active","lastLogin":null},` +
			`"roles":{"btRoles":[{"roleId":"$OWN","roleName":"Bot Owner","groups":[],"botId":"$HEAD","botName":"Head"}],"adminRoles":[{"roleId":"$ADMIN","roleName":"admin","groups":[]}]},"assignBotTasks":[],"groups":[]}`
		unknown := func(id, msg, code string) string {
			return `{"userInfo":` + failure(id+`,"status":"failure"`, msg, code) + `}`
		}
		list := func(items ...string) string { return "[" + strings.Join(items, ",") + "]" }
		empty := func(key string) string { return `{"errors":[{"msg":"` + key + ` cannot be empty","code":400}]}` }
		before := w.Dump()
		for _, a := range []aboutUsers{
			{"a bare array in the order of the request", `{"emailIds":["bob@example.com"," ANN@example.com"]}`, 200, list(bobs, anns)},
			{"an entry for each id", `{"emailIds":["bob@example.com","BOB@example.com"],"orgUserIds":["E1","E2"]}`, 200, list(bobs, bobs, anns, bobs)},
			{"unknown", `{"emailIds":["nobody@example.com","bob@example.com","foreign@example.com","x",7,null],"orgUserIds":["E9"]}`, 200, list(
				unknown(`"emailId":"nobody@example.com"`, noSuchEmail, ""), bobs, unknown(`"emailId":"foreign@example.com"`, noSuchEmail, ""),
				unknown(`"emailId":"x"`, noSuchEmail, ""), unknown(`"emailId":7`, noSuchEmail, ""), unknown(`"emailId":null`, noSuchEmail, ""), unknown(`"orgUserId":"E9"`, noSuchOrgID, ""))},
			{"all", `{"emailIds":["owner@example.com","bob@example.com"],"status":"all"}`, 200, list(owners, bobs)},
			{"active", `{"emailIds":["owner@example.com","bob@example.com","x"],"status":"active"}`, 200, list(owners, unknown(`"emailId":"x"`, noSuchEmail, ""))},
			{"not active", `{"emailIds":["owner@example.com","bob@example.com"],"status":"not active"}`, 200, list(bobs)},
			{"nobody of that status", `{"emailIds":["owner@example.com"],"status":"not active"}`, 200, `[]`},
			{"status null", `{"emailIds":["bob@example.com"],"status":null,"x":[{}]}`, 200, list(bobs)},
			{"an empty list beside another", `{"emailIds":[],"orgUserIds":["E2"]}`, 200, list(bobs)},
			{"an empty list", `{"emailIds":[]}`, 400, empty("emailIds")},
			{"an empty list of org ids", `{"emailIds":null,"orgUserIds":[]}`, 400, empty("orgUserIds")},
			{"no list", `{"status":"all"}`, 412, invalidArgs},
			{"a text for a list", `{"emailIds":"bob@example.com"}`, 412, invalidArgs},
			{"a list in a list", `{"emailIds":[[]]}`, 412, invalidArgs},
			{"an unknown status", `{"emailIds":["bob@example.com"],"status":"suspended"}`, 412, invalidArgs},
			{"a status that is no text", `{"emailIds":["bob@example.com"],"status":1}`, 412, invalidArgs},
			{"a key twice", `{"emailIds":[],"emailIds":["bob@example.com"]}`, 400, invalidJSON},
			{"no body", ``, 400, invalidJSON},
		} {
			sub := w.at(t)
			t.Run(a.says, func(t *testing.T) {
				sub = w.at(t)
				sub.compare(sub.send(rostertest.Request{Method: "POST", Path: "/api/public/usersInfo", Body: a.body, Token: w.app.Token(nil)}), a.status, a.want, nil)
				sub.unchanged(before)
			})
		}
		got := w.send(rostertest.Request{Method: "POST", Path: "/api/public/usersInfo/?reasons=codes", Body: `{"emailIds":["x"]}`, Token: w.app.Token(nil)})
		w.compare(got, 200, list(unknown(`"emailId":"x"`, noSuchEmail, `,"reasonCode":"USER_NOT_FOUND"`)), nil)
		got = w.send(rostertest.Request{Method: "POST", Path: "/api/public/usersInfo", Body: `{"emailIds":["x"]}`, Token: scopeless(w).Token(nil)})
		w.compare(got, 401, badScope, nil)
	})
}

// Suspended and locked users show as not active.
func TestStatusesOnTheWire(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		for _, status := range []string{"suspended", "locked", "invited", "not active"} {
			storetest.Exec(t, dsn, `UPDATE member_profiles SET status = '`+status+`'`)
			got := w.send(rostertest.Request{Method: "POST", Path: "/api/public/usersInfo", Body: `{"emailIds":["bob@example.com"],"status":"not active"}`, Token: w.app.Token(nil)})
			if !strings.Contains(got.Body, `"status":"not active"`) {
				t.Errorf("%s shows as %s", status, got.Body)
			}
		}
	})
}

// Contract 5.4: POST /useraccess.
func TestUserAccess(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		app := w.roleApp(w.account)
		const (
			done       = `["SUCCESS"]`
			badValues  = `{"errors":[{"msg":"Invalid values in the body","code":403}]}`
			empty      = `{"errors":[{"msg":"emailIds cannot be empty","code":400}]}`
			unknown    = `{"errors":[{"msg":"One or more entered emails not found","code":400}]}`
			flagsOfBob = `SELECT f.can_create_bot || '' || f.is_developer || f.data_table_access FROM live_members m JOIN member_profiles f ON f.member_id = m.id WHERE m.email_key = 'bob@example.com'`
		)
		for _, a := range []struct {
			aboutUsers
			flags string // of bob afterwards
		}{
			{aboutUsers{"nothing to set", `{"emailIds":["bob@example.com"]}`, 200, done}, "110"},
			{aboutUsers{"one flag", `{"emailIds":[" BOB@example.com","ann@example.com"],"canCreateBot":false}`, 200, done}, "010"},
			{aboutUsers{"all flags", `{"emailIds":["bob@example.com","bob@example.com"],"canCreateBot":true,"isDeveloper":true,"hasDataTableAndViewAccess":true}`, 200, done}, "111"},
			{aboutUsers{"null is unchanged", `{"emailIds":["bob@example.com"],"canCreateBot":null,"isDeveloper":null,"hasDataTableAndViewAccess":false,"x":1}`, 200, done}, "110"},
			{aboutUsers{"neither developer nor bots", `{"emailIds":["bob@example.com"],"canCreateBot":false,"isDeveloper":false}`, 200, done}, "000"},
			{aboutUsers{"bots without being a developer", `{"emailIds":["bob@example.com"],"canCreateBot":true,"isDeveloper":false}`, 403, badValues}, "000"},
			{aboutUsers{"the same before who is named", `{"emailIds":[],"canCreateBot":true,"isDeveloper":false}`, 403, badValues}, "000"},
			{aboutUsers{"an empty list", `{"emailIds":[],"isDeveloper":true}`, 400, empty}, "000"},
			{aboutUsers{"one unknown is nobody", `{"emailIds":["bob@example.com","nobody@example.com"],"isDeveloper":true}`, 400, unknown}, "000"},
			{aboutUsers{"another account's user", `{"emailIds":["bob@example.com","foreign@example.com"],"isDeveloper":true}`, 400, unknown}, "000"},
			{aboutUsers{"not an address", `{"emailIds":["bob@example.com","x"],"isDeveloper":true}`, 400, unknown}, "000"},
			{aboutUsers{"a number", `{"emailIds":["bob@example.com",7],"isDeveloper":true}`, 400, unknown}, "000"},
			{aboutUsers{"no list", `{"isDeveloper":true}`, 412, invalidArgs}, "000"},
			{aboutUsers{"org ids are not for this", `{"orgUserIds":["E2"],"isDeveloper":true}`, 412, invalidArgs}, "000"},
			{aboutUsers{"a flag of a wrong type", `{"emailIds":["bob@example.com"],"isDeveloper":1}`, 412, invalidArgs}, "000"},
			{aboutUsers{"a key twice", `{"emailIds":["bob@example.com"],"isDeveloper":true,"isDeveloper":false}`, 400, invalidJSON}, "000"},
		} {
			t.Run(a.says, func(t *testing.T) {
				sub := w.at(t)
				before := sub.Dump()
				got := sub.send(rostertest.Request{Method: "POST", Path: "/api/public/useraccess", Body: a.body, Token: app.Token(nil)})
				sub.compare(got, a.status, a.want, nil)
				if a.status != 200 {
					sub.unchanged(before)
				}
				var flags string
				if err := storetest.SQL(t, dsn).QueryRow(flagsOfBob).Scan(&flags); err != nil || flags != a.flags {
					t.Errorf("flags %s, want %s, error %v", flags, a.flags, err)
				}
			})
		}
		got := w.send(rostertest.Request{Method: "POST", Path: "/api/public/useraccess/", Body: `{"emailIds":["x"]}`, Token: w.app.Token(nil)})
		w.compare(got, 401, badScope, nil)
	})
}
