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

// What the log says of one person, read in parts of any size, is what all of the
// log says of them.
func TestHistoryIsTheLogOfOne(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx, operator := context.Background(), auth.Operator()
		seed := uint64(time.Now().UnixNano())
		random := rand.New(rand.NewPCG(seed, 0))
		r, err := roster.Open(ctx, roster.Options{Database: dsn})
		must(t, err)
		defer func() { must(t, r.Close()) }()
		account, err := r.CreateAccount(ctx, operator, "X", "owner@x.io")
		must(t, err)
		other, err := r.CreateAccount(ctx, operator, "Y", "owner@y.io")
		must(t, err)
		var rows []roster.ImportRow
		var everybody []string
		for i := range 5 {
			rows = append(rows, roster.ImportRow{Line: i + 1, Email: fmt.Sprintf("u%d@x.io", i)})
			everybody = append(everybody, rows[i].Email)
		}
		for _, id := range []string{account, other} {
			_, err := r.ImportUsers(ctx, operator, id, rows, roster.ImportOptions{})
			must(t, err)
		}
		for i := range 30 {
			some := slices.Clone(everybody)
			random.Shuffle(len(some), func(i, k int) { some[i], some[k] = some[k], some[i] })
			some = some[:1+random.IntN(len(some))]
			in := []string{account, account, other}[random.IntN(3)]
			switch random.IntN(3) {
			case 0:
				_, err = r.CreateGroup(ctx, operator, in, fmt.Sprint("G", i), some)
			case 1:
				err = r.AssignRole(ctx, operator, in, directory.RoleAdmin, "", some)
			default: // several records of one person in an entry
				email := some[0]
				id, err := r.CreateGroup(ctx, operator, in, fmt.Sprint("H", i), nil)
				must(t, err)
				item := directory.UserItem{Email: email, AddGroups: []string{id}, OrgUserID: fmt.Sprint("E", i)}
				_, err = r.UpdateUsers(ctx, operator, in, []directory.UserItem{item}, roster.UserOptions{})
				must(t, err)
			}
			must(t, err)
		}
		log, err := r.AuditRecords(ctx, operator, account, directory.AuditQuery{Page: directory.Page{Limit: 10_000}})
		must(t, err)
		found, err := r.ReadUsers(ctx, operator, account, []directory.UserRef{{Text: "u0@x.io"}, {Text: "u3@x.io"}, {Text: "owner@x.io"}})
		must(t, err)
		for _, user := range found {
			var want []directory.AuditRecord
			for _, rec := range log.Items {
				if rec.UserID == user.UserID {
					want = append(want, rec)
				}
			}
			for _, limit := range []int{1, 2, 7, 1000} {
				var got []directory.AuditRecord
				var before *directory.AuditPosition
				for {
					part, err := r.UserHistory(ctx, operator, account, user.UserID, before, limit)
					must(t, err)
					if got = append(got, part.Records...); len(part.Records) > limit {
						t.Fatalf("a part of %d has %d records", limit, len(part.Records))
					}
					if before = part.Next; before == nil {
						break
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("seed %d: %s by %d (-want +got):\n%s", seed, user.Email, limit, diff)
				}
			}
		}
	})
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
		_, historyErr := r.UserHistory(ctx, c, account, found[0].UserID, nil, 1)
		_, endErr := r.EndUserSessions(ctx, c, account, found[0].UserID)
		if err == nil || historyErr == nil || endErr == nil {
			t.Errorf("%s: %v, %v, %v", name, err, historyErr, endErr)
		}
	}
	if _, err := r.UserHistory(ctx, operator, account, "u-nobody", nil, 1); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("nobody's history: %v", err)
	}
	if _, err := r.UserHistory(ctx, operator, account, found[0].UserID, nil, 0); !errors.Is(err, directory.ErrInvalid) {
		t.Errorf("a limit of 0: %v", err)
	}
}
