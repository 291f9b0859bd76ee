package roster

import (
	"context"

	"roster/internal/auth"
	"roster/internal/directory"
)

// UserPage returns a page of an account's live members. The account is an app's own
// where accountID is empty; otherwise one is named. The caller needs the scope User
// Management, or the right to look at users. The error wraps directory.ErrInvalid
// when the query is wrong, or names a role that the account does not have; see
// directory.UserQuery.
func (r *Roster) UserPage(ctx context.Context, caller auth.Caller, accountID string, q directory.UserQuery) (directory.UserPage, error) {
	account, err := r.ownAccountToSee(ctx, caller, accountID, directory.ScopeUserManagement)
	if err != nil {
		return directory.UserPage{}, err
	}
	words, err := q.Words()
	if err != nil {
		return directory.UserPage{}, err
	}
	return r.store.UserPage(ctx, account, q, words)
}
