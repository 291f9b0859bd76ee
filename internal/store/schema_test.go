package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roster/internal/storetest"
)

// schemaQueries describe a schema in words that both engines share: a line for
// each column (table, name, class of type, whether it may be NULL), each index
// (its table, columns and uniqueness) and each view.
var schemaQueries = map[string][]string{
	"sqlite": {
		`SELECT 'column ' || s.name || ' ' || c.name || ' ' ||
  CASE c.type WHEN 'INTEGER' THEN 'int' WHEN 'TEXT' THEN 'text' WHEN 'BLOB' THEN 'blob' ELSE c.type END ||
  CASE c."notnull" WHEN 1 THEN '' ELSE ' null' END
FROM sqlite_schema s, pragma_table_info(s.name) c WHERE s.type = 'table'`,
		`SELECT CASE x."unique" WHEN 1 THEN 'unique' ELSE 'index' END || ' ' || s.name || CASE x.partial WHEN 1 THEN ' partial' ELSE '' END || ' ' ||
  (SELECT group_concat(name, ',') FROM (SELECT i.name FROM pragma_index_info(x.name) i ORDER BY i.seqno))
FROM sqlite_schema s, pragma_index_list(s.name) x WHERE s.type = 'table'`,
		`SELECT 'view ' || name FROM sqlite_schema WHERE type = 'view'`,
	},
	"postgres": {
		`SELECT 'column ' || c.table_name || ' ' || c.column_name || ' ' ||
  CASE c.data_type WHEN 'bigint' THEN 'int' WHEN 'bytea' THEN 'blob' ELSE c.data_type END ||
  CASE c.is_nullable WHEN 'NO' THEN '' ELSE ' null' END
FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'`,
		`SELECT CASE WHEN x.indisunique THEN 'unique' ELSE 'index' END || ' ' || x.indrelid::regclass || CASE WHEN x.indpred IS NULL THEN '' ELSE ' partial' END || ' ' ||
  (SELECT string_agg(a.attname, ',' ORDER BY k.o) FROM unnest(x.indkey::int[]) WITH ORDINALITY k(n, o)
   JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.n WHERE k.o <= x.indnkeyatts) -- without INCLUDE
FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_namespace s ON s.oid = c.relnamespace WHERE s.nspname = 'public'`,
		`SELECT 'view ' || table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'VIEW'`,
	},
}

func describeSchema(t *testing.T, engine string) []string {
	t.Helper()
	db := storetest.SQL(t, storetest.New(t, engine))
	var lines []string
	for _, query := range schemaQueries[engine] {
		rows, err := db.QueryContext(context.Background(), query)
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		defer rows.Close()
		for rows.Next() {
			var line string
			must(t, rows.Scan(&line))
			// The tables of the migration tool are its own, and the indexes for
			// searches are what each engine has for them.
			if !strings.Contains(line, " member_search") && line != "index member_profiles search_text" && !strings.HasSuffix(line, " member_id,account_id,status,sort_name,created_at") && !strings.Contains(line, " roster_migrations ") && !strings.Contains(line, " sqlite_sequence ") {
				lines = append(lines, line)
			}
		}
		must(t, rows.Err())
	}
	slices.Sort(lines)
	return lines
}

func TestBothEnginesHaveTheSameTablesColumnsIndexesAndViews(t *testing.T) {
	t.Parallel()
	sqlite, postgres := describeSchema(t, "sqlite"), describeSchema(t, "postgres")
	if diff := cmp.Diff(sqlite, postgres); diff != "" {
		t.Errorf("(-sqlite +postgres):\n%s", diff)
	}
	for _, want := range []string{
		"column members removal_id int null", "column app_secrets sealed blob", "view live_members",
		"unique members partial account_id,email_key", "unique members account_id,id",
	} {
		if !slices.Contains(sqlite, want) {
			t.Errorf("%q is not among %d lines: is the schema seen?", want, len(sqlite))
		}
	}
}

// What belongs to an account can be found, and one day be moved, by it: the
// account comes first in every key and index. Apps are looked up without one, and so
// is whom SQLite's search has found: it is left out with that, see describeSchema.
func TestKeysAndIndexesOfAnAccountStartWithIt(t *testing.T) {
	t.Parallel()
	schema := describeSchema(t, "sqlite")
	ofAccount := map[string]bool{}
	for _, line := range schema {
		var table, column string
		if n, _ := fmt.Sscanf(line, "column %s %s", &table, &column); n == 2 && column == "account_id" && table != "apps" {
			ofAccount[table] = true
		}
	}
	if len(ofAccount) < 10 {
		t.Fatalf("only %d tables belong to an account: is the schema seen?", len(ofAccount))
	}
	for _, line := range schema {
		words := strings.Fields(line)
		if (words[0] == "unique" || words[0] == "index") && ofAccount[words[1]] {
			if columns := words[len(words)-1]; columns != "account_id" && !strings.HasPrefix(columns, "account_id,") {
				t.Errorf("%s", line)
			}
		}
	}
}
