package console_test

import (
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

const heir = "heir@example.com"

// passOnForm is the form of a preview that passes bots on.
func (a answer) passOnForm(newOwner string, more url.Values) url.Values {
	form := url.Values{"ids": {a.hidden("ids")}, "kind": {a.hidden("kind")}, "bots": {a.hidden("bots")}, "whose": {"all"}, "newOwner": {newOwner}}
	maps.Copy(form, more)
	return form
}

// Who leaves passes their bots on in the preview: some of them, then the rest, and
// then they can be removed.
func TestBotsArePassedOnInThePreview(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		w.Users(w.account, "ann@example.com", "bo@example.com", "cy@example.com", heir)
		w.Bot(w.account, "Owner's", owner)
		w.Bot(w.account, "</td><script>", "ann@example.com")
		second := w.Bot(w.account, "Desk 2", "ann@example.com")
		w.Bot(w.account, "Desk 3", "bo@example.com")
		c := signedIn(t, w.Server, admin)
		const post = "/console/users/remove/bots"
		page := c.post("/console/users/remove/preview", url.Values{"list": {"ann@example.com\nBo@example.com\ncy@example.com\n" + owner + "\nwho@example.com\n"}})
		if page.told("going") != "1" || page.told("staying") != "4" || !strings.Contains(page.body, "Pass on all 3 bots") || !strings.Contains(page.body, "&lt;/td&gt;&lt;script&gt;") {
			t.Fatalf("preview: %d\n%s", page.status, page.body)
		}
		before := fmt.Sprint(w.Dump())
		for name, wrong := range map[string]struct {
			form url.Values
			text string
		}{
			"nobody":         {page.passOnForm("", nil), "No user of this account"},
			"a stranger":     {page.passOnForm(`"><b>@example.com`, nil), "No user of this account"},
			"who left":       {page.passOnForm(left, nil), "No user of this account"},
			"who goes":       {page.passOnForm("CY@example.com", nil), "on the list themselves"},
			"an owner":       {page.passOnForm("bo@example.com", nil), "on the list themselves"},
			"nobody chosen":  {page.passOnForm(heir, url.Values{"whose": {"chosen"}}), "Choose whose bots"},
			"not on it":      {page.passOnForm(heir, url.Values{"whose": {"chosen"}, "owner": {owner, "zoe@example.com"}}), "Choose whose bots"},
			"other bots":     {page.passOnForm(heir, url.Values{"bots": {"{}"}}), "changed meanwhile"},
			"boxes, and all": {page.passOnForm(heir, url.Values{"whose": {"all"}}), "Boxes are checked"},
		} {
			wrong.form.Add("owner", "ann@example.com")
			if !strings.HasPrefix(wrong.text, "Boxes") {
				wrong.form.Set("whose", "chosen")
			}
			if strings.HasPrefix(wrong.text, "Choose") {
				wrong.form["owner"] = wrong.form["owner"][:len(wrong.form["owner"])-1]
			}
			got := c.post(post, wrong.form)
			if got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, wrong.text) || strings.Contains(got.body, "<b>") {
				t.Errorf("%s: %d\n%s", name, got.status, got.body)
			}
			kept := `name="newOwner" value="` + html.EscapeString(wrong.form.Get("newOwner")) + `"`
			if got.hidden("ids") != page.hidden("ids") || !strings.Contains(got.body, kept) ||
				strings.Contains(got.body, `value="ann@example.com" checked`) != slices.Contains(wrong.form["owner"], "ann@example.com") {
				t.Errorf("%s: what was typed is lost\n%s", name, got.body)
			}
		}
		for name, form := range map[string]url.Values{"no list": {"newOwner": {heir}}, "null": {"ids": {"null"}, "newOwner": {heir}}, "no bots": page.passOnForm(heir, url.Values{"bots": {""}})} {
			if got := c.post(post, form); got.status != http.StatusBadRequest {
				t.Errorf("%s: %d", name, got.status)
			}
		}
		if fmt.Sprint(w.Dump()) != before {
			t.Error("what was refused has changed something")
		}

		// One bot that was looked at is gone, and another has come.
		if err := w.Roster.DeleteBot(t.Context(), auth.Operator(), w.account, second); err != nil {
			t.Fatal(err)
		}
		w.Bot(w.account, "Desk 4", "ann@example.com")
		page = c.post(post, page.passOnForm(heir, nil))
		if texts := page.texts(); page.status != http.StatusUnprocessableEntity || !strings.Contains(texts, "changed meanwhile") ||
			!regexp.MustCompile(`New\s+Desk 4\s+of\s+ann@example.com\s+Not theirs any more\s+Desk 2\s+of\s+ann@example.com`).MatchString(texts) {
			t.Fatalf("a bot that was made meanwhile, and one that was deleted: %d\n%s", page.status, texts)
		}
		page = c.post(post, page.passOnForm(heir, url.Values{"whose": {"chosen"}, "owner": {"Bo@example.com"}}))
		if page.told("going") != "2" || !strings.Contains(page.body, "1 bot belongs") {
			t.Fatalf("those of one: %d\n%s", page.status, page.body)
		}
		page = c.post(post, page.passOnForm(heir, nil))
		if page.told("going") != "3" || page.told("staying") != "2" || !strings.Contains(page.body, "2 bots belong") || strings.Contains(page.body, `id="owners"`) {
			t.Fatalf("those of all: %d\n%s", page.status, page.body)
		}
		w.Bot(w.account, "Desk 5", "ann@example.com")
		list := url.Values{"ids": {page.hidden("ids")}, "kind": {"emailId"}, "key": {page.hidden("key")}, "going": {"3"}, "number": {""}}
		if page = c.post("/console/users/remove", list); page.told("going") != "2" || !strings.Contains(page.body, "Desk 5") {
			t.Errorf("a bot that was made afterwards: %d\n%s", page.status, page.body)
		}
		w.VerifyAudit()
	})
}

// By org ids, of more owners than a page shows.
func TestManyOwnersPassTheirBotsOn(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		w := newWorld(t, dsn)
		const n = 230
		people := []rostertest.Person{{Email: heir, OrgUserID: "H"}}
		var ids []string
		for i := range n {
			p := rostertest.Person{Email: fmt.Sprintf("p%03d@example.com", i), OrgUserID: fmt.Sprintf("E%03d", i)}
			people, ids = append(people, p), append(ids, p.OrgUserID)
		}
		w.Import(w.account, people...)
		for _, p := range people[1:] {
			w.Bot(w.account, "Bot of "+p.Email, p.Email)
		}
		c := signedIn(t, w.Server, owner)
		list := url.Values{"kind": {"orgUserId"}, "list": {strings.Join(ids, "\n")}}
		page := c.post("/console/users/remove/preview", list)
		if page.told("staying") != "230" || !strings.Contains(page.body, "Pass on all 230 bots") || strings.Count(page.body, `name="owner"`) != 200 {
			t.Fatalf("preview: %d, %s stay", page.status, page.told("staying"))
		}
		if got := c.post("/console/users/remove/bots", page.passOnForm("p000@example.com", nil)); !strings.Contains(got.body, "on the list themselves") {
			t.Errorf("to one of them: %d", got.status)
		}
		page = c.post("/console/users/remove/bots", page.passOnForm(heir, nil))
		if page.told("going") != "230" || !strings.Contains(page.body, "230 bots belong") {
			t.Errorf("passed on: %d, %s go", page.status, page.told("going"))
		}
		w.VerifyAudit()
	})
}

// Who may not change bots sees them, and who can pass them on.
func TestBotsAreNotPassedOnWithoutTheRight(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.New(t, "sqlite"))
	w.Users(w.account, heir)
	w.Bot(w.account, "Help desk", plain)
	list := url.Values{"list": {plain}}
	page := signedIn(t, w.Server, helper).post("/console/users/remove/preview", list)
	if page.status != http.StatusOK || !strings.Contains(page.body, "Help desk") || !strings.Contains(page.body, "botManagement") || strings.Contains(page.body, "newOwner") {
		t.Errorf("without the right: %d\n%s", page.status, page.body)
	}
	role(t, w.Server, w.account, "Bot keeper", helper, directory.Permissions{"botManagement": directory.PermitYes})
	c := signedIn(t, w.Server, helper)
	page = c.post("/console/users/remove/preview", list)
	if page = c.post("/console/users/remove/bots", page.passOnForm(heir, nil)); page.told("going") != "1" {
		t.Errorf("with it: %d\n%s", page.status, page.body)
	}
}

// In a browser: one address, one button, and whoever owned bots can go.
func TestPassBotsOnInTheBrowser(t *testing.T) {
	t.Parallel()
	s := rostertest.Start(t, storetest.New(t, "sqlite"), rostertest.Options{})
	account := s.Account(owner)
	s.Users(account, "ann@example.com", "bo@example.com", heir)
	s.Bot(account, "Help desk", "ann@example.com")
	s.Bot(account, "Order desk", "bo@example.com")
	b := open(t, s)
	b.firstRun(s, account, owner)
	b.visit("/console/users/remove")
	b.fill("list", "ann@example.com\nbo@example.com\n")
	b.click("main form button")
	b.wantText("#going", "0")
	b.fill("new-owner", "nobody@example.com")
	b.click(`button[value="all"]`)
	b.wantText("#problem", "No user of this account")
	_, err := chromedp.Run(b.within(), chromedp.Evaluate[string](`document.querySelector("#new-owner").value = ""`))
	b.must(err)
	b.fill("new-owner", heir)
	b.click(`button[value="all"]`)
	b.wantText(".flash", "2 bots belong to "+heir+" now")
	b.wantText("#going", "2")
	b.fill("number", "2")
	b.click("main form .destructive")
	b.wantText("h1", "2 users removed")
	if got := fmt.Sprint(s.Members(account)); got != fmt.Sprintf("[%s %s]", owner, heir) {
		t.Errorf("the account has %s", got)
	}
}
