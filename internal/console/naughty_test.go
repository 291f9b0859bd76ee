package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"roster/internal/directory"
	"roster/internal/storetest"
)

// naughty are texts that try to be more than text, or are hard to show or to keep.
var naughty = map[string]string{
	"an element":      `<script>alert(1)</script>`,
	"an attribute":    `"><img src=x onerror=alert(1)>`,
	"right to left":   "\u202e<b>gnitfarD</b>\u202c",
	"an emoji":        "👩‍👩‍👧‍👦<i>",
	"combining marks": "e\u0301\u0323\u0327" + strings.Repeat("\u0336", 50) + "<u>",
	"far too long":    "<s>" + strings.Repeat("W", 10_000),
	"a zero byte":     "<s>a\x00b",
	"no text":         "<s>\xff\xfe",
}

// field is a field of a form as the page has it.
type field struct {
	name, value string
	typed       bool   // by whoever fills in the form
	file        bool   // that is sent
	described   string // ids of what describes it
}

// form is a form of a page.
type form struct {
	method, action string
	fields         []field
}

// values are what a browser sends when nothing is changed.
func (f form) values() url.Values {
	values := url.Values{}
	for _, field := range f.fields {
		values.Add(field.name, field.value)
	}
	return values
}

// formsOf finds the forms of a page.
func formsOf(t *testing.T, path, page string) (all []form) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for node := range root.Descendants() {
		if node.Type != html.ElementNode {
			continue
		}
		attributes := map[string]string{}
		for _, a := range node.Attr {
			attributes[a.Key] = a.Val
		}
		if node.Data == "form" {
			f := form{method: strings.ToUpper(attributes["method"]), action: attributes["action"]}
			if f.action == "" {
				f.action = path
			}
			f.action, _, _ = strings.Cut(f.action, "#")
			all = append(all, f)
			continue
		}
		if name := attributes["name"]; name != "" && len(all) > 0 && isField(node, attributes) {
			last := &all[len(all)-1]
			value := attributes["value"]
			if node.Data == "textarea" && node.FirstChild != nil {
				value = node.FirstChild.Data
			}
			_, unseen := attributes["hidden"]
			typed := node.Data == "textarea" || node.Data == "input" && !unseen && !slices.Contains([]string{"hidden", "radio", "checkbox"}, attributes["type"])
			last.fields = append(last.fields, field{name, value, typed, attributes["type"] == "file", attributes["aria-describedby"]})
		}
	}
	return all
}

// isField says whether the element is sent with its form.
func isField(node *html.Node, attributes map[string]string) bool {
	switch kind := attributes["type"]; {
	case node.Data == "textarea", node.Data == "select", node.Data == "button":
		return true
	case node.Data != "input":
		return false
	case kind == "radio":
		_, checked := attributes["checked"]
		return checked
	}
	return true
}

// withoutFields are routes that read no field, and whose forms are seen at times.
var withoutFields = []string{
	"POST /console/sign-out", "POST /console/removals/{removal}/cancel", "POST /console/users/{user}/sessions/end",
	"POST /console/apps/{app}/enable", "POST /console/apps/{app}/disable", "POST /console/apps/{app}/delete",
	"POST /console/apps/{app}/secrets/{number}/retire", "POST /console/apps/{app}/token",
}

// allForms are the forms of all pages that there are routes for, and of previews.
func (w *world) allForms(t *testing.T, c *client) (all []form) {
	t.Helper()
	w.Bot(w.account, "Desk <1>", helper)
	tokenPath := link(t, w.Server, w.account, plain)
	seen := map[string]bool{}
	add := func(path, page string) {
		for _, f := range formsOf(t, path, page) {
			if key := fmt.Sprint(f.method, f.action, len(f.fields)); !seen[key] && len(f.fields) > 0 {
				seen[key] = true
				all = append(all, f)
			}
		}
	}
	for _, rt := range routes(w.Server) {
		method, pattern, _ := strings.Cut(rt, " ")
		if method == http.MethodGet && !strings.Contains(pattern, "/static/") {
			path := strings.Replace(w.fill(pattern), "/console/link/x", tokenPath, 1)
			add(path, c.get(path).body)
		}
	}
	add("", newClient(t, w.Server).get("/console/sign-in").body)
	add("", c.post("/console/users/remove/preview", url.Values{"list": {apps + "\n" + helper}}).body)
	add("", c.post("/console/users/import/preview", url.Values{"list": {"emailId\nnew@example.com\n"}}).body)
	for _, rt := range routes(w.Server) {
		method, pattern, _ := strings.Cut(rt, " ")
		fits := regexp.MustCompile("^" + placeholder.ReplaceAllString(pattern, "[^/]+") + "$")
		if method == http.MethodPost && !slices.Contains(withoutFields, rt) &&
			!slices.ContainsFunc(all, func(f form) bool { return f.method == method && fits.MatchString(f.action) }) {
			t.Errorf("%s: no page has a form for it", rt)
		}
	}
	return all
}

// Whatever is sent in whichever field: the server is not upset, the text is shown as
// text, and a refusal is said beside the field and changes nothing.
func TestNaughtyTextInEveryField(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		c := signedIn(t, w.Server, owner)
		forms := w.allForms(t, c)
		tried := 0
		before := w.lasting()
		for _, f := range forms {
			for _, field := range f.fields {
				taken := false
				for what, text := range naughty {
					name := fmt.Sprintf("%s in %s of %s %s", what, field.name, f.method, f.action)
					values := f.values()
					values.Set(field.name, text)
					got := c.submit(f, values)
					if field.file {
						values.Del(field.name)
						got = c.upload(f.action, values, field.name, text, text)
					}
					tried++
					taken = taken || got.status < http.StatusBadRequest
					checkNaughty(t, name, field, got, text)
					if got.location == "/console/sign-in" {
						c = signedIn(t, w.Server, owner)
					} else if got.location != "" {
						checkNaughty(t, name+", the page after it", field, c.get(got.location), text)
					}
				}
				after := w.lasting()
				if diff := before.Diff(after); !taken && diff != "" {
					t.Errorf("%s of %s %s: all is refused, and has changed %s", field.name, f.method, f.action, diff)
				}
				before = after
			}
		}
		if tried < 200 {
			t.Errorf("only %d texts were sent: are the forms seen?", tried)
		}
		w.VerifyAudit()
	})
}

// submit sends a form.
func (c *client) submit(f form, values url.Values) answer {
	c.t.Helper()
	if f.method == http.MethodPost {
		return c.post(f.action, values)
	}
	return c.get(f.action + "?" + values.Encode())
}

// lasting is what the database holds, but for counts of sign-ins that failed and for
// when somebody was last seen.
func (w *world) lasting() storetest.Content {
	w.T.Helper()
	content := w.Dump()
	delete(content, "signin_failures")
	delete(content, "console_sessions")
	return content
}

// checkNaughty looks at the answer to a naughty text.
func checkNaughty(t *testing.T, name string, sent field, got answer, text string) {
	t.Helper()
	if got.status >= http.StatusInternalServerError {
		t.Errorf("%s: %d", name, got.status)
	}
	if strings.Contains(got.body, text) {
		t.Errorf("%s: %d, and it is in the page as it was sent", name, got.status)
	}
	if got.status < http.StatusBadRequest || !sent.typed || got.status == http.StatusBadRequest && !directory.ValidText(text) {
		return
	}
	for _, f := range formsOf(t, "", got.body) {
		for _, field := range f.fields {
			if field.name == sent.name && slices.Contains(strings.Fields(field.described), "problem") && strings.Contains(got.body, `id="problem"`) {
				return
			}
		}
	}
	t.Errorf("%s: %d, and the page does not say beside the field what is wrong", name, got.status)
}

// What a file holds, wherever it stands in it, is shown as text by all pages that come
// of it: the previews, the import, the list of users, the removal and its report.
func TestNaughtyTextInFiles(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		c := signedIn(t, w.Server, owner)
		imported := 0
		for what, text := range naughty {
			quoted := `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
			email := fmt.Sprintf("n%d@example.com", imported)
			for where, table := range map[string]string{
				"a header":   "emailId," + quoted + "\nx@example.com,x\n",
				"an address": "emailId,firstName\n" + quoted + ",x\n" + quoted + "@example.com,x\n",
				"a name":     "emailId,firstName,city\n" + email + "," + quoted + "," + quoted + "\n",
			} {
				name := what + " as " + where
				preview := c.upload("/console/users/import/preview", nil, "file", text, table)
				checkNaughty(t, name+", to import", field{name: "file", typed: true}, preview, text)
				if preview.hidden("text") != "" {
					got := c.post("/console/users/import", preview.importing())
					if got.status != http.StatusSeeOther {
						t.Errorf("%s, imported: %d", name, got.status)
					}
					checkNaughty(t, name+", imported", field{}, c.get(got.location), text)
					if where == "a name" {
						imported++
						w.checkNamed(c, email, text)
					}
				}
				got := c.upload("/console/users/remove/preview", nil, "file", text, table+"zoe@example.com,x,x\n")
				checkNaughty(t, name+", to remove", field{name: "file", typed: true}, got, text)
				if got.told("going") == "1" {
					done := c.post("/console/users/remove", got.confirmed("1"))
					page := c.get(done.location)
					checkNaughty(t, name+", removed", field{}, page, text)
					if !strings.Contains(page.texts(), text) {
						t.Errorf("%s: the page of the removal does not show it:\n%s", name, page.texts())
					}
				}
			}
		}
		if imported < 3 {
			t.Errorf("only %d names were imported", imported)
		}
		w.VerifyAudit()
	})
}

// checkNamed looks at the pages that show somebody of that name.
func (w *world) checkNamed(c *client, email, name string) {
	t := w.T
	t.Helper()
	user := "/console/users/" + userID(t, w.Server, w.account, email)
	for _, path := range []string{"/console/users?search=" + url.QueryEscape(email), user} {
		page := c.get(path)
		if page.status != http.StatusOK || strings.Contains(page.body, name) || !strings.Contains(page.texts(), name) {
			t.Errorf("%s does not show %.50q as text: %d\n%s", path, name, page.status, page.texts())
		}
	}
}

// An id of another kind or of another account is no id: of every route with a name in
// its path nothing is found, and nothing is changed.
func TestIdsOfAnotherKindOrAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.New(t, "sqlite"))
	c := signedIn(t, w.Server, owner)
	otherApp := w.App(w.other)
	w.Users(w.other, left)
	otherRemoval := w.Remove(otherApp, `{"deleteEmailIds":["`+left+`"]}`).Header.Get("X-Removal-Id")
	if err := w.Roster.FlushNotes(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{
		"{app}": w.app, "{removal}": w.removal, "{user}": w.user, "{account}": w.account, "{other account}": w.other,
		"{email}": plain, "{number}": "1", "{huge}": "99999999999999999999", "{wildcard}": "%25", "{dots}": "%2e%2e%2f",
		"{app of another account}": otherApp.ClientID, "{removal of another account}": otherRemoval,
		"{user of another account}": userID(t, w.Server, w.other, stranger),
	}
	before := w.Dump()
	for _, rt := range routes(w.Server) {
		method, pattern, _ := strings.Cut(rt, " ")
		for _, name := range placeholder.FindAllString(pattern, -1) {
			for kind, id := range ids {
				if kind == name {
					continue
				}
				path := w.fill(strings.Replace(pattern, name, id, 1))
				got := c.do(method, path, url.Values{"change": {"suspend"}, "who": {"all"}, "name": {"x"}, "after": {"1"}})
				if got.status != http.StatusNotFound && (name != "{token}" || got.status != http.StatusGone) {
					t.Errorf("%s with %s: %d", rt, kind, got.status)
				}
			}
		}
	}
	if diff := before.Diff(w.Dump()); diff != "" {
		t.Errorf("something was changed: %s", diff)
	}
}
