package directory

import (
	"fmt"
	"strconv"
	"time"

	"roster/internal/excerpt"
)

// AuditPosition is the place of a record in its account's log.
type AuditPosition struct {
	Number int64 // of the entry in the chain, from 1
	Seq    int   // in the entry, from 1
}

// The two parts of an audit id, in hex digits: 2^56 entries, 2^40 records in one.
const (
	auditNumberDigits = 14
	auditSeqDigits    = 10
)

// ID is the record's id on the wire: 24 hex digits, larger for a later record.
func (p AuditPosition) ID() string {
	return fmt.Sprintf("%0*x%0*x", auditNumberDigits, p.Number, auditSeqDigits, p.Seq)
}

// ParseAuditID reads an id that AuditPosition.ID made. Whether there is such a
// record it does not know. The error wraps ErrInvalid.
func ParseAuditID(id string) (AuditPosition, error) {
	if len(id) == auditNumberDigits+auditSeqDigits {
		number, err := strconv.ParseUint(id[:auditNumberDigits], 16, 63)
		seq, seqErr := strconv.ParseUint(id[auditNumberDigits:], 16, 63)
		if err == nil && seqErr == nil {
			return AuditPosition{int64(number), int(seq)}, nil
		}
	}
	return AuditPosition{}, Errorf(ErrInvalid, "%q is not the id of an audit record: it has 24 hex digits", excerpt.Of(id))
}

// AuditQuery says which records of an account to read.
type AuditQuery struct {
	// From and To bound the time of the records, both included; zero for none.
	From, To time.Time
	// After begins behind a record and goes towards newer ones, oldest first;
	// nil for the newest first.
	After *AuditPosition
	Page  Page
}

// AuditObject is what a record or a person of it is about: a group, bot, role,
// app, account or removal.
type AuditObject struct {
	PublicID string
	Name     string
	Kind     string // "group", "bot", "admin role", "bot role", "app", "account" or "removal"
}

// AuditRecord is a record as it is read, with the names that things have now.
type AuditRecord struct {
	AuditPosition
	At    time.Time
	Kind  AuditKind
	Actor Actor
	By    AuditObject // the app or the person that acted, if one did
	// UserID and Email are the person's; the address is empty once it was erased.
	UserID, Email string
	Object        AuditObject // empty for none, and for what nobody knows any more
	Removal       string      // public id of the removal it belongs to, or empty
	Change        []byte      // JSON object {"before","after"}, nil for none or once erased
	// Details are what the whole transaction says, a JSON object; nil unless asked
	// for, and once erased.
	Details []byte
	// Hash is that of the chain's entry that covers the record.
	Hash []byte
}

// auditText is how a kind of record is shown: the name and the category that the
// console lists it under, and a sentence, in which {user}, {object} and {by}
// stand for who and what.
type auditText struct{ name, category, sentence string }

// Categories of audit records.
const (
	categoryAccount = "Account"
	categoryUsers   = "User Management"
	categoryGroups  = "Group Management"
	categoryRoles   = "Role Management"
	categoryBots    = "Bot Management"
	categoryApps    = "Security & Control"
	categoryLogin   = "Login/Logout"
)

// auditTexts has a row for each kind of record.
var auditTexts = map[AuditKind]auditText{
	AuditAccountCreated:   {"Account Created", categoryAccount, "{by} created the account"},
	AuditAccountModified:  {"Account Modified", categoryAccount, "{by} changed the account"},
	AuditAccountOwner:     {"Account Owner", categoryAccount, "{by} made {user} the owner of the account"},
	AuditAccountOwnerLeft: {"Account Owner Left", categoryAccount, "{by} passed the account on from {user}"},
	AuditBackupRestored:   {"Backup Restored", categoryAccount, "{by} restored a backup of the whole directory: what was done after it was taken is undone"},
	AuditDatabaseRepaired: {"Database Repaired", categoryAccount, "{by} corrected numbers that the database derives of the account"},
	AuditUserCreated:      {"User Created", categoryUsers, "{by} created {user}"},
	AuditUserModified:     {"User Modified", categoryUsers, "{by} changed {user}"},
	AuditUserDeleted:      {"User Deleted", categoryUsers, "{by} removed {user} from the account"},
	AuditUserRestored:     {"User Restored", categoryUsers, "{by} restored {user}"},
	AuditUserErased:       {"User Erased", categoryUsers, "{by} erased {user}, who had been removed"},
	AuditPasswordLink:     {"Password Link Made", categoryUsers, "{by} made a link by which {user} can set a password"},
	AuditPasswordSet:      {"Password Set", categoryUsers, "{by} set the password of {user}"},
	AuditSessionCreated:   {"Login", categoryLogin, "{by} signed in"},
	AuditSessionEnded:     {"Logout", categoryLogin, "{by} ended a session of {user}"},
	AuditRemovalClosed:    {"Removal Closed", categoryUsers, "{by} closed {object}: it can no longer be restored"},
	AuditJobQueued:        {"Removal Queued", categoryUsers, "{by} queued {object}"},
	AuditJobCancelled:     {"Removal Cancelled", categoryUsers, "{by} cancelled {object}"},
	AuditJobFailed:        {"Removal Failed", categoryUsers, "{by} gave {object} up"},
	AuditRestoreQueued:    {"Restoration Queued", categoryUsers, "{by} queued the restoration of {object}"},
	AuditRestoreCancelled: {"Restoration Cancelled", categoryUsers, "{by} cancelled the restoration of {object}"},
	AuditRestoreFailed:    {"Restoration Failed", categoryUsers, "{by} gave the restoration of {object} up"},
	AuditWindowsLonger:    {"Restore Windows Lengthened", categoryUsers, "{by} lengthened the time in which removals can be undone"},
	AuditWindowsShorter:   {"Restore Windows Shortened", categoryUsers, "{by} shortened the time in which removals can be undone"},
	AuditBotCreated:       {"Bot Created", categoryBots, "{by} created {object}"},
	AuditBotOwner:         {"Bot Owner", categoryBots, "{by} made {user} the owner of {object}"},
	AuditBotOwnerLeft:     {"Bot Owner Left", categoryBots, "{by} passed {object} on from {user}"},
	AuditBotDeleted:       {"Bot Deleted", categoryBots, "{by} deleted {object}"},
	AuditGroupCreated:     {"Group Created", categoryGroups, "{by} created {object}"},
	AuditGroupJoined:      {"Users Added to Group", categoryGroups, "{by} added {user} to {object}"},
	AuditGroupLeft:        {"Users Removed from Group", categoryGroups, "{by} removed {user} from {object}"},
	AuditGroupDeleted:     {"Group Deleted", categoryGroups, "{by} deleted {object}"},
	AuditGroupModified:    {"Group Modified", categoryGroups, "{by} changed {object}"},
	AuditGroupNested:      {"Group Nested", categoryGroups, "{by} put {object} into another group"},
	AuditGroupUnnested:    {"Group Unnested", categoryGroups, "{by} took {object} out of another group"},
	AuditRoleCreated:      {"Role Created", categoryRoles, "{by} created {object}"},
	AuditRoleModified:     {"Role Modified", categoryRoles, "{by} changed {object}"},
	AuditRoleDeleted:      {"Role Deleted", categoryRoles, "{by} deleted {object}"},
	AuditRoleAssigned:     {"Role Assigned to Users", categoryRoles, "{by} gave {user} {object}"},
	AuditRoleUnassigned:   {"Role Removed from Users", categoryRoles, "{by} took {object} from {user}"},
	AuditAppCreated:       {"App Created", categoryApps, "{by} created {object}"},
	AuditAppModified:      {"App Modified", categoryApps, "{by} changed {object}"},
	AuditAppEnabled:       {"App Enabled", categoryApps, "{by} enabled {object}"},
	AuditAppDisabled:      {"App Disabled", categoryApps, "{by} disabled {object}"},
	AuditAppDeleted:       {"App Deleted", categoryApps, "{by} deleted {object}"},
	AuditAppScopes:        {"App Scopes Assigned", categoryApps, "{by} set the scopes of {object}"},
	AuditAppTestToken:     {"App Token Made", categoryApps, "{by} made a test token of {object}"},
	AuditSecretAdded:      {"App Secret Added", categoryApps, "{by} added a secret to {object}"},
	AuditSecretRetired:    {"App Secret Retired", categoryApps, "{by} retired a secret of {object}"},
	AuditAppResealed:      {"App Secrets Resealed", categoryApps, "{by} sealed the secrets of {object} with another key"},
}

// Name is the record's name, as the console lists it.
func (r *AuditRecord) Name() string {
	name := auditTexts[r.Kind].name
	if r.Kind != AuditRoleAssigned && r.Kind != AuditRoleUnassigned {
		return name
	}
	if r.UserID == "" {
		name = map[AuditKind]string{
			AuditRoleAssigned: "Role Assigned to Groups", AuditRoleUnassigned: "Role Removed from Groups",
		}[r.Kind]
	}
	switch r.Object.Kind {
	case "admin role":
		return "Admin " + name
	case "bot role":
		return "Bot " + name
	}
	return name
}

// Category is the category under which the console lists the record.
func (r *AuditRecord) Category() string { return auditTexts[r.Kind].category }
