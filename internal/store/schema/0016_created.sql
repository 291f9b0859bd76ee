{{- /*
When a member was created, in an index by member: far pages of users look it up for each
removed member.
*/ -}}

-- Programs of earlier versions may still write.

{{if .Postgres}}
ALTER TABLE member_profiles DROP CONSTRAINT member_profiles_pkey,
  ADD CONSTRAINT member_profiles_pkey PRIMARY KEY (account_id, member_id) INCLUDE (created_at);
{{else}}
DROP INDEX member_profiles_narrow;
CREATE INDEX member_profiles_narrow ON member_profiles (member_id, account_id, status, sort_name, created_at);
{{end}}
