package server_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// lister is the cast with roles, groups and an app that may look at them.
func lister(t *testing.T, c *checker) *cast {
	t.Helper()
	people := newCast(c.Server)
	ctx := context.Background()
	_, err := c.Roster.CreateGroup(ctx, auth.Operator(), people.account, "Staff", []string{"ann@example.com"})
	if err == nil {
		_, err = c.Roster.CreateGroup(ctx, auth.Operator(), people.account, "Everybody", nil)
	}
	if err == nil {
		err = c.Roster.AssignRole(ctx, auth.Operator(), people.account, directory.RoleAdmin, "", []string{"ann@example.com"})
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{
		`UPDATE member_profiles SET first_name = 'Ann', last_name = 'Archer' WHERE email = 'ann@example.com'`,
		`INSERT INTO group_groups (account_id, parent_id, child_id) SELECT p.account_id, p.id, c.id FROM groups p JOIN groups c
ON c.account_id = p.account_id WHERE p.name = 'Everybody' AND c.name = 'Staff' ON CONFLICT DO NOTHING`,
		`INSERT INTO roles (account_id, id, public_id, kind, name, description, permissions, built_in, created_at)
SELECT account_id, id, '64a1f09b2c3d4e5f6a7b8c05', 'admin', 'Offboarding', '', '{"userManagement":"YES"}', 0, created_at FROM groups WHERE name = 'Everybody' ON CONFLICT DO NOTHING`,
		`INSERT INTO group_roles (account_id, group_id, role_id, bot_id) SELECT g.account_id, g.id, r.id, b.id FROM groups g
JOIN roles r ON r.account_id = g.account_id JOIN bots b ON b.account_id = g.account_id WHERE g.name = 'Staff' AND r.name = 'Bot Tester' ON CONFLICT DO NOTHING`,
	} {
		storetest.Exec(t, c.DSN, query)
	}
	people.app = c.AppWith(people.account, directory.OriginAdminConsole, directory.ScopeRoleManagement, directory.ScopeUserManagement)
	return people
}

// The lists of roles, groups, bots and of who has which are what the document
// says, and each of its examples is met.
func TestDocumentedLists(t *testing.T) {
	t.Parallel()
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		c := newChecker(t, rostertest.Start(t, dsn, rostertest.Options{RateLimits: directory.DefaultRateLimits()}))
		for path, steps := range map[string][]step{
			"/api/public/alluserroles": {
				{status: 200, example: "second", query: "?limit=1&offset=1"},
				{status: 200, example: "none", query: "?offset=1"},
			},
			"/api/public/roles": {
				{status: 200, example: "admin", query: "?roleType=admin"},
				{status: 200, example: "bot", query: "?roleType=bot&limit=1"},
				{status: 200, example: "none", query: "?offset=1"},
				{status: 412, example: "types", query: "?roleType=x", invalid: true},
			},
			"/api/public/groups": {
				{status: 200, example: "last"},
				{status: 200, example: "none", query: "?offset=1"},
			},
			"/api/public/bots": {
				{status: 200, example: "last"},
				{status: 200, example: "none", query: "?offset=1"},
			},
		} {
			c.seen = map[string]bool{}
			for _, st := range slices.Concat(steps, refusedCalls(""), []step{
				{status: 412, example: "types", query: "?limit=0", invalid: true},
				{status: 412, example: "types", query: "?offset=-1", invalid: true},
				{status: 429, example: "limit", before: noCallLeft},
			}) {
				t.Run(fmt.Sprintf("%s %d %s%s", path, st.status, st.example, st.query), func(t *testing.T) {
					c.step(t, lister(t, c), st, rostertest.Request{Method: http.MethodGet, Path: path + st.query})
				})
			}
			if !t.Failed() {
				c.everyExampleSeen(path, unprovoked)
			}
		}
	})
}

// withIDs puts the ids of the account's roles and bot in place of those in the
// document's examples.
func withIDs(t *testing.T, c *checker, people *cast, body string) string {
	t.Helper()
	roles, err := c.Roster.Roles(t.Context(), auth.Operator(), people.account, "", directory.Page{Limit: 50})
	if err != nil {
		t.Fatal(err)
	}
	pairs := []string{"st-7d9a1c3e-5b2f-4a6d-8c0e-1f2a3b4c5d6e", people.bot}
	for i, role := range roles.Items {
		pairs = append(pairs, fmt.Sprintf("64a1f09b2c3d4e5f6a7b8c%02d", i+1), role.PublicID)
	}
	return strings.NewReplacer(pairs...).Replace(body)
}

// The assignment of roles is what the document says, and each of its examples is
// met.
func TestDocumentedAssignments(t *testing.T) {
	t.Parallel()
	const one = `[{"roleId":"a"}]`
	storetest.EachInLong(t, func(t *testing.T, dsn string) {
		c := newChecker(t, rostertest.Start(t, dsn, rostertest.Options{RateLimits: directory.DefaultRateLimits()}))
		for kind, path := range map[string]string{"Admin": "/api/public/adminroles/assignments", "Bot": "/api/public/btroles/assignments"} {
			c.seen = map[string]bool{}
			some := []step{{status: 200, example: "someNot", body: "some"}}
			if kind == "Bot" {
				some = []step{
					{status: 200, example: "done", body: "some"},
					{status: 200, example: "someNot", body: `[{"roleId":"64a1f09b2c3d4e5f6a7b8c02","botId":"st-7d9a1c3e-5b2f-4a6d-8c0e-1f2a3b4c5d6e"},` +
						`{"roleId":"64a1f09b2c3d4e5f6a7b8c03","botId":"st-7d9a1c3e-5b2f-4a6d-8c0e-1f2a3b4c5d6e","removeUsers":["nobody@example.com"]}]`},
					{status: 200, example: "someNotCodes", query: "?reasons=codes", body: `[{"roleId":"64a1f09b2c3d4e5f6a7b8c02","botId":"st-7d9a1c3e-5b2f-4a6d-8c0e-1f2a3b4c5d6e"},{"roleId":"nonsense"}]`},
				}
			} else {
				some = append(some,
					step{status: 200, example: "done", body: `[{"roleId":"64a1f09b2c3d4e5f6a7b8c01","addGroups":["Staff"]}]`},
					step{status: 200, example: "someNotCodes", query: "?reasons=codes", body: `[{"roleId":"64a1f09b2c3d4e5f6a7b8c01"},{"roleId":"nonsense"}]`})
			}
			for i, st := range slices.Concat(some, []step{
				{status: 400, example: "noJSON", invalid: true},
				{status: 412, example: "types", body: `{}`, invalid: true},
				{status: 412, example: "types", body: `[]`, invalid: true},
				{status: 412, example: "types", body: `[{"roleId":7}]`, invalid: true},
				{status: 413, example: "ids", body: `[{"roleId":"a","addUsers":["x"` + strings.Repeat(`,"x"`, 100_000) + `]}]`},
				{status: 413, example: "body", body: one + strings.Repeat(" ", 16<<20)},
				{status: 415, example: "type", body: one, header: map[string]string{"Content-Type": "text/plain"}, invalid: true},
				{status: 429, example: "limit", body: one, before: noCallLeft},
			}, refusedCalls(one)) {
				t.Run(fmt.Sprintf("%s %d %s %d", kind, st.status, st.example, i), func(t *testing.T) {
					people := lister(t, c)
					body := withIDs(t, c, people, c.requestExample(kind+"RoleAssignments", st.body))
					c.step(t, people, st, rostertest.Request{Method: http.MethodPost, Path: path + st.query, Body: body})
				})
			}
			if !t.Failed() {
				c.everyExampleSeen(path, unprovoked)
			}
		}
	})
}

// refusedCalls lead to the documented examples of calls that are refused for
// their tokens, with a body.
func refusedCalls(body string) []step {
	var steps []step
	for _, st := range refusedReads {
		if st.status == http.StatusUnauthorized {
			st.body = body
			steps = append(steps, st)
		}
	}
	return steps
}
