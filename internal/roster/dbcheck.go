package roster

import (
	"context"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/store"
)

// CheckDatabase looks for numbers in the database that differ from what they are derived
// from, and for rows without others that they need. Only the operator may.
func (r *Roster) CheckDatabase(ctx context.Context, caller auth.Caller) ([]store.Finding, error) {
	if err := caller.RequireOperator(); err != nil {
		return nil, err
	}
	return r.store.Check(ctx)
}

// RepairDatabase corrects the repairable of the findings, account by account, each in a
// transaction of its own with an audit record. It returns what CheckDatabase finds then.
// Only the operator may.
func (r *Roster) RepairDatabase(ctx context.Context, caller auth.Caller, found []store.Finding) ([]store.Finding, error) {
	if err := caller.RequireOperator(); err != nil {
		return nil, err
	}
	var accounts []directory.AccountID // in their order
	of := map[directory.AccountID][]store.Finding{}
	for _, f := range found {
		if !f.Repairable {
			continue
		}
		if of[f.ID] == nil {
			accounts = append(accounts, f.ID)
		}
		of[f.ID] = append(of[f.ID], f)
	}
	for _, account := range accounts {
		if err := r.store.RepairAccount(ctx, account, caller.Actor, of[account]); err != nil {
			return nil, err
		}
	}
	return r.store.Check(ctx)
}

// Finding is a wrong number or another inconsistency in the database.
type Finding = store.Finding
