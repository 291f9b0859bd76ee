package roster

import (
	"context"
	"encoding/json"
	"errors"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/store"
)

// User reads a live member of the account by the public id of their person
// ("u-..."), with all that they have, the bots that they own, and the sessions by
// which they are in the account. The account is an app's own where accountID is
// empty; otherwise one is named. The caller needs the scope User Management, or
// the right to look at users. The error wraps directory.ErrNotFound when there is
// no such member, be it that somebody has the id elsewhere.
func (r *Roster) User(ctx context.Context, caller auth.Caller, accountID, userID string) (directory.UserDetails, error) {
	account, err := r.ownAccountToSee(ctx, caller, accountID, directory.ScopeUserManagement)
	if err != nil {
		return directory.UserDetails{}, err
	}
	return r.store.User(ctx, account, userID)
}

// RemovedUser reads somebody who is out of the account and was not erased, by the
// public id of their person, with the ids and the name. The account and the right to it
// are as for User. The error wraps directory.ErrNotFound when there is nobody, and may
// be the same for a live member.
func (r *Roster) RemovedUser(ctx context.Context, caller auth.Caller, accountID, userID string) (directory.RemovedUser, error) {
	account, err := r.ownAccountToSee(ctx, caller, accountID, directory.ScopeUserManagement)
	if err != nil {
		return directory.RemovedUser{}, err
	}
	return r.store.RemovedUser(ctx, account, userID)
}

// UserHistory reads up to limit of the account's audit records about a person, by
// their public id, whether they are a member still or not: the newest first, older
// than a position, or from the end of the log where before is nil. Where there are
// older ones, directory.UserHistory.Next says where to go on. The account and the
// right to it are as for AuditRecords. The error wraps directory.ErrNotFound when
// nobody has the id.
func (r *Roster) UserHistory(ctx context.Context, caller auth.Caller, accountID, userID string, before *directory.AuditPosition, limit int) (directory.UserHistory, error) {
	if limit < 1 {
		return directory.UserHistory{}, directory.Errorf(directory.ErrInvalid, "a page has a limit of 1 or more")
	}
	account, err := r.ownAccount(ctx, caller, accountID, directory.ScopeAuditLogs)
	if err != nil {
		return directory.UserHistory{}, err
	}
	return r.store.UserHistory(ctx, account, userID, before, limit)
}

// EndUserSessions ends all sessions by which a live member is in the account, on
// every server, from the next request on, and returns how many there were. Their
// sessions in other accounts stay. The member, the account and the errors are as
// for User; the caller needs the right to change users.
func (r *Roster) EndUserSessions(ctx context.Context, caller auth.Caller, accountID, userID string) (ended int, err error) {
	account, err := r.ownAccount(ctx, caller, accountID, directory.ScopeUserManagement)
	if err != nil {
		return 0, err
	}
	err = r.store.Write(ctx, store.Change{Account: account, Actor: caller.Actor}, func(tx *store.Tx) error {
		ids, err := tx.EndSessions(ctx, userID)
		if err != nil {
			return err
		}
		if ended = len(ids); ended == 0 {
			return errAsItIs
		}
		body, err := json.Marshal(struct {
			Sessions []string `json:"sessionIds"`
		}{ids})
		if err == nil {
			tx.RecordDetails(body)
		}
		return err
	})
	if errors.Is(err, errAsItIs) {
		err = nil
	}
	return ended, err
}
