package store

import (
	"context"
	"database/sql"

	"roster/internal/directory"
)

const (
	// The records by which a removal's people came back or were erased, in the order of
	// their keys, from behind a place on.
	recordsOfRemoval = `SELECT r.batch_id, r.seq, r.kind, r.person_id FROM audit_chain c CROSS JOIN audit_records r
WHERE c.account_id = $1 AND c.removal_id = $2 AND c.removal_id <> 0 AND c.batch_id >= $3
  AND r.account_id = c.account_id AND r.batch_id = c.batch_id AND r.seq > CASE WHEN c.batch_id = $3 THEN $4 ELSE 0 END
  AND r.kind IN ('user.restored', 'user.erased')
ORDER BY c.batch_id, r.seq LIMIT $5`

	// With the people as the account knows them now. "$1" and not x.account_id: without
	// statistics PostgreSQL would look for the address alone, in all of the index.
	linesOfRemoval = `SELECT x.batch_id, x.seq, x.kind, p.public_id, COALESCE(f.email, p.email_key, ''), COALESCE(m.org_user_id, '')
FROM (` + recordsOfRemoval + `) x JOIN persons p ON p.id = x.person_id
LEFT JOIN live_members m ON m.account_id = $1 AND m.email_key = p.email_key
LEFT JOIN member_profiles f ON f.account_id = m.account_id AND f.member_id = m.id
ORDER BY x.batch_id, x.seq`
)

// RecordPlace is a place among the audit records of a removal; the zero place is
// before the first.
type RecordPlace struct{ batch, seq int64 }

// RemovalLines reads up to limit of the audit records of those of a removal of the
// account who came back or were erased, from behind a place on, as lines of its
// report, and the place of the last. Nothing but the user id is told of the erased.
// There are no more when it returns none.
func (r *reader) RemovalLines(ctx context.Context, account directory.AccountID, id directory.RemovalID, after RecordPlace, limit int) (lines []directory.RemovalLine, last RecordPlace, err error) {
	last = after
	err = r.each(ctx, func(rows *sql.Rows) error {
		line := directory.RemovalLine{Outcome: directory.OutcomeRestored}
		var kind directory.AuditKind
		err := rows.Scan(&last.batch, &last.seq, &kind, &line.UserID, &line.Email, &line.OrgUserID)
		if kind != directory.AuditUserRestored {
			line = directory.RemovalLine{Outcome: directory.OutcomeErased, UserID: line.UserID}
		}
		lines = append(lines, line)
		return err
	}, linesOfRemoval, account, id, after.batch, after.seq, limit)
	return lines, last, wrapf(err, "read what became of the removed")
}
