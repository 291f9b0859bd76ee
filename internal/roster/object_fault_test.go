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

// objectFaultVerbs work on f.Group, in which ann is, and on f.Bot of the owner,
// in which she has a role and a task.
var objectFaultVerbs = []faultVerb{
	{name: "create users", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		failed, err := r.CreateUsers(ctx, f.Caller(), "", []directory.UserItem{
			{Email: "eve@example.com", OrgUserID: "E9", AddGroups: []string{f.Group}, Tasks: &[]directory.TaskRef{{BotID: f.Bot}}},
			{Email: "gone@example.com"},
			{Email: "ann@example.com"},
		}, roster.UserOptions{RequestID: "id", SendEmail: true})
		return wantFailed(failed, err, 1)
	}},
	{name: "update users", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		failed, err := r.UpdateUsers(ctx, f.Caller(), "", []directory.UserItem{
			{Email: "ann@example.com", OrgUserID: "E9", RemoveGroups: []string{f.Group}, Tasks: &[]directory.TaskRef{}},
			{Email: "bo@example.com", Profile: directory.Profile{FirstName: "Bo"}, Given: 1, AddGroups: []string{f.Group}, Tasks: &[]directory.TaskRef{{BotID: f.Bot}}},
			{Email: "nobody@example.com"},
		}, roster.UserOptions{RequestID: "id"})
		return wantFailed(failed, err, 1)
	}},
	{name: "set access", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		no := false
		return r.SetAccess(ctx, auth.Operator(), f.Account, f.refs("ann@example.com", "bo@example.com"), roster.AccessChange{IsDeveloper: &no}, "id")
	}},
	{name: "delete group", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		return r.DeleteGroup(ctx, auth.Operator(), f.Account, f.Group)
	}},
	{name: "delete bot", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		return r.DeleteBot(ctx, auth.Operator(), f.Account, f.Bot)
	}},
	{name: "create role", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		_, err := r.CreateRole(ctx, auth.Operator(), f.Account, roster.NewRole{Kind: directory.AdminRole, Name: "New"})
		return err
	}},
	{name: "update role", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		name := "Other"
		return wantDone(r.UpdateRole(ctx, auth.Operator(), f.Account, f.Role, roster.RoleChange{Name: &name, Permit: directory.Permissions{"a": directory.PermitNo}}))
	}},
	{name: "delete role", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		return r.DeleteRole(ctx, auth.Operator(), f.Account, f.Role)
	}},
	{name: "assign and take roles", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		failures, err := r.AssignRoles(ctx, auth.Operator(), f.Account, directory.AdminRole, []directory.RoleAssignment{
			{RoleID: f.Role, AddUsers: f.refs("bo@example.com"), RemoveUsers: f.refs("ann@example.com"), AddGroups: []string{"Sales"}, RemoveGroups: []string{"Staff"}},
			{RoleID: f.Role, AddUsers: f.refs("nobody@example.com", "cy@example.com")},
		}, "id")
		if err == nil && (failures[0] != nil || failures[1] == nil) {
			err = fmt.Errorf("failures %v", failures)
		}
		return err
	}},
	{name: "add to group", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		return wantCount(1)(r.AddToGroup(ctx, auth.Operator(), f.Account, f.Group, f.refs("ann@example.com", "bo@example.com")))
	}},
	{name: "remove from group", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		return wantCount(1)(r.RemoveFromGroup(ctx, auth.Operator(), f.Account, f.Group, f.refs("ann@example.com", "bo@example.com")))
	}},
	{name: "rename group", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		name := "Other"
		return wantDone(r.UpdateGroup(ctx, auth.Operator(), f.Account, f.Group, roster.GroupChange{Name: &name}))
	}},
	{name: "nest group", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		return wantDone(r.NestGroup(ctx, auth.Operator(), f.Account, f.Sales, f.Group))
	}},
	{name: "unnest group", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		return wantDone(r.UnnestGroup(ctx, auth.Operator(), f.Account, f.Group, f.Sales))
	}},
	{name: "transfer bot", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		return wantDone(r.TransferBot(ctx, auth.Operator(), f.Account, f.Bot, "bo@example.com"))
	}},
	{name: "transfer bots", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		n, err := r.TransferBots(ctx, auth.Operator(), f.Account, f.refs("owner@example.com"), "bo@example.com", "id")
		if err == nil && n == 0 { // TestDiskFull makes more bots as it goes on
			err = errors.New("no bot was transferred")
		}
		return err
	}},
	{name: "transfer account", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		return wantDone(r.TransferAccount(ctx, auth.Operator(), f.Account, "bo@example.com"))
	}},
}

// wantCount fails unless a verb handled so many.
func wantCount(want int) func(int, error) error {
	return func(n int, err error) error {
		if err == nil && n != want {
			err = fmt.Errorf("%d instead of %d", n, want)
		}
		return err
	}
}

// prepareObjects makes what objectFaultVerbs work on.
func (f *faultCase) prepareObjects(t *testing.T, r *roster.Roster) {
	t.Helper()
	ctx := context.Background()
	var err error
	f.Bot, err = r.CreateBot(ctx, auth.Operator(), f.Account, "Desk", "owner@example.com")
	must(t, err)
	must(t, r.AssignRole(ctx, auth.Operator(), f.Account, directory.RoleBotTester, f.Bot, []string{"ann@example.com", "gone@example.com"}))
	f.Role, err = r.CreateRole(ctx, auth.Operator(), f.Account, roster.NewRole{Kind: directory.AdminRole, Name: "Custom"})
	must(t, err)
	f.Sales, err = r.CreateGroup(ctx, auth.Operator(), f.Account, "Sales", nil)
	must(t, err)
	_, err = r.AssignRoles(ctx, auth.Operator(), f.Account, directory.AdminRole, []directory.RoleAssignment{
		{RoleID: f.Role, AddUsers: f.refs("ann@example.com", "gone@example.com"), AddGroups: []string{"Staff"}},
	}, "")
	must(t, err)
	if f.Verb != "nest group" { // which would make a circle
		must(t, wantDone(r.NestGroup(ctx, auth.Operator(), f.Account, f.Group, f.Sales)))
	}
	for _, query := range []string{
		`INSERT INTO member_tasks (account_id, member_id, bot_id, dialogs) SELECT account_id, member_id, bot_id, '[]' FROM member_roles WHERE bot_id <> 0`,
		`INSERT INTO group_roles (account_id, group_id, role_id, bot_id) SELECT DISTINCT r.account_id, g.id, r.role_id, r.bot_id FROM member_roles r CROSS JOIN groups g WHERE r.bot_id <> 0`,
	} {
		storetest.Exec(t, f.DSN, query)
	}
}

// wantFailed is err, or another when not that many items were not done.
func wantFailed(failed []directory.UserFailure, err error, want int) error {
	if err == nil && len(failed) != want {
		err = fmt.Errorf("failed: %v", failed)
	}
	return err
}
