// Package storetest gives tests real databases: a SQLite file, and a database of
// a real PostgreSQL server. The server is shared by the test binaries of a run
// ('make test', see Share); a test binary that runs alone starts one on a free port
// and stops it. Each runs a test on both engines. A package that uses storetest
// calls Main from its TestMain.
package storetest

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roster/internal/store"
)

// Engines are the names of the engines that Each runs a test on.
var Engines = []string{"sqlite", "postgres"}

// Main runs a package's tests and then ends the PostgreSQL server, if one was
// started. TestMain calls it.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main without the exit; it returns the exit code.
func Run(m *testing.M) int {
	defer stopPostgres()
	defer removeProgram()
	watchSQLite()
	return m.Run()
}

// Each runs a test on each engine, in parallel, with the DSN of a fresh database
// that has the current schema.
func Each(t *testing.T, test func(t *testing.T, dsn string)) {
	t.Helper()
	for _, engine := range Engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			test(t, New(t, engine))
		})
	}
}

// New makes a database with the current schema and returns its DSN.
func New(t testing.TB, engine string) string {
	t.Helper()
	if engine == "postgres" {
		return newPostgres(t, templateName)
	}
	content, err := sqliteTemplate()
	if err != nil {
		t.Fatalf("make the SQLite template: %v", err)
	}
	dsn := Empty(t, engine)
	if err := os.WriteFile(dsn, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return dsn
}

// Empty makes a database without any table and returns its DSN. The SQLite file
// does not exist yet.
func Empty(t testing.TB, engine string) string {
	t.Helper()
	if engine == "postgres" {
		return newPostgres(t, "template0")
	}
	return filepath.Join(t.TempDir(), "roster.db")
}

// Open opens the store at dsn until the test ends.
func Open(t testing.TB, dsn string, o store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), dsn, o)
	if err != nil {
		t.Fatalf("open %s: %v", dsn, err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return s
}

func migrate(t testing.TB, dsn string) {
	t.Helper()
	s, err := store.Open(context.Background(), dsn, store.Options{})
	if err != nil {
		t.Fatalf("open %s: %v", dsn, err)
	}
	defer s.Close()
	if err := s.Migrate(context.Background()); err != nil {
		t.Fatalf("migrate %s: %v", dsn, err)
	}
}

// SQL opens the database beside the store, to look into it or to spoil it. All
// who ask for one PostgreSQL database of New or Empty share its connections.
func SQL(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	if db := shared(t, dsn); db != nil {
		return db
	}
	db := open(t, dsn)
	db.SetMaxIdleConns(0) // many tests share one server
	t.Cleanup(func() { db.Close() })
	return db
}

func open(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	driver := "sqlite"
	if strings.HasPrefix(dsn, "postgres") {
		driver = "pgx"
		dsn += "&application_name=" + applicationName
	} else {
		dsn = "file:" + dsn + "?_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// Exec runs a statement beside the store.
func Exec(t testing.TB, dsn, query string, args ...any) {
	t.Helper()
	if _, err := SQL(t, dsn).ExecContext(context.Background(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// Content is a database's content: for each table its rows as text, sorted.
type Content map[string][]string

// Dump reads everything that the tables hold. Two equal dumps mean that nothing
// has changed. id_blocks is left out: taking ids in advance is no change.
func Dump(t testing.TB, dsn string) Content {
	t.Helper()
	if strings.HasPrefix(dsn, "postgres") {
		return dumpPostgres(t, SQL(t, dsn))
	}
	db := open(t, dsn)
	db.SetMaxOpenConns(1)
	defer db.Close()
	content := Content{}
	for _, table := range queryRows(t, db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'member_search%'") {
		if dumped(table) {
			content.add(table, queryRows(t, db, "SELECT * FROM "+table))
		}
	}
	return content
}

// Diff describes what differs between two contents, or is empty. Comparing equal
// contents, the usual case, costs a fraction of describing a difference.
func (c Content) Diff(after Content) string {
	if reflect.DeepEqual(c, after) {
		return ""
	}
	return cmp.Diff(c, after)
}

func dumped(table string) bool { return table != "id_blocks" && table != "roster_migrations" }

func (c Content) add(table string, rows []string) {
	slices.Sort(rows)
	c[table] = rows
}

// queryRows returns each row as its values, joined with |.
func queryRows(t testing.TB, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.QueryContext(context.Background(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			t.Fatal(err)
		}
		parts := make([]string, len(values))
		for i, v := range values {
			parts[i] = cell(*v.(*any)) //nolint:forcetypeassert // made above
		}
		out = append(out, strings.Join(parts, "|"))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func cell(v any) string {
	if b, ok := v.([]byte); ok {
		return hex.EncodeToString(b)
	}
	return fmt.Sprint(v)
}
