package directory

import (
	"time"

	"roster/internal/excerpt"
)

// RoleKind says whether a role gives rights in the account or in one bot.
type RoleKind string

// The two kinds of role.
const (
	AdminRole RoleKind = "admin"
	BotRole   RoleKind = "bot"
)

// ParseRoleKind reads a kind of role. The error wraps ErrInvalid.
func ParseRoleKind(s string) (RoleKind, error) {
	switch kind := RoleKind(s); kind {
	case AdminRole, BotRole:
		return kind, nil
	}
	return "", Errorf(ErrInvalid, "unknown kind of role %q: use %s or %s", excerpt.Of(s), AdminRole, BotRole)
}

// Names of the roles that every account has from the start.
const (
	RoleAdmin        = "admin"
	RoleBotOwner     = "Bot Owner"
	RoleBotDeveloper = "Bot Developer"
	RoleBotTester    = "Bot Tester"
)

// Role is a set of rights in the account or in one bot, which members and groups
// are given.
type Role struct {
	ID          RoleID
	PublicID    string
	Kind        RoleKind
	Name        string
	Description string
	Permissions Permissions
	// BuiltIn roles are in every account; they can be neither changed nor deleted.
	BuiltIn bool
	Created time.Time
}

// MaxDescription is the longest description, in characters, of a group or a role.
const MaxDescription = 1024

// BuiltInRole is a role that every account has from the start.
type BuiltInRole struct {
	Kind        RoleKind
	Name        string
	Description string
	Permissions Permissions
}

// BuiltInRoles lists the roles that every account has from the start. What they
// allow stands here and nowhere else.
func BuiltInRoles() []BuiltInRole {
	return []BuiltInRole{
		{AdminRole, RoleAdmin, "May administer the account", Permissions{
			"userManagement": PermitYes, "groupManagement": PermitYes, "roleManagement": PermitYes,
			"botManagement": PermitYes, "appManagement": PermitYes, "auditLogs": PermitYes,
		}},
		{BotRole, RoleBotOwner, "Owns the bot", Permissions{
			"settings": PermitFull, "tasks": PermitFull, "channels": PermitFull, "analytics": PermitFull,
			"assignRoles": PermitYes, "publish": PermitYes, "test": PermitYes,
		}},
		{BotRole, RoleBotDeveloper, "May change the bot", Permissions{
			"settings": PermitView, "tasks": PermitFull, "channels": PermitView, "analytics": PermitView,
			"assignRoles": PermitNo, "publish": PermitNo, "test": PermitYes,
		}},
		{BotRole, RoleBotTester, "May talk to the bot and see its answers", Permissions{
			"settings": PermitNo, "tasks": PermitView, "channels": PermitNo, "analytics": PermitNo,
			"assignRoles": PermitNo, "publish": PermitNo, "test": PermitYes,
		}},
	}
}

// BuiltInPermissions returns what a built-in role allows, nil for no such role.
func BuiltInPermissions(kind RoleKind, name string) Permissions {
	for _, r := range BuiltInRoles() {
		if r.Kind == kind && r.Name == name {
			return r.Permissions
		}
	}
	return nil
}

// RoleGrant is a role that a member has, in the account or in a bot.
type RoleGrant struct {
	Role *Role // without description and permissions
	Bot  *Bot  // nil for an admin role
	// Direct says that the member has it without any group: it was given to them,
	// or comes with owning the account or the bot.
	Direct bool
	// Groups are those to which the role was given and in which the member is,
	// themself or by groups within groups, in the order of their creation.
	Groups []*Group
}

// MemberAccess is what a member has in the account.
type MemberAccess struct {
	// Roles begin with the admin roles; within a kind, and for a role by its
	// bots, they stand in the order of creation.
	Roles []RoleGrant
	// Groups are those in which the member is, in the order of their creation.
	// They leave out the groups that these are nested in.
	Groups []*Group
}

// MemberRoles is a member with the roles that they have.
type MemberRoles struct {
	Member
	AccountID    string // public
	CanCreateBot bool
	IsDeveloper  bool
	Access       MemberAccess
}

// List is a page of a list.
type List[T any] struct {
	Total int  // of the whole list
	More  bool // whether others follow
	Items []T
}
