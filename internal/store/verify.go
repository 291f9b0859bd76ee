package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"

	"roster/internal/directory"
)

// ErrBroken says that the audit log is not what was written.
var ErrBroken = errors.New("audit log is broken")

// AuditReport counts what VerifyAudit has looked at.
type AuditReport struct {
	Accounts int `json:"accounts"`
	Batches  int `json:"batches"`
	Records  int `json:"records"`
}

const (
	selectHeads = `SELECT a.id, a.public_id, h.number, h.hash, h.total, h.epoch, h.last_at
FROM accounts a LEFT JOIN audit_heads h ON h.account_id = a.id`
	selectAudit = `SELECT c.account_id, c.number, c.batch_id, c.created_at, c.actor_kind, c.actor_id, c.removal_id,
  c.records, c.details_hash, c.digest, c.hash, c.total, c.epoch, r.seq, r.kind, r.person_id, r.object_id, x.member_id, x.hash, x.salt, x.body
FROM audit_chain c LEFT JOIN audit_records r ON r.account_id = c.account_id AND r.batch_id = c.batch_id
  LEFT JOIN audit_changes x ON x.account_id = r.account_id AND x.batch_id = r.batch_id AND x.seq = r.seq
ORDER BY c.account_id, c.number, r.seq`
	countAudit    = `SELECT (SELECT COUNT(*) FROM audit_records), (SELECT COUNT(*) FROM audit_changes)`
	selectDetails = `SELECT d.account_id, d.batch_id, d.salt, d.body, c.details_hash
FROM audit_details d LEFT JOIN audit_chain c ON c.account_id = d.account_id AND c.batch_id = d.batch_id`
)

// VerifyAudit walks the chain of every account in one consistent state of the
// database and computes every hash again. It also looks for rows that the
// chain does not cover, derives the positions of the entries again, and counts the users
// of each account, of which the end of its chain has the number. An error that wraps ErrBroken says where the log differs from
// what was written.
func (s *Store) VerifyAudit(ctx context.Context) (AuditReport, error) {
	v := &verifier{heads: make(map[directory.AccountID]chainEnd)}
	err := s.snapshot(ctx, func(r *reader) error {
		if err := r.each(ctx, v.addHead, selectHeads); err != nil {
			return err
		}
		if err := r.each(ctx, v.addRow, selectAudit); err != nil {
			return err
		}
		if err := v.finish(); err != nil {
			return err
		}
		if err := r.each(ctx, checkDetails, selectDetails); err != nil {
			return err
		}
		var records, changes int
		if err := r.row(ctx, countAudit).Scan(&records, &changes); err != nil {
			return err
		}
		if records != v.report.Records {
			return fmt.Errorf("%w: %d records belong to no entry of the chain", ErrBroken, records-v.report.Records)
		}
		if changes != v.changes {
			return fmt.Errorf("%w: %d changes belong to no record", ErrBroken, changes-v.changes)
		}
		return r.each(ctx, wrongNumber, wrongUsers)
	})
	return v.report, err
}

// chainEnd is the end of an account's chain.
type chainEnd struct {
	account string // public id
	number  int64
	hash    []byte
	pos     directory.ChainPosition
}

// verifier follows the rows of selectAudit, which come chain by chain, link by
// link, record by record.
type verifier struct {
	report  AuditReport
	changes int
	heads   map[directory.AccountID]chainEnd // as stored

	link   *directory.ChainLink // being read, nil before the first
	hash   []byte               // its hash, as stored
	stored directory.ChainPosition
	pos    directory.ChainPosition // computed, of the link before it
	digest *directory.AuditDigest
	seq    int
	prev   []byte // hash of the link before it
}

func (v *verifier) addHead(rows *sql.Rows) error {
	var id directory.AccountID
	var end chainEnd
	var number, total, epoch, lastAt sql.NullInt64
	if err := rows.Scan(&id, &end.account, &number, &end.hash, &total, &epoch, &lastAt); err != nil {
		return err
	}
	end.number = number.Int64
	end.pos = directory.ChainPosition{Total: total.Int64, Epoch: epoch.Int64, At: fromMicros(lastAt.Int64)}
	v.heads[id] = end
	v.report.Accounts++
	if end.number == 0 {
		return fmt.Errorf("%w: account %s has no chain", ErrBroken, end.account)
	}
	return nil
}

func (v *verifier) addRow(rows *sql.Rows) error {
	var link directory.ChainLink
	var at int64
	var hash []byte
	var stored directory.ChainPosition
	var seq, person, object, member sql.NullInt64
	var kind, changeHash, salt, body sql.NullString
	err := rows.Scan(&link.Account, &link.Number, &link.Batch, &at, &link.ActorKind, &link.ActorID, &link.Removal,
		&link.Records, &link.DetailsHash, &link.Digest, &hash,
		&stored.Total, &stored.Epoch, &seq, &kind, &person, &object, &member, &changeHash, &salt, &body)
	if err != nil {
		return err
	}
	link.At = fromMicros(at)
	if v.link == nil || v.link.Account != link.Account || v.link.Number != link.Number {
		stored.At = link.At
		if err := v.startLink(link, hash, stored); err != nil {
			return err
		}
	}
	if !seq.Valid {
		return nil
	}
	v.seq++
	v.report.Records++
	if seq.Int64 != int64(v.seq) {
		return v.broken("record %d is missing", v.seq)
	}
	v.digest.Add(v.seq, directory.AuditKind(kind.String), directory.PersonID(person.Int64), object.Int64)
	if !changeHash.Valid {
		return nil
	}
	return v.addChange(directory.MemberID(member.Int64), changeHash.String, salt.String, body)
}

// addChange takes in what the last record has changed. hash and salt are base64.
func (v *verifier) addChange(member directory.MemberID, hash, salt string, body sql.NullString) error {
	v.changes++
	sealed := directory.AuditChange{Member: member, Body: []byte(body.String)}
	if rawSalt, err := base64.StdEncoding.DecodeString(salt); err == nil {
		sealed.Seal(rawSalt)
	}
	rawHash, err := base64.StdEncoding.DecodeString(hash)
	if err != nil || (body.Valid && !bytes.Equal(sealed.Hash, rawHash)) {
		return v.broken("what record %d changed is not what was written", v.seq)
	}
	v.digest.AddChange(member, rawHash)
	return nil
}

// startLink checks the link that ends here and begins the next.
func (v *verifier) startLink(link directory.ChainLink, hash []byte, stored directory.ChainPosition) error {
	if err := v.endLink(); err != nil {
		return err
	}
	expected := int64(1)
	if v.link != nil {
		if v.link.Account == link.Account {
			expected = v.link.Number + 1
		} else if err := v.endChain(); err != nil {
			return err
		}
	}
	v.link, v.hash, v.stored, v.digest, v.seq = &link, hash, stored, directory.NewAuditDigest(), 0
	v.report.Batches++
	if link.Number != expected {
		return v.broken("entry %d is missing before it", expected)
	}
	return nil
}

func (v *verifier) endLink() error {
	switch {
	case v.link == nil:
		return nil
	case v.seq != v.link.Records:
		return v.broken("it has %d records instead of %d", v.seq, v.link.Records)
	case !bytes.Equal(v.digest.Sum(), v.link.Digest):
		return v.broken("a record was changed")
	case !bytes.Equal(v.link.Hash(v.prev), v.hash):
		return v.broken("the entry or one before it was changed")
	}
	v.prev, v.pos = v.hash, v.pos.Next(v.link.At, v.link.Records)
	if v.stored != v.pos {
		return v.broken("its total or its epoch is wrong: 'roster db check --repair' corrects them")
	}
	return nil
}

func (v *verifier) endChain() error {
	end, ok := v.heads[v.link.Account]
	if !ok || end.number != v.link.Number || !bytes.Equal(end.hash, v.hash) {
		return v.broken("the chain should end at entry %d", end.number)
	}
	if end.pos != v.pos {
		return v.broken("the end of the chain has another total, epoch or time: 'roster db check --repair' corrects them")
	}
	delete(v.heads, v.link.Account)
	v.prev, v.pos = nil, directory.ChainPosition{}
	return nil
}

func (v *verifier) finish() error {
	if err := v.endLink(); err != nil {
		return err
	}
	if v.link != nil {
		if err := v.endChain(); err != nil {
			return err
		}
	}
	for _, end := range v.heads {
		return fmt.Errorf("%w: the chain of account %s is gone", ErrBroken, end.account)
	}
	return nil
}

func (v *verifier) broken(format string, args ...any) error {
	account := v.heads[v.link.Account].account
	return fmt.Errorf("%w: account %s, entry %d: %s", ErrBroken, account, v.link.Number, fmt.Sprintf(format, args...))
}

// wrongNumber reports a row of wrongUsers.
func wrongNumber(rows *sql.Rows) error {
	var id directory.AccountID
	var account string
	var kept, users int
	if err := rows.Scan(&id, &account, &kept, &users); err != nil {
		return err
	}
	return fmt.Errorf("%w: account %s has %d users, and the row at the end of its chain counts %d", ErrBroken, account, users, kept)
}

func checkDetails(rows *sql.Rows) error {
	var account, batch int64
	var salt, hash []byte
	var body string
	if err := rows.Scan(&account, &batch, &salt, &body, &hash); err != nil {
		return err
	}
	if !bytes.Equal(directory.DetailsHash(salt, []byte(body)), hash) {
		return fmt.Errorf("%w: the details of batch %d were changed", ErrBroken, batch)
	}
	return nil
}
