package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"roster/internal/directory"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

const (
	listPath = "/api/public/users/removals"
	onePath  = "/api/public/users/removals/{id}"
)

// refusedReads lead to the documented examples of refused calls that both paths
// have.
var refusedReads = []step{
	{status: 401, example: "credentials", token: fixed(""), invalid: true},
	{status: 401, example: "malformed", token: fixed("nonsense")},
	{status: 401, example: "scope", token: func(p *cast) string { return p.scopeless.Token(nil) }},
	{status: 401, example: "expired", token: claims(jwt.MapClaims{"exp": 1})},
	{status: 401, example: "notActive", token: claims(jwt.MapClaims{"nbf": 9e9})},
	{status: 401, example: "replayed", token: claims(jwt.MapClaims{"jti": "once", "exp": soon}), before: useOnce},
	{status: 412, example: "types", query: "?%zz"},
	{status: 429, example: "limit", before: oneCallAllowed},
}

// twoFailed is a removal of which the resource's examples tell.
const twoFailed = `{"deleteEmailIds":["ann@example.com","nobody@example.com"],"orgUserIds":["E2345"]}`

// Lists of removals, and removals, are what the document says, and each of its
// examples is met.
func TestDocumentedReading(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		c := newChecker(t, rostertest.Start(t, dsn, rostertest.Options{RateLimits: directory.DefaultRateLimits()}))
		get := func(name, path, body string, st step) {
			t.Run(fmt.Sprintf("%s %d %s", name, st.status, st.example), func(t *testing.T) {
				people := newCast(c.Server)
				id := c.Remove(people.app, body).Header.Get("X-Removal-Id")
				if st.status == http.StatusNotFound {
					id = "rm-1"
				}
				c.step(t, people, st, rostertest.Request{Method: http.MethodGet, Path: strings.Replace(path, "{id}", id, 1) + st.query})
			})
		}
		for _, st := range append([]step{
			{status: 200, example: "last"},
			{status: 200, example: "last", query: "?limit=1000&offset=0"},
			{status: 200, example: "none", query: "?limit=1&offset=1"},
			{status: 412, example: "types", query: "?limit=0", invalid: true},
			{status: 412, example: "types", query: "?offset=-1", invalid: true},
		}, refusedReads...) {
			get("list", listPath, `{"deleteEmailIds":["ann@example.com","x","y","z"]}`, st)
		}
		if !t.Failed() {
			c.everyExampleSeen(listPath, unprovoked)
		}
		c.seen = map[string]bool{}
		get("one", onePath, annAlone, step{status: 200, example: "everybody"})
		get("one", onePath, `{"deleteEmailIds":["bo@example.com"]}`, step{status: 200, example: "somebodyNotCodes", query: "?reasons=codes"})
		get("one", onePath, annAlone, step{status: 200, example: "running", before: stillRunning})
		get("one", onePath, annAlone, step{status: 409, example: "job", header: map[string]string{"Accept": "text/csv"}, before: stillRunning})
		cancel := func(st step) {
			t.Run(fmt.Sprintf("cancel %d %s", st.status, st.example), func(t *testing.T) {
				people := newCast(c.Server)
				id := c.Remove(people.app, annAlone).Header.Get("X-Removal-Id")
				if st.status == http.StatusNotFound {
					id = "rm-1"
				}
				c.step(t, people, st, rostertest.Request{Method: http.MethodDelete, Path: strings.Replace(onePath, "{id}", id, 1)})
			})
		}
		for _, st := range append([]step{
			{status: 200, example: "cancelled", before: stillRunning},
			{status: 404, example: "unknown"},
			{status: 409, example: "over"},
			{status: 415, example: "type", header: map[string]string{"Content-Type": "text/plain"}},
		}, refusedReads...) {
			if st.status != http.StatusPreconditionFailed { // it reads no query
				cancel(st)
			}
		}
		for _, st := range append([]step{{status: 200, example: "somebodyNot"}, {status: 404, example: "unknown"}}, refusedReads...) {
			get("one", onePath, twoFailed, st)
		}
		if !t.Failed() {
			c.everyExampleSeen(onePath, unprovoked)
		}
		t.Run("as CSV", c.table)
	})
}

// stillRunning makes the removal of the account a job that is not over, and that
// nobody works on.
func stillRunning(c *checker, t *testing.T, people *cast) {
	t.Helper()
	const account = "(SELECT id FROM accounts WHERE public_id = $1)"
	storetest.Exec(t, c.DSN, `INSERT INTO removal_jobs (account_id, id, state, batch_id, mixed, next_seq, spooled, created_at, turn_at)
SELECT account_id, id, 'running', 0, 0, 0, 0, 0, 0 FROM removals WHERE account_id = `+account, people.account)
	storetest.Exec(t, c.DSN, "UPDATE removals SET requested = removed + 3 WHERE account_id = "+account, people.account)
}

// table checks a removal as CSV.
func (c *checker) table(t *testing.T) {
	people := newCast(c.Server)
	id := c.Remove(people.app, twoFailed).Header.Get("X-Removal-Id")
	req := rostertest.Request{
		Method: http.MethodGet, Path: listPath + "/" + id, Header: map[string]string{"Accept": "text/csv"}, Token: people.app.Token(nil),
	}
	in, got := c.input(t, req), c.Do(req)
	c.answer(t, in, got)
	c.sameHeaders(t, in.Route.Operation, got)
	documented := in.Route.Operation.Responses.Status(got.Status).Value
	if want := documented.Content["text/csv"].Examples["table"].Value.Value; got.Body != want {
		t.Errorf("answered %q\n example %q", got.Body, want)
	}
	name := documented.Headers["Content-Disposition"].Value.Example.(string)
	if got := got.Header.Get("Content-Disposition"); got != changing.ReplaceAllString(name, id) {
		t.Errorf("Content-Disposition is %s", got)
	}
}
