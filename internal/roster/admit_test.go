package roster_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/store"
	"roster/internal/storetest"
)

// onceToken is what counts of a token that is good for one call.
func onceToken(jti string, expires time.Time) auth.Claims {
	return auth.Claims{JTI: jti, Expires: expires}
}

// What admission asks the database, call by call. With no limits and no token
// to remember that is nothing.
func TestStatementsOfAdmission(t *testing.T) {
	t.Parallel()
	want := map[string]map[string]int{
		"sqlite":   {"nothing": 0, "limits": 0, "token": 2, "both": 2, "over": 0}, // insert and commit
		"postgres": {"nothing": 0, "limits": 2, "token": 2, "both": 2, "over": 2}, // in one round trip
	}
	storetest.Each(t, func(t *testing.T, dsn string) {
		var trace []string
		now := time.Unix(1_800_000_000, 0)
		r, err := roster.Open(context.Background(), roster.Options{Database: dsn, Store: store.Options{
			Trace: func(query string) { trace = append(trace, query) }, Clock: func() time.Time { return now },
		}})
		must(t, err)
		defer r.Close()
		app := directory.App{ID: 1, Account: 1, Origin: directory.OriginAdminConsole, Scopes: []directory.Scope{directory.ScopeUserManagement}}
		limited := app
		limited.RateLimits = &directory.RateLimits{{Calls: 3, Period: time.Minute}}
		for _, c := range []struct {
			kind   string
			caller auth.Caller
			kindOf error
		}{
			{"first", auth.AppCaller(limited, auth.Claims{}), nil}, // reads the audit log on SQLite
			{"nothing", auth.AppCaller(app, auth.Claims{}), nil},
			{"limits", auth.AppCaller(limited, auth.Claims{}), nil},
			{"token", auth.AppCaller(app, onceToken("a", now)), nil},
			{"both", auth.AppCaller(limited, onceToken("b", now)), nil},
			{"over", auth.AppCaller(limited, auth.Claims{}), directory.ErrRateLimited},
			{"replay", auth.AppCaller(limited, onceToken("b", now)), auth.ErrReplayed},
			{"scope", auth.AppCaller(directory.App{ID: 1, Origin: directory.OriginAdminConsole}, onceToken("b", now)), auth.ErrScope},
			{"operator", auth.Operator(), nil},
		} {
			trace = nil
			if _, err := r.Admit(context.Background(), c.caller, directory.ScopeUserManagement); !errors.Is(err, c.kindOf) {
				t.Errorf("%s: %v, want %v", c.kind, err, c.kindOf)
			}
			if n, ok := want[r.Engine()][c.kind]; ok && len(trace) != n {
				t.Errorf("%s: %d statements instead of %d:\n%s", c.kind, len(trace), n, strings.Join(trace, "\n"))
			}
		}
	})
}

// A used token is kept for as long as its app could send it again, on a server
// whose clock is behind too.
func TestUsedTokensAreKeptLongEnough(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		now := time.Unix(1_800_000_000, 0)
		r, err := roster.Open(context.Background(), roster.Options{Database: dsn, Store: store.Options{Clock: func() time.Time { return now }}})
		must(t, err)
		defer r.Close()
		expires := now.Add(10 * time.Minute)
		caller := auth.AppCaller(directory.App{ID: 1, Account: 1, Origin: directory.OriginAdminConsole, Scopes: directory.Scopes()}, onceToken("a", expires))
		_, err = r.Admit(context.Background(), caller, directory.ScopeUserManagement)
		must(t, err)
		for _, step := range []struct {
			at   time.Time
			gone int
		}{
			{expires, 0},
			{expires.Add(auth.Leeway), 0},
			{expires.Add(auth.Leeway + time.Minute), 0},
			{expires.Add(auth.Leeway + time.Minute + time.Microsecond), 1},
		} {
			now = step.at
			n, err := r.ForgetCalls(context.Background(), auth.System())
			must(t, err)
			if n != step.gone {
				t.Errorf("%v after it has expired %d tokens are forgotten", now.Sub(expires), n)
			}
		}
		if _, err := r.ForgetCalls(context.Background(), caller); !errors.Is(err, directory.ErrDenied) {
			t.Errorf("an app may forget calls: %v", err)
		}
	})
}

// An account's limits are set by the operator alone, and that is recorded.
func TestSetRateLimits(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		r, err := roster.Open(ctx, roster.Options{Database: dsn})
		must(t, err)
		defer r.Close()
		account, err := r.CreateAccount(ctx, auth.Operator(), "X", "owner@x.io")
		must(t, err)
		limits := directory.DefaultRateLimits()
		if err := r.SetRateLimits(ctx, callerOf(t, dsn, account), account, nil); !errors.Is(err, directory.ErrDenied) {
			t.Errorf("an app may set its limits: %v", err)
		}
		for _, step := range []struct {
			limits *directory.RateLimits
			want   string
		}{{&limits, "60/m,1800/h"}, {&directory.RateLimits{}, "off"}, {nil, "<nil>"}} {
			must(t, r.SetRateLimits(ctx, auth.Operator(), account, step.limits))
			row := storetest.Dump(t, dsn)["accounts"][0]
			if got := row[strings.LastIndex(row, "|")+1:]; got != step.want {
				t.Errorf("the account has the limits %s, want %s", got, step.want)
			}
		}
		records := storetest.Dump(t, dsn)["audit_records"]
		modified := slices.DeleteFunc(records, func(r string) bool { return !strings.Contains(r, "|account.modified|") })
		if len(modified) != 3 {
			t.Errorf("%d records of three changes", len(modified))
		}
		_, err = r.VerifyAudit(ctx, auth.Operator())
		must(t, err)
	})
}
