package directory

import (
	"time"
	"unicode"
	"unicode/utf8"
)

// RemovalState says how far a removal has come.
type RemovalState string

// States of a removal. Those of one that was made by a call and of one that is
// over do not change any more.
const (
	RemovalQueued    RemovalState = "queued"    // nothing was done yet
	RemovalRunning   RemovalState = "running"   // some of it was done
	RemovalCompleted RemovalState = "completed" // all of it was done
	RemovalCancelled RemovalState = "cancelled" // somebody ended it; what was done stays
	RemovalFailed    RemovalState = "failed"    // it could not go on; what was done stays
)

// Over reports whether nothing more will be done.
func (s RemovalState) Over() bool { return s != RemovalQueued && s != RemovalRunning }

// RemovalRecord is a removal as it can be read after its call.
type RemovalRecord struct {
	ID       RemovalID
	PublicID string
	// Actor asked for it. The label is there for as long as Refused is, and lists
	// leave that of an app out; that of a person as long as they have an address.
	Actor Actor
	// ClientID is that of the app that asked, empty for the operator.
	ClientID string
	// Requested counts the distinct users and ids that were named, Removed those
	// who went, and Restored those of them who came back. While a job runs two
	// names of one user count twice until the second is met.
	Requested int
	Removed   int
	Restored  int
	// RefusedByReason counts the refused, for as long as the removal is kept.
	RefusedByReason map[Reason]int
	// Refused names the first of them, in the order of the request, and
	// RequestID is that of the call. Lists leave them out, and they are erased
	// with the last of the removed. Those of a job are read apart.
	Refused   []RefusedUser
	RequestID string
	Labels    RemovalLabels

	// State says how far it has come, and Finished when it came to its end: the
	// zero time before. A call's removal is over when there is one.
	State    RemovalState
	Created  time.Time
	Finished time.Time
	// Purged is since when nobody of it can be restored; zero before.
	Purged time.Time
	// RestorableUntil is when the restore window ends, as it was promised when the
	// removal was made or later, also when there is nobody left to restore; zero
	// while the removal runs.
	RestorableUntil time.Time
	// Restore is its last restoration in the background, nil for none.
	Restore *RestoreJob
}

// RestoreJob is the restoration of a removal with more users than one transaction
// restores, and how far it has come.
type RestoreJob struct {
	State     RemovalState
	RequestID string // of the request that asked for it
	// Total counts the users whom it deals with, Done those it has dealt with, and
	// Restored those of them who came back.
	Total, Done, Restored int
	// Lost has what could not be brought back.
	Lost []LostObject
}

// Restoring reports whether a restoration in the background is not over.
func (r *RemovalRecord) Restoring() bool { return r.Restore != nil && !r.Restore.State.Over() }

// RemovalLabels are what a caller may say about a removal. Either may be empty.
type RemovalLabels struct {
	// Note is a reason or a ticket. It may name people, so it is erased with the last
	// of the removed.
	Note string
	// Run names the list that the removal is a part of: removals of one app with one
	// run belong together.
	Run string
}

// Bounds of RemovalLabels, in characters.
const (
	MaxRemovalNote = 500
	MaxRemovalRun  = 64
)

// Check returns nil when the labels can be kept, and otherwise an error that wraps
// ErrInvalid.
func (l RemovalLabels) Check() error {
	if l.Note != "" && !ValidRemovalNote(l.Note) {
		return Errorf(ErrInvalid, "the note has 1-%d characters, and none of control but line breaks and tabs", MaxRemovalNote)
	}
	if l.Run != "" && !ValidRemovalRun(l.Run) {
		return Errorf(ErrInvalid, "the run has 1-%d visible ASCII characters", MaxRemovalRun)
	}
	return nil
}

// ValidRemovalNote reports whether a text can be the note of a removal.
func ValidRemovalNote(text string) bool {
	if text == "" || !utf8.ValidString(text) || utf8.RuneCountInString(text) > MaxRemovalNote {
		return false
	}
	for _, r := range text {
		if unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' {
			return false
		}
	}
	return true
}

// ValidRemovalRun reports whether a text can name the run of a removal.
func ValidRemovalRun(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return text != "" && len(text) <= MaxRemovalRun
}

// RefusedUser is a user who was not removed, as the removal remembers it.
type RefusedUser struct {
	Ref    UserRef // its text may be cut
	Reason Reason
	// Email is the user's address beside an org id, where it is known.
	Email string
}

// Names are the address and the org id that the user is known by, either may be empty.
func (u *RefusedUser) Names() (email, orgUserID string) {
	if u.Ref.Kind == ByOrgUserID {
		return u.Email, u.Ref.Text
	}
	return u.Ref.Text, ""
}

// Done counts the users and ids that were dealt with so far: all of them once it
// is completed, also where those who could have been removed were kept.
func (r *RemovalRecord) Done() int {
	if r.State == RemovalCompleted {
		return r.Requested
	}
	return r.Removed + r.Failed()
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

// WindowChange counts the removals whose restore window changes, and the users in
// them who can be restored.
type WindowChange struct {
	Removals, Users int
	// Ended counts the users of removals whose window is then over, where it is asked
	// for: the next purge erases them.
	Ended int
}

// Add adds up two changes.
func (c WindowChange) Add(other WindowChange) WindowChange {
	return WindowChange{c.Removals + other.Removals, c.Users + other.Users, c.Ended + other.Ended}
}

// RemovalPage is a part of the list of an account's removals, the newest first.
type RemovalPage struct {
	Total    int  // of the whole list
	More     bool // whether older ones follow
	Removals []RemovalRecord
}
