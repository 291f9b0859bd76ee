package roster

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"roster/internal/directory"
)

// TestOutcomeIsRecalled: what an answer shows of a call comes back from what is
// kept of it, for any refusals.
func TestOutcomeIsRecalled(t *testing.T) {
	t.Parallel()
	reasons := []directory.Reason{directory.ReasonUserNotFound, directory.ReasonInvalidID, directory.ReasonBotOwner}
	rapid.Check(t, func(t *rapid.T) {
		named := rapid.Bool().Draw(t, "named")
		var refs []directory.UserRef
		var refused []directory.Refusal
		for i := range rapid.IntRange(0, 30).Draw(t, "refs") {
			ref := directory.UserRef{Text: "x", Kind: directory.IDKind(rapid.IntRange(0, 1).Draw(t, "kind"))}
			refusal := directory.Refusal{Ref: i, Reason: rapid.SampledFrom(reasons).Draw(t, "reason")}
			if !named {
				ref = directory.UserRef{Text: rapid.SampledFrom([]string{"a@x.io", "b@x.io"}).Draw(t, "spelt")}
				refusal.Email, refusal.Ref = ref.Text, len(refused)
			} else if ref.Kind == directory.ByOrgUserID {
				refusal.Email = rapid.SampledFrom([]string{"", "a@x.io"}).Draw(t, "email")
			}
			if refusal.Reason == directory.ReasonBotOwner {
				refusal.Bots = []directory.Bot{{PublicID: "st-1", Name: "<B>"}}
			}
			if refs = append(refs, ref); !named || rapid.Bool().Draw(t, "refused") {
				refused = append(refused, refusal)
			}
		}
		first := directory.Restoration{Restored: 7, Refs: refs, Refused: refused, Lost: []directory.LostObject{{Kind: directory.ObjectBot, Name: "B", Users: 2}}}
		kept, err := json.Marshal(keepRestoration(named, &first))
		if err != nil {
			t.Fatal(err)
		}
		var o outcome
		if err := json.Unmarshal(kept, &o); err != nil {
			t.Fatal(err)
		}
		request := refs
		if !named {
			request = nil
		}
		first.Repeated = true
		if diff := cmp.Diff(first, o.restoration(request), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("(-first +recalled):\n%s", diff)
		}
	})
}

// A hundred thousand strangers in a row are one entry.
func TestOutcomeOfStrangersIsSmall(t *testing.T) {
	t.Parallel()
	refs := make([]directory.UserRef, 100_000)
	out := directory.Removal{PublicID: "rm-1", Requested: len(refs)}
	for i := range refs {
		refs[i].Text = strings.Repeat("x", 30)
		out.Refused = append(out.Refused, directory.Refusal{Ref: i, Reason: directory.ReasonUserNotFound})
	}
	kept, err := json.Marshal(keepRemoval(refs, &out))
	if err != nil || len(kept) > 200 {
		t.Errorf("%d bytes, error %v", len(kept), err)
	}
}
