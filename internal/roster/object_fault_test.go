package roster_test

import (
	"context"
	"testing"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// objectFaultVerbs work on f.Group, in which ann is, and on f.Bot of the owner,
// in which she has a role and a task.
var objectFaultVerbs = []faultVerb{
	{name: "delete group", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		return r.DeleteGroup(ctx, auth.Operator(), f.Account, f.Group)
	}},
	{name: "delete bot", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		return r.DeleteBot(ctx, auth.Operator(), f.Account, f.Bot)
	}},
	{name: "transfer bot", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		return wantDone(r.TransferBot(ctx, auth.Operator(), f.Account, f.Bot, "bo@example.com"))
	}},
	{name: "transfer account", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		return wantDone(r.TransferAccount(ctx, auth.Operator(), f.Account, "bo@example.com"))
	}},
}

// prepareObjects makes what objectFaultVerbs work on.
func (f *faultCase) prepareObjects(t *testing.T, r *roster.Roster) {
	t.Helper()
	ctx := context.Background()
	var err error
	f.Bot, err = r.CreateBot(ctx, auth.Operator(), f.Account, "Desk", "owner@example.com")
	must(t, err)
	must(t, r.AssignRole(ctx, auth.Operator(), f.Account, directory.RoleBotTester, f.Bot, []string{"ann@example.com", "gone@example.com"}))
	for _, query := range []string{
		`INSERT INTO member_tasks (account_id, member_id, bot_id, dialogs) SELECT account_id, member_id, bot_id, '[]' FROM member_roles WHERE bot_id <> 0`,
		`INSERT INTO group_roles (account_id, group_id, role_id, bot_id) SELECT DISTINCT r.account_id, g.id, r.role_id, r.bot_id FROM member_roles r CROSS JOIN groups g WHERE r.bot_id <> 0`,
		`INSERT INTO group_groups (account_id, parent_id, child_id) SELECT account_id, id, 1 FROM groups`,
	} {
		storetest.Exec(t, f.DSN, query)
	}
}
