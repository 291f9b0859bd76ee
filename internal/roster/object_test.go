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
	"roster/internal/storetest"
)

// objects is a stage whose account one also has the group staff with ann and bo
// in it, within the group all and with the group interns below it, and bo as a
// tester of desk, with a task there.
type objects struct {
	*stage
	staff, all, interns string
}

func newObjects(t *testing.T, dsn string) *objects {
	t.Helper()
	o := &objects{stage: newStage(t, dsn)}
	for _, group := range []struct {
		id      *string
		name    string
		members []string
	}{{&o.staff, "Staff", []string{"ann@x.io", "bo@x.io"}}, {&o.all, "All", nil}, {&o.interns, "Interns", []string{"bo@x.io"}}} {
		var err error
		*group.id, err = o.roster.CreateGroup(ctxBackground, auth.Operator(), o.one, group.name, group.members)
		must(t, err)
	}
	must(t, o.roster.AssignRole(ctxBackground, auth.Operator(), o.one, directory.RoleBotTester, o.desk, []string{"bo@x.io"}))
	must(t, o.roster.AssignRole(ctxBackground, auth.Operator(), o.one, directory.RoleAdmin, "", []string{"bo@x.io"}))
	storetest.Exec(t, dsn, `INSERT INTO member_tasks (account_id, member_id, bot_id, dialogs)
SELECT m.account_id, m.id, b.id, '[]' FROM members m JOIN bots b ON b.account_id = m.account_id WHERE m.email_key = 'bo@x.io'`)
	storetest.Exec(t, dsn, `INSERT INTO group_roles (account_id, group_id, role_id, bot_id)
SELECT r.account_id, g.id, r.role_id, r.bot_id FROM member_roles r JOIN groups g ON g.account_id = r.account_id WHERE g.name <> 'All'`)
	for _, pair := range [][2]string{{"All", "Staff"}, {"Staff", "Interns"}, {"All", "Interns"}} {
		storetest.Exec(t, dsn, `INSERT INTO group_groups (account_id, parent_id, child_id)
SELECT p.account_id, p.id, c.id FROM groups p JOIN groups c ON c.account_id = p.account_id WHERE p.name = $1 AND c.name = $2`, pair[0], pair[1])
	}
	return o
}

// remove removes users of account one.
func (o *objects) remove(emails ...string) {
	o.Helper()
	refs := make([]directory.UserRef, len(emails))
	for i, e := range emails {
		refs[i] = directory.UserRef{Text: e}
	}
	out, err := o.roster.RemoveUsers(ctxBackground, callerOf(o.T, o.dsn, o.one), refs, roster.RemovalOptions{})
	must(o.T, err)
	if out.Removed != len(emails) {
		o.Fatalf("%d of %q were removed: %+v", out.Removed, emails, out.Refused)
	}
}

// list is the one column that a query returns.
func (o *objects) list(query string) (values []string) {
	o.Helper()
	rows, err := storetest.SQL(o, o.dsn).Query(query)
	must(o.T, err)
	defer rows.Close()
	for rows.Next() {
		var value string
		must(o.T, rows.Scan(&value))
		values = append(values, value)
	}
	must(o.T, rows.Err())
	slices.Sort(values)
	return values
}

// want fails the test unless a query returns just these values.
func (o *objects) want(what, query string, want ...string) {
	o.Helper()
	if got := o.list(query); !slices.Equal(got, want) {
		o.Errorf("%s: %q, want %q", what, got, want)
	}
}

const (
	inGroups    = "SELECT g.name || ' ' || m.email_key FROM group_members x JOIN groups g ON g.id = x.group_id JOIN members m ON m.id = x.member_id"
	belowGroups = "SELECT p.name || ' ' || c.name FROM group_groups x LEFT JOIN groups p ON p.id = x.parent_id LEFT JOIN groups c ON c.id = x.child_id"
	groupRoles  = "SELECT COALESCE(g.name, 'gone') || ' ' || r.name FROM group_roles x LEFT JOIN groups g ON g.id = x.group_id JOIN roles r ON r.id = x.role_id"
	allRoles    = "SELECT m.email_key || ' ' || r.name FROM member_roles x JOIN members m ON m.id = x.member_id JOIN roles r ON r.id = x.role_id"
	allTasks    = "SELECT m.email_key FROM member_tasks x JOIN members m ON m.id = x.member_id"
	tombstones  = "SELECT kind || ' ' || name || ' ' || public_id FROM deleted_objects"
	// lost are the rows that name a group that is gone.
	lost = "SELECT m.email_key FROM group_members x JOIN members m ON m.id = x.member_id WHERE x.group_id NOT IN (SELECT id FROM groups)"
)

func TestDeletedGroupTakesWhatLiveMembersHaveByIt(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := newObjects(t, dsn)
		o.remove("bo@x.io")
		must(t, o.roster.DeleteGroup(ctxBackground, callerOf(t, dsn, o.one), o.one, o.staff))
		if got := o.kinds(); !slices.Equal(got, []string{"group.deleted", "group.left"}) {
			t.Errorf("records %q", got)
		}
		o.want("the last record is about", `SELECT p.email_key FROM audit_records r JOIN persons p ON p.id = r.person_id WHERE r.kind = 'group.left'`, "ann@x.io")
		o.want("groups", "SELECT name FROM groups", "All", "Interns")
		o.want("members of groups", inGroups, "Interns bo@x.io")
		o.want("who was removed keeps the row", lost, "bo@x.io")
		o.want("groups in groups", belowGroups, "All Interns")
		o.want("roles of groups", groupRoles, "Interns Bot Tester", "Interns admin")
		o.want("tombstones", tombstones, "group Staff "+o.staff)

		// The name is free, and who comes back has nothing of either group.
		_, err := o.roster.ImportUsers(ctxBackground, auth.Operator(), o.one, []roster.ImportRow{{Email: "bo@x.io"}}, roster.ImportOptions{})
		must(t, err)
		_, err = o.roster.CreateGroup(ctxBackground, auth.Operator(), o.one, "Staff", []string{"ann@x.io"})
		must(t, err)
		o.want("live members of groups", strings.ReplaceAll(inGroups, "group_members", "live_group_members"), "Staff ann@x.io")

		// A group of nobody leaves one record.
		must(t, o.roster.DeleteGroup(ctxBackground, auth.Operator(), o.one, o.all))
		if got := o.kinds(); !slices.Equal(got, []string{"group.deleted"}) {
			t.Errorf("records %q", got)
		}
		o.want("groups in groups", belowGroups)
		_, err = o.roster.VerifyAudit(ctxBackground, auth.Operator())
		must(t, err)
	})
}

func TestDeletedBotTakesRolesAndTasksInIt(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := newObjects(t, dsn)
		must(t, o.roster.AssignRole(ctxBackground, auth.Operator(), o.one, directory.RoleBotDeveloper, o.desk, []string{"ann@x.io"}))
		other, err := o.roster.CreateBot(ctxBackground, auth.Operator(), o.one, "Other", "ann@x.io")
		must(t, err)
		must(t, o.roster.AssignRole(ctxBackground, auth.Operator(), o.one, directory.RoleBotOwner, other, []string{"ann@x.io"}))
		storetest.Exec(t, dsn, `INSERT INTO member_tasks (account_id, member_id, bot_id, dialogs)
SELECT m.account_id, m.id, b.id, '[]' FROM members m JOIN bots b ON b.account_id = m.account_id WHERE m.email_key = 'ann@x.io'`)
		o.remove("bo@x.io")

		must(t, o.roster.DeleteBot(ctxBackground, callerOf(t, dsn, o.one), o.one, o.desk))
		if got := o.kinds(); !slices.Equal(got, []string{"bot.deleted"}) {
			t.Errorf("records %q", got)
		}
		o.want("bots", "SELECT name FROM bots", "Other")
		o.want("roles", allRoles, "ann@x.io Bot Owner", "bo@x.io Bot Tester", "bo@x.io admin")
		o.want("tasks", allTasks, "ann@x.io", "bo@x.io")
		o.want("roles of groups", groupRoles, "Interns admin", "Staff admin")
		o.want("tombstones", tombstones, "bot Desk "+o.desk)

		must(t, o.roster.DeleteBot(ctxBackground, auth.Operator(), o.one, other))
		o.want("roles", allRoles, "bo@x.io Bot Tester", "bo@x.io admin")
		o.remove("ann@x.io") // who owns nothing any more
		_, err = o.roster.VerifyAudit(ctxBackground, auth.Operator())
		must(t, err)
	})
}

func TestTransferMovesOwnershipAndNothingElse(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := newObjects(t, dsn)
		const (
			botOwner     = "SELECT m.email_key FROM bots b JOIN live_members m ON m.id = b.owner_id"
			accountOwner = "SELECT a.name || ' ' || m.email_key FROM accounts a JOIN live_members m ON m.id = a.owner_id"
			lastOwner    = "SELECT p.email_key FROM audit_records r JOIN persons p ON p.id = r.person_id WHERE r.batch_id = (SELECT MAX(batch_id) FROM audit_chain)"
		)
		op := auth.Operator()
		before := o.list(allRoles)
		must(t, wantDone(o.roster.TransferBot(ctxBackground, callerOf(t, dsn, o.one), o.one, o.desk, " BO@x.io")))
		if got := o.kinds(); !slices.Equal(got, []string{"bot.owner", "bot.owner.left"}) {
			t.Errorf("records %q", got)
		}
		o.want("the records are about", lastOwner, "ann@x.io", "bo@x.io")
		o.want("the bot's owner", botOwner, "bo@x.io")
		o.remove("ann@x.io")

		must(t, wantDone(o.roster.TransferAccount(ctxBackground, op, o.one, "bo@x.io")))
		if got := o.kinds(); !slices.Equal(got, []string{"account.owner", "account.owner.left"}) {
			t.Errorf("records %q", got)
		}
		o.want("the records are about", lastOwner, "bo@x.io", "owner@one.example")
		o.want("the accounts' owners", accountOwner, "One bo@x.io", "Two owner@two.example")
		o.remove("owner@one.example") // a member as any other
		out, err := o.roster.RemoveUsers(ctxBackground, callerOf(t, dsn, o.one), []directory.UserRef{{Text: "bo@x.io"}}, roster.RemovalOptions{})
		must(t, err)
		if out.Removed != 0 || out.Refused[0].Reason != directory.ReasonAccountOwner {
			t.Errorf("the new owner: %+v", out)
		}
		if after := o.list(allRoles); !slices.Equal(after, before) {
			t.Errorf("roles %q, before %q", after, before)
		}

		// To whom it belongs already: nothing is written.
		unchanged := storetest.Dump(t, dsn)
		for name, transfer := range map[string]func() (bool, error){
			"bot":     func() (bool, error) { return o.roster.TransferBot(ctxBackground, op, o.one, o.desk, "bo@x.io") },
			"account": func() (bool, error) { return o.roster.TransferAccount(ctxBackground, op, o.one, "bo@x.io") },
		} {
			if changed, err := transfer(); changed || err != nil {
				t.Errorf("%s to its owner: %v, %v", name, changed, err)
			}
		}
		if fmt.Sprint(storetest.Dump(t, dsn)) != fmt.Sprint(unchanged) {
			t.Error("a transfer to the owner wrote something")
		}
		_, err = o.roster.VerifyAudit(ctxBackground, op)
		must(t, err)
	})
}

// All bots of some go to one, each with a record that says whose it was, whatever
// somebody owns already.
func TestTransferOfAllBotsOfSome(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := newObjects(t, dsn)
		op := auth.Operator()
		for _, owner := range []string{"ann@x.io", "ann@x.io", "bo@x.io", "owner@one.example"} {
			_, err := o.roster.CreateBot(ctxBackground, op, o.one, "Of "+owner, owner)
			must(t, err)
		}
		const bots = "SELECT b.name || ' ' || m.email_key FROM bots b JOIN live_members m ON m.id = b.owner_id"
		transfer := func(to string, owners ...string) (int, error) {
			refs := make([]directory.UserRef, len(owners))
			for i, owner := range owners {
				refs[i].Text = owner
			}
			return o.roster.TransferBots(ctxBackground, op, o.one, refs, to, "id")
		}
		for name, try := range map[string]func() error{
			"nobody's":  func() error { _, err := transfer("bo@x.io"); return err },
			"no":        func() error { _, err := transfer("bo\x00@x.io", "ann@x.io"); return err },
			"stranger":  func() error { _, err := transfer("no@x.io", "ann@x.io"); return err },
			"strangers": func() error { _, err := transfer("bo@x.io", "ann@x.io", "cy@x.io"); return err },
		} {
			kind := directory.ErrNotFound
			if strings.HasPrefix(name, "no") {
				kind = directory.ErrInvalid
			}
			o.refused(name, kind, "", try)
		}
		o.refused("an app", directory.ErrDenied, "", func() error {
			_, err := o.roster.TransferBots(ctxBackground, callerOf(t, dsn, o.one), o.one, []directory.UserRef{{Text: "ann@x.io"}}, "bo@x.io", "")
			return err
		})
		must(t, wantCount(3)(transfer("BO@x.io", "ann@x.io", "bo@x.io")))
		o.want("the bots", bots, "Desk bo@x.io", "Of ann@x.io bo@x.io", "Of ann@x.io bo@x.io", "Of bo@x.io bo@x.io", "Of owner@one.example owner@one.example")
		o.want("the records", `SELECT r.kind || ' ' || p.email_key FROM audit_records r JOIN persons p ON p.id = r.person_id WHERE r.batch_id = (SELECT MAX(batch_id) FROM audit_chain)`,
			"bot.owner bo@x.io", "bot.owner bo@x.io", "bot.owner bo@x.io", "bot.owner.left ann@x.io", "bot.owner.left ann@x.io", "bot.owner.left ann@x.io")
		o.want("whose they were", `SELECT DISTINCT p.email_key FROM audit_changes c CROSS JOIN persons p
WHERE c.batch_id = (SELECT MAX(batch_id) FROM audit_chain) AND c.body LIKE '%"before":{"ownerId":"' || p.public_id || '"}%'`, "ann@x.io")
		o.remove("ann@x.io")
		unchanged := fmt.Sprint(storetest.Dump(t, dsn))
		must(t, wantCount(0)(transfer("bo@x.io", "bo@x.io")))
		if fmt.Sprint(storetest.Dump(t, dsn)) != unchanged {
			t.Error("a transfer to the owner wrote something")
		}
		_, err := o.roster.VerifyAudit(ctxBackground, op)
		must(t, err)
	})
}

func TestObjectVerbsRefuseWhatIsNotTheCallers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := newObjects(t, dsn)
		o.remove("bo@x.io")
		bot, err := o.roster.CreateBot(ctxBackground, auth.Operator(), o.two, "Two's", "cy@x.io")
		must(t, err)
		group, err := o.roster.CreateGroup(ctxBackground, auth.Operator(), o.two, "Two's", nil)
		must(t, err)
		ctx := context.Background()
		verbs := []struct {
			name, mine, others string
			operatorOnly       bool
			run                func(caller auth.Caller, account, id string) error
		}{
			{name: "delete group", mine: o.staff, others: group, run: func(c auth.Caller, account, id string) error { return o.roster.DeleteGroup(ctx, c, account, id) }},
			{name: "delete bot", mine: o.desk, others: bot, run: func(c auth.Caller, account, id string) error { return o.roster.DeleteBot(ctx, c, account, id) }},
			{name: "transfer bot", mine: o.desk, others: bot, run: func(c auth.Caller, account, id string) error {
				_, err := o.roster.TransferBot(ctx, c, account, id, "owner@one.example")
				return err
			}},
			{name: "transfer bot to", mine: "owner@one.example", others: "cy@x.io", run: func(c auth.Caller, account, id string) error {
				_, err := o.roster.TransferBot(ctx, c, account, o.desk, id)
				return err
			}},
			{name: "transfer account to", mine: "ann@x.io", others: "cy@x.io", operatorOnly: true, run: func(c auth.Caller, account, id string) error {
				_, err := o.roster.TransferAccount(ctx, c, account, id)
				return err
			}},
			{name: "role in bot", mine: o.desk, others: bot, run: func(c auth.Caller, account, id string) error {
				return o.roster.AssignRole(ctx, c, account, directory.RoleBotTester, id, []string{"ann@x.io"})
			}},
			{name: "role", mine: directory.RoleAdmin, others: directory.RoleBotTester, run: func(c auth.Caller, account, id string) error {
				return o.roster.AssignRole(ctx, c, account, id, "", []string{"ann@x.io"})
			}},
		}
		for _, v := range verbs {
			try := func(caller auth.Caller, account, id string) func() error {
				return func() error { return v.run(caller, account, id) }
			}
			op := auth.Operator()
			o.refused(v.name+": another account's", directory.ErrNotFound, v.others, try(op, o.one, v.others))
			if strings.Contains(v.mine, "@") {
				o.refused(v.name+": a stranger", directory.ErrNotFound, "no@x.io is no member", try(op, o.one, "no@x.io"))
				o.refused(v.name+": a removed member", directory.ErrNotFound, "bo@x.io is no member", try(op, o.one, "bo@x.io"))
				o.refused(v.name+": no address", directory.ErrInvalid, "", try(op, o.one, "ann\x00@x.io"))
			} else {
				for _, id := range []string{"none", v.mine + "\x00", "\x00", "\xff", v.mine + " ", strings.ToUpper(v.mine)} {
					o.refused(v.name+": an unknown id", directory.ErrNotFound, fmt.Sprintf("%q", id), try(op, o.one, id))
				}
			}
			o.refused(v.name+": an unknown account", directory.ErrNotFound, "none", try(op, "none", v.mine))
			o.refused(v.name+": an account that no database holds", directory.ErrNotFound, `\x00`, try(op, o.one+"\x00", v.mine))
			o.refused(v.name+": another account's app", directory.ErrDenied, "", try(callerOf(t, dsn, o.two), o.one, v.mine))
			o.refused(v.name+": nobody", directory.ErrDenied, "", try(auth.Caller{}, o.one, v.mine))
			if v.operatorOnly {
				o.refused(v.name+": an app", directory.ErrDenied, "operator", try(callerOf(t, dsn, o.one), o.one, v.mine))
			}
		}
		// The control: each does something with what is the caller's. What is deleted
		// comes last, and is not there a second time.
		slices.Reverse(verbs)
		for _, v := range verbs {
			must(t, v.run(auth.Operator(), o.one, v.mine))
			if strings.HasPrefix(v.name, "delete") {
				o.refused(v.name+" again", directory.ErrNotFound, v.mine, func() error { return v.run(auth.Operator(), o.one, v.mine) })
			}
		}
	})
}
