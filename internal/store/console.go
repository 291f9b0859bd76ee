package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"roster/internal/directory"
)

const (
	sessionColumns = `SELECT public_id, person_id, tenant_id, member_id, chosen, created_at, last_seen_at, expires_at, user_agent FROM console_sessions`
	// The chosen one, or any of those that the token opens.
	selectSession = sessionColumns + ` WHERE token_hash = $1 ORDER BY chosen DESC, tenant_id LIMIT 1`
	// The sessions by which a member is in an account, or can enter it.
	memberSessions = sessionColumns + ` WHERE tenant_id = $1 AND member_id = $2 AND expires_at > $3 AND last_seen_at > $4
ORDER BY created_at DESC, public_id LIMIT $5`

	// The password is the one that was given, and still there: a change of password
	// writes its row before it ends the sessions, and waits for this transaction.
	insertSessions = `INSERT INTO console_sessions (token_hash, tenant_id, member_id, person_id, public_id, chosen, created_at, last_seen_at, expires_at, user_agent)
SELECT $2, w.tenant_id, w.member_id, w.person_id, j.public_id, 0, $3, $3, $4, $5
FROM (SELECT CAST(value->>0 AS BIGINT) AS account_id, CAST(value->>1 AS BIGINT) AS id, value->>2 AS hash, value->>3 AS public_id FROM json_each($1) ` + list + `) j
CROSS JOIN member_passwords w CROSS JOIN live_members m
WHERE w.tenant_id = j.account_id AND w.member_id = j.id AND w.hash = j.hash AND m.account_id = w.tenant_id AND m.id = w.member_id`

	openMembers  = `SELECT tenant_id, member_id FROM console_sessions WHERE token_hash = $1 ORDER BY tenant_id`
	enterAccount = `UPDATE console_sessions SET token_hash = $2, chosen = CASE WHEN tenant_id = $3 AND member_id = $4 THEN 1 ELSE 0 END
WHERE token_hash = $1 AND EXISTS (SELECT 1 FROM console_sessions x WHERE x.token_hash = $1 AND x.tenant_id = $3 AND x.member_id = $4) RETURNING public_id, chosen`
	touchSessions = `UPDATE console_sessions SET last_seen_at = $2 WHERE token_hash = $1 AND last_seen_at < $2`
	deleteSession = `DELETE FROM console_sessions WHERE public_id = $1 AND tenant_id = $2 AND member_id = $3`
	deleteSignIn  = `DELETE FROM console_sessions WHERE token_hash = $1`

	// Of a member who is held. Whoever was invited, or not active yet, is so now.
	noteSignIn = `UPDATE member_profiles SET last_login_at = $3, status = CASE WHEN status IN ('invited', 'not active') THEN 'active' ELSE status END
WHERE account_id = $1 AND member_id = $2`
)

// maxSessions is how many sessions of a member are listed.
const maxSessions = 100

// OpenSessions begins a session for each of the passwords, of which none is chosen yet.
// hash is of the token that opens them all, begun what they have in common. It leaves
// out a password that was changed, or whose membership was ended, since it was read. It
// is no change that the audit log covers: entering an account is.
func (s *Store) OpenSessions(ctx context.Context, hash []byte, begun directory.Session, passwords []directory.MemberPassword) error {
	rows := jsonRows(len(passwords), func(i int) jsonRow {
		p := &passwords[i]
		return jsonRow{int64(p.Account), int64(p.Member), p.Hash, directory.NewSessionID()}
	})
	_, err := s.delete(ctx, insertSessions+s.engine.holdOf("w"), rows, hash, begun.Created.UnixMicro(), begun.Expires.UnixMicro(), begun.UserAgent)
	return wrapf(err, "begin a session")
}

// Session finds the chosen session of those that a token opens, by the token's hash, with
// the membership as long as that is live; any of them if none is chosen. The error wraps
// directory.ErrNotFound when the token opens none. They may be over.
func (r *reader) Session(ctx context.Context, hash []byte) (directory.Session, error) {
	found, at, err := scanSession(r.row(ctx, selectSession, hash))
	if err != nil || !found.Chosen {
		return found, wrapf(err, "session")
	}
	m, err := r.Membership(ctx, at.Account, at.Member)
	if errors.Is(err, directory.ErrNotFound) { // removed since
		return found, nil
	}
	found.In = &m
	return found, err
}

// SessionMemberships finds the live memberships whose accounts can be entered by the
// sessions that a token opens, in the order of the names of the accounts.
func (r *reader) SessionMemberships(ctx context.Context, hash []byte) ([]directory.Membership, error) {
	var refs []directory.MemberRef
	err := r.each(ctx, func(rows *sql.Rows) error {
		var ref directory.MemberRef
		err := rows.Scan(&ref.Account, &ref.Member)
		refs = append(refs, ref)
		return err
	}, openMembers, hash)
	if err != nil {
		return nil, wrapf(err, "find the accounts of a session")
	}
	return r.Memberships(ctx, refs)
}

// MemberSessions lists the sessions that are not over at now by which a member is in the
// account, or can enter it: the newest first.
func (r *reader) MemberSessions(ctx context.Context, account directory.AccountID, member directory.MemberID, now time.Time) (all []directory.Session, err error) {
	err = r.each(ctx, func(rows *sql.Rows) error {
		found, _, err := scanSession(rows)
		all = append(all, found)
		return err
	}, memberSessions, account, member, now.UnixMicro(), now.Add(-directory.SessionIdle).UnixMicro(), maxSessions)
	return all, wrapf(err, "list sessions")
}

// ChosenAccount is the account of the chosen session of those that a token opens, 0 if
// none is chosen. The error wraps directory.ErrNotFound when the token opens none.
func (r *reader) ChosenAccount(ctx context.Context, hash []byte) (directory.AccountID, error) {
	found, at, err := scanSession(r.row(ctx, selectSession, hash))
	if !found.Chosen {
		return 0, wrapf(err, "session")
	}
	return at.Account, err
}

func scanSession(row scanner) (found directory.Session, at directory.MemberRef, err error) {
	var created, seen, expires int64
	err = row.Scan(&found.ID, &found.Person, &at.Account, &at.Member, &found.Chosen, &created, &seen, &expires, &found.UserAgent)
	found.Created, found.LastSeen, found.Expires = fromMicros(created), fromMicros(seen), fromMicros(expires)
	return found, at, err
}

// TouchSession writes down that the sessions of a token were used now. Like notes of
// calls it is no change that the audit log covers.
func (s *Store) TouchSession(ctx context.Context, hash []byte) error {
	_, err := s.delete(ctx, touchSessions, hash, s.Now().UnixMicro())
	return wrapf(err, "write down the use of a session")
}

// EnterAccount makes the session of a held member of the transaction's account the chosen
// one of those that a token opens, gives them all a new token, and returns the id of the
// session. The error wraps directory.ErrNotFound when the session has ended.
func (tx *Tx) EnterAccount(ctx context.Context, hash, next []byte, who directory.Candidate) (id string, err error) {
	err = tx.each(ctx, func(rows *sql.Rows) error {
		var one string
		var chosen bool
		err := rows.Scan(&one, &chosen)
		if chosen {
			id = one
		}
		return err
	}, enterAccount, hash, next, tx.account, who.Member)
	if err == nil && id == "" {
		err = directory.ErrNotFound
	}
	if err != nil {
		return "", wrapf(err, "session")
	}
	tx.later(1, noteSignIn, tx.account, who.Member, tx.batch.At.UnixMicro())
	tx.Record(directory.AuditRun{Kind: directory.AuditSessionCreated, Persons: []directory.PersonID{who.Person}})
	return id, nil
}

// EndSession ends a session of a member in the account of the transaction. The error
// wraps directory.ErrNotFound when they have no such session.
func (tx *Tx) EndSession(ctx context.Context, person directory.PersonID, member directory.MemberID, id string) error {
	return tx.endSession(ctx, person, deleteSession, id, tx.account, member)
}

// SignOut ends all sessions that a token of the person opens. The error wraps
// directory.ErrNotFound when they have ended.
func (tx *Tx) SignOut(ctx context.Context, person directory.PersonID, hash []byte) error {
	return tx.endSession(ctx, person, deleteSignIn, hash)
}

func (tx *Tx) endSession(ctx context.Context, person directory.PersonID, query string, args ...any) error {
	n, err := tx.touch(ctx, query, args...)
	if err == nil && n == 0 {
		err = directory.ErrNotFound
	}
	tx.Record(directory.AuditRun{Kind: directory.AuditSessionEnded, Persons: []directory.PersonID{person}})
	return wrapf(err, "session")
}

// DropSessions ends the sessions of a token of which none is chosen.
func (s *Store) DropSessions(ctx context.Context, hash []byte) error {
	_, err := s.delete(ctx, deleteSignIn, hash)
	return wrapf(err, "session")
}

// These return what they delete so that they can be queued whatever their number.
const (
	endSessions     = `DELETE FROM console_sessions WHERE (tenant_id, member_id) IN ` + idList + ` RETURNING member_id`
	voidLinks       = `DELETE FROM password_links WHERE (tenant_id, member_id) IN ` + idList + ` RETURNING member_id`
	forgetPasswords = `DELETE FROM member_passwords WHERE (tenant_id, member_id) IN ` + idList + ` RETURNING member_id`
)

// endSignIns ends the sessions of members and voids their links, with the next flush.
func (tx *Tx) endSignIns(members string) {
	tx.drop(endSessions, members)
	tx.drop(voidLinks, members)
}

// drop queues one of the above.
func (tx *Tx) drop(query, members string) {
	tx.ask(query, []any{tx.account, members}, func(scanner) error { return nil })
}
