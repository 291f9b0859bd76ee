{{- /*
The lowest schema version that a program must know to write to the database.
*/ -}}

-- Each migration from here on raises it to its own version, unless it is marked as
-- compatible: see compatibility.go.
CREATE TABLE schema_compatibility (
  only_row {{.Int}} NOT NULL PRIMARY KEY CHECK (only_row = 1),
  lowest_writer {{.Int}} NOT NULL
) {{.Table}};
INSERT INTO schema_compatibility (only_row, lowest_writer) VALUES (1, 15);
