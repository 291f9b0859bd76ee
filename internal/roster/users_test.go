package roster_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/store"
	"roster/internal/storetest"
)

// Creating, changing and reading users takes as many statements for a thousand, in
// the long form for ten thousand, as for one hundred.
func TestStatementsOfUsersDoNotGrowWithTheList(t *testing.T) {
	t.Parallel()
	many := 1000
	if storetest.Long() {
		many = 10_000
	}
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		var statements atomic.Int64
		r, err := roster.Open(ctx, roster.Options{Database: dsn, Store: store.Options{Trace: func(string) { statements.Add(1) }}})
		must(t, err)
		defer r.Close()
		account, err := r.CreateAccount(ctx, auth.Operator(), "X", "owner@x.io")
		must(t, err)
		caller := callerOf(t, dsn, account)
		bot, err := r.CreateBot(ctx, auth.Operator(), account, "Desk", "owner@x.io")
		must(t, err)
		role, err := r.FindRole(ctx, auth.Operator(), account, directory.AdminRole, directory.RoleAdmin)
		must(t, err)
		groups := make([]string, 20)
		for i := range groups {
			groups[i], err = r.CreateGroup(ctx, auth.Operator(), account, fmt.Sprint("G", i), nil)
			must(t, err)
		}
		counts := map[string][]int64{}
		count := func(what string, do func() error) {
			before := statements.Load()
			must(t, do())
			counts[what] = append(counts[what], statements.Load()-before)
		}
		for _, n := range []int{100, many} {
			items, changes, refs := make([]directory.UserItem, n), make([]directory.UserItem, n), make([]directory.UserRef, n)
			for i := range items {
				email := fmt.Sprintf("u%d.%d@x.io", n, i)
				refs[i].Text = email
				items[i] = directory.UserItem{
					Email: email, OrgUserID: email, AddGroups: []string{groups[i%20]}, AddRoles: []directory.RoleRef{{RoleID: role.PublicID}},
					Tasks: &[]directory.TaskRef{{BotID: bot}},
				}
				changes[i] = directory.UserItem{
					Email: email, OrgUserID: "new " + email, Profile: directory.Profile{FirstName: "N"}, Given: 1,
					RemoveGroups: []string{groups[i%20]}, AddGroups: []string{groups[(i+1)%20]}, RemoveRoles: []directory.RoleRef{{RoleID: role.PublicID}},
					Tasks: &[]directory.TaskRef{{BotID: bot, Dialogs: []string{"dg-1"}}},
				}
			}
			// Keys are taken in blocks, by a statement now and then.
			count("create", func() error {
				failed, err := r.CreateUsers(ctx, caller, "", items, roster.UserOptions{})
				return wantFailed(failed, err, 0)
			})
			count("read", func() error {
				views, err := r.ReadUsers(ctx, caller, "", refs)
				for i, v := range views {
					if v == nil || v.OrgUserID != refs[i].Text || len(v.Access.Groups) != 1 || len(v.Access.Roles) != 1 || len(v.Tasks) != 1 {
						return fmt.Errorf("read %+v", v)
					}
				}
				return err
			})
			count("update", func() error {
				failed, err := r.UpdateUsers(ctx, caller, "", changes, roster.UserOptions{})
				return wantFailed(failed, err, 0)
			})
		}
		for what, of := range counts {
			// The block of keys is a statement and a commit.
			if of[1]-of[0] > 2 || of[0]-of[1] > 2 {
				t.Errorf("%s takes %v statements", what, of)
			}
			t.Logf("%s: %v statements", what, of)
		}
		_, err = r.VerifyAudit(ctx, auth.Operator())
		must(t, err)
	})
}

func item(email string) directory.UserItem { return directory.UserItem{Email: email} }

// Of two who make the same people each is made once, by one of them.
func TestRaceCreateAgainstCreate(t *testing.T) {
	eachRace(t, func(b *raceBench, round int) {
		items := make([]directory.UserItem, 10)
		for i := range items {
			items[i] = item(fmt.Sprintf("u%d.%d@example.com", round, i))
		}
		var failed [2]int
		call := func(i int) func() {
			return func() {
				of, err := b.roster.CreateUsers(context.Background(), b.caller, "", items, roster.UserOptions{})
				if err != nil {
					b.Errorf("create: %v", err)
				}
				failed[i] = len(of)
			}
		}
		together(call(0), call(1))
		if failed[0]+failed[1] != len(items) {
			b.Errorf("%v were not made, of %d twice", failed, len(items))
		}
	})
}

// Who is made again while they are removed has nothing of the life before.
func TestRaceCreateAgainstRemove(t *testing.T) {
	eachRace(t, func(b *raceBench, round int) {
		ctx := context.Background()
		email := fmt.Sprintf("u%d@example.com", round)
		group, err := b.roster.CreateGroup(ctx, auth.Operator(), b.account, fmt.Sprint("G", round), nil)
		must(b.T, err)
		_, err = b.roster.CreateUsers(ctx, b.caller, "", []directory.UserItem{{Email: email, OrgUserID: email, AddGroups: []string{group}}}, roster.UserOptions{})
		must(b.T, err)
		var failed []directory.UserFailure
		together(func() { b.remove(email) }, func() {
			var err error
			if failed, err = b.roster.CreateUsers(ctx, b.caller, "", []directory.UserItem{item(email)}, roster.UserOptions{}); err != nil {
				b.Errorf("create: %v", err)
			}
		})
		views, err := b.roster.ReadUsers(ctx, b.caller, "", []directory.UserRef{{Text: email}})
		must(b.T, err)
		if (views[0] != nil) != (len(failed) == 0) || views[0] != nil && (len(views[0].Access.Groups) > 0 || views[0].OrgUserID != "") {
			b.Errorf("failed %v, and there is %+v", failed, views[0])
		}
	})
}

// A change of somebody who leaves is made before, or finds nobody.
func TestRaceUpdateAgainstRemove(t *testing.T) {
	eachRace(t, func(b *raceBench, round int) {
		ctx := context.Background()
		email := fmt.Sprintf("u%d@example.com", round)
		b.users(email)
		group, err := b.roster.CreateGroup(ctx, auth.Operator(), b.account, fmt.Sprint("G", round), nil)
		must(b.T, err)
		together(func() {
			if out := b.remove(email); out.Removed != 1 {
				b.Errorf("removed %+v", out)
			}
		}, func() {
			failed, err := b.roster.UpdateUsers(ctx, b.caller, "", []directory.UserItem{{Email: email, AddGroups: []string{group}}}, roster.UserOptions{})
			if err != nil || len(failed) == 1 && failed[0].Reason != directory.ReasonUserNotFound {
				b.Errorf("update: %v, %v", failed, err)
			}
		})
	})
}

// Nobody is in a group that is gone.
func TestRaceUpdateAgainstDeletionOfGroup(t *testing.T) {
	eachRace(t, func(b *raceBench, round int) {
		ctx := context.Background()
		email := fmt.Sprintf("u%d@example.com", round)
		b.users(email)
		group, err := b.roster.CreateGroup(ctx, auth.Operator(), b.account, fmt.Sprint("G", round), nil)
		must(b.T, err)
		together(func() {
			if err := b.roster.DeleteGroup(ctx, auth.Operator(), b.account, group); err != nil {
				b.Errorf("delete: %v", err)
			}
		}, func() {
			failed, err := b.roster.UpdateUsers(ctx, b.caller, "", []directory.UserItem{{Email: email, AddGroups: []string{group}}}, roster.UserOptions{})
			if err != nil || len(failed) == 1 && failed[0].Reason != directory.ReasonInvalidGroup {
				b.Errorf("update: %v, %v", failed, err)
			}
		})
		var left int
		must(b.T, storetest.SQL(b.T, b.dsn).QueryRow(`SELECT COUNT(*) FROM group_members x WHERE NOT EXISTS (SELECT 1 FROM groups g WHERE g.id = x.group_id)`).Scan(&left))
		if left > 0 {
			b.Errorf("%d are in a group that is gone", left)
		}
	})
}

// Users need the scope of their verb, and an app can name no other account.
func TestRightsToUsers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		r, err := roster.Open(ctx, roster.Options{Database: dsn})
		must(t, err)
		defer r.Close()
		account, err := r.CreateAccount(ctx, auth.Operator(), "X", "owner@x.io")
		must(t, err)
		other, err := r.CreateAccount(ctx, auth.Operator(), "Y", "owner@x.io")
		must(t, err)
		caller := callerOf(t, dsn, account)
		items, refs := []directory.UserItem{item("owner@x.io")}, []directory.UserRef{{Text: "owner@x.io"}}
		for name, call := range map[string]func(auth.Caller, string) error{
			"create": func(c auth.Caller, a string) error {
				_, err := r.CreateUsers(ctx, c, a, items, roster.UserOptions{})
				return err
			},
			"update": func(c auth.Caller, a string) error {
				_, err := r.UpdateUsers(ctx, c, a, items, roster.UserOptions{})
				return err
			},
			"read": func(c auth.Caller, a string) error { _, err := r.ReadUsers(ctx, c, a, refs); return err },
		} {
			must(t, call(caller, ""))
			must(t, call(auth.Operator(), other))
			if err := call(caller, other); !errors.Is(err, directory.ErrDenied) {
				t.Errorf("%s in another account: %v", name, err)
			}
			if err := call(auth.Caller{}, account); !errors.Is(err, auth.ErrScope) {
				t.Errorf("%s by nobody: %v", name, err)
			}
		}
		if err := r.SetAccess(ctx, caller, "", refs, roster.AccessChange{}, ""); !errors.Is(err, auth.ErrScope) {
			t.Errorf("access without its scope: %v", err)
		}
	})
}
