package directory

import (
	"fmt"
	"slices"

	"roster/internal/excerpt"
)

// IDKind says by which of its ids a request names a user.
type IDKind uint8

// The two ways to name a user.
const (
	ByEmail IDKind = iota
	ByOrgUserID
)

// UserRef names one user the way a request does. The answer echoes it.
type UserRef struct {
	// Text is the id as sent, or the JSON text of a value that is no string.
	Text string
	Kind IDKind
	// NotText marks a number, boolean or null where an id belongs.
	NotText bool
	// Cut marks the beginning of a text that is no id, of which the rest was not
	// kept.
	Cut bool
}

// Reason says why a user was not removed.
type Reason string

// Reasons for refusing a user, in the order in which they are checked.
const (
	ReasonInvalidID    Reason = "INVALID_ID"
	ReasonUserNotFound Reason = "USER_NOT_FOUND"
	ReasonAccountOwner Reason = "ACCOUNT_OWNER"
	ReasonBotOwner     Reason = "BOT_OWNER"
)

// Refusal is one user who was not removed.
type Refusal struct {
	// Ref is the index of the request's UserRef that named the user first.
	Ref    int
	Reason Reason
	// Member is the user's membership, where a restoration refused it.
	Member MemberID
	// Email is the user's address where it is known: for members of the account only.
	Email string
	// Bots are the owned bots behind ReasonBotOwner.
	Bots []Bot
}

// Removal is the outcome of one removal call.
type Removal struct {
	PublicID string
	// Requested counts the distinct users and ids that were named.
	Requested int
	Removed   int
	// Refused has the users who stay, in the order of the request.
	Refused []Refusal
	// Labels are what the caller said about it.
	Labels RemovalLabels
	// Repeated says that an earlier call with the same idempotency key did it.
	Repeated bool
}

// RefusedByReason counts the refusals of each reason.
func (r *Removal) RefusedByReason() map[Reason]int { return countReasons(r.Refused) }

func countReasons(refused []Refusal) map[Reason]int {
	counts := make(map[Reason]int)
	for _, refusal := range refused {
		counts[refusal.Reason]++
	}
	return counts
}

// Selection is a request's list of users, folded to keys and freed of duplicates.
type Selection struct {
	// EmailKeys and OrgUserIDs are the distinct keys in the order of first mention.
	EmailKeys  []string
	OrgUserIDs []string

	emails  mentions
	orgIDs  mentions
	invalid []int // indexes of what cannot be a key, once per spelling
	refs    int   // how many the request has
}

// mentions say where keys were named first.
type mentions struct {
	index map[string]int // key -> its index in the list of keys
	first []int          // for each key the index of the first UserRef with it
}

// newMentions has room for n keys.
func newMentions(n int) mentions {
	return mentions{index: make(map[string]int, n), first: make([]int, 0, n)}
}

// add notes that the UserRef at ref has the key, and reports whether it is the first.
func (m *mentions) add(key string, ref int) bool {
	if _, dup := m.index[key]; dup {
		return false
	}
	m.index[key] = len(m.first)
	m.first = append(m.first, ref)
	return true
}

// Select folds the ids of a request. Two spellings of one key are one mention;
// what cannot be a key is kept once per spelling.
func Select(refs []UserRef) *Selection {
	// A large call names nearly as many keys as it has ids: room for all of
	// them at once is half the memory of growing into it.
	byEmail := 0
	for _, ref := range refs {
		if ref.Kind == ByEmail {
			byEmail++
		}
	}
	s := &Selection{
		EmailKeys:  make([]string, 0, byEmail),
		OrgUserIDs: make([]string, 0, len(refs)-byEmail),
		emails:     newMentions(byEmail),
		orgIDs:     newMentions(len(refs) - byEmail),
		refs:       len(refs),
	}
	seenInvalid := make(map[UserRef]struct{})
	for i, ref := range refs {
		key, ok := ref.Key()
		switch {
		case !ok:
			if _, dup := seenInvalid[ref]; !dup {
				seenInvalid[ref] = struct{}{}
				s.invalid = append(s.invalid, i)
			}
		case ref.Kind == ByEmail:
			if s.emails.add(key, i) {
				s.EmailKeys = append(s.EmailKeys, key)
			}
		default:
			if s.orgIDs.add(key, i) {
				s.OrgUserIDs = append(s.OrgUserIDs, key)
			}
		}
	}
	return s
}

// EmailKey returns the selection's own copy of an address key, or "" when it
// does not name it. A store that reads a hundred thousand rows needs no copy
// of each.
func (s *Selection) EmailKey(key string) string {
	if i, ok := s.emails.index[key]; ok {
		return s.EmailKeys[i]
	}
	return ""
}

// OrgUserID is EmailKey for org ids.
func (s *Selection) OrgUserID(id string) string {
	if i, ok := s.orgIDs.index[id]; ok {
		return s.OrgUserIDs[i]
	}
	return ""
}

// Key returns the form in which the id is compared with others of its kind, and
// false when it cannot be an id.
func (r UserRef) Key() (string, bool) {
	if r.NotText || r.Cut {
		return "", false
	}
	key, err := r.parse()
	return key, err == nil
}

func (r UserRef) parse() (key string, err error) {
	if r.Kind == ByOrgUserID {
		return ParseOrgUserID(r.Text)
	}
	email, err := ParseEmail(r.Text)
	return email.Key, err
}

// Check returns nil when the text can be an id, and otherwise an error that wraps
// ErrInvalid and quotes it.
func (r UserRef) Check() error {
	if _, err := r.parse(); err != nil {
		return fmt.Errorf("%q: %w", excerpt.Of(r.Text), err)
	}
	return nil
}

// Candidate is a live member of the account whom a Selection names.
type Candidate struct {
	Member MemberID
	Person PersonID
	// EmailKey and OrgUserID are the keys it was found by; a key that the
	// selection does not name may be left out.
	EmailKey  string
	OrgUserID string
	// Owns is nil for whoever owns nothing.
	Owns *Ownership
}

// Ownership is what keeps a member from being removed.
type Ownership struct {
	Account bool  // the member is the account's owner
	Bots    []Bot // the bots that the member owns
	// Email is how the member's address is spelt.
	Email string
}

// refuses returns why the owner must stay, or "" for whoever owns nothing. The
// account owner comes before the owner of bots; everybody else can be removed.
func (o *Ownership) refuses() Reason {
	switch {
	case o == nil:
		return ""
	case o.Account:
		return ReasonAccountOwner
	case len(o.Bots) > 0:
		return ReasonBotOwner
	}
	return ""
}

// Decide sorts the found candidates into those who go and those who stay, and
// reports everybody the selection named who is not among them as not found.
// It fills in all of Removal but PublicID. leaving takes the place of found.
func (s *Selection) Decide(found []Candidate) (leaving []Candidate, out Removal) {
	matched := make([]bool, s.refs)
	leaving = found[:0]
	for _, c := range found {
		first := s.match(&c, matched)
		if first < 0 {
			continue // named when it was looked up, but not by the ids it has now
		}
		if reason := c.Owns.refuses(); reason != "" {
			out.Refused = append(out.Refused, Refusal{Ref: first, Reason: reason, Email: c.Owns.Email, Bots: c.Owns.Bots})
			continue
		}
		leaving = append(leaving, c)
	}
	unknown := len(s.EmailKeys) + len(s.OrgUserIDs) - len(found) // about
	out.Refused = slices.Grow(out.Refused, len(s.invalid)+max(0, unknown))
	out.Refused = s.refuseRest(out.Refused, matched)
	slices.SortFunc(out.Refused, func(a, b Refusal) int { return a.Ref - b.Ref })
	out.Removed = len(leaving)
	out.Requested = len(leaving) + len(out.Refused)
	return leaving, out
}

// refuseRest adds the mentions that are of nobody: what cannot be an id, and what
// is not matched.
func (s *Selection) refuseRest(refused []Refusal, matched []bool) []Refusal {
	for _, i := range s.invalid {
		refused = append(refused, Refusal{Ref: i, Reason: ReasonInvalidID})
	}
	for _, list := range [][]int{s.emails.first, s.orgIDs.first} {
		for _, i := range list {
			if !matched[i] {
				refused = append(refused, Refusal{Ref: i, Reason: ReasonUserNotFound})
			}
		}
	}
	return refused
}

// Unfound returns refusals of those whom the selection names and who are not among
// the live members found, in the order of the request.
func (s *Selection) Unfound(found []Candidate) []Refusal {
	matched := make([]bool, s.refs)
	for i := range found {
		s.match(&found[i], matched)
	}
	refused := s.refuseRest(nil, matched)
	slices.SortFunc(refused, func(a, b Refusal) int { return a.Ref - b.Ref })
	return refused
}

// match marks every mention of the candidate and returns the first, or -1 when
// there is none.
func (s *Selection) match(c *Candidate, matched []bool) int {
	first := -1
	if i, ok := s.emails.index[c.EmailKey]; ok {
		first = s.emails.first[i]
		matched[first] = true
	}
	if i, ok := s.orgIDs.index[c.OrgUserID]; ok {
		ref := s.orgIDs.first[i]
		matched[ref] = true
		if first < 0 || ref < first {
			first = ref
		}
	}
	return first
}
