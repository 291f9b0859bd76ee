{{- /*
Users who are found by a part of a name, an address or an org id.
*/ -}}

-- What a member is searched by and sorted by. It hangs on the profile, which a
-- removal does not write: to remove somebody costs nothing more by it.
ALTER TABLE member_profiles ADD COLUMN search_text TEXT NOT NULL DEFAULT '';
ALTER TABLE member_profiles ADD COLUMN sort_name {{.Key}} NOT NULL DEFAULT '';

-- Of all profiles: the conditions, which always hold, keep the planners from taking
-- these indexes for a list of the account.
CREATE INDEX member_profiles_name ON member_profiles (account_id, sort_name) WHERE sort_name >= '';
CREATE INDEX member_profiles_status ON member_profiles (account_id, status, member_id) WHERE status <> '';

-- Every three characters that follow each other in a search_text.
{{if .Postgres}}
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE INDEX member_profiles_search ON member_profiles USING gin (search_text gin_trgm_ops);
{{else}}
CREATE VIRTUAL TABLE member_search USING fts5 (
  text, tokenize = 'trigram case_sensitive 1', content = '', contentless_delete = 1, detail = none
); -- rowid is that of the member
{{end}}
