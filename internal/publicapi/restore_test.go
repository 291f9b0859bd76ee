package publicapi_test

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"testing"

	"roster/internal/directory"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

const restored = `{"msg":"Users are restored Successfully"}`

// restore sends a restoration with the app's token.
func (w *world) restore(removal, body string) rostertest.Answer {
	w.T.Helper()
	return w.send(rostertest.Request{
		Method: http.MethodPost, Path: "/api/public/users/removals/" + removal + "/restore", Body: body, Token: w.app.Token(nil),
	})
}

// removal removes users and returns its id.
func (w *world) removal(body string) string {
	w.T.Helper()
	return w.Remove(w.app, body).Header.Get("X-Removal-Id")
}

// everybody of the cast who can be removed.
var everybody = []string{ann, bob, cleo}

// Contract 3.5: POST /users/removals/{id}/restore with {} or with the request's
// own two lists. Each row begins with Ann, Bob and Cleo removed by one call.
func TestRestore(t *testing.T) {
	t.Parallel()
	gone := `{"errors":[{"msg":"Removal can no longer be restored","code":410}]}`
	noEmails, noOrgIDs := `{"errors":[{"msg":"deleteEmailIds cannot be empty","code":400}]}`, `{"errors":[{"msg":"orgUserIds cannot be empty","code":400}]}`
	nobody, stranger := byEmail(`"nobody@example.com"`, noSuchEmail), byEmail(`"foreign@example.com"`, noSuchEmail)
	rows := []struct {
		says   string
		setup  func(*world, string)
		body   string
		query  string
		status int
		want   string
		back   []string
	}{
		{says: "all of it", body: `{}`, want: restored, back: everybody},
		{says: "all of it, with blanks", body: " {\n} ", want: restored, back: everybody},
		{says: "some by address", body: emails("ANN@EXAMPLE.COM", " cleo@example.com "), want: restored, back: []string{ann, cleo}},
		{says: "one by both ids", body: `{"deleteEmailIds":["ann@example.com"],"orgUserIds":["E1","E1"]}`, want: restored, back: []string{ann}},
		{says: "an empty list beside another", body: `{"deleteEmailIds":[],"orgUserIds":["E2"],"includeMeta":true}`, want: restored, back: []string{bob}},
		{
			says: "some who are not of it", body: emails("nobody@example.com", ann, "foreign@example.com", dan, owner),
			want: failed(nobody, stranger, byEmail(`"`+dan+`"`, noSuchEmail), byEmail(`"`+owner+`"`, noSuchEmail)), back: []string{ann},
		},
		{
			says: "what is no id", body: `{"deleteEmailIds":["x",7,"x"],"orgUserIds":[" ","E9","E2"]}`,
			want: failed(byEmail(`"x"`, badEmail), byEmail(`7`, badEmail), byOrgID(`" "`, badOrgID), byOrgID(`"E9"`, noSuchOrgID)), back: []string{bob},
		},
		{
			says: "with codes", query: "?reasons=codes", body: `{"deleteEmailIds":["nobody@example.com","x"],"orgUserIds":["E1"]}`,
			setup: func(w *world, _ string) { w.Import(w.account, rostertest.Person{Email: "ann@example.com"}) },
			want: failed(
				failure(`"emailId":"nobody@example.com"`, noSuchEmail, codes("USER_NOT_FOUND")), failure(`"emailId":"x"`, badEmail, codes("INVALID_ID")),
				failure(`"orgUserId":"E1","emailId":"Ann@Example.com"`, userExists, codes("USER_EXISTS"))),
		},
		{
			says: "an address that is taken", body: `{}`, want: failed(byEmail(`"Ann@Example.com"`, userExists)), back: []string{bob, cleo},
			setup: func(w *world, _ string) { w.Users(w.account, "ANN@example.com") },
		},
		{
			says: "an org id that is taken", body: `{}`, query: "?reasons=codes", back: []string{ann, cleo},
			setup: func(w *world, _ string) {
				w.Import(w.account, rostertest.Person{Email: "new@example.com", OrgUserID: "E2"})
			},
			want: failed(failure(`"emailId":"bob@example.com"`, orgIDInUse, codes("ORG_USER_ID_IN_USE"))),
		},
		{
			says: "the address taken and free again", body: `{}`, want: restored, back: everybody,
			setup: func(w *world, _ string) {
				w.Import(w.account, rostertest.Person{Email: ann, OrgUserID: "E2"})
				w.Remove(w.app, emails(ann))
			},
		},
		{says: "twice", body: `{}`, want: restored, back: everybody, setup: func(w *world, id string) { w.restore(id, `{}`) }},
		{
			says: "named again", body: emails(ann, bob), want: failed(byEmail(`"`+ann+`"`, noSuchEmail)), back: []string{ann, bob},
			setup: func(w *world, id string) { w.restore(id, emails(ann)) },
		},
		{says: "the rest", body: `{}`, want: restored, back: everybody, setup: func(w *world, id string) { w.restore(id, emails(ann)) }},
		{
			says: "after another removal", body: emails(ann), want: failed(byEmail(`"`+ann+`"`, noSuchEmail)),
			setup: func(w *world, id string) { w.restore(id, emails(ann)); w.Remove(w.app, emails(ann)) },
		},
		{says: "a preview", body: emails(ann, "x"), query: "?dryRun=true", want: withEnd(failed(byEmail(`"x"`, badEmail)), `,"dryRun":true`)},
		{says: "a preview of all", body: `{}`, query: "?dryRun=true&atomic=true", want: withEnd(restored, `,"dryRun":true`)},
		{says: "atomic", body: emails(ann, "x"), query: "?atomic=true", want: withEnd(failed(byEmail(`"x"`, badEmail)), `,"atomic":true`)},
		{says: "atomic, and all can", body: `{}`, query: "?atomic=true", want: restored, back: everybody},
		{says: "an empty list is not all of it", body: `{"deleteEmailIds":[]}`, status: 400, want: noEmails},
		{says: "two empty lists", body: `{"orgUserIds":[],"deleteEmailIds":null}`, status: 400, want: noOrgIDs},
		{says: "a misspelt list is not all of it", body: `{"emailIds":["ann@example.com"]}`, status: 412, want: invalidArgs},
		{says: "no list", body: `{"includeMeta":true}`, status: 412, want: invalidArgs},
		{says: "null lists", body: `{"deleteEmailIds":null,"orgUserIds":null}`, status: 412, want: invalidArgs},
		{says: "an array", body: `[]`, status: 412, want: invalidArgs},
		{says: "no body", body: ``, status: 400, want: invalidJSON},
		{says: "no JSON", body: `{}}`, status: 400, want: invalidJSON},
		{says: "an option in other words", body: `{}`, query: "?dryrun=true", status: 412, want: invalidArgs},
		{
			says: "the window is over", body: `{}`, status: 410, want: gone,
			setup: func(w *world, id string) {
				storetest.Exec(w.T, w.DSN, `UPDATE removals SET restorable_until = restorable_until - 2592000000000 WHERE public_id = $1`, id)
			},
		},
		{
			says: "some of it, the window over", body: emails(ann), status: 410, want: gone,
			setup: func(w *world, id string) {
				storetest.Exec(w.T, w.DSN, `UPDATE removals SET restorable_until = 1 WHERE public_id = $1`, id)
			},
		},
	}
	storetest.Each(t, func(t *testing.T, dsn string) {
		all := start(t, dsn, rostertest.Options{})
		for _, r := range rows {
			t.Run(r.says, func(t *testing.T) {
				all.recast()
				w := all.at(t)
				members := w.Members(w.account)
				id := w.removal(emails(everybody...))
				if r.setup != nil {
					r.setup(w, id)
				}
				before := w.Dump()
				got := w.send(rostertest.Request{Method: http.MethodPost, Path: removalsPath + id + "/restore" + r.query, Body: r.body, Token: w.app.Token(nil)})
				w.compare(got, cmp.Or(r.status, 200), r.want, nil)
				if got.Status >= 400 || strings.Contains(r.query, "dryRun") {
					w.unchanged(before)
				}
				want := slices.DeleteFunc(slices.Clone(members), func(m string) bool { return slices.Contains(everybody, m) && !slices.Contains(r.back, m) })
				now := slices.DeleteFunc(w.Members(w.account), func(m string) bool { return !slices.Contains(members, m) })
				if !slices.Equal(now, want) {
					t.Errorf("members %q, want %q", now, want)
				}
			})
		}
	})
}

const removalsPath = "/api/public/users/removals/"

// Which paths and methods restore, and whose removals.
func TestRestorePaths(t *testing.T) {
	t.Parallel()
	unknown := `{"errors":[{"msg":"Not Found","code":404}]}`
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		id := w.removal(emails(everybody...))
		foreign := w.Remove(w.otherApp, emails("foreign@example.com")).Header.Get("X-Removal-Id")
		scopeless := w.keep(w.AppWith(w.account, directory.OriginAdminConsole, directory.ScopeRoleManagement))
		before := w.Dump()
		for _, other := range []string{foreign, "rm-1", strings.ToUpper(id), id + "%20", id + "%00", "%ff", "%2e%2e", id + "x", "ann@example.com"} {
			w.compare(w.restore(other, `{}`), 404, unknown, nil)
		}
		for _, method := range []string{http.MethodGet, http.MethodDelete, http.MethodPut} {
			got := w.send(rostertest.Request{Method: method, Path: removalsPath + id + "/restore", Token: w.app.Token(nil), Header: header1("X-HTTP-Method-Override", "POST")})
			w.compare(got, 405, notAllowed, header1("Allow", "POST"))
		}
		for _, other := range []string{"restore", "/restore", id + "/restore/x", id + "/Restore", id + "%2frestore"} {
			got := w.send(rostertest.Request{Method: http.MethodPost, Path: removalsPath + other, Body: `{}`, Token: w.app.Token(nil)})
			if got.Status != 404 && got.Status != 405 {
				t.Errorf("%s answered %d %s", other, got.Status, got.Body)
			}
		}
		got := w.send(rostertest.Request{Method: http.MethodPost, Path: removalsPath + id + "/restore", Body: `{}`, Token: scopeless.Token(nil)})
		w.compare(got, 401, badScope, nil)
		w.unchanged(before)
		got = w.send(rostertest.Request{Method: http.MethodPost, Path: removalsPath + id + "/restore/", Body: `{}`, Token: w.app.Token(nil)})
		w.compare(got, 200, restored, nil)
	})
}

// withEnd is an answer with something more at its end.
func withEnd(body, more string) string { return strings.TrimSuffix(body, "}") + more + "}" }

const (
	userExists = "User already exists"
	orgIDInUse = "orgUserId already in use"
)
