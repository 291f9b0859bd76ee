package server_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// The tenant sweep, promise S3: each place of each request that the document
// names is filled with another account's ids of each kind, under each scope.
// Nothing of that account is seen or touched, and the answers are those for ids
// of nobody.

// sweptBodies are, for each operation with a body, the body of a request that
// tries its parameters, under "", and one for each place in its body that takes
// text. $X is the place; $NEW is an address that nobody has yet, and other names
// are things of the caller's own account. A place that is not here, or is here and
// not in the document, fails the test.
var sweptBodies = map[string]map[string]string{
	"DELETE /api/public/users": {
		"":                 `{"deleteEmailIds":["nobody@own.example"]}`,
		"deleteEmailIds[]": `{"deleteEmailIds":["$X"]}`,
		"orgUserIds[]":     `{"orgUserIds":["$X"]}`,
		"note":             `{"deleteEmailIds":["nobody@own.example"],"note":"$X"}`,
		"run":              `{"deleteEmailIds":["nobody@own.example"],"run":"$X"}`,
	},
	"POST /api/public/users/removals/{id}/restore": {
		"":                 `{}`,
		"deleteEmailIds[]": `{"deleteEmailIds":["$X"]}`,
		"orgUserIds[]":     `{"orgUserIds":["$X"]}`,
		"note":             `{"deleteEmailIds":["nobody@own.example"],"note":"$X"}`,
		"run":              `{"deleteEmailIds":["nobody@own.example"],"run":"$X"}`,
	},
	"POST /api/public/users": {
		"":                                   `{"users":[{"userInfo":{"emailId":"$NEW"}}]}`,
		"users[].userInfo.emailId":           `{"users":[{"userInfo":{"emailId":"$X"}}]}`,
		"users[].userInfo.orgUserId":         `{"users":[{"userInfo":{"emailId":"$NEW","orgUserId":"$X"}}]}`,
		"users[].groups[]":                   `{"users":[{"userInfo":{"emailId":"$NEW"},"groups":["$X"]}]}`,
		"users[].roles[].roleId":             `{"users":[{"userInfo":{"emailId":"$NEW"},"roles":[{"roleId":"$X"}]}]}`,
		"users[].roles[].botId":              `{"users":[{"userInfo":{"emailId":"$NEW"},"roles":[{"roleId":"$BOTROLE","botId":"$X"}]}]}`,
		"users[].roles[].streamId":           `{"users":[{"userInfo":{"emailId":"$NEW"},"roles":[{"roleId":"$BOTROLE","streamId":"$X"}]}]}`,
		"users[].assignBotTasks[].botId":     `{"users":[{"userInfo":{"emailId":"$NEW"},"assignBotTasks":[{"botId":"$X"}]}]}`,
		"users[].assignBotTasks[].streamId":  `{"users":[{"userInfo":{"emailId":"$NEW"},"assignBotTasks":[{"streamId":"$X"}]}]}`,
		"users[].assignBotTasks[].dialogs[]": `{"users":[{"userInfo":{"emailId":"$NEW"},"assignBotTasks":[{"botId":"$BOT","dialogs":["$X"]}]}]}`,
	},
	"PUT /api/public/users": {
		"":                                    `{"users":[{"userInfo":{"emailId":"$ANN"}}]}`,
		"users[].userInfo.emailId":            `{"users":[{"userInfo":{"emailId":"$X","lastName":"Y"}}]}`,
		"users[].userInfo.orgUserId":          `{"users":[{"userInfo":{"orgUserId":"$X","lastName":"Y"}}]}`,
		"users[].groups.addTo[]":              `{"users":[{"userInfo":{"emailId":"$ANN"},"groups":{"addTo":["$X"]}}]}`,
		"users[].groups.removeFrom[]":         `{"users":[{"userInfo":{"emailId":"$ANN"},"groups":{"removeFrom":["$X"]}}]}`,
		"users[].roles.addTo[].roleId":        `{"users":[{"userInfo":{"emailId":"$ANN"},"roles":{"addTo":[{"roleId":"$X"}]}}]}`,
		"users[].roles.addTo[].botId":         `{"users":[{"userInfo":{"emailId":"$ANN"},"roles":{"addTo":[{"roleId":"$BOTROLE","botId":"$X"}]}}]}`,
		"users[].roles.addTo[].streamId":      `{"users":[{"userInfo":{"emailId":"$ANN"},"roles":{"addTo":[{"roleId":"$BOTROLE","streamId":"$X"}]}}]}`,
		"users[].roles.removeFrom[].roleId":   `{"users":[{"userInfo":{"emailId":"$ANN"},"roles":{"removeFrom":[{"roleId":"$X"}]}}]}`,
		"users[].roles.removeFrom[].botId":    `{"users":[{"userInfo":{"emailId":"$ANN"},"roles":{"removeFrom":[{"roleId":"$BOTROLE","botId":"$X"}]}}]}`,
		"users[].roles.removeFrom[].streamId": `{"users":[{"userInfo":{"emailId":"$ANN"},"roles":{"removeFrom":[{"roleId":"$BOTROLE","streamId":"$X"}]}}]}`,
		"users[].assignBotTasks[].botId":      `{"users":[{"userInfo":{"emailId":"$ANN"},"assignBotTasks":[{"botId":"$X"}]}]}`,
		"users[].assignBotTasks[].streamId":   `{"users":[{"userInfo":{"emailId":"$ANN"},"assignBotTasks":[{"streamId":"$X"}]}]}`,
		"users[].assignBotTasks[].dialogs[]":  `{"users":[{"userInfo":{"emailId":"$ANN"},"assignBotTasks":[{"botId":"$BOT","dialogs":["$X"]}]}]}`,
	},
	"POST /api/public/usersInfo": {
		"":             `{"emailIds":["$ANN"]}`,
		"emailIds[]":   `{"emailIds":["$X"]}`,
		"orgUserIds[]": `{"orgUserIds":["$X"]}`,
		"status":       `{"emailIds":["$ANN"],"status":"$X"}`,
	},
	"POST /api/public/useraccess": {
		"":           `{"emailIds":["nobody@own.example"],"isDeveloper":true}`,
		"emailIds[]": `{"emailIds":["$X"],"isDeveloper":true}`,
	},
	"POST /api/public/adminroles/assignments": sweptAssignments("$ROLE"),
	"POST /api/public/btroles/assignments":    sweptAssignments("$BOTROLE"),
}

func sweptAssignments(role string) map[string]string {
	bodies := map[string]string{
		"":          `[{"roleId":"` + role + `","botId":"$BOT","addUsers":["nobody@own.example"]}]`,
		"[].roleId": `[{"roleId":"$X","botId":"$BOT","addUsers":["$ANN"]}]`,
		"[].botId":  `[{"roleId":"` + role + `","botId":"$X","addUsers":["$ANN"]}]`,
	}
	for _, list := range []string{"addUsers", "addOrgUserIds", "removeUsers", "removeOrgUserIds", "addGroups", "removeGroups"} {
		bodies["[]."+list+"[]"] = `[{"roleId":"` + role + `","botId":"$BOT","` + list + `":["$X"]}]`
	}
	return bodies
}

// plainPlaces, by name, take no ids, so that an id of the caller's own account
// is answered like one of nobody. AuditLogIds are numbers that each account has.
var plainPlaces = regexp.MustCompile(`^(query (reasons|dryRun|atomic|limit|offset|roleType|size|fromDate|toDate|fetchAfter)` +
	`|header (Prefer|X-Request-Id|Accept)|status|note|run|.*\.dialogs\[\]|users\[\]\.userInfo\.(.*))$`)

// place is where a request takes a text.
type place struct {
	operation, name string
	fill            func(x string) rostertest.Request
}

func (p place) plain() bool {
	if p.operation == "POST /api/public/adminroles/assignments" && p.name == "[].botId" {
		return true // it is ignored
	}
	return plainPlaces.MatchString(p.name) && !strings.HasSuffix(p.name, ".emailId") && !strings.HasSuffix(p.name, ".orgUserId")
}

// placesOf lists the places of an operation by the document.
func placesOf(t *testing.T, method, path string, op *openapi3.Operation) (places []place) {
	t.Helper()
	operation := method + " " + path
	bodies := maps.Clone(sweptBodies[operation])
	if path == "/api/public/users" && method != http.MethodDelete {
		user := map[string]string{http.MethodPost: "$NEW", http.MethodPut: "$ANN"}[method]
		for _, field := range new(directory.Profile).Fields() {
			bodies["users[].userInfo."+field.Name] = `{"users":[{"userInfo":{"emailId":"` + user + `","` + field.Name + `":"$X"}}]}`
		}
	}
	for _, p := range op.Parameters {
		name := p.Value.Name
		request := rostertest.Request{Method: method, Path: strings.ReplaceAll(path, "{id}", "$REMOVAL"), Body: bodies[""]}
		fill := func(x string) rostertest.Request {
			request := request
			switch p.Value.In {
			case openapi3.ParameterInPath:
				request.Path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(x))
			case openapi3.ParameterInQuery:
				request.Path += "?" + name + "=" + url.QueryEscape(x)
			case openapi3.ParameterInHeader:
				request.Header = map[string]string{name: x}
			}
			return request
		}
		places = append(places, place{operation, p.Value.In + " " + name, fill})
	}
	delete(bodies, "")
	if op.RequestBody != nil {
		leaves := map[string]bool{}
		textLeaves("", op.RequestBody.Value.Content["application/json"].Schema.Value, leaves)
		for _, leaf := range slices.Sorted(maps.Keys(leaves)) {
			body := bodies[leaf]
			if body == "" {
				t.Errorf("%s: no request tries %s", operation, leaf)
				continue
			}
			delete(bodies, leaf)
			places = append(places, place{operation, leaf, func(x string) rostertest.Request {
				return rostertest.Request{
					Method: method, Path: strings.ReplaceAll(path, "{id}", "$REMOVAL"),
					Body: strings.ReplaceAll(body, "$X", x),
				}
			}})
		}
	}
	for leaf := range bodies {
		t.Errorf("%s: the document has no %s", operation, leaf)
	}
	return places
}

// textLeaves collects the places of a schema that may be text.
func textLeaves(at string, s *openapi3.Schema, leaves map[string]bool) {
	for _, some := range []openapi3.SchemaRefs{s.OneOf, s.AnyOf, s.AllOf} {
		for _, ref := range some {
			textLeaves(at, ref.Value, leaves)
		}
	}
	for name, ref := range s.Properties {
		textLeaves(strings.TrimPrefix(at+"."+name, "."), ref.Value, leaves)
	}
	if s.Items != nil {
		textLeaves(at+"[]", s.Items.Value, leaves)
	}
	if s.Type != nil && s.Type.Includes("string") {
		leaves[at] = true
	}
}

// swept is an account with ids of each kind.
type swept struct {
	account string
	apps    map[directory.Scope]rostertest.App
	ids     map[string]string // by kind
}

const sweptKey = "idempotency key"

// newSwept makes an account whose texts all contain the name.
func newSwept(t *testing.T, s *rostertest.Server, name string) *swept {
	t.Helper()
	ctx, operator := context.Background(), auth.Operator()
	at := "@" + name + ".example"
	a := &swept{account: s.Account("owner" + at), apps: map[directory.Scope]rostertest.App{}}
	for _, scope := range directory.Scopes() {
		a.apps[scope] = s.AppWith(a.account, directory.OriginAdminConsole, scope)
	}
	s.Import(a.account, rostertest.Person{Email: "ann" + at, OrgUserID: "E-" + name}, rostertest.Person{Email: "gone" + at, OrgUserID: "G-" + name})
	must := func(id string, err error) string {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
		return id
	}
	a.ids = map[string]string{
		"account":       a.account,
		"account name":  "Account of owner" + at,
		"client id":     a.apps[directory.ScopeUserManagement].ClientID,
		"address":       "ann" + at,
		"owner":         "owner" + at,
		"org id":        "E-" + name,
		"removed":       "gone" + at,
		"removed's org": "G-" + name,
		"group":         must(s.Roster.CreateGroup(ctx, operator, a.account, "group-"+name, []string{"ann" + at})),
		"group name":    "group-" + name,
		"role":          must(s.Roster.CreateRole(ctx, operator, a.account, roster.NewRole{Kind: directory.AdminRole, Name: "role-" + name})),
		"role name":     "role-" + name,
		"bot":           s.Bot(a.account, "bot-"+name, "owner"+at),
		"bot name":      "bot-" + name,
		sweptKey:        "key-" + name,
	}
	users := a.apps[directory.ScopeUserManagement].Token(nil)
	removal := s.Do(rostertest.Request{Token: users, Body: `{"deleteEmailIds":["gone` + at + `"]}`, Header: map[string]string{"Idempotency-Key": a.ids[sweptKey]}})
	a.ids["removal"] = removal.Header.Get("X-Removal-Id")
	if removal.Status != http.StatusOK {
		t.Fatalf("prepare: %+v", removal)
	}
	first := func(path, pattern string, scope directory.Scope) string {
		got := s.Do(rostertest.Request{Method: http.MethodGet, Path: path, Token: a.apps[scope].Token(nil)})
		found := regexp.MustCompile(pattern).FindStringSubmatch(got.Body)
		if found == nil {
			t.Helper()
			t.Fatalf("%s has no %s: %s", path, pattern, got.Body)
		}
		return found[1]
	}
	a.ids["bot role"] = first("/api/public/roles?roleType=bot", `"_id":"([0-9a-f]{24})"`, directory.ScopeRoleManagement)
	a.ids["user"] = first("/api/public/alluserroles", `"userId":"(u-[0-9a-f-]+)"`, directory.ScopeRoleManagement)
	return a
}

// put puts ids of the account for their names in a request.
func (a *swept) put(req rostertest.Request, fresh string) rostertest.Request {
	names := strings.NewReplacer("$ANN", a.ids["address"], "$BOTROLE", a.ids["bot role"], "$ROLE", a.ids["role"],
		"$BOT", a.ids["bot"], "$REMOVAL", a.ids["removal"], "$NEW", fresh)
	req.Path, req.Body = names.Replace(req.Path), names.Replace(req.Body)
	return req
}

// nobodys is an id of the same form that is not there.
func nobodys(id string) string {
	if hexEnd.MatchString(id) {
		return hexEnd.ReplaceAllString(id, "0badc0ffee00")
	}
	return sweptNames.ReplaceAllString(id, "nowhere")
}

var (
	hexEnd     = regexp.MustCompile(`[0-9a-f]{12}$`)
	sweptNames = regexp.MustCompile(`foreign|own\d+`)
	sweptIDs   = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{24}`)
	sweptTimes = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`)
)

// told is what an answer tells, with names for what differs anyway: the ids that
// are compared, and new ones.
func told(got rostertest.Answer, ids ...string) string {
	body := got.Body
	for _, id := range ids {
		body = strings.ReplaceAll(body, id, "X")
	}
	body = sweptTimes.ReplaceAllString(sweptIDs.ReplaceAllString(body, "ID"), "TIME")
	header := got.Header.Clone()
	for _, name := range []string{"Date", "Content-Length", "X-Request-Id"} {
		header.Del(name)
	}
	if header.Get("X-Removal-Id") != "" {
		header.Set("X-Removal-Id", "ID")
	}
	return fmt.Sprintf("%d %v %s", got.Status, header, body)
}

func TestTenantSweep(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := rostertest.Start(t, dsn, rostertest.Options{})
		foreign := newSwept(t, s, "foreign")
		before := s.Dump()
		doc := document(t, s)
		var operations, n int
		t.Run("places", func(t *testing.T) {
			for path, item := range doc.Paths.Map() {
				if !strings.HasPrefix(path, "/api/") {
					continue
				}
				for method, op := range item.Operations() {
					operations++
					for _, p := range placesOf(t, method, path, op) {
						n++
						name := fmt.Sprint("own", n)
						t.Run(p.operation+" "+p.name, func(t *testing.T) {
							t.Parallel()
							w := &sweep{s, foreign, newSwept(t, s, name)}
							w.fill(t, p)
						})
					}
				}
			}
		})
		t.Logf("%d places of %d operations", n, operations)
		if operations < 15 {
			t.Error("the document has lost operations")
		}
		untouched(t, before, s.Dump(), foreign.account)
		s.VerifyAudit()
	})
}

// sweep is what an account sees of another one at one place.
type sweep struct {
	*rostertest.Server
	foreign, own *swept
}

// fill fills the place with ids of all kinds.
func (w *sweep) fill(t *testing.T, p place) {
	t.Helper()
	kinds := slices.Sorted(maps.Keys(w.foreign.ids))
	if p.plain() {
		kinds = []string{"address", "group", "org id", "removal"}
	}
	alive, fresh := false, 0
	// differ reports whether an id is told from another one.
	differ := func(scope directory.Scope, ids ...string) (answer rostertest.Answer, differ string) {
		var answers [2]rostertest.Answer
		var says [2]string
		for i, id := range ids {
			fresh++
			address := fmt.Sprintf("new%d@%s", fresh, strings.TrimPrefix(w.own.ids["address"], "ann@"))
			req := w.own.put(p.fill(id), address)
			req.Token = w.own.apps[scope].Token(nil)
			answers[i] = w.Do(req)
			says[i] = told(answers[i], append([]string{address}, ids...)...)
		}
		if says[0] != says[1] {
			differ = strings.Join(says[:], "\n")
		}
		return answers[0], differ
	}
	denied := map[directory.Scope]bool{}
	for _, kind := range kinds {
		theirs, ours := w.foreign.ids[kind], w.own.ids[kind]
		for _, scope := range directory.Scopes() {
			if denied[scope] && !storetest.Long() {
				continue // the scope is checked before the id is read
			}
			got, differs := differ(scope, theirs, nobodys(theirs))
			if differs != "" {
				t.Errorf("%s: another account's %s %s is told from nobody's:\n%s", scope, kind, theirs, differs)
			}
			for _, id := range w.foreign.ids {
				if !strings.Contains(theirs, id) && strings.Contains(got.Body, id) {
					t.Errorf("%s, %s: the answer shows %s: %s", scope, kind, id, got.Body)
				}
			}
			denied[scope] = got.Status == http.StatusUnauthorized
			if !denied[scope] {
				_, differs := differ(scope, nobodys(ours), ours)
				alive = alive || differs != ""
			}
		}
	}
	if alive == p.plain() { // the control
		t.Errorf("the caller's own ids are told from nobody's: %v, want %v", alive, !p.plain())
	}
}

// untouched checks that all that was there is as it was, and that nothing has come
// to the account.
func untouched(t *testing.T, before, after storetest.Content, account string) {
	t.Helper()
	var id string
	for _, row := range before["accounts"] {
		if strings.Contains(row, account) {
			id, _, _ = strings.Cut(row, "|")
		}
	}
	for table, rows := range before {
		now := after[table]
		switch table {
		case "id_blocks", "app_secrets": // keys in advance, and last use
			continue
		case "persons": // which count their memberships
			rows, now = withoutCounts(rows), withoutCounts(now)
		}
		for _, row := range rows {
			if !slices.Contains(now, row) {
				t.Errorf("%s: %s is changed or gone", table, row)
			}
		}
		for _, row := range now {
			if table != "accounts" && table != "persons" && strings.HasPrefix(row, id+"|") && !slices.Contains(rows, row) {
				t.Errorf("%s: %s has come to the account", table, row)
			}
		}
	}
}

// withoutCounts are rows of persons up to the address.
func withoutCounts(rows []string) (cut []string) {
	for _, row := range rows {
		cut = append(cut, strings.Join(strings.SplitN(row, "|", 4)[:3], "|"))
	}
	return cut
}
