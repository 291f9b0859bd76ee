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
		var first map[string][]string
		for _, n := range []int{1, 30, 1000} {
			rows := make([]roster.ImportRow, n)
			byEmail := make([]directory.UserRef, n)
			byBoth := make([]directory.UserRef, 0, 2*n)
			emails := make([]string, n)
			for i := range n {
				emails[i] = fmt.Sprintf("u%d-%d@x.io", n, i)
				rows[i] = roster.ImportRow{Line: i + 1, Email: emails[i], OrgUserID: fmt.Sprintf("E%d-%d", n, i)}
				byEmail[i] = directory.UserRef{Text: emails[i]}
				byBoth = append(byBoth, byEmail[i], directory.UserRef{Kind: directory.ByOrgUserID, Text: rows[i].OrgUserID})
			}
			imports := func(o roster.ImportOptions) func() error {
				return func() error {
					out, err := r.ImportUsers(ctx, auth.Operator(), account, rows, o)
					if err == nil && out.Created+out.Updated != n {
						t.Errorf("%d rows: %+v", n, out)
					}
					return err
				}
			}
			removes := func(refs []directory.UserRef, want int) func() error {
				return func() error {
					out, err := r.RemoveUsers(ctx, caller, refs, "")
					if err == nil && out.Removed != want {
						t.Errorf("%d of %d removed", out.Removed, want)
					}
					return err
				}
			}
			got := map[string][]string{"import": traced(imports(roster.ImportOptions{}))}
			got["update"] = traced(imports(roster.ImportOptions{Update: true}))
			got["group"] = traced(func() error {
				_, err := r.CreateGroup(ctx, auth.Operator(), account, fmt.Sprint("group of ", n), emails)
				return err
			})
			got["removal by both lists"] = traced(removes(byBoth, n))
			must(t, imports(roster.ImportOptions{})())
			got["removal"] = traced(removes(byEmail, n))
			got["removal of nobody"] = traced(removes(byEmail, 0))
			if first == nil {
				first = got
				t.Logf("statements: import %d, update %d, removal %d", len(got["import"]), len(got["update"]), len(got["removal"]))
			}
			for verb, statements := range got {
				if !slices.Equal(statements, first[verb]) {
					t.Errorf("%s of %d: %d statements instead of %d:\n%s", verb, n, len(statements), len(first[verb]), strings.Join(statements, "\n"))
				}
			}
		}
	})
}
