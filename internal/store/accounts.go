package store

import (
	"context"
	"database/sql"

	"roster/internal/directory"
	"roster/internal/excerpt"
)

const (
	insertAccount = `INSERT INTO accounts (id, public_id, name, owner_id, created_at) VALUES ($1, $2, $3, $4, $5)`
	insertRoles   = `INSERT INTO roles (account_id, id, public_id, kind, name, description, permissions, built_in, created_at)
SELECT $1, CAST(j.value->>0 AS BIGINT), j.value->>1, j.value->>2, j.value->>3, j.value->>4, '{}', 1, $3 FROM json_each($2) j`
	selectRateLimits   = `SELECT COALESCE(rate_limits, '') FROM accounts WHERE id = $1`
	setRateLimits      = `UPDATE accounts SET rate_limits = $2 WHERE id = $1`
	selectAccountOwner = `SELECT owner_id FROM accounts WHERE id = $1`
	setAccountOwner    = `UPDATE accounts SET owner_id = $2 WHERE id = $1`
	selectAccountID    = `SELECT public_id FROM accounts WHERE id = $1`
	selectAccount      = `SELECT id, public_id, name, owner_id, created_at FROM accounts WHERE public_id = $1`
)

// AccountIDs is how many ids CreateAccount needs besides those of its owner.
func AccountIDs() int { return 1 + len(directory.BuiltInRoles()) }

// CreateAccount makes the account of a transaction whose Change named none,
// with the built-in roles and its owner, who is made a member.
func (tx *Tx) CreateAccount(ctx context.Context, publicID, name string, owner directory.NewMember) error {
	tx.account = directory.AccountID(tx.ID())
	tx.batch.Account = tx.account
	if err := tx.exec(ctx, insertHead, tx.account, []byte{}); err != nil {
		return err
	}
	tx.Record(directory.AuditRun{Kind: directory.AuditAccountCreated, Object: int64(tx.account)})
	now := tx.batch.At.UnixMicro()
	roles := directory.BuiltInRoles()
	rows := jsonRows(len(roles), func(i int) jsonRow {
		r := roles[i]
		return jsonRow{tx.ID(), directory.NewHexID(), string(r.Kind), r.Name, r.Description}
	})
	if err := tx.execRows(ctx, len(roles), insertRoles, tx.account, rows, now); err != nil {
		return wrapf(err, "create the built-in roles")
	}
	members, err := tx.CreateMembers(ctx, []directory.NewMember{owner})
	if err != nil {
		return err
	}
	err = tx.exec(ctx, insertAccount, tx.account, publicID, name, members[0].Member, now)
	return wrapf(err, "create the account")
}

// SetRateLimits gives the account limits of its own, or with nil those of the
// server.
func (tx *Tx) SetRateLimits(ctx context.Context, limits *directory.RateLimits) error {
	var text any
	var before, after string
	if limits != nil {
		after = limits.String()
		text = after
	}
	if err := tx.row(ctx, selectRateLimits+tx.engine.lockRows, tx.account).Scan(&before); err != nil {
		return wrapf(err, "lock the account")
	}
	var diff directory.Diff
	diff.Text("rateLimit", before, after)
	tx.Record(directory.AuditRun{Kind: directory.AuditAccountModified, Object: int64(tx.account), Note: diff.Body()})
	return wrapf(tx.execRows(ctx, 1, setRateLimits, tx.account, text), "set the account's rate limits")
}

// TransferAccount makes a held member the owner of the account. It reports whether
// they were not so already; if they were, nothing is written and recorded. Who owned it
// stays a member.
func (tx *Tx) TransferAccount(ctx context.Context, owner directory.Candidate, note OwnerNote) (changed bool, err error) {
	var before directory.MemberID
	if err := tx.row(ctx, selectAccountOwner+tx.engine.lockRows, tx.account).Scan(&before); err != nil {
		return false, wrapf(err, "lock the account")
	}
	if before == owner.Member {
		return false, nil
	}
	change, err := tx.ownerChange(ctx, before, owner)
	if err != nil {
		return false, err
	}
	body, err := note("", change)
	tx.later(1, setAccountOwner, tx.account, owner.Member)
	change.record(tx, directory.AuditAccountOwner, directory.AuditAccountOwnerLeft, int64(tx.account), body)
	return true, err
}

// Account finds an account by its public id. The error wraps
// directory.ErrNotFound when there is none.
func (r *reader) Account(ctx context.Context, publicID string) (directory.Account, error) {
	var a directory.Account
	var created int64
	err := r.row(ctx, selectAccount, publicID).Scan(&a.ID, &a.PublicID, &a.Name, &a.Owner, &created)
	a.Created = fromMicros(created)
	return a, wrapf(err, "account %q", excerpt.Of(publicID))
}

// AccountOwner is the member who owns an account that there is.
func (r *reader) AccountOwner(ctx context.Context, account directory.AccountID) (owner directory.MemberID, err error) {
	err = r.row(ctx, selectAccountOwner, account).Scan(&owner)
	return owner, wrapf(err, "read who owns the account")
}

// AccountPublicID is the public id of an account that there is.
func (r *reader) AccountPublicID(ctx context.Context, account directory.AccountID) (id string, err error) {
	err = r.row(ctx, selectAccountID, account).Scan(&id)
	return id, wrapf(err, "read the account's id")
}

const listMembers = `SELECT m.id, m.person_id, p.public_id, f.email, COALESCE(m.org_user_id, ''), f.status, f.first_name, f.last_name, f.created_at
FROM live_members m JOIN persons p ON p.id = m.person_id
  JOIN member_profiles f ON f.account_id = m.account_id AND f.member_id = m.id
WHERE m.account_id = $1 ORDER BY m.id`

// EachMember calls yield for each live member of the account, in the order in
// which they became members.
func (r *reader) EachMember(ctx context.Context, account directory.AccountID, yield func(directory.Member) error) error {
	return r.each(ctx, func(rows *sql.Rows) error {
		var m directory.Member
		var created int64
		if err := rows.Scan(&m.ID, &m.PersonID, &m.UserID, &m.Email, &m.OrgUserID, &m.Status,
			&m.Profile.FirstName, &m.Profile.LastName, &created); err != nil {
			return err
		}
		m.Created = fromMicros(created)
		return yield(m)
	}, listMembers, account)
}
