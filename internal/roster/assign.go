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
		found, err := tx.LockForRoles(ctx, names)
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
		return recordRequest(tx, caller, requestID)
	})
	if errors.Is(err, errAsItIs) {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	return failures, nil
}

// recordRequest leaves with the audit records who asked, where a request did.
func recordRequest(tx *store.Tx, caller auth.Caller, requestID string) error {
	if caller.Actor.Label == "" && requestID == "" {
		return nil
	}
	body, err := json.Marshal(struct {
		Subject   string `json:"subject,omitempty"`
		RequestID string `json:"requestId,omitempty"`
	}{caller.Actor.Label, requestID})
	if err == nil {
		tx.RecordDetails(body)
	}
	return err
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
