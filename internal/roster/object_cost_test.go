package roster_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/store"
	"roster/internal/storetest"
)

// The cost of an assignment, and of a page of a list, is a fixed number of
// statements, however many roles, users and groups there are in it.
func TestStatementsOfObjectsDoNotGrow(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		var trace []string
		r, err := roster.Open(context.Background(), roster.Options{Database: dsn, Store: store.Options{Trace: func(query string) {
			trace = append(trace, query)
		}}})
		must(t, err)
		defer r.Close()
		ctx := context.Background()
		traced := func(do func() error) int {
			trace = nil
			must(t, do())
			n := len(trace)
			if slices.ContainsFunc(trace, func(q string) bool { return strings.HasPrefix(q, "UPDATE id_blocks") }) {
				n -= 2 // keys are taken in advance, now and then
			}
			return n
		}
		first := map[string]int{}
		// Of fewer roles the audit records are written by up to four statements.
		for _, n := range []int{50, 100, 1000} {
			account, err := r.CreateAccount(ctx, auth.Operator(), "X", "owner@x.io")
			must(t, err)
			rows, byEmail, _, _ := costLists(n)
			_, err = r.ImportUsers(ctx, auth.Operator(), account, rows, roster.ImportOptions{})
			must(t, err)
			bot, err := r.CreateBot(ctx, auth.Operator(), account, "B", "owner@x.io")
			must(t, err)
			give, take := costItems(t, r, account, bot, byEmail)
			page := directory.Page{Limit: n}
			got := map[string]int{
				"assign": traced(func() error { return assign(r, account, give) }),
				"list users' roles": traced(func() error {
					list, err := r.UserRoles(ctx, auth.Operator(), account, page)
					if err == nil && (len(list.Items) != n || len(list.Items[n-1].Access.Roles) < 2) {
						err = fmt.Errorf("listed %d, the last with %+v", len(list.Items), list.Items[n-1].Access)
					}
					return err
				}),
				"list groups": traced(func() error {
					users := 0
					list, err := r.Groups(ctx, auth.Operator(), account, page)
					must(t, err)
					ids := make([]directory.GroupID, len(list.Items))
					for i := range ids {
						ids[i] = list.Items[i].ID
					}
					err = r.EachGroupUser(ctx, auth.Operator(), account, ids, func(_ int, some []directory.Member) error {
						users += len(some)
						return nil
					})
					if err == nil && (users != n || len(list.Items) != n/10) {
						err = fmt.Errorf("listed %d groups with %d users", len(list.Items), users)
					}
					return err
				}),
				"list roles": traced(func() error { _, err := r.Roles(ctx, auth.Operator(), account, "", page); return err }),
				"list bots":  traced(func() error { _, err := r.Bots(ctx, auth.Operator(), account, page); return err }),
				"unassign":   traced(func() error { return assign(r, account, take) }),
				"nothing":    traced(func() error { return assign(r, account, take) }),
			}
			if n == 50 {
				first = got
				t.Logf("statements: %v", got)
			}
			for what, count := range got {
				if count != first[what] {
					t.Errorf("%s of %d: %d statements instead of %d", what, n, count, first[what])
				}
			}
		}
	})
}

func assign(r *roster.Roster, account string, items []directory.RoleAssignment) error {
	failures, err := r.AssignRoles(context.Background(), auth.Operator(), account, directory.BotRole, items, "")
	for i, f := range failures {
		if f != nil {
			return fmt.Errorf("item %d: %w", i, f.Explain(items[i]))
		}
	}
	return err
}

// costItems gives, and takes, a role to every tenth user, with a group of ten and
// a role for each of these, nested in a chain.
func costItems(t *testing.T, r *roster.Roster, account, bot string, users []directory.UserRef) (give, take []directory.RoleAssignment) {
	t.Helper()
	ctx := context.Background()
	above := ""
	for i := 0; i < len(users); i += 10 {
		name := fmt.Sprint("G", i)
		group, err := r.MakeGroup(ctx, auth.Operator(), account, roster.NewGroup{Name: name, Members: users[i : i+10]})
		must(t, err)
		if above != "" && i%50 != 0 {
			must(t, wantDone(r.NestGroup(ctx, auth.Operator(), account, group, above)))
		}
		above = group
		role, err := r.CreateRole(ctx, auth.Operator(), account, roster.NewRole{Kind: directory.BotRole, Name: fmt.Sprint("R", i)})
		must(t, err)
		give = append(give, directory.RoleAssignment{RoleID: role, BotID: bot, AddUsers: users[i : i+10], AddGroups: []string{name}})
		take = append(take, directory.RoleAssignment{RoleID: role, BotID: bot, RemoveUsers: users[i : i+10], RemoveGroups: []string{name}})
	}
	extra, err := r.FindRole(ctx, auth.Operator(), account, directory.BotRole, directory.RoleBotTester)
	must(t, err)
	give = append(give, directory.RoleAssignment{RoleID: extra.PublicID, BotID: bot, AddUsers: users})
	return give, append(take, directory.RoleAssignment{RoleID: extra.PublicID, BotID: bot, RemoveUsers: users})
}

// A role that was deleted while somebody who had it was removed is named when
// they come back, and the records say who lost it and who did not.
func TestRestoreWithoutADeletedRole(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := newWritesTest(t, dsn, 3)
		ctx := context.Background()
		account := accountOf(t, dsn)
		role, err := w.roster.CreateRole(ctx, auth.Operator(), account, roster.NewRole{Kind: directory.AdminRole, Name: "Custom"})
		must(t, err)
		must(t, w.roster.AssignRole(ctx, auth.Operator(), account, "Custom", "", w.users))
		out, err := w.roster.RemoveUsers(ctx, w.caller, []directory.UserRef{{Text: w.users[0]}}, roster.RemovalOptions{})
		must(t, err)
		must(t, w.roster.DeleteRole(ctx, auth.Operator(), account, role))
		var kinds string
		must(t, w.db.QueryRow(`SELECT COUNT(*) || ' ' || COUNT(CASE WHEN r.kind = 'role.unassigned' AND r.person_id <> 0 THEN 1 END)
FROM audit_records r JOIN deleted_objects d ON d.id = r.object_id WHERE d.public_id = $1`, role).Scan(&kinds))
		if kinds != "7 2" { // created, three assigned, deleted, two unassigned
			t.Errorf("the role has %s records, of them about the loss", kinds)
		}
		back, err := w.roster.RestoreUsers(ctx, auth.Operator(), account, out.PublicID, nil, roster.RestoreOptions{})
		must(t, err)
		want := directory.LostObject{Kind: directory.ObjectRole, PublicID: role, Name: "Custom", Users: 1}
		if back.Restored != 1 || len(back.Lost) != 1 || back.Lost[0] != want {
			t.Errorf("restored %+v, want %+v lost", back, want)
		}
		if err := checkSound(w.db); err != nil {
			t.Error(err)
		}
	})
}

// accountOf is the public id of the only account.
func accountOf(t *testing.T, dsn string) (id string) {
	t.Helper()
	must(t, storetest.SQL(t, dsn).QueryRow("SELECT public_id FROM accounts").Scan(&id))
	return id
}
