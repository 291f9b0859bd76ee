{{- /*
The schema of both engines. {{.Int}}, {{.Blob}} and {{.Key}} are the engine's
types; a key is text that compares byte by byte; {{.Table}} ends a table.

Times are microseconds since 1970, UTC. Flags are 0 or 1. Every table that
belongs to an account has account_id first in its primary key and its indexes.
No foreign key points at members: it would cost every removal, and whoever
attaches something to a member locks the live row first.
*/ -}}

{{if .Postgres}}
-- What SQLite has built in: one JSON array in, its elements out. A scalar is
-- read as atom, an array as value ->> n. SQL functions of this form are inlined.
CREATE FUNCTION json_each(text) RETURNS TABLE (key bigint, atom text, value jsonb)
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT t.o - 1, t.e #>> '{}', t.e FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS t(e, o) $$;
{{end}}

{{if not .Postgres}}
PRAGMA application_id = 1919906676; -- "rost"
{{end}}

CREATE TABLE id_blocks (
  only_row {{.Int}} NOT NULL PRIMARY KEY CHECK (only_row = 1),
  next_id  {{.Int}} NOT NULL
) {{.Table}};
INSERT INTO id_blocks (only_row, next_id) VALUES (1, 1);

CREATE TABLE secret_keys (
  version     {{.Int}} NOT NULL PRIMARY KEY,
  fingerprint {{.Blob}} NOT NULL,
  created_at  {{.Int}} NOT NULL
) {{.Table}};

-- People, over all accounts.

CREATE TABLE persons (
  id          {{.Int}} NOT NULL PRIMARY KEY,
  public_id   {{.Key}} NOT NULL UNIQUE,
  email_key   {{.Key}} UNIQUE,     -- NULL once erased
  memberships {{.Int}} NOT NULL,   -- in all accounts, those that can be restored included
  created_at  {{.Int}} NOT NULL
) {{.Table}};

-- Accounts and their members.

CREATE TABLE accounts (
  id         {{.Int}} NOT NULL PRIMARY KEY,
  public_id  {{.Key}} NOT NULL UNIQUE,
  name       TEXT NOT NULL,
  owner_id   {{.Int}} NOT NULL,    -- members.id
  created_at {{.Int}} NOT NULL
) {{.Table}};

CREATE TABLE members (
  account_id  {{.Int}} NOT NULL,
  id          {{.Int}} NOT NULL,
  person_id   {{.Int}} NOT NULL,
  email_key   {{.Key}} NOT NULL,
  org_user_id {{.Key}},
  removal_id  {{.Int}},            -- the removal that ended the membership
  PRIMARY KEY (account_id, id)
) {{.Table}};
CREATE UNIQUE INDEX members_live_email ON members (account_id, email_key) WHERE removal_id IS NULL;
CREATE UNIQUE INDEX members_live_org ON members (account_id, org_user_id) WHERE removal_id IS NULL AND org_user_id IS NOT NULL;
CREATE INDEX members_removed ON members (account_id, removal_id) WHERE removal_id IS NOT NULL;

CREATE TABLE member_profiles (
  account_id            {{.Int}} NOT NULL,
  member_id             {{.Int}} NOT NULL,
  status                {{.Key}} NOT NULL,
  email                 TEXT NOT NULL, -- as this account spells it
  first_name            TEXT NOT NULL,
  last_name             TEXT NOT NULL,
  company_name          TEXT NOT NULL,
  department            TEXT NOT NULL,
  company_contact_phone TEXT NOT NULL,
  work_number           TEXT NOT NULL,
  street                TEXT NOT NULL,
  suite_number          TEXT NOT NULL,
  city                  TEXT NOT NULL,
  zip                   TEXT NOT NULL,
  state                 TEXT NOT NULL,
  country               TEXT NOT NULL,
  can_create_bot        {{.Int}} NOT NULL,
  is_developer          {{.Int}} NOT NULL,
  data_table_access     {{.Int}} NOT NULL,
  created_at            {{.Int}} NOT NULL,
  last_login_at         {{.Int}},
  PRIMARY KEY (account_id, member_id)
) {{.Table}};

CREATE TABLE groups (
  account_id  {{.Int}} NOT NULL,
  id          {{.Int}} NOT NULL,
  public_id   {{.Key}} NOT NULL,
  name        {{.Key}} NOT NULL,
  description TEXT NOT NULL,
  created_at  {{.Int}} NOT NULL,
  PRIMARY KEY (account_id, id),
  UNIQUE (account_id, public_id),
  UNIQUE (account_id, name)
) {{.Table}};

CREATE TABLE group_members (
  account_id {{.Int}} NOT NULL,
  group_id   {{.Int}} NOT NULL,
  member_id  {{.Int}} NOT NULL,
  PRIMARY KEY (account_id, group_id, member_id)
) {{.Table}};
CREATE INDEX group_members_member ON group_members (account_id, member_id);

CREATE TABLE group_groups (
  account_id {{.Int}} NOT NULL,
  parent_id  {{.Int}} NOT NULL,
  child_id   {{.Int}} NOT NULL,
  PRIMARY KEY (account_id, parent_id, child_id)
) {{.Table}};
CREATE INDEX group_groups_child ON group_groups (account_id, child_id);

-- Bots, roles and what they give to whom.

CREATE TABLE bots (
  account_id  {{.Int}} NOT NULL,
  id          {{.Int}} NOT NULL,
  public_id   {{.Key}} NOT NULL,
  name        TEXT NOT NULL,
  owner_id    {{.Int}} NOT NULL,   -- members.id
  created_at  {{.Int}} NOT NULL,
  PRIMARY KEY (account_id, id),
  UNIQUE (account_id, public_id)
) {{.Table}};
CREATE INDEX bots_owner ON bots (account_id, owner_id);

CREATE TABLE roles (
  account_id  {{.Int}} NOT NULL,
  id          {{.Int}} NOT NULL,
  public_id   {{.Key}} NOT NULL,
  kind        {{.Key}} NOT NULL CHECK (kind IN ('admin', 'bot')),
  name        {{.Key}} NOT NULL,
  description TEXT NOT NULL,
  permissions TEXT NOT NULL,       -- JSON object
  built_in    {{.Int}} NOT NULL,
  created_at  {{.Int}} NOT NULL,
  PRIMARY KEY (account_id, id),
  UNIQUE (account_id, public_id),
  UNIQUE (account_id, kind, name)
) {{.Table}};

CREATE TABLE member_roles (
  account_id {{.Int}} NOT NULL,
  member_id  {{.Int}} NOT NULL,
  role_id    {{.Int}} NOT NULL,
  bot_id     {{.Int}} NOT NULL,    -- 0 for an admin role
  PRIMARY KEY (account_id, member_id, role_id, bot_id)
) {{.Table}};
CREATE INDEX member_roles_role ON member_roles (account_id, role_id, bot_id);

CREATE TABLE group_roles (
  account_id {{.Int}} NOT NULL,
  group_id   {{.Int}} NOT NULL,
  role_id    {{.Int}} NOT NULL,
  bot_id     {{.Int}} NOT NULL,
  PRIMARY KEY (account_id, group_id, role_id, bot_id)
) {{.Table}};
CREATE INDEX group_roles_role ON group_roles (account_id, role_id, bot_id);

CREATE TABLE member_tasks (
  account_id {{.Int}} NOT NULL,
  member_id  {{.Int}} NOT NULL,
  bot_id     {{.Int}} NOT NULL,
  dialogs    TEXT NOT NULL,        -- JSON array of dialog ids; empty for all
  PRIMARY KEY (account_id, member_id, bot_id)
) {{.Table}};
CREATE INDEX member_tasks_bot ON member_tasks (account_id, bot_id);

-- Client apps. They are looked up without an account.

CREATE TABLE apps (
  id         {{.Int}} NOT NULL PRIMARY KEY,
  client_id  {{.Key}} NOT NULL UNIQUE,
  account_id {{.Int}} NOT NULL REFERENCES accounts (id),
  name       TEXT NOT NULL,
  origin     {{.Key}} NOT NULL CHECK (origin IN ('admin-console', 'bot-builder')),
  algorithm  {{.Key}} NOT NULL,
  state      {{.Key}} NOT NULL CHECK (state IN ('enabled', 'disabled', 'deleted')),
  created_at {{.Int}} NOT NULL
) {{.Table}};
CREATE INDEX apps_account ON apps (account_id);

CREATE TABLE app_scopes (
  app_id {{.Int}} NOT NULL REFERENCES apps (id),
  scope  {{.Key}} NOT NULL,
  PRIMARY KEY (app_id, scope)
) {{.Table}};

CREATE TABLE app_secrets (
  app_id      {{.Int}} NOT NULL REFERENCES apps (id),
  id          {{.Int}} NOT NULL,
  key_version {{.Int}} NOT NULL REFERENCES secret_keys (version),
  sealed      {{.Blob}} NOT NULL,
  created_at  {{.Int}} NOT NULL,
  retired_at  {{.Int}},
  PRIMARY KEY (app_id, id)
) {{.Table}};

-- Removals.

CREATE TABLE removals (
  account_id {{.Int}} NOT NULL,
  id         {{.Int}} NOT NULL,
  public_id  {{.Key}} NOT NULL,
  actor_kind {{.Key}} NOT NULL,
  actor_id   {{.Int}} NOT NULL,
  requested  {{.Int}} NOT NULL,
  removed    {{.Int}} NOT NULL,
  refused    TEXT NOT NULL,        -- JSON object: reason -> count
  created_at {{.Int}} NOT NULL,
  purged_at  {{.Int}},             -- since when nobody of it can be restored
  PRIMARY KEY (account_id, id),
  UNIQUE (account_id, public_id)
) {{.Table}};
CREATE INDEX removals_unpurged ON removals (account_id, created_at) WHERE purged_at IS NULL;

-- The audit log: append-only. A row of audit_chain covers the records of one
-- transaction; consumers follow its number.

CREATE TABLE audit_chain (
  account_id   {{.Int}} NOT NULL,
  number       {{.Int}} NOT NULL,
  batch_id     {{.Int}} NOT NULL,
  created_at   {{.Int}} NOT NULL,
  actor_kind   {{.Key}} NOT NULL,
  actor_id     {{.Int}} NOT NULL,
  removal_id   {{.Int}} NOT NULL,  -- 0 for none
  records      {{.Int}} NOT NULL,
  details_hash {{.Blob}},
  digest       {{.Blob}} NOT NULL, -- of the records
  hash         {{.Blob}} NOT NULL, -- of this row and the one before
  PRIMARY KEY (account_id, number),
  UNIQUE (account_id, batch_id)
) {{.Table}};
CREATE INDEX audit_chain_removal ON audit_chain (account_id, removal_id, batch_id) WHERE removal_id <> 0;

CREATE TABLE audit_records (
  account_id {{.Int}} NOT NULL,
  batch_id   {{.Int}} NOT NULL,
  seq        {{.Int}} NOT NULL,    -- 1, 2, 3 ... in the batch
  kind       {{.Key}} NOT NULL,
  person_id  {{.Int}} NOT NULL,    -- 0 for none
  object_id  {{.Int}} NOT NULL,    -- 0 for none
  PRIMARY KEY (account_id, batch_id, seq)
) {{.Table}};

-- What is personal about a batch. May be erased: the chain holds a salted hash.
CREATE TABLE audit_details (
  account_id {{.Int}} NOT NULL,
  batch_id   {{.Int}} NOT NULL,
  salt       {{.Blob}} NOT NULL,
  body       TEXT NOT NULL,        -- JSON object
  PRIMARY KEY (account_id, batch_id)
) {{.Table}};

-- The end of each account's chain, which also takes turns among writers.
CREATE TABLE audit_heads (
  account_id {{.Int}} NOT NULL PRIMARY KEY,
  number     {{.Int}} NOT NULL,
  hash       {{.Blob}} NOT NULL
) {{.Table}};

-- What is alive. A removed member is marked, not moved; all reading goes
-- through these.

CREATE VIEW live_members AS
SELECT account_id, id, person_id, email_key, org_user_id FROM members WHERE removal_id IS NULL;

CREATE VIEW live_group_members AS
SELECT g.account_id, g.group_id, g.member_id
FROM group_members g JOIN members m ON m.account_id = g.account_id AND m.id = g.member_id
WHERE m.removal_id IS NULL;

CREATE VIEW live_member_roles AS
SELECT r.account_id, r.member_id, r.role_id, r.bot_id
FROM member_roles r JOIN members m ON m.account_id = r.account_id AND m.id = r.member_id
WHERE m.removal_id IS NULL;

CREATE VIEW live_member_tasks AS
SELECT t.account_id, t.member_id, t.bot_id, t.dialogs
FROM member_tasks t JOIN members m ON m.account_id = t.account_id AND m.id = t.member_id
WHERE m.removal_id IS NULL;
