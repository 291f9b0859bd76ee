package directory

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Group is a set of members of an account, and of other groups, whose members
// count as its own where roles are concerned.
type Group struct {
	ID          GroupID
	PublicID    string
	Name        string
	Description string
	Created     time.Time
}

// GroupEntry is a group of a list, with the groups nested in it.
type GroupEntry struct {
	Group
	Nested []Group
}

// ParseDescription cuts the blanks around a description and checks it: at most
// MaxDescription characters, no control characters. It may be empty. The error
// wraps ErrInvalid.
func ParseDescription(s string) (string, error) {
	text := strings.TrimSpace(s)
	switch {
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return "", Errorf(ErrInvalid, "the description has control characters or is not UTF-8")
	case utf8.RuneCountInString(text) > MaxDescription:
		return "", Errorf(ErrInvalid, "the description is longer than %d characters", MaxDescription)
	}
	return text, nil
}
