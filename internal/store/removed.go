package store

import (
	"context"
	"database/sql"
	"strconv"
	"strings"

	"roster/internal/directory"
)

const (
	// The index of a removal's members has their ids: SQLite goes along it, PostgreSQL
	// sorts what it finds by it.
	pageOfRemoved = `SELECT id FROM members{byRemoval}
WHERE account_id = $1 AND removal_id = $2 AND removal_id IS NOT NULL AND id >= $3 ORDER BY {id} LIMIT $4`

	removedByID = `SELECT p.public_id, f.email, COALESCE(m.org_user_id, ''), f.first_name, f.last_name
FROM ` + listedIDs + ` CROSS JOIN members m CROSS JOIN persons p CROSS JOIN member_profiles f
WHERE m.account_id = j.account_id AND m.id = j.id AND p.id = m.person_id AND f.account_id = m.account_id AND f.member_id = m.id
ORDER BY j.key`
)

// pageOfRemoved is the statement for the engine.
func (e *engine) pageOfRemoved() string {
	return strings.NewReplacer("{byRemoval}", e.byRemoval, "{id}", e.idInRemoval).Replace(pageOfRemoved)
}

// RemovedUsers reads up to limit of those whom a removal of the account has ended
// and nobody has restored or erased, from the Next of another page on, in one state of
// the database. Of each it has the ids and the name.
func (s *Store) RemovedUsers(ctx context.Context, account directory.AccountID, removal directory.RemovalID, from string, limit int) (out directory.RemovedPage, err error) {
	first := directory.MemberID(0)
	if from != "" {
		n, err := strconv.ParseInt(from, 10, 64)
		if err != nil {
			return out, directory.Errorf(directory.ErrInvalid, "no page begins there")
		}
		first = directory.MemberID(n)
	}
	err = s.snapshot(ctx, func(r *reader) error {
		var ids []directory.MemberID
		err := r.each(ctx, func(rows *sql.Rows) error {
			var id directory.MemberID
			err := rows.Scan(&id)
			if len(ids) == limit {
				out.Next = strconv.FormatInt(int64(id), 10) // one more than the page holds
			} else {
				ids = append(ids, id)
			}
			return err
		}, s.engine.pageOfRemoved(), account, removal, first, limit+1)
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
