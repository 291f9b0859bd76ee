package store

import (
	"context"
	"database/sql"

	"roster/internal/directory"
	"roster/internal/excerpt"
)

const (
	selectBot   = `SELECT id, name, owner_id FROM bots WHERE account_id = $1 AND public_id = $2`
	selectBots  = `SELECT id, public_id, name, owner_id, created_at FROM bots WHERE account_id = $1 AND (public_id = $2 OR name = $2) ORDER BY created_at, id`
	setBotOwner = `UPDATE bots SET owner_id = $3 WHERE account_id = $1 AND id = $2`

	selectOwners = `SELECT m.person_id, p.public_id, q.public_id
FROM live_members m JOIN persons p ON p.id = m.person_id, live_members n JOIN persons q ON q.id = n.person_id
WHERE m.account_id = $1 AND m.id = $2 AND n.account_id = $1 AND n.id = $3`

	// The bots of members but for those of the new owner. Bots are looked up twice as
	// in selectOwner; that the second look names the owner too leaves out a bot that
	// somebody else has passed on while this one waited for its row.
	selectBotsOf = `SELECT b.id, b.public_id, m.person_id, p.public_id, q.public_id
FROM ` + keyedIDs + ` CROSS JOIN bots o CROSS JOIN bots b
CROSS JOIN live_members m CROSS JOIN persons p CROSS JOIN live_members n CROSS JOIN persons q
WHERE o.account_id = j.account_id AND o.owner_id = j.id AND b.account_id = o.account_id AND b.id = o.id AND b.owner_id = j.id
  AND m.account_id = j.account_id AND m.id = j.id AND p.id = m.person_id
  AND n.account_id = j.account_id AND n.id = $3 AND q.id = n.person_id AND n.id <> j.id
ORDER BY b.id`
	setBotOwners = `UPDATE bots SET owner_id = $3 WHERE (account_id, id) IN ` + idList
)

// bot finds a bot of the account by its public id, with lock at the end of the
// query. The error wraps directory.ErrNotFound when there is none.
func (tx *Tx) bot(ctx context.Context, lock, publicID string) (directory.Bot, error) {
	b := directory.Bot{PublicID: publicID}
	err := tx.row(ctx, selectBot+lock, tx.account, publicID).Scan(&b.ID, &b.Name, &b.Owner)
	return b, wrapf(err, "bot %q", excerpt.Of(publicID))
}

// OwnerChange is who owned something and who does from now on, by their user ids.
type OwnerChange struct {
	Before, After string
	from, to      directory.PersonID
}

// OwnerNote makes what the records say of a bot, or where botID is empty of the
// account, that has another owner: a JSON object.
type OwnerNote func(botID string, owners OwnerChange) ([]byte, error)

// record leaves a record for who owns something from now on, and one for who did.
func (c OwnerChange) record(tx *Tx, now, left directory.AuditKind, object int64, note []byte) {
	tx.Record(directory.AuditRun{Kind: now, Object: object, Persons: []directory.PersonID{c.to}, Note: note})
	tx.Record(directory.AuditRun{Kind: left, Object: object, Persons: []directory.PersonID{c.from}, Note: note})
}

// TransferBot makes a held member the owner of a bot. It reports whether they were
// not so already; if they were, nothing is written and recorded. The error wraps
// directory.ErrNotFound when the account has no such bot.
func (tx *Tx) TransferBot(ctx context.Context, publicID string, owner directory.Candidate, note OwnerNote) (changed bool, err error) {
	bot, err := tx.bot(ctx, tx.engine.lockRows, publicID)
	if err != nil || bot.Owner == owner.Member {
		return false, err
	}
	change, err := tx.ownerChange(ctx, bot.Owner, owner)
	if err != nil {
		return false, err
	}
	body, err := note(publicID, change)
	tx.later(1, setBotOwner, tx.account, bot.ID, owner.Member)
	change.record(tx, directory.AuditBotOwner, directory.AuditBotOwnerLeft, int64(bot.ID), body)
	return true, err
}

// TransferBots makes a held member the owner of all bots of other held members, and
// returns how many these are. Nothing is written and recorded when there are none.
func (tx *Tx) TransferBots(ctx context.Context, owners []directory.Candidate, owner directory.Candidate, note OwnerNote) (int, error) {
	var bots []directory.BotID
	err := tx.each(ctx, func(rows *sql.Rows) error {
		var bot directory.Bot
		change := OwnerChange{to: owner.Person}
		if err := rows.Scan(&bot.ID, &bot.PublicID, &change.from, &change.Before, &change.After); err != nil {
			return err
		}
		body, err := note(bot.PublicID, change)
		bots = append(bots, bot.ID)
		change.record(tx, directory.AuditBotOwner, directory.AuditBotOwnerLeft, int64(bot.ID), body)
		return err
	}, selectBotsOf+tx.engine.lockOf("b"), tx.account, idsOf(owners), owner.Member)
	if err != nil || len(bots) == 0 {
		return 0, wrapf(err, "find the bots")
	}
	tx.later(len(bots), setBotOwners, tx.account, jsonInts(bots), owner.Member)
	return len(bots), nil
}

// ownerChange reads the user ids of an owner and of who takes their place. Neither
// can leave before the commit: the one owns, and the other is held.
func (tx *Tx) ownerChange(ctx context.Context, before directory.MemberID, after directory.Candidate) (OwnerChange, error) {
	change := OwnerChange{to: after.Person}
	err := tx.row(ctx, selectOwners, tx.account, before, after.Member).Scan(&change.from, &change.Before, &change.After)
	return change, wrapf(err, "find the owners")
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
	return bots, wrapf(err, "find bot %q", excerpt.Of(ref))
}
