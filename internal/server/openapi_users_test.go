package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"roster/internal/directory"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// sentTooMuch lead to the documented answers to calls that name or send too much,
// or send it as something else. one is a good body, many a list of too many.
func sentTooMuch(one, many string) []step {
	return []step{
		{status: 413, example: "ids", body: many},
		{status: 413, example: "body", body: one + strings.Repeat(" ", 16<<20)},
		{status: 415, example: "type", body: one, header: map[string]string{"Content-Type": "text/plain"}, invalid: true},
		{status: 429, example: "limit", body: one, before: noCallLeft},
	}
}

// Making and changing users is what the document says, and each of its examples is
// met.
func TestDocumentedUsers(t *testing.T) {
	t.Parallel()
	const path, one = "/api/public/users", `{"users":[{"userInfo":{"emailId":"fay@example.com"}}]}`
	common := slices.Concat([]step{
		{status: 400, example: "noJSON", invalid: true},
		{status: 400, example: "nobody", body: `{"users":[]}`, invalid: true},
		{status: 412, example: "types", body: `{}`, invalid: true},
		{status: 412, example: "types", body: `{"users":[{"userInfo":{"emailId":"a@x.io","zip":7}}]}`, invalid: true},
	}, sentTooMuch(one, `{"users":[`+strings.TrimSuffix(strings.Repeat(`{"userInfo":{"emailId":"a"}},`, 100_001), ",")+`]}`), refusedCalls(one))
	steps := map[string][]step{
		http.MethodPost: slices.Concat([]step{
			{status: 200, example: "everybody", body: "plain"},
			{status: 200, example: "everybody", body: "full"},
			{status: 200, example: "somebodyNot", body: `{"users":[{"userInfo":{"emailId":"ann@example.com","firstName":"Ann"}},{"userInfo":{"emailId":"fay@example.com"}},{"userInfo":{"emailId":"fay"}}]}`},
			{status: 200, example: "somebodyNotCodes", query: "?reasons=codes", body: `{"users":[{"userInfo":{"emailId":"fay@example.com"},"groups":["Staff"]}]}`},
		}, common),
		http.MethodPut: slices.Concat([]step{
			{status: 200, example: "everybody", body: "some"},
			{status: 200, example: "somebodyNot", body: `{"users":[{"userInfo":{"emailId":"nobody@example.com","firstName":"No"}},{"userInfo":{"orgUserId":"E9"}}]}`},
			{status: 200, example: "somebodyNotCodes", query: "?reasons=codes", body: `{"users":[{"userInfo":{"emailId":"ann@example.com","orgUserId":"E1234"}}]}`},
		}, common),
	}
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		c := newChecker(t, rostertest.Start(t, dsn, rostertest.Options{RateLimits: directory.DefaultRateLimits()}))
		for method, kind := range map[string]string{http.MethodPost: "NewUsers", http.MethodPut: "ChangedUsers"} {
			for i, st := range steps[method] {
				t.Run(fmt.Sprintf("%s %d %s %d", method, st.status, st.example, i), func(t *testing.T) {
					people := lister(t, c)
					body := withGroup(t, c, people, withIDs(t, c, people, c.requestExample(kind, st.body)))
					c.step(t, people, st, rostertest.Request{Method: method, Path: path + st.query, Body: body})
				})
			}
		}
		if !t.Failed() {
			c.everyExampleSeenOf(path, unprovoked, http.MethodPost, http.MethodPut)
		}
	})
}

// withGroup puts the id of the account's group Staff in place of that of the
// document's examples.
func withGroup(t *testing.T, c *checker, people *cast, body string) string {
	t.Helper()
	var id string
	err := storetest.SQL(t, c.DSN).QueryRow(`SELECT g.public_id FROM groups g JOIN accounts a ON a.id = g.account_id WHERE a.public_id = $1 AND g.name = 'Staff'`,
		people.account).Scan(&id)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(body, "e-2b4d6f80-1a3c-4e5f-9b7d-8c6a4e2f0d1b", id)
}

// Reading users and setting their access are what the document says, and each of
// the examples is met.
func TestDocumentedUserInfoAndAccess(t *testing.T) {
	t.Parallel()
	const one = `{"emailIds":["ann@example.com"]}`
	common := slices.Concat([]step{
		{status: 400, example: "noJSON", invalid: true},
		{status: 412, example: "types", body: `{}`, invalid: true},
		{status: 412, example: "types", body: `{"emailIds":"ann@example.com"}`, invalid: true},
	}, sentTooMuch(one, `{"emailIds":["a"`+strings.Repeat(`,"a"`, 100_000)+`]}`), refusedCalls(one))
	steps := map[string][]step{
		"/api/public/usersInfo": slices.Concat([]step{
			{status: 200, example: "some", body: "some"},
			{status: 200, example: "codes", query: "?reasons=codes", body: `{"emailIds":["nobody@example.com"]}`},
			{status: 200, example: "none", body: `{"emailIds":["ann@example.com"],"status":"active"}`},
			{status: 400, example: "noAddresses", body: `{"emailIds":[]}`, invalid: true},
			{status: 400, example: "noOrgUserIds", body: `{"orgUserIds":[]}`, invalid: true},
			{status: 412, example: "types", body: `{"emailIds":["a"],"status":"locked"}`, invalid: true},
		}, common),
		"/api/public/useraccess": slices.Concat([]step{
			{status: 200, example: "done", body: "some"},
			{status: 400, example: "nobody", body: `{"emailIds":[]}`, invalid: true},
			{status: 400, example: "unknown", body: `{"emailIds":["ann@example.com","nobody@example.com"],"isDeveloper":false}`},
			{status: 403, example: "values", body: `{"emailIds":["ann@example.com"],"canCreateBot":true,"isDeveloper":false}`},
		}, common),
	}
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		c := newChecker(t, rostertest.Start(t, dsn, rostertest.Options{RateLimits: directory.DefaultRateLimits()}))
		for path, kind := range map[string]string{"/api/public/usersInfo": "UserIds", "/api/public/useraccess": "UserAccess"} {
			c.seen = map[string]bool{}
			for i, st := range steps[path] {
				t.Run(fmt.Sprintf("%s %d %s %d", kind, st.status, st.example, i), func(t *testing.T) {
					people := lister(t, c)
					c.step(t, people, st, rostertest.Request{Method: http.MethodPost, Path: path + st.query, Body: c.requestExample(kind, st.body)})
				})
			}
			if !t.Failed() {
				c.everyExampleSeen(path, unprovoked)
			}
		}
	})
}
