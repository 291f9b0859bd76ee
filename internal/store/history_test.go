package store_test

import (
	"context"
	"fmt"
	"testing"

	"roster/internal/directory"
	"roster/internal/storetest"
)

// A long log is read a stretch at a time, and nothing of it is left out where two
// stretches meet: neither in a log of many small entries nor in one of few large.
func TestHistoryOverStretches(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		f := newFixture(t, dsn)
		for i, shape := range []struct{ entries, records int }{{5001, 1}, {30, 5000}} {
			f.another(fmt.Sprint("stretches", i))
			account := fmt.Sprint(f.account)
			nul := "CAST('' AS BLOB)"
			if f.store.Engine() == "postgres" {
				nul = "CAST('' AS BYTEA)"
			}
			const numbers = `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < %d) `
			base := 1_000_000_000 * int64(f.account)
			person := base + 7
			storetest.Exec(t, dsn, fmt.Sprintf(`INSERT INTO persons (id, public_id, memberships, created_at) VALUES (%d, 'u-%d', 0, 0)`, person, person))
			storetest.Exec(t, dsn, `DELETE FROM audit_chain WHERE account_id = `+account)
			storetest.Exec(t, dsn, fmt.Sprintf(`UPDATE audit_heads SET number = %d WHERE account_id = %s`, shape.entries, account))
			storetest.Exec(t, dsn, fmt.Sprintf(numbers+`INSERT INTO audit_chain (account_id, number, batch_id, created_at, actor_kind, actor_id, removal_id, records, digest, hash)
SELECT %s, i + 1, %d + i, i, 'operator', 0, 0, %d, %s, %s FROM n`, shape.entries, account, base, shape.records, nul, nul))
			// Every 997th record is about the person, also the first and the last.
			all := shape.entries * shape.records
			storetest.Exec(t, dsn, fmt.Sprintf(numbers+`INSERT INTO audit_records (account_id, batch_id, seq, kind, person_id, object_id)
SELECT %s, %d + i / %d, 1 + i %% %d, 'user.modified', CASE WHEN i %% 997 = 0 OR i = %d THEN %d ELSE 1 END, 0 FROM n`,
				all, account, base, shape.records, shape.records, all-1, person))
			var got, want []directory.AuditPosition
			for i := all - 1; i >= 0; i-- {
				if i%997 == 0 || i == all-1 {
					want = append(want, directory.AuditPosition{Number: int64(i/shape.records + 1), Seq: i%shape.records + 1})
				}
			}
			var before *directory.AuditPosition
			parts := 0
			for ; parts == 0 || before != nil; parts++ {
				part, err := f.store.UserHistory(context.Background(), f.account, fmt.Sprintf("u-%d", person), before, 50)
				must(t, err)
				for i := range part.Records {
					got = append(got, part.Records[i].AuditPosition)
				}
				before = part.Next
			}
			if fmt.Sprint(got) != fmt.Sprint(want) || parts < 3 {
				t.Errorf("%+v: %d parts with %d records, want %d:\n%v\n%v", shape, parts, len(got), len(want), got, want)
			}
		}
	})
}
