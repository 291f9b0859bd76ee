package publicapi_test

import (
	"database/sql"
	"fmt"
	"sync"
	"testing"

	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// lockChain takes the lock on an account's audit chain, for which every transaction of
// the account waits before it commits.
func (w *world) lockChain(account string) *sql.Tx {
	w.T.Helper()
	tx, err := storetest.SQL(w.T, w.DSN).Begin()
	if err == nil {
		_, err = tx.Exec("SELECT 1 FROM audit_heads WHERE account_id = (SELECT id FROM accounts WHERE public_id = $1) FOR UPDATE", account)
	}
	if err != nil {
		w.T.Fatal(err)
	}
	return tx
}

// While all calls of an account wait for a lock, calls of other accounts and /readyz
// are answered. The calls that waited do their work afterwards.
func TestLockedAccountAgainstOthers(t *testing.T) {
	t.Parallel()
	w := start(t, storetest.New(t, "postgres"), rostertest.Options{})
	const calls = 60 // several times the connections of the pool
	people := make([]rostertest.Person, calls)
	for i := range people {
		people[i].Email = fmt.Sprintf("leaver%d@example.com", i)
	}
	w.Import(w.account, people...)
	lock := w.lockChain(w.account)
	var waiting sync.WaitGroup
	for _, person := range people {
		waiting.Go(func() { w.compare(w.Remove(w.app, emails(person.Email)), 200, removed, nil) })
	}
	var blocked int
	eventually(t, "calls that wait for the lock", func() bool {
		err := storetest.SQL(t, w.DSN).QueryRow(`SELECT COUNT(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&blocked)
		return err == nil && blocked > 1
	})

	w.compare(w.Remove(w.otherApp, orgIDs("F2")), 200, removed, nil)
	if ready := w.Do(rostertest.Request{Method: "GET", Path: "/readyz"}); ready.Status != 200 {
		t.Errorf("/readyz answers %d", ready.Status)
	}
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	waiting.Wait()
}
