package roster

import (
	"context"

	"roster/internal/auth"
	"roster/internal/directory"
)

// AuditRecords returns a page of an account's audit log. The account is an app's
// own where accountID is empty; the operator names one. The caller needs the
// scope Admin Console Audit Logs.
func (r *Roster) AuditRecords(ctx context.Context, caller auth.Caller, accountID string, q directory.AuditQuery) (directory.List[directory.AuditRecord], error) {
	if q.Page.Limit < 1 || q.Page.Offset < 0 {
		return directory.List[directory.AuditRecord]{}, directory.Errorf(directory.ErrInvalid, "a page has a limit of 1 or more and an offset of 0 or more")
	}
	account, err := r.ownAccount(ctx, caller, accountID, directory.ScopeAuditLogs)
	if err != nil {
		return directory.List[directory.AuditRecord]{}, err
	}
	return r.store.AuditRecords(ctx, account, q)
}

// exportAtOnce is how many records an export holds in memory.
const exportAtOnce = 1000

// EachAuditRecord calls yield for every record of an account's log behind a
// position, the oldest first, with details. The account and the right to it are
// as for AuditRecords. Records that are written meanwhile come last.
func (r *Roster) EachAuditRecord(ctx context.Context, caller auth.Caller, accountID string, after directory.AuditPosition, yield func(*directory.AuditRecord) error) error {
	account, err := r.ownAccount(ctx, caller, accountID, directory.ScopeAuditLogs)
	if err != nil {
		return err
	}
	for {
		records, err := r.store.AuditRecordsAfter(ctx, account, after, exportAtOnce)
		if err != nil || len(records) == 0 {
			return err
		}
		for i := range records {
			if err := yield(&records[i]); err != nil {
				return err
			}
		}
		after = records[len(records)-1].AuditPosition
	}
}
