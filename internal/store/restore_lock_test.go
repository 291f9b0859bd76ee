package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"roster/internal/directory"
	"roster/internal/store"
	"roster/internal/storetest"
)

// restoring is a fixture with a removal of two, who have a group, and roles and
// tasks in a bot.
type restoring struct {
	*fixture
	group, bot, removal string // public ids
}

func newRestoring(t *testing.T) *restoring {
	t.Helper()
	r := &restoring{newFixture(t, storetest.New(t, "postgres")), "e-1", "st-1", "rm-1"}
	people := []string{"a@x.example", "b@x.example"}
	r.members(people...)
	r.write(3, func(ctx context.Context, tx *store.Tx) error {
		owner, err := tx.HoldMembers(ctx, []string{"owner@x.example"}, nil)
		if err != nil {
			return err
		}
		held, err := tx.HoldMembers(ctx, people, nil)
		if err != nil {
			return err
		}
		return errors.Join(
			tx.CreateGroup(ctx, r.group, "Sales", "", held),
			tx.CreateBot(ctx, r.bot, "Desk", owner[0]),
			assign(ctx, tx, directory.BotRole, r.role(directory.RoleBotTester), r.bot, people...),
			tx.Exec(ctx, "INSERT INTO member_tasks SELECT account_id, id, (SELECT id FROM bots), '[]' FROM live_members WHERE account_id = $1", r.account))
	})
	r.write(1, func(ctx context.Context, tx *store.Tx) error {
		sel := directory.Select([]directory.UserRef{{Text: people[0]}, {Text: people[1]}})
		found, err := tx.LockCandidates(ctx, sel)
		leaving, out := sel.Decide(found)
		out.PublicID = r.removal
		tx.Remove(leaving, out, []byte("{}"), time.Hour)
		return err
	})
	return r
}

// restore returns a transaction that restores all of the removal, and where it
// leaves what was lost.
func (r *restoring) restore() (*[]directory.LostObject, func(context.Context, *store.Tx) error) {
	lost := new([]directory.LostObject)
	return lost, func(ctx context.Context, tx *store.Tx) error {
		l, err := tx.LockRemoval(ctx, r.removal)
		if err != nil {
			return err
		}
		removed, err := tx.RemovedMembers(ctx, l, nil)
		if err == nil {
			*lost, err = tx.Restore(ctx, l, removed)
		}
		return err
	}
}

// A restoration and a deletion of what its people have, in either order: who is
// back has nothing of what is gone, and is told where they had it.
func TestRestorationAndDeletionWaitForEachOther(t *testing.T) {
	t.Parallel()
	for _, object := range []directory.ObjectKind{directory.ObjectGroup, directory.ObjectBot} {
		for _, first := range []string{"deletion", "restoration"} {
			t.Run(string(object)+", "+first+" first", func(t *testing.T) {
				t.Parallel()
				r := newRestoring(t)
				lost, restore := r.restore()
				remove := func(ctx context.Context, tx *store.Tx) error {
					_, err := tx.DeleteGroup(ctx, r.group)
					return err
				}
				want := directory.LostObject{Kind: object, PublicID: r.group, Name: "Sales", Users: 2}
				if object == directory.ObjectBot {
					remove = func(ctx context.Context, tx *store.Tx) error {
						_, err := tx.DeleteBot(ctx, r.bot)
						return err
					}
					want.PublicID, want.Name = r.bot, "Desk"
				}
				if first == "deletion" {
					must(t, r.meanwhile(t, remove, restore))
					if len(*lost) != 1 || (*lost)[0] != want {
						t.Errorf("lost %+v, want %+v", *lost, want)
					}
				} else {
					must(t, r.meanwhile(t, restore, remove))
					if len(*lost) != 0 {
						t.Errorf("lost %+v before it was deleted", *lost)
					}
				}
				for table, gone := range map[string]bool{
					"group_members": object == directory.ObjectGroup, "member_roles": object == directory.ObjectBot, "member_tasks": object == directory.ObjectBot,
				} {
					var left int
					must(t, storetest.SQL(t, r.dsn).QueryRow("SELECT COUNT(*) FROM live_"+table).Scan(&left))
					if gone && left != 0 || !gone && left < 2 {
						t.Errorf("%d rows of %s", left, table)
					}
				}
			})
		}
	}
}

// A restoration waits for the one before, and finds nobody left, and for
// somebody who takes an address, and then fails to be looked at again.
func TestRestorationThatWaited(t *testing.T) {
	t.Parallel()
	r := newRestoring(t)
	_, restore := r.restore()
	none := func(ctx context.Context, tx *store.Tx) error {
		l, err := tx.LockRemoval(ctx, r.removal)
		if err != nil {
			return err
		}
		removed, err := tx.RemovedMembers(ctx, l, nil)
		if len(removed) != 0 || l.Restored != 2 {
			t.Errorf("%d are left and %d restored", len(removed), l.Restored)
		}
		tx.RecordDetails([]byte("{}"))
		return err
	}
	must(t, r.meanwhile(t, restore, none))

	again := newRestoring(t)
	_, restore = again.restore()
	create := func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.CreateMembers(ctx, []directory.NewMember{{Email: email(t, "a@x.example"), Status: directory.StatusInactive}})
		return err
	}
	if err := again.meanwhileWith(t, store.MemberIDs(1), create, restore); !errors.Is(err, directory.ErrExists) {
		t.Errorf("restored beside a new member with the address: %v", err)
	}
}
