package roster

import (
	"reflect"
	"testing"

	"roster/internal/directory"
)

// Details that were written before kinds of ids were kept can be read: their ids
// read as addresses. So can none, and those of later versions.
func TestDetailsOfOtherVersions(t *testing.T) {
	t.Parallel()
	for details, want := range map[string]directory.RemovalRecord{
		"": {},
		`{"subject":"job","requestId":"r-1","requested":3,"removed":1,"refusedByReason":{"INVALID_ID":2},"refused":[{"id":"x","reason":"INVALID_ID"},{"id":"7","reason":"INVALID_ID"}]}`: {
			Actor: directory.Actor{Label: "job"}, RequestID: "r-1",
			Refused: []directory.RefusedUser{
				{Ref: directory.UserRef{Text: "x"}, Reason: directory.ReasonInvalidID},
				{Ref: directory.UserRef{Text: "7"}, Reason: directory.ReasonInvalidID},
			},
		},
		`{"requested":1,"removed":1}`: {Refused: []directory.RefusedUser{}},
		`{"new":[],"refused":[{"id":"E1","reason":"BOT_OWNER","kind":"orgUserId","email":"a@b.example","new":1},{"id":"7","reason":"INVALID_ID","notText":true}]}`: {
			Refused: []directory.RefusedUser{
				{Ref: directory.UserRef{Text: "E1", Kind: directory.ByOrgUserID}, Reason: directory.ReasonBotOwner, Email: "a@b.example"},
				{Ref: directory.UserRef{Text: "7", NotText: true}, Reason: directory.ReasonInvalidID},
			},
		},
	} {
		var got directory.RemovalRecord
		if err := addDetails(&got, details); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s reads as %+v, %v", details, got, err)
		}
	}
	if err := addDetails(&directory.RemovalRecord{}, "{"); err == nil {
		t.Error("broken details were read")
	}
}
