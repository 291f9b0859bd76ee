package directory

// RoleKind says whether a role gives rights in the account or in one bot.
type RoleKind string

// The two kinds of role.
const (
	AdminRole RoleKind = "admin"
	BotRole   RoleKind = "bot"
)

// Names of the roles that every account has from the start.
const (
	RoleAdmin        = "admin"
	RoleBotOwner     = "Bot Owner"
	RoleBotDeveloper = "Bot Developer"
	RoleBotTester    = "Bot Tester"
)

// BuiltInRole is a role that every account has from the start.
type BuiltInRole struct {
	Kind        RoleKind
	Name        string
	Description string
}

// BuiltInRoles lists the roles that every account has from the start.
func BuiltInRoles() []BuiltInRole {
	return []BuiltInRole{
		{AdminRole, RoleAdmin, "May administer the account"},
		{BotRole, RoleBotOwner, "Owns the bot"},
		{BotRole, RoleBotDeveloper, "May change the bot"},
		{BotRole, RoleBotTester, "May talk to the bot and see its answers"},
	}
}
