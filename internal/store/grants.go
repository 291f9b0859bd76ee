package store

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"roster/internal/directory"
)

// Roles that members and groups are given and lose, any number of them by a fixed
// number of statements. Who changes them locks the members first, then the groups,
// and holds the bots and the roles, each in the order of their ids.
const (
	textList = `(SELECT CAST($1 AS BIGINT) AS account_id, atom FROM json_each($2) ` + list + `) j`

	namedGroups = `SELECT o.id, o.public_id, o.name, o.description, o.created_at FROM ` + textList + `
CROSS JOIN groups o WHERE o.account_id = j.account_id AND o.name = j.atom ORDER BY o.id`
	namedBots = `SELECT o.id, o.public_id, o.name, o.owner_id, o.created_at FROM ` + textList + `
CROSS JOIN bots o WHERE o.account_id = j.account_id AND o.public_id = j.atom ORDER BY o.id`
	namedRoles = `SELECT roles.id, roles.public_id, roles.kind, roles.name FROM ` + textList + `
CROSS JOIN roles WHERE roles.account_id = j.account_id AND roles.public_id = j.atom ORDER BY roles.id`

	// Rows of a list: whoever has the role, the role and the bot.
	insertGrants = `
SELECT $1, CAST(j.value->>0 AS BIGINT), CAST(j.value->>1 AS BIGINT), CAST(j.value->>2 AS BIGINT) FROM json_each($2) j WHERE true
ON CONFLICT DO NOTHING`
	listedGrants = ` IN (
  SELECT CAST($1 AS BIGINT), CAST(j.value->>0 AS BIGINT), CAST(j.value->>1 AS BIGINT), CAST(j.value->>2 AS BIGINT) FROM json_each($2) j ` + list + `)`

	giveMemberRoles = `INSERT INTO member_roles (account_id, member_id, role_id, bot_id)` + insertGrants + ` RETURNING member_id, role_id, bot_id`
	takeMemberRoles = `DELETE FROM member_roles WHERE (account_id, member_id, role_id, bot_id)` + listedGrants + ` RETURNING member_id, role_id, bot_id`
	giveGroupRoles  = `INSERT INTO group_roles (account_id, group_id, role_id, bot_id)` + insertGrants + ` RETURNING group_id, role_id, bot_id`
	takeGroupRoles  = `DELETE FROM group_roles WHERE (account_id, group_id, role_id, bot_id)` + listedGrants + ` RETURNING group_id, role_id, bot_id`
)

// LockForRoles finds the live members, groups, bots and roles that a list of
// assignments names, and keeps them from leaving or being deleted until the
// transaction ends, and others from changing the roles of these members and groups:
// of two that give and take the same, one is wholly after the other.
func (tx *Tx) LockForRoles(ctx context.Context, names directory.AssignmentNames) (found directory.AssignmentObjects, err error) {
	if found.Members, err = tx.LockMembers(ctx, names.EmailKeys, names.OrgUserIDs); err != nil {
		return found, err
	}
	tx.askObjects(namedGroups+tx.engine.lockOf("o"), names, &found)
	return found, wrapf(tx.flush(ctx), "find the groups, bots and roles")
}

// ChangeGrants gives and takes roles, of members and objects that LockForRoles
// found; both lists are sorted by directory.CompareGrants. It leaves audit records
// of those that were not so already, and returns these.
func (tx *Tx) ChangeGrants(ctx context.Context, found directory.AssignmentObjects, add, remove []directory.Grant) (out directory.GrantChanges, err error) {
	for _, change := range []struct {
		grants              []directory.Grant
		ofMembers, ofGroups string
		changed             *[]directory.Grant
	}{{remove, takeMemberRoles, takeGroupRoles, &out.Removed}, {add, giveMemberRoles, giveGroupRoles, &out.Added}} {
		members, groups := splitGrants(change.grants)
		tx.ask(change.ofMembers, []any{tx.account, members}, func(row scanner) error {
			var g directory.Grant
			err := row.Scan(&g.Member, &g.Role, &g.Bot)
			*change.changed = append(*change.changed, g)
			return err
		})
		tx.ask(change.ofGroups, []any{tx.account, groups}, func(row scanner) error {
			var g directory.Grant
			err := row.Scan(&g.Group, &g.Role, &g.Bot)
			*change.changed = append(*change.changed, g)
			return err
		})
	}
	if err := tx.flush(ctx); err != nil {
		return out, wrapf(err, "change the roles")
	}
	if err := tx.recordGrants(directory.AuditRoleUnassigned, found, out.Removed); err != nil {
		return out, err
	}
	return out, tx.recordGrants(directory.AuditRoleAssigned, found, out.Added)
}

// grantNote is what a run of records says about a role that was given or taken,
// beside the people: the bot and the groups, by their public ids.
type grantNote struct {
	RoleID   string   `json:"roleId"`
	BotID    string   `json:"botId,omitempty"`
	GroupIDs []string `json:"groupIds,omitempty"`
}

// recordGrants leaves a run of records for each role, in a bot, that members were
// given or lost, and one record for each that groups were, which names them.
func (tx *Tx) recordGrants(kind directory.AuditKind, found directory.AssignmentObjects, grants []directory.Grant) error {
	slices.SortFunc(grants, func(x, y directory.Grant) int {
		return cmp.Or(cmp.Compare(x.Role, y.Role), cmp.Compare(x.Bot, y.Bot), directory.CompareGrants(x, y))
	})
	persons := make(map[directory.MemberID]directory.PersonID, len(found.Members))
	for _, m := range found.Members {
		persons[m.Member] = m.Person
	}
	ids := publicIDs(found)
	for len(grants) > 0 {
		n := 1
		for n < len(grants) && grants[n].Role == grants[0].Role && grants[n].Bot == grants[0].Bot && (grants[n].Member == 0) == (grants[0].Member == 0) {
			n++
		}
		run := directory.AuditRun{Kind: kind, Object: int64(grants[0].Role)}
		note := grantNote{RoleID: ids[int64(grants[0].Role)], BotID: ids[int64(grants[0].Bot)]}
		for _, g := range grants[:n] {
			if g.Member != 0 {
				run.Persons = append(run.Persons, persons[g.Member])
			} else {
				note.GroupIDs = append(note.GroupIDs, ids[int64(g.Group)])
			}
		}
		if note.RoleID != "" {
			body, err := json.Marshal(note)
			if err != nil {
				return err
			}
			run.Note = body
		}
		tx.Record(run)
		grants = grants[n:]
	}
	return nil
}

// publicIDs are those of groups, bots and roles by their internal keys, which are
// unique over all of them.
func publicIDs(found directory.AssignmentObjects) map[int64]string {
	ids := make(map[int64]string, len(found.Groups)+len(found.Bots)+len(found.Roles))
	for i := range found.Groups {
		ids[int64(found.Groups[i].ID)] = found.Groups[i].PublicID
	}
	for i := range found.Bots {
		ids[int64(found.Bots[i].ID)] = found.Bots[i].PublicID
	}
	for i := range found.Roles {
		ids[int64(found.Roles[i].ID)] = found.Roles[i].PublicID
	}
	return ids
}

// splitGrants renders the grants of members and those of groups as lists.
func splitGrants(grants []directory.Grant) (members, groups string) {
	var ofMembers, ofGroups []jsonRow
	for _, g := range grants {
		if g.Member != 0 {
			ofMembers = append(ofMembers, jsonRow{int64(g.Member), int64(g.Role), int64(g.Bot)})
		} else {
			ofGroups = append(ofGroups, jsonRow{int64(g.Group), int64(g.Role), int64(g.Bot)})
		}
	}
	return rowList(ofMembers), rowList(ofGroups)
}
