package roster_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
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
// folded, and groups sorted.
type directoryModel struct {
	owner   string
	live    map[string][]string            // address -> the groups of this life
	removed map[string]map[string][]string // removal -> address -> the groups of that life
	groups  map[string]bool
	bots    map[string]string // name -> address of the owner
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

// operation is something that is done to an account: what it is called, what it
// does to the model and what comes of it, and how it is done.
type operation struct {
	name  string
	apply func(*directoryModel) (outcome string)
	do    func(*modelRace) (outcome string, err error)
}

func removeOp(name string, emails []string) operation {
	return operation{
		name: fmt.Sprintf("%s: remove %v", name, emails),
		apply: func(m *directoryModel) string {
			out := outcomes{}
			gone := map[string][]string{}
			for _, email := range emails {
				groups, live := m.live[email]
				switch owns := slices.Contains(slices.Collect(maps.Values(m.bots)), email); {
				case !live:
					out[email] = string(directory.ReasonUserNotFound)
				case email == m.owner:
					out[email] = string(directory.ReasonAccountOwner)
				case owns:
					out[email] = string(directory.ReasonBotOwner)
				default:
					gone[email] = groups
					delete(m.live, email)
				}
			}
			m.removed[name] = gone
			return out.String()
		},
		do: func(r *modelRace) (string, error) {
			refs := make([]directory.UserRef, len(emails))
			for i, email := range emails {
				refs[i] = directory.UserRef{Text: email}
			}
			out, err := r.roster.RemoveUsers(context.Background(), r.caller, refs, roster.RemovalOptions{})
			r.removals.set(name, out.PublicID)
			return refusals(refs, out.Refused).String(), err
		},
	}
}

func restoreOp(removal string) operation {
	return operation{
		name: "restore " + removal,
		apply: func(m *directoryModel) string {
			out := outcomes{}
			for email, groups := range m.removed[removal] {
				if _, exists := m.live[email]; exists {
					out[email] = string(directory.ReasonUserExists)
					continue
				}
				m.live[email] = slices.DeleteFunc(slices.Clone(groups), func(g string) bool { return !m.groups[g] })
				delete(m.removed[removal], email)
			}
			return out.String()
		},
		do: func(r *modelRace) (string, error) {
			out, err := r.roster.RestoreUsers(context.Background(), r.caller, "", r.removals.get(removal), nil, roster.RestoreOptions{})
			return refusals(out.Refs, out.Refused).String(), err
		},
	}
}

func createOp(emails []string) operation {
	return operation{
		name: fmt.Sprintf("create %v", emails),
		apply: func(m *directoryModel) string {
			created := 0
			for _, email := range emails {
				if _, exists := m.live[email]; !exists {
					m.live[email] = nil
					created++
				}
			}
			return strconv.Itoa(created)
		},
		do: func(r *modelRace) (string, error) {
			rows := make([]roster.ImportRow, len(emails))
			for i, email := range emails {
				rows[i] = roster.ImportRow{Line: i + 1, Email: email}
			}
			out, err := r.roster.ImportUsers(context.Background(), auth.Operator(), r.account, rows, roster.ImportOptions{SkipBad: true})
			return strconv.Itoa(out.Created), err
		},
	}
}

func groupOp(name string, emails []string) operation {
	return operation{
		name: fmt.Sprintf("%s of %v", name, emails),
		apply: func(m *directoryModel) string {
			for _, email := range emails {
				if _, live := m.live[email]; !live {
					return "not found"
				}
			}
			m.groups[name] = true
			for _, email := range emails {
				m.live[email] = append(slices.Clone(m.live[email]), name)
			}
			return ""
		},
		do: func(r *modelRace) (string, error) {
			id, err := r.roster.CreateGroup(context.Background(), auth.Operator(), r.account, name, emails)
			r.groups.set(name, id)
			return notFound(err)
		},
	}
}

func deleteGroupOp(name string) operation {
	return operation{
		name: "delete " + name,
		apply: func(m *directoryModel) string {
			if !m.groups[name] {
				return "not found"
			}
			delete(m.groups, name)
			for email, groups := range m.live {
				m.live[email] = slices.DeleteFunc(slices.Clone(groups), func(g string) bool { return g == name })
			}
			return ""
		},
		do: func(r *modelRace) (string, error) {
			return notFound(r.roster.DeleteGroup(context.Background(), auth.Operator(), r.account, r.groups.get(name)))
		},
	}
}

// transferOp gives a bot, or without one the account, to somebody.
func transferOp(bot, email string) operation {
	return operation{
		name: fmt.Sprintf("give %q to %s", bot, email),
		apply: func(m *directoryModel) string {
			if _, live := m.live[email]; !live {
				return "not found"
			}
			if bot == "" {
				m.owner = email
			} else {
				m.bots[bot] = email
			}
			return ""
		},
		do: func(r *modelRace) (string, error) {
			var err error
			if bot == "" {
				_, err = r.roster.TransferAccount(context.Background(), auth.Operator(), r.account, email)
			} else {
				_, err = r.roster.TransferBot(context.Background(), auth.Operator(), r.account, r.bots[bot], email)
			}
			return notFound(err)
		},
	}
}

func notFound(err error) (string, error) {
	if errors.Is(err, directory.ErrNotFound) {
		return "not found", nil
	}
	return "", err
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

// draw makes up an operation on an account in that state.
func (r *modelRace) draw(m *directoryModel) operation {
	r.names++
	removals, groups := slices.Sorted(maps.Keys(m.removed)), slices.Sorted(maps.Keys(m.groups))
	switch kind := r.random.IntN(10); {
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
	case kind == 7:
		return transferOp("", append(r.people(), "owner@x.io")[r.random.IntN(2)])
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
// account at once, removals, restorations, re-creations, groups and transfers,
// some serial order explains what came of both and what is left. An account and
// each bot have a live owner, and nobody gets back what another life had.
func TestPairsAtOnceAreExplainedByAnOrder(t *testing.T) {
	t.Parallel()
	const accounts = 4
	pairs := 250
	if long {
		pairs = 25_000
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
				race := &modelRace{
					T: t, db: storetest.SQL(t, dsn), roster: r, account: account, caller: callerOf(t, dsn, account), random: rand.New(rand.NewPCG(seed, uint64(i))),
					bots: map[string]string{"bot": bot},
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
		owner: "o", live: map[string][]string{"o": nil, "a": {"g"}}, groups: map[string]bool{"g": true}, bots: map[string]string{"bot": "o"},
		removed: map[string]map[string][]string{"r": {"b": {"g"}}},
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
			"a in [g]\nb in [g]\nbot of o\no in []\nowned by o",
		},
		{
			"a restored member in a group that is gone",
			[2]operation{restoreOp("r"), deleteGroupOp("g")},
			[2]string{},
			"a in []\nb in [g]\nbot of o\no in []\nowned by o",
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
