{{- /*
How long removals can be undone, as it was promised, and what the purge remembers.
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
