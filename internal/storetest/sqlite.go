package storetest

import (
	"context"
	"database/sql/driver"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"modernc.org/sqlite"
)

// Writers are the connections through which stores of this process write to
// one SQLite file. A test spoils them with settings that only the connection
// itself can be given.
type Writers struct {
	mu       sync.Mutex
	conns    []sqlite.ExecQuerierContext
	settings map[string]int
}

// watched holds the Writers of the files that a test watches, by path.
var watched sync.Map

// WatchWriters returns the writers of the store that is opened next on the
// SQLite file at dsn.
func WatchWriters(t testing.TB, dsn string) *Writers {
	t.Helper()
	w := &Writers{settings: map[string]int{}}
	watched.Store(dsn, w)
	t.Cleanup(func() { watched.CompareAndDelete(dsn, w) })
	return w
}

// Set gives each writer a setting of SQLite, a pragma, and those to come as
// well. The store must be open, and nobody may be writing.
func (w *Writers) Set(t testing.TB, pragma string, value int) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.settings[pragma] = value
	w.conns = slices.DeleteFunc(w.conns, func(conn sqlite.ExecQuerierContext) bool {
		return !conn.(driver.Validator).IsValid() //nolint:forcetypeassert // what is closed is not valid
	})
	for _, conn := range w.conns {
		if err := setPragma(conn, pragma, value); err != nil {
			t.Fatalf("set %s: %v", pragma, err)
		}
	}
}

// Exec runs a statement on each writer that is open, on the same terms.
func (w *Writers) Exec(t testing.TB, query string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, conn := range w.conns {
		if _, err := conn.ExecContext(context.Background(), query, nil); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
}

func (w *Writers) add(conn sqlite.ExecQuerierContext) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, conn)
	for pragma, value := range w.settings {
		if err := setPragma(conn, pragma, value); err != nil {
			return err
		}
	}
	return nil
}

func setPragma(conn sqlite.ExecQuerierContext, pragma string, value int) error {
	_, err := conn.ExecContext(context.Background(), fmt.Sprintf("PRAGMA %s = %d", pragma, value), nil)
	return err
}

// sqliteTemplate returns a file with the current schema.
var sqliteTemplate = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "roster-sqlite-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "template.db")
	if err := migrateTemplate(path); err != nil {
		return nil, err
	}
	return os.ReadFile(path) // closed, a database is this one file
})

// durable holds the files whose connections flush what they commit, by path.
var durable sync.Map

// Durable leaves the connections of the SQLite file at dsn as the store makes
// them. Those of other files do not flush, unless Fsync is set.
func Durable(dsn string) { durable.Store(dsn, true) }

// watchSQLite makes the driver report each new connection. It must run before
// any is made.
func watchSQLite() {
	sqlite.RegisterConnectionHook(func(conn sqlite.ExecQuerierContext, dsn string) error {
		u, err := url.Parse(dsn)
		if err != nil || !strings.Contains(u.RawQuery, "_txlock=immediate") { // which the store gives to those that write
			return nil //nolint:nilerr // not a connection of the store
		}
		path, err := url.PathUnescape(u.Opaque)
		if path == "" {
			path = u.Path
		}
		if err != nil {
			return err
		}
		if _, flushes := durable.Load(path); !flushes && !Fsync {
			if err := setPragma(conn, "synchronous", 0); err != nil {
				return err
			}
		}
		if w, ok := watched.Load(path); ok {
			return w.(*Writers).add(conn) //nolint:forcetypeassert // nothing else is stored
		}
		return nil
	})
}

// SmallPages makes a SQLite file with the smallest pages there are, in which
// even a short transaction needs new ones, and returns its DSN. It has no
// tables yet.
func SmallPages(t testing.TB) string {
	t.Helper()
	dsn := Empty(t, "sqlite")
	Exec(t, dsn, "PRAGMA page_size = 512; CREATE TABLE first (a); DROP TABLE first")
	return dsn
}
