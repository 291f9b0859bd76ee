package roster_test

import (
	"context"
	"errors"
	"testing"

	"roster/internal/auth"
	"roster/internal/roster"
	"roster/internal/store"
	"roster/internal/storetest"
)

// TestAuditFindsWhatWasChanged changes the log of a directory behind its back,
// one way at a time. The account "one" has four entries: its creation, an
// import, and two removals of two users each.
func TestAuditFindsWhatWasChanged(t *testing.T) {
	t.Parallel()
	const one = "(SELECT id FROM accounts WHERE name = 'one')"
	const lastBatch = "(SELECT batch_id FROM audit_chain WHERE account_id = " + one + " ORDER BY number DESC LIMIT 1)"
	const thirdBatch = "(SELECT batch_id FROM audit_chain WHERE account_id = " + one + " AND number = 3)"
	for _, change := range []struct{ name, sql string }{
		{"a record edited", "UPDATE audit_records SET person_id = person_id + 1 WHERE kind = 'user.deleted' AND seq = 1 AND batch_id = " + thirdBatch},
		{"a record's kind edited", "UPDATE audit_records SET kind = 'user.created' WHERE seq = 2 AND batch_id = " + thirdBatch},
		{"a record deleted", "DELETE FROM audit_records WHERE seq = 2 AND batch_id = " + thirdBatch},
		{"all records of an entry deleted", "DELETE FROM audit_records WHERE batch_id = " + thirdBatch},
		{"a record inserted", "INSERT INTO audit_records (account_id, batch_id, seq, kind, person_id, object_id) VALUES (" + one + ", " + thirdBatch + ", 3, 'user.deleted', 1, 0)"},
		{"a record of no entry", "INSERT INTO audit_records (account_id, batch_id, seq, kind, person_id, object_id) VALUES (" + one + ", 999999, 1, 'user.deleted', 1, 0)"},
		{"a record moved to another entry", "UPDATE audit_records SET batch_id = " + lastBatch + ", seq = 3 WHERE seq = 2 AND batch_id = " + thirdBatch},
		{"the time edited", "UPDATE audit_chain SET created_at = created_at + 1 WHERE number = 2"},
		{"the actor edited", "UPDATE audit_chain SET actor_id = actor_id + 1 WHERE number = 3"},
		{"a hash edited", "UPDATE audit_chain SET hash = digest WHERE number = 3"},
		{"a digest edited", "UPDATE audit_chain SET digest = hash WHERE number = 3"},
		{"an entry deleted", "DELETE FROM audit_chain WHERE account_id = " + one + " AND number = 3"},
		{"the first entry deleted", "DELETE FROM audit_chain WHERE account_id = " + one + " AND number = 1"},
		{"the tail cut", "DELETE FROM audit_chain WHERE account_id = " + one + " AND number = 4"},
		{"all entries deleted", "DELETE FROM audit_chain WHERE account_id = " + one},
		{"the end moved", "UPDATE audit_heads SET number = number - 1 WHERE account_id = " + one},
		{"the end deleted", "DELETE FROM audit_heads WHERE account_id = " + one},
		{"details edited", "UPDATE audit_details SET body = '{}'"},
		{"details of no entry", "INSERT INTO audit_details (account_id, batch_id, salt, body) SELECT account_id, batch_id + 999999, salt, body FROM audit_details"},
	} {
		t.Run(change.name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, dsn string) {
				p := newPurgeBench(t, dsn, roster.Options{})
				p.users("two", "zoe@example.com")
				rows := []roster.ImportRow{{Email: "a@example.com"}, {Email: "b@example.com"}, {Email: "c@example.com"}, {Email: "d@example.com"}}
				_, err := p.roster.ImportUsers(context.Background(), auth.Operator(), p.account["one"], rows, roster.ImportOptions{})
				must(t, err)
				p.remove("one", "a@example.com", "b@example.com")
				p.remove("one", "c@example.com", "d@example.com")
				_, err = p.roster.VerifyAudit(context.Background(), auth.Operator())
				must(t, err)

				storetest.Exec(t, dsn, change.sql)
				if _, err := p.roster.VerifyAudit(context.Background(), auth.Operator()); !errors.Is(err, store.ErrBroken) {
					t.Errorf("the change was not found: %v", err)
				}
			})
		})
	}
}

// Details may be erased: the chain holds their hash alone.
func TestAuditIsWholeWithoutDetails(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		p := newPurgeBench(t, dsn, roster.Options{})
		p.users("one", "a@example.com")
		p.remove("one", "a@example.com")
		storetest.Exec(t, dsn, "DELETE FROM audit_details")
		_, err := p.roster.VerifyAudit(context.Background(), auth.Operator())
		must(t, err)
	})
}
