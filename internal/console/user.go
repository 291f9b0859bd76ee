package console

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/web"
)

// historyOnPage is how many records of a user's history a page has.
const historyOnPage = 50

// userView is a user's page.
type userView struct {
	directory.UserDetails
	Self    bool // whoever looks is this user
	History *historyView
}

// removedUserView is the page of somebody who is out.
type removedUserView struct {
	directory.Member
	Removal removalView
	History *historyView
}

// historyView is a part of what the audit log says of a user.
type historyView struct {
	UserID  string
	Sees    bool // whoever looks may see the audit log
	Entries []historyEntry
	// Before is the position that the entries go back from, empty for the newest; Next
	// is that of what is older, empty when there is nothing.
	Before, Next string
}

// historyEntry is an audit record as the page shows it.
type historyEntry struct {
	directory.AuditRecord
	Changes []fieldChange
}

// fieldChange is a field before and after a change; empty for none.
type fieldChange struct {
	Field, Before, After string
	Made                 bool // with what it is about, so there was nothing before
}

func (q *request) userPage() error {
	user, err := q.roster.User(q.r.Context(), q.caller, q.account(), q.values["user"])
	if errors.Is(err, directory.ErrNotFound) {
		return q.removedUserPage()
	}
	if err != nil {
		return err
	}
	v := userView{UserDetails: user, Self: user.PersonID == q.session.Person}
	if v.History, err = q.history(v.UserID); err != nil {
		return err
	}
	return q.show("user", v.Name(), &v)
}

func (q *request) removedUserPage() error {
	ctx := q.r.Context()
	user, err := q.roster.RemovedUser(ctx, q.caller, q.account(), q.values["user"])
	if err != nil {
		return err
	}
	v := removedUserView{Member: user.Member, Removal: removalView{Now: q.roster.Now().UnixMicro()}}
	if v.Removal.RemovalRecord, err = q.roster.Removal(ctx, q.caller, q.account(), user.Removal); err != nil {
		return err
	}
	if v.History, err = q.history(user.UserID); err != nil {
		return err
	}
	return q.show("removeduser", v.Name(), &v)
}

// history reads the part of a user's history that the query asks for.
func (q *request) history(userID string) (*historyView, error) {
	v := &historyView{UserID: userID, Before: q.r.URL.Query().Get("before")}
	if v.Sees = q.session.In.Rights.Allow(directory.RightAudit.See()); !v.Sees {
		return v, nil
	}
	var before *directory.AuditPosition
	if v.Before != "" {
		position, err := directory.ParseAuditID(v.Before)
		if err != nil {
			return nil, errNoPage
		}
		before = &position
	}
	history, err := q.roster.UserHistory(q.r.Context(), q.caller, q.account(), userID, before, historyOnPage)
	if err != nil {
		return nil, err
	}
	for _, record := range history.Records {
		v.Entries = append(v.Entries, historyEntry{record, fieldChanges(record.Change)})
	}
	if history.Next != nil {
		v.Next = history.Next.ID()
	}
	return v, nil
}

// fieldChanges reads what an audit record says was changed, by field. What it
// cannot read it leaves out: a page is no place to mend the log.
func fieldChanges(change []byte) (all []fieldChange) {
	var sides struct {
		Before map[string]json.RawMessage `json:"before"`
		After  map[string]json.RawMessage `json:"after"`
	}
	if len(change) == 0 || json.Unmarshal(change, &sides) != nil {
		return nil
	}
	names := map[string]bool{}
	for _, side := range []map[string]json.RawMessage{sides.Before, sides.After} {
		for name := range side {
			names[name] = true
		}
	}
	for name := range names {
		field := cmp.Or(fieldLabels[name], name)
		all = append(all, fieldChange{field, inWords(sides.Before[name]), inWords(sides.After[name]), sides.Before == nil})
	}
	slices.SortFunc(all, func(x, y fieldChange) int { return cmp.Compare(x.Field, y.Field) })
	return all
}

// inWords is a value of an audit record as people read it; empty where there is
// none.
func inWords(value json.RawMessage) string {
	var text string
	var flag bool
	var tasks []struct {
		BotID   string   `json:"botId"`
		Dialogs []string `json:"dialogs"`
	}
	switch {
	case len(value) == 0:
	case json.Unmarshal(value, &text) == nil:
		return text
	case json.Unmarshal(value, &flag) == nil:
		if flag {
			return "yes"
		}
		return "no"
	case json.Unmarshal(value, &tasks) == nil:
		words := make([]string, len(tasks))
		for i, task := range tasks {
			words[i] = task.BotID + " (" + cmp.Or(strings.Join(task.Dialogs, ", "), "all dialogs") + ")"
		}
		return strings.Join(words, ", ")
	}
	return string(value)
}

// fieldLabels are what a page calls what can be changed of a user, by the names on
// the wire.
var fieldLabels = map[string]string{
	"ownerId": "Owner", "emailId": "Email Id", "orgUserId": "Org user id", "status": "Status",
	"canCreateBot": "Creates bots", "isDeveloper": "Developer", "hasDataTableAndViewAccess": "Data tables", "assignBotTasks": "Bot tasks",
	"firstName": "First name", "lastName": "Last name", "companyName": "Company", "dept": "Department",
	"companyContactPhone": "Company phone", "worknumber": "Work number", "street": "Street", "suiteNo": "Suite",
	"city": "City", "zip": "Zip", "state": "State", "country": "Country",
}

// labelled is something about a user, under its label.
type labelled struct{ Label, Text string }

// Filled are the fields of the profile that hold anything.
func (v *userView) Filled() (all []labelled) {
	for _, field := range v.Profile.Fields() {
		if *field.Text != "" {
			all = append(all, labelled{fieldLabels[field.Name], *field.Text})
		}
	}
	return all
}

// HeldBy is by what the user has a role besides groups, empty for nothing. Who owns
// the account or a bot has a role by that, whether it was given to them or not.
func (v *userView) HeldBy(grant directory.RoleGrant) string {
	switch {
	case !grant.Direct:
		return ""
	case grant.Bot == nil && v.Owner && grant.Role.Name == directory.RoleAdmin:
		return "as the owner of the account"
	case grant.Bot != nil && grant.Bot.Owner == v.ID && grant.Role.Name == directory.RoleBotOwner:
		return "as the owner of the bot"
	}
	return "directly"
}

// statusButton is a change of status that the page offers.
type statusButton struct{ Change, Label string }

// StatusButtons are the changes of status that make sense. Nobody is offered to
// suspend the owner, who cannot be, or themself.
func (v *userView) StatusButtons() (all []statusButton) {
	for _, change := range roster.StatusChanges(v.Status) {
		if change == roster.Suspend && (v.Owner || v.Self) {
			continue
		}
		text := string(change)
		all = append(all, statusButton{text, strings.ToUpper(text[:1]) + text[1:]})
	}
	return all
}

// doneUser redirects to a user's page, which says what was done.
func (q *request) doneUser(flash string) error {
	q.setCookie(flashCookie, flash, 60)
	http.Redirect(q.w, q.r, link("users", q.values["user"]), http.StatusSeeOther)
	return nil
}

func (q *request) changeStatus() error {
	ctx := q.r.Context()
	user, err := q.roster.User(ctx, q.caller, q.account(), q.values["user"])
	if err != nil {
		return err
	}
	change := roster.StatusChange(q.r.PostForm.Get("change"))
	if !slices.Contains([]roster.StatusChange{roster.Activate, roster.Suspend, roster.Unlock}, change) {
		return errForm
	}
	refs := []directory.UserRef{{Text: user.Email}}
	changed, err := q.roster.ChangeStatus(ctx, q.caller, q.account(), refs, change, web.RequestID(ctx))
	if err != nil {
		return err
	}
	if changed == 0 {
		return q.doneUser("user-same")
	}
	return q.doneUser("user-" + string(change))
}

func (q *request) endUserSessions() error {
	ended, err := q.roster.EndUserSessions(q.r.Context(), q.caller, q.account(), q.values["user"])
	if err != nil {
		return err
	}
	if ended == 0 {
		return q.doneUser("sessions-none")
	}
	return q.doneUser("sessions-ended")
}
