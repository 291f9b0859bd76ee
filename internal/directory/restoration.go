package directory

import "slices"

// Reasons for not restoring a user whom the removal has. They come after
// ReasonInvalidID and ReasonUserNotFound, in the order in which they are checked.
const (
	ReasonUserExists      Reason = "USER_EXISTS"        // somebody has the address again
	ReasonOrgUserIDIsUsed Reason = "ORG_USER_ID_IN_USE" // somebody has the org id now
)

// ObjectKind is a kind of thing that members are put into or given.
type ObjectKind string

// Kinds of object.
const (
	ObjectGroup ObjectKind = "group"
	ObjectBot   ObjectKind = "bot"
	ObjectRole  ObjectKind = "role"
)

// LostObject is a group, bot or role that was deleted while members who had it
// were removed, so that their restoration could not bring it back.
type LostObject struct {
	Kind ObjectKind `json:"kind"`
	// PublicID and Name are empty when nobody knows them any more.
	PublicID string `json:"id"`
	Name     string `json:"name"`
	// Users is how many of the restored had it.
	Users int `json:"users"`
}

// Restoration is the outcome of restoring a removal or some of it.
type Restoration struct {
	Restored int
	// Refs are the users as the request names them, or, for a whole removal, as
	// their account spells the addresses of those who were refused.
	Refs []UserRef
	// Refused has those who stay out, in the order of Refs.
	Refused []Refusal
	// Lost has what could not be brought back.
	Lost []LostObject
	// Repeated says that an earlier call with the same idempotency key did it.
	Repeated bool
	// Queued says that the users come back in the background, so that nothing is known
	// about them yet.
	Queued bool
}

// RestorationRecord is a restoration as it can be read after its call.
type RestorationRecord struct {
	Restored int
	// RefusedByReason counts those who stay out, and Refused names the first of them.
	RefusedByReason map[Reason]int
	Refused         []RefusedUser
	Lost            []LostObject
}

// RefusedByReason counts the refusals of each reason.
func (r *Restoration) RefusedByReason() map[Reason]int { return countReasons(r.Refused) }

// DecideRestoration sorts the members of a removal into those who come back and
// those who cannot, because a live member has their address or org id. s names
// the ones to restore, and whom it names beyond them is reported as not found;
// nil is for all, in the order of removed. The Ref of a refusal is the index of
// the request's UserRef, or without s of the refusal itself.
func (s *Selection) DecideRestoration(removed, live []Candidate) (returning []Candidate, refused []Refusal) {
	emails, orgIDs := make(map[string]struct{}, len(live)), make(map[string]struct{})
	for _, c := range live {
		emails[c.EmailKey] = struct{}{}
		if c.OrgUserID != "" {
			orgIDs[c.OrgUserID] = struct{}{}
		}
	}
	var matched []bool
	if s != nil {
		matched = make([]bool, s.refs)
	}
	for _, c := range removed {
		first := len(refused)
		if s != nil {
			if first = s.match(&c, matched); first < 0 {
				continue
			}
		}
		_, exists := emails[c.EmailKey]
		_, used := orgIDs[c.OrgUserID]
		switch {
		case exists:
			refused = append(refused, Refusal{Ref: first, Reason: ReasonUserExists, Member: c.Member})
		case used:
			refused = append(refused, Refusal{Ref: first, Reason: ReasonOrgUserIDIsUsed, Member: c.Member})
		default:
			returning = append(returning, c)
		}
	}
	if s != nil {
		refused = s.refuseRest(refused, matched)
		slices.SortFunc(refused, func(a, b Refusal) int { return a.Ref - b.Ref })
	}
	return returning, refused
}

// AddLost adds up what was lost in two parts of a restoration.
func AddLost(a, b []LostObject) []LostObject {
	sum := slices.Clone(a)
	for _, o := range b {
		i := slices.IndexFunc(sum, func(l LostObject) bool { return l.Kind == o.Kind && l.PublicID == o.PublicID && l.Name == o.Name })
		if i < 0 {
			sum = append(sum, o)
		} else {
			sum[i].Users += o.Users
		}
	}
	return sum
}
