package roster

import (
	"context"
	"encoding/json"
	"errors"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/store"
)

// AssignRoles gives roles of one kind to users and groups and takes them away,
// item by item in the order of the list, in one transaction. An item is done as
// a whole or, when it names something that is not there, not at all, and the
// answer says why in its place; for one that was done it has nil. What is so
// already is no failure.
//
// The account is an app's own where accountID is empty; the operator names one.
// The caller needs the scope Role Management.
func (r *Roster) AssignRoles(ctx context.Context, caller auth.Caller, accountID string, kind directory.RoleKind,
	items []directory.RoleAssignment, requestID string,
) ([]*directory.AssignmentFailure, error) {
	account, err := r.ownAccount(ctx, caller, accountID, directory.ScopeRoleManagement)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return nil, directory.Errorf(directory.ErrInvalid, "no role is named")
	}
	names := directory.NamesOf(items)
	var failures []*directory.AssignmentFailure
	err = r.store.Write(ctx, store.Change{Account: account, Actor: caller.Actor}, func(tx *store.Tx) error {
		found, err := tx.HoldForRoles(ctx, names)
		if err != nil {
			return err
		}
		var add, remove []directory.Grant
		failures, add, remove = directory.DecideAssignments(kind, items, found)
		changed, err := tx.ChangeGrants(ctx, found, add, remove)
		if err == nil && len(changed.Added)+len(changed.Removed) == 0 {
			err = errAsItIs
		}
		if err != nil {
			return err
		}
		return recordAssignment(tx, caller, requestID, found, changed)
	})
	if errors.Is(err, errAsItIs) {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	return failures, nil
}

// maxGrantsKept is how many changes the details of an assignment keep, and how
// many groups of each.
const maxGrantsKept = 1000

// keptGrants are what was changed about one role, in one bot, as details keep it.
// Who it was about stands in the records.
type keptGrants struct {
	RoleID   string   `json:"roleId"`
	BotID    string   `json:"botId,omitempty"`
	Assigned bool     `json:"assigned"` // or taken away
	Users    int      `json:"users"`
	GroupIDs []string `json:"groupIds,omitempty"`
}

// recordAssignment leaves with the audit records who asked, and in which bots and
// for which groups roles were changed.
func recordAssignment(tx *store.Tx, caller auth.Caller, requestID string, found directory.AssignmentObjects, changed directory.GrantChanges) error {
	roles, bots, groups := map[directory.RoleID]string{}, map[directory.BotID]string{}, map[directory.GroupID]string{}
	for i := range found.Roles {
		roles[found.Roles[i].ID] = found.Roles[i].PublicID
	}
	for i := range found.Bots {
		bots[found.Bots[i].ID] = found.Bots[i].PublicID
	}
	for i := range found.Groups {
		groups[found.Groups[i].ID] = found.Groups[i].PublicID
	}
	var kept []keptGrants
	at := map[keptKey]int{}
	for assigned, grants := range map[bool][]directory.Grant{true: changed.Added, false: changed.Removed} {
		for _, g := range grants {
			key := keptKey{g.Role, g.Bot, assigned}
			i, ok := at[key]
			if !ok && len(kept) == maxGrantsKept {
				continue
			}
			if !ok {
				i = len(kept)
				at[key] = i
				kept = append(kept, keptGrants{RoleID: roles[g.Role], BotID: bots[g.Bot], Assigned: assigned})
			}
			switch k := &kept[i]; {
			case g.Member != 0:
				k.Users++
			case len(k.GroupIDs) < maxGrantsKept:
				k.GroupIDs = append(k.GroupIDs, groups[g.Group])
			}
		}
	}
	body, err := json.Marshal(struct {
		Subject   string       `json:"subject,omitempty"`
		RequestID string       `json:"requestId,omitempty"`
		Roles     []keptGrants `json:"roles"`
	}{caller.Actor.Label, requestID, kept})
	if err == nil {
		tx.RecordDetails(body)
	}
	return err
}

type keptKey struct {
	role     directory.RoleID
	bot      directory.BotID
	assigned bool
}

// AssignRole gives live members, named by address, an admin role by its name, or,
// when bot is the public id of one, a bot role in that bot. Nobody gets it when
// somebody is no member.
func (r *Roster) AssignRole(ctx context.Context, caller auth.Caller, accountID, role, bot string, members []string) error {
	if len(members) == 0 {
		return directory.Errorf(directory.ErrInvalid, "the role is given to nobody")
	}
	kind := directory.AdminRole
	if bot != "" {
		kind = directory.BotRole
	}
	found, err := r.FindRole(ctx, caller, accountID, kind, role)
	if err != nil {
		return err
	}
	item := directory.RoleAssignment{RoleID: found.PublicID, BotID: bot}
	for _, address := range members {
		item.AddUsers = append(item.AddUsers, directory.UserRef{Text: address})
	}
	failures, err := r.AssignRoles(ctx, caller, accountID, kind, []directory.RoleAssignment{item}, "")
	if err == nil && failures[0] != nil {
		err = failures[0].Explain(item)
	}
	return err
}
