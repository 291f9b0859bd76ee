package storetest

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib" // with the driver "pgx" of SQL
)

// A connection to PostgreSQL starts a process there, which costs more than most
// of what a test does with it. So those beside the store are kept as long as
// their database.

// sharing holds the pools of each database of newPostgres, by its plain DSN.
var sharing sync.Map

// pools are the connections beside the store to one database. A test may add
// settings to the DSN, so there can be several.
type pools struct {
	mu    sync.Mutex
	byDSN map[string]*sql.DB
}

// shared returns the pool for a DSN, with a connection that works, or nil if
// the database is none of newPostgres.
func shared(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	plain, _, _ := strings.Cut(dsn, "&")
	p, ok := sharing.Load(plain)
	if !ok {
		return nil
	}
	db := p.(*pools).get(t, dsn) //nolint:forcetypeassert // nothing else is stored
	// Replaces a connection that was cut. Where none can be made, it is the
	// statement that says so.
	_ = db.PingContext(context.Background())
	return db
}

func (p *pools) get(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	db := p.byDSN[dsn]
	if db == nil {
		db = open(t, dsn)
		db.SetMaxIdleConns(1) // many tests share one server
		p.byDSN[dsn] = db
	}
	return db
}

func (p *pools) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, db := range p.byDSN {
		db.Close()
	}
}

// applicationName tells the connections beside the store from those of stores.
const applicationName = "storetest"

// WaitAlone waits until no store is connected to the database any more: PostgreSQL
// goes on for a moment with what a killed process has asked for, and holds its locks.
func WaitAlone(t testing.TB, dsn string) {
	t.Helper()
	if !strings.HasPrefix(dsn, "postgres") {
		return
	}
	const count = `SELECT COUNT(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> $1`
	for others := 1; others > 0; time.Sleep(time.Millisecond) {
		if err := SQL(t, dsn).QueryRowContext(t.Context(), count, applicationName).Scan(&others); err != nil {
			t.Fatal(err)
		}
	}
}

// dumpPostgres is Dump by two texts, one of which has a statement for each table.
func dumpPostgres(t testing.TB, db *sql.DB) Content {
	t.Helper()
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	content := Content{}
	err = conn.Raw(func(c any) error {
		pg := c.(*stdlib.Conn).Conn().PgConn() //nolint:forcetypeassert // the driver's
		found, err := pg.Exec(context.Background(),
			"SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'").ReadAll()
		if err != nil {
			return err
		}
		var tables []string
		var text strings.Builder
		for _, row := range found[0].Rows {
			if table := string(row[0]); dumped(table) {
				tables = append(tables, table)
				fmt.Fprintf(&text, "SELECT * FROM %s;", table)
			}
		}
		results, err := pg.Exec(context.Background(), text.String()).ReadAll()
		if err != nil {
			return err
		}
		for i, result := range results {
			content.add(tables[i], textRows(result))
		}
		return nil
	})
	if err != nil {
		t.Fatalf("dump: %v", err)
	}
	return content
}

// textRows returns each row as queryRows does.
func textRows(result *pgconn.Result) []string {
	rows := make([]string, len(result.Rows))
	for i, row := range result.Rows {
		cells := make([]string, len(row))
		for j, value := range row {
			cells[j] = textCell(result.FieldDescriptions[j].DataTypeOID, value)
		}
		rows[i] = strings.Join(cells, "|")
	}
	return rows
}

// textCell returns what cell does, of a value as PostgreSQL writes it.
func textCell(oid uint32, value []byte) string {
	switch {
	case value == nil:
		return fmt.Sprint(nil)
	case oid == pgtype.ByteaOID:
		return strings.TrimPrefix(string(value), `\x`)
	default:
		return string(value)
	}
}
