package store_test

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"roster/internal/directory"
	"roster/internal/store"
	"roster/internal/storetest"
)

func TestCommitOnSQLiteSurvivesAPowerCut(t *testing.T) {
	t.Parallel()
	dsn := storetest.New(t, "sqlite")
	storetest.Durable(dsn)
	s := storetest.Open(t, dsn, store.Options{})
	for pragma, want := range map[string]string{
		"synchronous": "2", "journal_mode": "wal", "foreign_keys": "1", "busy_timeout": "60000",
	} {
		if got, err := s.WriterValue(context.Background(), "PRAGMA "+pragma); err != nil || got != want {
			t.Errorf("the connection that writes has %s = %s (%v), want %s", pragma, got, err, want)
		}
	}
	for pragma, want := range map[string]string{"query_only": "1", "journal_mode": "wal", "busy_timeout": "60000"} {
		if got, err := s.ReaderValue(context.Background(), "PRAGMA "+pragma); err != nil || got != want {
			t.Errorf("a connection that reads has %s = %s (%v), want %s", pragma, got, err, want)
		}
	}
}

// After it has been closed a copy of the file alone is a copy of the database.
func TestClosedSQLiteIsOneFile(t *testing.T) {
	t.Parallel()
	f := newFixture(t, storetest.New(t, "sqlite"))
	f.live()
	if _, err := os.Stat(f.dsn + "-wal"); err != nil {
		t.Fatalf("what was written is not in the file beside it: %v", err)
	}
	must(t, f.store.Close())
	for _, suffix := range []string{"-wal", "-shm"} {
		if _, err := os.Stat(f.dsn + suffix); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("there is still a %s: %v", suffix, err)
		}
	}
}

// A connection that cannot begin a transaction is replaced, whatever is wrong
// with it.
func TestBrokenWriterOfSQLiteIsReplaced(t *testing.T) {
	t.Parallel()
	dsn := storetest.New(t, "sqlite")
	writers := storetest.WatchWriters(t, dsn)
	f := newFixture(t, dsn)
	writers.Exec(t, "BEGIN") // and no end
	if err := f.store.PinSecretKey(context.Background(), []byte("x")); err == nil {
		t.Error("a transaction began within another")
	}
	f.group("Staff")
}

func TestReadingConnectionsOfSQLiteCannotWrite(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.New(t, "sqlite"), store.Options{})
	if _, err := s.ReadDB().ExecContext(context.Background(), "DELETE FROM id_blocks"); err == nil {
		t.Error("a connection that reads has written")
	}
}

func TestPostgresThatCouldLoseACommitIsRefused(t *testing.T) {
	t.Parallel()
	dsn := storetest.New(t, "postgres")
	check := func(dsn string, ok bool) {
		t.Helper()
		s, err := store.Open(context.Background(), dsn, store.Options{})
		if err == nil {
			must(t, s.Close())
		}
		if (err == nil) != ok || (err != nil && !strings.Contains(err.Error(), "synchronous_commit = off")) {
			t.Errorf("%s: %v, want ok: %v and the name of the setting", dsn, err, ok)
		}
	}
	check(dsn, true)
	check(dsn+"&options=-c%20synchronous_commit%3Doff", false)
	check(dsn+"&synchronous_commit=off", false)
	check(dsn+"&synchronous_commit=remote_apply", true)
	u, err := url.Parse(dsn)
	must(t, err)
	storetest.Exec(t, dsn, "ALTER DATABASE "+u.Path[1:]+" SET synchronous_commit = off")
	check(dsn, false)
}

func TestPostgresThatCannotBeOpenedIsRefusedWithAdvice(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(storetest.New(t, "postgres"))
	must(t, err)
	noDatabase, noServer := *u, *u
	noDatabase.Path = "/nowhere"
	noServer.Host = "127.0.0.1:1"
	for name, tt := range map[string]struct {
		dsn, says   string
		unavailable bool
	}{
		"no such database": {noDatabase.String(), `has no database "nowhere": make it with createdb`, false},
		"no server":        {noServer.String(), "cannot reach PostgreSQL at 127.0.0.1:1", true},
		"no URL":           {"postgres://user:hunter2@host:port/name", "postgres://user:password@host:5432/name", false},
	} {
		_, err := store.Open(context.Background(), tt.dsn, store.Options{})
		if err == nil || !strings.Contains(err.Error(), tt.says) || errors.Is(err, directory.ErrUnavailable) != tt.unavailable {
			t.Errorf("%s: %v; want %q, unavailable: %v", name, err, tt.says, tt.unavailable)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error quotes the password: %v", name, err)
		}
	}
}

func TestFileThatIsNoDatabaseOfOursIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	foreign := filepath.Join(dir, "foreign.db")
	db, err := sql.Open("sqlite", foreign)
	must(t, err)
	_, err = db.ExecContext(context.Background(), "CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('mine')")
	must(t, errors.Join(err, db.Close()))

	for name, tt := range map[string]struct{ path, says string }{
		"another program's database": {foreign, "is the database of another program: check --database"},
		"text":                       {file("list.csv", "emailId,orgUserId\na@example.com,E1\n"+strings.Repeat("x", 4096)), "is not a database file: check --database"},
		"binary":                     {file("roster", "\x7fELF"+strings.Repeat("\x00", 8192)), "is not a database file: check --database"},
		"directory":                  {dir, "is a directory"},
		"missing directory":          {filepath.Join(dir, "no", "roster.db"), "its directory does not exist"},
		"below a file":               {filepath.Join(foreign, "roster.db"), "database file"},
		"no path":                    {"", "give the path of a file"},
		"memory":                     {":memory:", "give the path of a file"},
	} {
		before, _ := os.ReadFile(tt.path)
		_, err := store.Open(context.Background(), tt.path, store.Options{})
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
		if after, _ := os.ReadFile(tt.path); string(after) != string(before) {
			t.Errorf("%s was changed", name)
		}
	}
}

func TestMissingDatabaseFileIsMadeUnlessItMustExist(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "roster.db")
	_, err := store.Open(context.Background(), path, store.Options{MustExist: true})
	if err == nil || !strings.Contains(err.Error(), path+" does not exist") {
		t.Errorf("%v; want that %s does not exist", err, path)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file was made all the same (%v)", err)
	}
	s, err := store.Open(context.Background(), path, store.Options{})
	must(t, err)
	must(t, errors.Join(s.Migrate(context.Background()), s.Close()))
	s, err = store.Open(context.Background(), path, store.Options{MustExist: true})
	must(t, err)
	must(t, s.Close())
}

// The name of the file is taken as it is, and all files belong to their owner alone.
func TestDatabaseFileIsWhereItWasAskedForAndPrivate(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a b.db", "50%25.db", "who?mode=memory", "a#b.db", "a&_txlock=deferred.db", "\u540d\u524d.db", "file:x.db", "a'b\"c.db"} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		fresh, err := store.Open(context.Background(), path, store.Options{})
		must(t, err)
		must(t, errors.Join(fresh.Migrate(context.Background()), fresh.Close()))
		f := newFixture(t, path)
		entries, err := os.ReadDir(dir)
		must(t, err)
		var names []string
		for _, e := range entries {
			info, err := e.Info()
			must(t, err)
			names = append(names, e.Name())
			if info.Mode().Perm()&0o077 != 0 && !strings.HasSuffix(e.Name(), ".migrate") {
				t.Errorf("%s has mode %v", e.Name(), info.Mode())
			}
		}
		if want := []string{name, name + "-shm", name + "-wal", name + ".migrate"}; !slices.Equal(names, want) {
			t.Errorf("files %q, want %q", names, want)
		}
		if got := f.live(); !slices.Equal(got, []string{"owner@x.example"}) {
			t.Errorf("%s holds %q", name, got)
		}
	}
}
