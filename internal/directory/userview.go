package directory

import "time"

// UserView is a live member with all that is shown of them.
type UserView struct {
	Member
	Flags     UserFlags
	LastLogin time.Time // zero when they never signed in
	Access    MemberAccess
	Tasks     []BotTask // in the order of their bots
}

// MaxFilterRoles is how many roles a page of users names.
const MaxFilterRoles = 200

// UserPage is a page of users in the order that was asked for. Pages do not shift when
// others come and go: each begins at a key, not at a number.
type UserPage struct {
	Users []*UserView
	// Roles are admin roles of the account by which users can be asked for, in the
	// order of their names, up to MaxFilterRoles.
	Roles []Role
	// Next is the From of the page that follows, empty after the last.
	Next string
}
