package roster

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/excerpt"
)

// restorationDetails are what stays of a transaction that restores, beside the users'
// records, until the removal is erased.
type restorationDetails struct {
	Subject         string                   `json:"subject,omitempty"`
	RequestID       string                   `json:"requestId,omitempty"`
	Restored        *int                     `json:"restored"` // nil in details of something else
	RefusedByReason map[directory.Reason]int `json:"refusedByReason,omitempty"`
	Refused         []keptRefusal            `json:"refused,omitempty"`
	Lost            []directory.LostObject   `json:"lost,omitempty"`
}

// restorationsAtOnce is how many transactions of a removal are read at once.
const restorationsAtOnce = 100

// Restoration returns what came of the restoration of a removal that the request with
// the id made, until the removal is closed. The account and the right
// to it are as for Removals. The error wraps directory.ErrNotFound when there is none.
func (r *Roster) Restoration(ctx context.Context, caller auth.Caller, accountID string, record *directory.RemovalRecord, requestID string) (directory.RestorationRecord, error) {
	account, err := r.ownAccountToSee(ctx, caller, accountID, directory.ScopeUserManagement)
	if err != nil {
		return directory.RestorationRecord{}, err
	}
	out, found := directory.RestorationRecord{}, false
	for before, more := int64(math.MaxInt64), true; more; {
		bodies, last, err := r.store.RemovalDetails(ctx, account, record.ID, before, restorationsAtOnce)
		if err != nil {
			return out, err
		}
		before, more = last, len(bodies) == restorationsAtOnce
		for _, body := range bodies {
			var d restorationDetails
			if err := json.Unmarshal([]byte(body), &d); err != nil {
				return out, fmt.Errorf("read a restoration of removal %s: %w", record.PublicID, err)
			}
			if d.Restored == nil { // the removal itself, with nothing of interest before it
				more = false
				break
			}
			if d.RequestID == requestID {
				found = true
				d.addTo(&out)
			}
		}
	}
	if !found {
		return out, fmt.Errorf("restoration %q: %w", excerpt.Of(requestID), directory.ErrNotFound)
	}
	return out, nil
}

// addTo adds what one transaction of a restoration did. That which ended it has all who
// were refused.
func (d *restorationDetails) addTo(out *directory.RestorationRecord) {
	out.Restored += *d.Restored
	out.Lost = directory.AddLost(out.Lost, d.Lost)
	if len(d.Refused) > 0 && out.Refused == nil { // an earlier one of the same id has others
		out.RefusedByReason, out.Refused = d.RefusedByReason, refusedUsers(d.Refused)
	}
}
