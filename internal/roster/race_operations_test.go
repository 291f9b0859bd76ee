package roster_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
)

// operation is something that is done to an account: what it is called, what it
// does to the model and what comes of it, and how it is done.
type operation struct {
	name  string
	apply func(*directoryModel) (outcome string)
	do    func(*modelRace) (outcome string, err error)
}

func removeOp(name string, emails []string) operation {
	return operation{
		name: fmt.Sprintf("%s: remove %v", name, emails),
		apply: func(m *directoryModel) string {
			out := outcomes{}
			gone := map[string][]string{}
			for _, email := range emails {
				groups, live := m.live[email]
				switch owns := slices.Contains(slices.Collect(maps.Values(m.bots)), email); {
				case !live:
					out[email] = string(directory.ReasonUserNotFound)
				case email == m.owner:
					out[email] = string(directory.ReasonAccountOwner)
				case owns:
					out[email] = string(directory.ReasonBotOwner)
				default:
					gone[email] = groups
					delete(m.live, email)
				}
			}
			m.removed[name] = gone
			return out.String()
		},
		do: func(r *modelRace) (string, error) {
			refs := make([]directory.UserRef, len(emails))
			for i, email := range emails {
				refs[i] = directory.UserRef{Text: email}
			}
			out, err := r.roster.RemoveUsers(context.Background(), r.caller, refs, roster.RemovalOptions{})
			r.removals.set(name, out.PublicID)
			return refusals(refs, out.Refused).String(), err
		},
	}
}

func restoreOp(removal string) operation {
	return operation{
		name: "restore " + removal,
		apply: func(m *directoryModel) string {
			out := outcomes{}
			for email, groups := range m.removed[removal] {
				if _, exists := m.live[email]; exists {
					out[email] = string(directory.ReasonUserExists)
					continue
				}
				if m.holds(orgIDOf(groups), email) {
					out[email] = string(directory.ReasonOrgUserIDIsUsed)
					continue
				}
				m.live[email] = slices.DeleteFunc(slices.Clone(groups), func(g string) bool { return strings.HasPrefix(g, groupsWord) && !m.groups[g] })
				delete(m.removed[removal], email)
			}
			return out.String()
		},
		do: func(r *modelRace) (string, error) {
			out, err := r.roster.RestoreUsers(context.Background(), r.caller, "", r.removals.get(removal), nil, roster.RestoreOptions{})
			return refusals(out.Refs, out.Refused).String(), err
		},
	}
}

func createOp(emails []string) operation {
	return operation{
		name: fmt.Sprintf("create %v", emails),
		apply: func(m *directoryModel) string {
			created := 0
			for _, email := range emails {
				if _, exists := m.live[email]; !exists {
					m.live[email] = nil
					created++
				}
			}
			return strconv.Itoa(created)
		},
		do: func(r *modelRace) (string, error) {
			rows := make([]roster.ImportRow, len(emails))
			for i, email := range emails {
				rows[i] = roster.ImportRow{Line: i + 1, Email: email}
			}
			out, err := r.roster.ImportUsers(context.Background(), auth.Operator(), r.account, rows, roster.ImportOptions{SkipBad: true})
			return strconv.Itoa(out.Created), err
		},
	}
}

func groupOp(name string, emails []string) operation {
	return operation{
		name: fmt.Sprintf("%s of %v", name, emails),
		apply: func(m *directoryModel) string {
			for _, email := range emails {
				if _, live := m.live[email]; !live {
					return "not found"
				}
			}
			m.groups[name] = true
			for _, email := range emails {
				m.live[email] = with(m.live[email], name)
			}
			return ""
		},
		do: func(r *modelRace) (string, error) {
			id, err := r.roster.CreateGroup(context.Background(), auth.Operator(), r.account, name, emails)
			r.groups.set(name, id)
			return notFound(err)
		},
	}
}

// joinOp puts users into a group, or takes them out of it, all or nobody.
func joinOp(name string, emails []string, join bool) operation {
	return operation{
		name: fmt.Sprintf("%v in %s: %v", emails, name, join),
		apply: func(m *directoryModel) string {
			for _, email := range emails {
				if _, live := m.live[email]; !live {
					return "not found"
				}
			}
			if !m.groups[name] {
				return "not found"
			}
			changed := 0
			for _, email := range emails {
				if slices.Contains(m.live[email], name) == join {
					continue
				}
				changed++
				if join {
					m.live[email] = with(m.live[email], name)
				} else {
					m.live[email] = slices.DeleteFunc(slices.Clone(m.live[email]), func(g string) bool { return g == name })
				}
			}
			return strconv.Itoa(changed)
		},
		do: func(r *modelRace) (string, error) {
			change := r.roster.RemoveFromGroup
			if join {
				change = r.roster.AddToGroup
			}
			refs := make([]directory.UserRef, len(emails))
			for i, email := range emails {
				refs[i].Text = email
			}
			n, err := change(context.Background(), auth.Operator(), r.account, r.groups.get(name), refs)
			if text, err := notFound(err); err != nil || text != "" {
				return text, err
			}
			return strconv.Itoa(n), nil
		},
	}
}

func deleteGroupOp(name string) operation {
	return operation{
		name: "delete " + name,
		apply: func(m *directoryModel) string {
			if !m.groups[name] {
				return "not found"
			}
			delete(m.groups, name)
			for email, groups := range m.live {
				m.live[email] = slices.DeleteFunc(slices.Clone(groups), func(g string) bool { return g == name })
			}
			return ""
		},
		do: func(r *modelRace) (string, error) {
			return notFound(r.roster.DeleteGroup(context.Background(), auth.Operator(), r.account, r.groups.get(name)))
		},
	}
}

// transferOp gives a bot, or without one the account, to somebody.
func transferOp(bot, email string) operation {
	return operation{
		name: fmt.Sprintf("give %q to %s", bot, email),
		apply: func(m *directoryModel) string {
			if _, live := m.live[email]; !live {
				return "not found"
			}
			if bot == "" {
				m.owner = email
			} else {
				m.bots[bot] = email
			}
			return ""
		},
		do: func(r *modelRace) (string, error) {
			var err error
			if bot == "" {
				_, err = r.roster.TransferAccount(context.Background(), auth.Operator(), r.account, email)
			} else {
				_, err = r.roster.TransferBot(context.Background(), auth.Operator(), r.account, r.bots[bot], email)
			}
			return notFound(err)
		},
	}
}

func notFound(err error) (string, error) {
	if errors.Is(err, directory.ErrNotFound) {
		return "not found", nil
	}
	return "", err
}

// makeOp makes a user as the public API does, in a group where one is named. Another
// one in the same call cannot be made.
func makeOp(email, orgID, group string) operation {
	return operation{
		name: fmt.Sprintf("make %s %q in %q", email, orgID, group),
		apply: func(m *directoryModel) string {
			_, exists := m.live[email]
			switch {
			case exists:
				return string(directory.ReasonUserExists)
			case group != "" && !m.groups[group]:
				return string(directory.ReasonInvalidGroup)
			case m.holds(orgID, ""):
				return string(directory.ReasonOrgUserIDIsUsed)
			}
			m.live[email] = nil
			m.give(email, "", orgID, group)
			return ""
		},
		do: func(r *modelRace) (string, error) {
			item := directory.UserItem{Email: email, OrgUserID: orgID}
			if group != "" {
				item.AddGroups = []string{r.groups.get(group)}
			}
			failed, err := r.roster.CreateUsers(context.Background(), r.caller, "", []directory.UserItem{item}, roster.UserOptions{})
			return failures(failed), err
		},
	}
}

// give names somebody, numbers them and puts them into a group, where asked for.
func (m *directoryModel) give(email, first, orgID, group string) {
	things := slices.Clone(m.live[email])
	for word, value := range map[string]string{firstWord: first, orgIDWord: orgID} {
		if value != "" {
			things = slices.DeleteFunc(things, func(t string) bool { return strings.HasPrefix(t, word) })
			things = append(things, word+value)
		}
	}
	if group != "" {
		things = append(things, group)
	}
	slices.Sort(things)
	m.live[email] = slices.Compact(things)
}

// changeOp changes users by one call: all get the first name, and the group, or
// lose it; the first of them gets the org user id.
func changeOp(emails []string, first, orgID, group string, leave bool) operation {
	return operation{
		name: fmt.Sprintf("change %v to %q %q, group %q, leave %v", emails, first, orgID, group, leave),
		apply: func(m *directoryModel) string {
			var out []string
			for i, email := range emails {
				id := ""
				if i == 0 {
					id = orgID
				}
				_, live := m.live[email]
				switch {
				case !live:
					out = append(out, string(directory.ReasonUserNotFound))
				case group != "" && !m.groups[group]:
					out = append(out, string(directory.ReasonInvalidGroup))
				case m.holds(id, email):
					out = append(out, string(directory.ReasonOrgUserIDIsUsed))
				case leave:
					m.give(email, first, id, "")
					m.live[email] = slices.DeleteFunc(slices.Clone(m.live[email]), func(t string) bool { return t == group })
				default:
					m.give(email, first, id, group)
				}
			}
			return strings.Join(out, ", ")
		},
		do: func(r *modelRace) (string, error) {
			items := make([]directory.UserItem, len(emails))
			for i, email := range emails {
				items[i].Email = email
				if first != "" {
					items[i].Profile.FirstName, items[i].Given = first, items[i].Given.With(0)
				}
				if group != "" && leave {
					items[i].RemoveGroups = []string{r.groups.get(group)}
				} else if group != "" {
					items[i].AddGroups = []string{r.groups.get(group)}
				}
			}
			items[0].OrgUserID = orgID
			failed, err := r.roster.UpdateUsers(context.Background(), r.caller, "", items, roster.UserOptions{})
			return failures(failed), err
		},
	}
}

// failures are the reasons why items were not done.
func failures(failed []directory.UserFailure) string {
	var out []string
	for _, f := range failed {
		out = append(out, string(f.Reason))
	}
	return strings.Join(out, ", ")
}

// assignOp gives users the admin role, or takes it from them, all or nobody.
func assignOp(emails []string, add bool) operation {
	return operation{
		name: fmt.Sprintf("the admin role of %v: %v", emails, add),
		apply: func(m *directoryModel) string {
			for _, email := range emails {
				if _, live := m.live[email]; !live {
					return string(directory.ReasonUserNotFound)
				}
			}
			for _, email := range emails {
				if add {
					m.live[email] = with(m.live[email], adminRole)
				} else {
					m.live[email] = slices.DeleteFunc(slices.Clone(m.live[email]), func(t string) bool { return t == adminRole })
				}
			}
			return ""
		},
		do: func(r *modelRace) (string, error) {
			item := directory.RoleAssignment{RoleID: r.admin}
			for _, email := range emails {
				ref := directory.UserRef{Text: email}
				if add {
					item.AddUsers = append(item.AddUsers, ref)
				} else {
					item.RemoveUsers = append(item.RemoveUsers, ref)
				}
			}
			out, err := r.roster.AssignRoles(context.Background(), auth.Operator(), r.account, directory.AdminRole, []directory.RoleAssignment{item}, "")
			if err != nil || out[0] == nil {
				return "", err
			}
			return string(out[0].Reason), nil
		},
	}
}
