package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"roster/internal/directory"
	"roster/internal/store"
	"roster/internal/storetest"
)

// tamperer changes the audit log behind its back, and puts it back.
type tamperer struct {
	*fixture
	db     *sql.DB
	rng    *rand.Rand
	whole  []auditRow
	before []directory.Checkpoint // kept outside
}

func newTamperer(t *testing.T, dsn string, seed uint64) *tamperer {
	t.Helper()
	f := auditFixture(t, dsn)
	w := &tamperer{fixture: f, db: storetest.SQL(t, dsn), rng: rand.New(rand.NewPCG(seed, 4))}
	w.db.SetMaxIdleConns(1)
	w.whole = auditRows(t, w.db)
	var err error
	w.before, err = f.store.AuditHeads(context.Background())
	must(t, err)
	return w
}

// inTx runs fn in a transaction of its own.
func (w *tamperer) inTx(fn func(*sql.Tx)) {
	w.Helper()
	tx, err := w.db.Begin()
	must(w, err)
	fn(tx)
	must(w, tx.Commit())
}

// restore puts the whole log back.
func (w *tamperer) restore(t *testing.T) {
	w.inTx(func(tx *sql.Tx) {
		for table := range auditTables {
			_, err := tx.Exec("DELETE FROM " + table)
			must(w, err)
		}
		for i := range w.whole {
			w.whole[i].insert(t, tx)
		}
	})
}

// row draws a row that may not be erased.
func (w *tamperer) row() *auditRow {
	for {
		row := &w.whole[w.rng.IntN(len(w.whole))]
		if row.table != "audit_details" {
			return row
		}
	}
}

// small are the ways to tamper that the chain finds by itself.
var small = map[string]func(*tamperer, *testing.T){
	"edit": func(w *tamperer, t *testing.T) {
		row := w.row()
		column := w.rng.IntN(len(row.columns))
		exchange(t, w.db, row, row.with(column, tampered(row.values[column])))
	},
	"delete": func(w *tamperer, t *testing.T) { w.inTx(func(tx *sql.Tx) { w.row().remove(t, tx) }) },
	"insert": func(w *tamperer, t *testing.T) {
		row := w.row()
		for row.table == "audit_heads" { // which belong to accounts, and are no history
			row = w.row()
		}
		last := slices.Index(row.columns, auditTables[row.table][len(auditTables[row.table])-1])
		w.inTx(func(tx *sql.Tx) {
			extra := row.with(last, tampered(row.values[last]))
			if batch := slices.Index(row.columns, "batch_id"); row.table == "audit_chain" {
				extra = extra.with(batch, tampered(row.values[batch]))
			}
			extra.insert(t, tx)
		})
	},
	"swap": func(w *tamperer, t *testing.T) {
		a, b := w.row(), w.row()
		for a.table != "audit_records" || b.table != "audit_records" || a == b || sameButPlace(a, b) {
			a, b = w.row(), w.row()
		}
		w.inTx(func(tx *sql.Tx) {
			a.remove(t, tx)
			b.remove(t, tx)
			for _, pair := range [][2]*auditRow{{a, b}, {b, a}} {
				moved := *pair[0]
				moved.values = slices.Clone(moved.values)
				for i, column := range moved.columns {
					if slices.Contains(auditTables[moved.table], column) {
						moved.values[i] = pair[1].values[i]
					}
				}
				moved.insert(t, tx)
			}
		})
	},
}

// sameButPlace says whether two rows say the same, so that nothing is changed by
// changing their places.
func sameButPlace(a, b *auditRow) bool {
	for i, column := range a.columns {
		if !slices.Contains(auditTables[a.table], column) && fmt.Sprint(a.values[i]) != fmt.Sprint(b.values[i]) {
			return false
		}
	}
	return true
}

// large are the ways to tamper after which the log is whole in itself.
var large = map[string]func(*tamperer){
	"cut the tail": func(w *tamperer) {
		account := w.someAccount()
		cut := 1 + w.rng.IntN(w.length(account)-1)
		w.inTx(func(tx *sql.Tx) {
			for _, query := range []string{
				`DELETE FROM audit_records WHERE account_id = $1 AND batch_id IN (SELECT batch_id FROM audit_chain WHERE account_id = $1 AND number > $2)`,
				`DELETE FROM audit_details WHERE account_id = $1 AND batch_id IN (SELECT batch_id FROM audit_chain WHERE account_id = $1 AND number > $2)`,
				`DELETE FROM audit_changes WHERE account_id = $1 AND batch_id IN (SELECT batch_id FROM audit_chain WHERE account_id = $1 AND number > $2)`,
				`DELETE FROM audit_chain WHERE account_id = $1 AND number > $2`,
				`UPDATE audit_heads SET (number, hash, total, epoch, last_at) = (SELECT number, hash, total, epoch, created_at FROM audit_chain WHERE account_id = $1 AND number = $2) WHERE account_id = $1`,
			} {
				_, err := tx.Exec(query, account, cut)
				must(w, err)
			}
		})
	},
	"rebuild": func(w *tamperer) {
		account := w.someAccount()
		number := 1 + w.rng.IntN(w.length(account))
		w.inTx(func(tx *sql.Tx) {
			// Somebody else did it.
			_, err := tx.Exec(`UPDATE audit_chain SET actor_id = actor_id + 1 WHERE account_id = $1 AND number = $2`, account, number)
			must(w, err)
			storetest.Rechain(w, tx, account, true)
		})
	},
}

func (w *tamperer) someAccount() (account directory.AccountID) {
	must(w, w.db.QueryRow(`SELECT id FROM accounts ORDER BY id LIMIT 1 OFFSET $1`, w.rng.IntN(len(w.before))).Scan(&account))
	return account
}

func (w *tamperer) length(account directory.AccountID) (n int) {
	must(w, w.db.QueryRow(`SELECT number FROM audit_heads WHERE account_id = $1`, account).Scan(&n))
	return n
}

// TestTamperingIsFound is promise S4: whatever is done to the audit log behind its
// back is found, the end cut off and all of it made anew with a checkpoint that was
// kept outside. The control: without one these two are not.
func TestTamperingIsFound(t *testing.T) {
	t.Parallel()
	// Fewer on PostgreSQL: the hashes are computed above the engines.
	rounds := map[string]int{"sqlite": storetest.Count(300, 20_000), "postgres": storetest.Count(30, 2000)}
	seed := uint64(time.Now().UnixNano())
	storetest.Each(t, func(t *testing.T, dsn string) {
		t.Logf("seed %d", seed)
		w := newTamperer(t, dsn, seed)
		ctx := context.Background()
		must(t, w.store.CheckCheckpoints(ctx, w.before))
		ways := []string{"edit", "delete", "insert", "swap", "cut the tail", "rebuild"}
		for round := range rounds[w.store.Engine()] {
			way := ways[round%len(ways)]
			if do := small[way]; do != nil {
				do(w, t)
				if _, err := w.verify(); !errors.Is(err, store.ErrBroken) {
					t.Errorf("round %d, %s: %v, want ErrBroken", round, way, err)
				}
			} else {
				large[way](w)
				if _, err := w.verify(); err != nil {
					t.Fatalf("round %d, %s: the log should be whole in itself: %v", round, way, err)
				}
				if err := w.store.CheckCheckpoints(ctx, w.before); !errors.Is(err, store.ErrBroken) || !strings.Contains(err.Error(), "account ") {
					t.Errorf("round %d, %s: %v, want ErrBroken", round, way, err)
				}
			}
			w.restore(t)
		}
		_, err := w.verify()
		must(t, errors.Join(err, w.store.CheckCheckpoints(ctx, w.before)))
	})
}

// A log that has grown still has what a checkpoint names.
func TestCheckpointsOfALogThatGrows(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		f := newFixture(t, dsn)
		var all []directory.Checkpoint
		for _, name := range []string{"a", "b", "c"} {
			f.members(name + "@x.example")
			heads, err := f.store.AuditHeads(t.Context())
			must(t, err)
			all = append(all, heads...)
		}
		f.another("y")
		must(t, f.store.CheckCheckpoints(t.Context(), all))
		if all[0].Number >= all[2].Number || bytes.Equal(all[0].Hash, all[2].Hash) {
			t.Errorf("checkpoints %+v", all)
		}
		all[1].Account = "gone"
		if err := f.store.CheckCheckpoints(t.Context(), all); !errors.Is(err, store.ErrBroken) {
			t.Errorf("an account that is gone: %v", err)
		}
	})
}
