package publicapi_test

import (
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"roster/internal/directory"
	"roster/internal/publicapi"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// misspelt are names that somebody might give a preview, or all or nothing.
var misspelt = []string{
	"dry_run", "dry-run", "dryrun", "DryRun", "DRY_RUN", "dryRun ", " dryRun", "dryRun[]", "dryRun.", "isDryRun", "dryRunOnly", "dry run", "dry\u200brun", "dry2Run",
	"atomic ", "Atomic", "ATOMIC", "isAtomic", "atomic[0]", "atomically", "nonAtomic", "atom-ic",
	"preview", "Preview", "pre-view", "simulate", "what_if", "whatIf", "no-op", "noop", "NOOP", "test", "Test", "test[]",
}

// unlike are names that resemble none of them: such a parameter or key is ignored.
var unlike = []string{"dry", "run1", "atom", "previews", "isPreview", "simulated", "whatifs", "noops", "tests", "latest", "testing", "x", "reason", "dr\u0443Run"}

// Contract 3.5: on every call that changes something a query parameter, or a key at
// the top of the body, that could be meant for a preview or for all or nothing is
// refused. The calls are those of the route table: a new one is tried as well.
func TestMisspeltOptionsAreRefusedOnEveryCall(t *testing.T) {
	t.Parallel()
	w := start(t, storetest.New(t, "sqlite"), rostertest.Options{})
	id := w.Remove(w.app, emails(cleo)).Header.Get("X-Removal-Id")
	app := w.keep(w.AppWith(w.account, directory.OriginAdminConsole, directory.ScopeUserManagement, directory.ScopeRoleManagement))
	token := app.Token(nil)
	bodies := map[string]string{ // that would do something, but for the key
		"DELETE /api/public/users":                     `{"deleteEmailIds":["` + ann + `"],$}`,
		"POST /api/public/users":                       `{$,"users":[{"userInfo":{"emailId":"eve@example.com"}}]}`,
		"PUT /api/public/users":                        `{"users":[{"userInfo":{"emailId":"` + ann + `","city":"Bern"}}],$}`,
		"DELETE /api/public/users/removals/{id}":       `{$}`,
		"POST /api/public/users/removals/{id}/restore": `{"deleteEmailIds":["` + cleo + `"],$}`,
		"POST /api/public/useraccess":                  `{"emailIds":["` + ann + `"],"isDeveloper":false,"canCreateBot":false,$}`,
		"POST /api/public/adminroles/assignments":      `[{"roleId":"x"}]`,
		"POST /api/public/btroles/assignments":         `[{"roleId":"x"}]`,
	}
	before := w.Dump()
	for _, route := range publicapi.New(w.Roster, slog.New(slog.DiscardHandler), publicapi.Limits{}).Routes() {
		method, path, _ := strings.Cut(route, " ")
		if method == "GET" || path == "/api/public/usersInfo" {
			continue
		}
		body, known := bodies[route]
		if !known {
			t.Errorf("%s: write down a body that would do something", route)
		}
		path = strings.ReplaceAll(path, "{id}", id)
		for _, name := range misspelt {
			plain := strings.NewReplacer(",$", "", "$,", "", "$", "").Replace(body)
			got := w.send(rostertest.Request{Method: method, Path: path + "?x=1&" + url.QueryEscape(name) + "=false", Body: plain, Token: token})
			w.compare(got, 412, invalidArgs, nil)
			if strings.Contains(body, "$") {
				got := w.send(rostertest.Request{Method: method, Path: path, Body: strings.ReplaceAll(body, "$", quote(name)+":false"), Token: token})
				w.compare(got, 412, invalidArgs, nil)
			}
		}
		got := w.send(rostertest.Request{Method: method, Path: path + "?%zz", Body: body, Token: token})
		w.compare(got, 412, invalidArgs, nil)
	}
	w.unchanged(before)
}

// A key that resembles an option is found however it is written, and a body that is
// not JSON is told first.
func TestMisspeltOptionsInBodies(t *testing.T) {
	t.Parallel()
	w := start(t, storetest.New(t, "sqlite"), rostertest.Options{})
	named := `"deleteEmailIds":["` + ann + `"]`
	cancel := "/api/public/users/removals/" + w.Remove(w.app, emails("nobody@example.com")).Header.Get("X-Removal-Id")
	keys, parameters := []string{`{` + named}, []string{"?dryRun=true"}
	for _, name := range append(unlike, strings.Repeat("k", 100)) {
		keys = append(keys, quote(name)+":1")
		parameters = append(parameters, url.QueryEscape(name))
	}
	ignored, ignoredQuery := strings.Join(keys, ","), strings.Join(parameters, "&")
	for _, r := range []row{
		{says: "the option in the body", body: `{"dryRun":true,` + named + `}`, status: 412, want: invalidArgs},
		{says: "null", body: `{"dryRun":null,` + named + `}`, status: 412, want: invalidArgs},
		{says: "with escapes", body: `{"dry\u0052un":true,` + named + `}`, status: 412, want: invalidArgs},
		{says: "a long key", body: `{"` + strings.Repeat(" ", 900) + `dryRun":true,` + named + `}`, status: 412, want: invalidArgs},
		{says: "within a longer one", body: `{"dryRun` + strings.Repeat("x", 5000) + `":true,` + named + `}`, status: 412, want: invalidArgs},
		{says: "also as a job", header: async(nil), body: `{` + named + `,"dry_run":true}`, status: 412, want: invalidArgs},
		{says: "JSON comes first", body: `{"dryRun":true,` + named + `,}`, status: 400, want: invalidJSON},
		{says: "cancelling: no JSON", path: cancel, body: `{`, status: 400, want: invalidJSON},
		{says: "cancelling: more than one value", path: cancel, body: `{}{}`, status: 400, want: invalidJSON},
		{says: "cancelling: no object", path: cancel, body: `["dryRun"]`, status: 412, want: invalidArgs},
		{says: "cancelling: anything else", path: cancel, body: `{"x":{"dryRun":true}}`, status: 409, want: jobOver},
		{says: "cancelling: no body", path: cancel, status: 409, want: jobOver},
		{says: "deeper keys are not options", body: `{"x":{"dryRun":true},"y":[{"atomic":1}],` + named + `}`, want: removed, gone: []string{ann}},
		{says: "neither are other keys", path: "/api/public/users" + ignoredQuery, body: ignored + "}", want: withEnd(removed, `,"dryRun":true`)},
	} {
		w.check(r)
		if r.gone != nil {
			w.recast()
		}
	}
}
