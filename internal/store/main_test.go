package store_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"roster/internal/directory"
	"roster/internal/store"
	"roster/internal/storetest"
)

// migrateChild makes the test binary a process that migrates a database and
// ends; see TestProcessesThatStartTogetherMigrateOnce.
const migrateChild = "ROSTER_TEST_MIGRATE_CHILD"

func TestMain(m *testing.M) {
	if dsn := os.Getenv(migrateChild); dsn != "" {
		os.Exit(runMigrateChild(dsn))
	}
	storetest.Main(m)
}

func runMigrateChild(dsn string) int {
	_, _ = io.ReadAll(os.Stdin) // the parent closes it to say: now
	ctx := context.Background()
	s, err := store.Open(ctx, dsn, store.Options{})
	if err == nil {
		if err = s.Migrate(ctx); err == nil {
			err = s.Close()
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var operator = directory.Actor{Kind: directory.ActorOperator}

// fixture is an account in an open store, worked on below the verbs.
type fixture struct {
	testing.TB
	dsn     string
	store   *store.Store
	account directory.AccountID
}

// newFixture opens the store and makes the account x of owner@x.example.
func newFixture(t testing.TB, dsn string) *fixture {
	t.Helper()
	f := &fixture{TB: t, dsn: dsn, store: storetest.Open(t, dsn, store.Options{})}
	f.another("x")
	return f
}

// another makes one more account and works on that from now on.
func (f *fixture) another(name string) {
	f.Helper()
	owner := directory.NewMember{Email: email(f, "owner@"+name+".example"), Status: directory.StatusActive}
	f.account = 0
	f.write(store.AccountIDs()+store.MemberIDs(1), func(ctx context.Context, tx *store.Tx) error {
		return tx.CreateAccount(ctx, name, name, owner)
	})
	account, err := f.store.Account(context.Background(), name)
	must(f, err)
	f.account = account.ID
}

func (f *fixture) tryWrite(ids int, fn func(context.Context, *store.Tx) error) error {
	ctx := context.Background()
	return f.store.Write(ctx, store.Change{Account: f.account, Actor: operator, IDs: ids}, func(tx *store.Tx) error {
		return fn(ctx, tx)
	})
}

func (f *fixture) write(ids int, fn func(context.Context, *store.Tx) error) {
	f.Helper()
	must(f, f.tryWrite(ids, fn))
}

func email(t testing.TB, address string) directory.Email {
	t.Helper()
	e, err := directory.ParseEmail(address)
	must(t, err)
	return e
}

// members makes people with these addresses members; the org id of a@x is A.
func (f *fixture) members(addresses ...string) []directory.MemberID {
	f.Helper()
	people := make([]directory.NewMember, len(addresses))
	for i, a := range addresses {
		local, _, _ := strings.Cut(a, "@")
		people[i] = directory.NewMember{Email: email(f, a), OrgUserID: strings.ToUpper(local), Status: directory.StatusInactive}
	}
	slices.SortFunc(people, func(a, b directory.NewMember) int { return strings.Compare(a.Email.Key, b.Email.Key) })
	var ids []directory.MemberID
	f.write(store.MemberIDs(len(people)), func(ctx context.Context, tx *store.Tx) (err error) {
		created, err := tx.CreateMembers(ctx, people)
		ids, _ = store.Split(created)
		return err
	})
	return ids
}

// remove ends the memberships of people, with details of the given text.
func (f *fixture) remove(details string, addresses ...string) {
	f.Helper()
	must(f, f.tryRemove(details, addresses...))
}

func (f *fixture) tryRemove(details string, addresses ...string) error {
	refs := make([]directory.UserRef, len(addresses))
	for i, a := range addresses {
		refs[i] = directory.UserRef{Text: a}
	}
	return f.tryWrite(1, func(ctx context.Context, tx *store.Tx) error {
		sel := directory.Select(refs)
		found, err := tx.LockCandidates(ctx, sel)
		if err != nil {
			return err
		}
		leaving, out := sel.Decide(found)
		out.PublicID = directory.NewRemovalID()
		if details != "" {
			tx.RecordDetails([]byte(details))
		}
		tx.Remove(leaving, out, []byte("{}"), time.Hour)
		return nil
	})
}

func (f *fixture) bot(name, owner string) {
	f.Helper()
	f.write(1, func(ctx context.Context, tx *store.Tx) error {
		held, err := tx.HoldMembers(ctx, []string{owner}, nil)
		if err == nil {
			err = tx.CreateBot(ctx, directory.NewBotID(), name, held[0])
		}
		return err
	})
}

func (f *fixture) group(name string, members ...string) {
	f.Helper()
	f.write(1, func(ctx context.Context, tx *store.Tx) error {
		held, err := tx.HoldMembers(ctx, members, nil)
		if err == nil {
			err = tx.CreateGroup(ctx, directory.NewGroupID(), name, "", held)
		}
		return err
	})
}

// role is the public id of a role by its name.
func (f *fixture) role(name string) (id string) {
	f.Helper()
	must(f, storetest.SQL(f, f.dsn).QueryRow("SELECT public_id FROM roles WHERE account_id = $1 AND name = $2", f.account, name).Scan(&id))
	return id
}

// assign gives members a role of the kind, all by public ids, or says why not.
func assign(ctx context.Context, tx *store.Tx, kind directory.RoleKind, role, bot string, emails ...string) error {
	item := directory.RoleAssignment{RoleID: role, BotID: bot}
	for _, e := range emails {
		item.AddUsers = append(item.AddUsers, directory.UserRef{Text: e})
	}
	items := []directory.RoleAssignment{item}
	found, err := tx.LockForRoles(ctx, directory.NamesOf(items))
	if err != nil {
		return err
	}
	failures, add, remove := directory.DecideAssignments(kind, items, found)
	if failures[0] != nil {
		return failures[0].Explain(item)
	}
	_, err = tx.ChangeGrants(ctx, found, add, remove)
	return err
}

// live lists the addresses of the account's live members, sorted.
func (f *fixture) live() []string {
	f.Helper()
	var emails []string
	must(f, f.store.EachMember(context.Background(), f.account, func(m directory.Member) error {
		emails = append(emails, m.Email)
		return nil
	}))
	slices.Sort(emails)
	return emails
}

// changeOrgID gives a locked member another org id.
func changeOrgID(ctx context.Context, tx *store.Tx, member directory.Candidate, id string) error {
	return tx.ChangeUsers(ctx, nil, directory.UserChanges{Members: []directory.MemberChange{{
		Member: member.Member, Person: member.Person, Before: directory.MemberState{OrgUserID: "before"}, After: directory.MemberState{OrgUserID: id},
	}}})
}
