package roster_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// circles counts the groups that are within themselves.
const circles = `WITH RECURSIVE up (child_id, parent_id) AS (
  SELECT child_id, parent_id FROM group_groups UNION SELECT up.child_id, g.parent_id FROM up JOIN group_groups g ON g.child_id = up.parent_id
) SELECT COUNT(*) FROM up WHERE child_id = parent_id`

// checkNoCircle fails the test when a group is within itself.
func checkNoCircle(t testing.TB, dsn string) {
	t.Helper()
	var n int
	if err := storetest.SQL(t, dsn).QueryRow(circles).Scan(&n); err != nil || n != 0 {
		t.Fatalf("%d groups are within themselves: %v", n, err)
	}
}

// The control: a circle is found.
func TestCirclesAreSeen(t *testing.T) {
	t.Parallel()
	dsn := storetest.New(t, "sqlite")
	storetest.Exec(t, dsn, `INSERT INTO group_groups (account_id, parent_id, child_id) VALUES (1, 1, 2), (1, 2, 3), (1, 3, 1), (1, 1, 4)`)
	var n int
	must(t, storetest.SQL(t, dsn).QueryRow(circles).Scan(&n))
	if n != 3 {
		t.Errorf("%d groups of a circle of three were found", n)
	}
}

// nestModel is how some groups are nested: child and parent.
type nestModel map[[2]int]bool

// within says whether a group is in another, by however many steps, or is it.
func (m nestModel) within(child, parent int) bool {
	if child == parent {
		return true
	}
	for edge := range m {
		if edge[0] == child && m.within(edge[1], parent) {
			return true
		}
	}
	return false
}

// Whatever is nested, unnested and deleted, no group is ever within itself: a
// nesting that would make it so is refused, and no other is. Whoever is in a group
// has the roles of every group above it.
func TestNestingNeverMakesACircle(t *testing.T) {
	t.Parallel()
	const groups = 6
	eachEngine(t, func(t *testing.T, engine string) {
		dsn := storetest.New(t, engine)
		r, err := roster.Open(context.Background(), roster.Options{Database: dsn})
		must(t, err)
		defer r.Close()
		ctx := context.Background()
		rapid.Check(t, func(rt *rapid.T) {
			account, err := r.CreateAccount(ctx, auth.Operator(), "X", "owner@example.com")
			must(t, err)
			var ids [groups]string
			roles := map[int]string{}
			for i := range ids {
				ids[i], err = r.CreateGroup(ctx, auth.Operator(), account, fmt.Sprint("g", i), nil)
				must(t, err)
				roles[i], err = r.CreateRole(ctx, auth.Operator(), account, roster.NewRole{Kind: directory.AdminRole, Name: fmt.Sprint("r", i)})
				must(t, err)
			}
			var items []directory.RoleAssignment
			for i := range ids {
				items = append(items, directory.RoleAssignment{RoleID: roles[i], AddGroups: []string{fmt.Sprint("g", i)}})
			}
			_, err = r.AssignRoles(ctx, auth.Operator(), account, directory.AdminRole, items, "")
			must(t, err)
			home := rapid.IntRange(0, groups-1).Draw(rt, "home")
			_, err = r.AddToGroup(ctx, auth.Operator(), account, ids[home], []directory.UserRef{{Text: "owner@example.com"}})
			must(t, err)
			model := nestModel{}
			for range rapid.IntRange(5, 20).Draw(rt, "steps") {
				child, parent := rapid.IntRange(0, groups-1).Draw(rt, "child"), rapid.IntRange(0, groups-1).Draw(rt, "parent")
				edge := [2]int{child, parent}
				if rapid.IntRange(0, 3).Draw(rt, "unnest") == 0 {
					changed, err := r.UnnestGroup(ctx, auth.Operator(), account, ids[child], ids[parent])
					if err != nil || changed != model[edge] {
						rt.Fatalf("unnest %v: %v, %v", edge, changed, err)
					}
					delete(model, edge)
					continue
				}
				changed, err := r.NestGroup(ctx, auth.Operator(), account, ids[child], ids[parent])
				switch circle := model.within(parent, child); {
				case circle != errors.Is(err, directory.ErrState), !circle && (err != nil || changed == model[edge]):
					rt.Fatalf("nest %v: %v, %v; a circle: %v", edge, changed, err, circle)
				case !circle:
					model[edge] = true
				}
			}
			checkNoCircle(t, dsn)
			checkReached(rt, r, account, home, model)
		})
	})
}

// checkReached compares the roles of the account's owner, who is in one group.
func checkReached(t *rapid.T, r *roster.Roster, account string, home int, model nestModel) {
	list, err := r.UserRoles(context.Background(), auth.Operator(), account, directory.Page{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, grant := range list.Items[0].Access.Roles {
		for _, g := range grant.Groups {
			got[grant.Role.Name+" by "+g.Name] = true
		}
	}
	n := 0
	for i := range 6 {
		if model.within(home, i) {
			n++
			if !got[fmt.Sprintf("r%d by g%d", i, i)] {
				t.Fatalf("in g%d, nested %v: the role of g%d is missing: %v", home, model, i, got)
			}
		}
	}
	if n != len(got) {
		t.Fatalf("in g%d, nested %v: has %v", home, model, got)
	}
}

// Groups that are nested in each other at once, each half of a circle, never make
// one.
func TestNestingAgainstNesting(t *testing.T) {
	eachObjectRace(t, func(b *raceBench, round int) {
		ctx := context.Background()
		var ids [3]string
		for i := range ids {
			id, err := b.roster.CreateGroup(ctx, auth.Operator(), b.account, fmt.Sprintf("g%d.%d", round, i), nil)
			must(b.T, err)
			ids[i] = id
		}
		var errs [3]error
		nest := func(i int) func() {
			return func() {
				_, errs[i] = b.roster.NestGroup(ctx, auth.Operator(), b.account, ids[i], ids[(i+1)%3])
			}
		}
		together(nest(0), nest(1), nest(2))
		refused := 0
		for _, err := range errs {
			switch {
			case errors.Is(err, directory.ErrState):
				refused++
			case err != nil:
				b.Errorf("round %d: %v", round, err)
			}
		}
		if refused != 1 {
			b.Errorf("round %d: %d nestings were refused: %v", round, refused, errs)
		}
		checkNoCircle(b, b.dsn)
	})
}

// A group is nested in one that is being deleted, and filled: nothing is in what
// is gone.
func TestNestingAndFillingAgainstDeletion(t *testing.T) {
	eachObjectRace(t, func(b *raceBench, round int) {
		ctx := context.Background()
		one, two := b.two(round)
		parent, err := b.roster.CreateGroup(ctx, auth.Operator(), b.account, fmt.Sprint("parent ", round), []string{one})
		must(b.T, err)
		child, err := b.roster.CreateGroup(ctx, auth.Operator(), b.account, fmt.Sprint("child ", round), nil)
		must(b.T, err)
		role, err := b.roster.CreateRole(ctx, auth.Operator(), b.account, roster.NewRole{Kind: directory.AdminRole, Name: fmt.Sprint("role ", round)})
		must(b.T, err)
		var nest, add, assign, rename, del error
		var failures []*directory.AssignmentFailure
		name := fmt.Sprint("renamed ", round)
		together(
			func() { _, nest = b.roster.NestGroup(ctx, auth.Operator(), b.account, child, parent) },
			func() {
				_, add = b.roster.AddToGroup(ctx, auth.Operator(), b.account, parent, []directory.UserRef{{Text: two}})
			},
			func() {
				failures, assign = b.roster.AssignRoles(ctx, auth.Operator(), b.account, directory.AdminRole,
					[]directory.RoleAssignment{{RoleID: role, AddGroups: []string{fmt.Sprint("parent ", round)}}}, "")
			},
			func() {
				_, rename = b.roster.UpdateGroup(ctx, auth.Operator(), b.account, parent, roster.GroupChange{Name: &name})
			},
			func() { del = b.roster.DeleteGroup(ctx, auth.Operator(), b.account, parent) },
		)
		for _, err := range []error{nest, add, rename} {
			if err != nil && !errors.Is(err, directory.ErrNotFound) {
				b.Errorf("round %d: %v", round, err)
			}
		}
		if del != nil || assign != nil || failures[0] != nil && failures[0].Reason != directory.ReasonGroupNotFound {
			b.Errorf("round %d: delete: %v; assign: %v, %v", round, del, assign, failures)
		}
	})
}

// A role is given to somebody who is being removed: they have it and are out, or
// are not found.
func TestRoleAgainstRemovalOfAMember(t *testing.T) {
	eachObjectRace(t, func(b *raceBench, round int) {
		one, two := b.two(round)
		ctx := context.Background()
		role, err := b.roster.CreateRole(ctx, auth.Operator(), b.account, roster.NewRole{Kind: directory.AdminRole, Name: fmt.Sprint("role ", round)})
		must(b.T, err)
		var out directory.Removal
		var failures []*directory.AssignmentFailure
		together(
			func() { out = b.remove(one) },
			func() {
				failures, err = b.roster.AssignRoles(ctx, auth.Operator(), b.account, directory.AdminRole, []directory.RoleAssignment{
					{RoleID: role, AddUsers: []directory.UserRef{{Text: two}, {Text: one}}}, {RoleID: role, AddUsers: []directory.UserRef{{Text: two}}},
				}, "")
			},
		)
		must(b.T, err)
		if out.Removed != 1 || failures[1] != nil || failures[0] != nil && failures[0].Reason != directory.ReasonUserNotFound {
			b.Errorf("round %d: %d removed, %v", round, out.Removed, failures)
		}
		var had, has int
		must(b.T, storetest.SQL(b, b.dsn).QueryRow(`SELECT (SELECT COUNT(*) FROM member_roles x JOIN roles r ON r.id = x.role_id WHERE r.public_id = $1),
  (SELECT COUNT(*) FROM live_member_roles x JOIN roles r ON r.id = x.role_id WHERE r.public_id = $1)`, role).Scan(&had, &has))
		if want := map[bool]int{true: 2, false: 1}[failures[0] == nil]; had != want || has != 1 {
			b.Errorf("round %d: %d have or had the role, %d have it: %v", round, had, has, failures)
		}
	})
}

// A role is deleted while it is given, taken, and brought back with a restored
// member: nobody has it afterwards, and who came back without it is told.
func TestDeletionOfARoleAgainstAll(t *testing.T) {
	eachObjectRace(t, func(b *raceBench, round int) {
		one, two := b.two(round)
		ctx := context.Background()
		role, err := b.roster.CreateRole(ctx, auth.Operator(), b.account, roster.NewRole{Kind: directory.AdminRole, Name: fmt.Sprint("role ", round)})
		must(b.T, err)
		give := func(emails ...string) ([]*directory.AssignmentFailure, error) {
			item := directory.RoleAssignment{RoleID: role}
			for _, e := range emails {
				item.AddUsers = append(item.AddUsers, directory.UserRef{Text: e})
			}
			return b.roster.AssignRoles(ctx, auth.Operator(), b.account, directory.AdminRole, []directory.RoleAssignment{item}, "")
		}
		_, err = give(one)
		must(b.T, err)
		out := b.remove(one)
		var back directory.Restoration
		var restore, del, again, assign, update error
		var failures []*directory.AssignmentFailure
		together(
			func() {
				back, restore = b.roster.RestoreUsers(ctx, b.caller, "", out.PublicID, nil, roster.RestoreOptions{})
			},
			func() { failures, assign = give(two) },
			func() {
				_, update = b.roster.UpdateRole(ctx, auth.Operator(), b.account, role, roster.RoleChange{Permit: directory.Permissions{"a": directory.PermitYes}})
			},
			func() { del = b.roster.DeleteRole(ctx, auth.Operator(), b.account, role) },
			func() { again = b.roster.DeleteRole(ctx, auth.Operator(), b.account, role) },
		)
		if err := errors.Join(restore, assign); err != nil || back.Restored != 1 || failures[0] != nil && failures[0].Reason != directory.ReasonInvalidRole {
			b.Errorf("round %d: %v, %+v, %v", round, err, back, failures)
		}
		if (del == nil) == (again == nil) || !errors.Is(errors.Join(del, again), directory.ErrNotFound) || update != nil && !errors.Is(update, directory.ErrNotFound) {
			b.Errorf("round %d: deleted %v and %v, updated %v", round, del, again, update)
		}
		for _, lost := range back.Lost {
			if lost != (directory.LostObject{Kind: directory.ObjectRole, PublicID: role, Name: fmt.Sprint("role ", round), Users: 1}) {
				b.Errorf("round %d: lost %+v", round, lost)
			}
		}
		var has int
		must(b.T, storetest.SQL(b, b.dsn).QueryRow(`SELECT COUNT(*) FROM live_member_roles WHERE role_id NOT IN (SELECT id FROM roles)`).Scan(&has))
		if has != 0 {
			b.Errorf("round %d: %d have the role that is gone", round, has)
		}
	})
}
