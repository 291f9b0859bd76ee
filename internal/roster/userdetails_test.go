package roster_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/store"
	"roster/internal/storetest"
)

// What the log says of one person, read in parts of any size, is what all of the log
// says of them: also of those who are out, came back, were made again after they had
// been erased, or went with a job or for good.
func TestHistoryIsTheLogOfOne(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		seed := uint64(time.Now().UnixNano())
		h := newHistoryBench(t, dsn, rand.New(rand.NewPCG(seed, 0)))
		for i := range 120 {
			h.step(i)
		}
		ctx, operator := context.Background(), auth.Operator()
		h.create("one", h.everybody)
		h.remove("one", h.everybody...)
		last, err := h.roster.Removals(ctx, operator, h.account["one"], directory.Page{Limit: 1})
		must(t, err)
		_, err = h.roster.RestoreUsers(ctx, operator, h.account["one"], last.Removals[0].PublicID, []directory.UserRef{{Text: h.everybody[0]}}, roster.RestoreOptions{})
		must(t, err)
		log, err := h.roster.AuditRecords(ctx, operator, h.account["one"], directory.AuditQuery{Page: directory.Page{Limit: 10_000}})
		must(t, err)
		kinds := map[directory.AuditKind]int{}
		for userID := range h.ids(h.everybody...) {
			var want []directory.AuditRecord
			for _, rec := range log.Items {
				if rec.UserID == userID {
					want = append(want, rec)
					kinds[rec.Kind]++
				}
			}
			for _, limit := range []int{1, 2, 7, 1000} {
				var got []directory.AuditRecord
				var before *directory.AuditPosition
				for {
					part, err := h.roster.UserHistory(ctx, operator, h.account["one"], userID, before, limit)
					must(t, err)
					if got = append(got, part.Records...); len(part.Records) > limit {
						t.Fatalf("a part of %d has %d records", limit, len(part.Records))
					}
					if before = part.Next; before == nil {
						break
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("seed %d: %s by %d (-want +got):\n%s", seed, userID, limit, diff)
				}
			}
		}
		for _, kind := range []directory.AuditKind{directory.AuditUserDeleted, directory.AuditUserRestored, directory.AuditUserErased, directory.AuditUserCreated} {
			if kinds[kind] == 0 {
				t.Errorf("seed %d: no record of the kind %s", seed, kind)
			}
		}
	})
}

// historyBench are people of two accounts who come and go in the first.
type historyBench struct {
	*purgeBench
	random    *rand.Rand
	forGood   *roster.Roster // whose removals erase at once
	everybody []string
	removals  []string
}

func newHistoryBench(t *testing.T, dsn string, random *rand.Rand) *historyBench {
	h := &historyBench{purgeBench: newPurgeBench(t, dsn, roster.Options{JobChunk: 2}), random: random}
	var err error
	h.forGood, err = roster.Open(context.Background(), roster.Options{Database: dsn, EraseAtOnce: true, JobChunk: 2})
	must(t, err)
	t.Cleanup(func() { must(t, h.forGood.Close()) })
	for i := range 5 {
		h.everybody = append(h.everybody, fmt.Sprintf("u%d@x.io", i))
	}
	h.create("two", h.everybody)
	h.create("one", h.everybody)
	return h
}

// create makes those of them who are not there.
func (h *historyBench) create(account string, emails []string) {
	h.Helper()
	rows := make([]roster.ImportRow, len(emails))
	for i, email := range emails {
		rows[i] = roster.ImportRow{Line: i + 1, Email: email}
	}
	_, err := h.roster.ImportUsers(context.Background(), auth.Operator(), h.account[account], rows, roster.ImportOptions{SkipBad: true})
	h.check(err)
}

// ids are the user ids of people whom the other account keeps, with their addresses.
func (h *historyBench) ids(emails ...string) map[string]string {
	refs := make([]directory.UserRef, len(emails))
	for i, email := range emails {
		refs[i].Text = email
	}
	found, err := h.roster.ReadUsers(context.Background(), auth.Operator(), h.account["two"], refs)
	h.check(err)
	ids := map[string]string{}
	for _, user := range found {
		ids[user.UserID] = user.Email
	}
	if len(ids) != len(emails) {
		h.Fatalf("%d of %d people have an id", len(ids), len(emails))
	}
	return ids
}

// step does something at random; what cannot be done then is refused.
func (h *historyBench) step(i int) {
	ctx, operator := context.Background(), auth.Operator()
	some := slices.Clone(h.everybody)
	h.random.Shuffle(len(some), func(i, k int) { some[i], some[k] = some[k], some[i] })
	some = some[:1+h.random.IntN(len(some))]
	refs := make([]directory.UserRef, len(some))
	for i, email := range some {
		refs[i].Text = email
	}
	var removal directory.Removal
	var err error
	switch h.random.IntN(12) {
	case 0:
		_, err = h.roster.CreateGroup(ctx, operator, h.account["one"], fmt.Sprint("G", i), some)
	case 1:
		err = h.roster.AssignRole(ctx, operator, h.account["one"], directory.RoleAdmin, "", some)
	case 2: // several records of one person in an entry
		var id string
		id, err = h.roster.CreateGroup(ctx, operator, h.account["one"], fmt.Sprint("H", i), nil)
		h.check(err)
		item := directory.UserItem{Email: some[0], AddGroups: []string{id}, OrgUserID: fmt.Sprint("E", i)}
		_, err = h.roster.UpdateUsers(ctx, operator, h.account["one"], []directory.UserItem{item}, roster.UserOptions{})
	case 3:
		removal, err = h.roster.RemoveUsers(ctx, h.caller["one"], refs, roster.RemovalOptions{})
	case 4:
		removal, err = h.forGood.RemoveUsers(ctx, h.caller["one"], refs, roster.RemovalOptions{})
	case 5:
		r := []*roster.Roster{h.roster, h.forGood}[h.random.IntN(2)]
		var job directory.RemovalRecord
		job, err = queueRefs(ctx, r, h.caller["one"], refs)
		removal.PublicID = job.PublicID
		workAll(h.T, r)
	case 6:
		h.create("one", some)
	default:
		if len(h.removals) == 0 {
			return
		}
		id := h.removals[max(0, len(h.removals)-1-h.random.IntN(3))]
		if h.random.IntN(4) == 0 {
			_, err = h.roster.PurgeRemoval(ctx, operator, h.account["one"], id)
		} else {
			_, err = h.roster.RestoreUsers(ctx, operator, h.account["one"], id, refs, roster.RestoreOptions{})
		}
	}
	if err != nil && !errors.Is(err, directory.ErrNotFound) && !errors.Is(err, directory.ErrGone) && !errors.Is(err, directory.ErrInvalid) && !errors.Is(err, directory.ErrState) {
		h.Fatal(err)
	}
	if removal.PublicID != "" {
		h.removals = append(h.removals, removal.PublicID)
	}
}

// Everything about a user takes as many statements for one who has much as for one
// who has nothing.
func TestUserTakesAFixedNumberOfStatements(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx, operator := context.Background(), auth.Operator()
		var trace []string
		r, err := roster.Open(ctx, roster.Options{Database: dsn, Store: store.Options{Trace: func(query string) { trace = append(trace, query) }}})
		must(t, err)
		defer func() { must(t, r.Close()) }()
		account, err := r.CreateAccount(ctx, operator, "X", "owner@x.io")
		must(t, err)
		_, err = r.ImportUsers(ctx, operator, account, []roster.ImportRow{{Line: 1, Email: "much@x.io"}, {Line: 2, Email: "bare@x.io"}}, roster.ImportOptions{})
		must(t, err)
		for i := range 20 {
			bot, err := r.CreateBot(ctx, operator, account, fmt.Sprint("B", i), "much@x.io")
			must(t, err)
			must(t, r.AssignRole(ctx, operator, account, directory.RoleBotTester, bot, []string{"much@x.io"}))
			_, err = r.CreateGroup(ctx, operator, account, fmt.Sprint("G", i), []string{"much@x.io"})
			must(t, err)
			tasks := []directory.TaskRef{{BotID: bot}}
			_, err = r.UpdateUsers(ctx, operator, account, []directory.UserItem{{Email: "much@x.io", Tasks: &tasks}}, roster.UserOptions{})
			must(t, err)
		}
		found, err := r.ReadUsers(ctx, operator, account, []directory.UserRef{{Text: "much@x.io"}, {Text: "bare@x.io"}})
		must(t, err)
		cost := func(userID string) []string {
			trace = nil
			user, err := r.User(ctx, operator, account, userID)
			must(t, err)
			if n := len(user.OwnBots()); n != 0 && n != 20 {
				t.Errorf("%s owns %d bots", user.Email, n)
			}
			_, err = r.UserHistory(ctx, operator, account, userID, nil, 50)
			must(t, err)
			return trace
		}
		much, bare := cost(found[0].UserID), cost(found[1].UserID)
		if diff := cmp.Diff(bare, much); diff != "" || len(much) > 20 {
			t.Errorf("%d and %d statements (-bare +much):\n%s", len(bare), len(much), diff)
		}
	})
}

// An app needs the scopes, and an account's own app sees no other account.
func TestWhoMayReadAUser(t *testing.T) {
	t.Parallel()
	ctx, operator := context.Background(), auth.Operator()
	dsn := storetest.New(t, "sqlite")
	r, err := roster.Open(ctx, roster.Options{Database: dsn})
	must(t, err)
	defer func() { must(t, r.Close()) }()
	account, err := r.CreateAccount(ctx, operator, "X", "owner@x.io")
	must(t, err)
	found, err := r.ReadUsers(ctx, operator, account, []directory.UserRef{{Text: "owner@x.io"}})
	must(t, err)
	caller := callerOf(t, dsn, account)
	bare := auth.AppCaller(directory.App{Account: caller.Account, Origin: directory.OriginAdminConsole}, auth.Claims{})
	foreign := auth.AppCaller(directory.App{Account: caller.Account + 1, Origin: directory.OriginAdminConsole, Scopes: directory.Scopes()}, auth.Claims{})
	for name, c := range map[string]auth.Caller{"no scope": bare, "another account": foreign, "nobody": {}} {
		_, err := r.User(ctx, c, account, found[0].UserID)
		_, removedErr := r.RemovedUser(ctx, c, account, found[0].UserID)
		_, historyErr := r.UserHistory(ctx, c, account, found[0].UserID, nil, 1)
		_, endErr := r.EndUserSessions(ctx, c, account, found[0].UserID)
		if err == nil || removedErr == nil || errors.Is(removedErr, directory.ErrNotFound) || historyErr == nil || endErr == nil {
			t.Errorf("%s: %v, %v, %v, %v", name, err, removedErr, historyErr, endErr)
		}
	}
	if _, err := r.UserHistory(ctx, operator, account, "u-nobody", nil, 1); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("nobody's history: %v", err)
	}
	if _, err := r.UserHistory(ctx, operator, account, found[0].UserID, nil, 0); !errors.Is(err, directory.ErrInvalid) {
		t.Errorf("a limit of 0: %v", err)
	}
}
