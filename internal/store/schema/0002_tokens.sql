{{- /*
Every kind of token, rate limits, and secrets that can be rotated.
*/ -}}

-- Limits of an account's own, such as "60/m,1800/h" or "off"; NULL for the server's.
ALTER TABLE accounts ADD COLUMN rate_limits TEXT;

-- What an app demands of its tokens.
ALTER TABLE apps ADD COLUMN must_expire {{.Int}} NOT NULL DEFAULT 0;
ALTER TABLE apps ADD COLUMN enforce_jti {{.Int}} NOT NULL DEFAULT 0;
ALTER TABLE apps ADD COLUMN enforce_jwe {{.Int}} NOT NULL DEFAULT 0;

-- A row of app_secrets is a client secret, or the public key of an app that
-- signs with RS256 or RS512. Once retired, sealed is empty.
ALTER TABLE app_secrets ADD COLUMN number {{.Int}} NOT NULL DEFAULT 1; -- 1, 2, 3 ... in the app
ALTER TABLE app_secrets ADD COLUMN last_used_at {{.Int}};
CREATE INDEX app_secrets_key ON app_secrets (key_version);

-- The key that seals is the one that is not retired.
ALTER TABLE secret_keys ADD COLUMN retired_at {{.Int}};

-- The platform's RSA keys, to whose public halves tokens may be encrypted.
CREATE TABLE platform_keys (
  id          {{.Int}} NOT NULL PRIMARY KEY,
  kid         {{.Key}} NOT NULL UNIQUE,
  key_version {{.Int}} NOT NULL REFERENCES secret_keys (version),
  sealed      {{.Blob}} NOT NULL,
  created_at  {{.Int}} NOT NULL
) {{.Table}};

-- Tokens with a jti that were used, until they expire.
CREATE TABLE used_tokens (
  app_id     {{.Int}} NOT NULL,
  jti_hash   {{.Blob}} NOT NULL,
  expires_at {{.Int}} NOT NULL,
  PRIMARY KEY (app_id, jti_hash)
) {{.Table}};
CREATE INDEX used_tokens_expiry ON used_tokens (expires_at);

-- Why an app's tokens were refused: a row for each reason, so a stranger cannot
-- fill the disk with it.
CREATE TABLE app_refusals (
  app_id          {{.Int}} NOT NULL,
  reason          {{.Key}} NOT NULL,
  count           {{.Int}} NOT NULL,
  last_at         {{.Int}} NOT NULL,
  last_request_id TEXT NOT NULL,
  PRIMARY KEY (app_id, reason)
) {{.Table}};

-- Calls of an account by the second. Empty on SQLite, whose one server counts
-- in memory.
CREATE TABLE rate_buckets (
  account_id {{.Int}} NOT NULL,
  second     {{.Int}} NOT NULL, -- since 1970
  calls      {{.Int}} NOT NULL,
  last_at    {{.Int}} NOT NULL, -- of the second's calls
  PRIMARY KEY (account_id, second)
) {{.Table}};
