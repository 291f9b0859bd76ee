package store

import (
	"context"
	"database/sql"

	"roster/internal/directory"
)

const (
	// Before anything of the members is deleted.
	noteErasures = `INSERT INTO erasures (account_id, member_id, person_id, joined_at)
SELECT m.account_id, m.id, m.person_id, f.created_at FROM ` + keyedIDs + `
CROSS JOIN members m CROSS JOIN member_profiles f
WHERE m.account_id = j.account_id AND m.id = j.id AND f.account_id = m.account_id AND f.member_id = m.id`

	selectErasures = `SELECT a.public_id, p.public_id, e.joined_at
FROM erasures e JOIN accounts a ON a.id = e.account_id JOIN persons p ON p.id = e.person_id`

	selectAllMemberships = `SELECT a.public_id, p.public_id, f.created_at, m.account_id, m.id, m.person_id, m.email_key, COALESCE(m.removal_id, 0)
FROM members m JOIN accounts a ON a.id = m.account_id JOIN persons p ON p.id = m.person_id
JOIN member_profiles f ON f.account_id = m.account_id AND f.member_id = m.id
ORDER BY m.account_id, m.removal_id, m.id`
)

// Membership is one that is kept, live or removed.
type Membership struct {
	directory.Life
	Account  directory.AccountID
	Member   directory.MemberID
	Person   directory.PersonID
	EmailKey string
	Removal  directory.RemovalID // 0 for a live one
}

// CountErasures returns how many memberships were erased so far.
func (r *reader) CountErasures(ctx context.Context) (n int, err error) {
	err = r.row(ctx, "SELECT COUNT(*) FROM erasures").Scan(&n)
	return n, wrapf(err, "count the erasures")
}

// EachErasure calls fn for every membership that was erased, in no order.
func (r *reader) EachErasure(ctx context.Context, fn func(directory.Life)) error {
	err := r.each(ctx, func(rows *sql.Rows) error {
		var life directory.Life
		if err := rows.Scan(&life.Account, &life.User, &life.Joined); err != nil {
			return err
		}
		fn(life)
		return nil
	}, selectErasures)
	return wrapf(err, "read the erasures")
}

// EachMembership calls fn for every membership that is kept, those of an account
// and of a removal one after the other.
func (r *reader) EachMembership(ctx context.Context, fn func(Membership)) error {
	err := r.each(ctx, func(rows *sql.Rows) error {
		var m Membership
		if err := rows.Scan(&m.Life.Account, &m.User, &m.Joined, &m.Account, &m.Member, &m.Person, &m.EmailKey, &m.Removal); err != nil {
			return err
		}
		fn(m)
		return nil
	}, selectAllMemberships)
	return wrapf(err, "read the memberships")
}

// EraseSome erases memberships that the removal ended, and leaves an audit record
// for each. The removal stays open for the others.
func (tx *Tx) EraseSome(ctx context.Context, removal directory.RemovalID, members []directory.Candidate) error {
	tx.batch.Removal = removal
	return tx.erase(ctx, members, removal)
}

// EndSignIns ends every session of the console and voids every link to set a
// password, of all accounts. It returns how many sessions that were.
func (s *Store) EndSignIns(ctx context.Context) (sessions int, err error) {
	n, err := s.delete(ctx, "DELETE FROM console_sessions")
	if err == nil {
		_, err = s.delete(ctx, "DELETE FROM password_links")
	}
	return n, wrapf(err, "end the sessions")
}
