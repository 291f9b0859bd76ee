package server_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
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
	storetest.Each(t, func(t *testing.T, dsn string) {
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
			refused := slices.DeleteFunc(slices.Clone(refusedReads), func(st step) bool { return st.status == http.StatusTooManyRequests })
			for _, st := range slices.Concat(steps, refused, []step{
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
