package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"roster/internal/directory"
)

// The index that users are searched by: of every three characters that follow each
// other. PostgreSQL keeps it of the profiles by itself. On SQLite it is a table,
// which is written with them.
const (
	indexProfiles = `INSERT OR REPLACE INTO member_search (rowid, text) SELECT f.member_id, f.search_text
FROM ` + keyedIDs + ` CROSS JOIN member_profiles f WHERE f.account_id = j.account_id AND f.member_id = j.id`
	unindexMembers = `DELETE FROM member_search WHERE rowid IN (SELECT CAST(j.atom AS BIGINT) FROM json_each($1) j)`

	usersByTrigrams    = `SELECT rowid FROM member_search WHERE member_search MATCH $2`
	profilesByTrigrams = `SELECT f.member_id, {key} FROM member_search s CROSS JOIN member_profiles f INDEXED BY member_profiles_narrow
WHERE s.member_search MATCH $2 AND f.account_id = $1 AND f.member_id = s.rowid`
	// Of live and removed members, since those can be restored.
	selectSearched = `SELECT f.account_id, f.member_id, m.email_key, COALESCE(m.org_user_id, ''), f.first_name, f.last_name
FROM members m JOIN member_profiles f ON f.account_id = m.account_id AND f.member_id = m.id
WHERE (f.account_id, f.member_id) > ($1, $2) ORDER BY f.account_id, f.member_id LIMIT $3`
	fillProfiles = `UPDATE member_profiles SET search_text = j.value->>2, sort_name = j.value->>3 FROM json_each($1) j
WHERE member_profiles.account_id = CAST(j.value->>0 AS BIGINT) AND member_profiles.member_id = CAST(j.value->>1 AS BIGINT)`
	fillIndex = `INSERT INTO member_search (rowid, text) SELECT CAST(j.value->>1 AS BIGINT), j.value->>2 FROM json_each($1) j`

	// The account is no constant to the planner, which would walk it.
	usersByWords    = `SELECT f.member_id FROM member_profiles f WHERE f.account_id + 0 = $1`
	profilesByWords = `SELECT f.member_id, {key} FROM member_profiles f WHERE f.account_id + 0 = $1`
)

// maxTrigrams is how many of a search's trigrams the index is asked for. More would
// find hardly fewer users, and each of those found is looked at.
const maxTrigrams = 32

// indexSearch brings the index up to what the profiles of the members say.
func (tx *Tx) indexSearch(ctx context.Context, members []directory.MemberID) error {
	if tx.engine.types.Postgres {
		return nil
	}
	return wrapf(tx.exec(ctx, indexProfiles, tx.account, jsonInts(members)), "index the users for searches")
}

// unindexSearch takes members out of the index.
func (tx *Tx) unindexSearch(ctx context.Context, members []directory.MemberID) error {
	if tx.engine.types.Postgres {
		return nil
	}
	return wrapf(tx.exec(ctx, unindexMembers, jsonInts(members)), "take the users out of the index for searches")
}

// hasWords are the conditions that a profile f has all the words, and the arguments
// with them.
func (e *engine) hasWords(words []string, args []any) (conditions string, with []any) {
	var text strings.Builder
	with = slices.Clip(args)
	for _, word := range words {
		with = append(with, word)
		fmt.Fprintf(&text, e.hasWord, len(with))
	}
	return text.String(), with
}

// byWords is the query of the index for those who may have all the words, which are
// one or more.
func (e *engine) byWords(account directory.AccountID, words []string) index {
	if len(words) == 0 {
		return index{}
	}
	if e.types.Postgres {
		has, args := e.hasWords(words, []any{account})
		return index{query: usersByWords + has, profiles: profilesByWords + has, args: args}
	}
	var trigrams []string
	for _, word := range words {
		for ; len(word) >= directory.MinUserSearch; word = word[1:] {
			trigrams = append(trigrams, `"`+word[:3]+`"`)
		}
	}
	args := []any{account, strings.Join(trigrams[:min(len(trigrams), maxTrigrams)], " AND ")}
	return index{query: usersByTrigrams, profiles: profilesByTrigrams, args: args}
}

// searchVersion is the version of the schema that brings the search.
const searchVersion = 9

// explainExtension says what to do when PostgreSQL has no trigrams.
func explainExtension(err error) error {
	if !strings.Contains(err.Error(), "pg_trgm") {
		return err
	}
	return fmt.Errorf("the database needs the extension pg_trgm: install PostgreSQL's contrib modules, or let a superuser run CREATE EXTENSION pg_trgm in it: %w", err)
}

// fillSearch makes members of an older database known to the search.
func fillSearch(ctx context.Context, e *engine, tx *sql.Tx) error {
	statements := []string{fillProfiles}
	if !e.types.Postgres {
		statements = append(statements, fillIndex)
	}
	const chunk = 10_000
	for after := [2]int64{}; ; {
		var rows []jsonRow
		err := queryEach(ctx, tx, selectSearched, []any{after[0], after[1], chunk}, func(r *sql.Rows) error {
			var emailKey, orgUserID string
			var p directory.Profile
			if err := r.Scan(&after[0], &after[1], &emailKey, &orgUserID, &p.FirstName, &p.LastName); err != nil {
				return err
			}
			text, sortName := directory.SearchText(&p, emailKey, orgUserID)
			rows = append(rows, jsonRow{after[0], after[1], text, sortName})
			return nil
		})
		if err != nil || len(rows) == 0 {
			return wrapf(err, "read the users")
		}
		for _, statement := range statements {
			if _, err := tx.ExecContext(ctx, statement, rowList(rows)); err != nil {
				return wrapf(err, "index the users for searches")
			}
		}
	}
}
