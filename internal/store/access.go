package store

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"

	"roster/internal/directory"
)

// What members have, read for any number of them by a fixed number of statements:
// who has which role, who is in which group and which groups these are nested in,
// which roles these groups have, and then the names of all of it.
const (
	accessRoles  = `SELECT x.member_id, x.role_id, x.bot_id FROM ` + keyedIDs + ` CROSS JOIN live_member_roles x WHERE x.account_id = j.account_id AND x.member_id = j.id`
	accessGroups = `SELECT x.member_id, x.group_id FROM ` + keyedIDs + ` CROSS JOIN live_group_members x WHERE x.account_id = j.account_id AND x.member_id = j.id`
	// The groups that have one of these in them, theirs, and so on up.
	groupsAbove = `WITH RECURSIVE up (account_id, child_id, parent_id) AS (
  SELECT x.account_id, x.child_id, x.parent_id FROM ` + keyedIDs + ` CROSS JOIN group_groups x WHERE x.account_id = j.account_id AND x.child_id = j.id
  UNION SELECT x.account_id, x.child_id, x.parent_id FROM up CROSS JOIN group_groups x WHERE x.account_id = up.account_id AND x.child_id = up.parent_id
) SELECT child_id, parent_id FROM up`
	rolesOfGroups = `SELECT x.group_id, x.role_id, x.bot_id FROM ` + keyedIDs + ` CROSS JOIN group_roles x WHERE x.account_id = j.account_id AND x.group_id = j.id`
	ownerRoles    = `SELECT kind, id FROM roles WHERE account_id = $1 AND kind = 'admin' AND name = $2
UNION ALL SELECT kind, id FROM roles WHERE account_id = $1 AND kind = 'bot' AND name = $3`

	rolesByID  = `SELECT o.id, o.public_id, o.kind, o.name, o.created_at FROM ` + keyedIDs + ` CROSS JOIN roles o WHERE o.account_id = j.account_id AND o.id = j.id`
	botsByID   = `SELECT o.id, o.public_id, o.name, o.owner_id, o.created_at FROM ` + keyedIDs + ` CROSS JOIN bots o WHERE o.account_id = j.account_id AND o.id = j.id`
	groupsByID = `SELECT o.id, o.public_id, o.name, o.description, o.created_at FROM ` + keyedIDs + ` CROSS JOIN groups o WHERE o.account_id = j.account_id AND o.id = j.id`
)

// heldRole is a role, and the bot in which it is held, 0 for an admin role.
type heldRole struct {
	role directory.RoleID
	bot  directory.BotID
}

// access is what members have, as it is read.
type access struct {
	direct     map[directory.MemberID][]heldRole
	groupsOf   map[directory.MemberID][]directory.GroupID
	above      map[directory.GroupID][]directory.GroupID // the next ones up
	groupRoles map[directory.GroupID][]heldRole
	reached    map[directory.GroupID][]directory.GroupID // all the way up, and itself

	roles  map[directory.RoleID]*directory.Role
	bots   map[directory.BotID]*directory.Bot
	groups map[directory.GroupID]*directory.Group
}

func newAccess() *access {
	return &access{
		direct: map[directory.MemberID][]heldRole{}, groupsOf: map[directory.MemberID][]directory.GroupID{},
		above: map[directory.GroupID][]directory.GroupID{}, groupRoles: map[directory.GroupID][]heldRole{},
		reached: map[directory.GroupID][]directory.GroupID{},
		roles:   map[directory.RoleID]*directory.Role{}, bots: map[directory.BotID]*directory.Bot{}, groups: map[directory.GroupID]*directory.Group{},
	}
}

// Access returns what live members of the account have. Who owns the account has
// its role admin, and who owns a bot has the role Bot Owner in it, without having
// been given either. Who is not in the answer has nothing.
func (r *reader) Access(ctx context.Context, account directory.AccountID, members []directory.MemberID) (map[directory.MemberID]directory.MemberAccess, error) {
	a := newAccess()
	if err := a.readEdges(ctx, r, account, jsonInts(members)); err != nil {
		return nil, wrapf(err, "read what members have")
	}
	if err := a.readNames(ctx, r, account); err != nil {
		return nil, wrapf(err, "read the names of what members have")
	}
	out := make(map[directory.MemberID]directory.MemberAccess, len(members))
	for _, m := range members {
		out[m] = a.of(m)
	}
	return out, nil
}

// readEdges reads who has what, by ids.
func (a *access) readEdges(ctx context.Context, r *reader, account directory.AccountID, members string) error {
	if err := a.readOwners(ctx, r, account, members); err != nil {
		return err
	}
	err := r.each(ctx, func(rows *sql.Rows) error { return addPair(rows, a.groupsOf) }, accessGroups, account, members)
	if err != nil {
		return err
	}
	groups := map[directory.GroupID]bool{}
	for _, ids := range a.groupsOf {
		for _, id := range ids {
			groups[id] = true
		}
	}
	err = r.each(ctx, func(rows *sql.Rows) error { return addPair(rows, a.above) }, groupsAbove, account, jsonInts(slices.Sorted(maps.Keys(groups))))
	if err != nil {
		return err
	}
	for _, ids := range a.above {
		for _, id := range ids {
			groups[id] = true
		}
	}
	for id := range groups {
		a.groups[id] = nil
	}
	return r.each(ctx, func(rows *sql.Rows) error {
		return addRole(rows, a.groupRoles)
	}, rolesOfGroups, account, jsonInts(slices.Sorted(maps.Keys(a.groups))))
}

// readOwners reads the roles that members have without a group.
func (a *access) readOwners(ctx context.Context, r *reader, account directory.AccountID, members string) error {
	if err := r.each(ctx, func(rows *sql.Rows) error { return addRole(rows, a.direct) }, accessRoles, account, members); err != nil {
		return err
	}
	ids := map[directory.RoleKind]directory.RoleID{}
	err := r.each(ctx, func(rows *sql.Rows) error {
		var kind directory.RoleKind
		var id directory.RoleID
		err := rows.Scan(&kind, &id)
		ids[kind] = id
		return err
	}, ownerRoles, account, directory.RoleAdmin, directory.RoleBotOwner)
	if err != nil {
		return err
	}
	owners := make(ownerships)
	if err := r.each(ctx, func(rows *sql.Rows) error { return owners.add(rows) }, selectOwnership, account, members); err != nil {
		return err
	}
	for member, owns := range owners {
		if owns.Account {
			a.direct[member] = append(a.direct[member], heldRole{role: ids[directory.AdminRole]})
		}
		for _, bot := range owns.Bots {
			a.direct[member] = append(a.direct[member], heldRole{ids[directory.BotRole], bot.ID})
		}
	}
	return nil
}

// readNames reads what the ids stand for.
func (a *access) readNames(ctx context.Context, r *reader, account directory.AccountID) error {
	for _, held := range a.direct {
		a.want(held)
	}
	for _, held := range a.groupRoles {
		a.want(held)
	}
	err := r.each(ctx, func(rows *sql.Rows) error {
		var created int64
		role := &directory.Role{}
		if err := rows.Scan(&role.ID, &role.PublicID, &role.Kind, &role.Name, &created); err != nil {
			return err
		}
		role.Created = fromMicros(created)
		a.roles[role.ID] = role
		return nil
	}, rolesByID, account, jsonInts(slices.Sorted(maps.Keys(a.roles))))
	if err != nil {
		return err
	}
	err = r.each(ctx, func(rows *sql.Rows) error {
		bot, err := scanBot(rows)
		a.bots[bot.ID] = &bot
		return err
	}, botsByID, account, jsonInts(slices.Sorted(maps.Keys(a.bots))))
	if err != nil {
		return err
	}
	return r.each(ctx, func(rows *sql.Rows) error {
		group, err := scanGroup(rows)
		a.groups[group.ID] = &group
		return err
	}, groupsByID, account, jsonInts(slices.Sorted(maps.Keys(a.groups))))
}

func (a *access) want(held []heldRole) {
	for _, h := range held {
		a.roles[h.role] = nil
		if h.bot != 0 {
			a.bots[h.bot] = nil
		}
	}
}

// of is what a member has, from what was read.
func (a *access) of(member directory.MemberID) directory.MemberAccess {
	grants := map[heldRole]*directory.RoleGrant{}
	grant := func(h heldRole) *directory.RoleGrant {
		g := grants[h]
		if g == nil {
			g = &directory.RoleGrant{Role: a.roles[h.role], Bot: a.bots[h.bot]}
			grants[h] = g
		}
		return g
	}
	for _, h := range a.direct[member] {
		grant(h).Direct = true
	}
	in := map[directory.GroupID]bool{}
	for _, id := range a.groupsOf[member] {
		for _, up := range a.reach(id) {
			in[up] = true
		}
	}
	for id := range in {
		for _, h := range a.groupRoles[id] {
			g := grant(h)
			g.Groups = append(g.Groups, a.groups[id])
		}
	}
	var out directory.MemberAccess
	for _, g := range grants {
		slices.SortFunc(g.Groups, byCreation)
		out.Roles = append(out.Roles, *g)
	}
	slices.SortFunc(out.Roles, compareGrants)
	for _, id := range a.groupsOf[member] {
		out.Groups = append(out.Groups, a.groups[id])
	}
	slices.SortFunc(out.Groups, byCreation)
	return out
}

// compareGrants orders roles by kind, creation, and the creation of their bots.
func compareGrants(x, y directory.RoleGrant) int {
	order := cmp.Or(cmp.Compare(x.Role.Kind, y.Role.Kind), x.Role.Created.Compare(y.Role.Created), cmp.Compare(x.Role.ID, y.Role.ID))
	if order != 0 || x.Bot == nil {
		return order
	}
	return cmp.Or(x.Bot.Created.Compare(y.Bot.Created), cmp.Compare(x.Bot.ID, y.Bot.ID))
}

func byCreation(x, y *directory.Group) int {
	return cmp.Or(x.Created.Compare(y.Created), cmp.Compare(x.ID, y.ID))
}

// reach is a group and every group above it.
func (a *access) reach(id directory.GroupID) []directory.GroupID {
	if up, ok := a.reached[id]; ok {
		return up
	}
	seen := map[directory.GroupID]bool{id: true}
	up := []directory.GroupID{id}
	for i := 0; i < len(up); i++ {
		for _, next := range a.above[up[i]] {
			if !seen[next] {
				seen[next] = true
				up = append(up, next)
			}
		}
	}
	a.reached[id] = up
	return up
}

// addPair reads a row of two ids.
func addPair[K comparable, V any](row scanner, into map[K][]V) error {
	var k K
	var v V
	err := row.Scan(&k, &v)
	into[k] = append(into[k], v)
	return err
}

// addRole reads a row of whoever has a role, the role and the bot.
func addRole[K comparable](row scanner, into map[K][]heldRole) error {
	var k K
	var h heldRole
	err := row.Scan(&k, &h.role, &h.bot)
	into[k] = append(into[k], h)
	return err
}

// groupRoles returns the roles that a group was given.
func (r *reader) groupRoles(ctx context.Context, account directory.AccountID, group directory.GroupID) ([]directory.RoleGrant, error) {
	a := newAccess()
	err := r.each(ctx, func(rows *sql.Rows) error {
		return addRole(rows, a.groupRoles)
	}, rolesOfGroups, account, jsonInts([]directory.GroupID{group}))
	if err == nil {
		err = a.readNames(ctx, r, account)
	}
	if err != nil {
		return nil, err
	}
	var grants []directory.RoleGrant
	for _, h := range a.groupRoles[group] {
		grants = append(grants, directory.RoleGrant{Role: a.roles[h.role], Bot: a.bots[h.bot]})
	}
	slices.SortFunc(grants, compareGrants)
	return grants, nil
}
