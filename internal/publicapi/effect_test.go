package publicapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"roster/internal/auth"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// assign gives members a role.
func (w *world) assign(role, bot string, emails ...string) {
	w.T.Helper()
	if err := w.Roster.AssignRole(context.Background(), auth.Operator(), w.account, role, bot, emails); err != nil {
		w.T.Fatal(err)
	}
}

// group makes a group and returns its id.
func (w *world) group(name string, emails ...string) string {
	w.T.Helper()
	id, err := w.Roster.CreateGroup(context.Background(), auth.Operator(), w.account, name, emails)
	if err != nil {
		w.T.Fatal(err)
	}
	return id
}

// query reads a row's only column, of the account under test as $1.
func query[T any](w *world, query string, args ...any) (value T) {
	w.T.Helper()
	err := storetest.SQL(w.T, w.DSN).QueryRowContext(context.Background(), query, append([]any{w.account}, args...)...).Scan(&value)
	if err != nil {
		w.T.Fatalf("%s: %v", query, err)
	}
	return value
}

// held counts the roles and groups in force of all users, removed ones included, that
// the account has had under an address.
func (w *world) held(emailKey string) (roles, groups int) {
	const of = ` x JOIN members m ON m.account_id = x.account_id AND m.id = x.member_id
JOIN accounts a ON a.id = m.account_id WHERE a.public_id = $1 AND m.email_key = $2`
	return query[int](w, `SELECT COUNT(*) FROM live_member_roles`+of, emailKey), query[int](w, `SELECT COUNT(*) FROM live_group_members`+of, emailKey)
}

// Contract 3.4: the membership ends with all that hangs on it, the address is
// free again at once, and a later re-creation brings back no role and no group.
func TestRemovalTakesRolesAndGroups(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		w.assign("admin", "", ann)
		w.assign("Bot Tester", w.vars["$DESK"], ann)
		w.group("Sales", ann, bob)
		if roles, groups := w.held("ann@example.com"); roles != 2 || groups != 1 {
			t.Fatalf("Ann begins with %d roles and %d groups", roles, groups)
		}
		for range 3 { // removed and made anew, again and again
			w.compare(w.Remove(w.app, orgIDs("E1")), 200, removed, nil)
			if roles, groups := w.held("ann@example.com"); roles+groups != 0 {
				t.Errorf("Ann has left and holds %d roles and %d groups", roles, groups)
			}
			w.Import(w.account, rostertest.Person{Email: ann, OrgUserID: "E1"})
			if roles, groups := w.held("ann@example.com"); roles+groups != 0 {
				t.Errorf("Ann is back and holds %d roles and %d groups", roles, groups)
			}
			w.compare(w.Remove(w.app, emails(ann)), 200, removed, nil)
			w.compare(w.Remove(w.app, emails(ann)), 200, failed(byEmail(`"`+ann+`"`, noSuchEmail)), nil)
			w.Import(w.account, rostertest.Person{Email: "ANN@example.com", OrgUserID: "E1"})
		}
		if _, groups := w.held("bob@example.com"); groups != 1 {
			t.Error("Bob has lost his group with Ann")
		}
	})
}

// Contract 3.4: not touched are other accounts of the same person, bots and
// client apps.
func TestRemovalTouchesNothingElse(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		before := w.Dump()
		w.compare(w.Remove(w.app, emails(ann, cleo)), 200, removed, nil)
		after := w.Dump()
		for table := range before {
			if touched := !reflect.DeepEqual(before[table], after[table]); touched != mayChange(table) {
				t.Errorf("table %s: touched %v", table, touched)
			}
		}
		// The other account of the same person goes on.
		w.compare(w.Remove(w.otherApp, `{"orgUserIds":["F2"],"includeMeta":true}`), 200, meta(removed, "1"), nil)
	})
}

// mayChange reports whether a removal writes to a table: it ends memberships
// and leaves a removal with its audit record.
func mayChange(table string) bool {
	return table == "members" || table == "removals" || (strings.HasPrefix(table, "audit_") && table != "audit_changes")
}

// Contract 3.4: one audit record "User Deleted" per user, actor = the app and
// its unverified sub; refusals are recorded with the removal.
func TestRemovalIsRecorded(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		ask := func(body string) {
			w.compare(w.send(rostertest.Request{
				Body: body, Token: w.app.Token(jwt.MapClaims{"sub": "nightly\u0000job <é>"}), Header: header1("X-Request-Id", "req-1"),
			}), 200, failed(byEmail(`"x"`, badEmail), byEmail(`"Dan@example.com"`, unauthorized), byOrgID(`"E\u0000"`, badOrgID)), header1("X-Request-Id", "req-1"))
		}
		ask(`{"deleteEmailIds":["ann@example.com","x","Dan@example.com","Bob@example.com"],"orgUserIds":["E1","E\u0000"]}`)
		w.VerifyAudit()

		const last = ` FROM audit_chain c JOIN accounts a ON a.id = c.account_id WHERE a.public_id = $1 AND number = (SELECT MAX(number) FROM audit_chain x WHERE x.account_id = a.id)`
		deleted := `SELECT COUNT(DISTINCT person_id) FROM audit_records WHERE kind = 'user.deleted' AND batch_id = (SELECT batch_id` + last + `)`
		if n := query[int](w, deleted); n != 2 {
			t.Errorf("%d records of deleted users, want 2", n)
		}
		if n := query[int](w, `SELECT records`+last); n != 2 {
			t.Errorf("the removal left %d records, want 2", n)
		}
		if app := query[string](w, `SELECT client_id FROM apps WHERE id = (SELECT actor_id`+last+` AND actor_kind = 'app')`); app != w.app.ClientID {
			t.Errorf("the actor is %s, want %s", app, w.app.ClientID)
		}
		details := query[string](w, `SELECT body FROM audit_details WHERE batch_id = (SELECT batch_id`+last+`)`)
		sameJSON(t, details, `{"subject":"nightlyjob <é>","requestId":"req-1","requested":5,"removed":2,"refusedByReason":{"BOT_OWNER":1,"INVALID_ID":2},
			"refused":[{"id":"x","reason":"INVALID_ID"},{"id":"Dan@example.com","reason":"BOT_OWNER"},{"id":"E\u0000","reason":"INVALID_ID","kind":"orgUserId"}]}`)
		sameJSON(t, query[string](w, `SELECT refused FROM removals WHERE id = (SELECT removal_id`+last+`)`), `{"BOT_OWNER":1,"INVALID_ID":2}`)
		if n := query[int](w, `SELECT requested * 10 + removed FROM removals WHERE id = (SELECT removal_id`+last+`)`); n != 52 {
			t.Errorf("the removal counts %d, want 5 requested and 2 removed", n)
		}

		// Ids of the refused are kept up to a bound.
		var many strings.Builder
		for i := range 5000 {
			fmt.Fprintf(&many, `"nobody%d",`, i)
		}
		w.Remove(w.app, `{"deleteEmailIds":[`+many.String()+`"`+strings.Repeat("x", 1<<20)+`"]}`)
		if n := query[int](w, `SELECT LENGTH(body) FROM audit_details WHERE batch_id = (SELECT batch_id`+last+`)`); n > 64<<10 {
			t.Errorf("the details of 5001 refused take %d bytes", n)
		}
	})
}

func sameJSON(t *testing.T, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("%s: %v", want, err)
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("recorded %s\nwant %s", got, want)
	}
}

// Contract 1: our fault is 500 and never more; the log has the rest.
func TestOurFault(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		storetest.Exec(t, dsn, `ALTER TABLE removals RENAME TO mislaid`)
		before := w.Dump()
		got := w.Remove(w.app, emails(ann, bob))
		w.compare(got, 500, `{"errors":[{"msg":"Internal Server Error","code":500}]}`, nil)
		w.unchanged(before)
		w.logSays(got.Header.Get("X-Request-Id"), "removals")
		storetest.Exec(t, dsn, `ALTER TABLE mislaid RENAME TO removals`)
		w.compare(w.Remove(w.app, emails(ann, bob)), 200, removed, nil)
	})
}

// Contract 1: store busy or down is 503 with Retry-After, before anything is
// said about credentials. SQLite has no server that could be down; for its
// disk see TestDiskOnTheWire.
func TestStoreDown(t *testing.T) {
	t.Parallel()
	dsn := storetest.New(t, "postgres")
	w := start(t, dsn, rostertest.Options{})
	at := strings.LastIndex(dsn, "/")
	name, _, _ := strings.Cut(dsn[at+1:], "?")
	admin := storetest.SQL(t, strings.Replace(dsn, "/"+name+"?", "/postgres?", 1))
	allow := func(connections string) {
		t.Helper()
		for _, q := range []string{
			`ALTER DATABASE ` + name + ` ALLOW_CONNECTIONS ` + connections,
			`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '` + name + `'`,
		} {
			if _, err := admin.ExecContext(context.Background(), q); err != nil {
				t.Fatal(err)
			}
		}
	}
	allow("false")
	for range 3 {
		w.compare(w.Remove(w.app, emails(ann)), 503, unavailable, header1("Retry-After", "5"))
	}
	w.compare(w.send(rostertest.Request{Method: http.MethodGet, Token: "x"}), 405, notAllowed, allowUsers)
	allow("true")
	w.compare(w.Remove(w.app, emails(ann)), 200, removed, nil)
}
