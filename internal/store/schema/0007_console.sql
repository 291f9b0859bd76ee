{{- /*
People who sign in to the Admin Console.
*/ -}}

-- The password of a person, which is good in all of their accounts.
CREATE TABLE person_passwords (
  person_id  {{.Int}} NOT NULL PRIMARY KEY,
  hash       TEXT NOT NULL,        -- Argon2id, with its parameters and salt
  changed_at {{.Int}} NOT NULL
) {{.Table}};

-- Links by which a person may set their password, each once.
CREATE TABLE password_links (
  token_hash {{.Blob}} NOT NULL PRIMARY KEY,
  person_id  {{.Int}} NOT NULL,
  tenant_id  {{.Int}} NOT NULL,    -- the account that it was made for
  member_id  {{.Int}} NOT NULL,    -- their membership there
  created_at {{.Int}} NOT NULL,
  expires_at {{.Int}} NOT NULL
) {{.Table}};
CREATE INDEX password_links_person ON password_links (person_id);
CREATE INDEX password_links_expiry ON password_links (expires_at);

-- Sessions, which are looked up without an account. They point at a membership,
-- and each request looks whether that is live.
CREATE TABLE console_sessions (
  token_hash   {{.Blob}} NOT NULL PRIMARY KEY,
  public_id    {{.Key}} NOT NULL UNIQUE,
  person_id    {{.Int}} NOT NULL,
  tenant_id    {{.Int}} NOT NULL,  -- the account that was chosen, 0 for none yet
  member_id    {{.Int}} NOT NULL,  -- their membership there, 0 likewise
  created_at   {{.Int}} NOT NULL,
  last_seen_at {{.Int}} NOT NULL,  -- a minute or so behind
  expires_at   {{.Int}} NOT NULL,  -- however busy it is
  user_agent   TEXT NOT NULL
) {{.Table}};
CREATE INDEX console_sessions_person ON console_sessions (person_id, created_at);
CREATE INDEX console_sessions_expiry ON console_sessions (expires_at);

-- Failed sign-ins. An address has its slot whether somebody has it or not, and
-- there are so many slots and no more, so strangers cannot fill the disk.
CREATE TABLE signin_failures (
  slot     {{.Int}} NOT NULL PRIMARY KEY,
  failures {{.Int}} NOT NULL,
  last_at  {{.Int}} NOT NULL
) {{.Table}};
