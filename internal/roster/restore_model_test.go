package roster_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// life is all that the database holds of one membership but whether it is over:
// the row of each table without its mark, and what the rest points to.
type life struct {
	email, orgID string
	rows         []string         // of members and member_profiles
	has          map[string][]int // rows of the tables that attach something -> the ids they point to
}

// lives reads the memberships of an account by their internal ids: the live ones
// and, by the internal id of their removal, the others.
func lives(t *testing.T, dsn string, account directory.AccountID) (live map[int]life, removed map[int]map[int]life) {
	t.Helper()
	content := storetest.Dump(t, dsn)
	all, mark := map[int]life{}, map[int]int{}
	own := func(table string) (rows [][]string) {
		for _, row := range content[table] {
			if cells := strings.Split(row, "|"); cells[0] == fmt.Sprint(account) {
				rows = append(rows, cells)
			}
		}
		return rows
	}
	number := func(cell string) int {
		n, _ := strconv.Atoi(cell)
		return n
	}
	for _, cells := range own("members") { // account, id, person, email, org id, removal
		last := len(cells) - 1
		all[number(cells[1])] = life{
			email: cells[3], orgID: strings.TrimPrefix(cells[4], "<nil>"), rows: []string{strings.Join(cells[:last], "|")}, has: map[string][]int{},
		}
		mark[number(cells[1])] = number(cells[last])
	}
	for _, cells := range own("member_profiles") {
		id := number(cells[1])
		l := all[id]
		l.rows = append(l.rows, strings.Join(cells, "|"))
		all[id] = l
	}
	for table, columns := range map[string][]int{"group_members": {2, 1}, "member_roles": {1, 2, 3}, "member_tasks": {1, 2}} {
		for _, cells := range own(table) {
			var points []int
			for _, column := range columns[1:] {
				if id := number(cells[column]); id != 0 {
					points = append(points, id)
				}
			}
			all[number(cells[columns[0]])].has[table+" "+strings.Join(cells, "|")] = points
		}
	}
	live, removed = map[int]life{}, map[int]map[int]life{}
	for id, l := range all {
		switch m := mark[id]; {
		case m == 0:
			live[id] = l
		case removed[m] == nil:
			removed[m] = map[int]life{id: l}
		default:
			removed[m][id] = l
		}
	}
	return live, removed
}

// objectIDs are the internal ids of the account's groups, bots and roles.
func objectIDs(t *testing.T, dsn string, account directory.AccountID) map[int]bool {
	t.Helper()
	ids := map[int]bool{}
	content := storetest.Dump(t, dsn)
	for _, table := range []string{"groups", "bots", "roles"} {
		for _, row := range content[table] {
			if cells := strings.SplitN(row, "|", 3); cells[0] == fmt.Sprint(account) {
				id, _ := strconv.Atoi(cells[1])
				ids[id] = true
			}
		}
	}
	return ids
}

// inverse is a random account of which members are removed and restored.
type inverse struct {
	t       *rapid.T
	tt      *testing.T
	dsn     string
	roster  *roster.Roster
	account string
	caller  auth.Caller
	groups  []string // public ids
	bots    []string
	names   int
}

func (v *inverse) must(err error) {
	if err != nil {
		v.t.Fatal(err)
	}
}

var inverseEmails = []string{"a@x.io", "b@x.io", "c@x.io", "d@x.io", "e@x.io", "f@x.io"}

// people draws some of those who are live, or of all when nobody is asked for.
func (v *inverse) people(name string) []string {
	emails := slices.Sorted(maps.Keys(keysOf(v.tt, v.roster, v.account)))
	return rapid.SliceOfNDistinct(rapid.SampledFrom(emails), 1, len(emails), rapid.ID).Draw(v.t, name)
}

// join makes people members, each with a profile of their own. Those who are
// members already stay as they are.
func (v *inverse) join(emails ...string) {
	rows := make([]roster.ImportRow, len(emails))
	for i, email := range emails {
		row := roster.ImportRow{Line: i + 1, Email: capital(email), OrgUserID: rapid.SampledFrom([]string{"", "A", "B", "C"}).Draw(v.t, "org id")}
		for _, f := range row.Profile.Fields() {
			*f.Text = rapid.SampledFrom([]string{"", "x", "Zoë | <b>"}).Draw(v.t, f.Name)
		}
		rows[i] = row
	}
	_, err := v.roster.ImportUsers(context.Background(), auth.Operator(), v.account, rows, roster.ImportOptions{SkipBad: true})
	v.must(err)
}

// attach gives live members a new group, a new bot with roles and a task in it,
// or an admin role.
func (v *inverse) attach() {
	ctx, emails := context.Background(), v.people("attach")
	v.names++
	name := fmt.Sprint("object ", v.names)
	switch rapid.IntRange(0, 2).Draw(v.t, "object") {
	case 0:
		id, err := v.roster.CreateGroup(ctx, auth.Operator(), v.account, name, emails)
		v.must(err)
		v.groups = append(v.groups, id)
	case 1:
		id, err := v.roster.CreateBot(ctx, auth.Operator(), v.account, name, emails[0])
		v.must(err)
		v.bots = append(v.bots, id)
		v.must(v.roster.AssignRole(ctx, auth.Operator(), v.account, directory.RoleBotTester, id, emails[:(len(emails)+1)/2]))
		storetest.Exec(v.tt, v.dsn, `INSERT INTO member_tasks (account_id, member_id, bot_id, dialogs)
SELECT b.account_id, m.id, b.id, '["dg-1"]' FROM bots b JOIN live_members m ON m.account_id = b.account_id WHERE b.public_id = $1 AND m.email_key = $2`, id, emails[len(emails)-1])
	default:
		v.must(v.roster.AssignRole(ctx, auth.Operator(), v.account, directory.RoleAdmin, "", emails))
	}
}

// disturb does something to the account while members are removed.
func (v *inverse) disturb() {
	ctx := context.Background()
	switch kind := rapid.IntRange(0, 6).Draw(v.t, "disturb"); {
	case kind == 0:
		v.join(rapid.SliceOfNDistinct(rapid.SampledFrom(inverseEmails), 1, 3, rapid.ID).Draw(v.t, "join")...)
	case kind == 1 && len(v.groups) > 0:
		i := rapid.IntRange(0, len(v.groups)-1).Draw(v.t, "group")
		v.must(v.roster.DeleteGroup(ctx, auth.Operator(), v.account, v.groups[i]))
		v.groups = slices.Delete(v.groups, i, i+1)
	case kind == 2 && len(v.bots) > 0:
		i := rapid.IntRange(0, len(v.bots)-1).Draw(v.t, "bot")
		v.must(v.roster.DeleteBot(ctx, auth.Operator(), v.account, v.bots[i]))
		v.bots = slices.Delete(v.bots, i, i+1)
	case kind == 3 && len(v.bots) > 0:
		_, err := v.roster.TransferBot(ctx, auth.Operator(), v.account, rapid.SampledFrom(v.bots).Draw(v.t, "bot"), v.people("owner")[0])
		v.must(err)
	case kind == 4:
		_, err := v.roster.TransferAccount(ctx, auth.Operator(), v.account, v.people("owner")[0])
		v.must(err)
	case kind == 5:
		v.remove(v.people("remove"))
	default:
		v.attach()
	}
}

func (v *inverse) remove(emails []string) directory.Removal {
	refs := make([]directory.UserRef, len(emails))
	for i, email := range emails {
		refs[i] = directory.UserRef{Text: email}
	}
	out, err := v.roster.RemoveUsers(context.Background(), v.caller, refs, roster.RemovalOptions{})
	v.must(err)
	return out
}

// TestRestoreIsTheInverse removes members of random accounts, lets things happen
// to the account and the same addresses, and restores. Who comes back is as they
// were in every row, but for what points to something that is gone, and that is
// told. Nobody else is touched; who stays out does so for the reason told; and
// nobody gets anything that was attached to another life of the same address.
func TestRestoreIsTheInverse(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		r, err := roster.Open(context.Background(), roster.Options{Database: dsn})
		must(t, err)
		defer r.Close()
		rapid.Check(t, func(rt *rapid.T) {
			account, err := r.CreateAccount(context.Background(), auth.Operator(), "Inverse", "owner@x.io")
			must(t, err)
			v := &inverse{t: rt, tt: t, dsn: dsn, roster: r, account: account, caller: callerOf(t, dsn, account)}
			v.join(inverseEmails...)
			for range rapid.IntRange(0, 5).Draw(rt, "attached") {
				v.attach()
			}
			before, _ := lives(t, dsn, v.caller.Account)
			removal := v.remove(v.people("remove first"))
			for range rapid.IntRange(0, 5).Draw(rt, "disturbed") {
				v.disturb()
			}
			v.restore(before, removal)
		})
		_, err = r.VerifyAudit(context.Background(), auth.Operator())
		must(t, err)
	})
}

// restore restores a removal, or some of it, and compares everything.
func (v *inverse) restore(before map[int]life, removal directory.Removal) {
	account := v.caller.Account
	var key int
	v.must(storetest.SQL(v.tt, v.dsn).QueryRow("SELECT id FROM removals WHERE public_id = $1", removal.PublicID).Scan(&key))
	live, removed := lives(v.tt, v.dsn, account)
	exist := objectIDs(v.tt, v.dsn, account)
	var refs []directory.UserRef
	if rapid.Bool().Draw(v.t, "some of it") {
		for _, email := range rapid.SliceOfN(rapid.SampledFrom(append(inverseEmails, "x")), 1, 4).Draw(v.t, "restore") {
			refs = append(refs, directory.UserRef{Text: email})
		}
	}
	out, err := v.roster.RestoreUsers(context.Background(), v.caller, "", removal.PublicID, refs, roster.RestoreOptions{})
	v.must(err)

	want, lost, restored := maps.Clone(live), map[int]int{}, 0
	for id, l := range removed[key] {
		named := refs == nil || slices.ContainsFunc(refs, func(r directory.UserRef) bool { return r.Text == l.email })
		if !named || v.reason(l, live) != "" {
			continue
		}
		restored++
		want[id] = life{l.email, l.orgID, before[id].rows, maps.Clone(before[id].has)}
		gone := map[int]bool{}
		for row, points := range before[id].has {
			for _, object := range points {
				if !exist[object] {
					gone[object] = true
					delete(want[id].has, row)
				}
			}
		}
		for object := range gone {
			lost[object]++
		}
	}
	now, _ := lives(v.tt, v.dsn, account)
	if diff := cmp.Diff(want, now, cmp.AllowUnexported(life{})); diff != "" || out.Restored != restored {
		v.t.Fatalf("%d restored, want %d; live members (-want +got):\n%s", out.Restored, restored, diff)
	}
	v.compareLost(out, lost)
	v.compareRefused(out, refs, removed[key], live)
}

// reason says why a removed member cannot come back.
func (v *inverse) reason(l life, live map[int]life) directory.Reason {
	var reason directory.Reason
	for _, other := range live {
		switch {
		case other.email == l.email:
			return directory.ReasonUserExists
		case l.orgID != "" && other.orgID == l.orgID:
			reason = directory.ReasonOrgUserIDIsUsed
		}
	}
	return reason
}

func (v *inverse) compareLost(out directory.Restoration, lost map[int]int) {
	want := map[string]int{}
	for object, users := range lost {
		var kind, id, name string
		v.must(storetest.SQL(v.tt, v.dsn).QueryRow("SELECT kind, public_id, name FROM deleted_objects WHERE id = $1", object).Scan(&kind, &id, &name))
		want[kind+" "+id+" "+name] = users
	}
	got := map[string]int{}
	for _, o := range out.Lost {
		got[string(o.Kind)+" "+o.PublicID+" "+o.Name] = o.Users
	}
	if diff := cmp.Diff(want, got); diff != "" {
		v.t.Fatalf("lost (-want +got):\n%s", diff)
	}
}

func (v *inverse) compareRefused(out directory.Restoration, refs []directory.UserRef, removed, live map[int]life) {
	want := map[string]directory.Reason{}
	for _, l := range removed {
		if reason := v.reason(l, live); reason != "" && refs == nil {
			want[l.email] = reason
		}
	}
	for _, ref := range refs {
		want[ref.Text] = directory.ReasonUserNotFound
		if ref.Text == "x" {
			want[ref.Text] = directory.ReasonInvalidID
		}
		for _, l := range removed {
			if l.email == ref.Text {
				want[ref.Text] = v.reason(l, live)
			}
		}
	}
	maps.DeleteFunc(want, func(_ string, reason directory.Reason) bool { return reason == "" })
	got := map[string]directory.Reason{}
	for _, r := range out.Refused {
		got[strings.ToLower(out.Refs[r.Ref].Text)] = r.Reason
	}
	if diff := cmp.Diff(want, got); diff != "" {
		v.t.Fatalf("refused (-want +got):\n%s", diff)
	}
}
