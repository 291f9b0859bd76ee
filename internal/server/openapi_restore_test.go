package server_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// everybodyElse are those of the cast who can be removed.
const everybodyElse = `{"deleteEmailIds":["ann@example.com","cy@example.com","dee@example.com","eve@example.com"]}`

// restoreSteps lead to every documented example of restorations but those in
// unprovoked. All of them are about a removal of everybodyElse.
var restoreSteps = []step{
	{status: 200, example: "everybody", body: "all"},
	{status: 200, example: "everybody", body: "some", query: "?reasons=codes"},
	{status: 200, example: "lost", body: "all", before: loseGroup},
	{status: 200, example: "somebodyNot", body: `{"deleteEmailIds":["ann@example.com","nobody@example.com"],"orgUserIds":["E1234"]}`, before: takeKeys},
	{status: 200, example: "preview", body: `{"deleteEmailIds":["nobody@example.com","cy@example.com"]}`, query: "?dryRun=true&atomic=true"},
	{status: 400, example: "noJSON", invalid: true},
	{status: 400, example: "noAddresses", body: `{"deleteEmailIds":[]}`, invalid: true},
	{status: 400, example: "noOrgUserIds", body: `{"orgUserIds":[]}`, invalid: true},
	{status: 401, example: "credentials", body: "all", token: fixed(""), invalid: true},
	{status: 401, example: "malformed", body: "all", token: fixed("nonsense")},
	{status: 401, example: "scope", body: "all", token: func(p *cast) string { return p.scopeless.Token(nil) }},
	{status: 401, example: "expired", body: "all", token: claims(jwt.MapClaims{"exp": 1})},
	{status: 401, example: "notActive", body: "all", token: claims(jwt.MapClaims{"nbf": 9e9})},
	{status: 401, example: "replayed", body: "all", token: claims(jwt.MapClaims{"jti": "once", "exp": soon}), before: useOnce},
	{status: 409, example: "job", body: "all", before: stillRunning},
	{status: 410, example: "gone", body: "all", before: windowOver},
	{status: 412, example: "types", body: `{"emails":["ann@example.com"]}`, invalid: true},
	{status: 412, example: "types", body: `{"includeMeta":true}`, invalid: true},
	{status: 412, example: "types", body: "all", query: "?dryRun=1", invalid: true},
	{status: 413, example: "ids", body: `{"orgUserIds":["E1"` + strings.Repeat(`,"E1"`, 100_000) + `]}`},
	{status: 413, example: "body", body: annAlone + strings.Repeat(" ", 16<<20)},
	{status: 415, example: "type", body: "{}", header: map[string]string{"Content-Type": "text/plain"}, invalid: true},
	{status: 200, example: "everybody", body: "all", header: useKey},
	{status: 422, example: "reused", body: "all", header: useKey, before: useKeyOnce},
	{status: 429, example: "limit", body: "all", before: oneCallAllowed},
}

// loseGroup deletes a group that two of the removed were in.
func loseGroup(c *checker, t *testing.T, people *cast) {
	t.Helper()
	storetest.Exec(t, c.DSN, "INSERT INTO deleted_objects SELECT account_id, id, 'group', public_id, name, 0 FROM groups WHERE public_id = $1", people.group)
	storetest.Exec(t, c.DSN, "DELETE FROM groups WHERE public_id = $1", people.group)
}

// oneCallAllowed sets a limit that the removal has reached.
func oneCallAllowed(c *checker, t *testing.T, people *cast) {
	t.Helper()
	one := directory.RateLimits{{Calls: 1, Period: time.Hour}}
	if err := c.Roster.SetRateLimits(t.Context(), auth.Operator(), people.account, &one); err != nil {
		t.Fatal(err)
	}
}

// takeKeys gives an address and an org id of the removed to others.
func takeKeys(c *checker, _ *testing.T, people *cast) {
	c.Import(people.account, rostertest.Person{Email: "ann@example.com"}, rostertest.Person{Email: "zoe@example.com", OrgUserID: "E1234"})
}

// windowOver makes the removals of the account older than the restore window.
func windowOver(c *checker, t *testing.T, people *cast) {
	storetest.Exec(t, c.DSN, "UPDATE removals SET restorable_until = 1 WHERE account_id = (SELECT id FROM accounts WHERE public_id = $1)", people.account)
}

// Real restorations are what the document says, and each of its examples is met.
func TestDocumentedRestorations(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		c := newChecker(t, rostertest.Start(t, dsn, rostertest.Options{RateLimits: directory.DefaultRateLimits()}))
		restore := func(t *testing.T, removal string, st step) {
			t.Helper()
			people := newCast(c.Server)
			var err error
			people.group, err = c.Roster.CreateGroup(t.Context(), auth.Operator(), people.account, "Sales", []string{"cy@example.com", "dee@example.com", "olga@example.com"})
			if err != nil {
				t.Fatal(err)
			}
			id := c.Remove(people.app, everybodyElse).Header.Get("X-Removal-Id")
			if removal != "" {
				id = removal
			}
			c.step(t, people, st, rostertest.Request{
				Method: "POST", Path: "/api/public/users/removals/" + id + "/restore" + st.query, Body: c.requestExample("Restoration", st.body),
			})
		}
		for i, st := range restoreSteps {
			t.Run(fmt.Sprintf("%d %s %d", st.status, st.example, i), func(t *testing.T) { restore(t, "", st) })
		}
		t.Run("unknown", func(t *testing.T) { restore(t, "rm-1", step{status: 404, example: "unknown", body: "all"}) })
		if !t.Failed() {
			c.everyExampleSeen("/api/public/users/removals/{id}/restore", unprovoked)
		}
	})
}
