package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"roster/internal/directory"
)

// Pages of users. They begin at a key, so that the last page of a million costs what
// the first does.
const (
	// Those who come next in an order; {from} is >= or <=, and {way} the direction.
	nextByEmail = `SELECT account_id, id, email_key AS key FROM live_members
WHERE account_id = $1 AND email_key {from} $2 ORDER BY account_id {way}, email_key {way} LIMIT $3`
	nextByOrgID = `SELECT account_id, id, org_user_id AS key FROM live_members
WHERE account_id = $1 AND org_user_id IS NOT NULL AND org_user_id {from} $2 ORDER BY account_id {way}, org_user_id {way} LIMIT $3`
	// Only among the living no two have the same key.
	nextByName = `SELECT f.account_id, f.member_id AS id, f.sort_name AS key FROM member_profiles f CROSS JOIN live_members m
WHERE f.account_id = $1 AND f.sort_name {from} $2 AND f.sort_name >= '' AND m.account_id = f.account_id AND m.id = f.member_id
ORDER BY f.account_id {way}, f.sort_name {way} LIMIT $3`

	// Who of {some} fits, with the {key} of the order; {some} of the second are live.
	whoFits = `SELECT m.id, {key} FROM {some} CROSS JOIN live_members m CROSS JOIN member_profiles f
WHERE m.account_id = j.account_id AND m.id = j.id AND f.account_id = m.account_id AND f.member_id = m.id`
	whoOfLiveFits = `SELECT f.member_id, {key} FROM {some} CROSS JOIN member_profiles f
WHERE f.account_id = j.account_id AND f.member_id = j.id`
	hasStatus = ` AND f.status = $%d`
	hasRole   = ` AND (EXISTS (SELECT 1 FROM live_member_roles x WHERE x.account_id = f.account_id AND x.member_id = f.member_id AND x.role_id = $%d)`
	orIsOwner = ` OR f.member_id = $%d)`
	isPastKey = ` AND {key} {from} $%d`
	inOrder   = ` ORDER BY {key} {way} LIMIT $%d`

	adminRoles = `SELECT id, public_id, kind, name FROM roles WHERE account_id = $1 AND kind = 'admin' ORDER BY account_id, kind, name LIMIT $2`

	ownerOfAccount  = `SELECT owner_id FROM accounts WHERE id = $1`
	usersWithRole   = `SELECT x.member_id FROM live_member_roles x WHERE x.account_id = $1 AND x.role_id = $2`
	usersWithStatus = `SELECT f.member_id FROM member_profiles f WHERE f.account_id = $1 AND f.status = $2 AND f.status <> ''`
)

// paging is how a page is looked for. Where many users fit it is filled soon by going
// along the order, stretch by stretch, each twice as long as the one before. After the
// first it is asked whether an index has only a few who may fit, which are sorted
// then. When the stretches have been long, many are sorted after all.
type paging struct {
	few              int // users
	stretch, longest int // members
	stretches        int
	near             int // members that a page by number looks up to skip them
}

// pagingDefaults were found by measuring a million users.
var pagingDefaults = paging{few: 5000, stretch: 1000, longest: 2000, stretches: 2, near: 10_000}

// lastKey stands behind every key.
const lastKey = "\U0010ffff"

// UserPage reads a page of the account's live members, with all that they have,
// in one state of the database. The words are those of the query, which was found
// good by them. The error wraps directory.ErrInvalid when the query's role is not
// one of the account.
func (s *Store) UserPage(ctx context.Context, account directory.AccountID, q directory.UserQuery, words []string) (out directory.UserPage, err error) {
	err = s.snapshot(ctx, func(r *reader) error {
		p := userPager{reader: r, paging: s.paging, account: account, query: q, words: words}
		if err := p.findRole(ctx); err != nil {
			return err
		}
		found, err := p.find(ctx)
		if err != nil {
			return err
		}
		if out.Roles, err = p.roles(ctx, adminRoles, account, directory.MaxFilterRoles); err != nil {
			return err
		}
		if len(found) > q.Limit {
			out.Next = found[q.Limit].key // one more than the page holds
			found = found[:q.Limit]
		}
		if len(found) == 0 {
			return nil
		}
		ids := make([]directory.MemberID, len(found))
		for i := range found {
			ids[i] = found[i].id
		}
		views := UserViews{map[string]*directory.UserView{}, map[string]*directory.UserView{}}
		if err := r.readViews(ctx, account, ids, views); err != nil {
			return err
		}
		byID := make(map[directory.MemberID]*directory.UserView, len(found))
		for _, v := range views.ByEmail {
			byID[v.ID] = v
		}
		for _, id := range ids {
			out.Users = append(out.Users, byID[id])
		}
		return nil
	})
	if errors.Is(err, directory.ErrInvalid) {
		return out, err
	}
	return out, wrapf(err, "list the users")
}

// userPager looks for the users of a page.
type userPager struct {
	*reader
	paging
	account directory.AccountID
	query   directory.UserQuery
	words   []string
	role    directory.RoleID
	owner   directory.MemberID // of the account, where that gives the role
}

// foundUser is somebody who belongs on the page.
type foundUser struct {
	id  directory.MemberID
	key string
}

// findRole finds the role that the query names.
func (p *userPager) findRole(ctx context.Context) error {
	if p.query.Role == "" {
		return nil
	}
	found, err := p.roles(ctx, namedRoles, p.account, jsonTexts([]string{p.query.Role}))
	if err == nil && len(found) == 0 {
		err = directory.Errorf(directory.ErrInvalid, "the account has no such role")
	}
	if err != nil {
		return err
	}
	p.role = found[0].ID
	if found[0].Kind == directory.AdminRole && found[0].Name == directory.RoleAdmin {
		err = p.row(ctx, ownerOfAccount, p.account).Scan(&p.owner)
	}
	return err
}

func (p *userPager) roles(ctx context.Context, query string, args ...any) (roles []directory.Role, err error) {
	err = p.each(ctx, func(rows *sql.Rows) error {
		var role directory.Role
		err := rows.Scan(&role.ID, &role.PublicID, &role.Kind, &role.Name)
		roles = append(roles, role)
		return err
	}, query, args...)
	return roles, err
}

// find returns those of the page and, if there is one, the first of the next.
func (p *userPager) find(ctx context.Context) (found []foundUser, err error) {
	indexes := p.indexes()
	size, from := p.stretch, p.from()
	if len(indexes) == 0 && len(p.words) == 0 {
		size = p.query.Limit + 1
	}
	for n := 0; ; n++ {
		if n == 1 {
			rest, all, err := p.ofFew(ctx, indexes, from, p.query.Limit+1-len(found))
			if err != nil || all {
				return append(found, rest...), err
			}
		}
		if n == p.stretches && len(indexes) > 0 {
			rest, err := p.first(ctx, indexes[0], from, p.query.Limit+1-len(found))
			return append(found, rest...), err
		}
		more, err := p.along(ctx, from, size, p.query.Limit+1-len(found))
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
		if len(found) > p.query.Limit {
			return found, nil
		}
		next := ""
		source, args := p.next(from, 1)
		err = p.each(ctx, func(rows *sql.Rows) error {
			var account directory.AccountID
			var id directory.MemberID
			return rows.Scan(&account, &id, &next)
		}, source+" OFFSET $4", append(args, size)...)
		if err != nil || next == "" {
			return found, err
		}
		size, from = min(2*size, p.longest), next
	}
}

// ofFew reads up to limit who fit, from a key on, if an index says that they are
// among a few.
func (p *userPager) ofFew(ctx context.Context, indexes []index, from string, limit int) (found []foundUser, all bool, err error) {
	for _, ix := range indexes {
		ids, err := p.mayFit(ctx, ix, p.few+1)
		if err != nil {
			return nil, false, err
		}
		if len(ids) <= p.few {
			found, err = p.among(ctx, ids, from, limit)
			return found, true, err
		}
	}
	return nil, false, nil
}

// from is the key at which the page begins.
func (p *userPager) from() string {
	if p.query.From == "" && p.query.Descending {
		return lastKey
	}
	return p.query.From
}

// index is a query for the ids of all who may fit, without a limit.
type index struct {
	query string
	// profiles is the same for their profiles f, with the {key} of the order, or empty.
	profiles string
	args     []any // of each of them
}

// indexes are the queries by which those who may fit are found, the best first.
func (p *userPager) indexes() (all []index) {
	if ix := p.engine.byWords(p.account, p.words); ix.query != "" {
		all = append(all, ix)
	}
	if p.role != 0 {
		all = append(all, index{query: usersWithRole, args: []any{p.account, p.role}})
	}
	if p.query.Status != "" {
		all = append(all, index{query: usersWithStatus, args: []any{p.account, p.query.Status}})
	}
	return all
}

// mayFit reads up to limit ids from an index.
func (p *userPager) mayFit(ctx context.Context, from index, limit int) (ids []directory.MemberID, err error) {
	err = p.each(ctx, func(rows *sql.Rows) error {
		var id directory.MemberID
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	}, from.query+fmt.Sprintf(" LIMIT $%d", len(from.args)+1), append(from.args, limit)...)
	if p.owner != 0 && !slices.Contains(ids, p.owner) {
		ids = append(ids, p.owner)
	}
	return ids, err
}

// next is the query of the members who follow in the order.
func (p *userPager) next(from string, limit int) (query string, args []any) {
	query = nextByEmail
	switch p.query.Order {
	case directory.OrderByName:
		query = nextByName
	case directory.OrderByOrgUserID:
		query = nextByOrgID
	}
	return p.directed(query), []any{p.account, from, limit}
}

// directed puts the direction of the order into a query.
func (p *userPager) directed(query string) string {
	if p.query.Descending {
		return downwards.Replace(query)
	}
	return upwards.Replace(query)
}

var (
	upwards   = strings.NewReplacer("{from}", ">=", "{before}", "<", " {way}", "")
	downwards = strings.NewReplacer("{from}", "<=", "{before}", ">", "{way}", "DESC")
)

// along reads up to limit who fit among the next size members in the order.
func (p *userPager) along(ctx context.Context, from string, size, limit int) ([]foundUser, error) {
	source, args := p.next(from, size)
	return p.fitting(ctx, strings.Replace(whoOfLiveFits, "{some}", "("+source+") j", 1), "j.key", args, limit)
}

// first reads up to limit who fit, from a key on, of many who may.
func (p *userPager) first(ctx context.Context, of index, from string, limit int) ([]foundUser, error) {
	if of.profiles == "" || p.query.Order == directory.OrderByOrgUserID {
		ids, err := p.mayFit(ctx, of, math.MaxInt)
		if err != nil {
			return nil, err
		}
		return p.among(ctx, ids, from, limit)
	}
	key := p.engine.emailKeyOfProfile
	if p.query.Order == directory.OrderByName {
		key = "f.sort_name"
	}
	args := slices.Concat(of.args, []any{from})
	query := of.profiles + fmt.Sprintf(isPastKey, len(args))
	for n := 4 * limit; ; n *= 8 { // some may have left, or not fit
		sorted, err := p.filtered(ctx, query, key, args, n)
		if err != nil {
			return nil, err
		}
		ids := make([]directory.MemberID, len(sorted))
		for i := range sorted {
			ids[i] = sorted[i].id
		}
		found, err := p.among(ctx, ids, from, limit)
		if err != nil || len(found) == limit || len(sorted) < n {
			return found, err
		}
	}
}

// among reads up to limit who fit among members with these ids, from a key on.
func (p *userPager) among(ctx context.Context, ids []directory.MemberID, from string, limit int) ([]foundUser, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	key := "m.email_key"
	switch p.query.Order {
	case directory.OrderByName:
		key = "f.sort_name"
	case directory.OrderByOrgUserID:
		key = "m.org_user_id" // is never past a key where it is NULL
	}
	args := []any{p.account, jsonInts(ids), from}
	query := strings.Replace(whoFits, "{some}", keyedIDs, 1) + fmt.Sprintf(isPastKey, len(args))
	return p.fitting(ctx, query, key, args, limit)
}

// fitting reads up to limit of those whom the query is about and who fit, in the
// order of the key.
func (p *userPager) fitting(ctx context.Context, query, key string, args []any, limit int) ([]foundUser, error) {
	has, args := p.engine.hasWords(p.words, args)
	return p.filtered(ctx, query+has, key, args, limit)
}

// filtered is fitting for a query of those who have the words, or may have them.
func (p *userPager) filtered(ctx context.Context, query, key string, args []any, limit int) (found []foundUser, err error) {
	args = slices.Clip(args)
	with := func(text string, arg any) {
		args = append(args, arg)
		query += fmt.Sprintf(text, len(args))
	}
	if p.query.Status != "" {
		with(hasStatus, p.query.Status)
	}
	if p.role != 0 {
		with(hasRole, p.role)
		with(orIsOwner, p.owner)
	}
	with(inOrder, limit)
	err = p.each(ctx, func(rows *sql.Rows) error {
		var f foundUser
		err := rows.Scan(&f.id, &f.key)
		found = append(found, f)
		return err
	}, p.directed(strings.ReplaceAll(query, "{key}", key)), args...)
	return found, err
}
