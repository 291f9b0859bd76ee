{{- /*
Lists in the order of creation, page by page.
*/ -}}

CREATE INDEX member_profiles_created ON member_profiles (account_id, created_at, member_id);
CREATE INDEX groups_created ON groups (account_id, created_at, id);
CREATE INDEX bots_created ON bots (account_id, created_at, id);
