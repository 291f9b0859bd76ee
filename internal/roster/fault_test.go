package roster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/store"
	"roster/internal/storetest"
)

// faultVerb is a verb that writes, for being failed at each of its statements.
// What it works on is made by prepareFaults.
type faultVerb struct {
	name string
	run  func(ctx context.Context, r *roster.Roster, f *faultCase) error
	// steps marks a verb of several transactions, each of which may stand alone.
	steps bool
}

// eraseAtOnce is the verb that runs without a restore window.
const eraseAtOnce = "remove users for good"

// restoreLost is the verb that restores a member whose group is gone.
const restoreLost = "restore users"

var faultVerbs = append([]faultVerb{
	{name: "remove users", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		_, err := r.RemoveUsers(ctx, f.Caller(), f.refs("ann@example.com", "bo@example.com", "owner@example.com", "no@example.com"), roster.RemovalOptions{RequestID: "id"})
		return err
	}},
	{name: "remove users, once", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		o := roster.RemovalOptions{Repeat: directory.NewRepeatKey("key", directory.NewRequestHash("request"))}
		out, err := r.RemoveUsers(ctx, f.Caller(), f.refs("ann@example.com", "no@example.com"), o)
		if err == nil && (out.Removed != 1 || out.Repeated) {
			err = fmt.Errorf("removed %+v", out)
		}
		return err
	}},
	{name: eraseAtOnce, run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		_, err := r.RemoveUsers(ctx, f.Caller(), f.refs("ann@example.com", "owner@example.com"), roster.RemovalOptions{RequestID: "id"})
		return err
	}},
	{name: restoreLost, run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		out, err := r.RestoreUsers(ctx, auth.Operator(), f.Account, f.Removal, nil, roster.RestoreOptions{RequestID: "id"})
		if err == nil && (out.Restored != 1 || len(out.Lost) != 1) {
			err = fmt.Errorf("restored %+v", out)
		}
		return err
	}},
	{name: "create account", run: func(ctx context.Context, r *roster.Roster, _ *faultCase) error {
		_, err := r.CreateAccount(ctx, auth.Operator(), "Another", "ann@example.com")
		return err
	}},
	{name: "create app", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		_, _, err := r.CreateApp(ctx, auth.Operator(), f.Account, roster.NewApp{Name: "A", Scopes: []directory.Scope{directory.ScopeUserManagement}})
		return err
	}},
	{name: "create bot", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		_, err := r.CreateBot(ctx, auth.Operator(), f.Account, "B", "ann@example.com")
		return err
	}},
	{name: "create group", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		_, err := r.CreateGroup(ctx, auth.Operator(), f.Account, "G", []string{"ann@example.com", "bo@example.com"})
		return err
	}},
	{name: "assign role", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		return r.AssignRole(ctx, auth.Operator(), f.Account, directory.RoleBotTester, f.Bot, []string{"bo@example.com"})
	}},
	{name: "import users", run: func(ctx context.Context, r *roster.Roster, f *faultCase) error {
		rows := []roster.ImportRow{{Line: 1, Email: "ann@example.com", OrgUserID: "E9"}, {Line: 2, Email: "dee@example.com"}}
		out, err := r.ImportUsers(ctx, auth.Operator(), f.Account, rows, roster.ImportOptions{Update: true})
		if err == nil && out.Created+out.Updated != 2 {
			err = fmt.Errorf("imported %+v", out)
		}
		return err
	}},
	{name: "rotate secret key", steps: true, run: func(ctx context.Context, r *roster.Roster, _ *faultCase) error {
		// A key that waits makes this another rotation, whatever is unfinished.
		if _, _, err := r.AddSecretKey(ctx, auth.Operator()); err != nil {
			return err
		}
		_, err := r.RotateSecretKey(ctx, auth.Operator())
		return err
	}},
	{name: "purge", steps: true, run: func(ctx context.Context, r *roster.Roster, _ *faultCase) error {
		_, err := r.PurgeExpired(ctx, auth.System())
		return err
	}},
}, slices.Concat(appFaultVerbs, objectFaultVerbs, jobFaultVerbs)...)

// faultCase is what a verb works on. It travels to a child process as JSON.
type faultCase struct {
	DSN, Key, Account string
	App, Other        string // client ids
	Group, Bot        string // public ids
	Sales, Role       string // a group and a custom role
	Removal           string // of gone@example.com
	Job               string // a removal that waits, for the verbs about jobs
	AccountID         directory.AccountID
	Secrets           map[string]string // client secrets by client id
	Verb              string
	At                int64 // the statement at which the child ends
}

func (f *faultCase) Caller() auth.Caller {
	return auth.AppCaller(directory.App{
		ID: 1, Account: f.AccountID, Origin: directory.OriginAdminConsole, Scopes: []directory.Scope{directory.ScopeUserManagement},
	}, auth.Claims{Label: "somebody"})
}

func (f *faultCase) refs(emails ...string) []directory.UserRef {
	refs := make([]directory.UserRef, len(emails))
	for i, e := range emails {
		refs[i] = directory.UserRef{Text: e}
	}
	return refs
}

// open opens the directory with trace called before each statement. Its window
// is over at once, so that there is something to purge.
func (f *faultCase) open(trace func(string)) (*roster.Roster, error) {
	return roster.Open(context.Background(), roster.Options{
		Database: f.DSN, Secrets: true, SecretKeyFile: f.Key, RestoreWindow: time.Nanosecond, EraseAtOnce: f.Verb == eraseAtOnce,
		Store: store.Options{Trace: trace},
	})
}

func prepareFaults(t *testing.T, dsn, verb string) *faultCase {
	t.Helper()
	f := &faultCase{DSN: dsn, Key: filepath.Join(t.TempDir(), "key"), Verb: verb}
	r, err := f.open(nil)
	must(t, err)
	ctx := context.Background()
	f.Account, err = r.CreateAccount(ctx, auth.Operator(), "X", "owner@example.com")
	must(t, err)
	must(t, storetest.SQL(t, dsn).QueryRow("SELECT id FROM accounts").Scan(&f.AccountID))
	rows := []roster.ImportRow{{Email: "ann@example.com"}, {Email: "bo@example.com"}, {Email: "cy@example.com"}, {Email: "gone@example.com"}}
	_, err = r.ImportUsers(ctx, auth.Operator(), f.Account, rows, roster.ImportOptions{})
	must(t, err)
	f.Group, err = r.CreateGroup(ctx, auth.Operator(), f.Account, "Staff", []string{"ann@example.com", "gone@example.com"})
	must(t, err)
	f.prepareObjects(t, r)
	must(t, r.AssignRole(ctx, auth.Operator(), f.Account, directory.RoleAdmin, "", []string{"bo@example.com", "gone@example.com"}))
	out, err := r.RemoveUsers(ctx, f.Caller(), f.refs("gone@example.com"), roster.RemovalOptions{})
	must(t, err)
	f.Removal = out.PublicID
	if verb == restoreLost {
		must(t, r.DeleteGroup(ctx, auth.Operator(), f.Account, f.Group))
	}
	for _, id := range []*string{&f.App, &f.Other} {
		*id, _, err = r.CreateApp(ctx, auth.Operator(), f.Account, roster.NewApp{Name: "A", Scopes: []directory.Scope{directory.ScopeUserManagement}})
		must(t, err)
	}
	_, _, err = r.AddSecret(ctx, auth.Operator(), f.App, roster.NewSecret{})
	must(t, err)
	must(t, wantDone(r.DisableApp(ctx, auth.Operator(), f.Other)))
	switch verb {
	case workOnJob, workOff, cancelJob, sweepJob:
		f.Job = f.queue(t, r)
	}
	if verb == "rotate secret key" {
		f.Secrets = createApps(t, r, f.Account, 20) // that it has something to write
		// The next key is in the file: faults of that are in rotate_test.go.
		_, _, err = r.AddSecretKey(ctx, auth.Operator())
		must(t, err)
	}
	must(t, r.Close())
	return f
}

// eachEngine is for tests that make databases of their own.
func eachEngine(t *testing.T, test func(t *testing.T, engine string)) {
	for _, engine := range storetest.Engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			test(t, engine)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// checkWhole is checkState on the directory as one finds it after a start.
func (f *faultCase) checkWhole(t *testing.T, at int64, steps bool, before storetest.Content) {
	t.Helper()
	r, err := f.open(nil)
	must(t, err)
	defer r.Close()
	f.checkState(t, r, at, steps, before)
}

// checkState fails the test unless the audit log is whole, and, for a verb of
// one transaction, the database is as it was.
func (f *faultCase) checkState(t *testing.T, r *roster.Roster, at int64, steps bool, before storetest.Content) {
	t.Helper()
	if _, err := r.VerifyAudit(context.Background(), auth.Operator()); err != nil {
		t.Errorf("failed at statement %d: %v", at, err)
	}
	checkSecrets(t, r, f.Secrets)
	if diff := before.Diff(storetest.Dump(t, f.DSN)); diff != "" && !steps {
		t.Fatalf("failed at statement %d: something was done (-before +after):\n%s", at, diff)
	}
}

// heavy are the verbs of most weight. They meet all kinds of faults, in the long
// form all verbs do.
func (v faultVerb) heavy() bool {
	switch v.name {
	case "remove users", "remove users, once", eraseAtOnce, restoreLost, "purge", "retire secret", workOnJob:
		return true
	}
	return storetest.Long()
}

// weighty are the verbs that are heavy.
func weighty() (verbs []faultVerb) {
	for _, v := range faultVerbs {
		if v.heavy() {
			verbs = append(verbs, v)
		}
	}
	return verbs
}

// TestFailureAtEachStatement fails every verb at its 1st, 2nd, 3rd ... statement,
// commit included, until it runs clean: by ending the call, and on PostgreSQL
// also by ending the server's side of every connection, for those of weight.
func TestFailureAtEachStatement(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, engine string) {
		for _, verb := range faultVerbs {
			t.Run(verb.name, func(t *testing.T) {
				t.Parallel()
				failEach(t, func() *faultCase { return prepareFaults(t, storetest.New(t, engine), verb.name) }, verb, nil)
			})
			if engine == "postgres" && verb.heavy() {
				t.Run(verb.name+", connections cut", func(t *testing.T) {
					t.Parallel()
					var f *faultCase
					prepare := func() *faultCase {
						f = prepareFaults(t, storetest.New(t, engine), verb.name)
						return f
					}
					failEach(t, prepare, verb, func() {
						storetest.Exec(t, f.DSN, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()`)
					})
				})
			}
		}
	})
}

// failEach runs the verb with a fault at its n-th statement, for n = 1, 2, 3 ...;
// a nil fault ends the call, and the same server goes on. Other faults take its
// connections, so it starts anew, to look and for the next: a connection that has
// been idle for long is not trusted, and a fault would miss it.
func failEach(t *testing.T, prepare func() *faultCase, verb faultVerb, fault func()) {
	f := prepare()
	var at, count atomic.Int64
	var armed atomic.Bool
	var cancel context.CancelFunc
	open := func() *roster.Roster {
		r, err := f.open(func(step string) {
			// Steps of a key file are no statements: rotate_test.go has those.
			switch {
			case !armed.Load() || strings.HasPrefix(step, "key file: ") || count.Add(1) != at.Load():
			case fault == nil:
				cancel()
			default:
				fault()
			}
		})
		must(t, err)
		return r
	}
	before := storetest.Dump(t, f.DSN) // and after each fault
	r := open()
	defer func() { must(t, r.Close()) }()
	for at.Store(1); ; at.Add(1) {
		var ctx context.Context
		ctx, cancel = context.WithCancel(context.Background())
		count.Store(0)
		armed.Store(true)
		err := verb.run(ctx, r, f)
		armed.Store(false)
		cancel()
		switch n := at.Load(); {
		case count.Load() < n && err != nil:
			t.Fatalf("without a fault: %v", err)
		case count.Load() < n && n < 4:
			t.Fatalf("the verb ran only %d statements: is the fault seen?", n-1)
		case count.Load() < n:
			return
		case err == nil && fault != nil && n == 1:
			// Nothing was sent on the connection that is gone, so another took its place.
			f = prepare()
			before = storetest.Dump(t, f.DSN)
		case err == nil:
			t.Fatalf("statement %d failed and the verb did not", n)
		}
		if fault == nil {
			f.checkState(t, r, at.Load(), verb.steps, before)
			continue
		}
		must(t, r.Close())
		f.checkWhole(t, at.Load(), verb.steps, before)
		r = open()
	}
}

// TestHarnessSeesTwoTransactions is the control: a removal done as two
// transactions is found out.
func TestHarnessSeesTwoTransactions(t *testing.T) {
	t.Parallel()
	f := prepareFaults(t, storetest.New(t, "sqlite"), "")
	before := storetest.Dump(t, f.DSN)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	marks := 0
	r, err := f.open(func(query string) {
		if strings.HasPrefix(query, "UPDATE members") {
			if marks++; marks == 2 {
				cancel()
			}
		}
	})
	must(t, err)
	for _, email := range []string{"ann@example.com", "bo@example.com"} {
		_, err = r.RemoveUsers(ctx, f.Caller(), f.refs(email), roster.RemovalOptions{})
	}
	must(t, r.Close())
	if err == nil || cmp.Equal(before, storetest.Dump(t, f.DSN)) {
		t.Errorf("the first half was not seen; error %v", err)
	}
}

const faultChild = "ROSTER_TEST_FAULT_CHILD"

// runFaultChild is the program of the child process: it runs a verb and kills
// itself at a statement.
func runFaultChild(spec string) int {
	var f faultCase
	if err := json.Unmarshal([]byte(spec), &f); err != nil {
		panic(err)
	}
	var count, armed atomic.Int64
	r, err := f.open(func(string) {
		if armed.Load() != 0 && count.Add(1) == f.At {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // the signal is on its way
		}
	})
	if err != nil {
		panic(err)
	}
	armed.Store(1)
	for _, verb := range faultVerbs {
		if verb.name == f.Verb {
			if err := verb.run(context.Background(), r, &f); err != nil {
				panic(err)
			}
		}
	}
	return 0
}

// TestKillAtEachStatement kills the process at each statement of the verbs of
// weight.
func TestKillAtEachStatement(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, engine string) {
		for _, verb := range weighty() {
			t.Run(verb.name, func(t *testing.T) {
				t.Parallel()
				f := prepareFaults(t, storetest.New(t, engine), verb.name)
				for killed := true; killed; {
					f.At++
					before := storetest.Dump(t, f.DSN)
					spec, err := json.Marshal(f)
					must(t, err)
					child := exec.CommandContext(t.Context(), os.Args[0])
					child.Env = append(os.Environ(), faultChild+"="+string(spec))
					out, err := child.CombinedOutput()
					killed = err != nil && strings.Contains(err.Error(), "killed")
					if err != nil && !killed {
						t.Fatalf("child: %v: %s", err, out)
					}
					storetest.WaitAlone(t, f.DSN)
					if killed {
						f.checkWhole(t, f.At, verb.steps, before)
					}
				}
				if f.At < 5 {
					t.Errorf("the child was killed only %d times", f.At-1)
				}
			})
		}
	})
}
