package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"roster/internal/directory"
	"roster/internal/store"
	"roster/internal/storetest"
)

// auditFixture is two accounts with a history of every kind of batch.
func auditFixture(t *testing.T, dsn string) *fixture {
	t.Helper()
	f := newFixture(t, dsn)
	f.members("a@x.example", "b@x.example", "c@x.example")
	f.group("Staff", "a@x.example", "b@x.example")
	f.bot("Desk", "c@x.example")
	f.remove(`{"requestId":"1"}`, "a@x.example", "nobody@x.example")
	f.remove(`{"requestId":"2"}`, "nobody@x.example") // details without a record
	f.remove("", "b@x.example")
	f.note([]byte(`{"after":{"name":"Staff"}}`))
	f.changes(0, 7007, 7008) // who are none of the members
	f.another("y")
	f.members("a@x.example", "d@x.example")
	f.remove(`{"requestId":"3"}`, "d@x.example")
	return f
}

// note leaves a record with a note.
func (f *fixture) note(body []byte) {
	f.write(0, func(_ context.Context, tx *store.Tx) error {
		tx.Record(directory.AuditRun{Kind: directory.AuditAccountModified, Persons: []directory.PersonID{1, 2}, Note: body})
		return nil
	})
}

// changes leaves a run of records of which all but the second say what they
// changed about a member.
func (f *fixture) changes(members ...directory.MemberID) {
	f.write(0, func(_ context.Context, tx *store.Tx) error {
		run := directory.AuditRun{Kind: directory.AuditUserModified}
		for i, m := range members {
			run.Persons = append(run.Persons, directory.PersonID(m))
			change := directory.AuditChange{Member: m, Body: []byte(`{"before":{"city":"\"Łódź\""}}`)}
			if i == 1 {
				change.Body = nil
			}
			run.Changes = append(run.Changes, change)
		}
		tx.Record(run)
		return nil
	})
}

func (f *fixture) verify() (store.AuditReport, error) {
	return f.store.VerifyAudit(context.Background())
}

func TestAuditLogIsWholeAsItWasWritten(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		f := auditFixture(t, dsn)
		report, err := f.verify()
		if want := (store.AuditReport{Accounts: 2, Batches: 12, Records: 2 + 3 + 3 + 2 + 1 + 0 + 1 + 2 + 3 + 2 + 2 + 1}); err != nil || report != want {
			t.Errorf("%+v, %v; want %+v", report, err, want)
		}
	})
}

// auditTables are the tables of the log with their primary keys.
var auditTables = map[string][]string{
	"audit_chain":   {"account_id", "number"},
	"audit_records": {"account_id", "batch_id", "seq"},
	"audit_details": {"account_id", "batch_id"},
	"audit_changes": {"account_id", "batch_id", "seq"},
	"audit_heads":   {"account_id"},
}

// auditRow is a row of the log that a test changes and puts back.
type auditRow struct {
	table   string
	columns []string
	values  []any
}

func auditRows(t *testing.T, db *sql.DB) (all []auditRow) {
	t.Helper()
	for table := range auditTables {
		rows, err := db.Query("SELECT * FROM " + table) //nolint:unqueryvet // all of them, whatever they are
		must(t, err)
		defer rows.Close()
		columns, err := rows.Columns()
		must(t, err)
		for rows.Next() {
			r := auditRow{table: table, columns: columns, values: make([]any, len(columns))}
			dest := make([]any, len(columns))
			for i := range dest {
				dest[i] = &r.values[i]
			}
			must(t, rows.Scan(dest...))
			all = append(all, r)
		}
		must(t, rows.Err())
	}
	return all
}

// where returns the condition that finds the row by its primary key, and its
// arguments, numbered after n others.
func (r *auditRow) where(n int) (condition string, args []any) {
	var parts []string
	for _, key := range auditTables[r.table] {
		for i, column := range r.columns {
			if column == key {
				args = append(args, r.values[i])
				parts = append(parts, fmt.Sprintf("%s = $%d", key, n+len(args)))
			}
		}
	}
	return strings.Join(parts, " AND "), args
}

func (r *auditRow) remove(t *testing.T, db execer) {
	t.Helper()
	condition, args := r.where(0)
	res, err := db.Exec("DELETE FROM "+r.table+" WHERE "+condition, args...)
	must(t, err)
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		t.Fatalf("%d rows of %s deleted (%v)", n, r.table, err)
	}
}

func (r *auditRow) insert(t *testing.T, db execer) {
	t.Helper()
	holders := make([]string, len(r.values))
	for i := range holders {
		holders[i] = fmt.Sprintf("$%d", i+1)
	}
	_, err := db.Exec("INSERT INTO "+r.table+" ("+strings.Join(r.columns, ", ")+") VALUES ("+strings.Join(holders, ", ")+")", r.values...)
	must(t, err)
}

// with returns the row with another value in a column.
func (r *auditRow) with(column int, value any) *auditRow {
	changed := *r
	changed.values = append([]any(nil), r.values...)
	changed.values[column] = value
	return &changed
}

// tampered returns a value that differs a little from v.
func tampered(v any) any {
	switch v := v.(type) {
	case int64:
		return v + 1_000_003 // and is nobody else's key
	case string:
		return v + " "
	case []byte:
		flipped := append(bytes.Clone(v), 0)
		flipped[0] ^= 1
		return flipped[:max(1, len(v))]
	case nil:
		return []byte("x")
	}
	panic(fmt.Sprintf("a value of type %T", v))
}

// exchange puts a row in the place of another in one transaction.
func exchange(t *testing.T, db *sql.DB, old, row *auditRow) {
	t.Helper()
	tx, err := db.Begin()
	must(t, err)
	old.remove(t, tx)
	row.insert(t, tx)
	must(t, tx.Commit())
}

type execer interface {
	Exec(query string, args ...any) (sql.Result, error)
}

// Each value of each row of the log, changed alone. Changes may be erased.
func TestVerifyFindsEveryChangedValue(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		f := auditFixture(t, dsn)
		db := storetest.SQL(t, dsn)
		db.SetMaxIdleConns(1) // it asks often
		tried, changes := 0, 0
		every := 1
		if f.store.Engine() == "postgres" {
			every = 5 // the hashes are computed above the engines
		}
		for _, row := range auditRows(t, db) {
			for i, column := range row.columns {
				if tried++; tried%every != 0 {
					continue
				}
				changed := row.with(i, tampered(row.values[i]))
				exchange(t, db, &row, changed)
				changes++
				if _, err := f.verify(); !errors.Is(err, store.ErrBroken) {
					t.Errorf("%s.%s = %v instead of %v: %v, want ErrBroken", row.table, column, changed.values[i], row.values[i], err)
				}
				exchange(t, db, changed, &row)
			}
		}
		if changes < 200/every {
			t.Errorf("only %d changes were tried", changes)
		}
		if _, err := f.verify(); err != nil {
			t.Errorf("everything was put back: %v", err)
		}
	})
}

// Each row of the log, deleted alone. Details may be erased, all else may not.
func TestVerifyFindsEveryDeletedRowButErasedDetails(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		f := auditFixture(t, dsn)
		db := storetest.SQL(t, dsn)
		db.SetMaxIdleConns(1) // it asks often
		for _, row := range auditRows(t, db) {
			row.remove(t, db)
			_, err := f.verify()
			if erased := row.table == "audit_details"; erased && err != nil || !erased && !errors.Is(err, store.ErrBroken) {
				t.Errorf("%v of %s deleted: %v", row.values, row.table, err)
			}
			row.insert(t, db)
		}
		if _, err := f.verify(); err != nil {
			t.Errorf("everything was put back: %v", err)
		}
	})
}

// Tampering with more than a row, as somebody would who wants to hide a removal.
func TestVerifyFindsHiddenAndInventedHistory(t *testing.T) {
	t.Parallel()
	const last = "(SELECT MAX(number) FROM audit_chain WHERE account_id = $1)"
	const created = "(SELECT batch_id FROM audit_records WHERE account_id = $1 AND kind = 'user.created' AND seq = 3)"
	for name, statements := range map[string][]string{
		"a record more in a batch": {
			"INSERT INTO audit_records SELECT account_id, batch_id, MAX(seq) + 1, 'user.deleted', 1, 0 FROM audit_records WHERE account_id = $1 GROUP BY account_id, batch_id",
		},
		"a record before the first": {
			"INSERT INTO audit_records SELECT account_id, batch_id, 0, 'user.deleted', 1, 0 FROM audit_records WHERE account_id = $1 AND seq = 1",
		},
		"records of a batch that is not in the chain": {"INSERT INTO audit_records VALUES ($1, 999999, 1, 'user.deleted', 1, 0)"},
		"records of no account":                       {"INSERT INTO audit_records SELECT $1 + 999999, 999999, 1, 'user.deleted', 1, 0"},
		"details of a batch that has none": {
			"INSERT INTO audit_details SELECT account_id, batch_id, digest, '{}' FROM audit_chain WHERE account_id = $1 AND number = 1",
		},
		"a change of a record that has none": {
			"INSERT INTO audit_changes SELECT account_id, batch_id, 2, member_id, hash, salt, body FROM audit_changes WHERE account_id = $1 AND member_id = 7008",
		},
		"a change of another record": {"UPDATE audit_changes SET seq = 2 WHERE account_id = $1 AND member_id = 7008"},
		"a change of no record":      {"UPDATE audit_changes SET seq = seq + 100 WHERE account_id = $1"},
		"a change of somebody else":  {"UPDATE audit_changes SET member_id = member_id + 1 WHERE account_id = $1"},
		"details of no batch":        {"INSERT INTO audit_details SELECT account_id, 999999, digest, '{}' FROM audit_chain WHERE account_id = $1 AND number = 1"},
		"two records swapped": {
			"UPDATE audit_records SET seq = seq + 100 WHERE account_id = $1 AND batch_id = " + created + " AND seq IN (1, 2)",
			"UPDATE audit_records SET seq = 103 - seq WHERE account_id = $1 AND batch_id = " + created + " AND seq > 100",
		},
		"two entries swapped": {
			"UPDATE audit_chain SET number = number + 100 WHERE account_id = $1 AND number IN (2, 3)",
			"UPDATE audit_chain SET number = 105 - number WHERE account_id = $1 AND number > 100",
		},
		"the tail cut": {
			"DELETE FROM audit_records WHERE account_id = $1 AND batch_id = (SELECT batch_id FROM audit_chain WHERE account_id = $1 AND number = " + last + ")",
			"DELETE FROM audit_details WHERE account_id = $1 AND batch_id = (SELECT batch_id FROM audit_chain WHERE account_id = $1 AND number = " + last + ")",
			"DELETE FROM audit_chain WHERE account_id = $1 AND number = " + last,
		},
		"the tail cut and the head turned back by its number": {
			"DELETE FROM audit_records WHERE account_id = $1 AND batch_id = (SELECT batch_id FROM audit_chain WHERE account_id = $1 AND number = " + last + ")",
			"DELETE FROM audit_chain WHERE account_id = $1 AND number = " + last,
			"UPDATE audit_heads SET number = number - 1 WHERE account_id = $1",
		},
		"the head cut": {
			"DELETE FROM audit_records WHERE account_id = $1 AND batch_id = (SELECT batch_id FROM audit_chain WHERE account_id = $1 AND number = 1)",
			"DELETE FROM audit_chain WHERE account_id = $1 AND number = 1",
			"UPDATE audit_chain SET number = number + 99 WHERE account_id = $1",
			"UPDATE audit_chain SET number = number - 100 WHERE account_id = $1",
			"UPDATE audit_heads SET number = number - 1 WHERE account_id = $1",
		},
		"the whole chain": {
			"DELETE FROM audit_records WHERE account_id = $1", "DELETE FROM audit_details WHERE account_id = $1",
			"DELETE FROM audit_chain WHERE account_id = $1",
		},
		"the chain and its head": {
			"DELETE FROM audit_records WHERE account_id = $1", "DELETE FROM audit_details WHERE account_id = $1",
			"DELETE FROM audit_chain WHERE account_id = $1", "DELETE FROM audit_heads WHERE account_id = $1",
		},
		"the account": {"DELETE FROM accounts WHERE id = $1"},
		"another account's history": {
			"UPDATE audit_chain SET account_id = $1 + 999999 WHERE account_id = $1", "UPDATE audit_records SET account_id = $1 + 999999 WHERE account_id = $1",
			"UPDATE audit_details SET account_id = $1 + 999999 WHERE account_id = $1", "UPDATE audit_heads SET account_id = $1 + 999999 WHERE account_id = $1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := auditFixture(t, storetest.New(t, "sqlite"))
			account, err := f.store.Account(context.Background(), "x")
			must(t, err)
			for _, s := range statements {
				storetest.Exec(t, f.dsn, s, account.ID)
			}
			if _, err := f.verify(); !errors.Is(err, store.ErrBroken) {
				t.Errorf("%v, want ErrBroken", err)
			}
		})
	}
}

func TestErrorOfABrokenLogNamesThePlace(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		f := auditFixture(t, dsn)
		storetest.Exec(t, dsn, "UPDATE audit_records SET person_id = person_id + 1 WHERE kind = 'user.deleted' AND account_id = $1", f.account)
		if _, err := f.verify(); !errors.Is(err, store.ErrBroken) || !strings.Contains(err.Error(), "account y, entry 3: a record was changed") {
			t.Errorf("%v; want the account, the entry and what is wrong", err)
		}
	})
}

// The log can be checked while others write to it.
func TestVerifySeesOneStateWhileOthersWrite(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		f := newFixture(t, dsn)
		done := make(chan error, 1)
		go func() {
			for i := range 40 {
				err := f.tryWrite(1, func(ctx context.Context, tx *store.Tx) error {
					return tx.CreateGroup(ctx, directory.NewGroupID(), strconv.Itoa(i), "", nil)
				})
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		for {
			if _, err := f.verify(); err != nil {
				t.Error(err)
			}
			select {
			case err := <-done:
				must(t, err)
				return
			default:
			}
		}
	})
}

// What records say about a membership goes with it, of no other, and the log is
// whole all the same.
func TestChangesAreErasedWithTheMembership(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		f := newFixture(t, dsn)
		ids := f.members("a@x.example", "b@x.example")
		f.changes(ids[0], ids[0], ids[1])
		f.note([]byte(`{}`))
		f.remove("", "a@x.example")
		f.write(0, func(ctx context.Context, tx *store.Tx) error {
			var removal directory.RemovalID
			if err := storetest.SQL(t, dsn).QueryRow("SELECT MAX(id) FROM removals").Scan(&removal); err != nil {
				return err
			}
			_, _, err := tx.Purge(ctx, removal, time.Now().Add(2*time.Hour), 10)
			return err
		})
		var erased, kept int
		must(t, storetest.SQL(t, dsn).QueryRow(`SELECT COUNT(CASE WHEN body IS NULL AND salt IS NULL AND member_id = $1 THEN 1 END),
  COUNT(CASE WHEN body IS NOT NULL AND salt IS NOT NULL AND member_id <> $1 THEN 1 END) FROM audit_changes`, ids[0]).Scan(&erased, &kept))
		if erased < 1 || kept < 2 {
			t.Errorf("%d changes are erased and %d are kept", erased, kept)
		}
		if _, err := f.verify(); err != nil {
			t.Error(err)
		}
	})
}
