package directory

import "sort"

// IDKind says by which of its ids a request names a user.
type IDKind uint8

// The two ways to name a user.
const (
	ByEmail IDKind = iota
	ByOrgUserID
)

// UserRef names one user the way a request does. The answer echoes it.
type UserRef struct {
	Kind IDKind
	// Text is the id as sent, or the JSON text of a value that is no string.
	Text string
	// NotText marks a number, boolean or null where an id belongs.
	NotText bool
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
}

// RefusedByReason counts the refusals of each reason.
func (r *Removal) RefusedByReason() map[Reason]int {
	counts := make(map[Reason]int)
	for _, refusal := range r.Refused {
		counts[refusal.Reason]++
	}
	return counts
}

// Selection is a request's list of users, folded to keys and freed of duplicates.
type Selection struct {
	// EmailKeys and OrgUserIDs are the distinct keys in the order of first mention.
	EmailKeys  []string
	OrgUserIDs []string

	emailAt map[string]int // key -> index of the first UserRef with it
	orgAt   map[string]int
	invalid []int // indexes of what cannot be a key, once per spelling
}

// Select folds the ids of a request. Two spellings of one key are one mention;
// what cannot be a key is kept once per spelling.
func Select(refs []UserRef) *Selection {
	s := &Selection{emailAt: make(map[string]int), orgAt: make(map[string]int)}
	seenInvalid := make(map[UserRef]struct{})
	for i, ref := range refs {
		key, ok := ref.key()
		switch {
		case !ok:
			if _, dup := seenInvalid[ref]; !dup {
				seenInvalid[ref] = struct{}{}
				s.invalid = append(s.invalid, i)
			}
		case ref.Kind == ByEmail:
			if _, dup := s.emailAt[key]; !dup {
				s.emailAt[key] = i
				s.EmailKeys = append(s.EmailKeys, key)
			}
		default:
			if _, dup := s.orgAt[key]; !dup {
				s.orgAt[key] = i
				s.OrgUserIDs = append(s.OrgUserIDs, key)
			}
		}
	}
	return s
}

func (r UserRef) key() (string, bool) {
	if r.NotText {
		return "", false
	}
	if r.Kind == ByOrgUserID {
		id, err := ParseOrgUserID(r.Text)
		return id, err == nil
	}
	email, err := ParseEmail(r.Text)
	return email.Key, err == nil
}

// Candidate is a live member of the account whom a Selection names, with all
// that the rules of removal ask about.
type Candidate struct {
	Member    MemberID
	Person    PersonID
	EmailKey  string
	OrgUserID string
	// IsAccountOwner and Bots matter to the rules; see Refuses.
	IsAccountOwner bool
	Bots           []Bot
	// Email is how the address is spelt; needed only where the member is refused.
	Email string
}

// Refuses returns why this member must stay, or "" when nothing forbids the
// removal. The account owner comes before the owner of bots; everybody else
// can be removed.
func (c *Candidate) Refuses() Reason {
	switch {
	case c.IsAccountOwner:
		return ReasonAccountOwner
	case len(c.Bots) > 0:
		return ReasonBotOwner
	}
	return ""
}

// Decide sorts the found candidates into those who go and those who stay, and
// reports everybody the selection named who is not among them as not found. A
// candidate whom the selection does not name stays: an org id can change
// between the look-up and the lock. It fills in all of Removal but PublicID.
func (s *Selection) Decide(found []Candidate) (leaving []Candidate, out Removal) {
	matched := make(map[int]struct{}, len(found))
	leaving = make([]Candidate, 0, len(found))
	for i := range found {
		c := &found[i]
		first := s.positions(c, matched)
		if first < 0 {
			continue
		}
		if reason := c.Refuses(); reason != "" {
			out.Refused = append(out.Refused, Refusal{Ref: first, Reason: reason, Email: c.Email, Bots: c.Bots})
			continue
		}
		leaving = append(leaving, *c)
	}
	for _, i := range s.invalid {
		out.Refused = append(out.Refused, Refusal{Ref: i, Reason: ReasonInvalidID})
	}
	for _, at := range []map[string]int{s.emailAt, s.orgAt} {
		for _, i := range at {
			if _, ok := matched[i]; !ok {
				out.Refused = append(out.Refused, Refusal{Ref: i, Reason: ReasonUserNotFound})
			}
		}
	}
	sort.Slice(out.Refused, func(i, j int) bool { return out.Refused[i].Ref < out.Refused[j].Ref })
	out.Removed = len(leaving)
	out.Requested = len(leaving) + len(out.Refused)
	return leaving, out
}

// positions marks every mention of the candidate as matched and returns the
// first, -1 when there is none.
func (s *Selection) positions(c *Candidate, matched map[int]struct{}) int {
	first := -1
	if i, ok := s.emailAt[c.EmailKey]; ok {
		matched[i] = struct{}{}
		first = i
	}
	if i, ok := s.orgAt[c.OrgUserID]; ok {
		matched[i] = struct{}{}
		if first < 0 || i < first {
			first = i
		}
	}
	return first
}
