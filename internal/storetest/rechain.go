package storetest

import (
	"database/sql"
	"encoding/base64"
	"testing"
	"time"

	"roster/internal/directory"
)

// Rechain computes every hash of an account's audit chain anew, as somebody would
// who has changed what it covers. changes says whether the database has a table
// of what records changed, which those of old versions lack.
func Rechain(t testing.TB, tx *sql.Tx, account directory.AccountID, changes bool) {
	t.Helper()
	var prev []byte
	for _, link := range links(t, tx, account) {
		link.Digest = digest(t, tx, &link, changes)
		prev = link.Hash(prev)
		_, err := tx.Exec(`UPDATE audit_chain SET digest = $3, hash = $4 WHERE account_id = $1 AND number = $2`, account, link.Number, link.Digest, prev)
		must(t, err)
	}
	_, err := tx.Exec(`UPDATE audit_heads SET hash = $2 WHERE account_id = $1`, account, prev)
	must(t, err)
}

func links(t testing.TB, tx *sql.Tx, account directory.AccountID) (links []directory.ChainLink) {
	t.Helper()
	rows, err := tx.Query(`SELECT number, batch_id, created_at, actor_kind, actor_id, removal_id, records, details_hash
FROM audit_chain WHERE account_id = $1 ORDER BY number`, account)
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		link := directory.ChainLink{Account: account}
		var at int64
		must(t, rows.Scan(&link.Number, &link.Batch, &at, &link.ActorKind, &link.ActorID, &link.Removal, &link.Records, &link.DetailsHash))
		link.At = time.UnixMicro(at).UTC()
		links = append(links, link)
	}
	must(t, rows.Err())
	return links
}

func digest(t testing.TB, tx *sql.Tx, link *directory.ChainLink, changes bool) []byte {
	t.Helper()
	query := `SELECT r.seq, r.kind, r.person_id, r.object_id, 0, '' FROM audit_records r
WHERE r.account_id = $1 AND r.batch_id = $2 ORDER BY r.seq`
	if changes {
		query = `SELECT r.seq, r.kind, r.person_id, r.object_id, COALESCE(x.member_id, 0), COALESCE(x.hash, '') FROM audit_records r
LEFT JOIN audit_changes x ON x.account_id = r.account_id AND x.batch_id = r.batch_id AND x.seq = r.seq
WHERE r.account_id = $1 AND r.batch_id = $2 ORDER BY r.seq`
	}
	digest := directory.NewAuditDigest()
	rows, err := tx.Query(query, link.Account, link.Batch)
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var seq int
		var kind directory.AuditKind
		var person directory.PersonID
		var object int64
		var member directory.MemberID
		var change string
		must(t, rows.Scan(&seq, &kind, &person, &object, &member, &change))
		digest.Add(seq, kind, person, object)
		if change != "" {
			hash, err := base64.StdEncoding.DecodeString(change)
			must(t, err)
			digest.AddChange(member, hash)
		}
	}
	must(t, rows.Err())
	return digest.Sum()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
