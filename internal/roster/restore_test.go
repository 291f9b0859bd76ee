package roster_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// undo restores a removal of account one, as its app or as the operator.
func (p *purgeBench) undo(caller auth.Caller, removal string, emails ...string) (directory.Restoration, error) {
	p.Helper()
	var refs []directory.UserRef
	for _, email := range emails {
		refs = append(refs, directory.UserRef{Text: email})
	}
	return p.roster.RestoreUsers(context.Background(), caller, p.account["one"], removal, refs, roster.RestoreOptions{RequestID: "id"})
}

// removal removes users of account one and returns its id.
func (p *purgeBench) removal(emails ...string) (id string) {
	p.Helper()
	p.remove("one", emails...)
	p.check(storetest.SQL(p, p.dsn).QueryRow("SELECT public_id FROM removals WHERE id = (SELECT MAX(id) FROM removals)").Scan(&id))
	return id
}

// A removal can be undone within its window and not after it, whether or not the
// purge has come by; the operator can as long as anybody is there.
func TestRestoreEndsWithTheWindow(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		p := newPurgeBench(t, dsn, roster.Options{RestoreWindow: time.Hour})
		p.users("one", "ann@example.com", "bo@example.com", "cy@example.com")
		app, operator := p.caller["one"], auth.Operator()
		first := p.removal("ann@example.com")
		p.ahead.Store(int64(time.Hour - time.Minute))
		second := p.removal("bo@example.com")
		if out, err := p.undo(app, first); err != nil || out.Restored != 1 {
			t.Errorf("a minute before its end: %+v, %v", out, err)
		}
		first = p.removal("ann@example.com")
		p.ahead.Store(int64(2*time.Hour + time.Second))
		for _, removal := range []string{first, second} {
			if _, err := p.undo(app, removal); !errors.Is(err, directory.ErrGone) {
				t.Errorf("after its end: %v", err)
			}
		}
		if out, err := p.undo(operator, first); err != nil || out.Restored != 1 {
			t.Errorf("the operator, before the purge: %+v, %v", out, err)
		}
		p.purge()
		for _, caller := range []auth.Caller{app, operator} {
			for _, emails := range [][]string{nil, {"bo@example.com"}} {
				if _, err := p.undo(caller, second, emails...); !errors.Is(err, directory.ErrGone) {
					t.Errorf("after the purge: %v", err)
				}
			}
		}
		if n := p.count("SELECT COUNT(*) FROM live_members"); n != 4 { // the owners, ann and cy
			t.Errorf("%d members", n)
		}
	})
}

func TestRestoreOfWhatIsErased(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		p := newPurgeBench(t, dsn, roster.Options{})
		p.users("one", "ann@example.com", "bo@example.com")
		removal := p.removal("ann@example.com", "bo@example.com")
		// A purge that was interrupted has erased some.
		storetest.Exec(t, dsn, "DELETE FROM members WHERE email_key = 'bo@example.com'")
		for _, caller := range []auth.Caller{p.caller["one"], auth.Operator()} {
			if _, err := p.undo(caller, removal); !errors.Is(err, directory.ErrGone) || !strings.Contains(err.Error(), "name those to restore") {
				t.Errorf("all of it: %v", err)
			}
		}
		out, err := p.undo(p.caller["one"], removal, "bo@example.com", "ann@example.com")
		if err != nil || out.Restored != 1 || len(out.Refused) != 1 || out.Refused[0].Reason != directory.ReasonUserNotFound {
			t.Errorf("those who are left: %+v, %v", out, err)
		}
	})
}

func TestRestoreWithoutAWindow(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		p := newPurgeBench(t, dsn, roster.Options{EraseAtOnce: true})
		p.users("one", "ann@example.com")
		if _, err := p.undo(auth.Operator(), p.removal("ann@example.com")); !errors.Is(err, directory.ErrGone) {
			t.Errorf("without a window: %v", err)
		}
	})
}

// Who may restore what.
func TestRestoreRights(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		p := newPurgeBench(t, dsn, roster.Options{})
		p.users("one", "ann@example.com")
		removal := p.removal("ann@example.com")
		app := directory.App{ID: 1, Account: p.caller["one"].Account, Origin: directory.OriginAdminConsole, Scopes: []directory.Scope{directory.ScopeRoleManagement}}
		scopeless := auth.AppCaller(app, auth.Claims{})
		app.Scopes, app.Origin = []directory.Scope{directory.ScopeUserManagement}, directory.OriginBotBuilder
		for _, c := range []struct {
			says    string
			caller  auth.Caller
			account string
			removal string
			refs    []directory.UserRef
			want    error
		}{
			{"nobody", auth.Caller{}, p.account["one"], removal, nil, auth.ErrScope},
			{"an app without the scope", scopeless, "", removal, nil, auth.ErrScope},
			{"an app of the Bot Builder", auth.AppCaller(app, auth.Claims{}), "", removal, nil, auth.ErrScope},
			{"another account's app", p.caller["two"], "", removal, nil, directory.ErrNotFound},
			{"another account's app that names users", p.caller["two"], "", removal, []directory.UserRef{{Text: "ann@example.com"}}, directory.ErrNotFound},
			{"another account's app that names it", p.caller["two"], p.account["one"], removal, nil, directory.ErrDenied},
			{"another account", auth.Operator(), p.account["two"], removal, nil, directory.ErrNotFound},
			{"no account", auth.Operator(), "", removal, nil, directory.ErrNotFound},
			{"no such removal", p.caller["one"], "", "rm-\x00", nil, directory.ErrNotFound},
			{"an empty list", p.caller["one"], "", removal, []directory.UserRef{}, directory.ErrInvalid},
		} {
			_, err := p.roster.RestoreUsers(context.Background(), c.caller, c.account, c.removal, c.refs, roster.RestoreOptions{})
			if !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", c.says, err, c.want)
			}
		}
		if n := p.count("SELECT COUNT(*) FROM members WHERE removal_id IS NOT NULL"); n != 1 {
			t.Errorf("%d are removed", n)
		}
		if out, err := p.undo(p.caller["one"], removal); err != nil || out.Restored != 1 {
			t.Errorf("its own app: %+v, %v", out, err)
		}
	})
}

// A restoration leaves a record for each who is back, under the removal's id, and
// details that are erased with the removal's.
func TestRestoreIsRecorded(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		p := newPurgeBench(t, dsn, roster.Options{RestoreWindow: time.Hour})
		p.users("one", "ann@example.com", "bo@example.com", "cy@example.com")
		removal := p.removal("ann@example.com", "bo@example.com", "cy@example.com")
		out, err := p.undo(p.caller["one"], removal, "ann@example.com", "nobody@example.com", "bo@example.com")
		p.check(err)
		if out.Restored != 2 || p.roster.Counts().UsersRestored != 2 {
			t.Errorf("%+v; counted %d", out, p.roster.Counts().UsersRestored)
		}
		const records = "SELECT COUNT(DISTINCT r.person_id) FROM audit_records r JOIN audit_chain c ON c.account_id = r.account_id AND c.batch_id = r.batch_id " +
			"JOIN removals x ON x.id = c.removal_id WHERE r.kind = 'user.restored' AND c.actor_kind = 'app' AND x.restored = 2"
		if n := p.count(records); n != 2 {
			t.Errorf("%d people are recorded as restored", n)
		}
		if !p.personal("nobody@example.com") {
			t.Error("the refused id is not kept")
		}
		p.ahead.Store(int64(2 * time.Hour))
		if erased := p.purge(); erased != 1 || p.personal("nobody@example.com") || p.personal("cy@example.com") || !p.personal("ann@example.com") {
			t.Errorf("%d erased; the refused id stays: %v", erased, p.personal("nobody@example.com"))
		}
	})
}

// Two calls with a key at once that restore so many that it takes several
// transactions: both help, nobody comes back twice, and who ends second has the
// answer of the first, or is told that it runs.
func TestLargeRestorationTwiceAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		ctx := context.Background()
		r := openRestores(t, dsn, 1000)
		account, refs := jobAccount(t, r, "one", 3000)
		caller := callerOf(t, dsn, account)
		removal, err := r.RemoveUsers(ctx, caller, refs, roster.RemovalOptions{})
		must(t, err)
		o := roster.RestoreOptions{Repeat: directory.NewRepeatKey("k", directory.NewRequestHash("r"))}
		var outs [2]directory.Restoration
		var errs [2]error
		call := func(i int) func() {
			return func() { outs[i], errs[i] = r.RestoreUsers(ctx, caller, "", removal.PublicID, nil, o) }
		}
		together(call(0), call(1))
		last, err := r.RestoreUsers(ctx, caller, "", removal.PublicID, nil, o)
		must(t, err)
		firsts := 0
		for i, out := range outs {
			switch {
			case errors.Is(errs[i], directory.ErrRunning):
				continue
			case errs[i] != nil:
				t.Fatal(errs[i])
			case !out.Repeated:
				firsts++
			}
			if out.Restored != last.Restored || len(out.Refused) != 0 {
				t.Errorf("answered %+v, later %+v", out, last)
			}
		}
		if n := len(keysOf(t, r, account)); firsts != 1 || n != 3001 {
			t.Errorf("%d calls say that they did it; %d members, want 3001", firsts, n)
		}
		var records int
		must(t, storetest.SQL(t, dsn).QueryRow("SELECT COUNT(*) FROM audit_records WHERE kind = 'user.restored'").Scan(&records))
		if records != 3000 {
			t.Errorf("%d records of restored users, want 3000", records)
		}
	})
}
