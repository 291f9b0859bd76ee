package console_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

const ann = "ann@example.com"

// tenants are two accounts in which the same people may be members.
type tenants struct {
	*rostertest.Server
	one, two string
	keeper   map[string]string // the role that lets a member into the console, by account
	app      rostertest.App    // of one
}

func newTenants(t *testing.T, dsn string) *tenants {
	t.Helper()
	s := rostertest.Start(t, dsn, rostertest.Options{})
	w := &tenants{Server: s, one: s.Account(owner), two: s.Account(stranger), keeper: map[string]string{}}
	for _, account := range []string{w.one, w.two} {
		id, err := s.Roster.CreateRole(context.Background(), auth.Operator(), account,
			roster.NewRole{Kind: directory.AdminRole, Name: "Keeper", Permissions: directory.Permissions{"appManagement": directory.PermitYes}})
		w.must(err)
		w.keeper[account] = id
	}
	w.app = s.App(w.one)
	return w
}

func (w *tenants) must(err error) {
	w.T.Helper()
	if err != nil {
		w.T.Fatal(err)
	}
}

// join makes ann a member who may work in the account's console. With a password she
// sets it by a link.
func (w *tenants) join(account, password string) {
	w.T.Helper()
	w.Users(account, ann)
	give(w.T, w.Server, account, w.keeper[account], ann)
	if password != "" {
		w.setTo(account, password)
	}
}

// setTo sets ann's password in the account.
func (w *tenants) setTo(account, password string) {
	w.T.Helper()
	made, err := w.Roster.CreatePasswordLink(context.Background(), auth.Operator(), account, ann)
	w.must(err)
	w.must(w.Roster.SetPassword(context.Background(), made.Token, password))
}

// remove removes ann from the first account.
func (w *tenants) remove() (removal string) {
	w.T.Helper()
	got := w.Remove(w.app, `{"deleteEmailIds":["`+ann+`"]}`)
	if !strings.Contains(got.Body, "Successfully") {
		w.T.Fatalf("remove: %d %s", got.Status, got.Body)
	}
	return got.Header.Get("X-Removal-Id")
}

func (w *tenants) restore(removal string) {
	w.T.Helper()
	out, err := w.Roster.RestoreUsers(context.Background(), auth.Operator(), w.one, removal, nil, roster.RestoreOptions{})
	w.must(err)
	if out.Restored != 1 {
		w.T.Fatalf("restored %+v", out)
	}
}

// wantIn signs ann in and fails unless the browser is in that account.
func (w *tenants) wantIn(password, account string) *client {
	w.T.Helper()
	c := newClient(w.T, w.Server)
	if got := try(c, ann, password); got.location != "/console" {
		w.T.Fatalf("sign in with %q: %d to %q", password, got.status, got.location)
	}
	if page := c.get("/console").body; !strings.Contains(page, account) {
		w.T.Errorf("the password %q opens another account than %s:\n%s", password, account, page)
	}
	return c
}

func (w *tenants) wantRefused(when, password string) {
	w.T.Helper()
	if got := try(newClient(w.T, w.Server), ann, password); got.status != http.StatusUnauthorized {
		w.T.Errorf("%s: the password %q: %d to %q", when, password, got.status, got.location)
	}
}

const firstPassword, secondPassword = "correct horse battery", "eleven purple giraffes"

// The password of a removed member does not open the membership of the next member with
// the address, by whatever way that was made, and whatever is purged or restored between.
func TestPasswordEndsWithTheMembership(t *testing.T) {
	t.Parallel()
	ctx, operator := context.Background(), auth.Operator()
	for name, again := range map[string]func(*tenants) string{
		"imported": func(w *tenants) string {
			removal := w.remove()
			w.join(w.one, "")
			return removal
		},
		"created": func(w *tenants) string {
			removal := w.remove()
			item := directory.UserItem{Email: ann, AddRoles: []directory.RoleRef{{RoleID: w.keeper[w.one]}}}
			failed, err := w.Roster.CreateUsers(ctx, operator, w.one, []directory.UserItem{item}, roster.UserOptions{})
			w.must(err)
			if len(failed) > 0 {
				w.T.Fatalf("create: %+v", failed)
			}
			return removal
		},
		"imported, then purged": func(w *tenants) string {
			removal := w.remove()
			w.join(w.one, "")
			if n, err := w.Roster.PurgeRemoval(ctx, operator, w.one, removal); n != 1 || err != nil {
				w.T.Fatalf("purge: %d, %v", n, err)
			}
			return ""
		},
		"restored, removed, imported": func(w *tenants) string {
			w.restore(w.remove())
			removal := w.remove()
			w.join(w.one, "")
			return removal
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, dsn string) {
				w := newTenants(t, dsn)
				w.join(w.one, firstPassword)
				w.wantIn(firstPassword, w.one)
				removal := again(w)
				w.wantRefused("the next member", firstPassword)
				w.setTo(w.one, secondPassword)
				w.wantIn(secondPassword, w.one)
				w.wantRefused("the next member, who has a password", firstPassword)
				if removal != "" { // each undo brings back its own
					next := w.remove()
					w.restore(removal)
					w.wantIn(firstPassword, w.one)
					w.wantRefused("the first member is back", secondPassword)
					w.remove()
					w.restore(next)
					w.wantIn(secondPassword, w.one)
					w.wantRefused("the next member is back", firstPassword)
				}
				w.VerifyAudit()
			})
		})
	}
}

// A password opens the account for which it was set. One that was set in both opens both,
// and the member chooses.
func TestPasswordOpensItsAccountAlone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := newTenants(t, dsn)
		w.join(w.one, firstPassword)
		w.join(w.two, "")
		c := w.wantIn(firstPassword, w.one)
		if page := c.get("/console/accounts").body; strings.Contains(page, w.two) || !strings.Contains(page, w.one) {
			t.Errorf("the accounts to choose are wrong:\n%s", page)
		}
		if got := c.post("/console/accounts", url.Values{"account": {w.two}}); got.status != http.StatusForbidden {
			t.Errorf("entering another account: %d to %q", got.status, got.location)
		}
		w.setTo(w.two, secondPassword)
		if got := c.get("/console"); got.status != http.StatusOK {
			t.Errorf("a password of the other account ends the session: %d", got.status)
		}
		other := w.wantIn(secondPassword, w.two)
		w.wantIn(firstPassword, w.one)
		if got := c.get("/console/sign-in?another"); got.status != http.StatusOK {
			t.Errorf("the form for another account: %d to %q", got.status, got.location)
		}
		if got := try(c, ann, secondPassword); got.location != "/console" || !strings.Contains(c.get("/console").body, w.two) {
			t.Errorf("signing in to the other account: %d to %q", got.status, got.location)
		}

		w.setTo(w.two, firstPassword)
		if got := other.get("/console"); got.location != "/console/sign-in" {
			t.Errorf("a session of the old password: %d to %q", got.status, got.location)
		}
		both := newClient(t, w.Server)
		if got := try(both, ann, firstPassword); got.location != "/console" || both.get("/console").location != "/console/accounts" {
			t.Fatalf("a password of both: %d to %q", got.status, got.location)
		}
		for _, account := range []string{w.two, w.one} {
			both.post("/console/accounts", url.Values{"account": {account}})
			if page := both.get("/console"); page.status != http.StatusOK || !strings.Contains(page.body, account) {
				t.Errorf("in the account %s: %d", account, page.status)
			}
		}
		w.setTo(w.one, secondPassword)
		if got := both.get("/console"); got.location != "/console/accounts" {
			t.Errorf("a new password in the account of the session: %d to %q", got.status, got.location)
		}
		if page := both.get("/console/accounts").body; strings.Contains(page, w.one) || !strings.Contains(page, w.two) {
			t.Errorf("the accounts that are left are wrong:\n%s", page)
		}
		both.post("/console/sign-out", nil)
		if got := both.get("/console"); got.location != "/console/sign-in" {
			t.Errorf("signed out: %d to %q", got.status, got.location)
		}
		w.VerifyAudit()
	})
}

// A removal ends sessions and password links for good: after the undo the member signs in
// anew, with the password of before.
func TestUndoRevivesNeitherSessionsNorLinks(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := newTenants(t, dsn)
		w.join(w.one, firstPassword)
		w.join(w.two, firstPassword)
		both, choosing := newClient(t, w.Server), newClient(t, w.Server)
		for _, c := range []*client{both, choosing} {
			try(c, ann, firstPassword)
		}
		both.post("/console/accounts", url.Values{"account": {w.one}})
		unused, elsewhere := link(t, w.Server, w.one, ann), link(t, w.Server, w.two, ann)
		removal := w.remove()
		if got := both.get("/console/apps"); got.location != "/console/accounts" {
			t.Errorf("removed: %d to %q", got.status, got.location)
		}
		w.restore(removal)
		for name, c := range map[string]*client{"in the account": both, "before the choice": choosing} {
			if got := c.get("/console/apps"); got.location != "/console/accounts" {
				t.Errorf("%s: the session is revived: %d to %q", name, got.status, got.location)
			}
			if got := c.post("/console/accounts", url.Values{"account": {w.one}}); got.status != http.StatusForbidden {
				t.Errorf("%s: entering the account again: %d to %q", name, got.status, got.location)
			}
			if got := c.post("/console/accounts", url.Values{"account": {w.two}}); got.location != "/console" {
				t.Errorf("%s: entering the other account: %d to %q", name, got.status, got.location)
			}
		}
		if got := both.get(unused); got.status != http.StatusGone {
			t.Errorf("the link is revived: %d", got.status)
		}
		if got := both.get(elsewhere); got.status != http.StatusOK {
			t.Errorf("the link of the other account: %d", got.status)
		}
		w.setTo(w.two, secondPassword)
		last := w.wantIn(firstPassword, w.one) // anew, with the password of before

		removal = w.remove()
		if got := last.get("/console"); got.location != "/console/sign-in" {
			t.Errorf("the last account is lost: %d to %q", got.status, got.location)
		}
		w.restore(removal)
		w.wantIn(firstPassword, w.one)
		if removal = w.remove(); len(w.Dump()["console_sessions"]) == 0 {
			t.Error("no session is left: is it seen that a purge ends them?")
		}
		if _, err := w.Roster.PurgeRemoval(context.Background(), auth.Operator(), w.one, removal); err != nil {
			t.Fatal(err)
		}
		for table, rows := range w.Dump() {
			if strings.Contains(table, "password") && table != "password_params" && len(rows) > 1 || table == "console_sessions" && len(rows) > 0 {
				t.Errorf("after the purge %s has %q", table, rows)
			}
		}
		w.VerifyAudit()
	})
}

// A password of one account does not take back failures with those of another: they could
// be guessed without end.
func TestASignInForgetsNoFailures(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := newTenants(t, dsn)
		w.join(w.one, firstPassword)
		w.join(w.two, secondPassword)
		c := newClient(t, w.Server)
		for range directory.MaxFailures - 1 {
			try(c, ann, "wrong wrong wrong")
		}
		for range 2 {
			w.wantIn(firstPassword, w.one)
		}
		if got := try(c, ann, "wrong wrong wrong"); got.status != http.StatusUnauthorized {
			t.Errorf("the last attempt: %d", got.status)
		}
		if got := try(c, ann, secondPassword); got.status != http.StatusTooManyRequests {
			t.Errorf("beyond it: %d to %q", got.status, got.location)
		}
		w.setTo(w.two, secondPassword) // by the operator's link
		w.wantIn(secondPassword, w.two)
	})
}
