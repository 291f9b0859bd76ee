package store

import (
	"context"
	"database/sql"

	"roster/internal/directory"
)

// Queries that find a request's users. The list leads (CROSS JOIN keeps
// SQLite from turning it round), so that each of its keys is one look-up in
// the partial index of live members; see list. On PostgreSQL rows are locked in
// the order of their ids (engine.lock), so that two calls with overlapping lists
// never wait for each other in a circle, and in one statement for the same reason.
const (
	memberColumns = `SELECT m.id, m.person_id, m.email_key, COALESCE(m.org_user_id, '')`
	findByEmail   = memberColumns + ` FROM (SELECT CAST($1 AS BIGINT) AS account_id, atom FROM json_each($2) ` + list + `) j
CROSS JOIN live_members m WHERE m.account_id = j.account_id AND m.email_key = j.atom`
	findByOrgID = memberColumns + ` FROM (SELECT CAST($1 AS BIGINT) AS account_id, atom FROM json_each($2) ` + list + `) j
CROSS JOIN live_members m WHERE m.account_id = j.account_id AND m.org_user_id = j.atom`
	findByEither = memberColumns + ` FROM (
  SELECT e.account_id, e.id FROM (SELECT CAST($1 AS BIGINT) AS account_id, atom FROM json_each($2) ` + list + `) j
  CROSS JOIN live_members e WHERE e.account_id = j.account_id AND e.email_key = j.atom
  UNION SELECT o.account_id, o.id FROM (SELECT CAST($1 AS BIGINT) AS account_id, atom FROM json_each($3) ` + list + `) j
  CROSS JOIN live_members o WHERE o.account_id = j.account_id AND o.org_user_id = j.atom
) f CROSS JOIN live_members m WHERE m.account_id = f.account_id AND m.id = f.id`
)

// LockCandidates finds the live members of the account whom the selection
// names and keeps everybody else from changing them, or from attaching
// anything to them, until the transaction ends. Then it fills in what the
// rules of removal ask about. That takes two statements: what others committed
// while the first one waited for a row is only seen by the next.
func (tx *Tx) LockCandidates(ctx context.Context, sel *directory.Selection) ([]directory.Candidate, error) {
	found := make([]directory.Candidate, 0, len(sel.EmailKeys)+len(sel.OrgUserIDs))
	var emailKey, orgUserID sql.RawBytes
	err := tx.find(ctx, tx.engine.lock, sel.EmailKeys, sel.OrgUserIDs, func(rows *sql.Rows) error {
		var c directory.Candidate
		if err := rows.Scan(&c.Member, &c.Person, &emailKey, &orgUserID); err != nil {
			return err
		}
		c.EmailKey, c.OrgUserID = sel.EmailKey(emailKey), sel.OrgUserID(orgUserID)
		found = append(found, c)
		return nil
	})
	if err != nil {
		return nil, wrapf(err, "find the members")
	}
	return found, wrapf(tx.loadOwnership(ctx, found), "find the owners")
}

// find runs the query that fits the lists, with lock at its end.
func (tx *Tx) find(ctx context.Context, lock string, emailKeys, orgUserIDs []string, scan func(*sql.Rows) error) error {
	switch {
	case len(orgUserIDs) == 0 && len(emailKeys) == 0:
		return nil
	case len(orgUserIDs) == 0:
		return tx.each(ctx, scan, findByEmail+lock, tx.account, jsonTexts(emailKeys))
	case len(emailKeys) == 0:
		return tx.each(ctx, scan, findByOrgID+lock, tx.account, jsonTexts(orgUserIDs))
	}
	return tx.each(ctx, scan, findByEither+lock, tx.account, jsonTexts(emailKeys), jsonTexts(orgUserIDs))
}

// The account's owner and the owned bots of some members. A row without a bot
// is the owner's. Bots are looked up twice because SQLite takes an index that is
// not unique only where that holds all it needs.
const selectOwnership = `SELECT a.owner_id, 0 AS bot_id, '' AS bot_public_id, '' AS bot_name, f.email
FROM (SELECT id, owner_id FROM accounts WHERE id = $1 LIMIT 1) a CROSS JOIN member_profiles f
WHERE f.account_id = a.id AND f.member_id = a.owner_id
UNION ALL
SELECT b.owner_id, b.id, b.public_id, b.name, f.email
FROM (SELECT CAST($1 AS BIGINT) AS account_id, CAST(atom AS BIGINT) AS id FROM json_each($2) ` + list + `) j
  CROSS JOIN bots o CROSS JOIN bots b CROSS JOIN member_profiles f
WHERE o.account_id = j.account_id AND o.owner_id = j.id AND b.account_id = o.account_id AND b.id = o.id
  AND f.account_id = b.account_id AND f.member_id = b.owner_id
ORDER BY 2`

func (tx *Tx) loadOwnership(ctx context.Context, found []directory.Candidate) error {
	if len(found) == 0 {
		return nil
	}
	owners := make(map[directory.MemberID]*directory.Ownership)
	ids, _ := split(found)
	err := tx.each(ctx, func(rows *sql.Rows) error {
		var bot directory.Bot
		var email string
		if err := rows.Scan(&bot.Owner, &bot.ID, &bot.PublicID, &bot.Name, &email); err != nil {
			return err
		}
		owns := owners[bot.Owner]
		if owns == nil {
			owns = &directory.Ownership{Email: email}
			owners[bot.Owner] = owns
		}
		if bot.ID == 0 {
			owns.Account = true
		} else {
			owns.Bots = append(owns.Bots, bot)
		}
		return nil
	}, selectOwnership, tx.account, jsonInts(ids))
	for i := range found {
		found[i].Owns = owners[found[i].Member]
	}
	return err
}

// The members to mark are found by their primary key. "IS TRUE" keeps PostgreSQL
// from an index of the live members, which has the account but not the id.
const (
	insertRemoval = `INSERT INTO removals (account_id, id, public_id, actor_kind, actor_id, requested, removed, refused, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	markRemoved = `UPDATE members SET removal_id = $3
WHERE (account_id, id) IN ` + idList + ` AND (removal_id IS NULL) IS TRUE`
)

// Remove ends the memberships of those who leave, writes the removal, and
// leaves an audit record for each of them. refused is a JSON object of counts
// by reason. It needs one id. What it writes is sent when the transaction ends.
func (tx *Tx) Remove(leaving []directory.Candidate, out directory.Removal, refused []byte) {
	id := directory.RemovalID(tx.ID())
	tx.batch.Removal = id
	actor := tx.batch.Actor
	tx.later(1, insertRemoval, tx.account, id, out.PublicID, string(actor.Kind), actor.ID,
		out.Requested, out.Removed, string(refused), tx.batch.At.UnixMicro())
	if len(leaving) == 0 {
		return
	}
	members, persons := split(leaving)
	tx.later(len(members), markRemoved, tx.account, jsonInts(members), id)
	tx.Record(directory.AuditRun{Kind: directory.AuditUserDeleted, Persons: persons})
}
