package publicapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// object is a JSON object to be sent.
type object = map[string]any

// filled is what a client knows of a user whom it has made.
type filled struct {
	email, orgID      string
	profile           map[string]string // by the names of the wire
	canBot, developer bool
	groups            map[string]bool // by name
	roles             map[botRole]bool
	tasks             map[string][]string // name of a bot -> dialogs
}

// botRole is a role by name, in a bot where there is one.
type botRole struct{ role, bot string }

// The texts of a profile, as the wire names them.
var profileKeys = []string{
	"firstName", "lastName", "companyName", "dept", "companyContactPhone", "worknumber", "street", "suiteNo", "city", "zip", "state", "country",
}

// roundTrip fills an account by the API alone, beside a model of it.
type roundTrip struct {
	*world
	random   *rand.Rand
	users    []*filled
	roleApp  rostertest.App
	auditApp rostertest.App

	groupIDs, botIDs, roleIDs map[string]string // by name
	groupRoles                map[string]bool   // groups that have the admin role
	newcomers                 int
	leavers                   []string // newcomers who have not left
}

var (
	tripGroups = []string{"Berlin", "Lima", "Oslo", "Pune & <Co>"}
	tripBots   = []string{"Desk", "Head", "Mail & <Post>"}
	tripRoles  = []string{"Bot Owner", "Bot Developer", "Bot Tester"}
)

// newRoundTrip makes what the API has no call for: groups and bots.
func newRoundTrip(w *world, seed uint64) *roundTrip {
	w.T.Helper()
	r := &roundTrip{
		world: w, random: rand.New(rand.NewPCG(seed, 0)), roleApp: w.roleApp(w.account), auditApp: w.auditApp(),
		groupIDs: map[string]string{}, botIDs: map[string]string{"": ""}, roleIDs: map[string]string{}, groupRoles: map[string]bool{},
	}
	for _, name := range tripGroups {
		r.groupIDs[name] = w.group(name)
	}
	for i, id := range []string{"$DESK", "$HEAD", "$MAIL"} {
		r.botIDs[tripBots[i]] = w.vars[id]
	}
	for _, name := range append([]string{"admin"}, tripRoles...) {
		r.roleIDs[name] = w.roleID(name)
	}
	return r
}

// some draws up to n of a list.
func some[T any](r *rand.Rand, list []T, n int) []T {
	picked := slices.Clone(list)
	r.Shuffle(len(picked), func(i, k int) { picked[i], picked[k] = picked[k], picked[i] })
	return picked[:min(r.IntN(n+1), len(picked))]
}

func (r *roundTrip) chance(percent int) bool { return r.random.IntN(100) < percent }

// anyRoles draws up to three roles.
func (r *roundTrip) anyRoles() (roles []botRole) {
	for range r.random.IntN(4) {
		role := botRole{role: "admin"}
		if r.chance(80) {
			role = botRole{tripRoles[r.random.IntN(len(tripRoles))], tripBots[r.random.IntN(len(tripBots))]}
		}
		roles = append(roles, role)
	}
	return roles
}

// text draws a text that has to be quoted, or is not of ASCII, or neither.
func (r *roundTrip) text() string {
	return []string{"x", "Zoë", "O'Neil \"Q\"", "<b>&", "名前", "a\\b/c", "  spaced  "}[r.random.IntN(7)] + strconv.Itoa(r.random.IntN(100))
}

// The parts of an item, as they are sent.

func (r *roundTrip) sentGroups(names []string) []string {
	ids := []string{}
	for _, name := range names {
		ids = append(ids, r.groupIDs[name])
	}
	return ids
}

func (r *roundTrip) sentRoles(roles []botRole) []object {
	out := []object{}
	for _, role := range roles {
		o := object{"roleId": r.roleIDs[role.role]}
		if role.bot != "" {
			o[[]string{"botId", "streamId"}[r.random.IntN(2)]] = r.botIDs[role.bot]
		}
		out = append(out, o)
	}
	return out
}

// sentTasks draws tasks for a user and returns how they are sent.
func (r *roundTrip) sentTasks(u *filled) []object {
	u.tasks = map[string][]string{}
	out := []object{}
	for _, bot := range some(r.random, tripBots, 2) {
		task := object{[]string{"botId", "streamId"}[r.random.IntN(2)]: r.botIDs[bot]}
		u.tasks[bot] = nil
		if r.chance(50) {
			u.tasks[bot] = []string{"dg-1", "dg-2"}[:1+r.random.IntN(2)]
			task["dialogs"] = u.tasks[bot]
		}
		out = append(out, task)
	}
	return out
}

// newUser draws the i-th user and returns how they are sent.
func (r *roundTrip) newUser(i int) (*filled, object) {
	u := &filled{
		email: fmt.Sprintf("User.%05d@example.com", i), profile: map[string]string{}, canBot: true, developer: true,
		groups: map[string]bool{}, roles: map[botRole]bool{},
	}
	info := object{"emailId": u.email}
	if r.chance(70) {
		u.orgID = fmt.Sprintf("T%05d", i)
		info["orgUserId"] = u.orgID
	}
	for _, key := range some(r.random, profileKeys, 4) {
		u.profile[key] = r.text()
		info[key] = u.profile[key]
	}
	groups, roles := some(r.random, tripGroups, 3), r.anyRoles()
	for _, g := range groups {
		u.groups[g] = true
	}
	for _, role := range roles {
		u.roles[role] = true
	}
	item := object{"userInfo": info, "groups": r.sentGroups(groups), "roles": r.sentRoles(roles), "assignBotTasks": r.sentTasks(u)}
	r.flags(u, item)
	return u, item
}

// flags draws flags of a user, or leaves them away.
func (r *roundTrip) flags(u *filled, item object) {
	if r.chance(30) {
		u.canBot = r.chance(50)
		item["canCreateBot"] = u.canBot
	}
	if r.chance(30) {
		u.developer = r.chance(50)
		item["isDeveloper"] = u.developer
	}
}

// changed draws a change of a user and returns how it is sent.
func (r *roundTrip) changed(u *filled) object {
	info, item := object{}, object{}
	switch {
	case u.orgID != "" && r.chance(40):
		info["orgUserId"] = u.orgID
	case r.chance(30):
		u.orgID = "N" + u.email[5:10]
		info["orgUserId"] = u.orgID
		fallthrough
	default:
		info["emailId"] = strings.ToUpper(u.email)
	}
	for _, key := range some(r.random, profileKeys, 3) {
		u.profile[key] = r.text()
		info[key] = u.profile[key]
	}
	item["userInfo"] = info
	if r.chance(60) {
		add, remove := some(r.random, tripGroups, 2), some(r.random, tripGroups, 2)
		item["groups"] = object{"addTo": r.sentGroups(add), "removeFrom": r.sentGroups(remove)}
		for _, g := range add {
			u.groups[g] = true
		}
		for _, g := range remove {
			delete(u.groups, g)
		}
	}
	if r.chance(60) {
		add, remove := r.anyRoles(), append(r.anyRoles(), some(r.random, slices.Collect(maps.Keys(u.roles)), 1)...)
		item["roles"] = object{"addTo": r.sentRoles(add), "removeFrom": r.sentRoles(remove)}
		for _, role := range add {
			u.roles[role] = true
		}
		for _, role := range remove {
			delete(u.roles, role)
		}
	}
	if r.chance(30) {
		item["assignBotTasks"] = r.sentTasks(u)
	}
	r.flags(u, item)
	return item
}

// ask sends a body and compares the answer.
func (r *roundTrip) ask(method, path string, app rostertest.App, body any, want string) {
	if err := r.try(method, path, app, body, want); err != nil {
		r.T.Fatal(err)
	}
}

// try is ask for those who do not run the test.
func (r *roundTrip) try(method, path string, app rostertest.App, body any, want string) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	got := r.Do(rostertest.Request{Method: method, Path: path, Body: string(text), Token: app.Token(nil)})
	if got.Status != 200 || got.Body != want {
		return fmt.Errorf("%s %s: answered %d %.300s, want %.300s", method, path, got.Status, got.Body, want)
	}
	return nil
}

// fill makes n users by three calls, changes half of them by three more, and gives
// and takes roles and flags by the other calls.
func (r *roundTrip) fill(n int) {
	var made, changes []any
	for i := range n {
		u, item := r.newUser(i)
		r.users = append(r.users, u)
		made = append(made, item)
	}
	for part := range slices.Chunk(made, n/3+1) {
		r.ask(http.MethodPost, "/api/public/users", r.app, object{"users": part}, created)
	}
	for _, u := range r.users {
		if r.chance(50) {
			changes = append(changes, r.changed(u))
		}
	}
	for part := range slices.Chunk(changes, n/5) {
		r.ask(http.MethodPut, "/api/public/users", r.app, object{"users": part}, updated)
	}
	for _, role := range tripRoles {
		for _, bot := range tripBots {
			r.assignTo(botRole{role, bot})
		}
	}
	r.assignTo(botRole{role: "admin"})
	r.access()
}

// assignTo gives a role to some users, by address and by org id, and takes it from
// others; the admin role goes to a group as well.
func (r *roundTrip) assignTo(role botRole) {
	lists := map[string][]string{}
	for _, u := range r.users {
		key := []string{"addUsers", "removeUsers"}[r.random.IntN(2)]
		if !r.chance(20) {
			continue
		}
		u.roles[role] = key == "addUsers"
		if !u.roles[role] {
			delete(u.roles, role)
		}
		if u.orgID != "" && r.chance(30) {
			key = map[string]string{"addUsers": "addOrgUserIds", "removeUsers": "removeOrgUserIds"}[key]
			lists[key] = append(lists[key], u.orgID)
			continue
		}
		lists[key] = append(lists[key], u.email)
	}
	item := object{"roleId": r.roleIDs[role.role]}
	path := "/api/public/btroles/assignments/"
	if role.bot != "" {
		item["botId"] = r.botIDs[role.bot]
	} else {
		path = "/api/public/adminroles/assignments/"
		group := tripGroups[r.random.IntN(len(tripGroups))]
		lists["addGroups"] = []string{group}
		r.groupRoles[group] = true
	}
	for key, list := range lists {
		item[key] = list
	}
	r.ask(http.MethodPost, path, r.roleApp, []any{item}, "["+assigned(r.roleIDs[role.role])+"]")
}

// access sets flags of some users by the call for that.
func (r *roundTrip) access() {
	var named []string
	for _, u := range r.users {
		if r.chance(10) {
			u.canBot, u.developer = false, true
			named = append(named, strings.ToUpper(u.email))
		}
	}
	if len(named) > 0 {
		r.ask(http.MethodPost, "/api/public/useraccess", r.roleApp, object{"emailIds": named, "canCreateBot": false, "isDeveloper": true}, `["SUCCESS"]`)
	}
}

// change adds five newcomers, and with leave removes three of those who are there.
func (r *roundTrip) change(leave bool) error {
	var items []any
	for range 5 {
		r.newcomers++
		email := fmt.Sprintf("newcomer.%05d@example.com", r.newcomers)
		items = append(items, object{"userInfo": object{"emailId": email}})
		r.leavers = append(r.leavers, email)
	}
	if err := r.try(http.MethodPost, "/api/public/users", r.app, object{"users": items}, created); err != nil || !leave {
		return err
	}
	out := r.leavers[:3]
	r.leavers = r.leavers[3:]
	return r.try(http.MethodDelete, "/api/public/users", r.app, object{"deleteEmailIds": out}, `{"msg":"Users are removed Successfully"}`)
}

// page reads a page of the list of users.
func (r *roundTrip) page(n int) (users []rolesRead, more bool) {
	got := r.Do(rostertest.Request{Method: http.MethodGet, Path: fmt.Sprintf("%s?offset=%d", userRolesPath, n), Token: r.roleApp.Token(nil)})
	var page struct {
		AvailableMore bool        `json:"availableMore"`
		Users         []rolesRead `json:"users"`
	}
	if err := json.Unmarshal([]byte(got.Body), &page); err != nil || got.Status != 200 {
		r.T.Fatalf("page %d: answered %d %.300s", n, got.Status, got.Body)
	}
	return page.Users, page.AvailableMore
}

// walk lists all users by pages, while others come, and go where leave says so,
// beside each page. Each user of the model is listed once, as the model has them;
// as long as nobody goes nobody is listed twice.
func (r *roundTrip) walk(leave bool) {
	seen, listed := map[string]int{}, map[string]*rolesRead{}
	for n, more := 0, true; more; n++ {
		var wg sync.WaitGroup
		var err error
		wg.Go(func() { err = r.change(leave) })
		var users []rolesRead
		users, more = r.page(n)
		wg.Wait()
		if err != nil {
			r.T.Fatal(err)
		}
		for i := range users {
			seen[users[i].Username]++
			listed[users[i].Username] = &users[i]
		}
	}
	for _, u := range r.users {
		got := listed[u.email]
		if seen[u.email] != 1 {
			r.T.Fatalf("%s is listed %d times", u.email, seen[u.email])
		}
		if got.OrgUserID != u.orgID || got.CanCreateBot != u.canBot || got.IsDeveloper != u.developer || r.rolesLine(got.BtRoles, got.AdminRoles) != r.rolesOf(u) {
			r.T.Fatalf("listed %+v, want %+v with %s", got, u, r.rolesOf(u))
		}
	}
	for email, times := range seen {
		if times > 1 && !leave {
			r.T.Fatalf("%s is listed %d times", email, times)
		}
	}
}

// leave removes all users of the model: they are out of every list.
func (r *roundTrip) leave() {
	var named []string
	for _, u := range r.users {
		named = append(named, u.email)
	}
	for part := range slices.Chunk(named, len(named)/2+1) {
		r.ask(http.MethodDelete, "/api/public/users", r.app, object{"deleteEmailIds": part}, `{"msg":"Users are removed Successfully"}`)
	}
	for n, more := 0, true; more; n++ {
		var users []rolesRead
		users, more = r.page(n)
		for _, u := range users {
			if strings.HasPrefix(u.Username, "User.") {
				r.T.Fatalf("%s was removed and is listed", u.Username)
			}
		}
	}
	r.users = nil
	r.groupsBack()
}

// logged counts the records of the audit log by their names, a page at a time.
func (r *roundTrip) logged() map[string]int {
	names, ids := map[string]int{}, map[string]bool{}
	for n, more := 0, true; more; n++ {
		page := r.auditLogs(r.auditApp, fmt.Sprintf("?offset=%d", n))
		more = page.More
		for _, e := range page.Logs {
			if ids[e.ID] {
				r.T.Fatalf("record %s is listed twice", e.ID)
			}
			ids[e.ID] = true
			names[e.Name]++
		}
	}
	return names
}

// TestRoundTrip fills an account by the API alone: users are made, changed, given
// groups, roles, tasks and flags, read back as they are, listed by pages without a
// gap or a repetition while others come and go, and removed; each of them is in the
// audit log, which is whole. The long form has 10,000 users.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	users := storetest.Count(100, 5000)
	storetest.Each(t, func(t *testing.T, dsn string) {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		w := start(t, dsn, rostertest.Options{})
		r := newRoundTrip(w, seed)
		before := r.logged()
		r.fill(users)
		r.readBack()
		r.walk(false)
		r.walk(true)
		r.groupsBack()
		r.readBack()
		r.leave()
		log := r.logged()
		made, gone := log["User Created"]-before["User Created"], log["User Deleted"]-before["User Deleted"]
		if left := len(r.leavers); made != users+r.newcomers || gone != users+r.newcomers-left {
			t.Errorf("the audit log has %d users made and %d removed, of %d and %d newcomers of whom %d are left", made, gone, users, r.newcomers, left)
		}
	})
}
