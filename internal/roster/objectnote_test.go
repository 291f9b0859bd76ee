package roster_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// Every change of a group, a role and a bot leaves what was there before and what
// is there after, and the log can be verified with it.
func TestObjectChangesAreRecorded(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := newWritesTest(t, dsn, 2)
		ctx, op, account := context.Background(), auth.Operator(), accountOf(t, dsn)
		names := map[string]string{}
		keep := func(name, id string, err error) string {
			must(t, err)
			names[id] = name
			return id
		}
		id, err := w.roster.MakeGroup(ctx, op, account, roster.NewGroup{Name: "Staff", Description: "All"})
		staff := keep("STAFF", id, err)
		id, err = w.roster.CreateGroup(ctx, op, account, "Sales", w.users)
		sales := keep("SALES", id, err)
		must(t, wantDone(w.roster.NestGroup(ctx, op, account, sales, staff)))
		must(t, wantDone(w.roster.UnnestGroup(ctx, op, account, sales, staff)))
		name := "People"
		must(t, wantDone(w.roster.UpdateGroup(ctx, op, account, staff, roster.GroupChange{Name: &name})))
		id, err = w.roster.CreateRole(ctx, op, account, roster.NewRole{Kind: directory.BotRole, Name: "R", Permissions: directory.Permissions{"a": directory.PermitFull}})
		role := keep("ROLE", id, err)
		must(t, wantDone(w.roster.UpdateRole(ctx, op, account, role, roster.RoleChange{Permit: directory.Permissions{"b": directory.PermitNo}})))
		id, err = w.roster.CreateBot(ctx, op, account, "Desk", "owner@x.io")
		bot := keep("BOT", id, err)
		for _, user := range []string{"owner@x.io", w.users[0]} {
			var id string
			must(t, w.db.QueryRow("SELECT public_id FROM persons WHERE email_key = $1", user).Scan(&id))
			names[id] = map[bool]string{true: "OWNER", false: "USER"}[user == "owner@x.io"]
		}
		must(t, wantDone(w.roster.TransferBot(ctx, op, account, bot, w.users[0])))
		must(t, wantDone(w.roster.TransferAccount(ctx, op, account, w.users[0])))
		must(t, assign(w.roster, account, []directory.RoleAssignment{{RoleID: role, BotID: bot, AddUsers: []directory.UserRef{{Text: w.users[0]}}, AddGroups: []string{"Sales"}}}))
		must(t, assign(w.roster, account, []directory.RoleAssignment{{RoleID: role, BotID: bot, RemoveGroups: []string{"Sales"}}}))
		must(t, w.roster.DeleteRole(ctx, op, account, role))
		must(t, w.roster.DeleteGroup(ctx, op, account, sales))
		must(t, w.roster.DeleteBot(ctx, op, account, bot))

		rows, err := w.db.Query(`SELECT r.kind, c.body FROM audit_changes c JOIN audit_records r ON r.account_id = c.account_id AND r.batch_id = c.batch_id AND r.seq = c.seq
JOIN audit_chain l ON l.account_id = c.account_id AND l.batch_id = c.batch_id WHERE r.kind LIKE 'group.%' OR r.kind LIKE 'role.%' OR r.kind IN ('bot.deleted', 'bot.owner', 'account.owner') ORDER BY l.number, r.seq`)
		must(t, err)
		defer rows.Close()
		var got []string
		for rows.Next() {
			var kind, body string
			must(t, rows.Scan(&kind, &body))
			for id, name := range names {
				body = strings.ReplaceAll(body, id, name)
			}
			if !strings.Contains(body, "\"admin\"") && !strings.Contains(body, `"name":"G"`) && kind != "role.assigned" || strings.Contains(body, "ROLE") {
				got = append(got, fmt.Sprint(kind, " ", body))
			}
		}
		must(t, rows.Err())
		want := []string{
			`group.created {"groupId":"STAFF","after":{"name":"Staff","description":"All"}}`,
			`group.created {"groupId":"SALES","after":{"name":"Sales"}}`,
			`group.nested {"groupId":"SALES","after":{"in":"STAFF"}}`,
			`group.unnested {"groupId":"SALES","before":{"in":"STAFF"}}`,
			`group.modified {"groupId":"STAFF","before":{"name":"Staff"},"after":{"name":"People"}}`,
			`role.created {"roleId":"ROLE","after":{"name":"R","roleType":"bot","permissions":{"a":"FULL"}}}`,
			`role.modified {"roleId":"ROLE","before":{"permissions":{"a":"FULL"}},"after":{"permissions":{"a":"FULL","b":"NO"}}}`,
			`bot.owner {"botId":"BOT","before":{"ownerId":"OWNER"},"after":{"ownerId":"USER"}}`,
			`account.owner {"before":{"ownerId":"OWNER"},"after":{"ownerId":"USER"}}`,
			`role.assigned {"roleId":"ROLE","botId":"BOT","groupIds":["SALES"]}`,
			`role.assigned {"roleId":"ROLE","botId":"BOT"}`,
			`role.unassigned {"roleId":"ROLE","botId":"BOT","groupIds":["SALES"]}`,
			`role.deleted {"roleId":"ROLE","before":{"name":"R","roleType":"bot","permissions":{"a":"FULL","b":"NO"}}}`,
			`group.deleted {"groupId":"SALES","before":{"name":"Sales"}}`,
			`bot.deleted {"botId":"BOT","before":{"name":"Desk"}}`,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		_, err = w.roster.VerifyAudit(ctx, op)
		must(t, err)
	})
}
