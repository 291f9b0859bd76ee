package publicapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// What is read back.

type grantRead struct {
	RoleID   string `json:"roleId"`
	RoleName string `json:"roleName"`
	BotID    string `json:"botId"`
	BotName  string `json:"botName"`
	Groups   []struct {
		GroupName string `json:"groupName"`
	} `json:"groups"`
}

type infoRead struct {
	CanCreateBot bool `json:"canCreateBot"`
	IsDeveloper  bool `json:"isDeveloper"`
	UserInfo     struct {
		EmailID   string `json:"emailId"`
		FirstName string `json:"firstName"`
		LastName  string `json:"lastName"`
		Status    string `json:"status"`
	} `json:"userInfo"`
	Roles struct {
		BtRoles    []grantRead `json:"btRoles"`
		AdminRoles []grantRead `json:"adminRoles"`
	} `json:"roles"`
	AssignBotTasks []struct {
		BotID   string   `json:"botId"`
		Dialogs []string `json:"dialogs"`
	} `json:"assignBotTasks"`
	Groups []struct {
		GroupID   string `json:"groupId"`
		GroupName string `json:"groupName"`
	} `json:"groups"`
}

type rolesRead struct {
	Username     string      `json:"username"`
	OrgUserID    string      `json:"orgUserId"`
	IsDeveloper  bool        `json:"isDeveloper"`
	CanCreateBot bool        `json:"canCreateBot"`
	BtRoles      []grantRead `json:"btRoles"`
	AdminRoles   []grantRead `json:"adminRoles"`
}

// rolesLine is all roles of a user in one line, each with the groups that have it.
func (r *roundTrip) rolesLine(grants ...[]grantRead) string {
	var roles []string
	for _, g := range slices.Concat(grants...) {
		if r.roleIDs[g.RoleName] != g.RoleID || r.botIDs[g.BotName] != g.BotID {
			r.T.Fatalf("a role has a wrong id: %+v", g)
		}
		var groups []string
		for _, group := range g.Groups {
			groups = append(groups, group.GroupName)
		}
		slices.Sort(groups)
		roles = append(roles, fmt.Sprintf("%s of %q by %q", g.RoleName, g.BotName, groups))
	}
	slices.Sort(roles)
	return strings.Join(roles, "; ")
}

// rolesOf is the same by the model.
func (r *roundTrip) rolesOf(u *filled) string {
	var groups, roles []string
	for g := range u.groups {
		if r.groupRoles[g] {
			groups = append(groups, g)
		}
	}
	slices.Sort(groups)
	all := maps.Clone(u.roles)
	if len(groups) > 0 {
		all[botRole{role: "admin"}] = true
	}
	for role := range all {
		var by []string
		if role.bot == "" {
			by = groups
		}
		roles = append(roles, fmt.Sprintf("%s of %q by %q", role.role, role.bot, by))
	}
	slices.Sort(roles)
	return strings.Join(roles, "; ")
}

// infoLine is an entry of /usersInfo in one line.
func (r *roundTrip) infoLine(i *infoRead) string {
	var tasks, groups []string
	for _, t := range i.AssignBotTasks {
		tasks = append(tasks, fmt.Sprintf("%s %q", t.BotID, t.Dialogs))
	}
	for _, g := range i.Groups {
		groups = append(groups, g.GroupName+" "+g.GroupID)
	}
	slices.Sort(tasks)
	slices.Sort(groups)
	return fmt.Sprintf("%q %q %q %s %v %v roles %s tasks %q groups %q", i.UserInfo.EmailID, i.UserInfo.FirstName, i.UserInfo.LastName, i.UserInfo.Status,
		i.CanCreateBot, i.IsDeveloper, r.rolesLine(i.Roles.BtRoles, i.Roles.AdminRoles), tasks, groups)
}

// infoOf is the same by the model.
func (r *roundTrip) infoOf(u *filled) string {
	var tasks, groups []string
	for bot, dialogs := range u.tasks {
		tasks = append(tasks, fmt.Sprintf("%s %q", r.botIDs[bot], dialogs))
	}
	for g := range u.groups {
		groups = append(groups, g+" "+r.groupIDs[g])
	}
	slices.Sort(tasks)
	slices.Sort(groups)
	return fmt.Sprintf("%q %q %q %s %v %v roles %s tasks %q groups %q", u.email, u.profile["firstName"], u.profile["lastName"], "not active",
		u.canBot, u.developer, r.rolesOf(u), tasks, groups)
}

// readBack compares all that can be read of each user with the model.
func (r *roundTrip) readBack() {
	var named []string
	for _, u := range r.users {
		named = append(named, u.email)
	}
	text, err := json.Marshal(object{"emailIds": named})
	if err != nil {
		r.T.Fatal(err)
	}
	got := r.Do(rostertest.Request{Method: http.MethodPost, Path: "/api/public/usersInfo", Body: string(text), Token: r.app.Token(nil)})
	var infos []infoRead
	if err := json.Unmarshal([]byte(got.Body), &infos); err != nil || len(infos) != len(r.users) {
		r.T.Fatalf("answered %d %.300s: %v", got.Status, got.Body, err)
	}
	for i, u := range r.users {
		if got, want := r.infoLine(&infos[i]), r.infoOf(u); got != want {
			r.T.Fatalf("read back\n     %s\nwant %s", got, want)
		}
	}
	r.profilesBack()
}

// profilesBack compares what is kept and not on the wire: most texts of a profile.
func (r *roundTrip) profilesBack() {
	rows, err := storetest.SQL(r.T, r.DSN).Query(`SELECT f.email, COALESCE(m.org_user_id, ''), f.first_name, f.last_name, f.company_name, f.department,
  f.company_contact_phone, f.work_number, f.street, f.suite_number, f.city, f.zip, f.state, f.country
FROM live_members m JOIN accounts a ON a.id = m.account_id JOIN member_profiles f ON f.account_id = m.account_id AND f.member_id = m.id
WHERE a.public_id = $1 AND f.email LIKE 'User.%'`, r.account)
	if err != nil {
		r.T.Fatal(err)
	}
	defer rows.Close()
	kept := map[string][]string{}
	for rows.Next() {
		line := make([]string, 2+len(profileKeys))
		into := make([]any, len(line))
		for i := range line {
			into[i] = &line[i]
		}
		if err := rows.Scan(into...); err != nil {
			r.T.Fatal(err)
		}
		kept[line[0]] = line
	}
	if err := rows.Err(); err != nil {
		r.T.Fatal(err)
	}
	for _, u := range r.users {
		want := []string{u.email, u.orgID}
		for _, key := range profileKeys {
			want = append(want, u.profile[key])
		}
		if !slices.Equal(kept[u.email], want) {
			r.T.Fatalf("kept\n     %q\nwant %q", kept[u.email], want)
		}
	}
}

// groupsBack compares the list of groups with the model.
func (r *roundTrip) groupsBack() {
	got := r.get(r.roleApp, groupsPath, nil)
	var page struct {
		Groups []struct {
			Name  string `json:"gN"`
			Count int    `json:"userCount"`
			Users []struct {
				EmailID string `json:"emailId"`
			} `json:"users"`
		} `json:"groups"`
	}
	if err := json.Unmarshal([]byte(got.Body), &page); err != nil || len(page.Groups) != len(tripGroups) {
		r.T.Fatalf("answered %d %.300s: %v", got.Status, got.Body, err)
	}
	for _, g := range page.Groups {
		var want, users []string
		for _, u := range r.users {
			if u.groups[g.Name] {
				want = append(want, u.email)
			}
		}
		for _, u := range g.Users {
			users = append(users, u.EmailID)
		}
		slices.Sort(users) // users of one call are of the same time
		if !slices.Equal(users, want) || g.Count != len(want) {
			r.T.Fatalf("%s has %d users, want %d, or others", g.Name, g.Count, len(want))
		}
	}
}
