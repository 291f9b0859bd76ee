package store

import (
	"context"
	"database/sql"
	"time"

	"roster/internal/directory"
)

// Queries that find a request's users. The list leads (CROSS JOIN keeps
// SQLite from turning it round), so that each of its keys is one look-up in
// the partial index of live members; see list. On PostgreSQL rows are locked in
// the order of their ids (engine.lock), so that two calls with overlapping lists
// never wait for each other in a circle, and in one statement for the same reason.
const (
	keyList = `(SELECT CAST($1 AS BIGINT) AS account_id, atom FROM json_each($2) ` + list + `) j`
	byEmail = keyList + `
CROSS JOIN live_members m WHERE m.account_id = j.account_id AND m.email_key = j.atom`
	byOrgID = keyList + `
CROSS JOIN live_members m WHERE m.account_id = j.account_id AND m.org_user_id = j.atom`
	byEither = `(
  SELECT e.account_id, e.id FROM ` + keyList + `
  CROSS JOIN live_members e WHERE e.account_id = j.account_id AND e.email_key = j.atom
  UNION SELECT o.account_id, o.id FROM (SELECT CAST($1 AS BIGINT) AS account_id, atom FROM json_each($3) ` + list + `) j
  CROSS JOIN live_members o WHERE o.account_id = j.account_id AND o.org_user_id = j.atom
) f CROSS JOIN live_members m WHERE m.account_id = f.account_id AND m.id = f.id`

	memberColumns = `SELECT m.id, m.person_id, m.email_key, COALESCE(m.org_user_id, '') FROM `
	findByEmail   = memberColumns + byEmail
	findByOrgID   = memberColumns + byOrgID
	findByEither  = memberColumns + byEither
)

// Queries for the account's owner and the owned bots of some members. A row
// without a bot is the owner's. Bots are looked up twice because SQLite takes an
// index that is not unique only where that holds all it needs.
const (
	selectOwner = `SELECT a.owner_id, 0 AS bot_id, '' AS bot_public_id, '' AS bot_name, f.email
FROM (SELECT id, owner_id FROM accounts WHERE id = $1 LIMIT 1) a CROSS JOIN member_profiles f
WHERE f.account_id = a.id AND f.member_id = a.owner_id
UNION ALL
SELECT b.owner_id, b.id, b.public_id, b.name, f.email
FROM (`
	ofMembers = `) j
  CROSS JOIN bots o CROSS JOIN bots b CROSS JOIN member_profiles f
WHERE o.account_id = j.account_id AND o.owner_id = j.id AND b.account_id = o.account_id AND b.id = o.id
  AND f.account_id = b.account_id AND f.member_id = b.owner_id
ORDER BY 2`

	selectOwnership = selectOwner + `SELECT CAST($1 AS BIGINT) AS account_id, CAST(atom AS BIGINT) AS id FROM json_each($2) ` + list + ofMembers
	ownersByEmail   = selectOwner + `SELECT m.account_id, m.id FROM ` + byEmail + ` ` + noLimit + ofMembers
	ownersByOrgID   = selectOwner + `SELECT m.account_id, m.id FROM ` + byOrgID + ` ` + noLimit + ofMembers
	ownersByEither  = selectOwner + `SELECT m.account_id, m.id FROM ` + byEither + ` ` + noLimit + ofMembers
)

// memberKeys name live members by two lists, of which one may be empty.
type memberKeys struct {
	emails, orgUserIDs []string
}

func (k memberKeys) len() int { return len(k.emails) + len(k.orgUserIDs) }

// query completes that of three queries which fits the lists.
func (k memberKeys) query(account directory.AccountID, byEmail, byOrgID, byEither string) statement {
	switch {
	case len(k.orgUserIDs) == 0:
		return statement{query: byEmail, args: []any{account, jsonTexts(k.emails)}}
	case len(k.emails) == 0:
		return statement{query: byOrgID, args: []any{account, jsonTexts(k.orgUserIDs)}}
	}
	return statement{query: byEither, args: []any{account, jsonTexts(k.emails), jsonTexts(k.orgUserIDs)}}
}

// find asks for the members whom the keys name, if there are any keys, with
// lock at the end of the query.
func (tx *Tx) find(lock string, keys memberKeys, each func(scanner) error) {
	if keys.len() > 0 {
		st := keys.query(tx.account, findByEmail, findByOrgID, findByEither)
		tx.ask(st.query+lock, st.args, each)
	}
}

// shortList is for how many keys at most the owners among the members are asked
// for by the same keys and in the same round trip as the members. Beyond, one
// round trip more costs less than looking all keys up once more.
const shortList = 16

// LockCandidates finds the live members of the account whom the selection
// names and keeps everybody else from changing them, or from attaching
// anything to them, until the transaction ends. Then it fills in what the
// rules of removal ask about. That takes two statements: what others committed
// while the first one waited for a row is only seen by the next.
//
// For the same reason whoever was not found is looked for again; see settle.
func (tx *Tx) LockCandidates(ctx context.Context, sel *directory.Selection) ([]directory.Candidate, error) {
	c := newCandidates(sel)
	err := tx.settle(ctx, c.keys, c.missing, func(keys memberKeys) error { return tx.lockMore(ctx, c, keys) })
	return c.list(), err
}

// settle finds members with look, which locks them, and looks again for those
// who are missing where transactions run side by side, until one statement
// without a lock, which sees one moment, finds nobody else. At that moment
// everybody found was as they were found, and the others were not there.
func (tx *Tx) settle(ctx context.Context, keys memberKeys, missing func() memberKeys, look func(memberKeys) error) error {
	for keys.len() > 0 {
		if err := look(keys); err != nil {
			return err
		}
		came := false
		if !tx.engine.oneWriter() {
			keys = missing()
			tx.find("", keys, func(scanner) error { came = true; return nil })
		}
		if err := tx.flush(ctx); err != nil {
			return wrapf(err, "look for members again")
		}
		if !came {
			return nil
		}
	}
	return nil
}

// lockMore finds and locks those of the candidates whom the keys name. What they
// own is known after the next flush.
func (tx *Tx) lockMore(ctx context.Context, c *candidates, keys memberKeys) error {
	had := len(c.found)
	tx.find(tx.engine.lock, keys, c.add)
	// A member who leaves was locked, so its keys name it in the next statement too.
	together := tx.engine.pipelines && keys.len() <= shortList
	if together {
		st := keys.query(tx.account, ownersByEmail, ownersByOrgID, ownersByEither)
		tx.ask(st.query, st.args, c.owners.add)
	}
	if err := tx.flush(ctx); err != nil {
		return wrapf(err, "find the members")
	}
	if !together && len(c.found) > had {
		tx.ask(selectOwnership, []any{tx.account, idsOf(c.found[had:])}, c.owners.add)
	}
	return nil
}

// FindCandidates is LockCandidates for whoever only looks: it keeps nobody from
// anything, and what it finds may be over when it returns.
func (s *Store) FindCandidates(ctx context.Context, account directory.AccountID, sel *directory.Selection) ([]directory.Candidate, error) {
	c := newCandidates(sel)
	err := s.snapshot(ctx, func(r *reader) error {
		if c.keys.len() == 0 {
			return nil
		}
		st := c.keys.query(account, findByEmail, findByOrgID, findByEither)
		err := r.each(ctx, func(rows *sql.Rows) error { return c.add(rows) }, st.query, st.args...)
		if err != nil || len(c.found) == 0 {
			return err
		}
		return r.each(ctx, func(rows *sql.Rows) error { return c.owners.add(rows) }, selectOwnership, account, idsOf(c.found))
	})
	return c.list(), wrapf(err, "find the members")
}

// candidates are the members whom a selection names, as they are read.
type candidates struct {
	sel     *directory.Selection
	keys    memberKeys
	found   []directory.Candidate
	owners  ownerships
	next    directory.Candidate
	columns []any // of next; made once, not for each row
}

func newCandidates(sel *directory.Selection) *candidates {
	c := &candidates{sel: sel, keys: memberKeys{sel.EmailKeys, sel.OrgUserIDs}, owners: make(ownerships)}
	c.found = make([]directory.Candidate, 0, c.keys.len())
	c.columns = []any{&c.next.Member, &c.next.Person, &c.next.EmailKey, &c.next.OrgUserID}
	return c
}

// add takes in a row of findByEmail and its like.
func (c *candidates) add(row scanner) error {
	if err := row.Scan(c.columns...); err != nil {
		return err
	}
	found := c.next
	found.EmailKey, found.OrgUserID = c.sel.EmailKey(found.EmailKey), c.sel.OrgUserID(found.OrgUserID)
	c.found = append(c.found, found)
	return nil
}

// missing are the keys that name nobody who was found.
func (c *candidates) missing() memberKeys {
	met := 0
	for i := range c.found {
		if c.found[i].EmailKey != "" {
			met++
		}
		if c.found[i].OrgUserID != "" {
			met++
		}
	}
	if met == c.keys.len() { // as a rule
		return memberKeys{}
	}
	return c.keys.without(c.found)
}

// idsOf are members, as a list for a statement.
func idsOf(found []directory.Candidate) string {
	ids, _ := split(found)
	return jsonInts(ids)
}

// list is everybody found, with what they own.
func (c *candidates) list() []directory.Candidate {
	for i := range c.found {
		c.found[i].Owns = c.owners[c.found[i].Member]
	}
	return c.found
}

// ownerships are what some members own, by member.
type ownerships map[directory.MemberID]*directory.Ownership

// add takes in a row of selectOwnership and its like.
func (o ownerships) add(row scanner) error {
	var bot directory.Bot
	var email string
	if err := row.Scan(&bot.Owner, &bot.ID, &bot.PublicID, &bot.Name, &email); err != nil {
		return err
	}
	owns := o[bot.Owner]
	if owns == nil {
		owns = &directory.Ownership{Email: email}
		o[bot.Owner] = owns
	}
	if bot.ID == 0 {
		owns.Account = true
	} else {
		owns.Bots = append(owns.Bots, bot)
	}
	return nil
}

// The members to mark are found by their primary key. "IS TRUE" keeps PostgreSQL
// from an index of the live members, which has the account but not the id.
const (
	insertRemoval = `INSERT INTO removals (account_id, id, public_id, actor_kind, actor_id, requested, removed, refused, created_at, note, run, restorable_until)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`
	markRemoved = `UPDATE members SET removal_id = $3
WHERE (account_id, id) IN ` + idList + ` AND (removal_id IS NULL) IS TRUE`
)

// Remove ends the memberships of those who leave, writes the removal, and
// leaves an audit record for each of them. refused is a JSON object of counts
// by reason, and window is how long the removal can be undone. It needs one id. What
// it writes is sent when the transaction ends.
func (tx *Tx) Remove(leaving []directory.Candidate, out directory.Removal, refused []byte, window time.Duration) {
	id := directory.RemovalID(tx.ID())
	tx.batch.Removal = id
	actor := tx.batch.Actor
	tx.later(1, insertRemoval, tx.account, id, out.PublicID, string(actor.Kind), actor.ID,
		out.Requested, out.Removed, string(refused), tx.batch.At.UnixMicro(), out.Labels.Note, out.Labels.Run, restorableUntil(tx.batch.At, window))
	if len(leaving) == 0 {
		return
	}
	members, persons := split(leaving)
	tx.later(len(members), markRemoved, tx.account, jsonInts(members), id)
	tx.Record(directory.AuditRun{Kind: directory.AuditUserDeleted, Persons: persons})
	tx.users -= len(leaving)
}
