package roster_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// latest is the newest removal of the account one, as the operator sees it.
func (p *purgeBench) latest() directory.RemovalRecord {
	p.Helper()
	page, err := p.roster.Removals(context.Background(), auth.Operator(), p.account["one"], directory.Page{Limit: 1})
	p.check(err)
	record, err := p.roster.Removal(context.Background(), auth.Operator(), p.account["one"], page.Removals[0].PublicID)
	p.check(err)
	return record
}

// A removal tells its operator who asked, what became of it, and until when it
// can be undone.
func TestRemovalRecord(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		p := newPurgeBench(t, dsn, roster.Options{RestoreWindow: time.Hour, Secrets: true, SecretKeyFile: filepath.Join(t.TempDir(), "key")})
		ctx := context.Background()
		p.users("one", "ann@example.com", "bo@example.com")
		clientID, _, err := p.roster.CreateApp(ctx, auth.Operator(), p.account["one"],
			roster.NewApp{Name: "HR", Origin: directory.OriginAdminConsole, Scopes: []directory.Scope{directory.ScopeUserManagement}})
		p.check(err)
		app, err := p.roster.App(ctx, auth.Operator(), clientID)
		p.check(err)
		caller := auth.AppCaller(app.App, auth.Claims{Label: "nightly"})
		out, err := p.roster.RemoveUsers(ctx, caller, []directory.UserRef{{Text: "ann@example.com"}, {Text: "bo@example.com"}, {Text: "x"}},
			roster.RemovalOptions{RequestID: "r-1"})
		p.check(err)

		got := p.latest()
		if got.PublicID != out.PublicID || got.Actor.Kind != directory.ActorApp || got.ClientID != clientID || got.Actor.Label != "nightly" || got.RequestID != "r-1" {
			t.Errorf("it is about %+v", got)
		}
		if got.Requested != 3 || got.Removed != 2 || got.Failed() != 1 || got.Left() != 2 || len(got.Refused) != 1 || got.Refused[0].Ref.Text != "x" {
			t.Errorf("it counts %+v", got)
		}
		if !got.Purged.IsZero() || !got.RestorableUntil.Equal(got.Created.Add(time.Hour)) || time.Since(got.Created) > time.Minute {
			t.Errorf("its times are %v, %v, %v", got.Created, got.RestorableUntil, got.Purged)
		}
		storetest.Exec(t, dsn, "UPDATE removals SET restored = 1")
		if got := p.latest(); got.Restored != 1 || got.Left() != 1 {
			t.Errorf("one came back: %+v", got)
		}
		storetest.Exec(t, dsn, "UPDATE removals SET restored = 0")

		// The operator removes too, and has no client id.
		operator := auth.Operator()
		operator.Account = app.Account
		_, err = p.roster.RemoveUsers(ctx, operator, []directory.UserRef{{Text: "y"}}, roster.RemovalOptions{})
		p.check(err)
		if got := p.latest(); got.Actor.Kind != directory.ActorOperator || got.ClientID != "" || got.Requested != 1 {
			t.Errorf("the operator's is %+v", got)
		}
	})
}

// Who may read removals, and which account they get to see.
func TestReadingRemovalsNeedsRights(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		p := newPurgeBench(t, dsn, roster.Options{})
		ctx := context.Background()
		p.users("one", "ann@example.com")
		p.remove("one", "ann@example.com")
		record := p.latest()
		id := record.PublicID
		scopeless := auth.AppCaller(directory.App{ID: 1, Account: p.caller["one"].Account, Origin: directory.OriginAdminConsole}, auth.Claims{})
		for _, c := range []struct {
			says    string
			caller  auth.Caller
			account string
			want    error
		}{
			{"an app of the account", p.caller["one"], "", nil},
			{"an app that names its account", p.caller["one"], p.account["one"], nil},
			{"an app of another account", p.caller["two"], "", directory.ErrNotFound},
			{"an app that names another account", p.caller["two"], p.account["one"], directory.ErrDenied},
			{"an app without the scope", scopeless, "", auth.ErrScope},
			{"nobody", auth.Caller{}, "", auth.ErrScope},
			{"the operator", auth.Operator(), p.account["one"], nil},
			{"the operator, of another account", auth.Operator(), p.account["two"], directory.ErrNotFound},
			{"the operator, of no account", auth.Operator(), "", directory.ErrNotFound},
		} {
			_, err := p.roster.Removal(ctx, c.caller, c.account, id)
			if !errors.Is(err, c.want) {
				t.Errorf("%s: %v", c.says, err)
			}
			list, listErr := p.roster.Removals(ctx, c.caller, c.account, directory.Page{Limit: 50})
			if sees := len(list.Removals) == 1; sees != (c.want == nil) {
				t.Errorf("%s: the list has %d removals, %v", c.says, len(list.Removals), listErr)
			}
			people, peopleErr := p.roster.RemovedUsers(ctx, c.caller, c.account, &record, "", 50)
			if sees := len(people.Users) == 1; sees != (c.want == nil) {
				t.Errorf("%s: %d people, %v", c.says, len(people.Users), peopleErr)
			}
			lines := 0
			reportErr := p.roster.EachOutcome(ctx, c.caller, c.account, &record, func(some []directory.RemovalLine) error {
				lines += len(some)
				return nil
			})
			if sees := lines == 1; sees != (c.want == nil) {
				t.Errorf("%s: the report has %d lines, %v", c.says, lines, reportErr)
			}
			if _, err := p.roster.PurgeRemoval(ctx, p.caller["one"], c.account, id); !errors.Is(err, directory.ErrDenied) {
				t.Errorf("an app may purge: %v", err)
			}
		}
		if _, err := p.roster.RemovedUsers(ctx, p.caller["one"], "", &record, "", 0); !errors.Is(err, directory.ErrInvalid) {
			t.Errorf("a page of nobody: %v", err)
		}
		for _, page := range []directory.Page{{}, {Limit: -1}, {Limit: 1, Offset: -1}} {
			if _, err := p.roster.Removals(ctx, p.caller["one"], "", page); !errors.Is(err, directory.ErrInvalid) {
				t.Errorf("page %v: %v", page, err)
			}
		}
	})
}

// One removal can be erased before its time; others stay as they are.
func TestPurgeOfOneRemoval(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		p := newPurgeBench(t, dsn, roster.Options{RestoreWindow: time.Hour})
		ctx := context.Background()
		var emails []string
		for i := range 600 {
			emails = append(emails, fmt.Sprintf("user%d@example.com", i))
		}
		p.users("one", emails...)
		p.users("one", "ann@example.com")
		p.remove("one", "ann@example.com", "friend@example.com")
		kept := p.latest().PublicID
		emails = append(emails, "stranger@example.com")
		p.remove("one", emails...)
		id := p.latest().PublicID

		for account, unknown := range map[string]string{"one": "rm-1", "two": id} {
			if _, err := p.roster.PurgeRemoval(ctx, auth.Operator(), p.account[account], unknown); !errors.Is(err, directory.ErrNotFound) {
				t.Errorf("an unknown removal: %v", err)
			}
		}
		n, err := p.roster.PurgeRemoval(ctx, auth.Operator(), p.account["one"], id)
		if err != nil || n != 600 {
			t.Errorf("%d memberships were erased, %v", n, err)
		}
		if p.personal("user7@example.com") || p.personal("stranger@example.com") {
			t.Error("somebody of the purged removal is still there")
		}
		if !p.personal("ann@example.com") || !p.personal("friend@example.com") {
			t.Error("somebody of the other removal is gone")
		}
		got := p.latest()
		if got.Purged.IsZero() || got.Left() != 0 || got.Failed() != 1 || got.Refused != nil || got.Removed != 600 {
			t.Errorf("afterwards it is %+v", got)
		}
		_, err = p.roster.PurgeRemoval(ctx, auth.Operator(), p.account["one"], id)
		if !errors.Is(err, directory.ErrState) || !strings.Contains(err.Error(), id+" was purged already, on 20") {
			t.Errorf("once more: %v", err)
		}
		if n := p.count("SELECT COUNT(*) FROM removals WHERE purged_at IS NULL AND public_id = '" + kept + "'"); n != 1 {
			t.Error("the other removal was closed")
		}
		p.purge() // and verify the audit log
	})
}
