package roster_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// directoryModel is an account as a serial history leaves it. Addresses are
// folded, and what somebody has is sorted: the names of groups, a first name and an
// org user id behind words of their own, and adminRole.
type directoryModel struct {
	owner   string
	live    map[string][]string            // address -> what they have in this life
	removed map[string]map[string][]string // removal -> address -> what they had in that life
	groups  map[string]bool
	bots    map[string]string // name -> address of the owner
}

// What members have besides groups. Each sorts behind those.
const (
	adminRole  = "the admin role"
	firstWord  = "named "
	orgIDWord  = "numbered "
	groupsWord = "group " // begins the name of each group
)

// orgIDOf is the org user id of somebody who has these things, or nothing.
func orgIDOf(things []string) string {
	for _, thing := range things {
		if id, ok := strings.CutPrefix(thing, orgIDWord); ok {
			return id
		}
	}
	return ""
}

// holds says whether somebody who is live, but not that one, has the org user id.
func (m *directoryModel) holds(orgID, but string) bool {
	for email, things := range m.live {
		if email != but && orgID != "" && orgIDOf(things) == orgID {
			return true
		}
	}
	return false
}

// with is a sorted list with one more, which it has once.
func with(things []string, thing string) []string {
	all := append(slices.Clone(things), thing)
	slices.Sort(all)
	return slices.Compact(all)
}

func (m *directoryModel) clone() *directoryModel {
	c := &directoryModel{
		owner: m.owner, live: maps.Clone(m.live), groups: maps.Clone(m.groups), bots: maps.Clone(m.bots),
		removed: map[string]map[string][]string{},
	}
	for name, people := range m.removed {
		c.removed[name] = maps.Clone(people)
	}
	return c
}

// String is what a reader of the account sees.
func (m *directoryModel) String() string {
	var lines []string
	for email, groups := range m.live {
		lines = append(lines, fmt.Sprintf("%s in %v", email, groups))
	}
	for bot, owner := range m.bots {
		lines = append(lines, fmt.Sprintf("%s of %s", bot, owner))
	}
	slices.Sort(lines)
	return strings.Join(append(lines, "owned by "+m.owner), "\n")
}

// outcomes are what became of those who were refused.
type outcomes map[string]string

func (o outcomes) String() string {
	var lines []string
	for email, outcome := range o {
		lines = append(lines, email+" "+outcome)
	}
	slices.Sort(lines)
	return strings.Join(lines, ", ")
}

func refusals(refs []directory.UserRef, refused []directory.Refusal) outcomes {
	out := outcomes{}
	for _, r := range refused {
		out[refs[r.Ref].Text] = string(r.Reason)
	}
	return out
}

// explain returns the states in which a pair may have left the account, given
// those in which it may have begun: those that a serial order leads to, with the
// outcomes and the state that were seen. orders says which of the two, first
// operation first and second first, it is.
func explain(begin []*directoryModel, ops [2]operation, outcome [2]string, seen string) (end []*directoryModel, orders [2]bool) {
	for _, m := range begin {
		for first := range orders {
			after, second := m.clone(), 1-first
			if ops[first].apply(after) != outcome[first] || ops[second].apply(after) != outcome[second] || after.String() != seen {
				continue
			}
			orders[first] = true
			same := func(m *directoryModel) bool { return fmt.Sprint(*m) == fmt.Sprint(*after) }
			if !slices.ContainsFunc(end, same) {
				end = append(end, after)
			}
		}
	}
	return end, orders
}

// modelRace is an account to which two things are done at once, again and again.
type modelRace struct {
	*testing.T
	db       *sql.DB // beside the directory
	roster   *roster.Roster
	account  string
	caller   auth.Caller
	random   *rand.Rand
	removals ids
	groups   ids
	bots     map[string]string
	admin    string // id of the admin role
	names    int
}

// ids are public ids by name. Two operations of a pair may use it at once.
type ids struct{ byName sync.Map }

func (i *ids) set(name, id string) { i.byName.Store(name, id) }

func (i *ids) get(name string) string {
	id, _ := i.byName.Load(name)
	return fmt.Sprint(id)
}

var raceEmails = []string{"a@x.io", "b@x.io", "c@x.io", "d@x.io"}

func (r *modelRace) people() []string {
	n := 1 + r.random.IntN(3)
	picked := slices.Clone(raceEmails)
	r.random.Shuffle(len(picked), func(i, j int) { picked[i], picked[j] = picked[j], picked[i] })
	return picked[:n]
}

// orgID draws an org user id of two, or none.
func (r *modelRace) orgID() string { return []string{"", "A", "B"}[r.random.IntN(3)] }

// someGroup draws one of the groups, or none.
func (r *modelRace) someGroup(groups []string) string {
	if len(groups) == 0 || r.random.IntN(2) == 0 {
		return ""
	}
	return groups[r.random.IntN(len(groups))]
}

// draw makes up an operation on an account in that state.
func (r *modelRace) draw(m *directoryModel) operation {
	r.names++
	removals, groups := slices.Sorted(maps.Keys(m.removed)), slices.Sorted(maps.Keys(m.groups))
	switch kind := r.random.IntN(18); {
	case kind < 2 && len(removals) > 0:
		return restoreOp(removals[max(0, len(removals)-1-r.random.IntN(3))])
	case kind < 4:
		return createOp(r.people())
	case kind == 4:
		return groupOp(fmt.Sprintf("group %06d", r.names), r.people())
	case kind == 5 && len(groups) > 0:
		return deleteGroupOp(groups[r.random.IntN(len(groups))])
	case kind == 6:
		return transferOp("bot", r.people()[0])
	case kind < 10:
		return makeOp(r.people()[0], r.orgID(), r.someGroup(groups))
	case kind < 12:
		return changeOp(r.people(), fmt.Sprintf("%06d", r.names), r.orgID(), r.someGroup(groups), r.random.IntN(2) == 0)
	case kind < 14:
		return assignOp(r.people(), r.random.IntN(2) == 0)
	case kind == 14:
		return transferOp("", append(r.people(), "owner@x.io")[r.random.IntN(2)])
	case kind > 15 && len(groups) > 0:
		return joinOp(groups[r.random.IntN(len(groups))], r.people(), r.random.IntN(2) == 0)
	}
	return removeOp(fmt.Sprintf("removal %06d", r.names), r.people())
}

// seen reads the account as the model shows it. Whoever owns something, and every
// group, is read through what is alive, so one that is not does not show up.
func (r *modelRace) seen() string {
	r.Helper()
	m := directoryModel{live: map[string][]string{}, bots: map[string]string{}}
	rows, err := r.db.Query(`
SELECT 1, email_key, '' FROM live_members WHERE account_id = $1
UNION ALL SELECT 2, m.email_key, COALESCE(g.name, 'a group that is gone') FROM live_group_members x
  JOIN live_members m ON m.account_id = x.account_id AND m.id = x.member_id
  LEFT JOIN groups g ON g.account_id = x.account_id AND g.id = x.group_id WHERE x.account_id = $1
UNION ALL SELECT 2, m.email_key, 'numbered ' || m.org_user_id FROM live_members m WHERE m.account_id = $1 AND m.org_user_id <> ''
UNION ALL SELECT 2, m.email_key, 'named ' || f.first_name FROM live_members m JOIN member_profiles f ON f.account_id = m.account_id AND f.member_id = m.id
  WHERE m.account_id = $1 AND f.first_name <> ''
UNION ALL SELECT 2, m.email_key, 'the admin role' FROM live_member_roles x JOIN live_members m ON m.account_id = x.account_id AND m.id = x.member_id WHERE x.account_id = $1
UNION ALL SELECT 3, b.name, COALESCE(m.email_key, 'nobody') FROM bots b
  LEFT JOIN live_members m ON m.account_id = b.account_id AND m.id = b.owner_id WHERE b.account_id = $1
UNION ALL SELECT 4, m.email_key, '' FROM accounts a
  JOIN live_members m ON m.account_id = a.id AND m.id = a.owner_id WHERE a.id = $1
ORDER BY 1, 2, 3`, r.caller.Account)
	must(r.T, err)
	defer rows.Close()
	for rows.Next() {
		var kind int
		var who, what string
		must(r.T, rows.Scan(&kind, &who, &what))
		switch kind {
		case 1:
			m.live[who] = nil
		case 2:
			m.live[who] = append(m.live[who], what)
		case 3:
			m.bots[who] = what
		case 4:
			m.owner = who
		}
	}
	must(r.T, rows.Err())
	return m.String()
}

// pairs does n pairs, and returns in how many of them the order matters.
func (r *modelRace) pairs(n int) (ordered int) {
	r.Helper()
	state := []*directoryModel{{
		owner: "owner@x.io", live: map[string][]string{"owner@x.io": nil}, removed: map[string]map[string][]string{},
		groups: map[string]bool{}, bots: map[string]string{"bot": "owner@x.io"},
	}}
	for i := range n {
		ops := [2]operation{r.draw(state[0]), r.draw(state[0])}
		var outcome [2]string
		var errs [2]error
		together(
			func() { outcome[0], errs[0] = ops[0].do(r) },
			func() { outcome[1], errs[1] = ops[1].do(r) },
		)
		must(r.T, errors.Join(errs[:]...))
		seen := r.seen()
		after, orders := explain(state, ops, outcome, seen)
		if len(after) == 0 {
			r.Fatalf("pair %d: no order explains\n%s -> %q\n%s -> %q\nfrom\n%s\nto\n%s", i, ops[0].name, outcome[0], ops[1].name, outcome[1], state[0], seen)
		}
		if orders[0] != orders[1] {
			ordered++
		}
		state = after
	}
	return ordered
}

// TestPairsAtOnceAreExplainedByAnOrder is promise R5: of two things done to an
// account at once, removals, restorations, creations, changes, groups, roles and
// transfers, some serial order explains what came of both and what is left. An account and
// each bot have a live owner, and nobody gets back what another life had.
func TestPairsAtOnceAreExplainedByAnOrder(t *testing.T) {
	t.Parallel()
	// An account gets slower as its history grows, so there are several.
	accounts, pairs := storetest.Count(4, 4), 125
	if storetest.Long() {
		pairs = 1000
	}
	storetest.Each(t, func(t *testing.T, dsn string) {
		r, err := roster.Open(context.Background(), roster.Options{Database: dsn})
		must(t, err)
		t.Cleanup(func() { must(t, r.Close()) })
		seed := uint64(time.Now().UnixNano())
		for i := range accounts {
			t.Run(fmt.Sprintf("seed %d", seed+uint64(i)), func(t *testing.T) {
				t.Parallel()
				account, err := r.CreateAccount(context.Background(), auth.Operator(), "Race", "owner@x.io")
				must(t, err)
				bot, err := r.CreateBot(context.Background(), auth.Operator(), account, "bot", "owner@x.io")
				must(t, err)
				role, err := r.FindRole(context.Background(), auth.Operator(), account, directory.AdminRole, directory.RoleAdmin)
				must(t, err)
				race := &modelRace{
					T: t, db: storetest.SQL(t, dsn), roster: r, account: account, caller: callerOf(t, dsn, account), random: rand.New(rand.NewPCG(seed, uint64(i))),
					bots: map[string]string{"bot": bot}, admin: role.PublicID,
				}
				t.Logf("of %d pairs the order is seen in %d", pairs, race.pairs(pairs))
			})
		}
	})
}

// The control: outcomes and states that no order leads to are found out.
func TestAnomaliesAreSeen(t *testing.T) {
	t.Parallel()
	begin := &directoryModel{
		owner: "o", live: map[string][]string{"o": nil, "a": {"group g"}}, groups: map[string]bool{"group g": true}, bots: map[string]string{"bot": "o"},
		removed: map[string]map[string][]string{"r": {"b": {"group g"}}},
	}
	for _, c := range []struct {
		says    string
		ops     [2]operation
		outcome [2]string
		seen    string
	}{
		{"one person removed twice", [2]operation{removeOp("1", []string{"a"}), removeOp("2", []string{"a"})}, [2]string{}, "bot of o\no in []\nowned by o"},
		{"an owner removed", [2]operation{removeOp("1", []string{"a"}), transferOp("bot", "a")}, [2]string{}, "bot of a\no in []\nowned by o"},
		{
			"two lives in one",
			[2]operation{restoreOp("r"), createOp([]string{"b"})},
			[2]string{"b USER_EXISTS", "1"},
			"a in [group g]\nb in [group g]\nbot of o\no in []\nowned by o",
		},
		{
			"a restored member in a group that is gone",
			[2]operation{restoreOp("r"), deleteGroupOp("group g")},
			[2]string{},
			"a in []\nb in [group g]\nbot of o\no in []\nowned by o",
		},
		{
			"two with one org id",
			[2]operation{makeOp("c", "A", ""), makeOp("d", "A", "")},
			[2]string{},
			"a in [group g]\nbot of o\nc in [numbered A]\nd in [numbered A]\no in []\nowned by o",
		},
		{
			"a role that outlives a removal",
			[2]operation{assignOp([]string{"a"}, true), removeOp("1", []string{"a"})},
			[2]string{"USER_NOT_FOUND", ""},
			"a in [the admin role]\nbot of o\no in []\nowned by o",
		},
		{
			"one of two changes lost",
			[2]operation{changeOp([]string{"a"}, "x", "", "", false), changeOp([]string{"a"}, "", "A", "", false)},
			[2]string{},
			"a in [group g named x]\nbot of o\no in []\nowned by o",
		},
		{"nobody owns it", [2]operation{removeOp("1", []string{"a"}), transferOp("", "a")}, [2]string{}, "bot of o\no in []\nowned by "},
	} {
		if end, _ := explain([]*directoryModel{begin}, c.ops, c.outcome, c.seen); len(end) != 0 {
			t.Errorf("%s: explained by\n%s", c.says, end[0])
		}
	}
	right := [2]operation{removeOp("1", []string{"a"}), removeOp("2", []string{"a"})}
	end, orders := explain([]*directoryModel{begin}, right, [2]string{"a USER_NOT_FOUND", ""}, "bot of o\no in []\nowned by o")
	if len(end) != 1 || orders != [2]bool{false, true} {
		t.Errorf("orders %v explain two removals of one person, of which the first comes second", orders)
	}
}
