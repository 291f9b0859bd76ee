package directory

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// UserView is a live member with all that is shown of them.
type UserView struct {
	Member
	Flags     UserFlags
	LastLogin time.Time // zero when they never signed in
	Access    MemberAccess
	Tasks     []BotTask // in the order of their bots
}

// MinUserSearch is how many characters a search for users has at least.
const MinUserSearch = 3

// UserQuery asks for a page of an account's users.
type UserQuery struct {
	// ByOrgUserID orders and searches users by the organisation's own id, which
	// leaves out whoever has none; otherwise it is by address.
	ByOrgUserID bool
	// Prefix is how the address or the id begins, with MinUserSearch characters or
	// more; everybody where it is empty. Ids compare exactly, addresses in lower case.
	Prefix string
	// From is the key of the first user of the page, as the page before has told it
	// in Next; empty for the first page.
	From string
	// Limit is how many users a page has at most, 1 or more.
	Limit int
}

// Prepare checks a query and brings its prefix into the form of the keys. The
// error wraps ErrInvalid.
func (q *UserQuery) Prepare() error {
	q.Prefix = strings.TrimSpace(q.Prefix)
	if !utf8.ValidString(q.Prefix) || !utf8.ValidString(q.From) || strings.ContainsFunc(q.Prefix+q.From, unicode.IsControl) {
		return Errorf(ErrInvalid, "a search has no control characters")
	}
	if !q.ByOrgUserID {
		q.Prefix = norm.NFC.String(simpleLower(norm.NFC.String(q.Prefix)))
	}
	if n := utf8.RuneCountInString(q.Prefix); n > 0 && n < MinUserSearch {
		return Errorf(ErrInvalid, "a search has %d characters or more", MinUserSearch)
	}
	if q.Limit < 1 {
		return Errorf(ErrInvalid, "a page has a limit of 1 or more")
	}
	return nil
}

// UserPage is a page of users in the order of their keys. Pages do not shift when
// others come and go: each begins at a key, not at a number.
type UserPage struct {
	Users []*UserView
	// Next is the From of the page that follows, empty after the last.
	Next string
}
