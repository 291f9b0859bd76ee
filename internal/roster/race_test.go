package roster_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// raceRounds is how often each race is run on each engine.
var raceRounds = storetest.Count(15, 200)

// raceBench is an account for races.
type raceBench struct {
	*testing.T
	dsn     string
	roster  *roster.Roster
	account string
	caller  auth.Caller
	made    int // groups so far
}

func eachRace(t *testing.T, race func(b *raceBench, round int)) {
	eachRaceWith(t, roster.Options{}, race)
}

func eachRaceWith(t *testing.T, o roster.Options, race func(b *raceBench, round int)) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := o
		o.Database = dsn
		r, err := roster.Open(context.Background(), o)
		must(t, err)
		defer r.Close()
		account, err := r.CreateAccount(context.Background(), auth.Operator(), "X", "owner@example.com")
		must(t, err)
		b := &raceBench{T: t, dsn: dsn, roster: r, account: account, caller: callerOf(t, dsn, account)}
		for round := range raceRounds {
			race(b, round)
		}
		_, err = r.VerifyAudit(context.Background(), auth.Operator())
		must(t, err)
	})
}

func (b *raceBench) users(emails ...string) roster.Imported {
	rows := make([]roster.ImportRow, len(emails))
	for i, e := range emails {
		rows[i] = roster.ImportRow{Line: i + 1, Email: e}
	}
	out, err := b.roster.ImportUsers(context.Background(), auth.Operator(), b.account, rows, roster.ImportOptions{SkipBad: true})
	if err != nil {
		b.Errorf("import: %v", err)
	}
	return out
}

func (b *raceBench) remove(emails ...string) directory.Removal {
	refs := make([]directory.UserRef, len(emails))
	for i, e := range emails {
		refs[i] = directory.UserRef{Text: e}
	}
	out, err := b.roster.RemoveUsers(context.Background(), b.caller, refs, roster.RemovalOptions{})
	if err != nil {
		b.Errorf("remove: %v", err)
	}
	return out
}

// together runs all functions at once.
func together(fns ...func()) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for _, fn := range fns {
		all.Go(func() {
			<-start
			fn()
		})
	}
	close(start)
	all.Wait()
}

// Two removals of overlapping lists, in opposite order: everybody is removed
// once, by one of them, and the other reports them as not found.
func TestOverlappingRemovals(t *testing.T) {
	eachRace(t, func(b *raceBench, round int) {
		var emails []string
		for i := range 20 {
			emails = append(emails, fmt.Sprintf("r%d.u%d@example.com", round, i))
		}
		b.users(emails...)
		backwards := slices.Clone(emails[5:])
		slices.Reverse(backwards)
		var one, two directory.Removal
		together(func() { one = b.remove(emails[:15]...) }, func() { two = b.remove(backwards...) })
		if one.Removed+two.Removed != len(emails) || len(one.Refused)+len(two.Refused) != 10 {
			b.Errorf("round %d: %d and %d removed, %d and %d refused", round, one.Removed, two.Removed, len(one.Refused), len(two.Refused))
		}
	})
}

// A removal against a bot made for the same person: either they own the bot
// and stay, or they are out and there is no bot.
func TestRemovalAgainstBotCreation(t *testing.T) {
	eachRace(t, func(b *raceBench, round int) {
		email := fmt.Sprintf("b%d@example.com", round)
		b.users(email)
		var out directory.Removal
		var bot error
		together(
			func() { out = b.remove(email) },
			func() { _, bot = b.roster.CreateBot(context.Background(), auth.Operator(), b.account, "bot", email) },
		)
		switch {
		case bot != nil && !errors.Is(bot, directory.ErrNotFound):
			b.Errorf("round %d: create bot: %v", round, bot)
		case (out.Removed == 1) == (bot == nil):
			b.Errorf("round %d: removed %d, and the bot was made: %v", round, out.Removed, bot == nil)
		}
	})
}

// A removal against the same people imported again, twice: nobody is a member
// twice, and nobody fails but with a reason.
func TestRemovalAgainstImports(t *testing.T) {
	eachRace(t, func(b *raceBench, round int) {
		emails := []string{fmt.Sprintf("i%d.a@example.com", round), fmt.Sprintf("i%d.b@example.com", round)}
		b.users(emails...)
		var out directory.Removal
		var one, two roster.Imported
		together(
			func() { out = b.remove(emails...) },
			func() { one = b.users(emails[0], emails[1]) },
			func() { two = b.users(emails[1], emails[0]) },
		)
		live := 0
		must(b.T, b.roster.EachUser(context.Background(), auth.Operator(), b.account, func(m directory.Member) error {
			if slices.Contains(emails, m.Email) {
				live++
			}
			return nil
		}))
		if want := len(emails) - out.Removed + one.Created + two.Created; live != want || out.Removed != len(emails) {
			b.Errorf("round %d: %d are members, want %d; %d were removed, %d and %d made", round, live, want, out.Removed, one.Created, two.Created)
		}
	})
}

// A removal against a group made of the same person: who is out is in no group.
func TestRemovalAgainstGroup(t *testing.T) {
	eachRace(t, func(b *raceBench, round int) {
		email := fmt.Sprintf("g%d@example.com", round)
		b.users(email)
		var group error
		together(
			func() { b.remove(email) },
			func() {
				_, group = b.roster.CreateGroup(context.Background(), auth.Operator(), b.account, fmt.Sprint("group ", round), []string{email})
			},
		)
		if group != nil && !errors.Is(group, directory.ErrNotFound) {
			b.Errorf("round %d: create group: %v", round, group)
		}
		if group == nil {
			b.made++
		}
		var made, live int
		must(b.T, storetest.SQL(b, b.dsn).QueryRow(`SELECT (SELECT COUNT(*) FROM groups), (SELECT COUNT(*) FROM live_group_members)`).Scan(&made, &live))
		if made != b.made || live != 0 {
			b.Errorf("round %d: %d groups, want %d; %d who are out are in one", round, made, b.made, live)
		}
	})
}
