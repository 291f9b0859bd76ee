{{- /*
Removals that are listed and undone, and calls that can be repeated.
*/ -}}

-- How many of the removed were restored.
ALTER TABLE removals ADD COLUMN restored {{.Int}} NOT NULL DEFAULT 0;

-- Lists show the newest first.
CREATE INDEX removals_created ON removals (account_id, created_at, id);

-- Groups, bots and roles that were deleted, as long as a removed member may have
-- had one: a restore then says what it could not bring back.
CREATE TABLE deleted_objects (
  account_id {{.Int}} NOT NULL,
  id         {{.Int}} NOT NULL,
  kind       {{.Key}} NOT NULL CHECK (kind IN ('group', 'bot', 'role')),
  public_id  {{.Key}} NOT NULL,
  name       TEXT NOT NULL,
  deleted_at {{.Int}} NOT NULL,
  PRIMARY KEY (account_id, id)
) {{.Table}};
CREATE INDEX deleted_objects_time ON deleted_objects (account_id, deleted_at);

-- Calls with an Idempotency-Key, and what came of them, for a day. Keys and
-- requests are hashed: they are of any length and may hold names.
CREATE TABLE idempotency_keys (
  app_id       {{.Int}} NOT NULL,
  key_hash     {{.Blob}} NOT NULL,
  request_hash {{.Blob}} NOT NULL,
  outcome      TEXT NOT NULL,      -- JSON object
  expires_at   {{.Int}} NOT NULL,
  PRIMARY KEY (app_id, key_hash)
) {{.Table}};
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);
