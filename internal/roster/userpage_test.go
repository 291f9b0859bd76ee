package roster_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// Pages of users hold each of those who were there all the time exactly once, in
// order, whatever comes and goes between two pages.
func TestUserPagesDoNotShift(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		seed := uint64(time.Now().UnixNano())
		random := rand.New(rand.NewPCG(seed, 0))
		r, err := roster.Open(ctx, roster.Options{Database: dsn})
		must(t, err)
		defer func() { must(t, r.Close()) }()
		account, err := r.CreateAccount(ctx, auth.Operator(), "X", "owner@x.io")
		must(t, err)
		other, err := r.CreateAccount(ctx, auth.Operator(), "Y", "owner@y.io")
		must(t, err)
		caller := callerOf(t, dsn, account)
		row := func(email, orgID string) roster.ImportRow {
			return roster.ImportRow{Line: 1, Email: email, OrgUserID: orgID, Profile: directory.Profile{FirstName: "N " + email}}
		}
		stay := []string{"owner@x.io"}
		var rows, others []roster.ImportRow
		for i := range 60 {
			email := fmt.Sprintf("%c%cé%02d@x.io", 'a'+random.IntN(3), 'a'+random.IntN(3), i)
			stay = append(stay, email)
			orgID := ""
			if i%3 > 0 {
				orgID = fmt.Sprintf("E%c%02d", 'A'+random.IntN(3), i)
			}
			rows = append(rows, row(email, orgID))
			others = append(others, row("foreign."+email, "F"+orgID))
		}
		for _, one := range []struct {
			account string
			rows    []roster.ImportRow
		}{{account, rows}, {other, others}} {
			_, err := r.ImportUsers(ctx, auth.Operator(), one.account, one.rows, roster.ImportOptions{})
			must(t, err)
		}
		n := 0
		disturb := func() {
			n++
			comes := row(fmt.Sprintf("%c%c%d@guest.io", 'a'+random.IntN(3), 'a'+random.IntN(3), n), "")
			_, err := r.ImportUsers(ctx, auth.Operator(), account, []roster.ImportRow{comes}, roster.ImportOptions{})
			must(t, err)
			if n%2 == 0 {
				_, err := r.RemoveUsers(ctx, caller, []directory.UserRef{{Text: comes.Email}}, roster.RemovalOptions{})
				must(t, err)
			}
		}
		slices.Sort(stay)
		for _, q := range []directory.UserQuery{
			{Limit: 7},
			{Limit: 1},
			{Limit: 1000},
			{Limit: 4, Search: " ABÉ"},
			{Limit: 3, Search: "own", Descending: true},
			{Limit: 5, Order: directory.OrderByOrgUserID},
			{Limit: 2, Order: directory.OrderByOrgUserID, Search: "eb0"},
			{Limit: 3, Order: directory.OrderByName, Search: "abe"},
		} {
			var want, got []string
			for _, email := range stay {
				key := email
				if q.Order == directory.OrderByOrgUserID {
					i := slices.IndexFunc(rows, func(r roster.ImportRow) bool { return r.Email == email })
					if i < 0 || rows[i].OrgUserID == "" {
						continue
					}
					key = rows[i].OrgUserID
				}
				if search := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(q.Search)), "é", "e"); strings.Contains(strings.ReplaceAll(strings.ToLower(email+" "+key), "é", "e"), search) {
					want = append(want, key+" "+email)
				}
			}
			slices.Sort(want)
			if q.Descending {
				slices.Reverse(want)
			}
			for {
				page, err := r.UserPage(ctx, caller, "", q)
				must(t, err)
				if len(page.Users) > q.Limit {
					t.Fatalf("a page of %d has %d", q.Limit, len(page.Users))
				}
				for _, u := range page.Users {
					key := u.Email
					if q.Order == directory.OrderByOrgUserID {
						key = u.OrgUserID
					}
					if !strings.Contains(u.Email, "@guest.io") {
						got = append(got, key+" "+u.Email)
					}
				}
				if page.Next == "" {
					break
				}
				q.From = page.Next
				disturb()
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("seed %d, %+v (-want +got):\n%s", seed, q, diff)
			}
		}
	})
}

// A query that cannot be meant is refused, and so is who may not look.
func TestUserPagesThatAreRefused(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dsn := storetest.New(t, "sqlite")
	r, err := roster.Open(ctx, roster.Options{Database: dsn})
	must(t, err)
	defer func() { must(t, r.Close()) }()
	account, err := r.CreateAccount(ctx, auth.Operator(), "X", "owner@x.io")
	must(t, err)
	caller := callerOf(t, dsn, account)
	for _, q := range []directory.UserQuery{
		{},
		{Limit: -1},
		{Limit: 1, Search: "ab"},
		{Limit: 1, Search: "ab cd"},
		{Limit: 1, Search: "ab\x00c"},
		{Limit: 1, Search: "\xff\xff\xff"},
		{Limit: 1, Search: strings.Repeat("x", 201)},
		{Limit: 1, From: "a\x00"},
		{Limit: 1, Order: "x"},
		{Limit: 1, Role: "nobody's"},
	} {
		if _, err := r.UserPage(ctx, caller, "", q); !errors.Is(err, directory.ErrInvalid) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if _, err := r.UserPage(ctx, auth.AppCaller(directory.App{Account: caller.Account, Origin: directory.OriginAdminConsole}, auth.Claims{}), "", directory.UserQuery{Limit: 1}); err == nil {
		t.Error("an app without the scope may look at users")
	}
}
