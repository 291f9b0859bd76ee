package directory

import "time"

// Bounds of a session of somebody who signed in.
const (
	// SessionIdle ends a session that nobody has used for so long.
	SessionIdle = time.Hour
	// SessionLife ends it however busy it is.
	SessionLife = 12 * time.Hour
)

// MaxUserAgent is how many bytes of a browser's name a session keeps.
const MaxUserAgent = 256

// Bounds of failed sign-ins. So many in a row lock an address, for so long after
// the last of them.
const (
	MaxFailures = 10
	LockTime    = 15 * time.Minute
)

// LinkLife is how long a link is good by which a password is set.
const LinkLife = time.Hour

// Session lets a browser act as one member of one account in the Admin Console. A
// sign-in opens one for each membership whose password was given; the browser is in the
// account of one of them at a time.
type Session struct {
	ID        string // public
	Person    PersonID
	Created   time.Time
	LastSeen  time.Time // a minute or so behind
	Expires   time.Time // however busy it is
	UserAgent string
	// Chosen says that the browser is in the account of this session.
	Chosen bool
	// In is the membership of a chosen session as long as it is live.
	In *Membership
}

// MemberRef names a member by keys.
type MemberRef struct {
	Account AccountID
	Member  MemberID
}

// MemberPassword is the hash of a live member's password.
type MemberPassword struct {
	MemberRef
	Hash string
}

// Over reports whether the session has ended by time.
func (s Session) Over(now time.Time) bool {
	return !now.Before(s.Expires) || now.Sub(s.LastSeen) >= SessionIdle
}

// Membership is somebody's live membership of an account, and what they may do
// there.
type Membership struct {
	Account   Account
	Member    MemberID
	Email     string // as the account spells it
	FirstName string
	LastName  string
	Status    Status
	Rights    Rights
}

// MayEnter reports whether the member may work in the account's console.
func (m *Membership) MayEnter() bool {
	return m.Rights.Any() && m.Status != StatusSuspended && m.Status != StatusLocked
}
