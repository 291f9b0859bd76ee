package store

import (
	"context"
	"database/sql"

	"roster/internal/directory"
)

const selectViews = `SELECT m.id, p.public_id, f.email, m.email_key, COALESCE(m.org_user_id, ''), f.status, f.first_name, f.last_name,
  f.can_create_bot, f.is_developer, f.data_table_access, f.last_login_at
FROM ` + keyedIDs + ` CROSS JOIN live_members m CROSS JOIN persons p CROSS JOIN member_profiles f
WHERE m.account_id = j.account_id AND m.id = j.id AND p.id = m.person_id AND f.account_id = m.account_id AND f.member_id = m.id`

// UserViews are live members by the keys that they were asked for by.
type UserViews struct {
	ByEmail, ByOrgUserID map[string]*directory.UserView
}

// Users reads the live members whom the keys name, with all that they have, by a
// fixed number of statements and in one state of the database.
func (s *Store) Users(ctx context.Context, account directory.AccountID, emailKeys, orgUserIDs []string) (UserViews, error) {
	out := UserViews{map[string]*directory.UserView{}, map[string]*directory.UserView{}}
	keys := memberKeys{emailKeys, orgUserIDs}
	if keys.len() == 0 {
		return out, nil
	}
	err := s.snapshot(ctx, func(r *reader) error {
		var ids []directory.MemberID
		st := keys.query(account, findByEmail, findByOrgID, findByEither)
		err := r.each(ctx, func(rows *sql.Rows) error {
			var c directory.Candidate
			err := rows.Scan(&c.Member, &c.Person, &c.EmailKey, &c.OrgUserID)
			ids = append(ids, c.Member)
			return err
		}, st.query, st.args...)
		if err != nil || len(ids) == 0 {
			return err
		}
		return r.readViews(ctx, account, ids, out)
	})
	return out, wrapf(err, "read the users")
}

func (r *reader) readViews(ctx context.Context, account directory.AccountID, ids []directory.MemberID, out UserViews) error {
	list := jsonInts(ids)
	access, err := r.Access(ctx, account, ids)
	if err != nil {
		return err
	}
	tasks, err := r.tasks(ctx, account, list)
	if err != nil {
		return err
	}
	return r.each(ctx, func(rows *sql.Rows) error {
		v := &directory.UserView{}
		var key string
		var login sql.NullInt64
		if err := rows.Scan(&v.ID, &v.UserID, &v.Email, &key, &v.OrgUserID, &v.Status, &v.Profile.FirstName, &v.Profile.LastName,
			&v.Flags.CanCreateBot, &v.Flags.IsDeveloper, &v.Flags.TableAccess, &login); err != nil {
			return err
		}
		if login.Valid {
			v.LastLogin = fromMicros(login.Int64)
		}
		v.Access, v.Tasks = access[v.ID], tasks[v.ID]
		out.ByEmail[key] = v
		if v.OrgUserID != "" {
			out.ByOrgUserID[v.OrgUserID] = v
		}
		return nil
	}, selectViews, account, list)
}
