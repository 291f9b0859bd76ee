{{- /*
What pages about an account of any size ask for.
*/ -}}

-- How many users the account has, that is live members. Whatever changes that writes this row
-- anyway, so that a removal pays nothing for it.
ALTER TABLE audit_heads ADD COLUMN users {{.Int}} NOT NULL DEFAULT 0;
UPDATE audit_heads SET users = (SELECT COUNT(*) FROM live_members m WHERE m.account_id = audit_heads.account_id);

-- What was done about a person, but for removals, which would pay for it: those of a
-- person are known by their members and by their other records.
CREATE INDEX audit_records_person ON audit_records (account_id, person_id, batch_id, seq) WHERE person_id <> 0 AND kind <> 'user.deleted';

{{if not .Postgres}}
-- What users are filtered and sorted by, narrow, in the order in which the search
-- finds them. The search knows members alone, and to look one up takes a third longer
-- with the account in front.
CREATE INDEX member_profiles_narrow ON member_profiles (member_id, account_id, status, sort_name);
{{end}}
