package roster_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// What came of a restoration can be read by the request that made it, however many
// came after it, by those who may see the removal, until its people are erased.
func TestWhatCameOfARestoration(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		p := newPurgeBench(t, dsn, roster.Options{})
		ctx := context.Background()
		p.users("one", "ann@example.com", "bo@example.com", "cy@example.com")
		group, err := p.roster.CreateGroup(ctx, auth.Operator(), p.account["one"], "Staff", []string{"ann@example.com"})
		p.check(err)
		removal := p.removal("ann@example.com", "bo@example.com", "cy@example.com")
		p.check(p.roster.DeleteGroup(ctx, auth.Operator(), p.account["one"], group))
		p.users("one", "bo@example.com")
		restore := func(request string, emails ...string) {
			refs := make([]directory.UserRef, len(emails))
			for i := range refs {
				refs[i].Text = emails[i]
			}
			_, err := p.roster.RestoreUsers(ctx, p.caller["one"], "", removal, refs, roster.RestoreOptions{RequestID: request})
			p.check(err)
		}
		restore("first", "bo@example.com", "zoe@example.com", "ann@example.com")
		for i := range 101 {
			restore(fmt.Sprint("later ", i), "zoe@example.com")
		}
		record, err := p.roster.Removal(ctx, p.caller["one"], "", removal)
		p.check(err)
		got, err := p.roster.Restoration(ctx, p.caller["one"], "", &record, "first")
		p.check(err)
		bo, zoe := directory.UserRef{Text: "bo@example.com"}, directory.UserRef{Text: "zoe@example.com"}
		want := directory.RestorationRecord{
			Restored:        1,
			RefusedByReason: map[directory.Reason]int{directory.ReasonUserExists: 1, directory.ReasonUserNotFound: 1},
			Refused:         []directory.RefusedUser{{Ref: bo, Reason: directory.ReasonUserExists}, {Ref: zoe, Reason: directory.ReasonUserNotFound}},
			Lost:            []directory.LostObject{{Kind: directory.ObjectBot, Users: 1}, {Kind: directory.ObjectGroup, PublicID: group, Name: "Staff", Users: 1}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if got, err := p.roster.Restoration(ctx, p.caller["one"], "", &record, "later 100"); err != nil || got.Restored != 0 || len(got.Refused) != 1 {
			t.Errorf("a later one: %+v, %v", got, err)
		}
		for name, c := range map[string]struct {
			caller           auth.Caller
			account, request string
			want             error
		}{
			"no such request":             {p.caller["one"], "", "second", directory.ErrNotFound},
			"that of the removal":         {p.caller["one"], "", record.RequestID, directory.ErrNotFound},
			"another account's app":       {p.caller["two"], "", "first", directory.ErrNotFound},
			"which names the account":     {p.caller["two"], p.account["one"], "first", directory.ErrDenied},
			"somebody without the rights": {auth.Caller{}, p.account["one"], "first", auth.ErrScope},
		} {
			if got, err := p.roster.Restoration(ctx, c.caller, c.account, &record, c.request); !errors.Is(err, c.want) {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		}
		_, err = p.roster.PurgeRemoval(ctx, auth.Operator(), p.account["one"], removal)
		p.check(err)
		if got, err := p.roster.Restoration(ctx, p.caller["one"], "", &record, "first"); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("after the purge: %+v, %v", got, err)
		}
	})
}
