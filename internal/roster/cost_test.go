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

// costLists names n people for an import, for removals by address and by both
// ids, and for a group.
func costLists(n int) (rows []roster.ImportRow, byEmail, byBoth []directory.UserRef, emails []string) {
	for i := range n {
		row := roster.ImportRow{Line: i + 1, Email: fmt.Sprintf("u%d-%d@x.io", n, i), OrgUserID: fmt.Sprintf("E%d-%d", n, i)}
		rows = append(rows, row)
		emails = append(emails, row.Email)
		byEmail = append(byEmail, directory.UserRef{Text: row.Email})
		byBoth = append(byBoth, byEmail[i], directory.UserRef{Kind: directory.ByOrgUserID, Text: row.OrgUserID})
	}
	return rows, byEmail, byBoth, emails
}

// The cost of a verb is a fixed number of statements, however long its list.
func TestStatementsDoNotGrowWithTheList(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		var trace []string
		r, err := roster.Open(context.Background(), roster.Options{Database: dsn, Store: store.Options{Trace: func(query string) {
			trace = append(trace, query)
		}}})
		must(t, err)
		defer r.Close()
		ctx := context.Background()
		account, err := r.CreateAccount(ctx, auth.Operator(), "X", "owner@x.io")
		must(t, err)
		caller := callerOf(t, dsn, account)
		traced := func(do func() error) []string {
			trace = nil
			must(t, do())
			// Keys are taken in advance, in a transaction of its own, now and then.
			isKeys := func(query string) bool { return strings.HasPrefix(query, "UPDATE id_blocks") }
			if i := slices.IndexFunc(trace, isKeys); i >= 0 {
				return slices.Delete(trace, i, i+2)
			}
			return trace
		}
		// From 17 on PostgreSQL is asked for the owners by another statement.
		first := map[bool]map[string][]string{}
		for _, n := range []int{1, 8, 30, 1000} {
			rows, byEmail, byBoth, emails := costLists(n)
			imports := func(o roster.ImportOptions) func() error {
				return func() error {
					out, err := r.ImportUsers(ctx, auth.Operator(), account, rows, o)
					if err == nil && out.Created+out.Updated != n {
						t.Errorf("%d rows: %+v", n, out)
					}
					return err
				}
			}
			removal := ""
			removes := func(refs []directory.UserRef, want int) func() error {
				return func() error {
					out, err := r.RemoveUsers(ctx, caller, refs, roster.RemovalOptions{})
					if err == nil && out.Removed != want {
						t.Errorf("%d of %d removed", out.Removed, want)
					}
					removal = out.PublicID
					return err
				}
			}
			restores := func(refs []directory.UserRef) func() error {
				return func() error {
					out, err := r.RestoreUsers(ctx, caller, "", removal, refs, roster.RestoreOptions{})
					if err == nil && (out.Restored != n || len(out.Lost) > 0) {
						t.Errorf("%d of %d restored, and lost %v", out.Restored, n, out.Lost)
					}
					return err
				}
			}
			got := map[string][]string{"import": traced(imports(roster.ImportOptions{}))}
			got["update"] = traced(imports(roster.ImportOptions{Update: true}))
			var group string
			got["group"] = traced(func() error {
				group, err = r.CreateGroup(ctx, auth.Operator(), account, fmt.Sprint("group of ", n), emails)
				return err
			})
			got["delete group"] = traced(func() error { return r.DeleteGroup(ctx, auth.Operator(), account, group) })
			bot, err := r.CreateBot(ctx, auth.Operator(), account, "B", "owner@x.io")
			must(t, err)
			must(t, r.AssignRole(ctx, auth.Operator(), account, directory.RoleBotTester, bot, emails))
			got["delete bot"] = traced(func() error { return r.DeleteBot(ctx, auth.Operator(), account, bot) })
			got["removal by both lists"] = traced(removes(byBoth, n))
			got["restoration"] = traced(restores(nil))
			must(t, removes(byBoth, n)())
			got["restoration by both lists"] = traced(restores(byBoth))
			must(t, removes(byBoth, n)())
			must(t, imports(roster.ImportOptions{})())
			got["removal"] = traced(removes(byEmail, n))
			got["removal of nobody"] = traced(removes(byEmail, 0))
			short := n < 9 // twice as many in both lists
			if first[short] == nil {
				first[short] = got
				t.Logf("%d: statements: import %d, update %d, removal %d", n, len(got["import"]), len(got["update"]), len(got["removal"]))
			}
			for verb, statements := range got {
				if was := first[short][verb]; !slices.Equal(statements, was) {
					t.Errorf("%s of %d: %d statements instead of %d:\n%s", verb, n, len(statements), len(was), strings.Join(statements, "\n"))
				}
			}
		}
	})
}
