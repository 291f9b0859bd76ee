package publicapi_test

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"roster/internal/auth"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// keyed is a removal with an Idempotency-Key.
func (w *world) keyed(key, query, body string) rostertest.Answer {
	w.T.Helper()
	return w.send(rostertest.Request{
		Path: "/api/public/users" + query, Body: body, Token: w.app.Token(nil), Header: header1("Idempotency-Key", key),
	})
}

// same fails the test unless an answer is the first one again.
func (w *world) same(first, again rostertest.Answer) {
	w.T.Helper()
	w.compare(again, first.Status, first.Body, map[string]string{
		"X-Removal-Id": first.Header.Get("X-Removal-Id"), "Idempotency-Replayed": "true",
	})
}

const (
	keyReused  = `{"errors":[{"msg":"Idempotency-Key was used with another request","code":422}]}`
	keyRunning = `{"errors":[{"msg":"A request with this Idempotency-Key is still running","code":409}]}`
)

// Contract 3.5: for 24 hours the first answer is given again for the same key,
// query and body, whatever has become of the users, and nobody is removed again.
func TestRepeatedRemoval(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		var late atomic.Int64
		now := func() time.Time { return time.Now().Add(time.Duration(late.Load())) }
		w := start(t, dsn, rostertest.Options{Clock: now})
		for _, body := range everyOutcome {
			for _, query := range []string{"", "?atomic=true", "?reasons=codes"} {
				w.recast()
				key := "key " + body + query // of each account's app
				key = strings.NewReplacer(" ", "_", "\"", "'").Replace(key)
				first := w.keyed(key, query, body)
				if first.Status != 200 || first.Header.Get("Idempotency-Replayed") != "" {
					t.Fatalf("answered %d %s", first.Status, first.Body)
				}
				w.Import(w.account, newcomers(w)...)
				before := w.Dump()
				w.same(first, w.keyed(key, query, body))
				w.unchanged(before)
			}
		}
		// The day is over: the call is another one, although nothing was deleted yet.
		w.recast()
		first := w.keyed("k", "", emails(ann))
		late.Store(int64(24*time.Hour - time.Minute))
		w.same(first, w.keyed("k", "", emails(ann)))
		late.Store(int64(24 * time.Hour))
		w.compare(w.keyed("k", "", emails(ann, bob)), 200, failed(byEmail(`"`+ann+`"`, noSuchEmail)), map[string]string{"Idempotency-Replayed": ""})
	})
}

// newcomers are those of the cast who have left, to be made again.
func newcomers(w *world) (people []rostertest.Person) {
	members := w.Members(w.account)
	for _, email := range everybody {
		if !slices.Contains(members, email) {
			people = append(people, rostertest.Person{Email: email})
		}
	}
	return append(people, rostertest.Person{Email: "nobody@example.com"})
}

// What a key is, what it belongs to, and which answers it keeps.
func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", 255)
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		// Not a key.
		before := w.Dump()
		for _, key := range []string{" ", `""`, `"a`, `"a"b`, `"a\b"`, `"a b"`, "a b", "é", long + "k", `"` + long + `k"`, `"`, `"\`} {
			w.compare(w.keyed(key, "", emails(ann)), 412, invalidArgs, nil)
		}
		w.unchanged(before)

		first := w.keyed(`"a\"b"`, "", emails(ann))
		w.compare(first, 200, removed, map[string]string{"Idempotency-Replayed": ""})
		w.same(first, w.keyed(`a"b`, "", emails(ann)))
		w.same(first, w.send(rostertest.Request{ // the same call in another form
			Method: http.MethodPost, Path: "/api/public/users/", Body: emails(ann), Token: w.app.Token(nil),
			Header: map[string]string{"Idempotency-Key": `a"b`, "X-HTTP-Method-Override": "delete"},
		}))
		// Used with another request.
		before = w.Dump()
		for query, body := range map[string]string{"": emails(ann) + " ", "?x=1": emails(ann), "?atomic=true": emails(ann), "?": emails(bob)} {
			w.compare(w.keyed(`a"b`, query, body), 422, keyReused, nil)
		}
		id := first.Header.Get("X-Removal-Id")
		w.compare(w.keyedRestore(`a"b`, id, emails(ann)), 422, keyReused, nil)
		// What is refused as a whole, or is a preview, keeps nothing and asks for nothing.
		w.compare(w.keyed(`a"b`, "", `{`), 400, invalidJSON, nil)
		w.compare(w.keyed("free", "", `{"deleteEmailIds":[]}`), 400, emptyEmails, nil)
		w.compare(w.keyed(`a"b`, "?dryRun=true", emails(bob)), 200, withEnd(removed, `,"dryRun":true`), map[string]string{"Idempotency-Replayed": ""})
		w.compare(w.keyed("free", "?dryRun=true", emails(bob)), 200, withEnd(removed, `,"dryRun":true`), nil)
		w.unchanged(before)
		w.compare(w.keyed("free", "", emails(bob)), 200, removed, map[string]string{"Idempotency-Replayed": ""})
		// Another app's keys are others, also in the same account.
		w.app = w.keep(w.App(w.account))
		w.compare(w.keyed(`a"b`, "", emails(cleo)), 200, removed, map[string]string{"Idempotency-Replayed": ""})
		w.compare(w.keyed(long, "", emails(cleo)), 200, failed(byEmail(`"`+cleo+`"`, noSuchEmail)), nil)
	})
}

// A repeated call is a call: it counts under the limits, and a token that is good
// for one call is not good for it.
func TestRepeatedCallIsACall(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		all := instances(t, dsn, rostertest.Options{RateLimits: limits(t, "3/h")})
		w, other := all[0], all[len(all)-1]
		w.recast()
		request := func(jti string) rostertest.Request {
			token := w.app.Token(jwt.MapClaims{"jti": jti, "exp": time.Now().Add(time.Minute).Unix()})
			return rostertest.Request{Body: emails(ann), Token: token, Header: header1("Idempotency-Key", "k")}
		}
		first := w.Do(request("1"))
		w.compare(first, 200, removed, map[string]string{"Idempotency-Replayed": "", "RateLimit-Remaining": "2"})
		w.compare(other.Do(request("1")), 401, replayed, nil)
		again := other.Do(request("2"))
		w.same(first, again)
		w.compare(again, 200, removed, map[string]string{"RateLimit-Remaining": "1"})
		w.same(first, w.Do(request("3")))
		w.compare(other.Do(request("4")), 429, rateLimited, map[string]string{"Retry-After": "3600"})
	})
}

// keyedRestore is a restoration with an Idempotency-Key.
func (w *world) keyedRestore(key, removal, body string) rostertest.Answer {
	w.T.Helper()
	return w.send(rostertest.Request{
		Method: http.MethodPost, Path: removalsPath + removal + "/restore", Body: body, Token: w.app.Token(nil), Header: header1("Idempotency-Key", key),
	})
}

// A restoration is repeated like a removal: who was removed again since stays out.
func TestRepeatedRestoration(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		w := start(t, dsn, rostertest.Options{})
		for _, body := range []string{`{}`, emails(ann, "x", "nobody@example.com"), `{"orgUserIds":["E1","E2","E9"]}`} {
			w.recast()
			id := w.removal(emails(everybody...))
			w.Import(w.account, rostertest.Person{Email: "BOB@example.com"})
			group, err := w.Roster.CreateGroup(t.Context(), auth.Operator(), w.account, "Staff", nil)
			if err != nil {
				t.Fatal(err)
			}
			storetest.Exec(t, dsn, `INSERT INTO group_members (account_id, group_id, member_id)
SELECT g.account_id, g.id, m.id FROM groups g JOIN members m ON m.account_id = g.account_id WHERE g.public_id = $1 AND m.removal_id IS NOT NULL`, group)
			if err := w.Roster.DeleteGroup(t.Context(), auth.Operator(), w.account, group); err != nil {
				t.Fatal(err)
			}
			first := w.keyedRestore("k", id, body)
			if !strings.Contains(first.Body, `"notRestored":[{"kind":"group"`) {
				t.Fatalf("answered %d %s", first.Status, first.Body)
			}
			w.Remove(w.app, emails(ann))
			before := w.Dump()
			w.same(first, w.keyedRestore("k", id, body))
			w.unchanged(before)
		}
	})
}

// While a call runs, another one with its key is told so and changes nothing,
// also on another server of the database.
func TestKeyOfARunningCall(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := rostertest.Options{SecretKeyFile: filepath.Join(t.TempDir(), "key")}
		w := start(t, dsn, o)
		servers := []*rostertest.Server{w.Server, w.Server}
		if w.Roster.Engine() == "postgres" {
			servers[1] = rostertest.Start(t, dsn, o)
		}
		for range 20 {
			w.recast()
			unlock := lockMembers(t, w)
			// Whichever comes second is refused at once; the first one waits for the lock.
			answers := make(chan rostertest.Answer, len(servers))
			request := rostertest.Request{Body: emails(ann, bob), Token: w.app.Token(nil), Header: header1("Idempotency-Key", "k")}
			for _, s := range servers {
				go func() { answers <- s.Do(request) }()
			}
			w.compare(<-answers, 409, keyRunning, nil)
			unlock()
			first := <-answers
			w.compare(first, 200, removed, nil)
			w.same(first, servers[1].Do(request))
		}
	})
}

// lockMembers keeps every call from removing anybody until it is undone.
func lockMembers(t *testing.T, w *world) (unlock func()) {
	t.Helper()
	conn, err := storetest.SQL(t, w.DSN).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	exec := func(query string) {
		if _, err := conn.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	if w.Roster.Engine() == "sqlite" {
		exec("BEGIN IMMEDIATE")
	} else {
		exec("BEGIN")
		exec("SELECT id FROM members FOR UPDATE")
	}
	return func() {
		exec("ROLLBACK")
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
