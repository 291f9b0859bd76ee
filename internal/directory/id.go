package directory

import (
	"crypto/rand"
	"encoding/hex"
	"strings"

	"github.com/google/uuid"
)

// Internal keys. They are unique over all tables of a database, never shown to
// a client, and distinct types so that one kind cannot be passed for another.
type (
	// AccountID is the internal key of an account.
	AccountID int64
	// PersonID is the internal key of a person.
	PersonID int64
	// MemberID is the internal key of a membership.
	MemberID int64
	// AppID is the internal key of a client app.
	AppID int64
	// BotID is the internal key of a bot.
	BotID int64
	// GroupID is the internal key of a group.
	GroupID int64
	// RoleID is the internal key of a role.
	RoleID int64
	// RemovalID is the internal key of a removal.
	RemovalID int64
)

// Prefixes of public ids, as the published API prints them.
const (
	prefixUser    = "u-"
	prefixBot     = "st-"
	prefixClient  = "cs-"
	prefixGroup   = "e-"
	prefixRemoval = "rm-"
	prefixSession = "se-"

	prefixOrganisation = "o-"
)

// organisations is the namespace of OrganisationID.
var organisations = uuid.MustParse("6f3c8a8e-5d0c-4b7e-9f43-0a1a55f1c2d4")

// OrganisationID returns the id of the organisation that an account is, "o-" and a
// UUID. It is worked out from the account's public id, so it never changes.
func OrganisationID(accountID string) string {
	return prefixOrganisation + uuid.NewSHA1(organisations, []byte(accountID)).String()
}

// NewUserID returns a fresh public id of a person, "u-" and a UUID.
func NewUserID() string { return prefixUser + uuid.NewString() }

// NewBotID returns a fresh public id of a bot, "st-" and a UUID.
func NewBotID() string { return prefixBot + uuid.NewString() }

// NewClientID returns a fresh client id of an app, "cs-" and a UUID.
func NewClientID() string { return prefixClient + uuid.NewString() }

// MayBeNewClientID reports whether a text could have come from NewClientID.
func MayBeNewClientID(s string) bool {
	id, ok := strings.CutPrefix(s, prefixClient)
	parsed, err := uuid.Parse(id)
	return ok && err == nil && parsed.String() == id && parsed.Version() == 4
}

// NewGroupID returns a fresh public id of a group, "e-" and a UUID.
func NewGroupID() string { return prefixGroup + uuid.NewString() }

// NewRemovalID returns a fresh public id of a removal, "rm-" and a UUID.
func NewRemovalID() string { return prefixRemoval + uuid.NewString() }

// NewSessionID returns a fresh public id of a session, "se-" and a UUID. It lets
// nobody in.
func NewSessionID() string { return prefixSession + uuid.NewString() }

// NewHexID returns 24 random hexadecimal digits, the form of account and role ids.
func NewHexID() string {
	var b [12]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
