package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"roster/internal/directory"
)

// What is derived from other rows, and rows that others need. A row of each query is a
// finding: the key and the public id of its account, 0 and empty for none, and two values.
const (
	wrongUsers = `SELECT a.id, a.public_id, h.users, (SELECT COUNT(*) FROM live_members m WHERE m.account_id = a.id)
FROM accounts a JOIN audit_heads h ON h.account_id = a.id
WHERE h.users <> (SELECT COUNT(*) FROM live_members m WHERE m.account_id = a.id)`

	// Entries of chains with the positions that they should have; {of} may name an account.
	derivedPositions = `(SELECT account_id, number, total, epoch, SUM(records) OVER w AS right_total, SUM(back) OVER w AS right_epoch FROM (
  SELECT account_id, number, records, total, epoch,
    CASE WHEN created_at < LAG(created_at) OVER (PARTITION BY account_id ORDER BY number) THEN 1 ELSE 0 END AS back
  FROM audit_chain{of}) c WINDOW w AS (PARTITION BY account_id ORDER BY number)) p`
	differ         = `(p.total <> p.right_total OR p.epoch <> p.right_epoch)`
	wrongPositions = `SELECT a.id, a.public_id, COUNT(*), MIN(p.number) FROM ` + derivedPositions + `
JOIN accounts a ON a.id = p.account_id WHERE ` + differ + ` GROUP BY a.id, a.public_id`

	// Where the last entry itself is missing, VerifyAudit says so.
	wrongEnds = `SELECT a.id, a.public_id, h.number, 0 FROM audit_heads h JOIN accounts a ON a.id = h.account_id
JOIN audit_chain c ON c.account_id = h.account_id AND c.number = h.number
WHERE c.total <> h.total OR c.epoch <> h.epoch OR c.created_at <> h.last_at`

	wrongMemberships = `SELECT 0, '', p.public_id || ' are stored as ' || p.memberships, COALESCE(m.n, 0) FROM persons p
LEFT JOIN (SELECT person_id, COUNT(*) AS n FROM members GROUP BY person_id) m ON m.person_id = p.id
WHERE p.memberships <> COALESCE(m.n, 0)`

	lostOwners = `SELECT a.id, a.public_id, 'the account', a.owner_id FROM accounts a
LEFT JOIN live_members m ON m.account_id = a.id AND m.id = a.owner_id WHERE m.id IS NULL`
	lostBotOwners = `SELECT a.id, a.public_id, 'bot ' || b.public_id, b.owner_id FROM bots b JOIN accounts a ON a.id = b.account_id
LEFT JOIN live_members m ON m.account_id = b.account_id AND m.id = b.owner_id WHERE m.id IS NULL`

	wrongRemovals = `SELECT a.id, a.public_id, r.public_id, m.n - r.removed + r.restored FROM removals r JOIN accounts a ON a.id = r.account_id
JOIN (SELECT account_id, removal_id, COUNT(*) AS n FROM members WHERE removal_id IS NOT NULL GROUP BY account_id, removal_id) m
  ON m.account_id = r.account_id AND m.removal_id = r.id WHERE m.n > r.removed - r.restored`

	repairPositions = `UPDATE audit_chain SET total = p.right_total, epoch = p.right_epoch FROM ` + derivedPositions + `
WHERE audit_chain.account_id = p.account_id AND audit_chain.number = p.number AND ` + differ
	repairHead = `UPDATE audit_heads SET users = (SELECT COUNT(*) FROM live_members m WHERE m.account_id = $1), (total, epoch, last_at) = (
  SELECT c.total, c.epoch, c.created_at FROM audit_chain c WHERE c.account_id = $1 AND c.number = audit_heads.number)
WHERE account_id = $1`
)

// maxFindings is how many findings of one kind Check lists.
const maxFindings = 1000

// checks are the kinds of finding. The words have a place for each of the two values.
var checks = []struct {
	query, words string
	repairable   bool
}{
	{wrongUsers, "the number of users is stored as %s, and is %s", true},
	{strings.Replace(wrongPositions, "{of}", "", 1), "%s entries of the audit log have a wrong total or epoch, the first is entry %s", true},
	{wrongEnds, "the end of the audit log (entry %s) has another total, epoch or time than that entry", true},
	{wrongMemberships, "the memberships of person %s, and are %s", false},
	{lostOwners, "the owner of %s is no live member (key %s)", false},
	{lostBotOwners, "the owner of %s is no live member (key %s)", false},
	{wrongRemovals, "removal %s has %s more removed members than its counts allow", false},
}

// Finding is an inconsistency of the database.
type Finding struct {
	Account string `json:"accountId,omitempty"` // public id; empty for a person
	What    string `json:"what"`
	// Repairable says that RepairAccount corrects it.
	Repairable bool `json:"repairable"`

	ID directory.AccountID `json:"-"` // 0 for a person
}

// Check compares what is derived with what it is derived from, in one state of the
// database, and returns the differences: of each kind up to 1,000. It computes no
// hashes, which VerifyAudit does.
func (s *Store) Check(ctx context.Context) (findings []Finding, err error) {
	err = s.snapshot(ctx, func(r *reader) error {
		for _, c := range checks {
			err := r.each(ctx, func(rows *sql.Rows) error {
				f := Finding{Repairable: c.repairable}
				var values [2]string
				if err := rows.Scan(&f.ID, &f.Account, &values[0], &values[1]); err != nil {
					return err
				}
				f.What = fmt.Sprintf(c.words, values[0], values[1])
				findings = append(findings, f)
				return nil
			}, c.query+" ORDER BY 1, 3 LIMIT $1", maxFindings)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return findings, wrapf(err, "check the database")
}

// RepairAccount sets right what is derived in an account, in one transaction with an
// audit record that says what was found.
func (s *Store) RepairAccount(ctx context.Context, account directory.AccountID, actor directory.Actor, found []Finding) error {
	note, err := json.Marshal(map[string]any{"found": found})
	if err != nil {
		return err
	}
	err = s.Write(ctx, Change{Account: account, Actor: actor}, func(tx *Tx) error {
		// Every transaction locks the end of the account's chain before it commits. While
		// this one holds that lock, the counts below do not change.
		tx.ask(selectHead+tx.engine.lockRows, []any{account}, func(scanner) error { return nil })
		if err := tx.exec(ctx, strings.Replace(repairPositions, "{of}", " WHERE account_id = $1", 1), account); err != nil {
			return err
		}
		tx.Record(directory.AuditRun{Kind: directory.AuditDatabaseRepaired, Object: int64(account), Note: note})
		return tx.execRows(ctx, 1, repairHead, account)
	})
	return wrapf(err, "repair the account")
}
