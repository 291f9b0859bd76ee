package roster_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// Lists run in the order of creation, though each process takes its ids from a
// block of its own, so pages neither skip nor repeat while others add to them.
func TestPagesWhileOthersAdd(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx, op := context.Background(), auth.Operator()
		var servers [2]*roster.Roster
		for i := range servers {
			r, err := roster.Open(ctx, roster.Options{Database: dsn})
			must(t, err)
			defer r.Close()
			servers[i] = r
		}
		account, err := servers[0].CreateAccount(ctx, op, "X", "owner@example.com")
		must(t, err)
		made := 0
		add := func() {
			made++
			r := servers[made%2]
			_, err := r.CreateGroup(ctx, op, account, fmt.Sprintf("o%03d", made), nil)
			must(t, err)
			_, err = r.CreateBot(ctx, op, account, fmt.Sprintf("o%03d", made), "owner@example.com")
			must(t, err)
			_, err = r.CreateRole(ctx, op, account, roster.NewRole{Kind: directory.AdminRole, Name: fmt.Sprintf("o%03d", made)})
			must(t, err)
			out, err := r.ImportUsers(ctx, op, account, []roster.ImportRow{{Line: 1, Email: fmt.Sprintf("o%03d@example.com", made)}}, roster.ImportOptions{})
			if err != nil || out.Created != 1 {
				t.Fatalf("import: %+v, %v", out, err)
			}
		}
		for range 20 {
			add()
		}
		seen := map[string][]string{}
		for more, offset := true, 0; more; offset++ {
			more = false
			page := directory.Page{Limit: 3, Offset: offset}
			note := func(what, name string) { seen[what] = append(seen[what], name) }
			groups, err := servers[0].Groups(ctx, op, account, page)
			must(t, err)
			for i := range groups.Items {
				note("groups", groups.Items[i].Name)
			}
			more = more || groups.More
			bots, err := servers[1].Bots(ctx, op, account, page)
			must(t, err)
			for i := range bots.Items {
				note("bots", bots.Items[i].Name)
			}
			roles, err := servers[0].Roles(ctx, op, account, directory.AdminRole, page)
			must(t, err)
			for i := range roles.Items {
				note("roles", roles.Items[i].Name)
			}
			users, err := servers[1].UserRoles(ctx, op, account, page)
			must(t, err)
			for i := range users.Items {
				note("users", users.Items[i].Email)
			}
			more = more || bots.More || roles.More || users.More
			if more && made < 30 { // what is added after the last page is on none
				add()
			}
		}
		for what, names := range seen {
			want := map[string][]string{"roles": {"admin"}, "users": {"owner@example.com"}}[what]
			for i := 1; i <= made; i++ {
				name := "o" + strconv.Itoa(1000 + i)[1:]
				if what == "users" {
					name += "@example.com"
				}
				want = append(want, name)
			}
			if !slices.Equal(names, want) {
				t.Errorf("%s were listed as %v", what, names)
			}
		}
	})
}
