{{- /*
Removals in the background.
*/ -}}

-- A removal that is too large for one call, and how far it has come. Its row in
-- removals is there from the moment on at which its whole list has arrived.
CREATE TABLE removal_jobs (
  account_id  {{.Int}} NOT NULL,
  id          {{.Int}} NOT NULL,   -- removals.id
  state       {{.Key}} NOT NULL CHECK (state IN ('spooling', 'dropped', 'queued', 'running', 'completed', 'cancelled', 'failed')),
  batch_id    {{.Int}} NOT NULL,   -- of the audit batch that says who asked for it
  mixed       {{.Int}} NOT NULL,   -- whether it names addresses and org ids
  next_seq    {{.Int}} NOT NULL,   -- the place mark: what of the list comes next
  spooled     {{.Int}} NOT NULL,   -- whether any of the list may be left
  created_at  {{.Int}} NOT NULL,
  turn_at     {{.Int}} NOT NULL,   -- when it was last worked on
  finished_at {{.Int}},
  PRIMARY KEY (account_id, id)
) {{.Table}};
-- finished_at is there so that counting the unfinished needs nothing else.
CREATE INDEX removal_jobs_spooled ON removal_jobs (account_id, created_at, id, finished_at) WHERE spooled = 1;

-- The list of a job, a few ids to a row, in the order in which they are dealt
-- with. A row goes when that has happened.
CREATE TABLE removal_spool (
  account_id {{.Int}} NOT NULL,
  removal_id {{.Int}} NOT NULL,
  seq        {{.Int}} NOT NULL,    -- addresses before org ids
  ids        TEXT NOT NULL,        -- JSON array
  PRIMARY KEY (account_id, removal_id, seq)
) {{.Table}};

-- Org ids of members whom a job with both lists has met by their addresses.
CREATE TABLE removal_met (
  account_id  {{.Int}} NOT NULL,
  removal_id  {{.Int}} NOT NULL,
  org_user_id {{.Key}} NOT NULL,
  PRIMARY KEY (account_id, removal_id, org_user_id)
) {{.Table}};

-- Where the ids stand that a job refused, in the order of its list: in the
-- details of which batches.
CREATE TABLE removal_refusals (
  account_id {{.Int}} NOT NULL,
  removal_id {{.Int}} NOT NULL,
  seq        {{.Int}} NOT NULL,
  batch_id   {{.Int}} NOT NULL,
  PRIMARY KEY (account_id, removal_id, seq)
) {{.Table}};
