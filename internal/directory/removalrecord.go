package directory

import "time"

// RemovalRecord is a removal as it can be read after its call.
type RemovalRecord struct {
	ID       RemovalID
	PublicID string
	// Actor asked for it. The label is there for as long as Refused is.
	Actor Actor
	// ClientID is that of the app that asked, empty for the operator.
	ClientID string
	// Requested counts the distinct users and ids that were named, Removed those
	// who went, and Restored those of them who came back.
	Requested int
	Removed   int
	Restored  int
	// RefusedByReason counts the refused, for as long as the removal is kept.
	RefusedByReason map[Reason]int
	// Refused names the first of them, in the order of the request, and
	// RequestID is that of the call. Lists leave them out, and they are erased
	// with the last of the removed.
	Refused   []RefusedUser
	RequestID string

	Created time.Time
	// Purged is since when nobody of it can be restored; zero before.
	Purged time.Time
	// RestorableUntil is when the restore window ends, also when there is nobody
	// left to restore.
	RestorableUntil time.Time
}

// RefusedUser is a user who was not removed, as the removal remembers it.
type RefusedUser struct {
	Ref    UserRef // its text may be cut
	Reason Reason
	// Email is the user's address beside an org id, where it is known.
	Email string
}

// Failed counts the refused.
func (r *RemovalRecord) Failed() int {
	n := 0
	for _, count := range r.RefusedByReason {
		n += count
	}
	return n
}

// Left counts the removed who neither came back nor were erased. While a purge
// is at work on the removal, those that it has erased so far still count.
func (r *RemovalRecord) Left() int {
	if !r.Purged.IsZero() {
		return 0
	}
	return r.Removed - r.Restored
}

// RemovalPage is a part of the list of an account's removals, the newest first.
type RemovalPage struct {
	Total    int  // of the whole list
	More     bool // whether older ones follow
	Removals []RemovalRecord
}
