package directory

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func email(text string) UserRef { return UserRef{Kind: ByEmail, Text: text} }
func orgID(text string) UserRef { return UserRef{Kind: ByOrgUserID, Text: text} }

// value is a JSON value that is no string.
func value(kind IDKind, text string) UserRef { return UserRef{Kind: kind, Text: text, NotText: true} }

func TestSelectionKeepsEachUserOnceInTheOrderOfTheRequest(t *testing.T) {
	t.Parallel()
	sel := Select([]UserRef{
		email("B@example.com"), email("a@example.com"), email(" b@EXAMPLE.com "), email("nobody"),
		email("nobody"), email("NOBODY"), orgID("E2"), orgID(" E2"), orgID("e2"), orgID(""), orgID("a@example.com"),
	})
	if want := []string{"b@example.com", "a@example.com"}; !slices.Equal(sel.EmailKeys, want) {
		t.Errorf("addresses %q, want %q", sel.EmailKeys, want)
	}
	if want := []string{"E2", "e2", "a@example.com"}; !slices.Equal(sel.OrgUserIDs, want) {
		t.Errorf("org ids %q, want %q", sel.OrgUserIDs, want)
	}
	leaving, out := sel.Decide(nil)
	want := []Refusal{
		{Ref: 0, Reason: ReasonUserNotFound},
		{Ref: 1, Reason: ReasonUserNotFound},
		{Ref: 3, Reason: ReasonInvalidID},
		{Ref: 5, Reason: ReasonInvalidID},
		{Ref: 6, Reason: ReasonUserNotFound},
		{Ref: 8, Reason: ReasonUserNotFound},
		{Ref: 9, Reason: ReasonInvalidID},
		{Ref: 10, Reason: ReasonUserNotFound},
	}
	if len(leaving) != 0 || !reflect.DeepEqual(out.Refused, want) {
		t.Errorf("leaving %v, refused %v, want %v", leaving, out.Refused, want)
	}
}

func TestSelectionTellsInvalidSpellingsApart(t *testing.T) {
	t.Parallel()
	refs := []UserRef{
		value(ByEmail, "7"), email("7"), value(ByEmail, "7"), value(ByEmail, "7.0"), value(ByOrgUserID, "7"),
		value(ByEmail, "null"), value(ByEmail, "true"), email(""), email(" "), email(""),
	}
	_, out := Select(refs).Decide(nil)
	var at []int
	for _, r := range out.Refused {
		if r.Reason != ReasonInvalidID {
			t.Errorf("%+v is refused as %s", refs[r.Ref], r.Reason)
		}
		at = append(at, r.Ref)
	}
	if want := []int{0, 1, 3, 4, 5, 6, 7, 8}; !slices.Equal(at, want) {
		t.Errorf("refused at %v, want %v", at, want)
	}
	// A number is no org id, though its digits would be one.
	if sel := Select(refs); len(sel.EmailKeys)+len(sel.OrgUserIDs) != 0 {
		t.Errorf("%q and %q were taken for ids", sel.EmailKeys, sel.OrgUserIDs)
	}
}

func TestOwnersStayAndTheAccountsOwnerComesFirst(t *testing.T) {
	t.Parallel()
	bots := []Bot{{ID: 7, PublicID: "st-7", Name: "Desk"}}
	sel := Select([]UserRef{email("plain@x.io"), email("bots@x.io"), email("both@x.io"), email("owner@x.io")})
	leaving, out := sel.Decide([]Candidate{
		{Member: 1, EmailKey: "owner@x.io", Owns: &Ownership{Email: "Owner@x.io", Account: true}},
		{Member: 2, EmailKey: "both@x.io", Owns: &Ownership{Email: "Both@x.io", Account: true, Bots: bots}},
		{Member: 3, EmailKey: "bots@x.io", Owns: &Ownership{Email: "Bots@x.io", Bots: bots}},
		{Member: 4, EmailKey: "plain@x.io"},
	})
	if len(leaving) != 1 || leaving[0].Member != 4 {
		t.Errorf("leaving %v, want member 4 alone", leaving)
	}
	want := Removal{Requested: 4, Removed: 1, Refused: []Refusal{
		{Ref: 1, Reason: ReasonBotOwner, Email: "Bots@x.io", Bots: bots},
		{Ref: 2, Reason: ReasonAccountOwner, Email: "Both@x.io", Bots: bots},
		{Ref: 3, Reason: ReasonAccountOwner, Email: "Owner@x.io"},
	}}
	if !reflect.DeepEqual(out, want) {
		t.Errorf("outcome %+v, want %+v", out, want)
	}
	if got := out.RefusedByReason(); !reflect.DeepEqual(got, map[Reason]int{ReasonBotOwner: 1, ReasonAccountOwner: 2}) {
		t.Errorf("counts %v", got)
	}
}

func TestUserNamedInBothListsIsOneUser(t *testing.T) {
	t.Parallel()
	refs := []UserRef{email("gone@x.io"), email("a@x.io"), email("o@x.io"), orgID("A"), orgID("O"), orgID("gone@x.io")}
	leaving, out := Select(refs).Decide([]Candidate{
		{Member: 1, EmailKey: "a@x.io", OrgUserID: "A"},
		{Member: 2, EmailKey: "o@x.io", OrgUserID: "O", Owns: &Ownership{Account: true}},
	})
	want := []Refusal{
		{Ref: 0, Reason: ReasonUserNotFound},
		{Ref: 2, Reason: ReasonAccountOwner},
		{Ref: 5, Reason: ReasonUserNotFound},
	}
	if len(leaving) != 1 || out.Removed != 1 || out.Requested != 4 || !reflect.DeepEqual(out.Refused, want) {
		t.Errorf("leaving %v, outcome %+v", leaving, out)
	}
}

// Who is found and named by nothing (any more) stays: an org id can change
// between the look-up of a list and the lock on the row.
func TestMemberWhomNothingNamesStays(t *testing.T) {
	t.Parallel()
	leaving, out := Select([]UserRef{email("a@x.io"), orgID("A")}).Decide([]Candidate{
		{Member: 1, EmailKey: "b@x.io", OrgUserID: "B"},
		{Member: 2, EmailKey: "c@x.io", Owns: &Ownership{Account: true}},
	})
	want := []Refusal{{Ref: 0, Reason: ReasonUserNotFound}, {Ref: 1, Reason: ReasonUserNotFound}}
	if len(leaving) != 0 || !reflect.DeepEqual(out, Removal{Requested: 2, Refused: want}) {
		t.Errorf("leaving %v, outcome %+v", leaving, out)
	}
}

// Random lists against random members, decided once more in the slowest and
// plainest way.
func TestDecisionIsThatOfAPlainLoop(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		members := drawMembers(t)
		refs := append(drawRefs(t, ByEmail, []string{"a@x.io", "A@X.io", "b@x.io", " c@x.io", "d@x.io", "E1@x.io", "junk", ""}),
			drawRefs(t, ByOrgUserID, []string{"E1", "e1", " E1", "E2", "E3", "", "\x00"})...)
		sel := Select(refs)
		var found []Candidate // what a store would find
		for _, m := range members {
			if slices.Contains(sel.EmailKeys, m.EmailKey) || slices.Contains(sel.OrgUserIDs, m.OrgUserID) {
				found = append(found, m)
			}
		}
		leaving, out := sel.Decide(found)

		var wantLeaving []MemberID
		var wantRefused []string
		seen := map[string]bool{}
		for i, ref := range refs {
			id, reason, goes := judgeRef(ref, members)
			if seen[id] {
				continue
			}
			seen[id] = true
			if goes != 0 {
				wantLeaving = append(wantLeaving, goes)
			} else {
				wantRefused = append(wantRefused, fmt.Sprint(i, reason))
			}
		}
		var gotLeaving []MemberID
		var gotRefused []string
		for _, c := range leaving {
			gotLeaving = append(gotLeaving, c.Member)
		}
		for _, r := range out.Refused {
			gotRefused = append(gotRefused, fmt.Sprint(r.Ref, r.Reason))
		}
		slices.Sort(wantLeaving)
		slices.Sort(gotLeaving)
		if !slices.Equal(gotLeaving, wantLeaving) || !slices.Equal(gotRefused, wantRefused) {
			t.Fatalf("refs %+v of members %+v\nleaving %v, want %v\nrefused %v, want %v",
				refs, members, gotLeaving, wantLeaving, gotRefused, wantRefused)
		}
		if out.Removed != len(gotLeaving) || out.Requested != len(seen) {
			t.Fatalf("counts %d and %d, want %d and %d", out.Removed, out.Requested, len(gotLeaving), len(seen))
		}
	})
}

// judgeRef says whom a ref names, as a text that is the same for all mentions,
// and what becomes of them.
func judgeRef(ref UserRef, members []Candidate) (id string, reason Reason, goes MemberID) {
	key, valid := ref.Key()
	if !valid {
		return fmt.Sprintf("invalid %+v", ref), ReasonInvalidID, 0
	}
	for _, m := range members {
		if (ref.Kind == ByEmail && m.EmailKey == key) || (ref.Kind == ByOrgUserID && m.OrgUserID == key) {
			if m.Owns != nil && m.Owns.Account {
				return fmt.Sprint(m.Member), ReasonAccountOwner, 0
			}
			if m.Owns != nil && len(m.Owns.Bots) > 0 {
				return fmt.Sprint(m.Member), ReasonBotOwner, 0
			}
			return fmt.Sprint(m.Member), "", m.Member
		}
	}
	return fmt.Sprint("unknown ", ref.Kind, key), ReasonUserNotFound, 0
}

func drawMembers(t *rapid.T) []Candidate {
	keys := rapid.SliceOfDistinct(rapid.SampledFrom([]string{"a@x.io", "b@x.io", "c@x.io", "e1@x.io", "z@x.io"}), rapid.ID).Draw(t, "members")
	orgIDs := rapid.Permutation([]string{"", "E1", "E2", "e1", ""}).Draw(t, "org ids")
	members := make([]Candidate, len(keys))
	for i, key := range keys {
		members[i] = Candidate{Member: MemberID(i + 1), EmailKey: key, OrgUserID: orgIDs[i], Owns: &Ownership{Account: i == 0}}
		if rapid.Bool().Draw(t, "owns a bot") {
			members[i].Owns.Bots = []Bot{{PublicID: "st-1"}}
		}
	}
	return members
}

func drawRefs(t *rapid.T, kind IDKind, texts []string) []UserRef {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) UserRef {
		if rapid.IntRange(0, 9).Draw(t, "kind of value") == 0 {
			return value(kind, rapid.SampledFrom([]string{"1", "null", "true", "1.0"}).Draw(t, "value"))
		}
		return UserRef{Kind: kind, Text: rapid.SampledFrom(texts).Draw(t, "text")}
	}), 0, 12).Draw(t, "refs")
}
