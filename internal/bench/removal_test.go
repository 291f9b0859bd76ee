package bench

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"roster/client"
	"roster/internal/roster"
	"roster/internal/server"
	"roster/internal/storetest"
)

// BenchmarkRemoval removes users in calls of different sizes: through HTTP, by
// raw SQL that writes the same rows, and by raw SQL that deletes all that
// belongs to a user. The contenders take turns, each on a copy of the data of
// its own, and each turn removes the same users.
func BenchmarkRemoval(b *testing.B) {
	for _, engine := range storetest.Engines {
		for _, size := range []struct{ users, turns int }{{1, 300}, {100, 60}, {1000, 20}, {10_000, 6}, {100_000, 1}} {
			b.Run(fmt.Sprintf("%s/%d", engine, size.users), func(b *testing.B) {
				d := prepare(b, engine)
				for b.Loop() {
					compare(b, d, size.users, size.turns)
				}
			})
		}
	}
}

// contender removes the named users in one transaction.
type contender struct {
	name   string
	remove func(emails []string)
	took   []time.Duration
	cpu    time.Duration
}

func compare(b *testing.B, d *data, users, turns int) {
	b.StopTimer()
	contenders := []*contender{
		{name: "http", remove: overHTTP(b, d)},
		{name: "raw", remove: rawMark(b, d)},
		{name: "delete", remove: rawDelete(b, d)},
	}
	b.StartTimer()
	for turn := range turns {
		list := d.emails[turn*users : (turn+1)*users]
		for i := range contenders {
			c := contenders[(turn+i)%len(contenders)]
			cpu, started := cpuTime(), time.Now()
			c.remove(list)
			c.took = append(c.took, time.Since(started))
			c.cpu += cpuTime() - cpu
		}
	}
	b.StopTimer()
	for _, c := range contenders {
		slices.Sort(c.took)
		b.ReportMetric(float64(users)/c.median().Seconds(), c.name+"-users/s")
		b.ReportMetric(float64(c.cpu.Microseconds())/float64(users*turns), c.name+"-cpu-us/user")
	}
	b.ReportMetric(contenders[1].median().Seconds()/contenders[0].median().Seconds(), "http:raw")
	b.ReportMetric(contenders[2].median().Seconds()/contenders[0].median().Seconds(), "http:delete")
	b.ReportMetric(0, "ns/op")
	b.StartTimer()
}

func (c *contender) median() time.Duration { return c.took[len(c.took)/2] }

// cpuTime is what this process has used. PostgreSQL's own work is not in it.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func overHTTP(b *testing.B, d *data) func([]string) {
	return remover(b, serve(b, d.copyOf(b), d.key), d.client)
}

// serve starts a server on the database until the benchmark ends and returns
// its URL.
func serve(b *testing.B, dsn, key string) (url string) {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s, err := server.New(ctx, server.Config{
		Addr:   "127.0.0.1:0",
		Roster: roster.Options{Database: dsn, SecretKeyFile: key},
		Log:    slog.New(slog.DiscardHandler),
	})
	check(b, err)
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		check(b, <-done)
	})
	return s.URL()
}

// caller keeps a connection for each of the clients that call at once.
var caller = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}

// remover returns what removes users through HTTP as the app, and fails the
// benchmark unless all of them are removed.
func remover(b *testing.B, url string, app rosterApp) func([]string) {
	return func(emails []string) {
		call(b, app, http.MethodDelete, url+"/api/public/users", addresses(emails), `{"msg":"Users are removed Successfully"}`)
	}
}

func addresses(emails []string) string {
	return `{"deleteEmailIds":["` + strings.Join(emails, `","`) + `"]}`
}

// call sends a request as the app, and ends the benchmark unless the answer is
// the one that is wanted.
func call(b *testing.B, app rosterApp, method, url, body, want string) http.Header {
	token, err := client.NewToken(client.TokenOptions{ClientID: app.id, ClientSecret: app.secret, TTL: time.Minute})
	check(b, err)
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	check(b, err)
	req.Header.Set("auth", token)
	resp, err := caller.Do(req)
	check(b, err)
	answer, err := io.ReadAll(resp.Body)
	check(b, err)
	check(b, resp.Body.Close())
	if string(answer) != want {
		panic(fmt.Sprintf("answer %d %.300s", resp.StatusCode, answer)) // may be on a goroutine of its own
	}
	return resp.Header
}

// rawMark writes the same rows as a removal: a mark and an audit record for
// each user, and a row each in removals, details and chain. It decides
// nothing and checks nothing.
func rawMark(b *testing.B, d *data) func([]string) {
	db := open(b, d.copyOf(b))
	b.Cleanup(func() { db.Close() })
	var account int64
	check(b, db.QueryRow(`SELECT id FROM accounts`).Scan(&account))
	id := int64(1 << 40)
	blob := bytes.Repeat([]byte{7}, 32)
	return func(emails []string) {
		id++
		list := jsonList(emails)
		inTx(b, db, func(exec func(string, ...any)) {
			exec(`INSERT INTO removals (account_id, id, public_id, actor_kind, actor_id, requested, removed, refused, created_at)
VALUES ($1, $2, $3, 'app', 1, $4, $4, '{}', $2)`, account, id, fmt.Sprintf("rm-%032d", id), len(emails))
			exec(`INSERT INTO audit_records (account_id, batch_id, seq, kind, person_id, object_id)
SELECT $1, $2, j.key + 1, 'user.deleted', m.person_id, 0 FROM json_each($3) j CROSS JOIN members m
WHERE m.account_id = $1 AND m.email_key = j.atom AND m.removal_id IS NULL`, account, id, list)
			exec(`UPDATE members SET removal_id = $2 WHERE account_id = $1 AND id IN (
SELECT m.id FROM json_each($3) j CROSS JOIN members m WHERE m.account_id = $1 AND m.email_key = j.atom AND m.removal_id IS NULL)`,
				account, id, list)
			exec(`INSERT INTO audit_details (account_id, batch_id, salt, body) VALUES ($1, $2, $3, '{"requested":1,"removed":1}')`, account, id, blob[:16])
			exec(`INSERT INTO audit_chain (account_id, number, batch_id, created_at, actor_kind, actor_id, removal_id, records, digest, hash)
VALUES ($1, $2, $2, $2, 'app', 1, $2, $3, $4, $4)`, account, id, len(emails), blob)
			exec(`UPDATE audit_heads SET number = $2, hash = $3 WHERE account_id = $1`, account, id, blob)
		})
	}
}

// rawDelete deletes all rows of each user and writes one audit row for each.
func rawDelete(b *testing.B, d *data) func([]string) {
	db := open(b, d.copyOf(b))
	b.Cleanup(func() { db.Close() })
	var account int64
	check(b, db.QueryRow(`SELECT id FROM accounts`).Scan(&account))
	id := int64(1 << 40)
	// The limit keeps PostgreSQL from walking the whole account for a few.
	const leavers = `(SELECT CAST($1 AS BIGINT), id FROM leavers LIMIT 9223372036854775807)`
	return func(emails []string) {
		id++
		list := jsonList(emails)
		inTx(b, db, func(exec func(string, ...any)) {
			exec(`CREATE TEMP TABLE IF NOT EXISTS leavers (id BIGINT PRIMARY KEY, person_id BIGINT)`)
			exec(`DELETE FROM leavers`)
			exec(`INSERT INTO leavers SELECT m.id, m.person_id FROM json_each($2) j CROSS JOIN members m
WHERE m.account_id = $1 AND m.email_key = j.atom AND m.removal_id IS NULL`, account, list)
			for _, table := range []string{"member_tasks", "member_roles", "group_members", "member_profiles"} {
				exec(`DELETE FROM `+table+` WHERE (account_id, member_id) IN `+leavers, account)
			}
			exec(`DELETE FROM members WHERE (account_id, id) IN `+leavers, account)
			exec(`DELETE FROM persons WHERE id IN (SELECT person_id FROM leavers)`)
			exec(`INSERT INTO audit_records (account_id, batch_id, seq, kind, person_id, object_id)
SELECT $1, $2, id, 'user.deleted', person_id, 0 FROM leavers`, account, id)
		})
	}
}

func inTx(b *testing.B, db *sql.DB, fn func(exec func(string, ...any))) {
	b.Helper()
	tx, err := db.BeginTx(context.Background(), nil)
	check(b, err)
	fn(func(query string, args ...any) {
		if _, err := tx.ExecContext(context.Background(), query, args...); err != nil {
			b.Fatalf("%s: %v", query, err)
		}
	})
	check(b, tx.Commit())
}

func jsonList(texts []string) string {
	out, err := json.Marshal(texts)
	if err != nil {
		panic(err)
	}
	return string(out)
}
