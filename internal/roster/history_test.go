package roster_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/store"
	"roster/internal/storetest"
)

// lived is what a member has gathered since they became one. A member who was
// removed and came back starts with nothing.
type lived struct {
	OrgID  string
	First  string // name
	Flags  string // make bots, be a developer, see tables: each 0 or 1
	Groups []string
	Roles  []string // "" for the admin role, the name of a bot for a role in it
	Tasks  []string // the name of a bot, a blank, and dialogs
	Bots   int
}

// newcomer is what somebody has who has just been made a member.
func newcomer(orgID string) lived { return lived{OrgID: orgID, Flags: "110"} }

// made is a group or a bot that there is.
type made struct {
	id, name string
	owner    string // of a bot
}

// history is a random history of two accounts that share people, beside a model
// of each: live member -> lived.
type history struct {
	t       *rapid.T
	db      *sql.DB
	state   *sql.Stmt // historyState
	roster  *roster.Roster
	ahead   *atomic.Int64 // nanoseconds that the clock was put forward
	account [2]string
	caller  [2]auth.Caller
	model   [2]map[string]lived
	owner   [2]string // of the account
	groups  [2][]made
	bots    [2][]made
	grants  [2]map[groupGrant]bool // of groups
	nested  [2]map[nesting]bool
	roleID  [2]map[string]string // by name
	names   int

	removals [2][]pastRemoval
}

func (h *history) must(err error) {
	if err != nil {
		h.t.Fatal(err)
	}
}

var ctxBackground = context.Background()

// start makes the two accounts; owner@<i>.io owns the i-th at first.
func (h *history) start() {
	for i := range h.account {
		owner := fmt.Sprintf("owner@%d.io", i)
		id, err := h.roster.CreateAccount(ctxBackground, auth.Operator(), "History", owner)
		h.must(err)
		var key directory.AccountID
		h.must(h.db.QueryRow("SELECT id FROM accounts WHERE public_id = $1", id).Scan(&key))
		h.account[i] = id
		h.caller[i] = auth.AppCaller(directory.App{
			ID: 1, Account: key, Origin: directory.OriginAdminConsole, Scopes: []directory.Scope{directory.ScopeUserManagement},
		}, auth.Claims{Label: "history"})
		h.model[i], h.owner[i] = map[string]lived{owner: newcomer("")}, owner
		h.grants[i], h.nested[i], h.roleID[i] = map[groupGrant]bool{}, map[nesting]bool{}, map[string]string{}
		for name, kind := range map[string]directory.RoleKind{directory.RoleAdmin: directory.AdminRole, directory.RoleBotTester: directory.BotRole} {
			role, err := h.roster.FindRole(ctxBackground, auth.Operator(), id, kind, name)
			h.must(err)
			h.roleID[i][name] = role.PublicID
		}
	}
}

var (
	historyPeople = []string{"a@h.io", "b@h.io", "c@h.io", "d@h.io"}
	historyOrgIDs = []string{"", "", "A", "B", "C"}
)

// live draws some live members of an account, one or more.
func (h *history) live(i int) []string {
	all := make([]string, 0, len(h.model[i]))
	for email := range h.model[i] {
		all = append(all, email)
	}
	slices.Sort(all)
	return rapid.SliceOfNDistinct(rapid.SampledFrom(all), 1, 3, rapid.ID).Draw(h.t, "members")
}

// name returns a fresh name that sorts behind those before.
func (h *history) name() string {
	h.names++
	return fmt.Sprintf("name %03d", h.names)
}

// join imports people, new ones or not; those who cannot be taken are skipped.
func (h *history) join(i int) {
	emails := rapid.SliceOfNDistinct(rapid.SampledFrom(historyPeople), 1, 3, rapid.ID).Draw(h.t, "join")
	var rows []roster.ImportRow
	for n, email := range emails {
		orgID := rapid.SampledFrom(historyOrgIDs).Draw(h.t, "org id")
		rows = append(rows, roster.ImportRow{Line: n + 1, Email: strings.ToUpper(email), OrgUserID: orgID})
	}
	out, err := h.roster.ImportUsers(ctxBackground, auth.Operator(), h.account[i], rows, roster.ImportOptions{SkipBad: true})
	h.must(err)
	created := 0
	taken := map[string]bool{}
	for _, m := range h.model[i] {
		taken[m.OrgID] = m.OrgID != "" || taken[m.OrgID]
	}
	inFile := map[string]bool{}
	for n, email := range emails {
		orgID := rows[n].OrgUserID
		if orgID != "" && inFile[orgID] {
			continue // bad by the file alone
		}
		inFile[orgID] = true
		if _, member := h.model[i][email]; !member && (orgID == "" || !taken[orgID]) {
			h.model[i][email] = newcomer(orgID)
			created++
		}
	}
	if out.Created != created || len(out.Bad) != len(rows)-created {
		h.t.Fatalf("import of %+v: %+v, want %d created", rows, out, created)
	}
}

func (h *history) update(i int, emails []string, change func(*lived)) {
	for _, email := range emails {
		m := h.model[i][email]
		change(&m)
		h.model[i][email] = m
	}
}

func (h *history) group(i int) {
	name, emails := h.name(), h.live(i)
	id, err := h.roster.CreateGroup(ctxBackground, auth.Operator(), h.account[i], name, emails)
	h.must(err)
	h.groups[i] = append(h.groups[i], made{id: id, name: name})
	h.update(i, emails, func(m *lived) { m.Groups = append(slices.Clone(m.Groups), name) })
}

// role gives the admin role, or a role in a bot where there is one.
func (h *history) role(i int) {
	emails, role, bot := h.live(i), directory.RoleAdmin, made{}
	if len(h.bots[i]) > 0 && rapid.Bool().Draw(h.t, "role in a bot") {
		role, bot = directory.RoleBotTester, rapid.SampledFrom(h.bots[i]).Draw(h.t, "bot")
	}
	h.must(h.roster.AssignRole(ctxBackground, auth.Operator(), h.account[i], role, bot.id, emails))
	h.update(i, emails, func(m *lived) {
		if !slices.Contains(m.Roles, bot.name) {
			m.Roles = append(slices.Clone(m.Roles), bot.name)
			slices.Sort(m.Roles)
		}
	})
}

func (h *history) bot(i int) {
	if len(h.model[i]) < 3 {
		return // somebody must be left who can go
	}
	owner, name := h.live(i)[:1], h.name()
	id, err := h.roster.CreateBot(ctxBackground, auth.Operator(), h.account[i], name, owner[0])
	h.must(err)
	h.bots[i] = append(h.bots[i], made{id, name, owner[0]})
	h.update(i, owner, func(m *lived) { m.Bots++ })
}

// everybody is all live members of an account.
func (h *history) everybody(i int) []string { return slices.Collect(maps.Keys(h.model[i])) }

// take draws one of a list, or -1 from an empty one.
func (h *history) take(list []made) int {
	if len(list) == 0 {
		return -1
	}
	return rapid.IntRange(0, len(list)-1).Draw(h.t, "which")
}

// without is a list less one value, nil when nothing is left.
func without(list []string, value string) []string {
	return kept(list, func(v string) bool { return v != value })
}

// kept is what of a list is to be kept, nil when nothing is.
func kept(list []string, keep func(string) bool) (rest []string) {
	for _, v := range list {
		if keep(v) {
			rest = append(rest, v)
		}
	}
	return rest
}

func (h *history) deleteGroup(i int) {
	n := h.take(h.groups[i])
	if n < 0 {
		return
	}
	group := h.groups[i][n]
	h.must(h.roster.DeleteGroup(ctxBackground, auth.Operator(), h.account[i], group.id))
	h.groups[i] = slices.Delete(h.groups[i], n, n+1)
	h.update(i, h.everybody(i), func(m *lived) { m.Groups = without(m.Groups, group.name) })
	maps.DeleteFunc(h.grants[i], func(g groupGrant, _ bool) bool { return g.group == group.name })
	maps.DeleteFunc(h.nested[i], func(n nesting, _ bool) bool { return n.child == group.name || n.parent == group.name })
}

func (h *history) deleteBot(i int) {
	n := h.take(h.bots[i])
	if n < 0 {
		return
	}
	bot := h.bots[i][n]
	h.must(h.roster.DeleteBot(ctxBackground, auth.Operator(), h.account[i], bot.id))
	h.bots[i] = slices.Delete(h.bots[i], n, n+1)
	h.update(i, []string{bot.owner}, func(m *lived) { m.Bots-- })
	h.update(i, h.everybody(i), func(m *lived) {
		m.Roles = without(m.Roles, bot.name)
		m.Tasks = kept(m.Tasks, func(task string) bool { return !strings.HasPrefix(task, bot.name+" ") })
	})
	maps.DeleteFunc(h.grants[i], func(g groupGrant, _ bool) bool { return g.bot == bot.name })
}

func (h *history) transferBot(i int) {
	n := h.take(h.bots[i])
	if n < 0 {
		return
	}
	bot, to := &h.bots[i][n], h.live(i)[0]
	changed, err := h.roster.TransferBot(ctxBackground, auth.Operator(), h.account[i], bot.id, to)
	h.must(err)
	if changed != (to != bot.owner) {
		h.t.Fatalf("transfer from %s to %s: changed %v", bot.owner, to, changed)
	}
	h.update(i, []string{bot.owner}, func(m *lived) { m.Bots-- })
	h.update(i, []string{to}, func(m *lived) { m.Bots++ })
	bot.owner = to
}

func (h *history) transferAccount(i int) {
	to := h.live(i)[0]
	changed, err := h.roster.TransferAccount(ctxBackground, auth.Operator(), h.account[i], to)
	h.must(err)
	if changed != (to != h.owner[i]) {
		h.t.Fatalf("transfer from %s to %s: changed %v", h.owner[i], to, changed)
	}
	h.owner[i] = to
}

// remove names people by both kinds of id, strangers and rubbish among them,
// and compares every refusal: who, why and in which order.
func (h *history) remove(i int) {
	refs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) directory.UserRef {
		if rapid.IntRange(0, 2).Draw(t, "kind") == 0 {
			return directory.UserRef{Kind: directory.ByOrgUserID, Text: rapid.SampledFrom([]string{"A", "B", " C ", "a", "", "\x00"}).Draw(t, "org id")}
		}
		people := append(slices.Clone(historyPeople), " B@H.io", "owner@0.io", "owner@1.io", "nobody@h.io", "no address", "")
		return directory.UserRef{Text: rapid.SampledFrom(people).Draw(t, "address")}
	}), 1, 6).Draw(h.t, "remove")
	out, err := h.roster.RemoveUsers(ctxBackground, h.caller[i], refs, roster.RemovalOptions{RequestID: "id"})
	h.must(err)
	var want, got []string
	seen := map[string]bool{}
	for n, ref := range refs {
		who, reason := h.judge(i, ref)
		if !seen[who] && reason != "" {
			want = append(want, fmt.Sprint(n, reason))
		}
		seen[who] = true
	}
	for _, r := range out.Refused {
		got = append(got, fmt.Sprint(r.Ref, r.Reason))
	}
	gone := map[string]lived{}
	for email := range h.model[i] {
		if _, reason := h.judge(i, directory.UserRef{Text: email}); seen[email] && reason == "" {
			gone[email] = h.model[i][email]
			delete(h.model[i], email)
		}
	}
	h.removals[i] = append(h.removals[i], pastRemoval{out.PublicID, h.ahead.Load(), gone})
	if !slices.Equal(got, want) || out.Removed != len(seen)-len(want) {
		h.t.Fatalf("removal of %+v: %d removed, refused %v, want %v of %d", refs, out.Removed, got, want, len(seen))
	}
}

// judge says whom a mention is about, by their address where they are a member,
// and why they stay.
func (h *history) judge(i int, ref directory.UserRef) (who string, reason directory.Reason) {
	key := strings.TrimSpace(ref.Text)
	if ref.Kind == directory.ByEmail {
		key = strings.ToLower(key)
	}
	if key == "" || key == "\x00" || key == "no address" {
		return fmt.Sprintf("%+v", ref), directory.ReasonInvalidID
	}
	for email, m := range h.model[i] {
		if ref.Kind == directory.ByEmail && email != key || ref.Kind == directory.ByOrgUserID && m.OrgID != key {
			continue
		}
		switch {
		case email == h.owner[i]:
			return email, directory.ReasonAccountOwner
		case m.Bots > 0:
			return email, directory.ReasonBotOwner
		}
		return email, ""
	}
	return fmt.Sprint(ref.Kind, key), directory.ReasonUserNotFound
}

// pastRemoval is what one removal has taken and nobody has restored.
type pastRemoval struct {
	id     string
	at     int64 // what the clock was put forward then
	people map[string]lived
}

// restore undoes one of the last removals, or names some people as of it.
func (h *history) restore(i int) {
	last := len(h.removals[i])
	if last == 0 {
		return
	}
	removal := h.removals[i][max(0, last-1-rapid.IntRange(0, 4).Draw(h.t, "removal"))]
	names, refs := slices.Sorted(maps.Keys(removal.people)), []directory.UserRef(nil)
	if rapid.Bool().Draw(h.t, "some") {
		names = rapid.SliceOfNDistinct(rapid.SampledFrom(historyPeople), 1, 3, rapid.ID).Draw(h.t, "restore")
		for _, email := range names {
			refs = append(refs, directory.UserRef{Text: email})
		}
	}
	out, err := h.roster.RestoreUsers(ctxBackground, h.caller[i], "", removal.id, refs, roster.RestoreOptions{})
	if over := h.ahead.Load()-removal.at >= int64(historyWindow); over != errors.Is(err, directory.ErrGone) || !over && err != nil {
		h.t.Fatalf("restore: %v; the window is over: %v", err, over)
	} else if over {
		return
	}
	var want, got []string
	for _, email := range names {
		if reason := h.canReturn(i, removal.people, email); reason != "" {
			want = append(want, fmt.Sprint(email, reason))
			continue
		}
		m := removal.people[email]
		delete(removal.people, email)
		m.Groups = kept(m.Groups, func(g string) bool { return named(h.groups[i], g) })
		m.Roles = kept(m.Roles, func(bot string) bool { return bot == "" || named(h.bots[i], bot) })
		m.Tasks = kept(m.Tasks, func(task string) bool { return named(h.bots[i], task[:strings.LastIndex(task, " ")]) })
		h.model[i][email] = m
	}
	for _, r := range out.Refused {
		got = append(got, fmt.Sprint(strings.ToLower(out.Refs[r.Ref].Text), r.Reason))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) || out.Restored != len(names)-len(want) {
		h.t.Fatalf("%d restored of %v, refused %v, want %v", out.Restored, names, got, want)
	}
}

// canReturn says why somebody of a removal cannot come back, or nothing.
func (h *history) canReturn(i int, people map[string]lived, email string) directory.Reason {
	m, removed := people[email]
	if !removed {
		return directory.ReasonUserNotFound
	}
	if _, exists := h.model[i][email]; exists {
		return directory.ReasonUserExists
	}
	for _, other := range h.model[i] {
		if m.OrgID != "" && other.OrgID == m.OrgID {
			return directory.ReasonOrgUserIDIsUsed
		}
	}
	return ""
}

func named(list []made, name string) bool {
	return slices.ContainsFunc(list, func(m made) bool { return m.name == name })
}

// historyWindow is how long a removal can be undone in these histories.
const historyWindow = 3 * time.Hour

// purge lets the restore window of some removals pass, or of all.
func (h *history) purge(int) {
	h.ahead.Add(int64(time.Duration(rapid.IntRange(1, 4).Draw(h.t, "hours")) * time.Hour))
	_, err := h.roster.PurgeExpired(ctxBackground, auth.System())
	h.must(err)
}

// TestHistoryOfMembersIsThatOfTheModel is promise R4: it lets people join, be made
// and changed, gather groups, roles, tasks and bots, lose them and own one another's,
// leave, come back, be erased and join again, in any order.
func TestHistoryOfMembersIsThatOfTheModel(t *testing.T) {
	t.Parallel()
	steps := []struct {
		name string
		do   func(*history, int)
	}{
		{"join", (*history).join},
		{"join again", (*history).join},
		{"group", (*history).group},
		{"role", (*history).role},
		{"bot", (*history).bot},
		{"delete group", (*history).deleteGroup},
		{"delete bot", (*history).deleteBot},
		{"transfer bot", (*history).transferBot},
		{"transfer account", (*history).transferAccount},
		{"remove", (*history).remove},
		{"remove again", (*history).remove},
		{"restore", (*history).restore},
		{"restore again", (*history).restore},
		{"purge", (*history).purge},
		{"create", (*history).create},
		{"change", (*history).change},
		{"change again", (*history).change},
		{"access", (*history).access},
		{"assign", (*history).assign},
		{"nest", (*history).nest},
		{"read", (*history).read},
	}
	storetest.Each(t, func(t *testing.T, dsn string) {
		var ahead atomic.Int64
		r, err := roster.Open(ctxBackground, roster.Options{Database: dsn, RestoreWindow: historyWindow, Store: store.Options{
			Clock: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
		}})
		must(t, err)
		defer r.Close()
		db := storetest.SQL(t, dsn)
		db.SetMaxIdleConns(1) // it asks often
		state, err := db.Prepare(historyState)
		must(t, err)
		defer state.Close()
		rapid.Check(t, func(rt *rapid.T) {
			h := &history{t: rt, db: db, state: state, roster: r, ahead: &ahead}
			h.start()
			for range rapid.IntRange(8, 40).Draw(rt, "steps") {
				step := rapid.SampledFrom(steps).Draw(rt, "step")
				step.do(h, rapid.IntRange(0, 1).Draw(rt, "account"))
				h.check(step.name)
			}
			h.must(checkSound(h.db))
		})
		_, err = r.VerifyAudit(ctxBackground, auth.Operator())
		must(t, err)
	})
}
