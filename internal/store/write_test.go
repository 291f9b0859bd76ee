package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"roster/internal/directory"
	"roster/internal/store"
	"roster/internal/storetest"
)

var errOfTest = errors.New("error of the test")

// unchanged fails the test when do changes anything in the database.
func (f *fixture) unchanged(what string, do func()) {
	f.Helper()
	before := storetest.Dump(f, f.dsn)
	do()
	if diff := before.Diff(storetest.Dump(f, f.dsn)); diff != "" {
		f.Errorf("%s: something was written (-before +after):\n%s", what, diff)
	}
}

func TestWriteThatFailsWroteNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		f := newFixture(t, dsn)
		f.members("a@x.example")
		f.unchanged("error at the end", func() {
			err := f.tryWrite(9, func(ctx context.Context, tx *store.Tx) error {
				if _, err := tx.CreateMembers(ctx, []directory.NewMember{{Email: email(t, "b@x.example"), Status: directory.StatusActive}}); err != nil {
					return err
				}
				if err := tx.CreateGroup(ctx, "e-1", "Staff", "", nil); err != nil {
					return err
				}
				return errOfTest
			})
			if !errors.Is(err, errOfTest) {
				t.Errorf("%v, want the error of fn", err)
			}
		})
		f.unchanged("no audit record", func() {
			err := f.tryWrite(1, func(ctx context.Context, tx *store.Tx) error {
				return tx.Exec(ctx, "DELETE FROM member_profiles")
			})
			if err == nil || !strings.Contains(err.Error(), "no audit record") {
				t.Errorf("%v, want a refusal", err)
			}
		})
		f.unchanged("nothing at all", func() {
			if err := f.tryWrite(1, func(context.Context, *store.Tx) error { return nil }); err == nil {
				t.Error("a transaction without a record was committed")
			}
		})
		f.unchanged("more ids than asked for", func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			_ = f.tryWrite(1, func(ctx context.Context, tx *store.Tx) error {
				if err := tx.CreateGroup(ctx, "e-1", "Staff", "", nil); err != nil {
					return err
				}
				tx.ID()
				return nil
			})
		})
		f.group("Staff", "a@x.example") // the store goes on
	})
}

// A member who is not live can neither be removed nor updated, whatever the
// verb believes.
func TestWriteWhoseRowsAreNotThereWroteNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		f := newFixture(t, dsn)
		ids := f.members("a@x.example", "b@x.example")
		f.remove("", "a@x.example")
		gone := directory.Candidate{Member: ids[0], Person: 1}
		there := directory.Candidate{Member: ids[1], Person: 2}
		for name, fn := range map[string]func(context.Context, *store.Tx) error{
			"remove": func(_ context.Context, tx *store.Tx) error {
				tx.Remove([]directory.Candidate{there, gone}, directory.Removal{PublicID: "rm-1"}, []byte("{}"), time.Hour)
				return nil
			},
			"update the org id": func(ctx context.Context, tx *store.Tx) error {
				if err := changeOrgID(ctx, tx, there, "T"); err != nil {
					return err
				}
				return changeOrgID(ctx, tx, gone, "G")
			},
			"update the profile": func(ctx context.Context, tx *store.Tx) error {
				moved := directory.MemberState{Profile: directory.Profile{City: "Ulm"}}
				return tx.ChangeUsers(ctx, nil, directory.UserChanges{Members: []directory.MemberChange{{Member: 999, After: moved}}})
			},
		} {
			f.unchanged(name, func() {
				if err := f.tryWrite(1, fn); err == nil || !strings.Contains(err.Error(), "rows instead of") {
					t.Errorf("%s: %v, want a refusal", name, err)
				}
			})
		}
		_, err := f.store.VerifyAudit(context.Background())
		must(t, err)
	})
}

func TestTakenNameOrAddressOrIDIsErrExists(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		f := newFixture(t, dsn)
		f.members("a@x.example", "b@x.example")
		f.group("Staff")
		member := func(address, orgUserID string) func(context.Context, *store.Tx) error {
			return func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.CreateMembers(ctx, []directory.NewMember{{Email: email(t, address), OrgUserID: orgUserID, Status: directory.StatusActive}})
				return err
			}
		}
		for name, fn := range map[string]func(context.Context, *store.Tx) error{
			"address": member("A@x.example", ""),
			"org id":  member("c@x.example", "B"),
			"org id in an update": func(ctx context.Context, tx *store.Tx) error {
				held, err := tx.LockMembers(ctx, []string{"a@x.example"}, nil)
				if err != nil {
					return err
				}
				return changeOrgID(ctx, tx, held[0], "B")
			},
			"group": func(ctx context.Context, tx *store.Tx) error { return tx.CreateGroup(ctx, "e-2", "Staff", "", nil) },
		} {
			f.unchanged(name, func() {
				if err := f.tryWrite(2, fn); !errors.Is(err, directory.ErrExists) {
					t.Errorf("%s: %v, want ErrExists", name, err)
				}
			})
		}
		// In another account, and after a removal, all of them are free.
		f.remove("", "a@x.example", "b@x.example")
		f.write(2, member("A@x.example", "B"))
		f.another("y")
		f.write(2, member("a@x.example", "B"))
		f.group("Staff")
	})
}

func TestUnknownRoleOrBotIsErrNotFound(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		f := newFixture(t, dsn)
		f.bot("Desk", "owner@x.example")
		var bot string
		must(t, storetest.SQL(t, dsn).QueryRow("SELECT public_id FROM bots").Scan(&bot))
		assign := func(kind directory.RoleKind, role, bot string) error {
			return f.tryWrite(1, func(ctx context.Context, tx *store.Tx) error {
				return assign(ctx, tx, kind, role, bot, "owner@x.example")
			})
		}
		tester, admin := f.role(directory.RoleBotTester), f.role(directory.RoleAdmin)
		must(t, assign(directory.BotRole, tester, bot))
		for _, wrong := range []struct {
			kind      directory.RoleKind
			role, bot string
		}{
			{directory.AdminRole, "nobody", ""},
			{directory.AdminRole, tester, ""},
			{directory.BotRole, admin, bot},
			{directory.BotRole, tester, "st-none"},
			{directory.BotRole, tester, ""},
			{directory.AdminRole, "admin\x00", ""},
			{directory.BotRole, tester, "\xff"},
		} {
			f.unchanged(fmt.Sprint(wrong), func() {
				if err := assign(wrong.kind, wrong.role, wrong.bot); !errors.Is(err, directory.ErrNotFound) {
					t.Errorf("%s role %q in bot %q: %v, want ErrNotFound", wrong.kind, wrong.role, wrong.bot, err)
				}
			})
		}
		f.another("y")
		f.unchanged("another account's bot", func() {
			if err := assign(directory.BotRole, f.role(directory.RoleBotTester), bot); !errors.Is(err, directory.ErrNotFound) {
				t.Errorf("another account's bot: %v, want ErrNotFound", err)
			}
		})
		if _, err := f.store.Account(context.Background(), "none"); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("unknown account: %v, want ErrNotFound", err)
		}
		if _, _, err := f.store.App(context.Background(), "none"); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("unknown app: %v, want ErrNotFound", err)
		}
	})
}

// A call that ends while its transaction runs harms nobody who comes after it.
func TestWriteGoesOnAfterACallThatEnded(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		f := newFixture(t, dsn)
		for i := range 5 {
			f.unchanged("a call that ended", func() {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				err := f.store.Write(ctx, store.Change{Account: f.account, Actor: operator, IDs: 1}, func(tx *store.Tx) error {
					if err := tx.CreateGroup(ctx, "e-1", "Staff", "", nil); err != nil {
						return err
					}
					cancel()
					return tx.Exec(ctx, "DELETE FROM member_profiles")
				})
				if !errors.Is(err, context.Canceled) {
					t.Errorf("%v, want context.Canceled", err)
				}
			})
			f.group(fmt.Sprint("Group ", i))
		}
	})
}

func TestClosedStoreRefusesAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		s, err := store.Open(context.Background(), dsn, store.Options{})
		must(t, err)
		must(t, s.PinSecretKey(context.Background(), []byte("x")))
		must(t, s.Close())
		if err := s.PinSecretKey(context.Background(), []byte("x")); err == nil {
			t.Error("a closed store has written")
		}
		if _, err := s.Account(context.Background(), "x"); err == nil || errors.Is(err, directory.ErrNotFound) {
			t.Errorf("a closed store has read: %v", err)
		}
	})
}

// Keys are distinct over all tables and processes.
func TestKeysAreUniqueAcrossWritersAndStores(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		f := newFixture(t, dsn)
		var wg sync.WaitGroup
		for s := range 2 {
			other := *f
			other.store = storetest.Open(t, dsn, store.Options{})
			for w := range 3 {
				wg.Go(func() {
					for i := range 8 {
						other.members(fmt.Sprintf("m-%d-%d-%d@x.example", s, w, i), fmt.Sprintf("n-%d-%d-%d@x.example", s, w, i))
						other.bot("Bot", "owner@x.example")
					}
				})
			}
		}
		wg.Wait()
		seen := map[int64]string{}
		for _, query := range []string{
			"SELECT id, 'account' FROM accounts", "SELECT id, 'person' FROM persons", "SELECT id, 'member' FROM members",
			"SELECT id, 'role' FROM roles", "SELECT id, 'bot' FROM bots", "SELECT batch_id, 'batch' FROM audit_chain",
		} {
			rows, err := storetest.SQL(t, dsn).Query(query)
			must(t, err)
			defer rows.Close()
			for rows.Next() {
				var id int64
				var what string
				must(t, rows.Scan(&id, &what))
				if other, dup := seen[id]; dup {
					t.Errorf("%d is the key of a %s and of a %s", id, other, what)
				}
				seen[id] = what
			}
			must(t, rows.Err())
		}
		if want := 1 + 2*97 + 4 + 48 + 97; len(seen) != want { // account, persons and members, roles, bots, batches
			t.Errorf("%d keys, want %d", len(seen), want)
		}
		_, err := f.store.VerifyAudit(context.Background())
		must(t, err)
	})
}

// The row of the chain goes to the server together with the commit, so it has
// to fail by itself when the end of the chain was not moved to it.
func TestChainWhoseEndDoesNotMoveIsNotWritten(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		f := newFixture(t, dsn)
		f.members("a@x.example")
		for _, statement := range map[string][]string{
			"sqlite": {"CREATE TRIGGER stuck BEFORE UPDATE ON audit_heads BEGIN SELECT RAISE(IGNORE); END"},
			"postgres": {
				"CREATE FUNCTION stuck() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
				"CREATE TRIGGER stuck BEFORE UPDATE ON audit_heads FOR EACH ROW EXECUTE FUNCTION stuck()",
			},
		}[f.store.Engine()] {
			storetest.Exec(t, dsn, statement)
		}
		f.unchanged("the end does not move", func() {
			if err := f.tryRemove("", "a@x.example"); err == nil {
				t.Error("a removal was committed without its place in the chain")
			}
		})
	})
}
