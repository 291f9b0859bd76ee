{{- /*
Where the records of an audit log are, so that a page of it reads no more than it shows. And what
keeps PostgreSQL from reading all of a table for a page of groups.
*/ -}}

-- How many records the account has up to and including this entry. And how often the time of an
-- entry was before that of the entry before it: within an epoch times never decrease, so dates are
-- found by halving. Both are derived from the rows, and audit verify compares them.
ALTER TABLE audit_chain ADD COLUMN total {{.Int}} NOT NULL DEFAULT 0;
ALTER TABLE audit_chain ADD COLUMN epoch {{.Int}} NOT NULL DEFAULT 0;
UPDATE audit_chain SET total = x.total, epoch = x.epoch FROM (
  SELECT account_id, number, SUM(records) OVER w AS total, SUM(back) OVER w AS epoch FROM (
    SELECT account_id, number, records,
      CASE WHEN created_at < LAG(created_at) OVER (PARTITION BY account_id ORDER BY number) THEN 1 ELSE 0 END AS back
    FROM audit_chain
  ) c WINDOW w AS (PARTITION BY account_id ORDER BY number)
) x WHERE audit_chain.account_id = x.account_id AND audit_chain.number = x.number;

-- Entries without records are left out: a page has to pass over none.
CREATE INDEX audit_chain_total ON audit_chain (account_id, total) WHERE records > 0;

-- The same values of the last entry, and its time. A transaction that adds an entry locks and
-- updates this row anyway, so the columns cost it no statement.
ALTER TABLE audit_heads ADD COLUMN total {{.Int}} NOT NULL DEFAULT 0;
ALTER TABLE audit_heads ADD COLUMN epoch {{.Int}} NOT NULL DEFAULT 0;
ALTER TABLE audit_heads ADD COLUMN last_at {{.Int}} NOT NULL DEFAULT 0;
UPDATE audit_heads SET total = c.total, epoch = c.epoch, last_at = c.created_at FROM audit_chain c
WHERE c.account_id = audit_heads.account_id AND c.number = audit_heads.number;

{{if .Postgres}}
-- Where one group has nearly all members, PostgreSQL takes every group for as large, and would walk
-- the table for one that has a few. This says that a group has ten on average. It takes effect with
-- the next ANALYZE.
ALTER TABLE group_members ALTER COLUMN group_id SET (n_distinct = -0.1);
{{end}}
