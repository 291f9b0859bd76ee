package publicapi

import (
	"context"
	"net/url"

	"roster/internal/directory"
)

// bots is what GET /bots answers with.
func (a *API) bots(ctx context.Context, c *call, _ url.Values, page directory.Page) (directory.List[directory.BotEntry], error) {
	return a.roster.Bots(ctx, c.caller, "", page)
}

// What is said of every bot: a directory knows no more of them than their names
// and owners, and clients look for these keys.
const (
	botStatus   = "configured"
	botType     = "default"
	botLanguage = "en"
)

func appendBot(b []byte, bot *directory.BotEntry) []byte {
	b = appendField(b, "{", "_id", bot.PublicID)
	b = appendField(b, ",", "accountId", bot.AccountID)
	b = append(b, `,"createdOn":`...)
	b = appendTime(b, bot.Created)
	b = appendField(b, ",", "createdBy", bot.OwnerUserID)
	b = appendField(b, ",", "name", bot.Name)
	b = appendField(b, ",", "description", "")
	b = appendField(b, ",", "status", botStatus)
	b = appendField(b, ",", "type", botType)
	b = appendField(b, ",", "defaultLanguage", botLanguage)
	return append(b, '}')
}
