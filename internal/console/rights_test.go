package console_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"roster/internal/directory"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// open routes are for everybody, own ones for whoever has signed in.
var (
	openRoutes = []string{"GET /console/static/{file}", "GET /console/sign-in", "POST /console/sign-in", "GET /console/link/{token}", "POST /console/link/{token}"}
	ownRoutes  = []string{"GET /console", "GET /console/accounts", "POST /console/accounts", "GET /console/sessions", "POST /console/sessions/end", "POST /console/sign-out"}
	seeRoutes  = []string{
		"GET /console/apps", "GET /console/apps/{app}",
		"GET /console/users", "GET /console/users/{user}", "GET /console/removals", "GET /console/removals/{removal}", "GET /console/removals/{removal}/not-removed.csv", "GET /console/removals/{removal}/report.csv",
		"GET /console/removals/{removal}/restorations/{request}",
	}
)

// passOn needs the right to change bots as well as users.
const passOn = "POST /console/users/remove/bots"

// may is what somebody may do with a part of the console, as the status of its
// pages: of those that only show, and of the others.
type may struct{ see, change int }

// who is somebody in a browser, with what they may do.
type who struct {
	name        string
	client      *client
	apps, users may
}

// everybody is one of each kind.
func (w *world) everybody(t *testing.T) []who {
	t.Helper()
	const passer, keeper, auditor = "passer@example.com", "keeper@example.com", "auditor@example.com"
	for email, p := range map[string]directory.Permissions{
		passer:  {"userManagement": directory.PermitYes, "botManagement": directory.PermitYes},
		keeper:  {"botManagement": directory.PermitYes},
		auditor: {"auditLogs": directory.PermitYes},
	} {
		w.Users(w.account, email)
		role(t, w.Server, w.account, "Only "+email, email, p)
		setPassword(t, w.Server, w.account, email)
	}
	all, look, none := may{200, 200}, may{200, 403}, may{403, 403}
	return []who{
		{"anonymous", newClient(t, w.Server), may{}, may{}},
		{"owner", signedIn(t, w.Server, owner), all, all},
		{"admin", signedIn(t, w.Server, admin), all, all},
		{"custom role for apps", signedIn(t, w.Server, apps), all, none},
		{"read-only", signedIn(t, w.Server, viewer), look, look},
		{"custom role for users", signedIn(t, w.Server, helper), none, all},
		{"custom role for users and bots", signedIn(t, w.Server, passer), none, all},
		{"custom role for bots", signedIn(t, w.Server, keeper), none, none},
		{"custom role for the audit log", signedIn(t, w.Server, auditor), none, none},
		{"other account", signedIn(t, w.Server, stranger), may{404, 404}, may{404, 404}},
	}
}

// Every route by everybody: whoever may not is refused, and nothing is changed.
// The routes come from the console's own table, so a new one is a case too.
func TestEveryRouteByEveryRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.New(t, "sqlite"))
	people := w.everybody(t)
	refused := 0
	before := w.Dump()
	for _, p := range people {
		for _, rt := range routes(w.Server) {
			method, pattern, _ := strings.Cut(rt, " ")
			if slices.Contains(openRoutes, rt) || slices.Contains(ownRoutes, rt) {
				continue
			}
			part := p.apps
			if !strings.HasPrefix(pattern, "/console/apps") {
				part = p.users
			}
			want := part.change
			if slices.Contains(seeRoutes, rt) {
				want = part.see
			}
			if rt == passOn && p.name == "custom role for users" {
				want = http.StatusForbidden
			}
			// Where nothing is named the other account sees its own.
			ownList := p.name == "other account" && !strings.Contains(pattern, "{")
			if want == http.StatusOK || ownList {
				if got := w.tryPermitted(p.client, method, pattern); !permitted(got) {
					t.Errorf("%s as %s is refused: %d to %q", rt, p.name, got.status, got.location)
				}
				if method == http.MethodPost {
					before = w.Dump()
				}
				continue
			}
			got := p.client.do(method, w.fill(pattern), url.Values{"name": {"x"}, "scope": {"user_management:user_management"}})
			refused++
			if p.name == "anonymous" {
				if got.status != http.StatusSeeOther || got.location != "/console/sign-in" {
					t.Errorf("%s as nobody: %d to %s", rt, got.status, got.location)
				}
			} else if got.status != want {
				t.Errorf("%s as %s: %d, want %d", rt, p.name, got.status, want)
			}
			if want == http.StatusNotFound && (strings.Contains(got.body, w.app) || strings.Contains(got.body, w.removal)) {
				t.Errorf("%s as %s tells of another account", rt, p.name)
			}
			after := w.Dump()
			if diff := before.Diff(after); diff != "" {
				t.Errorf("%s as %s changed the database: %s", rt, p.name, diff)
			}
			before = after
		}
	}
	if refused < 40 {
		t.Errorf("only %d cases were refused: are the routes seen?", refused)
	}
}

// tryPermitted asks for a route that the client may use. What names an app names one of
// its own, since it may be gone after that.
func (w *world) tryPermitted(c *client, method, pattern string) answer {
	w.T.Helper()
	own := *w
	if method == http.MethodPost && strings.Contains(pattern, "{app}") {
		own.app = w.App(w.account).ClientID
	}
	form := url.Values{"name": {"x"}, "scope": {"user_management:user_management"}, "clientId": {directory.NewClientID()}, "change": {"activate"}}
	return c.do(method, own.fill(pattern), form)
}

// permitted reports whether whoever asked may do so, though the form may be wrong or
// there may be nothing to do.
func permitted(got answer) bool {
	switch got.status {
	case http.StatusOK, http.StatusBadRequest, http.StatusConflict, http.StatusUnprocessableEntity:
		return true
	case http.StatusSeeOther:
		return got.location != "/console/sign-in" && got.location != "/console/accounts"
	}
	return false
}

// A stranger's page cannot post here, whatever cookie the browser sends along.
func TestForeignPostsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.New(t, "sqlite"))
	c := signedIn(t, w.Server, owner)
	for _, rt := range routes(w.Server) {
		method, pattern, _ := strings.Cut(rt, " ")
		if method != http.MethodPost {
			continue
		}
		for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
			c.header = map[string]string{name: value}
			before := w.Dump()
			if got := c.post(w.fill(pattern), nil); got.status != http.StatusForbidden {
				t.Errorf("%s with %s %s: %d", rt, name, value, got.status)
			}
			if diff := before.Diff(w.Dump()); diff != "" {
				t.Errorf("%s with %s changed the database: %s", rt, name, diff)
			}
		}
	}
	c.header = nil
	if got := c.get("/console"); got.status != http.StatusOK {
		t.Errorf("the session is gone: %d", got.status)
	}
}

func TestForgedCookiesAndFixation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.New(t, "sqlite"))
	const name = "roster-session"
	fixed := strings.Repeat("A", 43)
	c := newClient(t, w.Server)
	for _, forged := range []string{"x", fixed, "../..", "'; DROP TABLE persons; --", strings.Repeat("y", 5000)} {
		c.cookies[name] = forged
		if got := c.get("/console/apps"); got.location != "/console/sign-in" {
			t.Errorf("cookie %.20q: %d to %q", forged, got.status, got.location)
		}
	}
	c.cookies[name] = fixed
	c.signIn(owner)
	token := c.cookies[name]
	if token == fixed || len(token) != 43 {
		t.Fatalf("the token after signing in is %q", token)
	}
	for table, rows := range w.Dump() {
		if strings.Contains(strings.Join(rows, "\n"), token) {
			t.Errorf("the token stands in table %s", table)
		}
	}
	// Signing in again ends the session that was.
	c.signIn(admin)
	old := newClient(t, w.Server)
	old.cookies[name] = token
	if got := old.get("/console"); got.location != "/console/sign-in" {
		t.Errorf("the session before signing in again lives: %d", got.status)
	}
	old.cookies[name] = c.cookies[name]
	c.post("/console/sign-out", nil)
	if len(c.cookies[name]) != 0 {
		t.Error("signing out leaves the cookie")
	}
	if got := old.get("/console"); got.location != "/console/sign-in" {
		t.Errorf("the session lives after signing out: %d", got.status)
	}
	// Two of the name: one is not ours.
	good := signedIn(t, w.Server, owner)
	good.header = map[string]string{"Cookie": name + "=" + fixed}
	if got := good.get("/console"); got.location != "/console/sign-in" {
		t.Errorf("two cookies: %d", got.status)
	}
}

// S5: whoever is removed is out at the next click, on every server, and stays in
// elsewhere; restored within the window they are as before.
func TestRemovedMeansOut(t *testing.T) {
	t.Parallel()
	for engine, servers := range map[string]int{"sqlite": 1, "postgres": 2} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, storetest.New(t, engine))
			w.Users(w.other, admin)
			role(t, w.Server, w.other, "Keeper", admin, directory.Permissions{"appManagement": directory.PermitYes})
			setPassword(t, w.Server, w.other, admin)
			c := signedIn(t, w.Server, admin)
			if got := c.get("/console"); got.location != "/console/accounts" {
				t.Fatalf("with two accounts: %d to %q", got.status, got.location)
			}
			c.post("/console/accounts", url.Values{"account": {w.account}})
			everywhere := []*client{c}
			for range servers - 1 {
				second := rostertest.Start(t, w.DSN, rostertest.Options{SecretKeyFile: w.KeyFile})
				everywhere = append(everywhere, &client{t: t, base: second.URL, cookies: c.cookies})
			}
			for _, c := range everywhere {
				if got := c.get("/console/apps"); got.status != http.StatusOK {
					t.Fatalf("before: %d", got.status)
				}
			}
			if got := w.Remove(w.App(w.account), `{"deleteEmailIds":["`+admin+`"]}`); got.Status != http.StatusOK {
				t.Fatalf("remove: %d %s", got.Status, got.Body)
			}
			for _, c := range everywhere {
				if got := c.get("/console/apps"); got.location != "/console/accounts" {
					t.Errorf("after: %d to %q", got.status, got.location)
				}
				if got := c.post("/console/apps/"+w.app+"/disable", nil); got.location != "/console/accounts" {
					t.Errorf("a post after: %d to %q", got.status, got.location)
				}
				page := c.get("/console/accounts").body
				if strings.Contains(page, w.account) || !strings.Contains(page, w.other) {
					t.Errorf("the accounts to choose are wrong:\n%s", page)
				}
			}
			if got := c.post("/console/accounts", url.Values{"account": {w.account}}); got.status != http.StatusForbidden {
				t.Errorf("entering again: %d", got.status)
			}
			if got := c.post("/console/accounts", url.Values{"account": {w.other}}); got.location != "/console" {
				t.Errorf("entering the other: %d", got.status)
			}
			w.VerifyAudit()
		})
	}
}
