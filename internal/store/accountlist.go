package store

import (
	"context"
	"database/sql"

	"roster/internal/directory"
	"roster/internal/excerpt"
)

const (
	accountColumns = `SELECT a.id, a.public_id, a.name, a.owner_id, a.created_at, COALESCE(a.rate_limits, ''), f.email
FROM accounts a CROSS JOIN live_members m CROSS JOIN member_profiles f
WHERE m.account_id = a.id AND m.id = a.owner_id AND f.account_id = m.account_id AND f.member_id = m.id`
	listAccounts  = accountColumns + ` ORDER BY a.created_at, a.id`
	accountEntry  = accountColumns + ` AND a.public_id = $1`
	accountCounts = `SELECT (` + countMembers + `), (SELECT COUNT(*) FROM groups WHERE account_id = $1),
  (SELECT COUNT(*) FROM bots WHERE account_id = $1), (SELECT COUNT(*) FROM roles WHERE account_id = $1),
  (SELECT COUNT(*) FROM apps WHERE account_id = $1 AND state <> 'deleted')`
)

// AccountEntry is an account of a list.
type AccountEntry struct {
	directory.Account
	OwnerEmail string // as the account spells it
	RateLimits string // of its own; empty for those of the server
}

// AccountCounts are how many there are of what an account has.
type AccountCounts struct {
	Users, Groups, Bots, Roles, Apps int
}

// Accounts lists all accounts in the order of creation.
func (r *reader) Accounts(ctx context.Context) (accounts []AccountEntry, err error) {
	err = r.each(ctx, func(rows *sql.Rows) error {
		a, err := scanAccount(rows)
		accounts = append(accounts, a)
		return err
	}, listAccounts)
	return accounts, wrapf(err, "list the accounts")
}

// AccountEntry finds an account by its public id, with how many there are of what
// it has. The error wraps directory.ErrNotFound when there is none.
func (s *Store) AccountEntry(ctx context.Context, publicID string) (a AccountEntry, counts AccountCounts, err error) {
	err = s.snapshot(ctx, func(r *reader) (err error) {
		if a, err = scanAccount(r.row(ctx, accountEntry, publicID)); err != nil {
			return err
		}
		return r.row(ctx, accountCounts, a.ID).Scan(&counts.Users, &counts.Groups, &counts.Bots, &counts.Roles, &counts.Apps)
	})
	return a, counts, wrapf(err, "account %q", excerpt.Of(publicID))
}

func scanAccount(row scanner) (a AccountEntry, err error) {
	var created int64
	err = row.Scan(&a.ID, &a.PublicID, &a.Name, &a.Owner, &created, &a.RateLimits, &a.OwnerEmail)
	a.Created = fromMicros(created)
	return a, err
}
