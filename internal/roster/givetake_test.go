package roster_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// One of two has something. It is given to both and taken from both at once: in
// either order both have it then, or neither.
func TestWhatIsGivenAndTakenAtOnce(t *testing.T) {
	eachObjectRace(t, func(b *raceBench, round int) {
		one, two := b.two(round)
		ctx := context.Background()
		first, err := b.roster.CreateGroup(ctx, auth.Operator(), b.account, fmt.Sprint("first ", round), []string{one})
		must(b.T, err)
		_, err = b.roster.CreateGroup(ctx, auth.Operator(), b.account, fmt.Sprint("second ", round), nil)
		must(b.T, err)
		role, err := b.roster.CreateRole(ctx, auth.Operator(), b.account, roster.NewRole{Kind: directory.AdminRole, Name: fmt.Sprint("role ", round)})
		must(b.T, err)
		users, groups := []directory.UserRef{{Text: one}, {Text: two}}, []string{fmt.Sprint("first ", round), fmt.Sprint("second ", round)}
		assign := func(item directory.RoleAssignment) func() error {
			item.RoleID = role
			return func() error {
				failures, err := b.roster.AssignRoles(ctx, auth.Operator(), b.account, directory.AdminRole, []directory.RoleAssignment{item}, "")
				if err == nil && failures[0] != nil {
					err = fmt.Errorf("%+v", *failures[0])
				}
				return err
			}
		}
		must(b.T, assign(directory.RoleAssignment{AddUsers: users[:1], AddGroups: groups[:1]})())
		for _, pair := range []struct {
			what, count, of string
			give, take      func() error
		}{
			{
				"a role of users", `SELECT COUNT(*) FROM live_member_roles x JOIN roles o ON o.id = x.role_id WHERE o.public_id = $1`, role,
				assign(directory.RoleAssignment{AddUsers: users}), assign(directory.RoleAssignment{RemoveUsers: users}),
			},
			{
				"a role of groups", `SELECT COUNT(*) FROM group_roles x JOIN roles o ON o.id = x.role_id WHERE o.public_id = $1`, role,
				assign(directory.RoleAssignment{AddGroups: groups}), assign(directory.RoleAssignment{RemoveGroups: groups}),
			},
			{
				"a group", `SELECT COUNT(*) FROM live_group_members x JOIN groups o ON o.id = x.group_id WHERE o.public_id = $1`, first,
				func() error { _, err := b.roster.AddToGroup(ctx, auth.Operator(), b.account, first, users); return err },
				func() error {
					_, err := b.roster.RemoveFromGroup(ctx, auth.Operator(), b.account, first, users)
					return err
				},
			},
		} {
			var errs [2]error
			together(func() { errs[0] = pair.give() }, func() { errs[1] = pair.take() })
			must(b.T, errors.Join(errs[:]...))
			var have int
			must(b.T, storetest.SQL(b, b.dsn).QueryRow(pair.count, pair.of).Scan(&have))
			if have != 0 && have != 2 {
				b.Errorf("round %d: %s: %d of two have it", round, pair.what, have)
			}
		}
	})
}
