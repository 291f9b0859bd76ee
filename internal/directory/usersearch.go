package directory

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"roster/internal/excerpt"
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

// Words are those of the search, in the form of SearchText: each is a part of the text
// of those who have it, and of nobody else's. The error wraps
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
		return nil, Errorf(ErrInvalid, "users are not sorted by %q", excerpt.Of(q.Order))
	}
	if q.Status != "" && !slices.Contains(Statuses(), q.Status) {
		return nil, Errorf(ErrInvalid, "users have no status %q", excerpt.Of(q.Status))
	}
	if q.Limit < 1 {
		return nil, Errorf(ErrInvalid, "a page has a limit of 1 or more")
	}
	if utf8.RuneCountInString(q.Search) > MaxUserSearch {
		return nil, Errorf(ErrInvalid, "a search has at most %d characters", MaxUserSearch)
	}
	words := strings.Fields(foldText(q.Search))
	longest := 0
	for i, word := range words {
		longest = max(longest, utf8.RuneCountInString(word))
		words[i] = searchCode(word)
	}
	if longest < MinUserSearch && strings.TrimSpace(q.Search) != "" {
		return nil, Errorf(ErrInvalid, "a search has a word of %d characters or more", MinUserSearch)
	}
	return words, nil
}

// SearchText is what a member is found by, in ASCII letters and digits alone, and the
// text that sorts members by name, each of which is different among live members.
func SearchText(p *Profile, emailKey, orgUserID string) (text, sortName string) {
	name := strings.Join(strings.Fields(foldText(p.FirstName+" "+p.LastName)), " ")
	text = searchCode(strings.TrimSuffix(name+"\n"+foldText(emailKey)+"\n"+foldText(orgUserID), "\n"))
	if utf8.RuneCountInString(name) > maxSortName {
		name = string([]rune(name)[:maxSortName])
	}
	return text, name + "\n" + emailKey
}

// searchCode writes a folded text in letters and digits, since the trigrams of
// PostgreSQL have nothing else, and have no other letters in some locales. Small letters
// and digits stand for themselves, two big ones for any other byte of UTF-8. One text is
// a part of another if and only if their codes are, since the first of the two
// never stands second.
func searchCode(folded string) string {
	var b strings.Builder
	b.Grow(len(folded) + 16)
	for i := range len(folded) {
		b.WriteString(searchCodes[folded[i]])
	}
	return b.String()
}

// The two letters of a code. Those of common signs stand where words rarely have them,
// since PostgreSQL's trigrams are the same for big and small letters and those that
// are found for nothing cost time.
const (
	codeFirst  = "VWJKYABCDEFGH"
	codeSecond = "QXZIPMNORSUTL"
)

// searchCodes are those of the bytes. What no search has shares one: the newline
// between the parts of a text, other control characters, and big letters, which were
// folded.
var searchCodes = func() (codes [256]string) {
	code := func(n int) string {
		return codeFirst[n/len(codeSecond):][:1] + codeSecond[n%len(codeSecond):][:1]
	}
	n := 0
	for b := range codes {
		switch r := rune(b); {
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
			codes[b] = string(r)
		case b >= utf8.RuneSelf || r == ' ' || unicode.IsPunct(r) || unicode.IsSymbol(r):
			n++
			codes[b] = code(n)
		default:
			codes[b] = code(0)
		}
	}
	return codes
}()

// foldText takes case and accents away, by the rules of Unicode: "ß" is "ss", and a
// sigma is the same at the end of a word.
func foldText(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return strings.ToLower(s)
	}
	folded := cases.Fold().String(strings.ToLower(norm.NFKD.String(s))) // which of Cherokee takes either case to the other
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(folded))
}
