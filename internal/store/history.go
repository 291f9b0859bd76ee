package store

import (
	"context"
	"database/sql"
	"math"
	"strings"

	"roster/internal/directory"
	"roster/internal/excerpt"
)

// What the audit log says of one person. An index by person has all of it but removals,
// which would pay for that with a row each: those are looked for among the records of
// the removals that the person is known to have been in.
const (
	personByID = `SELECT id, COALESCE(email_key, '') FROM persons WHERE public_id = $1`

	recordsOfPerson = ` r.account_id = $1 AND r.person_id = $2 AND r.person_id <> 0 AND r.kind <> 'user.deleted'`

	// Their memberships that are ended now: what made a member names it.
	endedMembers = `(SELECT m.account_id, m.id, m.org_user_id, m.removal_id FROM audit_records r{byPerson} CROSS JOIN audit_changes x CROSS JOIN members m
WHERE` + recordsOfPerson + ` AND r.kind = 'user.created' AND x.account_id = r.account_id AND x.batch_id = r.batch_id AND x.seq = r.seq
  AND m.account_id = x.account_id AND m.id = x.member_id AND m.removal_id IS NOT NULL) e`

	// The membership that began last ended last: a removal may be older than what it ends.
	removedUser = `SELECT e.id, p.id, p.public_id, f.email, COALESCE(e.org_user_id, ''), f.first_name, f.last_name, v.public_id
FROM ` + endedMembers + ` CROSS JOIN persons p CROSS JOIN member_profiles f CROSS JOIN removals v
WHERE p.id = $2 AND f.account_id = e.account_id AND f.member_id = e.id AND v.account_id = e.account_id AND v.id = e.removal_id
ORDER BY f.created_at DESC, e.id DESC LIMIT 1`

	// The removals of these, and of memberships that came back or were erased.
	removalsOfPerson = `SELECT e.removal_id FROM ` + endedMembers + `
UNION SELECT c.removal_id FROM audit_records r{byPerson} CROSS JOIN audit_chain c
WHERE` + recordsOfPerson + ` AND r.kind IN ('user.restored', 'user.erased') AND c.account_id = r.account_id AND c.batch_id = r.batch_id`

	historyOfPerson = `SELECT c.number, c.created_at, c.actor_kind, c.actor_id, c.removal_id, c.hash, h.seq, h.kind, h.object_id, COALESCE(x.body, '')
FROM (
  SELECT r.account_id, r.batch_id, r.seq, r.kind, r.object_id FROM audit_records r{byPerson} WHERE` + recordsOfPerson + `
  UNION ALL SELECT r.account_id, r.batch_id, r.seq, r.kind, r.object_id
  FROM (SELECT CAST($1 AS BIGINT) AS account_id, CAST(atom AS BIGINT) AS id FROM json_each($3) ` + list + `) j
  CROSS JOIN audit_chain c CROSS JOIN audit_records r
  WHERE c.account_id = j.account_id AND c.removal_id = j.id AND c.removal_id <> 0
    AND r.account_id = c.account_id AND r.batch_id = c.batch_id AND r.person_id = $2 AND r.kind = 'user.deleted'
) h CROSS JOIN audit_chain c
LEFT JOIN audit_changes x ON x.account_id = h.account_id AND x.batch_id = h.batch_id AND x.seq = h.seq
WHERE c.account_id = h.account_id AND c.batch_id = h.batch_id AND (c.number < $4 OR (c.number = $4 AND h.seq < $5))
ORDER BY c.number DESC, h.seq DESC LIMIT $6`
)

// ofPerson is such a statement for the engine.
func (e *engine) ofPerson(query string) string {
	return strings.ReplaceAll(query, "{byPerson}", e.byPerson)
}

// RemovedUser reads somebody who is out of the account and was not erased, by the
// public id of their person. The error wraps directory.ErrNotFound when there is
// nobody, and may be the same for a live member.
func (s *Store) RemovedUser(ctx context.Context, account directory.AccountID, userID string) (out directory.RemovedUser, err error) {
	err = s.snapshot(ctx, func(r *reader) error {
		var person directory.PersonID
		var email string
		if err := r.row(ctx, personByID, userID).Scan(&person, &email); err != nil {
			return err
		}
		return r.row(ctx, r.engine.ofPerson(removedUser), account, person).Scan(
			&out.ID, &out.PersonID, &out.UserID, &out.Email, &out.OrgUserID, &out.Profile.FirstName, &out.Profile.LastName, &out.Removal)
	})
	return out, wrapf(err, "user %s", excerpt.Of(userID))
}

// UserHistory reads up to limit of the account's audit records about a person, the
// newest first, older than a position, or from the end of the log where before is
// nil. Details are left out. The error wraps directory.ErrNotFound when nobody has
// the public id.
func (s *Store) UserHistory(ctx context.Context, account directory.AccountID, userID string, before *directory.AuditPosition, limit int) (out directory.UserHistory, err error) {
	err = s.snapshot(ctx, func(r *reader) error {
		var person directory.PersonID
		var email string
		if err := r.row(ctx, personByID, userID).Scan(&person, &email); err != nil {
			return err
		}
		if out.Records, err = r.historyOf(ctx, account, person, before, limit+1); err != nil {
			return err
		}
		if len(out.Records) > limit {
			out.Records = out.Records[:limit]
			out.Next = &out.Records[limit-1].AuditPosition
		}
		for i := range out.Records {
			out.Records[i].UserID, out.Records[i].Email = userID, email
		}
		return nil
	})
	return out, wrapf(err, "read what the audit log says of %s", excerpt.Of(userID))
}

// historyOf reads up to limit records about a person.
func (r *reader) historyOf(ctx context.Context, account directory.AccountID, person directory.PersonID, before *directory.AuditPosition, limit int) (records []directory.AuditRecord, err error) {
	var removals []int64
	err = r.each(ctx, func(rows *sql.Rows) error {
		var id int64
		err := rows.Scan(&id)
		removals = append(removals, id)
		return err
	}, r.engine.ofPerson(removalsOfPerson), account, person)
	if err != nil {
		return nil, err
	}
	if before == nil {
		before = &directory.AuditPosition{Number: math.MaxInt64}
	}
	var objects, of []int64
	wanted := map[int64]struct{}{}
	err = r.each(ctx, func(rows *sql.Rows) error {
		var rec directory.AuditRecord
		var at, removal, object int64
		var change string
		err := rows.Scan(&rec.Number, &at, &rec.Actor.Kind, &rec.Actor.ID, &removal, &rec.Hash, &rec.Seq, &rec.Kind, &object, &change)
		rec.At = fromMicros(at)
		if change != "" {
			rec.Change = []byte(change)
		}
		records, objects, of = append(records, rec), append(objects, object), append(of, removal)
		for _, id := range []int64{object, removal, rec.Actor.ID} {
			wanted[id] = struct{}{}
		}
		return err
	}, r.engine.ofPerson(historyOfPerson), account, person, jsonInts(removals), before.Number, before.Seq, limit)
	if err != nil {
		return nil, err
	}
	names, err := r.auditNames(ctx, account, wanted)
	for i := range records {
		rec := &records[i]
		rec.Object, rec.By, rec.Removal = names[objects[i]], names[rec.Actor.ID], names[of[i]].PublicID
	}
	return records, err
}
