package directory

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Status says how far a member has come in an account.
type Status string

// Statuses of a member. The wire knows only "active" and "not active".
const (
	StatusActive    Status = "active"
	StatusInactive  Status = "not active"
	StatusInvited   Status = "invited"
	StatusSuspended Status = "suspended"
	StatusLocked    Status = "locked"
)

// Statuses are all of them.
func Statuses() []Status {
	return []Status{StatusActive, StatusInactive, StatusInvited, StatusSuspended, StatusLocked}
}

// Profile is what an account knows about a member besides the keys. Every text
// may be empty.
type Profile struct {
	FirstName           string
	LastName            string
	CompanyName         string
	Department          string
	CompanyContactPhone string
	WorkNumber          string
	Street              string
	SuiteNumber         string
	City                string
	Zip                 string
	State               string
	Country             string
}

// Member is a person in one account.
type Member struct {
	ID        MemberID
	PersonID  PersonID
	UserID    string // the person's public id, "u-..."
	Email     string // as the account spells it
	OrgUserID string // the organisation's own id, empty when it gave none
	Status    Status
	Profile   Profile
	Created   time.Time
}

// Name is what a member is called: their name, or their address.
func (m *Member) Name() string {
	if name := strings.TrimSpace(m.Profile.FirstName + " " + m.Profile.LastName); name != "" {
		return name
	}
	return m.Email
}

// NewMember is what is known about somebody who is to become a member.
type NewMember struct {
	Email     Email
	OrgUserID string // checked by ParseOrgUserID, or empty
	Profile   Profile
	Status    Status
	Flags     UserFlags
	Tasks     []BotTask // sorted by Bot; assigned by who makes the member
}

// MaxProfileText is the longest text, in characters, of a profile's field.
const MaxProfileText = 1024

// Invalid returns the wire name of the first field that is longer than
// MaxProfileText, not UTF-8 or has control characters, or "".
func (p *Profile) Invalid() string {
	for _, f := range p.Fields() {
		if !utf8.ValidString(*f.Text) || utf8.RuneCountInString(*f.Text) > MaxProfileText ||
			strings.ContainsFunc(*f.Text, unicode.IsControl) {
			return f.Name
		}
	}
	return ""
}

// ProfileField is a field of a profile under its name on the wire.
type ProfileField struct {
	Name string
	Text *string
}

// Fields lists the fields of the profile, for reading and writing by name.
func (p *Profile) Fields() []ProfileField {
	return []ProfileField{
		{"firstName", &p.FirstName},
		{"lastName", &p.LastName},
		{"companyName", &p.CompanyName},
		{"dept", &p.Department},
		{"companyContactPhone", &p.CompanyContactPhone},
		{"worknumber", &p.WorkNumber},
		{"street", &p.Street},
		{"suiteNo", &p.SuiteNumber},
		{"city", &p.City},
		{"zip", &p.Zip},
		{"state", &p.State},
		{"country", &p.Country},
	}
}
