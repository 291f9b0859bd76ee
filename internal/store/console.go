package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"roster/internal/directory"
)

const (
	sessionColumns = `SELECT public_id, person_id, tenant_id, member_id, created_at, last_seen_at, expires_at, user_agent FROM console_sessions`
	selectSession  = sessionColumns + ` WHERE token_hash = $1`
	selectSessions = sessionColumns + ` WHERE person_id = $1 AND expires_at > $2 AND last_seen_at > $3 ORDER BY created_at DESC, public_id LIMIT $4`
	insertSession  = `INSERT INTO console_sessions (token_hash, public_id, person_id, tenant_id, member_id, created_at, last_seen_at, expires_at, user_agent)
VALUES ($1, $2, $3, 0, 0, $4, $4, $5, $6)`
	enterAccount  = `UPDATE console_sessions SET token_hash = $2, tenant_id = $3, member_id = $4 WHERE token_hash = $1`
	touchSession  = `UPDATE console_sessions SET last_seen_at = $2 WHERE token_hash = $1 AND last_seen_at < $2`
	findSession   = `SELECT tenant_id FROM console_sessions WHERE public_id = $1 AND person_id = $2`
	deleteSession = `DELETE FROM console_sessions WHERE public_id = $1 AND person_id = $2`

	// Of a member who is held. Whoever was invited, or not active yet, is so now.
	noteSignIn = `UPDATE member_profiles SET last_login_at = $3, status = CASE WHEN status IN ('invited', 'not active') THEN 'active' ELSE status END
WHERE account_id = $1 AND member_id = $2`
)

// maxSessions is how many sessions of a person are listed.
const maxSessions = 100

// CreateSession begins a session, in no account yet. hash is of its token. It is
// no change that the audit log covers: entering an account is.
func (s *Store) CreateSession(ctx context.Context, hash []byte, begun directory.Session) error {
	err := s.inTx(ctx, func(r *reader, _ session) error {
		_, err := r.touch(ctx, insertSession, hash, begun.ID, begun.Person, begun.Created.UnixMicro(), begun.Expires.UnixMicro(), begun.UserAgent)
		return err
	})
	return wrapf(err, "begin a session")
}

// Session finds a session by the hash of its token, with the membership that it
// is in as long as that is live. The error wraps directory.ErrNotFound when there
// is none. It may be over.
func (r *reader) Session(ctx context.Context, hash []byte) (directory.Session, error) {
	found, account, member, err := scanSession(r.row(ctx, selectSession, hash))
	if err != nil || account == 0 {
		return found, wrapf(err, "session")
	}
	m, err := r.Membership(ctx, account, member)
	if errors.Is(err, directory.ErrNotFound) { // removed since
		return found, nil
	}
	found.In = &m
	return found, err
}

// Sessions lists a person's sessions that are not over at now, the newest first,
// with the name of the account that each is in.
func (r *reader) Sessions(ctx context.Context, person directory.PersonID, now time.Time) (all []directory.Session, err error) {
	in := map[int]directory.Membership{}
	err = r.each(ctx, func(rows *sql.Rows) error {
		found, account, member, err := scanSession(rows)
		if account != 0 {
			in[len(all)] = directory.Membership{Account: directory.Account{ID: account}, Member: member}
		}
		all = append(all, found)
		return err
	}, selectSessions, person, now.UnixMicro(), now.Add(-directory.SessionIdle).UnixMicro(), maxSessions)
	for i, at := range in {
		if err != nil {
			break
		}
		var m directory.Membership
		if m, err = r.Membership(ctx, at.Account.ID, at.Member); err == nil {
			all[i].In = &m
		} else if errors.Is(err, directory.ErrNotFound) {
			err = nil
		}
	}
	return all, wrapf(err, "list sessions")
}

func scanSession(row scanner) (found directory.Session, account directory.AccountID, member directory.MemberID, err error) {
	var created, seen, expires int64
	err = row.Scan(&found.ID, &found.Person, &account, &member, &created, &seen, &expires, &found.UserAgent)
	found.Created, found.LastSeen, found.Expires = fromMicros(created), fromMicros(seen), fromMicros(expires)
	return found, account, member, err
}

// TouchSession writes down that a session was used now. Like notes of calls it is
// no change that the audit log covers.
func (s *Store) TouchSession(ctx context.Context, hash []byte) error {
	_, err := s.delete(ctx, touchSession, hash, s.Now().UnixMicro())
	return wrapf(err, "write down the use of a session")
}

// EnterAccount puts a session into the account of the transaction as a held
// member, under a new token. The error wraps directory.ErrNotFound when the
// session has ended.
func (tx *Tx) EnterAccount(ctx context.Context, hash, next []byte, who directory.Candidate) error {
	n, err := tx.touch(ctx, enterAccount, hash, next, tx.account, who.Member)
	if err == nil && n != 1 {
		err = directory.ErrNotFound
	}
	if err != nil {
		return wrapf(err, "session")
	}
	tx.later(1, noteSignIn, tx.account, who.Member, tx.batch.At.UnixMicro())
	tx.Record(directory.AuditRun{Kind: directory.AuditSessionCreated, Persons: []directory.PersonID{who.Person}})
	return nil
}

// SessionAccount is the account that a person's session is in, 0 for none. The
// error wraps directory.ErrNotFound when they have no such session.
func (r *reader) SessionAccount(ctx context.Context, person directory.PersonID, id string) (account directory.AccountID, err error) {
	err = r.row(ctx, findSession, id, person).Scan(&account)
	return account, wrapf(err, "session")
}

// EndSession ends a person's session in the account of the transaction. The error
// wraps directory.ErrNotFound when it has ended.
func (tx *Tx) EndSession(ctx context.Context, person directory.PersonID, id string) error {
	n, err := tx.touch(ctx, deleteSession, id, person)
	if err == nil && n != 1 {
		err = directory.ErrNotFound
	}
	tx.Record(directory.AuditRun{Kind: directory.AuditSessionEnded, Persons: []directory.PersonID{person}})
	return wrapf(err, "session")
}

// DropSession ends a session that is in no account.
func (s *Store) DropSession(ctx context.Context, person directory.PersonID, id string) error {
	_, err := s.delete(ctx, deleteSession, id, person)
	return wrapf(err, "session")
}
