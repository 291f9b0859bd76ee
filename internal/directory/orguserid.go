package directory

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxOrgUserID is the longest id, in characters, that an organisation may give
// to one of its people.
const MaxOrgUserID = 256

// ParseOrgUserID cuts the blanks around an organisation's own id of a person
// and checks it: 1-256 characters, none of them a control character. The
// result compares exactly. The error wraps ErrInvalid.
func ParseOrgUserID(s string) (string, error) {
	id := strings.TrimSpace(s)
	if id == "" || !utf8.ValidString(id) || utf8.RuneCountInString(id) > MaxOrgUserID ||
		strings.ContainsFunc(id, unicode.IsControl) {
		return "", errOrgUserID
	}
	return id, nil
}

var errOrgUserID = Errorf(ErrInvalid, "not an orgUserId: 1-%d characters, no control characters", MaxOrgUserID)
