{{- /*
Erased people stay erased when a backup is restored.
*/ -}}

-- Memberships that were erased, by ids alone. The list goes out of the database
-- as hashes, beside its backups. A membership is told from another one of the same
-- person by when it began.
CREATE TABLE erasures (
  account_id {{.Int}} NOT NULL,
  member_id  {{.Int}} NOT NULL,
  person_id  {{.Int}} NOT NULL,
  joined_at  {{.Int}} NOT NULL,
  PRIMARY KEY (account_id, member_id)
) {{.Table}};
