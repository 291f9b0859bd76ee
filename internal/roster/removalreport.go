package roster

import (
	"context"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/store"
)

// linesAtOnce is how many lines of a report are read at once.
const linesAtOnce = 1000

// EachOutcome calls yield with what came of everybody whom a removal names, some at
// a time: a line for each whom it has ended, with what they are now, those who are
// out first, and then a line for each whom EachRefused tells. The account and the
// right to it are as for Removals.
//
// The error wraps directory.ErrState while the removal runs, and directory.ErrGone
// when somebody of it is restored or erased in between, so that the lines given so
// far do not fit together.
func (r *Roster) EachOutcome(ctx context.Context, caller auth.Caller, accountID string, record *directory.RemovalRecord, yield func([]directory.RemovalLine) error) error {
	account, err := r.ownAccountToSee(ctx, caller, accountID, directory.ScopeUserManagement)
	if err != nil {
		return err
	}
	if !record.State.Over() {
		return directory.Errorf(directory.ErrState, "the removal %s is still %s", record.PublicID, record.State)
	}
	out, err := r.eachOut(ctx, account, record.ID, yield)
	if err == nil && out < record.Removed {
		err = r.eachNotOut(ctx, account, record, record.Removed-out, yield)
	}
	if err != nil {
		return err
	}
	return r.EachRefused(ctx, caller, accountID, record, func(some []directory.RefusedUser) error {
		lines := make([]directory.RemovalLine, len(some))
		for i, u := range some {
			email, orgUserID := u.Names()
			lines[i] = directory.RemovalLine{Outcome: directory.OutcomeNotRemoved, Email: email, OrgUserID: orgUserID, Reason: u.Reason}
		}
		return yield(lines)
	})
}

// eachOut is the part of a report about those who are out, and returns how many.
func (r *Roster) eachOut(ctx context.Context, account directory.AccountID, id directory.RemovalID, yield func([]directory.RemovalLine) error) (n int, err error) {
	for from, more := "", true; more; {
		page, err := r.store.RemovedUsers(ctx, account, id, from, linesAtOnce)
		if err != nil {
			return n, err
		}
		lines := make([]directory.RemovalLine, len(page.Users))
		for i := range page.Users {
			u := &page.Users[i]
			lines[i] = directory.RemovalLine{Outcome: directory.OutcomeRemoved, UserID: u.UserID, Email: u.Email, OrgUserID: u.OrgUserID}
		}
		if err := yield(lines); err != nil {
			return n, err
		}
		n += len(lines)
		from, more = page.Next, page.Next != ""
	}
	return n, nil
}

// eachNotOut is the part about the others whom the removal has ended, at most so many.
// It comes after those who are out, so that nobody is missed: whoever is restored or
// erased while they are read would be there twice, and the report is broken off.
func (r *Roster) eachNotOut(ctx context.Context, account directory.AccountID, record *directory.RemovalRecord, left int, yield func([]directory.RemovalLine) error) error {
	for place := (store.RecordPlace{}); ; {
		lines, last, err := r.store.RemovalLines(ctx, account, record.ID, place, linesAtOnce)
		if err != nil || len(lines) == 0 {
			return err
		}
		if left -= len(lines); left < 0 {
			return directory.Errorf(directory.ErrGone, "people of the removal %s were restored or erased meanwhile", record.PublicID)
		}
		if err := yield(lines); err != nil {
			return err
		}
		place = last
	}
}
