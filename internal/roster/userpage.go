package roster

import (
	"context"

	"roster/internal/auth"
	"roster/internal/directory"
)

// UserPage returns a page of an account's live members, in the order of their
// addresses or of their org ids. The account is an app's own where accountID is
// empty; otherwise one is named. The caller needs the scope User Management, or
// the right to look at users. The error wraps directory.ErrInvalid when the query
// is wrong; see directory.UserQuery.
func (r *Roster) UserPage(ctx context.Context, caller auth.Caller, accountID string, q directory.UserQuery) (directory.UserPage, error) {
	account, err := r.ownAccountToSee(ctx, caller, accountID, directory.ScopeUserManagement)
	if err != nil {
		return directory.UserPage{}, err
	}
	if err := q.Prepare(); err != nil {
		return directory.UserPage{}, err
	}
	return r.store.UserPage(ctx, account, q)
}
