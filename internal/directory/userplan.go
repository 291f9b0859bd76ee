package directory

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// BotTask are tasks of a bot that a member has: some dialogs, or all where there
// is none.
type BotTask struct {
	Bot     BotID
	BotID   string // public
	Dialogs []string
}

// Equal says whether they are the same tasks of the same bot.
func (t BotTask) Equal(other BotTask) bool {
	return t.Bot == other.Bot && slices.Equal(t.Dialogs, other.Dialogs)
}

func compareTasks(x, y BotTask) int { return cmp.Compare(x.Bot, y.Bot) }

// UserFlags are what a member may do besides their roles.
type UserFlags struct {
	CanCreateBot bool
	IsDeveloper  bool
	TableAccess  bool // to data tables and views
}

// NewUserFlags are those of a new member, unless the call says otherwise.
func NewUserFlags() UserFlags { return UserFlags{CanCreateBot: true, IsDeveloper: true} }

// PlannedUser is a member to be made, with what they are to have.
type PlannedUser struct {
	NewMember
	Groups []GroupID
	Grants []Grant // of no member yet
}

// GroupUser says that a member is in a group.
type GroupUser struct {
	Group  GroupID
	Member MemberID
}

// MemberState is what a call may change of a member.
type MemberState struct {
	EmailKey  string // which does not change
	OrgUserID string
	Profile   Profile
	Status    Status
	Flags     UserFlags
	Tasks     []BotTask // sorted by Bot
}

// MemberChange is a live member who is to be changed.
type MemberChange struct {
	Member        MemberID
	Person        PersonID
	Before, After MemberState
}

// OrgUserIDChanges says whether the member's org user id is to change.
func (c *MemberChange) OrgUserIDChanges() bool { return c.Before.OrgUserID != c.After.OrgUserID }

// SearchChanges says whether what the member is searched by is to change.
func (c *MemberChange) SearchChanges() bool {
	before, after := &c.Before.Profile, &c.After.Profile
	return before.FirstName != after.FirstName || before.LastName != after.LastName || c.OrgUserIDChanges()
}

// ProfileChanges says whether anything beside org user id and tasks is to change.
func (c *MemberChange) ProfileChanges() bool {
	return c.Before.Profile != c.After.Profile || c.Before.Flags != c.After.Flags || c.Before.Status != c.After.Status
}

// TasksChange says whether the member's tasks are to change.
func (c *MemberChange) TasksChange() bool {
	return !slices.EqualFunc(c.Before.Tasks, c.After.Tasks, BotTask.Equal)
}

// userPlanner decides a list of items as if they were done one after the other.
type userPlanner struct {
	*UserItems
	groups map[string]GroupID
	bots   map[string]BotID
	roles  map[RoleKind]map[string]RoleID
	failed []UserFailure
}

func newUserPlanner(p *UserItems, found AssignmentObjects) *userPlanner {
	u := &userPlanner{
		UserItems: p, groups: map[string]GroupID{}, bots: map[string]BotID{},
		roles: map[RoleKind]map[string]RoleID{AdminRole: {}, BotRole: {}},
	}
	for i := range found.Groups {
		u.groups[found.Groups[i].PublicID] = found.Groups[i].ID
	}
	for i := range found.Bots {
		u.bots[found.Bots[i].PublicID] = found.Bots[i].ID
	}
	for i := range found.Roles {
		u.roles[found.Roles[i].Kind][found.Roles[i].PublicID] = found.Roles[i].ID
	}
	return u
}

func (u *userPlanner) fail(item int, reason Reason, field string) {
	u.failed = append(u.failed, UserFailure{item, reason, field})
}

// wishes are what an item gives and takes.
type wishes struct {
	addGroups, removeGroups []GroupID
	addRoles, removeRoles   []Grant
	tasks                   []BotTask
}

// objects looks up what an item names: groups first, then all roles, then all
// bots. reason is why it cannot be done, or empty.
func (u *userPlanner) objects(item *UserItem) (w wishes, reason Reason) {
	for _, list := range []struct {
		ids  []string
		into *[]GroupID
	}{{item.AddGroups, &w.addGroups}, {item.RemoveGroups, &w.removeGroups}} {
		for _, id := range list.ids {
			group, ok := u.groups[id]
			if !ok {
				return w, ReasonInvalidGroup
			}
			*list.into = append(*list.into, group)
		}
	}
	badBot := false
	for _, list := range []struct {
		refs []RoleRef
		into *[]Grant
	}{{item.AddRoles, &w.addRoles}, {item.RemoveRoles, &w.removeRoles}} {
		for _, ref := range list.refs {
			kind, bot := AdminRole, BotID(0)
			if ref.BotID != "" {
				kind, bot = BotRole, u.bots[ref.BotID]
				badBot = badBot || bot == 0
			}
			role, ok := u.roles[kind][ref.RoleID]
			if !ok {
				return w, ReasonInvalidRole
			}
			*list.into = append(*list.into, Grant{Role: role, Bot: bot})
		}
	}
	if item.Tasks != nil {
		tasks, ok := u.tasks(*item.Tasks)
		badBot = badBot || !ok
		w.tasks = tasks
	}
	if badBot {
		return w, ReasonInvalidBot
	}
	return w, ""
}

// tasks looks up the bots of tasks; of two of one bot the latter counts. One
// without a bot is none.
func (u *userPlanner) tasks(refs []TaskRef) (tasks []BotTask, ok bool) {
	for _, ref := range refs {
		if ref.BotID == "" {
			continue
		}
		bot, ok := u.bots[ref.BotID]
		if !ok {
			return nil, false
		}
		tasks = slices.DeleteFunc(tasks, func(t BotTask) bool { return t.Bot == bot })
		tasks = append(tasks, BotTask{bot, ref.BotID, ref.Dialogs})
	}
	slices.SortFunc(tasks, compareTasks)
	return tasks, true
}

// fields looks at the rest of an item. free says whether its org user id can be
// the user's.
func (u *userPlanner) fields(i int, free bool) (reason Reason, field string) {
	item := &u.Items[i]
	switch {
	case u.orgIDs[i] == "" && strings.TrimSpace(item.OrgUserID) != "":
		return ReasonInvalidOrgUserID, ""
	case !free:
		return ReasonOrgUserIDIsUsed, ""
	}
	if field := item.Profile.Invalid(); field != "" {
		return ReasonInvalidField, field
	}
	if item.Tasks != nil {
		for _, task := range *item.Tasks {
			if slices.ContainsFunc(task.Dialogs, invalidDialog) {
				return ReasonInvalidField, "dialogs"
			}
		}
	}
	return "", ""
}

// DecideCreation says who can be made a member of an account in which those of
// found.Members are, sorted by address key, and which items cannot be done, in
// their order. It takes the items one after the other: who is in the list twice
// is made by the first that can be done, and exists for the second.
func DecideCreation(p *UserItems, found AssignmentObjects) (create []PlannedUser, failed []UserFailure) {
	u := newUserPlanner(p, found)
	emails, orgIDs := make(map[string]bool, len(p.Items)), map[string]bool{}
	for i := range found.Members {
		emails[found.Members[i].EmailKey] = true
		orgIDs[found.Members[i].OrgUserID] = true
	}
	delete(orgIDs, "")
	create = make([]PlannedUser, 0, len(p.Items))
	for i := range p.Items {
		item, email, orgID := &p.Items[i], p.emails[i], p.orgIDs[i]
		switch {
		case email.Key == "":
			u.fail(i, ReasonInvalidID, "")
			continue
		case emails[email.Key]:
			u.fail(i, ReasonUserExists, "")
			continue
		}
		w, reason := u.objects(item)
		field := ""
		if reason == "" {
			reason, field = u.fields(i, !orgIDs[orgID])
		}
		if reason != "" {
			u.fail(i, reason, field)
			continue
		}
		emails[email.Key] = true
		if orgID != "" {
			orgIDs[orgID] = true
		}
		flags := NewUserFlags()
		setFlag(&flags.CanCreateBot, item.CanCreateBot)
		setFlag(&flags.IsDeveloper, item.IsDeveloper)
		create = append(create, PlannedUser{
			NewMember{email, orgID, item.Profile, StatusInactive, flags, w.tasks}, w.addGroups, w.addRoles,
		})
	}
	slices.SortFunc(create, func(x, y PlannedUser) int { return strings.Compare(x.Email.Key, y.Email.Key) })
	return create, u.failed
}

func setFlag(flag, want *bool) {
	if want != nil {
		*flag = *want
	}
}

// UserChanges are what a list of items changes.
type UserChanges struct {
	Members                 []MemberChange // those who change themselves, in the order of their ids
	AddGroups, RemoveGroups []GroupUser    // sorted
	AddRoles, RemoveRoles   []Grant        // sorted by CompareGrants
}

// changePlanner decides a list of changes.
type changePlanner struct {
	*userPlanner
	byEmail, byOrgID map[string]*MemberChange
	touched          map[MemberID]*MemberChange
	groups           map[GroupUser]bool // whether it should be there
	grants           map[Grant]bool
}

// DecideChanges says what items change of the members in states, and which items
// cannot be done, in their order. It takes the items one after the other: of two
// about one user the second goes on from where the first ended.
func DecideChanges(p *UserItems, found AssignmentObjects, states map[MemberID]MemberState) (UserChanges, []UserFailure) {
	c := &changePlanner{
		userPlanner: newUserPlanner(p, found), byEmail: map[string]*MemberChange{}, byOrgID: map[string]*MemberChange{},
		touched: map[MemberID]*MemberChange{}, groups: map[GroupUser]bool{}, grants: map[Grant]bool{},
	}
	for _, m := range found.Members {
		state := states[m.Member]
		change := &MemberChange{m.Member, m.Person, state, state}
		c.byEmail[m.EmailKey] = change
		if state.OrgUserID != "" {
			c.byOrgID[state.OrgUserID] = change
		}
	}
	for i := range p.Items {
		if reason, field := c.item(i); reason != "" {
			c.fail(i, reason, field)
		}
	}
	return c.changes(), c.failed
}

// item takes in an item, or says why it cannot be done.
func (c *changePlanner) item(i int) (reason Reason, field string) {
	item, orgID := &c.Items[i], c.orgIDs[i]
	var user *MemberChange
	switch ref := item.Ref(); {
	case ref.Kind == ByOrgUserID && orgID == "":
		return ReasonInvalidID, ""
	case ref.Kind == ByOrgUserID:
		user = c.byOrgID[orgID]
	case c.emails[i].Key == "":
		return ReasonInvalidID, ""
	default:
		user = c.byEmail[c.emails[i].Key]
	}
	if user == nil {
		return ReasonUserNotFound, ""
	}
	w, reason := c.objects(item)
	if reason != "" {
		return reason, ""
	}
	holder := c.byOrgID[orgID]
	if reason, field = c.fields(i, orgID == "" || holder == nil || holder == user); reason != "" {
		return reason, field
	}
	c.apply(user, item, orgID, w)
	return "", ""
}

// apply does an item that can be done.
func (c *changePlanner) apply(user *MemberChange, item *UserItem, orgID string, w wishes) {
	c.touched[user.Member] = user
	after := &user.After
	if orgID != "" {
		delete(c.byOrgID, after.OrgUserID)
		after.OrgUserID = orgID
		c.byOrgID[orgID] = user
	}
	into := after.Profile.Fields()
	for place, field := range item.Profile.Fields() {
		if item.Given.Has(place) {
			*into[place].Text = *field.Text
		}
	}
	setFlag(&after.Flags.CanCreateBot, item.CanCreateBot)
	setFlag(&after.Flags.IsDeveloper, item.IsDeveloper)
	if item.Tasks != nil {
		after.Tasks = w.tasks
	}
	for _, g := range w.addGroups {
		c.groups[GroupUser{g, user.Member}] = true
	}
	for _, g := range w.removeGroups {
		c.groups[GroupUser{g, user.Member}] = false
	}
	for _, g := range w.addRoles {
		g.Member = user.Member
		c.grants[g] = true
	}
	for _, g := range w.removeRoles {
		g.Member = user.Member
		c.grants[g] = false
	}
}

// changes are what all items together change.
func (c *changePlanner) changes() (out UserChanges) {
	for _, id := range slices.Sorted(maps.Keys(c.touched)) {
		if m := c.touched[id]; m.OrgUserIDChanges() || m.ProfileChanges() || m.TasksChange() {
			out.Members = append(out.Members, *m)
		}
	}
	out.AddGroups, out.RemoveGroups = wanted(c.groups, func(x, y GroupUser) int {
		return cmp.Or(cmp.Compare(x.Group, y.Group), cmp.Compare(x.Member, y.Member))
	})
	out.AddRoles, out.RemoveRoles = wanted(c.grants, CompareGrants)
	return out
}

// wanted parts what should be there from what should not, each in order.
func wanted[T comparable](of map[T]bool, compare func(x, y T) int) (add, remove []T) {
	for thing, there := range of {
		if there {
			add = append(add, thing)
		} else {
			remove = append(remove, thing)
		}
	}
	slices.SortFunc(add, compare)
	slices.SortFunc(remove, compare)
	return add, remove
}
