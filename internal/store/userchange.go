package store

import (
	"slices"
	"strconv"

	"roster/internal/directory"
)

// createdBody is what the audit log keeps of a member who was made: what is set.
func createdBody(m *directory.NewMember) []byte {
	b := appendJSON([]byte(`{"after":{"emailId":`), m.Email.Address)
	state := directory.MemberState{OrgUserID: m.OrgUserID, Profile: m.Profile, Status: m.Status, Flags: m.Flags, Tasks: m.Tasks}
	b = appendDifferences(b, ",", &state, &directory.MemberState{})
	return append(b, "}}"...)
}

// modifiedBody is what the audit log keeps of a member who was changed: what
// differs, before and after.
func modifiedBody(m *directory.MemberChange) []byte {
	b := appendDifferences([]byte(`{"before":{`), "", &m.Before, &m.After)
	b = appendDifferences(append(b, `},"after":{`...), "", &m.After, &m.Before)
	return append(b, "}}"...)
}

// appendDifferences writes what a state has other than another, under the words of
// the API. sep goes before the first.
func appendDifferences(b []byte, sep string, s, other *directory.MemberState) []byte {
	key := func(name string) {
		b = append(append(append(b, sep...), '"'), name...)
		b = append(b, `":`...)
		sep = ","
	}
	text := func(name, is, was string) {
		if is != was {
			key(name)
			b = appendJSON(b, is)
		}
	}
	flag := func(name string, is, was bool) {
		if is != was {
			key(name)
			b = strconv.AppendBool(b, is)
		}
	}
	text("orgUserId", s.OrgUserID, other.OrgUserID)
	were := other.Profile.Fields()
	for i, field := range s.Profile.Fields() {
		text(field.Name, *field.Text, *were[i].Text)
	}
	text("status", string(s.Status), string(other.Status))
	flag("canCreateBot", s.Flags.CanCreateBot, other.Flags.CanCreateBot)
	flag("isDeveloper", s.Flags.IsDeveloper, other.Flags.IsDeveloper)
	flag("hasDataTableAndViewAccess", s.Flags.TableAccess, other.Flags.TableAccess)
	if !slices.EqualFunc(s.Tasks, other.Tasks, directory.BotTask.Equal) {
		key("assignBotTasks")
		b = appendTasks(b, s.Tasks)
	}
	return b
}

func appendTasks(b []byte, tasks []directory.BotTask) []byte {
	b = append(b, '[')
	for i := range tasks {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSON(append(b, `{"botId":`...), tasks[i].BotID)
		b = append(append(b, `,"dialogs":`...), jsonTexts(tasks[i].Dialogs)...)
		b = append(b, '}')
	}
	return append(b, ']')
}
