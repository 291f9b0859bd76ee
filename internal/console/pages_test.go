package console_test

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// Names that try to be more than text are shown as text, wherever they stand.
func TestNaughtyNamesAreText(t *testing.T) {
	t.Parallel()
	s := rostertest.Start(t, storetest.New(t, "sqlite"), rostertest.Options{})
	account := s.Account(owner)
	setPassword(t, s, account, owner)
	c := signedIn(t, s, owner)
	b := open(t, s)
	b.visit("/console/sign-in")
	b.signIn(owner)
	for _, name := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `{{.Session}}`, `javascript:alert(1)`,
		"\u202egnitfarD\u202c", "👩‍👩‍👧‍👦 семья 家族", strings.Repeat("W", 256), "a&lt;b", `</title><b>x`,
	} {
		got := c.post("/console/apps", url.Values{"name": {name}, "scope": {"user_management:user_management"}, "clientId": {directory.NewClientID()}})
		if got.status != http.StatusOK {
			t.Fatalf("%q: %d %s", name, got.status, got.body)
		}
		id := regexp.MustCompile(`cs-[0-9a-f-]{36}`).FindString(got.body)
		b.visit("/console/apps/" + id)
		if shown := b.text("h1"); !strings.HasPrefix(shown, name) {
			t.Errorf("%q is shown as %q", name, shown)
		}
		b.visit("/console/apps/" + id + "/delete")
		b.wantText("main p strong", name)
	}
	b.visit("/console/apps")
	for id, want := range map[string]int{"a/b?c#d": http.StatusOK, "50% off": http.StatusOK, "nobody's": http.StatusNotFound} {
		if want == http.StatusOK {
			if _, _, err := s.Roster.CreateApp(context.Background(), auth.Operator(), account,
				roster.NewApp{Name: "odd id", ClientID: id, Scopes: directory.Scopes()}); err != nil {
				t.Fatal(err)
			}
		}
		if got := c.get("/console/apps/" + url.PathEscape(id)); got.status != want {
			t.Errorf("the app %q: %d, want %d", id, got.status, want)
		}
	}
	for _, path := range []string{"/console/apps/%00", "/console/apps/%ff", "/console/apps/" + strings.Repeat("x", 10_000), "/console//apps", "/console/%61pps", "/console/static/../x", "/console/apps/x/secrets/99999999999999999999/retire"} {
		if got := c.get(path); got.status != http.StatusNotFound {
			t.Errorf("%.60s: %d", path, got.status)
		}
	}
}

// A form that is sent twice makes one app, and one secret; and a secret is in the
// one answer that made it alone.
func TestFormsSentTwice(t *testing.T) {
	t.Parallel()
	s := rostertest.Start(t, storetest.New(t, "sqlite"), rostertest.Options{})
	setPassword(t, s, s.Account(owner), owner)
	c := signedIn(t, s, owner)
	form := url.Values{"name": {"Twice"}, "scope": {"user_management:user_management"}, "clientId": {directory.NewClientID()}, "algorithm": {"HS512"}, "enforceJwe": {"1"}, "enforceJti": {"1"}}
	secretOf := func(got answer) string {
		found := regexp.MustCompile(`id="client-secret">([^<]+)<`).FindStringSubmatch(got.body)
		if got.status != http.StatusOK || found == nil || got.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("no secret: %d %q", got.status, got.header)
		}
		return strings.ReplaceAll(found[1], "&#43;", "+")
	}
	for _, id := range []string{"", "cs-1", "it", "cs-" + strings.Repeat("0", 36), strings.ToUpper(form.Get("clientId")), "cs-00000000-0000-1000-8000-000000000000"} {
		chosen := maps.Clone(form)
		chosen.Set("clientId", id)
		if got := c.post("/console/apps", chosen); got.status != http.StatusBadRequest {
			t.Errorf("client id %q of their choice: %d", id, got.status)
		}
	}
	first := secretOf(c.post("/console/apps", form))
	if got := c.post("/console/apps", form); got.location != "/console/apps" {
		t.Errorf("sent again: %d", got.status)
	}
	app := "/console/apps/" + form.Get("clientId")
	second := secretOf(c.post(app+"/secrets", url.Values{"after": {"1"}}))
	if got := c.post(app+"/secrets", url.Values{"after": {"1"}}); got.location != app {
		t.Errorf("another secret sent again: %d", got.status)
	}
	for _, page := range []string{"/console/apps", app, app + "/edit", app + "/delete", app + "/secrets/new", app + "/secrets/1/retire"} {
		if body := strings.ReplaceAll(c.get(page).body, "&#43;", "+"); strings.Contains(body, first) || strings.Contains(body, second) {
			t.Errorf("%s shows a secret", page)
		}
	}
	// Of an app that demands everything the test token is good, once.
	got := c.post(app+"/token", nil)
	token := regexp.MustCompile(`aria-label="Token"[^>]*>([^<]+)<`).FindStringSubmatch(got.body)
	if token == nil || strings.Count(token[1], ".") != 4 {
		t.Fatalf("no encrypted token: %d %s", got.status, got.body)
	}
	call := func() rostertest.Answer {
		return s.Do(rostertest.Request{Token: token[1], Body: `{"deleteEmailIds":["nobody@example.com"]}`})
	}
	if got := call(); got.Status != http.StatusOK || !strings.Contains(got.Body, "failedUserDetails") {
		t.Errorf("a call with the test token: %d %s", got.Status, got.Body)
	}
	if got := call(); got.Status != http.StatusUnauthorized || !strings.Contains(got.Body, "replay") {
		t.Errorf("a second call with it: %d %s", got.Status, got.Body)
	}
}

// Every answer has the headers that keep others out of it.
func TestHeadersOfEveryAnswer(t *testing.T) {
	t.Parallel()
	s := rostertest.Start(t, storetest.New(t, "sqlite"), rostertest.Options{})
	c := newClient(t, s)
	style := regexp.MustCompile(`/console/static/console\.[0-9a-f]+\.css`).FindString(c.get("/console/sign-in").body)
	for path, cache := range map[string]string{
		"/console": "no-store", "/console/sign-in": "no-store", "/console/nothing": "no-store",
		style: "public, max-age=31536000, immutable", "/console/static/nothing": "no-store",
	} {
		h := c.get(path).header
		for name, want := range map[string]string{
			"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Cross-Origin-Opener-Policy": "same-origin",
			"Referrer-Policy": "same-origin", "Cache-Control": cache,
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		policy := h.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", path, policy)
		}
	}
	for path, allow := range map[string]string{"/console/sign-in": "GET, POST", "/console/sign-out": "POST", "/console": "GET", "/consolex": ""} {
		want := http.StatusMethodNotAllowed
		if allow == "" {
			want = http.StatusNotFound
		}
		if got := c.do(http.MethodDelete, path, nil); got.status != want || got.header.Get("Allow") != allow {
			t.Errorf("DELETE %s: %d, Allow %q; want %d, %q", path, got.status, got.header.Get("Allow"), want, allow)
		}
	}
	for from, want := range map[string]bool{
		s.URL + "/console/users?search=ann%22%3E": true, s.URL + "/console/none": false, s.URL + "/consolex": false,
		"https://example.com/console/users": false, "javascript:alert(1)": false, ":": false, "": false,
	} {
		c.header = map[string]string{"Referer": from}
		if got := c.get("/console/none"); got.status != http.StatusNotFound || strings.Contains(got.body, ">Back</a>") != want ||
			want && !strings.Contains(got.body, `href="/console/users?search=ann%22%3E"`) {
			t.Errorf("a page that is not there, from %q: %d\n%s", from, got.status, got.body)
		}
	}
	c.header = nil
	if got := c.do(http.MethodHead, "/console/sign-in", nil); got.status != http.StatusOK || got.body != "" {
		t.Errorf("HEAD: %d %q", got.status, got.body)
	}
}
