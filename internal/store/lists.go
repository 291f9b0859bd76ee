package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"roster/internal/directory"
)

// Lists run in the order of creation: by the time at which the transaction
// began, since ids come in blocks for each process. Each reads its total and its
// page from one state of the database, and what hangs on the items of the page
// by a statement for all of them.
const (
	countMembers = `SELECT users FROM audit_heads WHERE account_id = $1`
	membersByID  = `SELECT m.id, a.public_id, p.public_id, f.email, COALESCE(m.org_user_id, ''), f.is_developer, f.can_create_bot
FROM ` + listedIDs + ` CROSS JOIN accounts a CROSS JOIN live_members m CROSS JOIN persons p CROSS JOIN member_profiles f
WHERE a.id = j.account_id AND m.account_id = j.account_id AND m.id = j.id AND p.id = m.person_id
  AND f.account_id = m.account_id AND f.member_id = m.id ORDER BY j.key`

	roleColumns = `SELECT id, public_id, kind, name, description, permissions, built_in, created_at FROM roles WHERE account_id = $1`
	countRoles  = `SELECT COUNT(*) FROM roles WHERE account_id = $1 AND ($2 = '' OR kind = $2)`
	listRoles   = roleColumns + ` AND ($2 = '' OR kind = $2) ORDER BY created_at, id LIMIT $3 OFFSET $4`

	groupColumns = `SELECT id, public_id, name, description, created_at FROM groups WHERE account_id = $1`
	countGroups  = `SELECT COUNT(*) FROM groups WHERE account_id = $1`
	// What a page skips is skipped in the index of the order, and not looked up.
	pageOfGroups = `SELECT account_id, id FROM groups WHERE account_id = $1 ORDER BY account_id, created_at, id LIMIT $2 OFFSET $3`
	listGroups   = `SELECT o.id, o.public_id, o.name, o.description, o.created_at FROM (` + pageOfGroups + `) j
CROSS JOIN groups o WHERE o.account_id = j.account_id AND o.id = j.id ORDER BY o.created_at, o.id`
	selectNested = `SELECT x.parent_id, o.id, o.public_id, o.name, o.description, o.created_at
FROM ` + keyedIDs + ` CROSS JOIN group_groups x CROSS JOIN groups o
WHERE x.account_id = j.account_id AND x.parent_id = j.id AND o.account_id = x.account_id AND o.id = x.child_id
ORDER BY o.created_at, o.id`
	selectUsersOf = `SELECT x.group_id, p.public_id, f.email, f.first_name, f.last_name, f.status
FROM ` + listedIDs + ` CROSS JOIN group_members x CROSS JOIN live_members m CROSS JOIN persons p CROSS JOIN member_profiles f
WHERE x.account_id = j.account_id AND x.group_id = j.id AND m.account_id = x.account_id AND m.id = x.member_id
  AND p.id = m.person_id AND f.account_id = m.account_id AND f.member_id = m.id
ORDER BY j.key, x.member_id`
	// The subquery bounds what is read, also where it holds removed members alone.
	someUsersOf = `SELECT x.member_id, p.public_id, COALESCE(f.email, ''), COALESCE(f.first_name, ''), COALESCE(f.last_name, ''), COALESCE(f.status, '')
FROM (SELECT account_id, member_id FROM group_members WHERE account_id = $1 AND group_id = $2 AND member_id > $3 ORDER BY member_id LIMIT $4) x
LEFT JOIN live_members m ON m.account_id = x.account_id AND m.id = x.member_id
LEFT JOIN persons p ON p.id = m.person_id
LEFT JOIN member_profiles f ON f.account_id = m.account_id AND f.member_id = m.id
ORDER BY x.member_id`
	sizesOfGroups = `SELECT j.id, (SELECT COUNT(*) FROM (
  SELECT 1 FROM group_members x WHERE x.account_id = j.account_id AND x.group_id = j.id LIMIT $3) s) FROM ` + keyedIDs

	countBots  = `SELECT COUNT(*) FROM bots WHERE account_id = $1`
	pageOfBots = `SELECT account_id, id FROM bots WHERE account_id = $1 ORDER BY account_id, created_at, id LIMIT $2 OFFSET $3`
	listBots   = `SELECT o.id, o.public_id, o.name, o.owner_id, o.created_at FROM (` + pageOfBots + `) j
CROSS JOIN bots o WHERE o.account_id = j.account_id AND o.id = j.id ORDER BY o.created_at, o.id`

	// listedIDs is keyedIDs with the places in the list.
	listedIDs = `(SELECT key, CAST($1 AS BIGINT) AS account_id, CAST(atom AS BIGINT) AS id FROM json_each($2) ` + list + `) j`
)

// readPage reads a page of a list in one state of the database: its total by
// count, and, unless it lies beyond the end, its items by rows. args are those of
// both queries, to which the page is added.
func readPage[T any](ctx context.Context, r *reader, page directory.Page, count, rows string, args []any,
	scan func(*sql.Rows) (T, error),
) (directory.List[T], error) {
	var out directory.List[T]
	if err := r.row(ctx, count, args...).Scan(&out.Total); err != nil {
		return out, err
	}
	out.More = page.More(out.Total)
	if page.Skip() >= out.Total {
		return out, nil
	}
	out.Items = make([]T, 0, min(page.Limit, out.Total-page.Skip()))
	err := r.each(ctx, func(rows *sql.Rows) error {
		item, err := scan(rows)
		out.Items = append(out.Items, item)
		return err
	}, rows, append(args, page.Limit, page.Skip())...)
	return out, err
}

// Roles returns a page of the account's roles; an empty kind is for both kinds.
func (s *Store) Roles(ctx context.Context, account directory.AccountID, kind directory.RoleKind, page directory.Page) (out directory.List[directory.Role], err error) {
	err = s.snapshot(ctx, func(r *reader) (err error) {
		out, err = readPage(ctx, r, page, countRoles, listRoles, []any{account, string(kind)}, func(rows *sql.Rows) (directory.Role, error) { return scanRole(rows) })
		return err
	})
	return out, wrapf(err, "list the roles")
}

func scanRole(row scanner) (r directory.Role, err error) {
	var permissions string
	var created, builtIn int64
	if err := row.Scan(&r.ID, &r.PublicID, &r.Kind, &r.Name, &r.Description, &permissions, &builtIn, &created); err != nil {
		return r, err
	}
	r.Created, r.BuiltIn = fromMicros(created), builtIn != 0
	if r.BuiltIn {
		r.Permissions = directory.BuiltInPermissions(r.Kind, r.Name)
		return r, nil
	}
	if err := json.Unmarshal([]byte(permissions), &r.Permissions); err != nil {
		return r, fmt.Errorf("read the permissions of role %s: %w", r.PublicID, err)
	}
	return r, nil
}

// Groups returns a page of the account's groups, each with those nested in it.
func (s *Store) Groups(ctx context.Context, account directory.AccountID, page directory.Page) (out directory.List[directory.GroupEntry], err error) {
	err = s.snapshot(ctx, func(r *reader) (err error) {
		if out, err = readPage(ctx, r, page, countGroups, listGroups, []any{account}, scanGroupEntry); err != nil {
			return err
		}
		ids := make([]directory.GroupID, len(out.Items))
		for i := range out.Items {
			ids[i] = out.Items[i].ID
		}
		nested, err := r.nested(ctx, account, jsonInts(ids))
		for i := range out.Items {
			out.Items[i].Nested = nested[ids[i]]
		}
		return err
	})
	return out, wrapf(err, "list the groups")
}

func scanGroupEntry(rows *sql.Rows) (g directory.GroupEntry, err error) {
	g.Group, err = scanGroup(rows)
	return g, err
}

func scanGroup(row scanner) (g directory.Group, err error) {
	var created int64
	err = row.Scan(&g.ID, &g.PublicID, &g.Name, &g.Description, &created)
	g.Created = fromMicros(created)
	return g, err
}

// Bots returns a page of the account's bots.
func (s *Store) Bots(ctx context.Context, account directory.AccountID, page directory.Page) (out directory.List[directory.BotEntry], err error) {
	err = s.snapshot(ctx, func(r *reader) (err error) {
		out, err = readPage(ctx, r, page, countBots, listBots, []any{account}, func(rows *sql.Rows) (b directory.BotEntry, err error) {
			b.Bot, err = scanBot(rows)
			return b, err
		})
		if err != nil || len(out.Items) == 0 {
			return err
		}
		owners := make([]directory.MemberID, len(out.Items))
		for i := range out.Items {
			owners[i] = out.Items[i].Owner
		}
		found, err := r.describe(ctx, account, owners)
		of := make(map[directory.MemberID]*directory.MemberRoles, len(found))
		for i := range found {
			of[found[i].ID] = &found[i]
		}
		for i := range out.Items {
			if owner := of[out.Items[i].Owner]; owner != nil {
				out.Items[i].AccountID, out.Items[i].OwnerUserID, out.Items[i].OwnerEmail = owner.AccountID, owner.UserID, owner.Email
			}
		}
		return err
	})
	return out, wrapf(err, "list the bots")
}

func scanBot(row scanner) (b directory.Bot, err error) {
	var created int64
	err = row.Scan(&b.ID, &b.PublicID, &b.Name, &b.Owner, &created)
	b.Created = fromMicros(created)
	return b, err
}

// UserRoles returns a page of the account's live members with their roles.
func (s *Store) UserRoles(ctx context.Context, account directory.AccountID, page directory.Page) (out directory.List[directory.MemberRoles], err error) {
	err = s.snapshot(ctx, func(r *reader) (err error) {
		if err := r.row(ctx, countMembers, account).Scan(&out.Total); err != nil {
			return err
		}
		out.More = page.More(out.Total)
		if page.Skip() >= out.Total {
			return nil
		}
		ids, err := r.memberPage(ctx, account, page, out.Total, s.paging.near)
		if err != nil || len(ids) == 0 {
			return err
		}
		if out.Items, err = r.describe(ctx, account, ids); err != nil {
			return err
		}
		access, err := r.Access(ctx, account, ids)
		for i := range out.Items {
			out.Items[i].Access = access[out.Items[i].ID]
		}
		return err
	})
	return out, wrapf(err, "list the users' roles")
}

// describe reads live members, in the order of the list, each as often as they
// are in it. Their access is left empty.
func (r *reader) describe(ctx context.Context, account directory.AccountID, ids []directory.MemberID) (members []directory.MemberRoles, err error) {
	err = r.each(ctx, func(rows *sql.Rows) error {
		var m directory.MemberRoles
		err := rows.Scan(&m.ID, &m.AccountID, &m.UserID, &m.Email, &m.OrgUserID, &m.IsDeveloper, &m.CanCreateBot)
		members = append(members, m)
		return err
	}, membersByID, account, jsonInts(ids))
	return members, wrapf(err, "read the members")
}

// groupUsersAtOnce is about how many users of groups are read at once.
const groupUsersAtOnce = 1000

// EachGroupUser calls yield with the live members of groups, some at a time, group
// by group in the order of the list: at is the place of their group in it. Small
// groups are read together. No connection is held while yield runs, so yield may
// wait for a client; a member who joins or leaves meanwhile may be missing.
func (s *Store) EachGroupUser(ctx context.Context, account directory.AccountID, groups []directory.GroupID, yield func(at int, users []directory.Member) error) error {
	sizes, err := s.groupSizes(ctx, account, groups)
	if err != nil {
		return wrapf(err, "count the users of the groups")
	}
	for from := 0; from < len(groups) && err == nil; {
		to, total := from, 0
		for to < len(groups) && total+sizes[groups[to]] <= groupUsersAtOnce {
			total += sizes[groups[to]]
			to++
		}
		if to > from {
			err = s.usersOfSmall(ctx, account, groups[from:to], func(at int, users []directory.Member) error { return yield(from+at, users) })
		} else {
			err = s.usersOfLarge(ctx, account, groups[from], func(users []directory.Member) error { return yield(from, users) })
			to = from + 1
		}
		from = to
	}
	return wrapf(err, "list the users of the groups")
}

// groupSizes counts who is or was in each of the groups, up to more than are read at once.
func (r *reader) groupSizes(ctx context.Context, account directory.AccountID, groups []directory.GroupID) (map[directory.GroupID]int, error) {
	sizes := make(map[directory.GroupID]int, len(groups))
	if len(groups) == 0 {
		return sizes, nil
	}
	err := r.each(ctx, func(rows *sql.Rows) error {
		var group directory.GroupID
		var n int
		err := rows.Scan(&group, &n)
		sizes[group] = n
		return err
	}, sizesOfGroups, account, jsonInts(groups), groupUsersAtOnce+1)
	return sizes, err
}

// usersOfSmall reads the live members of several groups at once.
func (r *reader) usersOfSmall(ctx context.Context, account directory.AccountID, groups []directory.GroupID, yield func(at int, users []directory.Member) error) error {
	users := make(map[directory.GroupID][]directory.Member, len(groups))
	err := r.each(ctx, func(rows *sql.Rows) error {
		var group directory.GroupID
		var m directory.Member
		err := rows.Scan(&group, &m.UserID, &m.Email, &m.Profile.FirstName, &m.Profile.LastName, &m.Status)
		users[group] = append(users[group], m)
		return err
	}, selectUsersOf, account, jsonInts(groups))
	for at := 0; at < len(groups) && err == nil; at++ {
		if of := users[groups[at]]; len(of) > 0 {
			err = yield(at, of)
		}
	}
	return err
}

// usersOfLarge reads the live members of one group, some at a time.
func (r *reader) usersOfLarge(ctx context.Context, account directory.AccountID, group directory.GroupID, yield func([]directory.Member) error) error {
	for last, more := directory.MemberID(0), true; more; {
		n := 0
		var users []directory.Member
		err := r.each(ctx, func(rows *sql.Rows) error {
			n++
			var m directory.Member
			var userID sql.NullString // of a member who was removed there is none
			err := rows.Scan(&last, &userID, &m.Email, &m.Profile.FirstName, &m.Profile.LastName, &m.Status)
			if m.UserID = userID.String; userID.Valid {
				users = append(users, m)
			}
			return err
		}, someUsersOf, account, group, last, groupUsersAtOnce)
		if err == nil && len(users) > 0 {
			err = yield(users)
		}
		if err != nil {
			return err
		}
		more = n == groupUsersAtOnce
	}
	return nil
}
