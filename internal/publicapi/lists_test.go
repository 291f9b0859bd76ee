package publicapi_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"roster/internal/directory"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// Paths of the lists.
const (
	userRolesPath = "/api/public/alluserroles"
	rolesPath     = "/api/public/roles"
	groupsPath    = "/api/public/groups"
	botsPath      = "/api/public/bots"
)

// lists are the paths of the lists with the key of their items.
var lists = map[string]string{userRolesPath: "users", rolesPath: "roles", groupsPath: "groups", botsPath: "bots"}

// roleApp is an app of the account that may look at roles.
func (w *world) roleApp(account string) rostertest.App {
	return w.keep(w.AppWith(account, directory.OriginAdminConsole, directory.ScopeRoleManagement))
}

// roleID is the id of a role of the account by its name.
func (w *world) roleID(name string) string {
	w.T.Helper()
	return query[string](w, `SELECT r.public_id FROM roles r JOIN accounts a ON a.id = r.account_id WHERE a.public_id = $1 AND r.name = $2`, name)
}

// userID is the id of a user by address.
func (w *world) userID(email string) string {
	w.T.Helper()
	return query[string](w, `SELECT p.public_id FROM persons p JOIN members m ON m.person_id = p.id JOIN accounts a ON a.id = m.account_id
WHERE a.public_id = $1 AND m.removal_id IS NULL AND p.email_key = $2`, strings.ToLower(email))
}

// Contract 5.2: the roles with what they allow: strings for an admin role, arrays
// of one for a bot role.
func TestRolesAreListed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		app := w.roleApp(w.account)
		admin := `{"roleType":"admin","_id":"` + w.roleID("admin") + `","role":"admin","rDesc":"May administer the account","permissions":` +
			`{"appManagement":"YES","auditLogs":"YES","botManagement":"YES","groupManagement":"YES","roleManagement":"YES","userManagement":"YES"}}`
		bots := []string{
			`{"roleType":"bot","_id":"` + w.roleID("Bot Owner") + `","role":"Bot Owner","rDesc":"Owns the bot","permissions":` +
				`{"analytics":["FULL"],"assignRoles":["YES"],"channels":["FULL"],"publish":["YES"],"settings":["FULL"],"tasks":["FULL"],"test":["YES"]}}`,
			`{"roleType":"bot","_id":"` + w.roleID("Bot Developer") + `","role":"Bot Developer","rDesc":"May change the bot","permissions":` +
				`{"analytics":["VIEW"],"assignRoles":["NO"],"channels":["VIEW"],"publish":["NO"],"settings":["VIEW"],"tasks":["FULL"],"test":["YES"]}}`,
			`{"roleType":"bot","_id":"` + w.roleID("Bot Tester") + `","role":"Bot Tester","rDesc":"May talk to the bot and see its answers","permissions":` +
				`{"analytics":["NO"],"assignRoles":["NO"],"channels":["NO"],"publish":["NO"],"settings":["NO"],"tasks":["VIEW"],"test":["YES"]}}`,
		}
		list := func(total int, more bool, roles ...string) string {
			return fmt.Sprintf(`{"total":%d,"availableMore":%v,"roles":[%s]}`, total, more, strings.Join(roles, ","))
		}
		for query, want := range map[string]string{
			"":                                     list(4, false, append([]string{admin}, bots...)...),
			"?roleType=admin":                      list(1, false, admin),
			"/?roleType=bot":                       list(3, false, bots...),
			"?roleType=bot&limit=2":                list(3, true, bots[:2]...),
			"?roleType=bot&limit=2&offset=1":       list(3, false, bots[2]),
			"?roleType=bot&limit=3&offset=0":       list(3, false, bots...),
			"?roleType=admin&offset=1":             list(1, false),
			"?roletype=bot&Limit=x&limit=1&secret": list(4, true, admin),
		} {
			w.compare(w.get(app, rolesPath+query, nil), 200, want, nil)
		}
	})
}

// Contract 5.3: the groups with those who are in them and what is nested in them.
func TestGroupsAreListed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		app := w.roleApp(w.account)
		w.compare(w.get(app, groupsPath, nil), 200, `{"total":0,"availableMore":false,"groups":[]}`, nil)

		storetest.Exec(t, dsn, `UPDATE member_profiles SET first_name = '<Ann>', last_name = 'A"', status = 'locked' WHERE email = $1`, ann)
		empty, staff, all := w.group("Empty"), w.group("Staff & <Co>", cleo, owner, ann), w.group("All", bob)
		storetest.Exec(t, dsn, `INSERT INTO group_groups (account_id, parent_id, child_id) SELECT p.account_id, p.id, c.id FROM groups p JOIN groups c
ON c.account_id = p.account_id WHERE p.name = 'All' AND c.name <> 'All'`)
		w.Remove(w.app, emails(cleo))

		user := func(email, last, first, status string) string {
			return `{"_id":"` + w.userID(email) + `","emailId":"` + email + `","lastName":"` + last + `","firstName":"` + first +
				`","profImage":"no-avatar","profColour":"","activationStatus":"` + status + `","jTitle":"","orgId":"$ORG"}`
		}
		w.vars["$ORG"] = w.organisation(w.account)
		theirs := *w
		theirs.account = w.other
		theirs.group("Theirs", "foreign@example.com")
		if w.organisation(w.account) != w.vars["$ORG"] || w.organisation(w.other) == w.vars["$ORG"] {
			t.Error("the organisation is not the account")
		}
		groups := []string{
			`{"_id":"` + empty + `","gN":"Empty","gDesc":"","groups":[],"users":[],"userCount":0}`,
			`{"_id":"` + staff + `","gN":"Staff & <Co>","gDesc":"","groups":[],"users":[` + user(owner, "", "", "active") + "," +
				user(ann, `A\"`, "<Ann>", "not active") + `],"userCount":2}`,
			`{"_id":"` + all + `","gN":"All","gDesc":"","groups":[{"_id":"` + empty + `","gN":"Empty"},{"_id":"` + staff + `","gN":"Staff & <Co>"}],"users":[` +
				user(bob, "", "", "not active") + `],"userCount":1}`,
		}
		list := func(more bool, groups ...string) string {
			return fmt.Sprintf(`{"total":3,"availableMore":%v,"groups":[%s]}`, more, strings.Join(groups, ","))
		}
		for query, want := range map[string]string{
			"":                  list(false, groups...),
			"?limit=1":          list(true, groups[0]),
			"?limit=2":          list(true, groups[:2]...),
			"?limit=1&offset=1": list(true, groups[1]),
			"?limit=2&offset=1": list(false, groups[2]),
			"/?offset=1":        list(false),
		} {
			w.compare(w.get(app, groupsPath+query, nil), 200, want, nil)
		}
	})
}

// organisation is the id of the one that the users of an account belong to, as its
// groups show it.
func (w *world) organisation(account string) string {
	w.T.Helper()
	got := w.get(w.roleApp(account), groupsPath, nil)
	found := regexp.MustCompile(`"orgId":"(o-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})"`).FindStringSubmatch(got.Body)
	if found == nil {
		w.T.Fatalf("no organisation in %s", got.Body)
	}
	return found[1]
}

// Contract 5.6: the bots, and no secret.
func TestBotsAreListed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		app := w.roleApp(w.account)
		bot := func(id, name, email string) string {
			return `{"_id":"` + id + `","accountId":"` + w.account + `","createdOn":"T","createdBy":"` + w.userID(email) + `","name":"` + name +
				`","description":"","status":"configured","type":"default","defaultLanguage":"en"}`
		}
		bots := []string{bot(w.vars["$HEAD"], "Head", owner), bot(w.vars["$DESK"], "Desk", dan), bot(w.vars["$MAIL"], "Mail & <Post>", dan)}
		times := regexp.MustCompile(`"createdOn":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`)
		for query, want := range map[string]string{
			"":                  `{"total":3,"availableMore":false,"bots":[` + strings.Join(bots, ",") + `]}`,
			"?limit=2":          `{"total":3,"availableMore":true,"bots":[` + strings.Join(bots[:2], ",") + `]}`,
			"?limit=2&offset=1": `{"total":3,"availableMore":false,"bots":[` + bots[2] + `]}`,
			"?limit=2&offset=2": `{"total":3,"availableMore":false,"bots":[]}`,
		} {
			got := w.get(app, botsPath+query, nil)
			got.Body = times.ReplaceAllString(got.Body, `"createdOn":"T"`)
			w.compare(got, 200, want, nil)
		}
	})
}

// Contract 5.1: who has which role, and through which groups.
func TestUserRolesAreListed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		app := w.roleApp(w.account)
		w.assign("Bot Tester", w.vars["$MAIL"], ann, bob, owner)
		w.assign("Bot Developer", w.vars["$DESK"], ann)
		w.assign("admin", "", ann, cleo)
		staff, all := w.group("Staff", bob, ann), w.group("All", cleo)
		storetest.Exec(t, dsn, `INSERT INTO group_groups (account_id, parent_id, child_id) SELECT p.account_id, p.id, c.id FROM groups p JOIN groups c
ON c.account_id = p.account_id WHERE p.name = 'All' AND c.name = 'Staff'`)
		storetest.Exec(t, dsn, `INSERT INTO group_roles (account_id, group_id, role_id, bot_id) SELECT g.account_id, g.id, r.id, 0 FROM groups g JOIN roles r
ON r.account_id = g.account_id WHERE r.name = 'admin'`)
		storetest.Exec(t, dsn, `UPDATE member_profiles SET is_developer = 0, can_create_bot = 0 WHERE email = $1`, bob)
		w.Remove(w.app, emails(cleo))

		groupOf := map[string]string{"Staff": staff, "All": all}
		groups := func(names ...string) string {
			var out []string
			for _, name := range names {
				out = append(out, `{"groupId":"`+groupOf[name]+`","groupName":"`+name+`"}`)
			}
			return strings.Join(out, ",")
		}
		admin := func(names ...string) string {
			return `{"roleId":"` + w.roleID("admin") + `","roleName":"admin","groups":[` + groups(names...) + `]}`
		}
		bot := func(role, id, name string) string {
			return `{"roleId":"` + w.roleID(role) + `","roleName":"` + role + `","groups":[],"botId":"` + id + `","botName":"` + name + `"}`
		}
		user := func(email, orgID string, flags bool, bots, admins string) string {
			return fmt.Sprintf(`{"username":"%s","orgUserId":"%s","accountId":"%s","isDeveloper":%v,"canCreateBot":%v,"userId":"%s","btRoles":[%s],"adminRoles":[%s]}`,
				email, orgID, w.account, flags, flags, w.userID(email), bots, admins)
		}
		mail := bot("Bot Tester", w.vars["$MAIL"], "Mail & <Post>")
		desk := w.vars["$DESK"]
		users := []string{
			user(owner, "", true, bot("Bot Owner", w.vars["$HEAD"], "Head")+","+mail, admin()),
			user(ann, "E1", true, bot("Bot Developer", desk, "Desk")+","+mail, admin("Staff", "All")),
			user(bob, "E2", false, mail, admin("Staff", "All")),
			user(dan, "E4", true, bot("Bot Owner", desk, "Desk")+","+bot("Bot Owner", w.vars["$MAIL"], "Mail & <Post>"), ""),
		}
		list := func(more bool, users ...string) string {
			return fmt.Sprintf(`{"total":4,"availableMore":%v,"users":[%s]}`, more, strings.Join(users, ","))
		}
		for query, want := range map[string]string{
			"":                  list(false, users...),
			"?limit=1":          list(true, users[0]),
			"?limit=1&offset=1": list(true, users[1]),
			"?limit=3&offset=1": list(false, users[3]),
			"?limit=9&offset=1": list(false),
		} {
			w.compare(w.get(app, userRolesPath+query, nil), 200, want, nil)
		}
	})
}

// Nothing of another account is in a list, and each needs its scope.
func TestListsOfOthers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		w.group("Staff", ann)
		w.assign("admin", "", ann)
		app, wrong := w.roleApp(w.account), w.app
		bare := w.roleApp(w.Account("new@example.com"))
		before := w.Dump()
		for path, key := range lists {
			w.compare(w.get(wrong, path, nil), 401, badScope, nil)
			got := w.get(bare, path, nil)
			for _, theirs := range []string{ann, w.account, w.roleID("admin"), w.userID(ann), w.vars["$HEAD"], "Staff"} {
				if strings.Contains(got.Body, theirs) {
					t.Errorf("%s shows %s of another account: %s", path, theirs, got.Body)
				}
			}
			if got.Status != 200 || !strings.Contains(got.Body, `"`+key+`":[`) {
				t.Errorf("%s answered %d %s", path, got.Status, got.Body)
			}
			if got := w.get(app, path, nil); got.Status != 200 {
				t.Errorf("%s answered %d", path, got.Status)
			}
		}
		w.unchanged(before)
	})
}

// Contract 1 and 5: 50 is the default and the most; nonsense is 412.
func TestListQueries(t *testing.T) {
	token := func(w *world) string { return w.roleApp(w.account).Token(nil) }
	var rows []row
	for path := range lists {
		for _, query := range []string{
			"limit=0", "limit=", "limit", "limit=-1", "limit=+1", "limit=1.0", "limit=x", "limit=%201", "limit=1&limit=1",
			"offset=", "offset=-1", "offset=x", "offset=1&offset=2", "limit=5&offset=1;2", "%zz",
		} {
			rows = append(rows, row{says: path + "?" + query, method: "GET", path: path + "?" + query, token: token, status: 412, want: invalidArgs})
		}
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			rows = append(rows, row{
				says: method + " " + path, method: method, path: path, token: none, header: overridden("DELETE"), body: emails(ann),
				status: 405, want: notAllowed, headers: header1("Allow", "GET"),
			})
		}
		rows = append(rows,
			row{says: "below " + path, method: "GET", path: path + "/x", token: token, status: 404, want: notFound},
			row{says: "credentials before the query: " + path, method: "GET", path: path + "?limit=x", token: none, status: 401, want: badToken})
	}
	for _, query := range []string{"roleType=", "roleType", "roleType=Admin", "roleType=admin,bot", "roleType=bot&roleType=bot", "roleType=x&limit=1"} {
		rows = append(rows, row{says: query, method: "GET", path: rolesPath + "?" + query, token: token, status: 412, want: invalidArgs})
	}
	checkReading(t, rostertest.Options{}, rows)
}

// 50 is the default and the most.
func TestListsAreClamped(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		app := w.roleApp(w.account)
		var people []string
		for i := range 60 {
			people = append(people, fmt.Sprintf("u%02d@example.com", i))
			w.group(fmt.Sprintf("g%02d", i))
			w.Bot(w.account, fmt.Sprintf("b%02d", i), owner)
		}
		w.Users(w.account, people...)
		storetest.Exec(t, dsn, `INSERT INTO roles (account_id, id, public_id, kind, name, description, permissions, built_in, created_at)
SELECT g.account_id, g.id, g.public_id, 'bot', g.name, '', '{}', 0, g.created_at FROM groups g`)
		for path, key := range lists {
			var pages [2]string
			for i, query := range []string{"", "?offset=1&limit=1000"} {
				pages[i] = w.get(app, path+query, nil).Body
			}
			count := func(body string) int {
				return strings.Count(body, `{"_id":`) + strings.Count(body, `{"username":`) + strings.Count(body, `,"_id":`)
			}
			total := 60 + map[string]int{"users": 5, "roles": 4, "groups": 0, "bots": 3}[key]
			for i, n := range []int{50, total - 50} {
				start := fmt.Sprintf(`{"total":%d,"availableMore":%v,"%s":[`, total, i == 0, key)
				if !strings.HasPrefix(pages[i], start) || count(pages[i]) != n {
					t.Errorf("page %d of %s has %d items and begins with %.60s", i, path, count(pages[i]), pages[i])
				}
			}
		}
	})
}
