package directory

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"roster/internal/excerpt"
)

// Reasons for not doing an item of a list of assignments, in the order in which
// they are checked: the role, the bot, then for what is added and for what is removed
// its users and its groups.
const (
	ReasonInvalidRole   Reason = "INVALID_ROLE"
	ReasonInvalidBot    Reason = "INVALID_BOT"
	ReasonGroupNotFound Reason = "GROUP_NOT_FOUND"
)

// RoleAssignment asks to give a role to users and groups, and to take it from
// others. Who is to get and to lose it in one, loses it.
type RoleAssignment struct {
	RoleID string // public
	BotID  string // public; of a bot role alone
	// Users are named by address or org id, groups by name.
	AddUsers, RemoveUsers   []UserRef
	AddGroups, RemoveGroups []string
}

// AssignmentFailure says why nothing of an item was done.
type AssignmentFailure struct {
	Reason Reason
	User   UserRef // whom it is about, if anybody
	Group  string  // or which group, by name
}

// Explain says in words why the item was not done.
func (f *AssignmentFailure) Explain(item RoleAssignment) error {
	switch f.Reason {
	case ReasonInvalidRole:
		return Errorf(ErrNotFound, "the account has no such role %q", excerpt.Of(item.RoleID))
	case ReasonInvalidBot:
		return Errorf(ErrNotFound, "the account has no bot %q", excerpt.Of(item.BotID))
	case ReasonGroupNotFound:
		return Errorf(ErrNotFound, "the account has no group %q", excerpt.Of(f.Group))
	case ReasonInvalidID:
		return f.User.Check()
	}
	return Errorf(ErrNotFound, "%s is no member of the account", excerpt.Of(f.User.Text))
}

// Grant is a role, in a bot or in the account, that a member or a group has.
type Grant struct {
	Member MemberID // 0 for a group
	Group  GroupID  // 0 for a member
	Role   RoleID
	Bot    BotID // 0 for an admin role
}

// GrantChanges are grants that were made and ended.
type GrantChanges struct{ Added, Removed []Grant }

// CompareGrants orders grants as locks are taken: by holder, role and bot.
func CompareGrants(x, y Grant) int {
	return cmp.Or(cmp.Compare(x.Member, y.Member), cmp.Compare(x.Group, y.Group), cmp.Compare(x.Role, y.Role), cmp.Compare(x.Bot, y.Bot))
}

// AssignmentNames are all that a list of assignments names, each once.
type AssignmentNames struct {
	EmailKeys, OrgUserIDs []string
	Groups, Bots, Roles   []string
}

// NamesOf returns what a list of assignments names. Blank users and groups, which
// are ignored, and what no database would take for text are not among them.
func NamesOf(items []RoleAssignment) AssignmentNames {
	var users [2]map[string]bool // by IDKind
	users[ByEmail], users[ByOrgUserID] = map[string]bool{}, map[string]bool{}
	groups, bots, roles := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i := range items {
		item := &items[i]
		note(roles, item.RoleID)
		note(bots, item.BotID)
		for _, refs := range [][]UserRef{item.AddUsers, item.RemoveUsers} {
			for _, ref := range refs {
				if key, ok := ref.Key(); ok {
					users[ref.Kind][key] = true
				}
			}
		}
		for _, names := range [][]string{item.AddGroups, item.RemoveGroups} {
			for _, name := range names {
				note(groups, strings.TrimSpace(name))
			}
		}
	}
	return AssignmentNames{
		slices.Sorted(maps.Keys(users[ByEmail])), slices.Sorted(maps.Keys(users[ByOrgUserID])),
		slices.Sorted(maps.Keys(groups)), slices.Sorted(maps.Keys(bots)), slices.Sorted(maps.Keys(roles)),
	}
}

// note adds a name, unless it is empty or nothing can have it.
func note(names map[string]bool, name string) {
	if name != "" && ValidText(name) {
		names[name] = true
	}
}

// AssignmentObjects are what was found of what a list of assignments names.
type AssignmentObjects struct {
	Members []Candidate
	Groups  []Group
	Bots    []Bot
	Roles   []Role
}

// assigner decides a list of assignments.
type assigner struct {
	kind    RoleKind
	members [2]map[string]MemberID // by IDKind and key
	groups  map[string]GroupID
	bots    map[string]BotID
	roles   map[string]RoleID // of the kind
	wanted  map[Grant]bool    // whether it should be there
}

// DecideAssignments says which items cannot be done, in the order of the items
// and nil for the others, and which grants are to be there, or not, after all
// the others were done one after the other. An item is done as a whole or not at
// all. The grants are sorted by CompareGrants.
func DecideAssignments(kind RoleKind, items []RoleAssignment, found AssignmentObjects) (failures []*AssignmentFailure, add, remove []Grant) {
	a := &assigner{
		kind: kind, members: [2]map[string]MemberID{{}, {}}, groups: map[string]GroupID{}, bots: map[string]BotID{},
		roles: map[string]RoleID{}, wanted: map[Grant]bool{},
	}
	for _, m := range found.Members {
		a.members[ByEmail][m.EmailKey] = m.Member
		if m.OrgUserID != "" {
			a.members[ByOrgUserID][m.OrgUserID] = m.Member
		}
	}
	for i := range found.Groups {
		a.groups[found.Groups[i].Name] = found.Groups[i].ID
	}
	for i := range found.Bots {
		a.bots[found.Bots[i].PublicID] = found.Bots[i].ID
	}
	for i := range found.Roles {
		if r := &found.Roles[i]; r.Kind == kind {
			a.roles[r.PublicID] = r.ID
		}
	}
	failures = make([]*AssignmentFailure, len(items))
	for i := range items {
		failures[i] = a.item(&items[i])
	}
	add, remove = wanted(a.wanted, CompareGrants)
	return failures, add, remove
}

// item takes in an item, or says why it cannot be done.
func (a *assigner) item(item *RoleAssignment) *AssignmentFailure {
	var grant Grant
	var ok bool
	if grant.Role, ok = a.roles[item.RoleID]; !ok {
		return &AssignmentFailure{Reason: ReasonInvalidRole}
	}
	if a.kind == BotRole {
		if grant.Bot, ok = a.bots[item.BotID]; !ok {
			return &AssignmentFailure{Reason: ReasonInvalidBot}
		}
	}
	added, failure := a.grants(grant, item.AddUsers, item.AddGroups)
	if failure != nil {
		return failure
	}
	removed, failure := a.grants(grant, item.RemoveUsers, item.RemoveGroups)
	if failure != nil {
		return failure
	}
	for _, g := range added {
		a.wanted[g] = true
	}
	for _, g := range removed {
		a.wanted[g] = false
	}
	return nil
}

// grants are the grants, like the given one, of users and groups.
func (a *assigner) grants(like Grant, users []UserRef, groups []string) (grants []Grant, failure *AssignmentFailure) {
	for _, ref := range users {
		grant, failure := a.user(like, ref)
		if failure != nil {
			return nil, failure
		}
		if grant.Member != 0 {
			grants = append(grants, grant)
		}
	}
	for _, name := range groups {
		trimmed := strings.TrimSpace(name)
		if trimmed == "" {
			continue
		}
		id, ok := a.groups[trimmed]
		if !ok {
			return nil, &AssignmentFailure{Reason: ReasonGroupNotFound, Group: name}
		}
		grant := like
		grant.Group = id
		grants = append(grants, grant)
	}
	return grants, nil
}

// user is the grant of a user, whose member is 0 when the text is blank.
func (a *assigner) user(grant Grant, ref UserRef) (Grant, *AssignmentFailure) {
	if !ref.NotText && strings.TrimSpace(ref.Text) == "" {
		return grant, nil
	}
	key, ok := ref.Key()
	if !ok {
		return grant, &AssignmentFailure{Reason: ReasonInvalidID, User: ref}
	}
	if grant.Member, ok = a.members[ref.Kind][key]; !ok {
		return grant, &AssignmentFailure{Reason: ReasonUserNotFound, User: ref}
	}
	return grant, nil
}
