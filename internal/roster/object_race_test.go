package roster_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// unsound counts what must never be: owners who are not live, live members with
// something of an object that is gone, and removed ones with something of which
// nobody knows any more what it was.
const unsound = `SELECT
  (SELECT COUNT(*) FROM accounts a WHERE NOT EXISTS (SELECT 1 FROM live_members m WHERE m.account_id = a.id AND m.id = a.owner_id)),
  (SELECT COUNT(*) FROM bots b WHERE NOT EXISTS (SELECT 1 FROM live_members m WHERE m.account_id = b.account_id AND m.id = b.owner_id)),
  (SELECT COUNT(*) FROM live_group_members x WHERE x.group_id NOT IN (SELECT id FROM groups)),
  (SELECT COUNT(*) FROM live_member_roles x WHERE x.role_id NOT IN (SELECT id FROM roles)),
  (SELECT COUNT(*) FROM group_roles x WHERE x.group_id NOT IN (SELECT id FROM groups) OR x.role_id NOT IN (SELECT id FROM roles)),
  (SELECT COUNT(*) FROM group_groups x WHERE x.parent_id NOT IN (SELECT id FROM groups) OR x.child_id NOT IN (SELECT id FROM groups)),
  (SELECT COUNT(*) FROM live_member_roles x WHERE x.bot_id <> 0 AND x.bot_id NOT IN (SELECT id FROM bots)),
  (SELECT COUNT(*) FROM live_member_tasks x WHERE x.bot_id NOT IN (SELECT id FROM bots)),
  (SELECT COUNT(*) FROM group_members x WHERE x.group_id NOT IN (SELECT id FROM groups UNION ALL SELECT id FROM deleted_objects)),
  (SELECT COUNT(*) FROM member_roles x WHERE x.bot_id <> 0 AND x.bot_id NOT IN (SELECT id FROM bots UNION ALL SELECT id FROM deleted_objects))`

// checkSound returns what is unsound in a directory.
func checkSound(db *sql.DB) error {
	var n [10]int
	if err := db.QueryRow(unsound).Scan(&n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &n[7], &n[8], &n[9]); err != nil {
		return err
	}
	if n != [10]int{} {
		return fmt.Errorf("accounts, bots without a live owner, live members of a gone group, with a gone role, roles of groups, nestings of what is gone, live members with a role, a task in a gone bot, rows without a tombstone: %v", n)
	}
	return nil
}

// eachObjectRace is eachRace that looks afterwards whether the directory is sound.
func eachObjectRace(t *testing.T, race func(b *raceBench, round int)) {
	eachObjectRaceWith(t, roster.Options{}, race)
}

func eachObjectRaceWith(t *testing.T, o roster.Options, race func(b *raceBench, round int)) {
	eachRaceWith(t, o, func(b *raceBench, round int) {
		race(b, round)
		if err := checkSound(storetest.SQL(b, b.dsn)); err != nil {
			b.Errorf("round %d: %v", round, err)
		}
	})
}

// two makes two members for a round and returns their addresses.
func (b *raceBench) two(round int) (one, two string) {
	one, two = fmt.Sprintf("o%d.one@example.com", round), fmt.Sprintf("o%d.two@example.com", round)
	b.users(one, two)
	return one, two
}

func (b *raceBench) bot(owner string) (id string) {
	id, err := b.roster.CreateBot(context.Background(), auth.Operator(), b.account, "bot", owner)
	must(b.T, err)
	return id
}

// owner is who owns a bot, by address.
func (b *raceBench) owner(bot string) (email string) {
	must(b.T, storetest.SQL(b, b.dsn).QueryRow(
		"SELECT m.email_key FROM bots b JOIN members m ON m.id = b.owner_id WHERE b.public_id = $1", bot).Scan(&email))
	return email
}

// A bot goes to somebody who is being removed: they own it and stay, or are out
// and it stays where it was.
func TestTransferOfABotAgainstRemovalOfItsNewOwner(t *testing.T) {
	eachObjectRace(t, func(b *raceBench, round int) {
		from, to := b.two(round)
		bot := b.bot(from)
		var out directory.Removal
		var err error
		together(
			func() { out = b.remove(to) },
			func() { _, err = b.roster.TransferBot(context.Background(), auth.Operator(), b.account, bot, to) },
		)
		owner := b.owner(bot)
		switch {
		case err != nil && !errors.Is(err, directory.ErrNotFound):
			b.Errorf("round %d: %v", round, err)
		case (out.Removed == 1) == (err == nil), (owner == to) != (err == nil):
			b.Errorf("round %d: removed %d, transferred: %v, owner %s", round, out.Removed, err == nil, owner)
		}
	})
}

// A bot goes away from somebody who is being removed: they go, too, or are
// refused, and the bot has its new owner.
func TestTransferOfABotAgainstRemovalOfItsOldOwner(t *testing.T) {
	eachObjectRace(t, func(b *raceBench, round int) {
		from, to := b.two(round)
		bot := b.bot(from)
		var out directory.Removal
		var err error
		together(
			func() { out = b.remove(from) },
			func() { _, err = b.roster.TransferBot(context.Background(), auth.Operator(), b.account, bot, to) },
		)
		if err != nil || b.owner(bot) != to {
			b.Errorf("round %d: the owner is %s: %v", round, b.owner(bot), err)
		}
		if out.Removed == 0 && out.Refused[0].Reason != directory.ReasonBotOwner {
			b.Errorf("round %d: %+v", round, out)
		}
	})
}

// Two pass on all bots of two people at once, while one of these is being removed:
// nobody waits in a circle, and every bot has one of the new owners.
func TestTransfersOfAllBotsAtOnce(t *testing.T) {
	eachObjectRace(t, func(b *raceBench, round int) {
		from, to := b.two(round)
		other := fmt.Sprintf("o%d.three@example.com", round)
		b.users(other)
		bots := []string{b.bot(from), b.bot(other), b.bot(from)}
		refs := []directory.UserRef{{Text: from}, {Text: other}}
		var n, m int
		var errs [2]error
		together(
			func() {
				n, errs[0] = b.roster.TransferBots(context.Background(), auth.Operator(), b.account, refs, to, "")
			},
			func() {
				m, errs[1] = b.roster.TransferBots(context.Background(), auth.Operator(), b.account, refs, "owner@example.com", "")
			},
			func() { b.remove(from) },
		)
		if n+m != len(bots) && errs == [2]error{} {
			b.Errorf("round %d: %d and %d bots were passed on", round, n, m)
		}
		for _, err := range errs {
			if err != nil && !errors.Is(err, directory.ErrNotFound) {
				b.Errorf("round %d: %v", round, err)
			}
		}
		for _, bot := range bots {
			if owner := b.owner(bot); owner != to && owner != "owner@example.com" {
				b.Errorf("round %d: a bot is %s's", round, owner)
			}
		}
	})
}

// The account goes from one to another who may be on their way out, both of them.
func TestTransferOfTheAccountAgainstRemovals(t *testing.T) {
	const first = "owner@example.com"
	eachObjectRace(t, func(b *raceBench, round int) {
		from, to := b.two(round)
		must(b.T, wantDone(b.roster.TransferAccount(context.Background(), auth.Operator(), b.account, from)))
		var old, fresh directory.Removal
		var err error
		together(
			func() { old = b.remove(from) },
			func() { _, err = b.roster.TransferAccount(context.Background(), auth.Operator(), b.account, to) },
			func() { fresh = b.remove(to) },
		)
		switch {
		case err != nil && !errors.Is(err, directory.ErrNotFound):
			b.Errorf("round %d: %v", round, err)
		case (fresh.Removed == 1) == (err == nil), old.Removed == 1 && err != nil:
			b.Errorf("round %d: the old owner was removed: %d, the new one: %d; transferred: %v", round, old.Removed, fresh.Removed, err)
		}
		must(b.T, wantDone(b.roster.TransferAccount(context.Background(), auth.Operator(), b.account, first)))
	})
}

// A role in a bot that is being deleted: nobody has one in a bot that is gone.
func TestRoleAgainstDeletionOfItsBot(t *testing.T) {
	eachObjectRace(t, func(b *raceBench, round int) {
		one, two := b.two(round)
		bot := b.bot(one)
		var role, transfer, del error
		together(
			func() {
				role = b.roster.AssignRole(context.Background(), auth.Operator(), b.account, directory.RoleBotTester, bot, []string{one, two})
			},
			func() {
				_, transfer = b.roster.TransferBot(context.Background(), auth.Operator(), b.account, bot, two)
			},
			func() { del = b.roster.DeleteBot(context.Background(), auth.Operator(), b.account, bot) },
		)
		for _, err := range []error{role, transfer} {
			if err != nil && !errors.Is(err, directory.ErrNotFound) {
				b.Errorf("round %d: %v", round, err)
			}
		}
		if del != nil {
			b.Errorf("round %d: delete: %v", round, del)
		}
	})
}

// A group is deleted, twice, while people in it are removed: one deletion does
// it. Each either left the group, and a record says so, or has the row that a
// restore will drop.
func TestDeletionOfAGroupAgainstRemoval(t *testing.T) {
	eachObjectRace(t, func(b *raceBench, round int) {
		one, two := b.two(round)
		group, err := b.roster.CreateGroup(context.Background(), auth.Operator(), b.account, fmt.Sprint("group ", round), []string{one, two})
		must(b.T, err)
		var out directory.Removal
		var del, again error
		together(
			func() { out = b.remove(one, two) },
			func() { del = b.roster.DeleteGroup(context.Background(), auth.Operator(), b.account, group) },
			func() { again = b.roster.DeleteGroup(context.Background(), auth.Operator(), b.account, group) },
		)
		if (del == nil) == (again == nil) || !errors.Is(errors.Join(del, again), directory.ErrNotFound) || out.Removed != 2 {
			b.Errorf("round %d: %d removed; %v and %v", round, out.Removed, del, again)
		}
		var rows, records int
		must(b.T, storetest.SQL(b, b.dsn).QueryRow(`SELECT
  (SELECT COUNT(*) FROM group_members x JOIN deleted_objects d ON d.id = x.group_id WHERE d.public_id = $1),
  (SELECT COUNT(*) FROM audit_records r JOIN deleted_objects d ON d.id = r.object_id WHERE d.public_id = $1 AND r.kind = 'group.left')`,
			group).Scan(&rows, &records))
		if rows+records != 2 {
			b.Errorf("round %d: %d have a row, %d left", round, rows, records)
		}
	})
}

// What was removed comes back while its group and its bot are deleted: nobody
// has anything of either.
func TestDeletionAgainstRestore(t *testing.T) {
	eachObjectRace(t, func(b *raceBench, round int) {
		one, two := b.two(round)
		ctx := context.Background()
		bot := b.bot("owner@example.com")
		group, err := b.roster.CreateGroup(ctx, auth.Operator(), b.account, fmt.Sprint("group ", round), []string{one, two})
		must(b.T, err)
		must(b.T, b.roster.AssignRole(ctx, auth.Operator(), b.account, directory.RoleBotTester, bot, []string{one, two}))
		out := b.remove(one, two)
		var back directory.Restoration
		var restore, delGroup, delBot error
		together(
			func() {
				back, restore = b.roster.RestoreUsers(ctx, b.caller, "", out.PublicID, nil, roster.RestoreOptions{})
			},
			func() { delGroup = b.roster.DeleteGroup(ctx, auth.Operator(), b.account, group) },
			func() { delBot = b.roster.DeleteBot(ctx, auth.Operator(), b.account, bot) },
		)
		if err := errors.Join(restore, delGroup, delBot); err != nil || back.Restored != 2 {
			b.Errorf("round %d: %d restored: %v", round, back.Restored, err)
		}
		for _, lost := range back.Lost {
			if lost.PublicID == "" || lost.Users != 2 {
				b.Errorf("round %d: lost %+v", round, lost)
			}
		}
	})
}

// A group and a bot are deleted while many who have both are erased at once: both
// sides delete the same rows.
func TestDeletionAgainstErasureAtOnce(t *testing.T) {
	eachObjectRaceWith(t, roster.Options{EraseAtOnce: true}, func(b *raceBench, round int) {
		ctx := context.Background()
		var emails []string
		for i := range 30 {
			emails = append(emails, fmt.Sprintf("e%d.u%d@example.com", round, i))
		}
		b.users(emails...)
		bot := b.bot("owner@example.com")
		group, err := b.roster.CreateGroup(ctx, auth.Operator(), b.account, fmt.Sprint("group ", round), emails)
		must(b.T, err)
		must(b.T, b.roster.AssignRole(ctx, auth.Operator(), b.account, directory.RoleBotTester, bot, emails))
		storetest.Exec(b, b.dsn, `INSERT INTO member_tasks (account_id, member_id, bot_id, dialogs)
SELECT account_id, member_id, bot_id, '[]' FROM live_member_roles WHERE bot_id = (SELECT id FROM bots WHERE public_id = $1)`, bot)
		var out directory.Removal
		var delGroup, delBot error
		together(
			func() { out = b.remove(emails...) },
			func() { delGroup = b.roster.DeleteGroup(ctx, auth.Operator(), b.account, group) },
			func() { delBot = b.roster.DeleteBot(ctx, auth.Operator(), b.account, bot) },
		)
		if err := errors.Join(delGroup, delBot); err != nil || out.Removed != len(emails) {
			b.Errorf("round %d: %d removed: %v", round, out.Removed, err)
		}
	})
}
