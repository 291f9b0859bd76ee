package roster_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/store"
	"roster/internal/storetest"
)

// purgeBench is a directory whose clock the test turns.
type purgeBench struct {
	*testing.T
	dsn     string
	roster  *roster.Roster
	ahead   atomic.Int64 // nanoseconds
	account map[string]string
	caller  map[string]auth.Caller
}

func newPurgeBench(t *testing.T, dsn string, o roster.Options) *purgeBench {
	p := &purgeBench{T: t, dsn: dsn, account: map[string]string{}, caller: map[string]auth.Caller{}}
	o.Database = dsn
	o.Store = store.Options{Clock: func() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) }}
	var err error
	p.roster, err = roster.Open(context.Background(), o)
	p.check(err)
	t.Cleanup(func() { p.check(p.roster.Close()) })
	for _, name := range []string{"one", "two"} {
		p.account[name], err = p.roster.CreateAccount(context.Background(), auth.Operator(), name, "owner@"+name+".example")
		p.check(err)
		var id directory.AccountID
		p.check(storetest.SQL(t, dsn).QueryRow("SELECT id FROM accounts WHERE name = '" + name + "'").Scan(&id))
		app := directory.App{
			ID: 1, Account: id, Origin: directory.OriginAdminConsole, Scopes: []directory.Scope{directory.ScopeUserManagement},
		}
		p.caller[name] = auth.AppCaller(app, auth.Claims{})
	}
	return p
}

func (p *purgeBench) check(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// users makes members of an account, with a group, a role and a task each.
func (p *purgeBench) users(account string, emails ...string) {
	p.Helper()
	rows := make([]roster.ImportRow, len(emails))
	for i, e := range emails {
		rows[i] = roster.ImportRow{Line: i + 1, Email: e}
	}
	ctx := context.Background()
	out, err := p.roster.ImportUsers(ctx, auth.Operator(), p.account[account], rows, roster.ImportOptions{})
	p.check(err)
	if len(out.Bad) > 0 {
		p.Fatal(out.Bad)
	}
	_, err = p.roster.CreateGroup(ctx, auth.Operator(), p.account[account], fmt.Sprintf("group %d %d", len(emails), p.ahead.Load()), emails)
	p.check(err)
	p.check(p.roster.AssignRole(ctx, auth.Operator(), p.account[account], directory.RoleAdmin, "", emails))
	storetest.Exec(p, p.dsn, "INSERT INTO member_tasks (account_id, member_id, bot_id, dialogs) "+
		"SELECT m.account_id, m.id, 1, '[]' FROM members m WHERE NOT EXISTS (SELECT 1 FROM member_tasks t WHERE t.member_id = m.id)")
}

func (p *purgeBench) remove(account string, emails ...string) {
	p.Helper()
	refs := make([]directory.UserRef, len(emails))
	for i, e := range emails {
		refs[i] = directory.UserRef{Text: e}
	}
	_, err := p.roster.RemoveUsers(context.Background(), p.caller[account], refs, roster.RemovalOptions{})
	p.check(err)
}

func (p *purgeBench) purge() int {
	p.Helper()
	n, err := p.roster.PurgeExpired(context.Background(), auth.System())
	p.check(err)
	_, err = p.roster.VerifyAudit(context.Background(), auth.Operator())
	p.check(err)
	return n
}

// personal says whether a text stands anywhere in the database.
func (p *purgeBench) personal(text string) bool {
	p.Helper()
	for _, rows := range storetest.Dump(p, p.dsn) {
		for _, row := range rows {
			if strings.Contains(row, text) {
				return true
			}
		}
	}
	return false
}

func (p *purgeBench) count(query string) (n int) {
	p.Helper()
	p.check(storetest.SQL(p, p.dsn).QueryRow(query).Scan(&n))
	return n
}

func TestPurgeErasesAfterTheWindowAndNotBefore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		p := newPurgeBench(t, dsn, roster.Options{RestoreWindow: time.Hour})
		p.users("one", "ann@example.com", "bo@example.com", "cy@example.com")
		p.users("two", "bo@example.com")
		p.remove("one", "ann@example.com", "bo@example.com", "stranger@example.com")

		p.ahead.Store(int64(59 * time.Minute))
		p.purge() // which remembers the time
		before := storetest.Dump(t, dsn)
		delete(before, "purge_state")
		n := p.purge()
		after := storetest.Dump(t, dsn)
		delete(after, "purge_state")
		if diff := before.Diff(after); n != 0 || diff != "" {
			t.Fatalf("%d memberships were erased inside the window: %s", n, diff)
		}
		p.ahead.Store(int64(61 * time.Minute))
		if n := p.purge(); n != 2 {
			t.Fatalf("%d memberships were erased instead of 2", n)
		}
		if p.personal("ann@example.com") {
			t.Error("the address of a person without an account is still there")
		}
		if p.personal("stranger@example.com") {
			t.Error("a refused id is still there")
		}
		if !p.personal("bo@example.com") {
			t.Error("the address of a member of another account is gone")
		}
		for _, table := range []string{"members", "member_profiles", "member_tasks", "group_members", "member_roles"} {
			left := 4 // two owners, cy in one, bo in two
			if table == "group_members" || table == "member_roles" {
				left = 2
			}
			if n := p.count("SELECT COUNT(*) FROM " + table); n != left {
				t.Errorf("%d rows are left in %s instead of %d", n, table, left)
			}
		}
		if n := p.purge(); n != 0 {
			t.Errorf("a second pass erased %d", n)
		}

		// The other account's membership keeps the address until it goes, too.
		p.remove("two", "bo@example.com")
		p.ahead.Add(int64(61 * time.Minute))
		if n := p.purge(); n != 1 || p.personal("bo@example.com") {
			t.Errorf("%d erased; the address is there: %v", n, p.personal("bo@example.com"))
		}
		// The same address is another person from now on.
		p.users("one", "ann@example.com")
		if n := p.count("SELECT COUNT(*) FROM persons"); n != 6 {
			t.Errorf("%d persons instead of 6: the owners, cy, two without an address, and ann anew", n)
		}
	})
}

func TestPurgeOfManyWorksInSteps(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		p := newPurgeBench(t, dsn, roster.Options{RestoreWindow: time.Hour})
		emails := make([]string, 1200)
		for i := range emails {
			emails[i] = fmt.Sprintf("user%d@example.com", i)
		}
		p.users("one", emails...)
		p.remove("one", emails[:1000]...) // two full steps and one to close it
		p.remove("one", emails[1000:1100]...)
		p.ahead.Store(int64(2 * time.Hour))

		// Two servers at once do the work once.
		var erased atomic.Int64
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				n, err := p.roster.PurgeExpired(context.Background(), auth.System())
				if err != nil {
					t.Error(err)
				}
				erased.Add(int64(n))
			})
		}
		both.Wait()
		p.purge()
		if erased.Load() != 1100 || p.count("SELECT COUNT(*) FROM members") != 102 {
			t.Errorf("%d erased, %d members left", erased.Load(), p.count("SELECT COUNT(*) FROM members"))
		}
		if n := p.count("SELECT COUNT(*) FROM audit_records WHERE kind = 'user.erased'"); n != 1100 {
			t.Errorf("%d records of erasure instead of 1100", n)
		}
		if n := p.count("SELECT COUNT(*) FROM removals WHERE purged_at IS NULL"); n != 0 {
			t.Errorf("%d removals are not closed", n)
		}
	})
}

// deleteGroup makes a group of members of an account and deletes it at the end of before.
func (p *purgeBench) deleteGroup(account, name, member string, before func()) {
	p.Helper()
	id, err := p.roster.CreateGroup(context.Background(), auth.Operator(), p.account[account], name, []string{member})
	p.check(err)
	before()
	p.check(p.roster.DeleteGroup(context.Background(), auth.Operator(), p.account[account], id))
}

// A tombstone stays while somebody can be restored who left before the object
// went, or up to an hour after the deletion began, which may have waited.
func TestTombstonesAreForgottenWithTheLastWhoCanAskForThem(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		p := newPurgeBench(t, dsn, roster.Options{RestoreWindow: 10 * time.Hour})
		p.users("one", "ann@x.io", "bo@x.io", "cy@x.io", "dee@x.io")
		nothing := func() {}
		p.deleteGroup("one", "a", "ann@x.io", func() { p.remove("one", "ann@x.io") })
		p.deleteGroup("two", "z", "owner@two.example", nothing)
		steps := []struct {
			at   time.Duration
			do   func()
			left int // tombstones after the pass
		}{
			{59 * time.Minute, nothing, 2},
			{61 * time.Minute, nothing, 1}, // nobody ever left two
			{2 * time.Hour, func() { p.deleteGroup("one", "b", "bo@x.io", nothing) }, 2},
			{2*time.Hour + 59*time.Minute, func() { p.remove("one", "cy@x.io") }, 2},
			{3*time.Hour + 2*time.Minute, func() { p.remove("one", "dee@x.io") }, 2},
			{9*time.Hour + 59*time.Minute, nothing, 2},
			{10*time.Hour + time.Minute, nothing, 1}, // ann is erased, and with her the wish for a
			{12*time.Hour + 58*time.Minute, nothing, 1},
			{13 * time.Hour, nothing, 0}, // cy is erased; dee left too late for b
		}
		for _, step := range steps {
			p.ahead.Store(int64(step.at))
			step.do()
			p.purge()
			if n := p.count("SELECT COUNT(*) FROM deleted_objects"); n != step.left {
				t.Errorf("after %v: %d tombstones are left, want %d", step.at, n, step.left)
			}
		}
		if n := p.count("SELECT COUNT(*) FROM removals WHERE purged_at IS NULL"); n != 1 {
			t.Errorf("%d removals are not purged, want that of dee", n)
		}
	})
}

// More tombstones than one transaction forgets.
func TestManyTombstonesAreForgotten(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		p := newPurgeBench(t, dsn, roster.Options{})
		list := strings.TrimSuffix(strings.Repeat("0,", 2500), ",")
		storetest.Exec(t, dsn, `INSERT INTO deleted_objects (account_id, id, kind, public_id, name, deleted_at)
SELECT a.id, 1000000 + j.key, 'bot', 'st-', 'Bot', 0 FROM accounts a CROSS JOIN json_each($1) j WHERE a.name = 'one'`, "["+list+"]")
		p.purge()
		if n := p.count("SELECT COUNT(*) FROM deleted_objects"); n != 0 {
			t.Errorf("%d are left", n)
		}
	})
}

func TestWindowZeroErasesAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		p := newPurgeBench(t, dsn, roster.Options{EraseAtOnce: true})
		p.users("one", "ann@example.com", "bo@example.com")
		p.remove("one", "ann@example.com", "stranger@example.com")
		if p.personal("ann@example.com") || p.personal("stranger@example.com") {
			t.Error("an address is still there")
		}
		if n := p.count("SELECT COUNT(*) FROM audit_records WHERE kind = 'user.deleted'"); n != 1 {
			t.Errorf("%d records of the removal", n)
		}
		if n := p.purge(); n != 0 {
			t.Errorf("the background pass found %d", n)
		}
	})
}
