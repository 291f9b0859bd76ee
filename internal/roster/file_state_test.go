package roster_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/store"
	"roster/internal/storetest"
)

// A SQLite database has one server, whatever path names it; commands work beside
// it. It can be served again once the server has closed it.
func TestOneServerToASQLiteDatabase(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dsn := storetest.New(t, "sqlite")
	link := filepath.Join(t.TempDir(), "link.db")
	must(t, os.Symlink(dsn, link))
	backup := filepath.Join(t.TempDir(), "backup")
	server, err := roster.Open(ctx, roster.Options{Database: dsn, Serve: true})
	must(t, err)
	_, err = server.Backup(ctx, auth.Operator(), backup, false)
	must(t, err)
	for _, path := range []string{dsn, link} {
		_, err := roster.Open(ctx, roster.Options{Database: path, Serve: true})
		if !errors.Is(err, directory.ErrUnavailable) || !strings.Contains(err.Error(), "another server uses the database "+path) {
			t.Errorf("a second server at %s: %v", path, err)
		}
	}
	command, err := roster.Open(ctx, roster.Options{Database: link})
	must(t, err)
	_, err = command.CreateAccount(ctx, auth.Operator(), "X", "owner@example.com")
	must(t, errors.Join(err, command.Close(), server.Close()))

	unlock, err := store.LockServer(ctx, dsn) // a server that is about to open it
	must(t, err)
	o := roster.RestoreOf{Backup: backup, Replace: true}
	o.Options.Database, o.Options.SecretKeyFile = dsn, filepath.Join(t.TempDir(), "key")
	if _, err := roster.RestoreBackup(ctx, auth.Operator(), o); !errors.Is(err, directory.ErrUnavailable) {
		t.Errorf("a backup is restored while a server starts: %v", err)
	}
	must(t, unlock())
	server, err = roster.Open(ctx, roster.Options{Database: dsn, Serve: true})
	must(t, err)
	must(t, server.Close())
}

// Of an account that cannot be created no database is left, and where several
// processes make the database at once it has the account of each.
func TestCreateLeavesAWholeDatabaseOrNone(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dir := t.TempDir()
	o := roster.Options{Database: filepath.Join(dir, "roster.db")}
	create := func(owner string) error {
		return roster.Create(ctx, o, func(r *roster.Roster) error {
			_, err := r.CreateAccount(ctx, auth.Operator(), "X", owner)
			return err
		})
	}
	if err := create("no address"); !errors.Is(err, directory.ErrInvalid) {
		t.Errorf("an owner without an address: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("it left %v (%v)", left, err)
	}
	const processes = 4
	var all sync.WaitGroup
	for i := range processes {
		all.Go(func() {
			if err := create(fmt.Sprintf("owner%d@example.com", i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	r, err := roster.Open(ctx, roster.Options{Database: o.Database, MustExist: true})
	must(t, err)
	accounts, err := r.Accounts(ctx, auth.Operator())
	must(t, errors.Join(err, r.Close()))
	if len(accounts) != processes {
		t.Errorf("there are %d accounts", len(accounts))
	}
}

// A server makes no new database where files show that there was one.
func TestServerMakesNoDatabaseForALostOne(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, ending := range []string{".key", "-wal", "-shm", "-journal"} {
		path := filepath.Join(t.TempDir(), "roster.db")
		must(t, os.WriteFile(path+ending, []byte("x"), 0o600))
		_, err := roster.Open(ctx, roster.Options{Database: path, Serve: true, Migration: roster.MigrateAll})
		if err == nil || !strings.Contains(err.Error(), path+ending) {
			t.Errorf("beside a file %s: %v", ending, err)
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("beside a file %s a database was made (%v)", ending, err)
		}
	}
}

// losses are ways in which a database in use loses its file, and what undoes them.
var losses = map[string]struct {
	lose, undo func(path, aside string) error
}{
	"renamed": {os.Rename, func(path, aside string) error { return os.Rename(aside, path) }},
	"replaced": {func(path, aside string) error {
		return errors.Join(os.Rename(path, aside), os.WriteFile(path, nil, 0o600))
	}, func(path, aside string) error { return os.Rename(aside, path) }},
	"deleted": {func(path, aside string) error { // a second name can bring it back
		return errors.Join(os.Link(path, aside), os.Remove(path))
	}, func(path, aside string) error { return os.Rename(aside, path) }},
	"log deleted": {func(path, aside string) error {
		return errors.Join(os.Link(path+"-wal", aside), os.Remove(path+"-wal"))
	}, func(path, aside string) error { return os.Rename(aside, path+"-wal") }},
}

// After its file was deleted or replaced no call on a SQLite database succeeds, not
// even one that was committing. All is well when the file is back.
func TestLostDatabaseAcknowledgesNothing(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, loss := range losses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := storetest.New(t, "sqlite")
			aside := filepath.Join(filepath.Dir(dsn), "aside")
			atCommit := func() {}
			o := roster.Options{Database: dsn}
			o.Store.Trace = func(query string) {
				if query == "COMMIT" {
					atCommit()
				}
			}
			r, err := roster.Open(ctx, o)
			must(t, err)
			defer r.Close()
			account, err := r.CreateAccount(ctx, auth.Operator(), "X", "owner@example.com")
			must(t, err)
			group := func(name string) error {
				_, err := r.CreateGroup(ctx, auth.Operator(), account, name, nil)
				return err
			}
			must(t, group("before"))
			calls := map[string]func() error{
				"a call that writes": func() error { return group("lost") },
				"a call that reads": func() error {
					_, err := r.Accounts(ctx, auth.Operator())
					return err
				},
				"a snapshot": func() error {
					_, err := r.VerifyAudit(ctx, auth.Operator())
					return err
				},
				"the look whether it is ready": func() error { return r.Ready(ctx) },
			}
			if name == "log deleted" { // what was committed before can still be read
				calls = map[string]func() error{"a call that writes": calls["a call that writes"]}
			}
			atCommit = sync.OnceFunc(func() { must(t, loss.lose(dsn, aside)) })
			if err := group("committing"); !errors.Is(err, directory.ErrUnavailable) || !strings.Contains(err.Error(), "was deleted or replaced") {
				t.Errorf("a call that was committing: %v", err)
			}
			for what, call := range calls {
				if err := call(); !errors.Is(err, directory.ErrUnavailable) || !strings.Contains(err.Error(), "was deleted or replaced") {
					t.Errorf("%s: %v", what, err)
				}
			}
			must(t, loss.undo(dsn, aside))
			must(t, group("after"))
		})
	}
}

// A database that cannot be written can be read, listed, verified and backed up,
// unless its last changes are in a log that cannot be read there.
func TestDatabaseThatCannotBeWrittenIsRead(t *testing.T) {
	t.Parallel()
	if !inChild(t) {
		return
	}
	ctx := context.Background()
	f := prepareFaults(t, storetest.New(t, "sqlite"), "")
	dir, out := filepath.Dir(f.DSN), t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755)) // so that the user below finds it
	must(t, os.Chmod(out, 0o777))
	t.Cleanup(func() { must(t, os.Chmod(dir, 0o700)) })
	for i, modes := range [][2]os.FileMode{{0o777, 0o444}, {0o555, 0o666}, {0o555, 0o444}} {
		must(t, os.Chmod(dir, modes[0]))
		must(t, os.Chmod(f.DSN, modes[1]))
		asNobody(t, func() {
			r, err := roster.Open(ctx, roster.Options{Database: f.DSN, ReadOnly: true})
			if err != nil {
				t.Errorf("%v: %v", modes, err)
				return
			}
			_, err = r.VerifyAudit(ctx, auth.Operator())
			must(t, err)
			must(t, r.EachUser(ctx, auth.Operator(), f.Account, func(directory.Member) error { return nil }))
			report, err := r.Backup(ctx, auth.Operator(), filepath.Join(out, fmt.Sprint("backup", i)), false)
			if err != nil || report.Records == 0 {
				t.Errorf("%v: a backup: %+v, %v", modes, report, err)
			}
			if _, err := r.CreateGroup(ctx, auth.Operator(), f.Account, "no", nil); !errors.Is(err, directory.ErrUnavailable) {
				t.Errorf("%v: a group: %v", modes, err)
			}
			must(t, r.Close())
		})
		if left, err := filepath.Glob(f.DSN + "-*"); err != nil || len(left) > 0 {
			t.Errorf("%v: there are %v", modes, left)
		}
	}

	asNobody(t, func() { // and is changed by its owner meanwhile
		r, err := roster.Open(ctx, roster.Options{Database: f.DSN, ReadOnly: true})
		must(t, err)
		if os.Getuid() == 0 {
			must(t, syscall.Setresuid(-1, 0, -1))
		}
		must(t, os.Chtimes(f.DSN, time.Unix(1, 0), time.Unix(1, 0)))
		if os.Getuid() == 0 {
			must(t, syscall.Setresuid(-1, 65534, -1))
		}
		if err := r.Close(); err == nil || !strings.Contains(err.Error(), "was changed while it was read") {
			t.Errorf("a database that was changed: %v", err)
		}
	})
	must(t, os.WriteFile(f.DSN+"-wal", []byte("log"), 0o644))
	asNobody(t, func() {
		if _, err := roster.Open(ctx, roster.Options{Database: f.DSN, ReadOnly: true}); err == nil || !strings.Contains(err.Error(), "-wal") {
			t.Errorf("with a log: %v", err)
		}
	})
}
