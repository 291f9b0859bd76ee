package store

import (
	"context"
	"database/sql"

	"roster/internal/directory"
)

const (
	// The rows come in a fixed order, here and for keys, so that two servers that
	// write the same ones never wait for each other in a circle.
	upsertRefusals = `INSERT INTO app_refusals (app_id, reason, count, last_at, last_request_id)
SELECT CAST(j.value->>0 AS BIGINT), j.value->>1, CAST(j.value->>2 AS BIGINT), CAST(j.value->>3 AS BIGINT), j.value->>4
FROM json_each($1) j WHERE true ORDER BY 1, 2
ON CONFLICT (app_id, reason) DO UPDATE SET count = app_refusals.count + excluded.count,
  last_request_id = CASE WHEN excluded.last_at < app_refusals.last_at THEN app_refusals.last_request_id ELSE excluded.last_request_id END,
  last_at = CASE WHEN excluded.last_at < app_refusals.last_at THEN app_refusals.last_at ELSE excluded.last_at END`
	updateKeyUse = `UPDATE app_secrets SET last_used_at = CASE WHEN last_used_at > $3 THEN last_used_at ELSE $3 END
WHERE app_id = $1 AND id = $2`
	selectRefusals = `SELECT reason, count, last_at, last_request_id FROM app_refusals WHERE app_id = $1 ORDER BY last_at DESC, reason`
)

// WriteNotes adds to the counts of refused tokens, and writes down when keys
// were last used, in one transaction. It is no change that the audit log covers.
// Nothing is named twice, and keys come in an order that all callers share.
func (s *Store) WriteNotes(ctx context.Context, refusals []directory.AppRefusals, uses []directory.KeyUse) error {
	var statements []statement
	if len(refusals) > 0 {
		rows := jsonRows(len(refusals), func(i int) jsonRow {
			r := refusals[i]
			return jsonRow{int64(r.App), r.Reason, int64(r.Count), r.Last.UnixMicro(), r.RequestID}
		})
		statements = append(statements, statement{query: upsertRefusals, args: []any{rows}, rows: len(refusals)})
	}
	for _, use := range uses {
		statements = append(statements, statement{query: updateKeyUse, args: []any{use.App, use.Key, use.At.UnixMicro()}, rows: 1})
	}
	err := s.inTx(ctx, func(r *reader, sess session) error { return r.run(ctx, sess, statements...) })
	return wrapf(err, "write down refused tokens and used secrets")
}

// AppRefusals returns why the app's tokens were refused, the latest reason first.
func (r *reader) AppRefusals(ctx context.Context, app directory.AppID) ([]directory.AppRefusals, error) {
	var all []directory.AppRefusals
	err := r.each(ctx, func(rows *sql.Rows) error {
		refusals := directory.AppRefusals{App: app}
		var last int64
		if err := rows.Scan(&refusals.Reason, &refusals.Count, &last, &refusals.RequestID); err != nil {
			return err
		}
		refusals.Last = fromMicros(last)
		all = append(all, refusals)
		return nil
	}, selectRefusals, app)
	return all, wrapf(err, "read the app's refusals")
}
