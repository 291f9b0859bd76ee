{{- /*
How long removals can be undone, as it was promised, what the purge remembers, and
restorations in the background.
*/ -}}

-- Until when the removal can be undone; the time of the removal itself where it erases at
-- once. While a job runs it is counted from the job's beginning, and moved when the job ends.
-- NULL where an earlier version made the removal: the window of that time is not known. The
-- purge leaves such a removal alone until a server has filled in the end; see FillWindows.
ALTER TABLE removals ADD COLUMN restorable_until {{.Int}};
CREATE INDEX removals_restorable ON removals (account_id, restorable_until) WHERE purged_at IS NULL;

-- One row: the restore window that a server has used last, in microseconds, and the time at
-- which the purge has trusted a clock last. Both are 0 before there is one.
CREATE TABLE purge_state (
  id             {{.Int}} NOT NULL PRIMARY KEY CHECK (id = 1),
  restore_window {{.Int}} NOT NULL,
  clock_at       {{.Int}} NOT NULL
) {{.Table}};
INSERT INTO purge_state (id, restore_window, clock_at) VALUES (1, 0, 0);

-- The restoration of a removal with more users than one transaction restores, and how far
-- it has come: the last one of each removal.
CREATE TABLE restore_jobs (
  account_id  {{.Int}} NOT NULL,
  removal_id  {{.Int}} NOT NULL,
  state       {{.Key}} NOT NULL CHECK (state IN ('queued', 'running', 'completed', 'cancelled', 'failed')),
  actor_kind  {{.Key}} NOT NULL,   -- who asked for it
  actor_id    {{.Int}} NOT NULL,
  request_id  TEXT NOT NULL,       -- empty for none
  total       {{.Int}} NOT NULL,   -- users to be dealt with
  done        {{.Int}} NOT NULL,   -- of these, so far
  restored    {{.Int}} NOT NULL,
  lost        TEXT NOT NULL,       -- JSON array: what could not be brought back
  next_seq    {{.Int}} NOT NULL,   -- the place mark: what of the list comes next
  created_at  {{.Int}} NOT NULL,
  turn_at     {{.Int}} NOT NULL,   -- when it was last worked on
  finished_at {{.Int}},
  PRIMARY KEY (account_id, removal_id)
) {{.Table}};
CREATE INDEX restore_jobs_open ON restore_jobs (account_id, created_at, removal_id) WHERE finished_at IS NULL;

-- The members that a restoration deals with, a few to a row. A row goes when that has
-- happened.
CREATE TABLE restore_items (
  account_id {{.Int}} NOT NULL,
  removal_id {{.Int}} NOT NULL,
  seq        {{.Int}} NOT NULL,
  member_ids TEXT NOT NULL,        -- JSON array
  PRIMARY KEY (account_id, removal_id, seq)
) {{.Table}};
