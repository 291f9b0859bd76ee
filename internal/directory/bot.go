package directory

// Bot is a bot of an account. It always has one owner, who cannot be removed
// while that is so.
type Bot struct {
	ID       BotID
	PublicID string
	Name     string
	Owner    MemberID
}
