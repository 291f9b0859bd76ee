package store

import (
	"context"

	"roster/internal/directory"
)

const (
	insertRecords = `INSERT INTO audit_records (account_id, batch_id, seq, kind, person_id, object_id)
SELECT $1, $2, $3 + j.key, $4, CAST(j.atom AS BIGINT), $5 FROM json_each($6) j`
	insertDetails = `INSERT INTO audit_details (account_id, batch_id, salt, body) VALUES ($1, $2, $3, $4)`
	insertHead    = `INSERT INTO audit_heads (account_id, number, hash) VALUES ($1, 0, $2)`
	selectHead    = `SELECT number, hash FROM audit_heads WHERE account_id = $1`
	// The account comes from the end that was moved to this row; were it not
	// there, the account would be NULL, which the schema refuses.
	insertLink = `INSERT INTO audit_chain (account_id, number, batch_id, created_at, actor_kind, actor_id,
  removal_id, records, details_hash, digest, hash)
VALUES ((SELECT account_id FROM audit_heads WHERE account_id = $1 AND number = $2 AND hash = $11),
  $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`
	updateHead = `UPDATE audit_heads SET number = $2, hash = $3 WHERE account_id = $1 AND number = $2 - 1`
)

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
	for _, run := range b.Runs {
		persons := run.Persons
		if len(persons) == 0 {
			persons = []directory.PersonID{0}
		}
		tx.later(len(persons), insertRecords, b.Account, b.ID, seq, string(run.Kind), run.Object, jsonInts(persons))
		seq = digest.AddRun(seq, run)
	}
	if tx.details != nil {
		tx.later(1, insertDetails, b.Account, b.ID, tx.salt, string(tx.details))
	}
	return wrapf(tx.writeLink(ctx, digest.Sum()), "write the audit log")
}

func (tx *Tx) writeLink(ctx context.Context, digest []byte) error {
	var number int64
	var prev []byte
	tx.queue = append(tx.queue, statement{
		query: selectHead + tx.engine.lockRows, args: []any{tx.batch.Account}, dest: []any{&number, &prev},
	})
	if err := tx.flush(ctx); err != nil {
		return err
	}
	b := &tx.batch
	link := directory.ChainLink{
		Account: b.Account, Number: number + 1, Batch: b.ID, At: b.At,
		ActorKind: b.Actor.Kind, ActorID: b.Actor.ID, Removal: b.Removal,
		Records: b.Records(), DetailsHash: b.DetailsHash, Digest: digest,
	}
	hash := link.Hash(prev)
	tx.later(1, updateHead, link.Account, link.Number, hash)
	tx.later(1, insertLink, link.Account, link.Number, link.Batch, link.At.UnixMicro(),
		string(link.ActorKind), link.ActorID, link.Removal, link.Records, link.DetailsHash, link.Digest, hash)
	return nil
}
