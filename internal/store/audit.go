package store

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"roster/internal/directory"
)

const (
	insertRecords = `INSERT INTO audit_records (account_id, batch_id, seq, kind, person_id, object_id)
SELECT $1, $2, $3 + j.key, $4, CAST(j.atom AS BIGINT), $5 FROM json_each($6) j`
	// What is binary comes as base64, which both engines take as it is.
	insertChanges = `INSERT INTO audit_changes (account_id, batch_id, seq, member_id, hash, salt, body)
SELECT $1, $2, CAST(j.value->>0 AS BIGINT), CAST(j.value->>1 AS BIGINT), j.value->>2, j.value->>3, j.value->>4 FROM json_each($3) j`
	// Rows of a list: the kind, the person and the object.
	insertMixed = `INSERT INTO audit_records (account_id, batch_id, seq, kind, person_id, object_id)
SELECT $1, $2, 1 + j.key, j.value->>0, CAST(j.value->>1 AS BIGINT), CAST(j.value->>2 AS BIGINT) FROM json_each($3) j`
	insertDetails = `INSERT INTO audit_details (account_id, batch_id, salt, body) VALUES ($1, $2, $3, $4)`
	insertHead    = `INSERT INTO audit_heads (account_id, number, hash) VALUES ($1, 0, $2)`
	selectHead    = `SELECT number, hash, total, epoch, last_at FROM audit_heads WHERE account_id = $1`
	// The account comes from the end that was moved to this row; were it not
	// there, the account would be NULL, which the schema refuses.
	insertLink = `INSERT INTO audit_chain (account_id, number, batch_id, created_at, actor_kind, actor_id,
  removal_id, records, details_hash, digest, hash, total, epoch)
VALUES ((SELECT account_id FROM audit_heads WHERE account_id = $1 AND number = $2 AND hash = $11),
  $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`
	updateHead = `UPDATE audit_heads SET number = $2, hash = $3, users = users + $4, total = $5, epoch = $6, last_at = $7
WHERE account_id = $1 AND number = $2 - 1`
)

// saltSize is how many random bytes keep details that were erased from being
// guessed by their hash.
const saltSize = 16

// writeAudit writes the transaction's records, then takes the account's turn
// in the chain. That comes last because callers of the account wait for each
// other from there to the commit. The row of the chain is left in the queue, to
// go with the commit.
func (tx *Tx) writeAudit(ctx context.Context) error {
	b := &tx.batch
	if len(b.Runs) == 0 && tx.details == nil {
		return errNoAudit
	}
	digest := directory.NewAuditDigest()
	seq := 1
	var changes changeRows
	for _, run := range b.Runs {
		changes.add(seq, run.Changes)
		if len(b.Runs) <= runsApart {
			persons := personsOf(run)
			tx.later(len(persons), insertRecords, b.Account, b.ID, seq, string(run.Kind), run.Object, jsonInts(persons))
		}
		seq = digest.AddRun(seq, run)
	}
	if len(b.Runs) > runsApart {
		rows := make([]jsonRow, 0, seq-1)
		for _, run := range b.Runs {
			for _, person := range personsOf(run) {
				rows = append(rows, jsonRow{string(run.Kind), int64(person), run.Object})
			}
		}
		tx.later(len(rows), insertMixed, b.Account, b.ID, jsonRows(len(rows), func(i int) jsonRow { return rows[i] }))
	}
	if changes.n > 0 {
		tx.later(changes.n, insertChanges, b.Account, b.ID, changes.list())
	}
	if tx.details != nil {
		tx.later(1, insertDetails, b.Account, b.ID, tx.salt, string(tx.details))
	}
	return wrapf(tx.writeLink(ctx, digest.Sum()), "write the audit log")
}

// changeRows are the rows of audit_changes that a transaction writes, as one JSON
// array.
type changeRows struct {
	json strings.Builder
	row  []byte
	n    int
}

// add seals the changes of the records from seq on.
func (c *changeRows) add(seq int, changes []directory.AuditChange) {
	if len(changes) == 0 {
		return
	}
	salts := make([]byte, saltSize*len(changes))
	rand.Read(salts)
	for i := range changes {
		change := &changes[i]
		if change.Body == nil {
			continue
		}
		change.Seal(salts[saltSize*i : saltSize*(i+1)])
		c.row = append(c.row[:0], ",["...)
		c.row = strconv.AppendInt(c.row, int64(seq+i), 10)
		c.row = append(c.row, ',')
		c.row = strconv.AppendInt(c.row, int64(change.Member), 10)
		c.row = append(c.row, `,"`...)
		c.row = base64.StdEncoding.AppendEncode(c.row, change.Hash)
		c.row = append(c.row, `","`...)
		c.row = base64.StdEncoding.AppendEncode(c.row, change.Salt)
		c.row = append(c.row, `",`...)
		c.row = appendJSON(c.row, string(change.Body))
		c.json.Write(append(c.row, ']'))
		c.n++
	}
}

// list is the array.
func (c *changeRows) list() string { return "[" + c.json.String()[1:] + "]" }

// runsApart is for how many runs at most each has a statement of its own. Beyond,
// all of them have one: a call may change a thousand roles.
const runsApart = 4

// personsOf are those of a run's records, 0 for the only one that is about nobody.
func personsOf(run directory.AuditRun) []directory.PersonID {
	if len(run.Persons) == 0 {
		return []directory.PersonID{0}
	}
	return run.Persons
}

func (tx *Tx) writeLink(ctx context.Context, digest []byte) error {
	var number, lastAt int64
	var prev []byte
	var last directory.ChainPosition
	tx.queue = append(tx.queue, statement{
		query: selectHead + tx.engine.lockRows, args: []any{tx.batch.Account},
		dest: []any{&number, &prev, &last.Total, &last.Epoch, &lastAt},
	})
	err := tx.flush(ctx)
	if errors.Is(err, directory.ErrNotFound) {
		// It must not pass for the thing that the transaction was about.
		return fmt.Errorf("the chain of account %d has no head", tx.batch.Account)
	}
	if err != nil {
		return err
	}
	if number > 0 {
		last.At = fromMicros(lastAt)
	}
	b := &tx.batch
	link := directory.ChainLink{
		Account: b.Account, Number: number + 1, Batch: b.ID, At: last.Clamp(b.At),
		ActorKind: b.Actor.Kind, ActorID: b.Actor.ID, Removal: b.Removal,
		Records: b.Records(), DetailsHash: b.DetailsHash, Digest: digest,
	}
	hash, pos := link.Hash(prev), last.Next(link.At, link.Records)
	tx.later(1, updateHead, link.Account, link.Number, hash, tx.users, pos.Total, pos.Epoch, pos.At.UnixMicro())
	tx.later(1, insertLink, link.Account, link.Number, link.Batch, link.At.UnixMicro(),
		string(link.ActorKind), link.ActorID, link.Removal, link.Records, link.DetailsHash, link.Digest, hash,
		pos.Total, pos.Epoch)
	return nil
}
