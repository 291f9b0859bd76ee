package roster_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// atCommit ends the code of a failure of the commit.
const atCommit = " at commit"

// always is how often a trigger fails that never tires of it.
const always = 1 << 30

// raise makes a trigger on a table that fails so many times when it is written
// to. On PostgreSQL code is the SQLSTATE; on SQLite, where it fails always, the
// way in which the statement ends.
func (f *faultCase) raise(t *testing.T, engine, table, code string, times int) {
	t.Helper()
	if engine == "sqlite" {
		storetest.Exec(t, f.DSN, fmt.Sprintf(`CREATE TRIGGER test_insert BEFORE INSERT ON %[1]s BEGIN SELECT RAISE(%[2]s, 'out of luck'); END;
CREATE TRIGGER test_update BEFORE UPDATE ON %[1]s BEGIN SELECT RAISE(%[2]s, 'out of luck'); END;
CREATE TRIGGER test_delete BEFORE DELETE ON %[1]s BEGIN SELECT RAISE(%[2]s, 'out of luck'); END`, table, code))
		return
	}
	trigger := "TRIGGER test BEFORE INSERT OR UPDATE OR DELETE ON " + table
	if before, found := strings.CutSuffix(code, atCommit); found {
		code = before
		trigger = "CONSTRAINT TRIGGER test AFTER INSERT OR UPDATE OR DELETE ON " + table + " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
	}
	// A sequence counts on though the transaction is rolled back.
	storetest.Exec(t, f.DSN+simpleProtocol, fmt.Sprintf(`CREATE SEQUENCE test_raised;
CREATE FUNCTION test_raise() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF nextval('test_raised') <= %d THEN RAISE EXCEPTION 'out of luck' USING ERRCODE = '%s'; END IF;
  RETURN COALESCE(NEW, OLD);
END $$;
CREATE %s EXECUTE FUNCTION test_raise()`, times, code, trigger))
}

// simpleProtocol lets the driver send several statements in one text.
const simpleProtocol = "&default_query_exec_mode=simple_protocol"

// calm takes the trigger away, and returns how often it was asked, on PostgreSQL.
func (f *faultCase) calm(t *testing.T, engine, table string) (asked int) {
	t.Helper()
	if engine == "sqlite" {
		storetest.Exec(t, f.DSN, "DROP TRIGGER test_insert; DROP TRIGGER test_update; DROP TRIGGER test_delete")
		return 0
	}
	must(t, storetest.SQL(t, f.DSN).QueryRow("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM test_raised").Scan(&asked))
	storetest.Exec(t, f.DSN+simpleProtocol, "DROP TRIGGER test ON "+table+"; DROP FUNCTION test_raise; DROP SEQUENCE test_raised")
	return asked
}

// openOne opens the directory with a single connection of PostgreSQL, which has
// to serve whoever comes after a failure.
func (f *faultCase) openOne(t *testing.T, engine string) *roster.Roster {
	t.Helper()
	one := *f
	if engine == "postgres" {
		one.DSN += "&pool_max_conns=1"
	}
	r, err := one.open(nil)
	must(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

// raiseCodes are the ways in which a statement fails for no fault of the
// database's state.
var raiseCodes = map[string][]string{
	"sqlite":   {"ABORT", "FAIL", "ROLLBACK"},
	"postgres": {"P0001", "23514", "P0001" + atCommit}, // raised, a check violated
}

// tablesOf returns the tables that the verb changes, by trying it elsewhere, and
// how many rows all tables have afterwards.
func tablesOf(t *testing.T, engine string, verb faultVerb) (tables []string, rows map[string]int) {
	t.Helper()
	f := prepareFaults(t, storetest.New(t, engine), verb.name)
	before := storetest.Dump(t, f.DSN)
	r, err := f.open(nil)
	must(t, err)
	defer r.Close()
	must(t, verb.run(context.Background(), r, f))
	after := storetest.Dump(t, f.DSN)
	for table, content := range after {
		if !slices.Equal(content, before[table]) {
			tables = append(tables, table)
		}
	}
	slices.Sort(tables)
	if len(tables) < 4 || !slices.Contains(tables, "audit_heads") {
		t.Fatalf("the verb writes to %v only", tables)
	}
	return tables, sizes(after)
}

func sizes(c storetest.Content) map[string]int {
	rows := map[string]int{}
	for table, content := range c {
		rows[table] = len(content)
	}
	return rows
}

// TestFailureInEachTable makes the statements on each table in turn fail, in
// the middle of a pipeline as well as outside of one. What fails so is nobody's
// fault but ours: it is not for the caller to try again. The operations of least
// weight, which TestFailureAtEachStatement fails as well, are for the long form.
func TestFailureInEachTable(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, engine string) {
		for _, verb := range weighty() {
			t.Run(verb.name, func(t *testing.T) {
				t.Parallel()
				tables, _ := tablesOf(t, engine, verb)
				f := prepareFaults(t, storetest.New(t, engine), verb.name)
				r := f.openOne(t, engine)
				codes, n := raiseCodes[engine], int64(0)
				for i, table := range tables {
					tried := codes
					if verb.name != "remove users" { // where one is enough
						tried = codes[i%len(codes):][:1]
					}
					for _, code := range tried {
						n++
						f.failInTable(t, r, verb, n, engine, table, code)
					}
				}
				must(t, verb.run(context.Background(), r, f))
			})
		}
	})
}

// failInTable runs the verb while the table cannot be written to.
func (f *faultCase) failInTable(t *testing.T, r *roster.Roster, verb faultVerb, n int64, engine, table, code string) {
	t.Helper()
	before := storetest.Dump(t, f.DSN)
	f.raise(t, engine, table, code, always)
	err := verb.run(context.Background(), r, f)
	f.calm(t, engine, table)
	if err == nil {
		t.Fatalf("%s, %s: no error", table, code)
	}
	for _, kind := range []error{directory.ErrUnavailable, directory.ErrExists, directory.ErrNotFound, directory.ErrInvalid, directory.ErrDenied} {
		if errors.Is(err, kind) {
			t.Errorf("%s, %s: %v, which is %v", table, code, err, kind)
		}
	}
	named := strings.Contains(err.Error(), " "+table) || strings.HasSuffix(code, atCommit)
	if !named || !strings.Contains(err.Error(), "out of luck") || strings.Contains(err.Error(), "@") {
		t.Errorf("%s, %s: the error does not say what failed, or says too much: %v", table, code, err)
	}
	f.checkState(t, r, n, verb.steps, before)
	f.nextCall(t, r, n)
}

// TestConflictInEachTable has PostgreSQL roll back the transaction because of
// a conflict, at each table in turn: it runs again, and after some attempts the
// caller may try.
func TestConflictInEachTable(t *testing.T) {
	t.Parallel()
	codes := []string{"40001", "40P01", "40001" + atCommit} // serialization failure, deadlock
	for _, verb := range faultVerbs {
		if !strings.HasPrefix(verb.name, "remove") {
			continue // the others have no statements of another kind
		}
		t.Run(verb.name, func(t *testing.T) {
			t.Parallel()
			tables, rows := tablesOf(t, "postgres", verb)
			for i, table := range tables {
				code := codes[i%len(codes)]
				f := prepareFaults(t, storetest.New(t, "postgres"), verb.name)
				before := storetest.Dump(t, f.DSN)
				r := f.openOne(t, "postgres")

				f.raise(t, "postgres", table, code, always)
				err := verb.run(context.Background(), r, f)
				if asked := f.calm(t, "postgres", table); !errors.Is(err, directory.ErrUnavailable) || asked != 5 {
					t.Errorf("%s, %s: %d attempts, %v", table, code, asked, err)
				}
				f.checkState(t, r, int64(i), verb.steps, before)

				f.raise(t, "postgres", table, code, 4)
				err = verb.run(context.Background(), r, f)
				if asked := f.calm(t, "postgres", table); err != nil || asked < 5 {
					t.Errorf("%s, %s: %d attempts, %v", table, code, asked, err)
				}
				after := storetest.Dump(t, f.DSN)
				f.checkState(t, r, int64(i), false, after)
				if diff := cmp.Diff(rows, sizes(after)); diff != "" {
					t.Errorf("%s, %s: other rows than without a conflict (-want +got):\n%s", table, code, diff)
				}
			}
		})
	}
}
