package directory

import (
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"roster/internal/excerpt"
)

// Reasons for not making or changing a user, besides those of other calls. They
// are checked in this order: the id, whether the user exists, groups, roles, bots,
// the org user id, and the other fields.
const (
	ReasonInvalidGroup     Reason = "INVALID_GROUP"
	ReasonInvalidOrgUserID Reason = "INVALID_ORG_USER_ID"
	ReasonInvalidField     Reason = "INVALID_FIELD"
)

// UserItem asks for a member to be made or to be changed, as one item of a call.
type UserItem struct {
	// Email and OrgUserID are as they were sent; empty when the item has none.
	Email     string
	OrgUserID string
	// Profile has the fields of Given; the others are not asked for.
	Profile Profile
	Given   FieldSet
	// Groups and roles to give and to take, by public ids. Only a change takes.
	AddGroups, RemoveGroups []string
	AddRoles, RemoveRoles   []RoleRef
	// Tasks are all that the member is to have; nil leaves them as they are.
	Tasks *[]TaskRef
	// Flags; nil leaves one as it is.
	CanCreateBot, IsDeveloper *bool
}

// RoleRef names a role by public ids: of a bot where BotID is not empty, and else
// of the account.
type RoleRef struct{ RoleID, BotID string }

// TaskRef names tasks of a bot, which has a public id: some dialogs, or all where
// none is named.
type TaskRef struct {
	BotID   string
	Dialogs []string
}

// FieldSet are fields of a profile, by their places in Profile.Fields.
type FieldSet uint16

// Has says whether the field at a place is among them.
func (s FieldSet) Has(place int) bool { return s&(1<<place) != 0 }

// With is the set with the field at a place.
func (s FieldSet) With(place int) FieldSet { return s | 1<<place }

// Ref is how the item names its user: by address where it has one.
func (i *UserItem) Ref() UserRef {
	if i.Email == "" && i.OrgUserID != "" {
		return UserRef{Kind: ByOrgUserID, Text: i.OrgUserID}
	}
	return UserRef{Text: i.Email}
}

// UserFailure says why nothing of an item was done.
type UserFailure struct {
	Item   int
	Reason Reason
	// Field is the name, on the wire, of what ReasonInvalidField is about.
	Field string
}

// Explain says in words why the item was not done.
func (f UserFailure) Explain(item *UserItem) error {
	name := excerpt.Of(item.Ref().Text)
	switch f.Reason {
	case ReasonInvalidID:
		return item.Ref().Check()
	case ReasonUserExists:
		return Errorf(ErrExists, "%s is a member already", name)
	case ReasonUserNotFound:
		return Errorf(ErrNotFound, "%s is no member of the account", name)
	case ReasonOrgUserIDIsUsed:
		return Errorf(ErrExists, "the orgUserId of %s belongs to another member", name)
	case ReasonInvalidField:
		return Errorf(ErrInvalid, "the %s of %s is too long or has control characters", f.Field, name)
	}
	return Errorf(ErrInvalid, "%s: %s", name, f.Reason)
}

// UserItems are the items of a call, read once: what they name stays the same
// however often the call's transaction runs.
type UserItems struct {
	Items  []UserItem
	Names  AssignmentNames // Groups by public ids
	emails []Email         // of each item; without a key where it is no address
	orgIDs []string        // of each item; empty where there is none or it cannot be one
}

// PrepareUsers reads the ids of items.
func PrepareUsers(items []UserItem) *UserItems {
	p := &UserItems{Items: items, emails: make([]Email, len(items)), orgIDs: make([]string, len(items))}
	emails, orgIDs := make(map[string]bool, len(items)), map[string]bool{}
	groups, bots, roles := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i := range items {
		item := &items[i]
		if email, err := ParseEmail(item.Email); err == nil {
			p.emails[i] = email
			emails[email.Key] = true
		}
		if id, err := ParseOrgUserID(item.OrgUserID); err == nil {
			p.orgIDs[i] = id
			orgIDs[id] = true
		}
		for _, list := range [][]string{item.AddGroups, item.RemoveGroups} {
			for _, id := range list {
				note(groups, id)
			}
		}
		for _, list := range [][]RoleRef{item.AddRoles, item.RemoveRoles} {
			for _, ref := range list {
				note(roles, ref.RoleID)
				note(bots, ref.BotID)
			}
		}
		if item.Tasks != nil {
			for _, task := range *item.Tasks {
				note(bots, task.BotID)
			}
		}
	}
	p.Names = AssignmentNames{
		slices.Sorted(maps.Keys(emails)), slices.Sorted(maps.Keys(orgIDs)),
		slices.Sorted(maps.Keys(groups)), slices.Sorted(maps.Keys(bots)), slices.Sorted(maps.Keys(roles)),
	}
	return p
}

// invalidDialog says whether a text cannot be the id of a dialog. There is no list
// of those to look it up in.
func invalidDialog(id string) bool {
	return id == "" || !utf8.ValidString(id) || utf8.RuneCountInString(id) > MaxName || strings.ContainsFunc(id, unicode.IsControl)
}
