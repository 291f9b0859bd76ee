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
