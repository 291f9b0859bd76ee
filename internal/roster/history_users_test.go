package roster_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
)

// groupGrant is a role that a group has, named as in lived.Roles.
type groupGrant struct{ group, bot string }

// nesting says that a group is within another.
type nesting struct{ child, parent string }

const (
	unknown         = "unknown"       // the id and name of nothing
	strangerAddress = "stranger@h.io" // of nobody
)

// pick draws up to two of a list, and seldom something that is not there.
func (h *history) pick(list []made, what string) (picked []made) {
	for range rapid.IntRange(0, 2).Draw(h.t, what) {
		switch {
		case rapid.IntRange(0, 14).Draw(h.t, "unknown") == 0:
			picked = append(picked, made{id: unknown, name: unknown})
		case len(list) > 0:
			picked = append(picked, rapid.SampledFrom(list).Draw(h.t, what))
		}
	}
	return picked
}

func namesOf(list []made) (names []string) {
	for _, m := range list {
		names = append(names, m.name)
	}
	return names
}

func idsOf(list []made) (ids []string) {
	for _, m := range list {
		ids = append(ids, m.id)
	}
	return ids
}

// userWish is an item that makes or changes a user, as the model reads it.
type userWish struct {
	email, orgID            string
	first                   *string
	canBot, developer       *bool
	addGroups, removeGroups []made
	addRoles, removeRoles   []made // bots; the admin role has the zero one
	tasks                   *[]string
	badTask                 bool
}

// roles draws roles: in bots, or the admin role.
func (h *history) roles(i int) []made {
	return h.pick(append(slices.Clone(h.bots[i]), made{}), "roles")
}

func (h *history) roleRefs(i int, of []made) (refs []directory.RoleRef) {
	for _, bot := range of {
		role := h.roleID[i][directory.RoleBotTester]
		if bot.id == "" {
			role = h.roleID[i][directory.RoleAdmin]
		}
		refs = append(refs, directory.RoleRef{RoleID: role, BotID: bot.id})
	}
	return refs
}

var maybe = rapid.SampledFrom([]*bool{nil, nil, new(bool), func() *bool { b := true; return &b }()})

// wish draws an item, as it is sent and as the model reads it.
func (h *history) wish(i int, change bool) (item directory.UserItem, w userWish) {
	people := append(slices.Clone(historyPeople), "owner@0.io", "nobody@h.io", "no address")
	if change && rapid.IntRange(0, 3).Draw(h.t, "member") > 0 {
		people = slices.Sorted(maps.Keys(h.model[i]))
	}
	w.email = rapid.SampledFrom(people).Draw(h.t, "email")
	w.orgID = rapid.SampledFrom(historyOrgIDs[1:]).Draw(h.t, "org id")
	if change && w.orgID != "" && rapid.Bool().Draw(h.t, "by org id") {
		w.email = ""
	}
	item = directory.UserItem{Email: strings.ToUpper(w.email), OrgUserID: w.orgID}
	if rapid.Bool().Draw(h.t, "named") {
		first := rapid.SampledFrom([]string{"", "Ann", "Zoë"}).Draw(h.t, "first")
		w.first = &first
		item.Profile.FirstName, item.Given = first, item.Given.With(0)
	}
	w.canBot, w.developer = maybe.Draw(h.t, "canCreateBot"), maybe.Draw(h.t, "isDeveloper")
	item.CanCreateBot, item.IsDeveloper = w.canBot, w.developer
	w.addGroups, w.addRoles = h.pick(h.groups[i], "add groups"), h.roles(i)
	if change {
		w.removeGroups, w.removeRoles = h.pick(h.groups[i], "remove groups"), h.roles(i)
	}
	item.AddGroups, item.RemoveGroups = idsOf(w.addGroups), idsOf(w.removeGroups)
	item.AddRoles, item.RemoveRoles = h.roleRefs(i, w.addRoles), h.roleRefs(i, w.removeRoles)
	if rapid.IntRange(0, 2).Draw(h.t, "tasks") == 0 {
		item.Tasks, w.tasks = &[]directory.TaskRef{}, &[]string{}
		for _, bot := range h.pick(h.bots[i], "tasks in") {
			dialogs := rapid.SampledFrom([][]string{{}, {"dg-1"}, {"dg-1", "dg-2"}}).Draw(h.t, "dialogs")
			*item.Tasks = append(*item.Tasks, directory.TaskRef{BotID: bot.id, Dialogs: dialogs})
			text, err := json.Marshal(dialogs)
			h.must(err)
			// Of two of one bot the latter counts.
			*w.tasks = append(kept(*w.tasks, func(t string) bool { return !strings.HasPrefix(t, bot.name+" ") }), bot.name+" "+string(text))
			w.badTask = w.badTask || bot.id == unknown
		}
		slices.Sort(*w.tasks)
		if len(*w.tasks) == 0 {
			*w.tasks = nil
		}
	}
	return item, w
}

// judgeObjects says whether what a wish names is there.
func (w *userWish) judgeObjects() directory.Reason {
	there := func(list ...made) bool {
		return !slices.ContainsFunc(list, func(m made) bool { return m.id == unknown })
	}
	switch {
	case !there(w.addGroups...) || !there(w.removeGroups...):
		return directory.ReasonInvalidGroup
	case !there(w.addRoles...) || !there(w.removeRoles...) || w.badTask:
		return directory.ReasonInvalidBot
	}
	return ""
}

// apply does the wish to what a member has.
func (w *userWish) apply(m *lived) {
	if w.orgID != "" {
		m.OrgID = w.orgID
	}
	if w.first != nil {
		m.First = *w.first
	}
	flags := []byte(m.Flags)
	for at, flag := range []*bool{w.canBot, w.developer} {
		if flag != nil {
			flags[at] = map[bool]byte{false: '0', true: '1'}[*flag]
		}
	}
	m.Flags = string(flags)
	m.Groups = both(m.Groups, namesOf(w.addGroups), namesOf(w.removeGroups))
	m.Roles = both(m.Roles, namesOf(w.addRoles), namesOf(w.removeRoles))
	if w.tasks != nil {
		m.Tasks = *w.tasks
	}
}

// both is a sorted set with some added and then some removed.
func both(set, add, remove []string) []string {
	all := slices.Compact(slices.Sorted(slices.Values(slices.Concat(set, add))))
	return kept(all, func(v string) bool { return !slices.Contains(remove, v) })
}

// holderOf is who has an org id, or nobody.
func (h *history) holderOf(i int, orgID string) string {
	for email, m := range h.model[i] {
		if orgID != "" && m.OrgID == orgID {
			return email
		}
	}
	return ""
}

// wishes sends items to a verb and compares what fails; judge says what becomes of
// each, and does it to the model.
func (h *history) wishes(i int, change bool, judge func(*userWish) directory.Reason) {
	verb := h.roster.CreateUsers
	if change {
		verb = h.roster.UpdateUsers
	}
	var items []directory.UserItem
	var want []string
	for n := range rapid.IntRange(1, 4).Draw(h.t, "items") {
		item, w := h.wish(i, change)
		items = append(items, item)
		if reason := judge(&w); reason != "" {
			want = append(want, fmt.Sprint(n, reason))
		}
	}
	failed, err := verb(ctxBackground, auth.Operator(), h.account[i], items, roster.UserOptions{})
	h.must(err)
	var got []string
	for _, f := range failed {
		got = append(got, fmt.Sprint(f.Item, f.Reason))
	}
	if !slices.Equal(got, want) {
		h.t.Fatalf("of %+v failed %v, want %v", items, got, want)
	}
}

func (h *history) create(i int) {
	h.wishes(i, false, func(w *userWish) directory.Reason {
		if w.email == "no address" {
			return directory.ReasonInvalidID
		}
		if _, exists := h.model[i][w.email]; exists {
			return directory.ReasonUserExists
		}
		if reason := w.judgeObjects(); reason != "" {
			return reason
		}
		if h.holderOf(i, w.orgID) != "" {
			return directory.ReasonOrgUserIDIsUsed
		}
		m := newcomer("")
		w.apply(&m)
		h.model[i][w.email] = m
		return ""
	})
}

func (h *history) change(i int) {
	h.wishes(i, true, func(w *userWish) directory.Reason {
		email := w.email
		if email == "" {
			email = h.holderOf(i, w.orgID)
		}
		m, exists := h.model[i][email]
		switch holder := h.holderOf(i, w.orgID); {
		case w.email == "no address":
			return directory.ReasonInvalidID
		case !exists:
			return directory.ReasonUserNotFound
		case w.judgeObjects() != "":
			return w.judgeObjects()
		case holder != "" && holder != email:
			return directory.ReasonOrgUserIDIsUsed
		}
		w.apply(&m)
		h.model[i][email] = m
		return ""
	})
}

// access sets flags of some, or of nobody when one of them is a stranger.
func (h *history) access(i int) {
	emails := h.live(i)
	stranger := rapid.IntRange(0, 4).Draw(h.t, "stranger") == 0
	if stranger {
		emails = append(emails, strangerAddress)
	}
	refs := make([]directory.UserRef, len(emails))
	for n, email := range emails {
		refs[n].Text = strings.ToUpper(email)
	}
	c := roster.AccessChange{CanCreateBot: maybe.Draw(h.t, "canCreateBot"), IsDeveloper: maybe.Draw(h.t, "isDeveloper"), TableAccess: maybe.Draw(h.t, "tables")}
	err := h.roster.SetAccess(ctxBackground, auth.Operator(), h.account[i], refs, c, "")
	if stranger != errors.Is(err, directory.ErrNotFound) || !stranger && err != nil {
		h.t.Fatalf("access of %q: %v", emails, err)
	}
	if stranger {
		return
	}
	h.update(i, emails, func(m *lived) {
		flags := []byte(m.Flags)
		for at, flag := range []*bool{c.CanCreateBot, c.IsDeveloper, c.TableAccess} {
			if flag != nil {
				flags[at] = map[bool]byte{false: '0', true: '1'}[*flag]
			}
		}
		m.Flags = string(flags)
	})
}

// assign gives a role to members and groups and takes it from others, and names
// strangers and groups that are not there.
func (h *history) assign(i int) {
	kind, bot := directory.AdminRole, made{}
	if len(h.bots[i]) > 0 && rapid.Bool().Draw(h.t, "role in a bot") {
		kind, bot = directory.BotRole, rapid.SampledFrom(h.bots[i]).Draw(h.t, "bot")
	}
	users := func(what string) (emails []string, refs []directory.UserRef) {
		for range rapid.IntRange(0, 2).Draw(h.t, what) {
			email := rapid.SampledFrom(append(h.live(i), strangerAddress)).Draw(h.t, what)
			emails = append(emails, email)
			refs = append(refs, directory.UserRef{Text: " " + strings.ToUpper(email)})
		}
		return emails, refs
	}
	ref := h.roleRefs(i, []made{bot})[0]
	item := directory.RoleAssignment{RoleID: ref.RoleID, BotID: ref.BotID}
	var add, remove []string
	add, item.AddUsers = users("add users")
	remove, item.RemoveUsers = users("remove users")
	addGroups, removeGroups := namesOf(h.pick(h.groups[i], "add groups")), namesOf(h.pick(h.groups[i], "remove groups"))
	item.AddGroups, item.RemoveGroups = addGroups, removeGroups
	failures, err := h.roster.AssignRoles(ctxBackground, auth.Operator(), h.account[i], kind, []directory.RoleAssignment{item}, "")
	h.must(err)
	want := directory.Reason("")
	for _, part := range []struct{ users, groups []string }{{remove, removeGroups}, {add, addGroups}} { // the first that is checked comes last here
		if slices.Contains(part.groups, unknown) {
			want = directory.ReasonGroupNotFound
		}
		if slices.Contains(part.users, strangerAddress) {
			want = directory.ReasonUserNotFound
		}
	}
	if (failures[0] == nil) != (want == "") || want != "" && failures[0].Reason != want {
		h.t.Fatalf("assignment of %+v: %+v, want %q", item, failures[0], want)
	}
	if want != "" {
		return
	}
	for _, email := range slices.Concat(add, remove) {
		h.update(i, []string{email}, func(m *lived) {
			m.Roles = both(m.Roles, []string{bot.name}, nil)
			if slices.Contains(remove, email) {
				m.Roles = without(m.Roles, bot.name)
			}
		})
	}
	for _, group := range addGroups {
		h.grants[i][groupGrant{group, bot.name}] = true
	}
	for _, group := range removeGroups {
		delete(h.grants[i], groupGrant{group, bot.name})
	}
}

// within are a group and all that it is nested in, by however many steps.
func (h *history) within(i int, group string, into map[string]bool) {
	if into[group] {
		return
	}
	into[group] = true
	for n := range h.nested[i] {
		if n.child == group {
			h.within(i, n.parent, into)
		}
	}
}

// nest puts a group into another, or takes it out where it is.
func (h *history) nest(i int) {
	c, p := h.take(h.groups[i]), h.take(h.groups[i])
	if c < 0 {
		return
	}
	child, parent := h.groups[i][c], h.groups[i][p]
	n := nesting{child.name, parent.name}
	if h.nested[i][n] {
		changed, err := h.roster.UnnestGroup(ctxBackground, auth.Operator(), h.account[i], child.id, parent.id)
		h.must(errors.Join(err, wantDone(changed, nil)))
		delete(h.nested[i], n)
		return
	}
	above := map[string]bool{}
	h.within(i, parent.name, above)
	_, err := h.roster.NestGroup(ctxBackground, auth.Operator(), h.account[i], child.id, parent.id)
	if circle := above[child.name]; circle != (err != nil) {
		h.t.Fatalf("nest %s in %s, a circle: %v; %v", child.name, parent.name, circle, err)
	} else if !circle {
		h.nested[i][n] = true
	}
}

// read reads all people of the history as a client does, members or not, with the
// roles that they have by themself, by owning something and by groups.
func (h *history) read(i int) {
	people := append(slices.Clone(historyPeople), "owner@0.io", "owner@1.io", "nobody@h.io", strangerAddress)
	refs := make([]directory.UserRef, len(people))
	for n, email := range people {
		refs[n].Text = email
	}
	views, err := h.roster.ReadUsers(ctxBackground, auth.Operator(), h.account[i], refs)
	h.must(err)
	for n, email := range people {
		m, exists := h.model[i][email]
		if exists != (views[n] != nil) {
			h.t.Fatalf("%s is a member: %v, read %+v", email, exists, views[n])
		}
		if !exists {
			continue
		}
		if got, want := viewLine(views[n]), h.viewOf(i, email, m); got != want {
			h.t.Fatalf("read\n     %s\nwant %s", got, want)
		}
	}
}

// viewLine is what is read of a member in one line.
func viewLine(v *directory.UserView) string {
	var groups, roles []string
	for _, g := range v.Access.Groups {
		groups = append(groups, g.Name)
	}
	for _, grant := range v.Access.Roles {
		bot, by := "", []string{}
		if grant.Bot != nil {
			bot = grant.Bot.Name
		}
		for _, g := range grant.Groups {
			by = append(by, g.Name)
		}
		slices.Sort(by)
		roles = append(roles, fmt.Sprintf("%s %q direct %v by %q", grant.Role.Name, bot, grant.Direct, by))
	}
	slices.Sort(groups)
	slices.Sort(roles)
	flags := []byte("000")
	for at, flag := range []bool{v.Flags.CanCreateBot, v.Flags.IsDeveloper, v.Flags.TableAccess} {
		if flag {
			flags[at] = '1'
		}
	}
	return fmt.Sprintf("%s %q %q %s %q %q %d tasks", strings.ToLower(v.Email), v.OrgUserID, v.Profile.FirstName, flags, groups, roles, len(v.Tasks))
}

// viewOf is the same by the model.
func (h *history) viewOf(i int, email string, m lived) string {
	type key struct{ role, bot string }
	direct, by := map[key]bool{}, map[key][]string{}
	roleOf := func(bot string) key {
		if bot == "" {
			return key{directory.RoleAdmin, ""}
		}
		return key{directory.RoleBotTester, bot}
	}
	for _, bot := range m.Roles {
		direct[roleOf(bot)] = true
	}
	if email == h.owner[i] {
		direct[roleOf("")] = true
	}
	for _, bot := range h.bots[i] {
		if bot.owner == email {
			direct[key{directory.RoleBotOwner, bot.name}] = true
		}
	}
	in := map[string]bool{}
	for _, group := range m.Groups {
		h.within(i, group, in)
	}
	for grant := range h.grants[i] {
		if in[grant.group] {
			by[roleOf(grant.bot)] = append(by[roleOf(grant.bot)], grant.group)
		}
	}
	all := maps.Clone(direct)
	for k := range by {
		all[k] = true
	}
	var roles []string
	for k := range all {
		slices.Sort(by[k])
		roles = append(roles, fmt.Sprintf("%s %q direct %v by %q", k.role, k.bot, direct[k], by[k]))
	}
	slices.Sort(roles)
	return fmt.Sprintf("%s %q %q %s %q %q %d tasks", email, m.OrgID, m.First, m.Flags, m.Groups, roles, len(m.Tasks))
}
