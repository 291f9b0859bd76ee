{{- /*
What an audit record says beside its ids.
*/ -}}

-- What a record changed, before and after. What is about a membership is erased
-- with it: salt and body go, and the hash stays, which the chain covers.
CREATE TABLE audit_changes (
  account_id {{.Int}} NOT NULL,
  batch_id   {{.Int}} NOT NULL,
  seq        {{.Int}} NOT NULL,    -- that of the record
  member_id  {{.Int}} NOT NULL,    -- 0 for none
  hash       TEXT NOT NULL,        -- base64, as is the salt
  salt       TEXT,
  body       TEXT,                 -- JSON object
  PRIMARY KEY (account_id, batch_id, seq)
) {{.Table}};
CREATE INDEX audit_changes_member ON audit_changes (account_id, member_id) WHERE member_id <> 0;
