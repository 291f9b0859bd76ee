{{- /*
Passwords, password links and sessions that belong to a membership.
*/ -}}

-- How the passwords of a person are hashed: the cost and the salt, as a PHC string
-- has them in front of the hash. All passwords of a person share them, so that a
-- sign-in computes one hash whatever the number of accounts.
CREATE TABLE password_params (
  person_id {{.Int}} NOT NULL PRIMARY KEY,
  params    TEXT NOT NULL
) {{.Table}};

-- The password of a membership. A sign-in looks it up by the person, without an
-- account. A removal does not touch it: a restored membership has it again.
CREATE TABLE member_passwords (
  tenant_id  {{.Int}} NOT NULL,    -- the account
  member_id  {{.Int}} NOT NULL,
  person_id  {{.Int}} NOT NULL,
  hash       TEXT NOT NULL,        -- a PHC string that begins with the person's params
  changed_at {{.Int}} NOT NULL,
  PRIMARY KEY (tenant_id, member_id)
) {{.Table}};
CREATE INDEX member_passwords_person ON member_passwords (person_id);

-- A password of a person goes to the one membership by whose link it was set: the
-- audit record of that names the account, and is as old as the password. Copies in
-- other accounts would let an administrator of one open the others. A password whose
-- membership was erased, or cannot be told, is dropped.
INSERT INTO member_passwords (tenant_id, member_id, person_id, hash, changed_at)
SELECT MIN(m.account_id), MIN(m.id), w.person_id, MIN(w.hash), MIN(w.changed_at)
FROM person_passwords w CROSS JOIN accounts a CROSS JOIN audit_records r CROSS JOIN audit_chain c CROSS JOIN members m CROSS JOIN member_profiles f
WHERE r.account_id = a.id AND r.person_id = w.person_id AND r.person_id <> 0 AND r.kind = 'user.password.set' AND r.kind <> 'user.deleted'
  AND c.account_id = r.account_id AND c.batch_id = r.batch_id AND c.created_at = w.changed_at
  AND m.account_id = r.account_id AND m.person_id = w.person_id
  AND f.account_id = m.account_id AND f.member_id = m.id AND f.created_at <= w.changed_at
  AND (m.removal_id IS NULL
    OR EXISTS (SELECT 1 FROM removals x WHERE x.account_id = m.account_id AND x.id = m.removal_id AND x.created_at >= w.changed_at)
    OR EXISTS (SELECT 1 FROM removal_jobs b WHERE b.account_id = m.account_id AND b.id = m.removal_id AND COALESCE(b.finished_at, w.changed_at) >= w.changed_at))
GROUP BY w.person_id HAVING COUNT(*) = 1;

-- The hash is of 32 bytes: 43 characters after the last "$".
INSERT INTO password_params (person_id, params)
SELECT person_id, SUBSTR(hash, 1, LENGTH(hash) - 44) FROM member_passwords;
DROP TABLE person_passwords;

-- Links that were made before are void.
DELETE FROM password_links;
DROP INDEX password_links_person;
CREATE INDEX password_links_member ON password_links (tenant_id, member_id);

-- Sessions. A sign-in opens one for each membership whose password was given, all
-- with the same token; one of them is the chosen one. Each request looks whether the
-- membership is live. People sign in anew after the upgrade.
DROP TABLE console_sessions;
CREATE TABLE console_sessions (
  token_hash   {{.Blob}} NOT NULL,
  tenant_id    {{.Int}} NOT NULL,  -- the account
  member_id    {{.Int}} NOT NULL,
  person_id    {{.Int}} NOT NULL,
  public_id    {{.Key}} NOT NULL UNIQUE,
  chosen       {{.Int}} NOT NULL,  -- 1 for the one whose account the browser is in
  created_at   {{.Int}} NOT NULL,
  last_seen_at {{.Int}} NOT NULL,  -- a minute or so behind
  expires_at   {{.Int}} NOT NULL,  -- however busy it is
  user_agent   TEXT NOT NULL,
  PRIMARY KEY (token_hash, tenant_id)
) {{.Table}};
CREATE INDEX console_sessions_member ON console_sessions (tenant_id, member_id, created_at);
CREATE INDEX console_sessions_expiry ON console_sessions (expires_at);
