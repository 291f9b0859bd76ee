{{- /*
What a caller says about a removal: a note, and the run that it is a part of.
*/ -}}

-- Both are empty where the caller said nothing. The note may name people: the purge empties it
-- with the removal's other personal details.
ALTER TABLE removals ADD COLUMN note TEXT NOT NULL DEFAULT '';
ALTER TABLE removals ADD COLUMN run TEXT NOT NULL DEFAULT '';
