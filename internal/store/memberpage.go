package store

import (
	"context"
	"database/sql"
	"math"
	"slices"
	"strings"

	"roster/internal/directory"
)

// Pages of the account's live members, in the order of their creation, by the number of
// a page. An index has all members in that order, live or removed. What a page skips is
// counted along it from the nearer end, without looking any of them up; then as many
// live members are skipped as removed ones were counted.
const (
	// The live members from a key on; {from} is >= or <=, {before} < or >, and {way} the direction.
	// The subquery has one plan. As a join, PostgreSQL read all removed members for each live
	// one where its statistics were older than their removal. IS NOT NULL, which it takes for
	// likely, keeps it from compiling the statement for a walk of the whole account.
	membersFrom = `SELECT o.member_id FROM member_profiles o WHERE o.account_id = $1 AND (o.created_at, o.member_id) {from} ($4, $5)
  AND (SELECT m.id FROM members m WHERE m.account_id = o.account_id AND m.id = o.member_id AND m.removal_id IS NULL) IS NOT NULL
ORDER BY o.account_id {way}, o.created_at {way}, o.member_id {way} LIMIT $2 OFFSET $3`

	memberAt = `SELECT o.created_at, o.member_id FROM member_profiles o WHERE o.account_id = $1
ORDER BY o.account_id {way}, o.created_at {way}, o.member_id {way} LIMIT 1 OFFSET $2`

	// The removed members before a key, in the direction. An index has all that is read of
	// each profile: {narrow} names it on SQLite. The subquery has one plan here, too.
	removedBefore = `SELECT COUNT(*) FROM members m WHERE m.account_id = $1 AND m.removal_id IS NOT NULL
  AND (SELECT (o.created_at, o.member_id) {before} ($2, $3) FROM member_profiles o{narrow} WHERE o.account_id = m.account_id AND o.member_id = m.id)`
)

// narrow is a statement that reads profiles by a narrow index, for the engine.
func (e *engine) narrow(query string) string {
	return strings.ReplaceAll(query, "{narrow}", e.byNarrow)
}

// memberKey is where a member stands in the order.
type memberKey struct{ created, id int64 }

var (
	firstMember = memberKey{math.MinInt64, math.MinInt64}
	lastMember  = memberKey{math.MaxInt64, math.MaxInt64}
)

// memberPage returns the ids of a page of the account's live members. The account has
// total of them, more than the page skips. A page that skips up to near members, from
// either end, looks each of them up.
func (r *reader) memberPage(ctx context.Context, account directory.AccountID, page directory.Page, total, near int) ([]directory.MemberID, error) {
	skip := page.Skip()
	limit := min(page.Limit, total-skip)
	way, first := upwards, firstMember
	if behind := total - skip - limit; behind < skip {
		way, first, skip = downwards, lastMember, behind
	}
	if skip > near {
		removed := 0
		if err := r.row(ctx, way.Replace(memberAt), account, skip).Scan(&first.created, &first.id); err != nil {
			return nil, err
		}
		if err := r.row(ctx, r.engine.narrow(way.Replace(removedBefore)), account, first.created, first.id).Scan(&removed); err != nil {
			return nil, err
		}
		skip = removed // of the first skip members as many are live as are skipped from here on
	}
	ids := make([]directory.MemberID, 0, limit)
	err := r.each(ctx, func(rows *sql.Rows) error {
		var id directory.MemberID
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	}, way.Replace(membersFrom), account, limit, skip, first.created, first.id)
	if way == downwards {
		slices.Reverse(ids)
	}
	return ids, err
}
