package roster_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// A file that something else needs is not written to, by whatever name it is
// given: a backup, a list of erasures and a file of checkpoints do not replace it.
func TestFilesInUseAreNotWrittenTo(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	copyFile(t, storetest.New(t, "sqlite"), in("roster.db"))
	p := newPurgeBench(t, in("roster.db"), roster.Options{Secrets: true})
	p.users("one", "ann@x.example")
	_, _, err := p.roster.WriteCheckpoint(ctx, auth.Operator(), in("first")) // makes its key
	must(t, err)
	copyFile(t, storetest.New(t, "sqlite"), in("other.db")) // no process has it open
	copyFile(t, storetest.New(t, "sqlite"), in("used.db"))
	other, err := roster.Open(ctx, roster.Options{Database: in("used.db")})
	must(t, err)
	defer other.Close()
	_, err = other.Accounts(ctx, auth.Operator())
	must(t, err)
	must(t, os.Link(in("roster.db"), in("hard")))
	must(t, os.Link(in("roster.db.key"), in("hard.key")))
	must(t, os.Symlink("roster.db", in("soft")))
	must(t, os.Symlink(dir, in("dir")))
	must(t, os.WriteFile(in("text"), []byte("text"), 0o600))
	must(t, os.WriteFile(in("left-wal"), []byte("log"), 0o600))
	must(t, os.WriteFile(in("empty"), nil, 0o600))

	targets := []string{
		"roster.db", "roster.db-wal", "roster.db-shm", "roster.db-journal", "roster.db.key", "roster.db.lock", "roster.db.key.lock",
		"roster.db.key.checkpoint", "hard", "hard.key", "soft", "dir/roster.db", "dir",
		"other.db", "other.db-wal", "other.db.key", "used.db", "used.db-shm", "text", "left", "empty",
	}
	write := map[string]func(string) error{
		"a backup": func(path string) error {
			_, err := p.roster.Backup(ctx, auth.Operator(), path, true)
			return err
		},
		"a list of erasures": func(path string) error {
			_, _, err := p.roster.WriteErasures(ctx, auth.Operator(), path)
			return err
		},
		"checkpoints": func(path string) error {
			_, _, err := p.roster.WriteCheckpoint(ctx, auth.Operator(), path)
			return err
		},
	}
	state := func() map[string][]byte {
		all := map[string][]byte{}
		for _, name := range targets {
			all[name], _ = os.ReadFile(in(name))
		}
		return all
	}
	before := state()
	for what, do := range write {
		for _, name := range targets {
			mine := name == "left" || (name == "empty" && what == "checkpoints")
			if mine && what != "a backup" { // nothing is in the way of a file of ours
				continue
			}
			if err := do(in(name)); err == nil {
				t.Errorf("%s was written to %s", what, name)
			}
		}
	}
	for name, now := range state() {
		if !bytes.Equal(before[name], now) {
			t.Errorf("%s was changed", name)
		}
	}
	p.users("one", "bo@x.example", "cy@x.example")
	_, err = p.roster.VerifyAudit(ctx, auth.Operator())
	must(t, err)
}

// A backup is replaced by another one, also through a symbolic link, but neither
// while a process has it open nor once it has become a database.
func TestOnlyBackupsAreReplaced(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	p := newPurgeBench(t, storetest.New(t, "sqlite"), roster.Options{})
	dir := t.TempDir()
	path, link := filepath.Join(dir, "backup"), filepath.Join(dir, "link")
	must(t, os.Symlink("backup", link))
	must(t, os.WriteFile(path, nil, 0o600))
	back := func(path string) error {
		_, err := p.roster.Backup(ctx, auth.Operator(), path, true)
		return err
	}
	if err := back(path); err == nil {
		t.Error("an empty file was replaced")
	}
	must(t, os.Remove(path))
	must(t, back(path))
	must(t, back(path))
	must(t, back(link))
	if info, err := os.Lstat(link); err != nil || info.Mode().Type() != os.ModeSymlink {
		t.Errorf("the link was replaced: %v, %v", info, err)
	}
	reader := storetest.SQL(t, path)
	tx, err := reader.BeginTx(ctx, nil)
	must(t, err)
	var n int
	must(t, tx.QueryRow("SELECT COUNT(*) FROM accounts").Scan(&n))
	if err := back(path); err == nil {
		t.Error("a backup in use was replaced")
	}
	must(t, tx.Rollback())
	must(t, back(path))

	r, err := roster.Open(ctx, roster.Options{Database: path})
	must(t, err)
	must(t, r.Close())
	if err := back(path); !errors.Is(err, directory.ErrInvalid) || !strings.Contains(err.Error(), "is not a backup") {
		t.Errorf("a backup that became a database: %v", err)
	}
}

// A backup is not restored over itself, nor over a file of another database.
func TestRestoreOverAnotherFile(t *testing.T) {
	t.Parallel()
	p := newPurgeBench(t, storetest.New(t, "sqlite"), roster.Options{})
	backup := p.backUp()
	list := filepath.Join(t.TempDir(), "erasures")
	_, _, err := p.roster.WriteErasures(context.Background(), auth.Operator(), list)
	must(t, err)
	for _, target := range []string{backup, backup + "-wal", p.dsn + ".key", list} {
		o := roster.RestoreOf{Backup: backup, Erasures: []string{list}, Replace: true}
		o.Options.Database, o.Options.SecretKeyFile = target, filepath.Join(t.TempDir(), "key")
		if _, err := roster.RestoreBackup(context.Background(), auth.Operator(), o); !errors.Is(err, directory.ErrInvalid) {
			t.Errorf("restored to %s: %v", target, err)
		}
	}
}
