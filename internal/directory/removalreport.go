package directory

// RemovalOutcome says what came of somebody whom a removal names.
type RemovalOutcome string

// Outcomes of a removal. The first three are of those whom it has ended.
const (
	OutcomeRemoved    RemovalOutcome = "removed"     // and still out
	OutcomeRestored   RemovalOutcome = "restored"    // whatever came after that
	OutcomeErased     RemovalOutcome = "erased"      // after they were removed
	OutcomeNotRemoved RemovalOutcome = "not removed" // for a reason
)

// RemovalLine is a line of the report on a removal.
type RemovalLine struct {
	Outcome RemovalOutcome
	// UserID is empty of who was not removed. Of the erased it is all that is known,
	// and not even that where the same transaction erased them for want of a restore
	// window and others of the removal could come back.
	UserID string
	// Email and OrgUserID name who is out, and by what the request named who was not
	// removed. Who was restored is named as the account knows them now.
	Email     string
	OrgUserID string
	Reason    Reason // why they were not removed
}
