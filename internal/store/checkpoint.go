package store

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"

	"roster/internal/directory"
)

const (
	allHeads = `SELECT a.public_id, h.number, h.hash FROM accounts a JOIN audit_heads h ON h.account_id = a.id ORDER BY a.id`
	// Rows of a list: an account and the number of an entry.
	linkHashes = `SELECT j.value->>0, c.number, c.hash FROM (SELECT value FROM json_each($1) ` + list + `) j
CROSS JOIN accounts a CROSS JOIN audit_chain c
WHERE a.public_id = j.value->>0 AND c.account_id = a.id AND c.number = CAST(j.value->>1 AS BIGINT)`
)

// AuditHeads returns where the chain of every account ends, without a time.
func (r *reader) AuditHeads(ctx context.Context) (heads []directory.Checkpoint, err error) {
	err = r.each(ctx, func(rows *sql.Rows) error {
		var c directory.Checkpoint
		err := rows.Scan(&c.Account, &c.Number, &c.Hash)
		heads = append(heads, c)
		return err
	}, allHeads)
	return heads, wrapf(err, "read the ends of the audit log")
}

// CheckCheckpoints looks whether each entry that a checkpoint names is in its
// chain, with that hash. An error that wraps ErrBroken names the first that is
// not. Whether the chain itself is whole VerifyAudit says.
func (r *reader) CheckCheckpoints(ctx context.Context, checkpoints []directory.Checkpoint) error {
	type place struct {
		account string
		number  int64
	}
	hashes := make(map[place][]byte, len(checkpoints))
	wanted := jsonRows(len(checkpoints), func(i int) jsonRow { return jsonRow{checkpoints[i].Account, checkpoints[i].Number} })
	err := r.each(ctx, func(rows *sql.Rows) error {
		var p place
		var hash []byte
		err := rows.Scan(&p.account, &p.number, &hash)
		hashes[p] = hash
		return err
	}, linkHashes, wanted)
	if err != nil {
		return wrapf(err, "look for the checkpoints")
	}
	for i := range checkpoints {
		c := &checkpoints[i]
		hash, there := hashes[place{c.Account, c.Number}]
		at := c.At.Format("2006-01-02 15:04:05Z")
		switch {
		case !there:
			return fmt.Errorf("%w: account %s: entry %d, the end of the log on %s, is gone", ErrBroken, c.Account, c.Number, at)
		case !bytes.Equal(hash, c.Hash):
			return fmt.Errorf("%w: account %s: entry %d is not the one that ended the log on %s: the log was made anew", ErrBroken, c.Account, c.Number, at)
		}
	}
	return nil
}
