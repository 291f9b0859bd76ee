package roster_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// A copy that is broken off, or whose audit log is not whole, does not get the
// name of a backup: a good one that has it stays, and nothing is left beside it.
func TestBadBackupGetsNoName(t *testing.T) {
	t.Parallel()
	p := newPurgeBench(t, storetest.New(t, "sqlite"), roster.Options{})
	p.users("one", "ann@x.example")
	good := p.backUp()
	content, err := os.ReadFile(good)
	must(t, err)
	broken, cancel := context.WithCancel(context.Background())
	cancel()
	for _, tt := range []struct {
		name, change, want string
	}{
		{"broken off", "", "context canceled"},
		{"changed", "UPDATE audit_records SET person_id = person_id + 1 WHERE person_id > 0", "the backup is not good"},
	} {
		ctx := broken
		if tt.change != "" {
			ctx = context.Background()
			storetest.Exec(t, p.dsn, tt.change)
		}
		dir := t.TempDir()
		if _, err := p.roster.Backup(ctx, auth.Operator(), filepath.Join(dir, "new"), false); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: it left %v (%v)", tt.name, left, err)
		}
		if _, err := p.roster.Backup(ctx, auth.Operator(), good, true); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: in place of another: %v, want %q", tt.name, err, tt.want)
		}
		if now, err := os.ReadFile(good); err != nil || !slices.Equal(now, content) {
			t.Errorf("%s: the good backup was changed (%v)", tt.name, err)
		}
	}
}

// A backup is restored only with the key of its secrets, and without it says which
// file lacks which key, and leaves neither a database nor a key file.
func TestBackupWantsItsKey(t *testing.T) {
	t.Parallel()
	ctx, dir := context.Background(), t.TempDir()
	own, other := filepath.Join(dir, "own"), filepath.Join(dir, "other")
	backups := map[string]string{}
	for _, key := range []string{own, other} { // the second only makes another key
		o := roster.Options{Database: storetest.New(t, "sqlite"), Secrets: true, SecretKeyFile: key}
		r, err := roster.Open(ctx, o)
		must(t, err)
		backups[key] = key + ".backup"
		_, err = r.Backup(ctx, auth.Operator(), backups[key], false)
		must(t, errors.Join(err, r.Close()))
	}
	missing, target := filepath.Join(dir, "missing"), filepath.Join(dir, "roster.db")
	for key, want := range map[string]string{other: "holds the key", missing: "is missing"} {
		o := roster.RestoreOf{Backup: backups[own]}
		o.Options.Database, o.Options.SecretKeyFile = target, key
		_, err := roster.RestoreBackup(ctx, auth.Operator(), o)
		if err == nil || !strings.Contains(err.Error(), "secret key file "+key+" "+want) {
			t.Errorf("with the key file %s: %v, want %q", key, err, want)
		}
		for _, path := range []string{target, missing} {
			if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("with the key file %s: %s is there (%v)", key, path, err)
			}
		}
	}
	o := roster.RestoreOf{Backup: backups[own]}
	o.Options.Database, o.Options.SecretKeyFile = target, own
	_, err := roster.RestoreBackup(ctx, auth.Operator(), o)
	must(t, err)
}

// The log of a database that was moved away would be read as one of the database
// that is put in its place, so it is in the way.
func TestLogLeftBehindIsInTheWay(t *testing.T) {
	t.Parallel()
	p := newPurgeBench(t, storetest.New(t, "sqlite"), roster.Options{})
	p.users("one", "ann@x.example")
	o := roster.RestoreOf{Backup: p.backUp(), Replace: true}
	o.Options.Database = filepath.Join(t.TempDir(), "roster.db")
	o.Options.SecretKeyFile = filepath.Join(t.TempDir(), "key")
	log, err := os.ReadFile(p.dsn + "-wal") // of a database in use, as a crash leaves it
	must(t, err)
	if len(log) == 0 {
		t.Fatal("there is no log")
	}
	left := o.Options.Database + "-wal"
	must(t, os.WriteFile(left, log, 0o600))
	_, err = roster.RestoreBackup(context.Background(), auth.Operator(), o)
	if !errors.Is(err, directory.ErrInvalid) || !strings.Contains(err.Error(), left) {
		t.Errorf("with a log left behind: %v", err)
	}
	if now, err := os.ReadFile(left); err != nil || !slices.Equal(now, log) {
		t.Errorf("the log was changed (%v)", err)
	}
	if _, err := os.Stat(o.Options.Database); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a database (%v)", err)
	}
	must(t, os.Remove(left))
	_, err = roster.RestoreBackup(context.Background(), auth.Operator(), o)
	must(t, err)
}
