package store

import (
	"context"
	"database/sql"

	"roster/internal/directory"
	"roster/internal/excerpt"
)

const (
	// Members have no index by person, which every removal would pay for, and the
	// address of their person.
	selectUser = `SELECT m.id, m.person_id, p.public_id, f.email, COALESCE(m.org_user_id, ''), f.status, f.created_at, f.last_login_at,
  f.can_create_bot, f.is_developer, f.data_table_access, a.owner_id,
  f.first_name, f.last_name, f.company_name, f.department, f.company_contact_phone, f.work_number,
  f.street, f.suite_number, f.city, f.zip, f.state, f.country
FROM (SELECT CAST($1 AS BIGINT) AS account_id, id, public_id, email_key FROM persons WHERE public_id = $2 LIMIT 1) p
CROSS JOIN live_members m CROSS JOIN member_profiles f CROSS JOIN accounts a
WHERE m.account_id = p.account_id AND m.email_key = p.email_key AND m.person_id = p.id
  AND f.account_id = m.account_id AND f.member_id = m.id AND a.id = m.account_id`

	endMemberSessions = `DELETE FROM console_sessions WHERE tenant_id = $1 AND member_id = $2 AND expires_at > $3 AND last_seen_at > $4 RETURNING public_id`
)

// User reads a live member of the account by the public id of their person, with
// all that they have, by a fixed number of statements and in one state of the
// database. The error wraps directory.ErrNotFound when there is none.
func (s *Store) User(ctx context.Context, account directory.AccountID, userID string) (out directory.UserDetails, err error) {
	err = s.snapshot(ctx, func(r *reader) error {
		if out, err = r.user(ctx, account, userID); err != nil {
			return err
		}
		ids := []directory.MemberID{out.ID}
		access, err := r.Access(ctx, account, ids)
		if err != nil {
			return err
		}
		out.Access = access[out.ID]
		if out.Tasks, err = r.userTasks(ctx, account, out.ID); err != nil {
			return err
		}
		out.Sessions, err = r.MemberSessions(ctx, account, out.ID, s.Now())
		return err
	})
	return out, wrapf(err, "user %s", excerpt.Of(userID))
}

// user reads what is in the row of a live member and in their profile.
func (r *reader) user(ctx context.Context, account directory.AccountID, userID string) (out directory.UserDetails, err error) {
	var created int64
	var login sql.NullInt64
	var owner directory.MemberID
	into := []any{
		&out.ID, &out.PersonID, &out.UserID, &out.Email, &out.OrgUserID, &out.Status, &created, &login,
		&out.Flags.CanCreateBot, &out.Flags.IsDeveloper, &out.Flags.TableAccess, &owner,
	}
	for _, field := range out.Profile.Fields() {
		into = append(into, field.Text)
	}
	if err := r.row(ctx, selectUser, account, userID).Scan(into...); err != nil {
		return directory.UserDetails{}, err
	}
	out.Created, out.Owner = fromMicros(created), owner == out.ID
	if login.Valid {
		out.LastLogin = fromMicros(login.Int64)
	}
	return out, nil
}

// userTasks reads a member's tasks with the bots.
func (r *reader) userTasks(ctx context.Context, account directory.AccountID, member directory.MemberID) (all []directory.UserTasks, err error) {
	tasks, err := r.tasks(ctx, account, jsonInts([]directory.MemberID{member}))
	if err != nil {
		return nil, err
	}
	bots := map[directory.BotID]*directory.Bot{}
	ids := make([]directory.BotID, len(tasks[member]))
	for i, task := range tasks[member] {
		ids[i] = task.Bot
	}
	err = r.each(ctx, func(rows *sql.Rows) error {
		bot, err := scanBot(rows)
		bots[bot.ID] = &bot
		return err
	}, botsByID, account, jsonInts(ids))
	for _, task := range tasks[member] {
		all = append(all, directory.UserTasks{Bot: bots[task.Bot], Dialogs: task.Dialogs})
	}
	return all, wrapf(err, "read the bots of tasks")
}

// EndSessions ends all sessions by which a live member, named by the public id of
// their person, is in the account of the transaction or can enter it, and returns their ids. The
// error wraps directory.ErrNotFound when there is no such member.
func (tx *Tx) EndSessions(ctx context.Context, userID string) (ended []string, err error) {
	user, err := tx.user(ctx, tx.account, userID)
	if err != nil {
		return nil, wrapf(err, "user %s", excerpt.Of(userID))
	}
	now := tx.batch.At
	tx.ask(endMemberSessions, []any{tx.account, user.ID, now.UnixMicro(), now.Add(-directory.SessionIdle).UnixMicro()}, func(row scanner) error {
		var id string
		err := row.Scan(&id)
		ended = append(ended, id)
		return err
	})
	if err := tx.flush(ctx); err != nil || len(ended) == 0 {
		return nil, wrapf(err, "end sessions")
	}
	run := directory.AuditRun{Kind: directory.AuditSessionEnded}
	for range ended {
		run.Persons = append(run.Persons, user.PersonID)
	}
	tx.Record(run)
	return ended, nil
}
