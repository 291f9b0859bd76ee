package directory

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Account is a tenant: the unit that owns members, groups, bots and apps.
type Account struct {
	ID       AccountID
	PublicID string
	Name     string
	// Owner is the membership of the primary master admin, who cannot be removed
	// as long as they are.
	Owner   MemberID
	Created time.Time
}

// MaxName is the longest name, in characters, of an account, app, bot, group or role.
const MaxName = 256

// ParseName cuts the blanks around a name and checks it: 1-256 characters, no
// control characters. what names the field in the error, which wraps ErrInvalid.
func ParseName(what, s string) (string, error) {
	name := strings.TrimSpace(s)
	switch {
	case name == "":
		return "", Errorf(ErrInvalid, "the %s is empty", what)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "", Errorf(ErrInvalid, "the %s has control characters or is not UTF-8", what)
	case utf8.RuneCountInString(name) > MaxName:
		return "", Errorf(ErrInvalid, "the %s is longer than %d characters", what, MaxName)
	}
	return name, nil
}
