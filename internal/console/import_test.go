package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"roster/internal/storetest"
)

// importing is the form of a preview of an import.
func (a answer) importing() url.Values {
	form := url.Values{}
	for _, name := range []string{"text", "created", "updated", "update"} {
		form.Set(name, a.hidden(name))
	}
	return form
}

// flash is what a page says was done, where the answer redirects to one.
func (c *client) flash(a answer) string {
	c.t.Helper()
	if a.status != http.StatusSeeOther {
		c.t.Fatalf("no redirect: %d\n%s", a.status, a.body)
	}
	_, text, _ := strings.Cut(c.get(a.location).body, `class="flash" role="status">`)
	text, _, _ = strings.Cut(text, "<")
	return text
}

// A table of people without a script: its preview, its import, and a second time,
// when all are users already.
func TestImportUsers(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		c := signedIn(t, w.Server, helper)
		before := w.Dump()
		list := "Email Id;firstName;orgUserId\r\nAnn@Example.com;Ann <b>;E1\r\n\r\n<who>;Who;\r\n" + plain + ";Plain;\r\nbo@example.com;\"Bo; the \"\"second\"\"\";\r\nann@example.com;;\r\n"
		form := url.Values{"list": {list}}
		preview := c.post("/console/users/import/preview", form)
		if preview.status != http.StatusOK || preview.told("created") != "2" || preview.told("bad") != "3" {
			t.Fatalf("preview: %d\n%s", preview.status, preview.body)
		}
		for _, text := range []string{
			`<td class="number">4</td><td class="text">&lt;who&gt;</td><td class="text">Not an e-mail address.</td>`,
			`<td class="number">5</td><td class="text">` + plain + `</td><td class="text">The address is a member already.</td>`,
			`<td class="number">7</td><td class="text">ann@example.com</td><td class="text">The address is in line 2 already.</td>`,
		} {
			if !strings.Contains(preview.body, text) {
				t.Errorf("the preview does not say %q", text)
			}
		}
		if diff := before.Diff(w.Dump()); diff != "" {
			t.Errorf("the preview has changed something: %s", diff)
		}
		sent := preview.importing()
		done := c.post("/console/users/import", sent)
		if says := c.flash(done); done.location != "/console/users" || says != "The users of the table are imported, as the preview said." {
			t.Errorf("import: to %s, which says %q", done.location, says)
		}
		if members := w.Members(w.account); !slices.Contains(members, "Ann@Example.com") || !slices.Contains(members, "bo@example.com") {
			t.Errorf("the account has %q", members)
		}
		if list := c.get("/console/users?search=ann@").body; !strings.Contains(list, "Ann &lt;b&gt;") {
			t.Errorf("the name is not shown as it is:\n%s", list)
		}
		before = w.Dump()
		again := c.post("/console/users/import", sent)
		if again.status != http.StatusConflict || again.told("created") != "0" || again.told("bad") != "5" || !strings.Contains(again.body, "were imported already") {
			t.Errorf("a second time: %d, %s made, %s left out", again.status, again.told("created"), again.told("bad"))
		}
		if diff := before.Diff(w.Dump()); diff != "" {
			t.Errorf("a second time something was changed: %s", diff)
		}
		form.Set("update", "1")
		preview = c.post("/console/users/import/preview", form)
		if preview.told("created") != "0" || preview.told("updated") != "3" || preview.told("bad") != "2" {
			t.Errorf("preview of changes: %d\n%s", preview.status, preview.body)
		}
		done = c.post("/console/users/import", preview.importing())
		if c.flash(done) == "" || !strings.Contains(c.get("/console/users?search=plain").body, "Plain ") {
			t.Errorf("changes: %d\n%s", done.status, done.body)
		}
		w.VerifyAudit()
	})
}

// What is wrong with a table is said beside it, and nobody is imported.
func TestTablesThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.New(t, "sqlite"))
	c := signedIn(t, w.Server, owner)
	before := w.Dump()
	var many strings.Builder
	for i := range 20_001 {
		fmt.Fprintf(&many, "u%d@example.com\n", i)
	}
	for list, want := range map[string]string{
		"\n\n":                            "Paste a table or choose a file.",
		"emailId\n":                       "The table names nobody.",
		"a@example.com\n":                 "The first line must name the columns",
		"emailId,boss\na,b":               "Column &#34;boss&#34; is not known",
		"emailId,EMAIL_ID\na@x.io,b@x.io": "both hold the emailId and differ in line 2",
		"emailId\n\"a\nb":                 "Line ",
		"emailId\n" + many.String():       "The table names 20,001 people; 20,000 is the most.",
		"emailId\na@example.com\n" + strings.Repeat(" ", 20<<20-1<<16): "The table is too long.",
	} {
		got := c.post("/console/users/import/preview", url.Values{"list": {list}})
		if got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, `role="alert" id="problem">`) || !strings.Contains(got.body, want) {
			t.Errorf("%.20q: %d, want %q", list, got.status, want)
		}
	}
	for _, text := range []string{"", "x", `["a"]`, `""`, `"emailId\n"`, `"emailId\n\"a"`} {
		if got := c.post("/console/users/import", url.Values{"text": {text}, "created": {"1"}, "updated": {"0"}}); got.status != http.StatusBadRequest {
			t.Errorf("import of %q: %d", text, got.status)
		}
	}
	for _, number := range []string{"", "x", "1.0"} {
		if got := c.post("/console/users/import", url.Values{"text": {`"emailId\na@example.com\n"`}, "created": {number}, "updated": {"0"}}); got.status != http.StatusBadRequest {
			t.Errorf("import of %q people: %d", number, got.status)
		}
	}
	nobody := c.post("/console/users/import/preview", url.Values{"list": {"emailId\n" + strings.Repeat("no address\n", 1234)}})
	if nobody.status != http.StatusOK || !strings.Contains(nobody.body, "Nobody can be imported") || nobody.hidden("text") != "" {
		t.Errorf("nobody to import: %d\n%s", nobody.status, nobody.body)
	}
	if n := strings.Count(nobody.body, "Not an e-mail address."); n != 200 || !strings.Contains(nobody.body, "The first 200 of 1,234.") {
		t.Errorf("%d lines are shown of those that are left out", n)
	}
	if diff := before.Diff(w.Dump()); diff != "" {
		t.Errorf("something was changed: %s", diff)
	}
}
