package bench

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

func TestMain(m *testing.M) {
	storetest.Fsync = true // a removal costs what the disk costs
	storetest.Main(m)
}

// population is how many users the account has; with what hangs on them they
// are ten times as many rows.
const population = 200_000

// data is a filled database, to be copied for each contender.
type data struct {
	engine string
	dsn    string
	key    string // file of the secret key
	client rosterApp
	emails []string // of all users, in random order
}

type rosterApp struct{ id, secret string }

var prepared sync.Map // engine -> func() *data

// prepare fills a database of the engine once for all benchmarks.
func prepare(b *testing.B, engine string) *data {
	b.Helper()
	once, _ := prepared.LoadOrStore(engine, sync.OnceValue(func() *data { return fill(b, engine) }))
	return once.(func() *data)()
}

func fill(b *testing.B, engine string) *data {
	dir, err := os.MkdirTemp("", "roster-bench-") //nolint:usetesting // it serves all benchmarks
	check(b, err)
	d := &data{engine: engine, dsn: filepath.Join(dir, "roster.db"), key: filepath.Join(dir, "secret.key")}
	if engine == "postgres" {
		d.dsn = storetest.NewKept(b)
	}
	ctx := context.Background()
	r, account, app := openWithApp(b, d.dsn, d.key)
	d.client = app
	rows := make([]roster.ImportRow, population)
	for i := range rows {
		d.emails = append(d.emails, fmt.Sprintf("user.%06d@example.com", i))
		rows[i] = roster.ImportRow{
			Line: i, Email: d.emails[i], OrgUserID: fmt.Sprintf("E%06d", i),
			Profile: directory.Profile{FirstName: "First", LastName: fmt.Sprintf("Last %d", i), Department: "Sales"},
		}
	}
	_, err = r.ImportUsers(ctx, auth.Operator(), account, rows, roster.ImportOptions{})
	check(b, err)
	check(b, r.Close())
	attach(b, d)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(d.emails), func(i, k int) { d.emails[i], d.emails[k] = d.emails[k], d.emails[i] })
	return d
}

// openWithApp opens an empty database and makes an account with an app in it.
func openWithApp(b *testing.B, dsn, key string) (r *roster.Roster, account string, app rosterApp) {
	b.Helper()
	ctx := context.Background()
	r, err := roster.Open(ctx, roster.Options{Database: dsn, Secrets: true, SecretKeyFile: key})
	check(b, err)
	account, err = r.CreateAccount(ctx, auth.Operator(), "Bench", "owner@example.com")
	check(b, err)
	app.id, app.secret, err = r.CreateApp(ctx, auth.Operator(), account,
		roster.NewApp{Name: "Bench", Scopes: []directory.Scope{directory.ScopeUserManagement}})
	check(b, err)
	return r, account, app
}

// attach hangs seven rows on each user: three groups, two roles, two tasks.
func attach(b *testing.B, d *data) {
	db := open(b, d.dsn)
	defer db.Close()
	for i := range 3 {
		mustExec(b, db, `INSERT INTO group_members (account_id, group_id, member_id) SELECT account_id, $1 + id % 50, id FROM members`, 1000*i)
	}
	for i := range 2 {
		mustExec(b, db, `INSERT INTO member_roles (account_id, member_id, role_id, bot_id) SELECT account_id, id, $1 + id % 5, 1 FROM members`, 1000*i)
		mustExec(b, db, `INSERT INTO member_tasks (account_id, member_id, bot_id, dialogs) SELECT account_id, id, $1 + id % 5, '[]' FROM members`, 1000*i)
	}
	// What they point to. Some ids are roles' already, which is as good.
	mustExec(b, db, `INSERT INTO groups (account_id, id, public_id, name, description, created_at)
SELECT DISTINCT account_id, group_id, 'e-' || group_id, 'Group ' || group_id, '', 0 FROM group_members`)
	mustExec(b, db, `INSERT INTO roles (account_id, id, public_id, kind, name, description, permissions, built_in, created_at)
SELECT DISTINCT account_id, role_id, 'r-' || role_id, 'bot', 'Role ' || role_id, '', '{}', 0, 0 FROM member_roles
WHERE true ON CONFLICT DO NOTHING`)
	mustExec(b, db, `INSERT INTO bots (account_id, id, public_id, name, owner_id, created_at)
SELECT x.account_id, x.bot_id, 'st-' || x.bot_id, 'Bot ' || x.bot_id, a.owner_id, 0
FROM (SELECT account_id, bot_id FROM member_roles UNION SELECT account_id, bot_id FROM member_tasks) x JOIN accounts a ON a.id = x.account_id`)
	if d.engine == "postgres" {
		mustExec(b, db, `VACUUM ANALYZE`)
		mustExec(b, db, `CHECKPOINT`)
	} else {
		mustExec(b, db, `PRAGMA wal_checkpoint(TRUNCATE)`)
	}
}

// copyOf gives a contender a database of its own with the same data.
func (d *data) copyOf(b *testing.B) string {
	b.Helper()
	if d.engine == "postgres" {
		return storetest.Copy(b, d.dsn)
	}
	dsn := filepath.Join(b.TempDir(), "roster.db")
	content, err := os.ReadFile(d.dsn)
	check(b, err)
	check(b, os.WriteFile(dsn, content, 0o600))
	return dsn
}

// open opens a database beside the product, with the same driver and settings.
func open(b *testing.B, dsn string) *sql.DB {
	b.Helper()
	driver := "pgx"
	if !strings.HasPrefix(dsn, "postgres") {
		driver = "sqlite"
		dsn = "file:" + dsn + "?_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
			"&_pragma=foreign_keys(1)&_pragma=cache_size(-65536)&_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, dsn)
	check(b, err)
	db.SetMaxOpenConns(1)
	return db
}

func mustExec(b *testing.B, db *sql.DB, query string, args ...any) {
	b.Helper()
	if _, err := db.ExecContext(context.Background(), query, args...); err != nil {
		b.Fatalf("%s: %v", query, err)
	}
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
