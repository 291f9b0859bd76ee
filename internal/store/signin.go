package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"roster/internal/directory"
)

const (
	selectPasswords = `SELECT w.tenant_id, w.member_id, w.hash FROM persons p CROSS JOIN member_passwords w CROSS JOIN live_members m
WHERE p.email_key = $1 AND w.person_id = p.id AND m.account_id = w.tenant_id AND m.id = w.member_id ORDER BY w.tenant_id`
	hasPasswords   = `SELECT COUNT(*) FROM (SELECT person_id FROM member_passwords LIMIT 1) w`
	upsertPassword = `INSERT INTO member_passwords (tenant_id, member_id, person_id, hash, changed_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id, member_id) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at`
	insertParams = `INSERT INTO password_params (person_id, params) VALUES ($1, $2) ON CONFLICT (person_id) DO NOTHING`
	selectParams = `SELECT params FROM password_params WHERE person_id = $1`

	// A failure is counted before the password is looked at, so that many who try
	// at once get no more attempts than one who tries again and again. Once an
	// address is locked nothing counts until it is free again.
	takeAttempt = `INSERT INTO signin_failures (slot, failures, last_at) VALUES ($1, 1, $2)
ON CONFLICT (slot) DO UPDATE SET
  failures = CASE WHEN signin_failures.last_at <= $3 THEN 1 WHEN signin_failures.failures >= $4 THEN $4 + 1 ELSE signin_failures.failures + 1 END,
  last_at = CASE WHEN signin_failures.last_at > $3 AND signin_failures.failures >= $4 THEN signin_failures.last_at ELSE excluded.last_at END
RETURNING failures, last_at`
	clearAttempts = `DELETE FROM signin_failures WHERE slot = $1`
	returnAttempt = `UPDATE signin_failures SET failures = failures - 1 WHERE slot = $1 AND failures > 0`

	insertPasswordLink = `INSERT INTO password_links (token_hash, person_id, tenant_id, member_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)`
	selectPasswordLink = `SELECT person_id, tenant_id, member_id FROM password_links WHERE token_hash = $1 AND expires_at > $2`
	usePasswordLink    = `DELETE FROM password_links WHERE token_hash = $1 AND expires_at > $2`

	deleteLinks    = `DELETE FROM password_links WHERE expires_at <= $1`
	deleteOver     = `DELETE FROM console_sessions WHERE expires_at <= $1`
	deleteFailures = `DELETE FROM signin_failures WHERE last_at <= $1`
	paramsOfNobody = `DELETE FROM password_params WHERE person_id IN (SELECT p.id FROM password_params w JOIN persons p ON p.id = w.person_id WHERE p.email_key IS NULL)`
)

// Passwords finds the passwords of the live members with an address, by its key, in all
// accounts.
func (r *reader) Passwords(ctx context.Context, emailKey string) (all []directory.MemberPassword, err error) {
	err = r.each(ctx, func(rows *sql.Rows) error {
		var p directory.MemberPassword
		err := rows.Scan(&p.Account, &p.Member, &p.Hash)
		all = append(all, p)
		return err
	}, selectPasswords, emailKey)
	return all, wrapf(err, "find the passwords of an address")
}

// HasPasswords reports whether anybody has a password.
func (r *reader) HasPasswords(ctx context.Context) (bool, error) {
	var n int
	err := r.row(ctx, hasPasswords).Scan(&n)
	return n > 0, wrapf(err, "look for passwords")
}

// TakeAttempt counts an attempt to sign in at a slot of failures, and returns
// since when the slot is locked, zero when it is not and the attempt may be made.
// It is no change that the audit log covers.
func (s *Store) TakeAttempt(ctx context.Context, slot int64) (lockedSince time.Time, err error) {
	now := s.Now()
	err = s.inTx(ctx, func(r *reader, _ session) error {
		var failures int
		var last int64
		if err := r.row(ctx, takeAttempt, slot, now.UnixMicro(), now.Add(-directory.LockTime).UnixMicro(), directory.MaxFailures).
			Scan(&failures, &last); err != nil {
			return err
		}
		if failures > directory.MaxFailures {
			lockedSince = fromMicros(last)
		}
		return nil
	})
	return lockedSince, wrapf(err, "count an attempt to sign in")
}

// ReturnAttempt takes back one attempt that TakeAttempt counted at a slot.
func (s *Store) ReturnAttempt(ctx context.Context, slot int64) error {
	_, err := s.delete(ctx, returnAttempt, slot)
	return wrapf(err, "take back an attempt to sign in")
}

// CreateLink makes a link by which a held member may set their password. The hash
// is of what stands in it.
func (tx *Tx) CreateLink(hash []byte, who directory.Candidate, expires time.Time) {
	tx.later(1, insertPasswordLink, hash, who.Person, tx.account, who.Member, tx.batch.At.UnixMicro(), expires.UnixMicro())
	tx.Record(directory.AuditRun{Kind: directory.AuditPasswordLink, Persons: []directory.PersonID{who.Person}})
}

// Link finds for whom a link is. The error wraps directory.ErrNotFound when there
// is none that can be used.
func (r *reader) Link(ctx context.Context, hash []byte, now time.Time) (directory.PersonID, directory.Membership, error) {
	var person directory.PersonID
	var account directory.AccountID
	var member directory.MemberID
	if err := r.row(ctx, selectPasswordLink, hash, now.UnixMicro()).Scan(&person, &account, &member); err != nil {
		return 0, directory.Membership{}, wrapf(err, "link")
	}
	m, err := r.Membership(ctx, account, member)
	return person, m, err
}

// PasswordParams returns how the passwords of a person are hashed. For a person who has
// none yet that is fresh, from then on. It is no change that the audit log covers.
func (s *Store) PasswordParams(ctx context.Context, person directory.PersonID, fresh string) (params string, err error) {
	err = s.inTx(ctx, func(r *reader, _ session) error {
		if _, err := r.touch(ctx, insertParams, person, fresh); err != nil {
			return err
		}
		return r.row(ctx, selectParams, person).Scan(&params)
	})
	return params, wrapf(err, "find how passwords are hashed")
}

// SetPassword gives a held member a password by a link, which must be there still, and
// unlocks a slot of failures. The member's other links and all their sessions end. The
// error wraps directory.ErrNotFound when the link was used meanwhile.
func (tx *Tx) SetPassword(ctx context.Context, link []byte, who directory.Candidate, hash string, slot int64) error {
	n, err := tx.touch(ctx, usePasswordLink, link, tx.batch.At.UnixMicro())
	if err == nil && n != 1 {
		err = directory.ErrNotFound
	}
	if err != nil {
		return wrapf(err, "link")
	}
	tx.later(1, upsertPassword, tx.account, who.Member, who.Person, hash, tx.batch.At.UnixMicro())
	tx.endSignIns(jsonInts([]directory.MemberID{who.Member})) // after it: see insertSessions
	tx.Record(directory.AuditRun{Kind: directory.AuditPasswordSet, Persons: []directory.PersonID{who.Person}})
	return wrapf(tx.exec(ctx, clearAttempts, slot), "set the password")
}

// ForgetSignIns deletes links, sessions and failures that are over at now, and the
// password parameters of erased people.
func (s *Store) ForgetSignIns(ctx context.Context, now time.Time) error {
	us := now.UnixMicro()
	for _, st := range []struct {
		query string
		args  []any
	}{
		{deleteLinks, []any{us}},
		{deleteOver, []any{us}},
		{deleteFailures, []any{now.Add(-directory.LockTime).UnixMicro()}},
		{paramsOfNobody, nil},
	} {
		if _, err := s.delete(ctx, st.query, st.args...); err != nil {
			return wrapf(err, "forget sign-ins")
		}
	}
	return nil
}

const (
	selectMembership = `SELECT a.id, a.public_id, a.name, a.owner_id, a.created_at, m.id, f.email, f.first_name, f.last_name, f.status
FROM ` + keyedIDs + ` CROSS JOIN accounts a CROSS JOIN live_members m CROSS JOIN member_profiles f
WHERE a.id = j.account_id AND m.account_id = j.account_id AND m.id = j.id AND f.account_id = m.account_id AND f.member_id = m.id`

	// The admin roles that a member has, by themself and by groups within groups.
	selectRights = `WITH RECURSIVE mine (account_id, group_id) AS (
  SELECT x.account_id, x.group_id FROM ` + keyedIDs + ` CROSS JOIN live_group_members x WHERE x.account_id = j.account_id AND x.member_id = j.id
  UNION SELECT x.account_id, x.parent_id FROM mine CROSS JOIN group_groups x WHERE x.account_id = mine.account_id AND x.child_id = mine.group_id
), held (account_id, role_id) AS (
  SELECT x.account_id, x.role_id FROM mine CROSS JOIN group_roles x WHERE x.account_id = mine.account_id AND x.group_id = mine.group_id
  UNION SELECT x.account_id, x.role_id FROM ` + keyedIDs + ` CROSS JOIN live_member_roles x WHERE x.account_id = j.account_id AND x.member_id = j.id
) SELECT o.id, o.public_id, o.kind, o.name, o.description, o.permissions, o.built_in, o.created_at
FROM held CROSS JOIN roles o WHERE o.account_id = held.account_id AND o.id = held.role_id AND o.kind = 'admin' ORDER BY o.created_at, o.id`
)

// Membership finds a live membership, with the rights that go with it. The error
// wraps directory.ErrNotFound when it is not live any more.
func (r *reader) Membership(ctx context.Context, account directory.AccountID, member directory.MemberID) (directory.Membership, error) {
	m, err := scanMembership(r.row(ctx, selectMembership, account, jsonInts([]directory.MemberID{member})))
	if err == nil {
		m.Rights, err = r.rights(ctx, m)
	}
	return m, wrapf(err, "membership")
}

// Memberships finds the memberships of some members as far as they are live, in the order
// of the names of the accounts.
func (r *reader) Memberships(ctx context.Context, refs []directory.MemberRef) (all []directory.Membership, err error) {
	for _, ref := range refs {
		m, err := r.Membership(ctx, ref.Account, ref.Member)
		if errors.Is(err, directory.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b directory.Membership) int {
		return cmp.Or(strings.Compare(a.Account.Name, b.Account.Name), cmp.Compare(a.Account.ID, b.Account.ID))
	})
	return all, nil
}

func scanMembership(row scanner) (m directory.Membership, err error) {
	var created int64
	err = row.Scan(&m.Account.ID, &m.Account.PublicID, &m.Account.Name, &m.Account.Owner, &created,
		&m.Member, &m.Email, &m.FirstName, &m.LastName, &m.Status)
	m.Account.Created = fromMicros(created)
	return m, err
}

// rights reads what a member may do. Who owns the account has its role admin
// without having been given it.
func (r *reader) rights(ctx context.Context, m directory.Membership) (rights directory.Rights, err error) {
	if m.Account.Owner == m.Member {
		rights.Owner = true
		rights.Grant(directory.RoleAdmin, directory.BuiltInPermissions(directory.AdminRole, directory.RoleAdmin))
	}
	err = r.each(ctx, func(rows *sql.Rows) error {
		role, err := scanRole(rows)
		rights.Grant(role.Name, role.Permissions)
		return err
	}, selectRights, m.Account.ID, jsonInts([]directory.MemberID{m.Member}))
	return rights, wrapf(err, "read rights")
}
