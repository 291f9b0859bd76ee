package store

import (
	"context"
	"database/sql"

	"roster/internal/directory"
)

const (
	selectBot   = `SELECT id, name, owner_id FROM bots WHERE account_id = $1 AND public_id = $2`
	selectBots  = `SELECT id, public_id, name, owner_id, created_at FROM bots WHERE account_id = $1 AND (public_id = $2 OR name = $2) ORDER BY created_at, id`
	setBotOwner = `UPDATE bots SET owner_id = $3 WHERE account_id = $1 AND id = $2`
)

// bot finds a bot of the account by its public id, with lock at the end of the
// query. The error wraps directory.ErrNotFound when there is none.
func (tx *Tx) bot(ctx context.Context, lock, publicID string) (directory.Bot, error) {
	b := directory.Bot{PublicID: publicID}
	err := tx.row(ctx, selectBot+lock, tx.account, publicID).Scan(&b.ID, &b.Name, &b.Owner)
	return b, wrapf(err, "bot %q", publicID)
}

// TransferBot makes a held member the owner of a bot, and reports whether they
// were not so already; if they were, it writes and records nothing. The error
// wraps directory.ErrNotFound when the account has no such bot.
func (tx *Tx) TransferBot(ctx context.Context, publicID string, owner directory.Candidate) (changed bool, err error) {
	bot, err := tx.bot(ctx, tx.engine.lockRows, publicID)
	if err != nil || bot.Owner == owner.Member {
		return false, err
	}
	tx.later(1, setBotOwner, tx.account, bot.ID, owner.Member)
	tx.Record(directory.AuditRun{Kind: directory.AuditBotOwner, Object: int64(bot.ID), Persons: []directory.PersonID{owner.Person}})
	return true, nil
}

// FindBots returns the bots of the account that have this public id or name, in
// the order of creation: several may have the same name.
func (r *reader) FindBots(ctx context.Context, account directory.AccountID, ref string) (bots []directory.Bot, err error) {
	if !storable(ref) {
		return nil, nil
	}
	err = r.each(ctx, func(rows *sql.Rows) error {
		bot, err := scanBot(rows)
		bots = append(bots, bot)
		return err
	}, selectBots, account, ref)
	return bots, wrapf(err, "find bot %q", ref)
}
