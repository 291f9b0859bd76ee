package roster_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
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

// backUp makes a backup of the database, as an operator does.
func (p *purgeBench) backUp() (path string) {
	p.Helper()
	path = filepath.Join(p.TempDir(), "backup")
	if strings.HasPrefix(p.dsn, "postgres") {
		storetest.Tool(p, "pg_dump", "--format=custom", "--file="+path, p.dsn)
		return path
	}
	_, err := p.roster.Backup(context.Background(), auth.Operator(), path, false)
	p.check(err)
	return path
}

// restore restores it into a new database.
func (p *purgeBench) restore(backup string, lists ...string) (dsn string, out roster.BackupRestored) {
	p.Helper()
	o := roster.RestoreOf{Backup: backup, Erasures: lists}
	o.Options.SecretKeyFile = filepath.Join(p.TempDir(), "key")
	o.Options.Database = storetest.Empty(p, "sqlite")
	if strings.HasPrefix(p.dsn, "postgres") {
		o.Options.Database, o.Backup = storetest.Empty(p, "postgres"), ""
		storetest.Tool(p, "pg_restore", "--no-owner", "--dbname="+o.Options.Database, backup)
	}
	out, err := roster.RestoreBackup(context.Background(), auth.Operator(), o)
	p.check(err)
	return o.Options.Database, out
}

// livesIn are the memberships that a database holds, live and removed.
func livesIn(t *testing.T, dsn string) (all []string) {
	t.Helper()
	rows, err := storetest.SQL(t, dsn).Query(`SELECT a.public_id, f.email, f.created_at FROM member_profiles f JOIN accounts a ON a.id = f.account_id`)
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var account, email string
		var joined int64
		must(t, rows.Scan(&account, &email, &joined))
		all = append(all, fmt.Sprint(account, " ", email, " ", joined))
	}
	must(t, rows.Err())
	slices.Sort(all)
	return all
}

// A backup that is restored has everybody that it had, but for whoever was erased
// since: with all that hung on them, whether they were live in it or removed, and
// no matter that they have come back since, or that another account has them.
func TestErasedStayErased(t *testing.T) {
	t.Parallel()
	const rounds = 3
	eachEngine(t, func(t *testing.T, engine string) {
		for range rounds {
			seed := uint64(time.Now().UnixNano())
			random := rand.New(rand.NewPCG(seed, 0))
			p := newPurgeBench(t, storetest.New(t, engine), roster.Options{RestoreWindow: time.Hour})
			steps := 20 + random.IntN(20)
			backedUp, at := "", random.IntN(steps)
			var had []string
			for step := range steps {
				p.step(random)
				if step == at {
					backedUp, had = p.backUp(), livesIn(t, p.dsn)
				}
			}
			list := filepath.Join(t.TempDir(), "erasures")
			_, _, err := p.roster.WriteErasures(context.Background(), auth.Operator(), list)
			must(t, err)
			restored, out := p.restore(backedUp, list)
			kept := livesIn(t, p.dsn)
			want := slices.DeleteFunc(slices.Clone(had), func(life string) bool { return !slices.Contains(kept, life) })
			if diff := cmp.Diff(want, livesIn(t, restored)); diff != "" || out.Erased != len(had)-len(want) {
				t.Errorf("seed %d: %d erased; lives (-want +got):\n%s", seed, out.Erased, diff)
			}
			for _, table := range []string{"member_profiles", "member_roles", "member_tasks", "group_members"} {
				var lost int
				must(t, storetest.SQL(t, restored).QueryRow("SELECT COUNT(*) FROM "+table+
					" x WHERE NOT EXISTS (SELECT 1 FROM members m WHERE m.account_id = x.account_id AND m.id = x.member_id)").Scan(&lost))
				if lost > 0 {
					t.Errorf("seed %d: %d rows of %s belong to nobody", seed, lost, table)
				}
			}
			// The control.
			if again, _ := p.restore(backedUp); !slices.Equal(had, livesIn(t, again)) {
				t.Errorf("seed %d: without a list the backup does not have everybody", seed)
			}
		}
	})
}

// step does something to the directory.
func (p *purgeBench) step(random *rand.Rand) {
	p.Helper()
	account := []string{"one", "two"}[random.IntN(2)]
	live := map[string]bool{}
	p.check(p.roster.EachUser(context.Background(), auth.Operator(), p.account[account], func(m directory.Member) error {
		live[m.Email] = true
		return nil
	}))
	var come, leave []string
	for i := range 6 {
		email := fmt.Sprintf("p%d@x.example", i)
		if random.IntN(2) == 0 {
			continue
		}
		if live[email] {
			leave = append(leave, email)
		} else {
			come = append(come, email)
		}
	}
	p.ahead.Add(int64(time.Duration(random.IntN(30))*time.Minute) + 1) // groups are named by the time
	switch {
	case random.IntN(3) == 0:
		p.purge()
	case random.IntN(2) == 0 && len(leave) > 0:
		p.remove(account, leave...)
	case len(come) > 0:
		p.users(account, come...)
	}
}

// Whoever owns something in the backup cannot be erased from it, and is named.
func TestOwnersOfABackupAreNamed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		p := newPurgeBench(t, dsn, roster.Options{RestoreWindow: time.Hour})
		p.users("one", "ann@x.example", "bo@x.example")
		backedUp := p.backUp()
		_, err := p.roster.TransferAccount(context.Background(), auth.Operator(), p.account["one"], "ann@x.example")
		must(t, err)
		p.remove("one", "owner@one.example", "bo@x.example")
		p.ahead.Store(int64(2 * time.Hour))
		if n := p.purge(); n != 2 {
			t.Fatalf("%d erased", n)
		}
		list := filepath.Join(t.TempDir(), "erasures")
		_, _, err = p.roster.WriteErasures(context.Background(), auth.Operator(), list)
		must(t, err)
		_, out := p.restore(backedUp, list)
		want := []roster.NotErased{{Account: p.account["one"], Email: "owner@one.example", Reason: directory.ReasonAccountOwner}}
		if diff := cmp.Diff(want, out.Left); diff != "" || out.Erased != 1 {
			t.Errorf("%d erased; left (-want +got):\n%s", out.Erased, diff)
		}
	})
}

// A backup that is taken while others write is one moment of the database: of
// each pair that comes and goes together it has both or none, and everything that
// was acknowledged before it began.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		p := newPurgeBench(t, dsn, roster.Options{})
		stop, done := make(chan struct{}), make(chan error, 1)
		acknowledged := make(chan int, 1000)
		go func() { done <- p.pairs(stop, acknowledged) }()
		before := 0
		for range 5 { // it is at work
			before = <-acknowledged
		}
		backedUp := p.backUp()
		close(stop)
		must(t, <-done)
		restored, out := p.restore(backedUp)
		var pairs, odd, removed int
		db := storetest.SQL(t, restored)
		must(t, db.QueryRow(`SELECT COUNT(*), COALESCE(SUM(CASE WHEN n <> 2 OR gone NOT IN (0, 2) THEN 1 ELSE 0 END), 0), COALESCE(SUM(gone), 0) FROM (
  SELECT COUNT(*) AS n, SUM(CASE WHEN removal_id IS NULL THEN 0 ELSE 1 END) AS gone
  FROM members WHERE email_key LIKE 'pair%' GROUP BY SUBSTR(email_key, 1, 10)) x`).Scan(&pairs, &odd, &removed))
		var counted int
		must(t, db.QueryRow(`SELECT SUM(removed) FROM removals`).Scan(&counted))
		if pairs <= before || odd > 0 || removed != counted || removed < 2*before {
			t.Errorf("%d pairs, %d of them halves, %d removed of whom %d are counted; %d pairs were acknowledged before", pairs, odd, removed, counted, before)
		}
		if out.Accounts != 2 || out.Left != nil || out.Erased != 0 {
			t.Errorf("restored %+v", out)
		}
	})
}

// pairs makes two people at a time, and removes those before, and says how many
// pairs were removed.
func (p *purgeBench) pairs(stop chan struct{}, acknowledged chan int) error {
	ctx := context.Background()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return nil
		default:
		}
		pair := func(n int) []string {
			return []string{fmt.Sprintf("pair%06da@x.io", n), fmt.Sprintf("pair%06db@x.io", n)}
		}
		var rows []roster.ImportRow
		for i, email := range pair(n) {
			rows = append(rows, roster.ImportRow{Line: i, Email: email})
		}
		if _, err := p.roster.ImportUsers(ctx, auth.Operator(), p.account["one"], rows, roster.ImportOptions{}); err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		refs := []directory.UserRef{{Text: pair(n - 1)[0]}, {Text: pair(n - 1)[1]}}
		if _, err := p.roster.RemoveUsers(ctx, p.caller["one"], refs, roster.RemovalOptions{}); err != nil {
			return err
		}
		select {
		case acknowledged <- n:
		default:
		}
	}
}

// What is wrong with a backup or with the place for it is said before anything is
// changed.
func TestBackupsThatAreRefused(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	p := newPurgeBench(t, storetest.New(t, "sqlite"), roster.Options{})
	p.users("one", "ann@x.example")
	good := p.backUp()
	content, err := os.ReadFile(good)
	must(t, err)
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, content, 0o600))
		return path
	}
	damaged := slices.Clone(content)
	for i := 4096 * 3; i < len(damaged); i += 512 {
		damaged[i] ^= 0xff
	}
	forged := p.backUp()
	storetest.Exec(t, forged, "UPDATE audit_records SET person_id = person_id + 1 WHERE person_id > 0")
	newer := p.backUp()
	storetest.Exec(t, newer, "UPDATE roster_migrations SET version_id = version_id + 1000 WHERE version_id > 0")
	idle := file("idle.db", content)
	list := file("list", []byte("roster erasures 1\n"))
	before := storetest.Dump(t, p.dsn)
	for _, tt := range []struct {
		name string
		o    roster.RestoreOf
		to   string
		want string
	}{
		{"a file that is not there", roster.RestoreOf{Backup: filepath.Join(dir, "none")}, "", "no such file"},
		{"no file", roster.RestoreOf{}, "", "missing"},
		{"another file", roster.RestoreOf{Backup: file("text", []byte("hello, this is text and no database at all"))}, "", "is not a database file"},
		{"a damaged backup", roster.RestoreOf{Backup: file("damaged.db", damaged)}, "", "is not good"},
		{"a cut backup", roster.RestoreOf{Backup: file("cut.db", content[:len(content)/2])}, "", "is not good"},
		{"a changed audit log", roster.RestoreOf{Backup: forged}, "", "is not good"},
		{"of a later version", roster.RestoreOf{Backup: newer}, "", "later version"},
		{"a database that is there", roster.RestoreOf{Backup: good}, idle, "exists already"},
		{"a database in use", roster.RestoreOf{Backup: good, Replace: true}, p.dsn, "in use"},
		{"no list", roster.RestoreOf{Backup: good, Erasures: []string{filepath.Join(dir, "nolist")}}, "", "no such file"},
		{"another list", roster.RestoreOf{Backup: good, Erasures: []string{good}}, "", "no list of erasures"},
		{"a cut list", roster.RestoreOf{Backup: good, Erasures: []string{list, file("cutlist", []byte("roster erasures 1\nabcd"))}}, "", "cut or changed"},
	} {
		if tt.to == "" {
			tt.to = filepath.Join(dir, "new.db")
		}
		tt.o.Options.Database = tt.to
		tt.o.Options.SecretKeyFile = filepath.Join(dir, "key")
		if _, err := roster.RestoreBackup(ctx, auth.Operator(), tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "new.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a database was made: %v", err)
	}
	if diff := before.Diff(storetest.Dump(t, p.dsn)); diff != "" {
		t.Errorf("the database in use was changed:\n%s", diff)
	}
	if _, err := p.roster.Backup(ctx, auth.Operator(), good, false); !errors.Is(err, directory.ErrExists) {
		t.Errorf("a backup was replaced: %v", err)
	}
	_, err = p.roster.Backup(ctx, auth.Operator(), good, true)
	must(t, err)
	for _, caller := range []auth.Caller{p.caller["one"], {}} {
		if _, err := p.roster.Backup(ctx, caller, filepath.Join(dir, "x"), true); !errors.Is(err, directory.ErrDenied) {
			t.Errorf("a caller who is not the operator: %v", err)
		}
		if _, err := roster.RestoreBackup(ctx, caller, roster.RestoreOf{Backup: good}); !errors.Is(err, directory.ErrDenied) {
			t.Errorf("a caller who is not the operator: %v", err)
		}
		if _, _, err := p.roster.WriteErasures(ctx, caller, list); !errors.Is(err, directory.ErrDenied) {
			t.Errorf("a caller who is not the operator: %v", err)
		}
	}
}

// A database that is replaced stays beside the new one, and whom it has erased is
// erased from the backup as well.
func TestReplacedDatabaseStaysAside(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	p := newPurgeBench(t, storetest.New(t, "sqlite"), roster.Options{RestoreWindow: time.Hour})
	p.users("one", "ann@x.example", "bo@x.example")
	backedUp := p.backUp()
	p.remove("one", "ann@x.example")
	p.ahead.Store(int64(2 * time.Hour))
	p.purge()
	now := p.backUp() // in place of a database that nobody has open

	o := roster.RestoreOf{Backup: backedUp, Replace: true}
	o.Options.Database, o.Options.SecretKeyFile = now, filepath.Join(t.TempDir(), "key")
	out, err := roster.RestoreBackup(ctx, auth.Operator(), o)
	must(t, err)
	if out.Erased != 1 || fmt.Sprint(livesIn(t, now)) == fmt.Sprint(livesIn(t, backedUp)) {
		t.Errorf("restored %+v with %v", out, livesIn(t, now))
	}
	if left := livesIn(t, now); len(left) != 3 || strings.Contains(fmt.Sprint(left), "ann@") {
		t.Errorf("there are %v", left)
	}
	if diff := cmp.Diff(livesIn(t, p.dsn), livesIn(t, out.Aside)); diff != "" {
		t.Errorf("aside (-want +got):\n%s", diff)
	}
}
