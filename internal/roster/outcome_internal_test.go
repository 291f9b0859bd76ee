package roster

import (
	"encoding/json"
	"slices"
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

// What is kept of a hundred thousand refusals is small, in a row and scattered.
func TestOutcomeIsSmall(t *testing.T) {
	t.Parallel()
	refs := make([]directory.UserRef, 100_000)
	for i := range refs {
		refs[i].Text = strings.Repeat("x", 30)
	}
	for _, c := range []struct {
		name   string
		reason func(place int) directory.Reason // empty for who is removed
		most   int
	}{
		{"strangers", func(int) directory.Reason { return directory.ReasonUserNotFound }, 200},
		{"every second one", func(i int) directory.Reason {
			return []directory.Reason{"", directory.ReasonUserNotFound}[i%2]
		}, 250_000},
		{"two reasons in turn", func(i int) directory.Reason {
			return []directory.Reason{directory.ReasonInvalidID, directory.ReasonUserNotFound}[i%2]
		}, 450_000},
	} {
		out := directory.Removal{PublicID: "rm-1", Requested: len(refs)}
		for i := range refs {
			if reason := c.reason(i); reason != "" {
				out.Refused = append(out.Refused, directory.Refusal{Ref: i, Reason: reason})
			}
		}
		kept, err := json.Marshal(keepRemoval(refs, &out))
		if err != nil || len(kept) > c.most {
			t.Errorf("%s: %d bytes, want %d at most; error %v", c.name, len(kept), c.most, err)
		}
		var o outcome
		if err := json.Unmarshal(kept, &o); err != nil {
			t.Fatal(err)
		}
		same := func(a, b directory.Refusal) bool { return a.Ref == b.Ref && a.Reason == b.Reason }
		if !slices.EqualFunc(out.Refused, o.removal().Refused, same) {
			t.Errorf("%s: other refusals come back", c.name)
		}
	}
}
