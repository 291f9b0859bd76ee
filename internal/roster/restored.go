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
	// Part says that the transaction did not end the restoration: where another one did,
	// that has all who were refused.
	Part bool `json:"part,omitempty"`
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
	out, found, ended := directory.RestorationRecord{}, false, false
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
				d.addTo(&out, &ended)
			}
		}
	}
	if !found {
		return out, fmt.Errorf("restoration %q: %w", excerpt.Of(requestID), directory.ErrNotFound)
	}
	return out, nil
}

// addTo adds what one transaction of a restoration did to what later ones did. ended says
// that the refused of the one that ended it are there.
func (d *restorationDetails) addTo(out *directory.RestorationRecord, ended *bool) {
	out.Restored += *d.Restored
	out.Lost = directory.AddLost(out.Lost, d.Lost)
	switch {
	case *ended: // an earlier one of the same id has others
	case !d.Part:
		out.RefusedByReason, out.Refused, *ended = d.RefusedByReason, refusedUsers(d.Refused), true
	default:
		if out.RefusedByReason == nil {
			out.RefusedByReason = make(map[directory.Reason]int)
		}
		for reason, n := range d.RefusedByReason {
			out.RefusedByReason[reason] += n
		}
		some := refusedUsers(d.Refused)
		out.Refused = append(out.Refused, some[:min(len(some), maxRefusedKept-len(out.Refused))]...)
	}
}
