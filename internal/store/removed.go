package store

import (
	"context"
	"database/sql"

	"roster/internal/directory"
)

const (
	// All of the removal are read and sorted, by its index; see list about the limit.
	pageOfRemoved = `SELECT m.id, m.email_key FROM (
  SELECT account_id, id FROM members WHERE account_id = $1 AND removal_id = $2 AND removal_id IS NOT NULL ` + noLimit + `
) r CROSS JOIN members m WHERE m.account_id = r.account_id AND m.id = r.id AND m.email_key >= $3
ORDER BY m.email_key, m.id LIMIT $4`

	removedByID = `SELECT p.public_id, f.email, COALESCE(m.org_user_id, ''), f.first_name, f.last_name
FROM ` + listedIDs + ` CROSS JOIN members m CROSS JOIN persons p CROSS JOIN member_profiles f
WHERE m.account_id = j.account_id AND m.id = j.id AND p.id = m.person_id AND f.account_id = m.account_id AND f.member_id = m.id
ORDER BY j.key`
)

// RemovedUsers reads up to limit of those whom a removal of the account has ended
// and nobody has restored or erased, from an address on, in one state of the
// database. Of each it has the ids and the name.
func (s *Store) RemovedUsers(ctx context.Context, account directory.AccountID, removal directory.RemovalID, from string, limit int) (out directory.RemovedPage, err error) {
	if !storable(from) {
		return out, directory.Errorf(directory.ErrInvalid, "no page begins there")
	}
	err = s.snapshot(ctx, func(r *reader) error {
		var ids []directory.MemberID
		err := r.each(ctx, func(rows *sql.Rows) error {
			var id directory.MemberID
			var key string
			err := rows.Scan(&id, &key)
			if len(ids) == limit {
				out.Next = key // one more than the page holds
			} else {
				ids = append(ids, id)
			}
			return err
		}, pageOfRemoved, account, removal, from, limit+1)
		if err != nil || len(ids) == 0 {
			return err
		}
		return r.each(ctx, func(rows *sql.Rows) error {
			var m directory.Member
			err := rows.Scan(&m.UserID, &m.Email, &m.OrgUserID, &m.Profile.FirstName, &m.Profile.LastName)
			out.Users = append(out.Users, m)
			return err
		}, removedByID, account, jsonInts(ids))
	})
	return out, wrapf(err, "list who was removed")
}
