package directory

import "time"

// Bot is a bot of an account. It always has one owner, who cannot be removed
// while that is so.
type Bot struct {
	ID       BotID
	PublicID string
	Name     string
	Owner    MemberID
	Created  time.Time
}

// BotEntry is a bot of a list, with what is shown of its owner.
type BotEntry struct {
	Bot
	AccountID   string // public
	OwnerUserID string // "u-..."
	OwnerEmail  string // as the account spells it
}
