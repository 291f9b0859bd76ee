package roster

import (
	"encoding/json"
	"fmt"
	"strings"

	"roster/internal/auth"
	"roster/internal/directory"
)

// maxRefusedKept is how many refused ids a removal's details keep, and
// maxRefusedText how many bytes of each. A call of nothing but strangers must
// not fill the disk.
const (
	maxRefusedKept = 1000
	maxRefusedText = 320
)

// removalDetails are what stays of a removal beside the users' records and can
// be erased: who asked for it, and which ids were refused.
type removalDetails struct {
	Subject         string                   `json:"subject,omitempty"`
	RequestID       string                   `json:"requestId,omitempty"`
	Requested       int                      `json:"requested"`
	Removed         int                      `json:"removed"`
	RefusedByReason map[directory.Reason]int `json:"refusedByReason,omitempty"`
	Refused         []keptRefusal            `json:"refused,omitempty"`
}

// keptRefusal is an id that was refused, as details keep it.
type keptRefusal struct {
	ID     string           `json:"id"`
	Reason directory.Reason `json:"reason"`
	// Kind is kindOrgUserID, or empty for an address.
	Kind string `json:"kind,omitempty"`
	// NotText marks an id that is the JSON text of a value that was no string.
	NotText bool `json:"notText,omitempty"`
	// Email is the user's address beside an org id, where the answer had it.
	Email string `json:"email,omitempty"`
}

const kindOrgUserID = "orgUserId"

// keepRefusals makes what details keep of refusals, most of them at the most.
func keepRefusals(refs []directory.UserRef, refused []directory.Refusal, most int) []keptRefusal {
	kept := make([]keptRefusal, min(len(refused), most))
	for i := range kept {
		kept[i] = newKeptRefusal(refs[refused[i].Ref], refused[i])
	}
	return kept
}

func newKeptRefusal(ref directory.UserRef, refusal directory.Refusal) keptRefusal {
	id := keptRefusal{
		ID:     cutText(ref.Text),
		Reason: refusal.Reason,
		// A number that was cut may be none.
		NotText: ref.NotText && len(ref.Text) <= maxRefusedText,
	}
	if ref.Kind == directory.ByOrgUserID {
		id.Kind, id.Email = kindOrgUserID, refusal.Email
	}
	return id
}

// cutText is as much of a text as is kept of a refused id.
func cutText(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxRefusedText)], "")
}

func (id keptRefusal) user() directory.RefusedUser {
	user := directory.RefusedUser{
		Ref: directory.UserRef{Text: id.ID, NotText: id.NotText}, Reason: id.Reason, Email: id.Email,
	}
	if id.Kind == kindOrgUserID {
		user.Ref.Kind = directory.ByOrgUserID
	}
	return user
}

// describe renders what stays of a removal beside the users' records: counts of
// the refused by reason, and the details, with most of the refused ids at the
// most.
func describe(caller auth.Caller, refs []directory.UserRef, out *directory.Removal, requestID string, most int) (counts, details []byte, err error) {
	byReason := out.RefusedByReason()
	if counts, err = json.Marshal(byReason); err != nil {
		return nil, nil, err
	}
	details, err = json.Marshal(removalDetails{caller.Actor.Label, requestID, out.Requested, out.Removed, byReason, keepRefusals(refs, out.Refused, most)})
	return counts, details, err
}

// addDetails fills in what the details of a removal hold. They are empty once
// they were erased.
func addDetails(record *directory.RemovalRecord, details string) error {
	if details == "" {
		return nil
	}
	var d removalDetails
	if err := json.Unmarshal([]byte(details), &d); err != nil {
		return fmt.Errorf("read the details of removal %s: %w", record.PublicID, err)
	}
	record.Actor.Label, record.RequestID = d.Subject, d.RequestID
	record.Refused = d.users()
	return nil
}

func (d *removalDetails) users() []directory.RefusedUser { return refusedUsers(d.Refused) }

func refusedUsers(kept []keptRefusal) []directory.RefusedUser {
	users := make([]directory.RefusedUser, len(kept))
	for i, id := range kept {
		users[i] = id.user()
	}
	return users
}
