package store

import (
	"context"
	"database/sql"

	"roster/internal/directory"
)

// A page of users is a range of the index of their keys, so that the last page of
// a million costs what the first does.
const (
	usersByEmail = `SELECT id, email_key, email_key FROM live_members
WHERE account_id = $1 AND email_key >= $2 AND email_key < $3 ORDER BY account_id, email_key LIMIT $4`
	usersByOrgID = `SELECT id, email_key, org_user_id FROM live_members
WHERE account_id = $1 AND org_user_id IS NOT NULL AND org_user_id >= $2 AND org_user_id < $3 ORDER BY account_id, org_user_id LIMIT $4`
	// lastKey stands behind all that begins alike.
	lastKey = "\U0010ffff"
)

// UserPage reads a page of the account's live members, with all that they have,
// in one state of the database. The query was prepared.
func (s *Store) UserPage(ctx context.Context, account directory.AccountID, q directory.UserQuery) (out directory.UserPage, err error) {
	query := usersByEmail
	if q.ByOrgUserID {
		query = usersByOrgID
	}
	err = s.snapshot(ctx, func(r *reader) error {
		var ids []directory.MemberID
		var emails []string
		err := r.each(ctx, func(rows *sql.Rows) error {
			var id directory.MemberID
			var email, key string
			if err := rows.Scan(&id, &email, &key); err != nil {
				return err
			}
			if len(ids) == q.Limit {
				out.Next = key // one more than the page holds
				return nil
			}
			ids, emails = append(ids, id), append(emails, email)
			return nil
		}, query, account, max(q.Prefix, q.From), q.Prefix+lastKey, q.Limit+1)
		if err != nil || len(ids) == 0 {
			return err
		}
		views := UserViews{map[string]*directory.UserView{}, map[string]*directory.UserView{}}
		if err := r.readViews(ctx, account, ids, views); err != nil {
			return err
		}
		for _, email := range emails {
			if v := views.ByEmail[email]; v != nil {
				out.Users = append(out.Users, v)
			}
		}
		return nil
	})
	return out, wrapf(err, "list the users")
}
