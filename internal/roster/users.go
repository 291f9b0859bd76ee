package roster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/store"
)

// UserOptions say what else there is to making and changing users.
type UserOptions struct {
	// RequestID goes to the audit record.
	RequestID string
	// SendEmail says that the users are to be told. Nobody sends mail yet: it is
	// recorded with the rest, which is what others act on.
	SendEmail bool
}

// userAttempts is how often users are made or changed anew when others take the
// same addresses or org ids at the same time.
const userAttempts = 5

// CreateUsers makes members of the account, each with groups, roles and tasks, in
// one transaction. An item is done as a whole or not at all, and those that were
// not come back in their order; see directory.DecideCreation. New members are not
// active, and have nothing of an earlier membership. With an error nobody was
// made, except that a failing commit (directory.ErrUnavailable) leaves open
// whether all or nobody.
//
// An app needs the scope User Management, and accountID is empty or its own. An
// empty list is an error that wraps directory.ErrInvalid.
func (r *Roster) CreateUsers(ctx context.Context, caller auth.Caller, accountID string, items []directory.UserItem, o UserOptions) ([]directory.UserFailure, error) {
	return r.writeUsers(ctx, caller, accountID, items, o, "create users", store.MemberIDs(len(items)),
		func(ctx context.Context, tx *store.Tx, p *directory.UserItems) (failed []directory.UserFailure, err error) {
			members, err := tx.HoldMembers(ctx, p.Names.EmailKeys, p.Names.OrgUserIDs)
			if err != nil {
				return nil, err
			}
			found, err := tx.HoldObjects(ctx, p.Names)
			if err != nil {
				return nil, err
			}
			found.Members = members
			users, failed := directory.DecideCreation(p, found)
			if len(users) == 0 {
				return failed, errAsItIs
			}
			return failed, tx.CreateUsers(ctx, users)
		})
}

// UpdateUsers changes live members of the account, whom items name by address or
// org id, in one transaction; see directory.DecideChanges. Everything else is as
// for CreateUsers. What is so already is no failure, and is not written.
func (r *Roster) UpdateUsers(ctx context.Context, caller auth.Caller, accountID string, items []directory.UserItem, o UserOptions) ([]directory.UserFailure, error) {
	return r.writeUsers(ctx, caller, accountID, items, o, "update users", 0,
		func(ctx context.Context, tx *store.Tx, p *directory.UserItems) (failed []directory.UserFailure, err error) {
			members, err := tx.LockMembers(ctx, p.Names.EmailKeys, p.Names.OrgUserIDs)
			if err != nil {
				return nil, err
			}
			found, err := tx.HoldObjects(ctx, p.Names)
			if err != nil {
				return nil, err
			}
			found.Members = members
			if err := tx.HoldTasks(ctx, members); err != nil {
				return nil, err
			}
			states, err := tx.States(ctx, members)
			if err != nil {
				return nil, err
			}
			changes, failed := directory.DecideChanges(p, found, states)
			if err := tx.ChangeUsers(ctx, members, changes); err != nil {
				return nil, err
			}
			if tx.Silent() {
				return failed, errAsItIs
			}
			return failed, nil
		})
}

// writeUsers runs write in a transaction, with the details of the call, and again
// when somebody else has taken an address or an org id that was free when write
// looked.
func (r *Roster) writeUsers(ctx context.Context, caller auth.Caller, accountID string, items []directory.UserItem, o UserOptions, what string, ids int,
	write func(context.Context, *store.Tx, *directory.UserItems) ([]directory.UserFailure, error),
) (failed []directory.UserFailure, err error) {
	account, err := r.ownAccount(ctx, caller, accountID, directory.ScopeUserManagement)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return nil, directory.Errorf(directory.ErrInvalid, "nobody is named")
	}
	prepared := directory.PrepareUsers(items)
	change := store.Change{Account: account, Actor: caller.Actor, IDs: ids}
	for range userAttempts {
		err = r.store.Write(ctx, change, func(tx *store.Tx) error {
			if failed, err = write(ctx, tx, prepared); err != nil {
				return err
			}
			details, err := json.Marshal(userDetails{caller.Actor.Label, o.RequestID, o.SendEmail, len(items), len(failed)})
			if err == nil {
				tx.RecordDetails(details)
			}
			return err
		})
		if !errors.Is(err, directory.ErrExists) {
			break
		}
	}
	switch {
	case errors.Is(err, errAsItIs):
		return failed, nil
	case errors.Is(err, directory.ErrExists):
		return nil, fmt.Errorf("%w: %s: %w", directory.ErrUnavailable, what, err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return failed, nil
}

// userDetails are what is recorded of a call that makes or changes users.
type userDetails struct {
	Subject   string `json:"subject,omitempty"`
	RequestID string `json:"requestId,omitempty"`
	SendEmail bool   `json:"sendEmail,omitempty"`
	Requested int    `json:"requested"`
	Failed    int    `json:"failed,omitempty"`
}
