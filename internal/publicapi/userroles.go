package publicapi

import (
	"context"
	"net/url"
	"strconv"

	"roster/internal/directory"
)

// userRoles is what GET /alluserroles answers with.
func (a *API) userRoles(ctx context.Context, c *call, _ url.Values, page directory.Page) (directory.List[directory.MemberRoles], error) {
	return a.roster.UserRoles(ctx, c.caller, "", page)
}

func appendUserRoles(b []byte, m *directory.MemberRoles) []byte {
	b = appendField(b, "{", "username", m.Email)
	b = appendField(b, ",", "orgUserId", m.OrgUserID)
	b = appendField(b, ",", "accountId", m.AccountID)
	b = append(b, `,"isDeveloper":`...)
	b = strconv.AppendBool(b, m.IsDeveloper)
	b = append(b, `,"canCreateBot":`...)
	b = strconv.AppendBool(b, m.CanCreateBot)
	b = appendField(b, ",", "userId", m.UserID)
	b = append(b, `,"btRoles":`...)
	b = appendGrants(b, m.Access.Roles, directory.BotRole)
	b = append(b, `,"adminRoles":`...)
	b = appendGrants(b, m.Access.Roles, directory.AdminRole)
	return append(b, '}')
}

// appendGrants writes the roles of a kind that somebody has.
func appendGrants(b []byte, grants []directory.RoleGrant, kind directory.RoleKind) []byte {
	b = append(b, '[')
	sep := ""
	for i := range grants {
		g := &grants[i]
		if g.Role.Kind != kind {
			continue
		}
		b = appendField(b, sep+"{", "roleId", g.Role.PublicID)
		b = appendField(b, ",", "roleName", g.Role.Name)
		b = append(b, `,"groups":[`...)
		for k, group := range g.Groups {
			if k > 0 {
				b = append(b, ',')
			}
			b = appendField(b, "{", "groupId", group.PublicID)
			b = append(appendField(b, ",", "groupName", group.Name), '}')
		}
		b = append(b, ']')
		if g.Bot != nil {
			b = appendField(b, ",", "botId", g.Bot.PublicID)
			b = appendField(b, ",", "botName", g.Bot.Name)
		}
		b = append(b, '}')
		sep = ","
	}
	return append(b, ']')
}
