package publicapi

import (
	"context"
	"maps"
	"net/url"
	"slices"

	"roster/internal/directory"
)

// roles is what GET /roles answers with.
func (a *API) roles(ctx context.Context, c *call, query url.Values, page directory.Page) (directory.List[directory.Role], error) {
	var kind directory.RoleKind // of both
	if values, ok := query["roleType"]; ok {
		var err error
		if kind, err = directory.ParseRoleKind(values[0]); err != nil || len(values) > 1 {
			return directory.List[directory.Role]{}, errValidation
		}
	}
	return a.roster.Roles(ctx, c.caller, "", kind, page)
}

func appendRole(b []byte, r *directory.Role) []byte {
	b = appendField(b, "{", "roleType", string(r.Kind))
	b = appendField(b, ",", "_id", r.PublicID)
	b = appendField(b, ",", "role", r.Name)
	b = appendField(b, ",", "rDesc", r.Description)
	b = append(b, `,"permissions":{`...)
	for i, name := range slices.Sorted(maps.Keys(r.Permissions)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, name), ':')
		value := string(r.Permissions[name])
		if r.Kind == directory.AdminRole {
			b = appendText(b, value)
		} else {
			b = append(appendText(append(b, '['), value), ']')
		}
	}
	return append(b, "}}"...)
}
