package roster

import (
	"context"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/store"
)

// EachUser calls yield for every live member of the account, the owner too, in
// the order in which they became members.
func (r *Roster) EachUser(ctx context.Context, caller auth.Caller, accountID string, yield func(directory.Member) error) error {
	account, err := r.account(ctx, caller, accountID)
	if err != nil {
		return err
	}
	return r.store.EachMember(ctx, account.ID, yield)
}

// VerifyAudit checks the audit log of all accounts. An error that wraps
// store.ErrBroken says where it differs from what was written. Only the
// operator may.
func (r *Roster) VerifyAudit(ctx context.Context, caller auth.Caller) (store.AuditReport, error) {
	if err := caller.RequireOperator(); err != nil {
		return store.AuditReport{}, err
	}
	return r.store.VerifyAudit(ctx)
}
