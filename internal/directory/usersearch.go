package directory

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Bounds of a search for users, in characters.
const (
	MinUserSearch = 3 // of the longest word
	MaxUserSearch = 200
)

// maxSortName is how many characters of a name count when users are sorted.
const maxSortName = 100

// UserOrder is what a list of users is sorted by.
type UserOrder string

// Orders of users. Whoever has no org user id is left out of the last.
const (
	OrderByEmail     UserOrder = "emailId"
	OrderByName      UserOrder = "name"
	OrderByOrgUserID UserOrder = "orgUserId"
)

// UserQuery asks for a page of an account's users.
type UserQuery struct {
	Order      UserOrder // OrderByEmail where it is empty
	Descending bool
	// Search is words that the name, the address or the org user id must all have,
	// in whatever place and order, without regard to case and accents; everybody
	// where it is empty. One word has MinUserSearch characters or more.
	Search string
	Status Status // of all users, or of any where it is empty
	// Role is the public id of an admin role that all users have themselves, or as the
	// owner of the account; empty for any.
	Role string
	// From is the key of the first user of the page, as the page before has told it
	// in Next; empty for the first page.
	From string
	// Limit is how many users a page has at most, 1 or more.
	Limit int
}

// Words are those of the search, in the form of SearchText. The error wraps
// ErrInvalid when the query cannot be meant.
func (q *UserQuery) Words() ([]string, error) {
	for _, text := range []string{q.Search, string(q.Status), q.Role} {
		if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			return nil, Errorf(ErrInvalid, "a search has no control characters")
		}
	}
	if !utf8.ValidString(q.From) || strings.ContainsRune(q.From, 0) {
		return nil, Errorf(ErrInvalid, "this page of users does not exist")
	}
	switch q.Order {
	case "", OrderByEmail, OrderByName, OrderByOrgUserID:
	default:
		return nil, Errorf(ErrInvalid, "users are not sorted by %q", string(q.Order))
	}
	if q.Limit < 1 {
		return nil, Errorf(ErrInvalid, "a page has a limit of 1 or more")
	}
	if utf8.RuneCountInString(q.Search) > MaxUserSearch {
		return nil, Errorf(ErrInvalid, "a search has at most %d characters", MaxUserSearch)
	}
	words := strings.Fields(foldText(q.Search))
	longest := 0
	for _, word := range words {
		longest = max(longest, utf8.RuneCountInString(word))
	}
	if longest < MinUserSearch && strings.TrimSpace(q.Search) != "" {
		return nil, Errorf(ErrInvalid, "a search has a word of %d characters or more", MinUserSearch)
	}
	return words, nil
}

// SearchText is what a member is found by, and the text that sorts members by name,
// each of which is different among live members.
func SearchText(p *Profile, emailKey, orgUserID string) (text, sortName string) {
	name := strings.Join(strings.Fields(foldText(p.FirstName+" "+p.LastName)), " ")
	text = strings.TrimSuffix(name+"\n"+foldText(emailKey)+"\n"+foldText(orgUserID), "\n")
	if utf8.RuneCountInString(name) > maxSortName {
		name = string([]rune(name)[:maxSortName])
	}
	return text, name + "\n" + emailKey
}

// foldText takes case and accents away.
func foldText(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return strings.ToLower(s)
	}
	lower := strings.ToLower(norm.NFKD.String(s))
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(lower))
}
