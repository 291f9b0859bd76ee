package directory

import (
	"slices"
	"time"
)

// UserDetails is a live member with all that there is to know of them in their
// account, but for the audit log.
type UserDetails struct {
	Member // with the whole profile
	Flags  UserFlags
	// Owner says that they own the account.
	Owner     bool
	LastLogin time.Time // zero when they never signed in
	Access    MemberAccess
	Tasks     []UserTasks // in the order of their bots
	Sessions  []Session   // those that they are in the account by, the newest first
}

// UserTasks are tasks of a bot that a member has: some dialogs, or all where there
// is none.
type UserTasks struct {
	Bot     *Bot
	Dialogs []string
}

// OwnBots are the bots that the member owns, in the order of their roles.
func (d *UserDetails) OwnBots() (own []*Bot) {
	for _, grant := range d.Access.Roles {
		if bot := grant.Bot; bot != nil && bot.Owner == d.ID && !slices.Contains(own, bot) {
			own = append(own, bot)
		}
	}
	return own
}

// RemovedUser is somebody who is out of their account and was not erased.
type RemovedUser struct {
	Member         // with the ids and the name
	Removal string // public id of the last removal that took them out
}

// UserHistory is a part of what an account's audit log says of a person.
type UserHistory struct {
	Records []AuditRecord // the newest first
	// Next is the position before which older ones stand, nil when there are none.
	Next *AuditPosition
}
