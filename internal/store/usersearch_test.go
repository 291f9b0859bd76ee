package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"roster/internal/directory"
	"roster/internal/store"
	"roster/internal/storetest"
)

// searched is somebody who may be found.
type searched struct {
	email, orgID, first, last string
	status                    directory.Status
	hasRole                   bool
}

func (p *searched) profile() directory.Profile {
	return directory.Profile{FirstName: p.first, LastName: p.last}
}

// Whatever users are asked for, in whatever order and however the pages are looked
// for: they come in the order, those who fit, each once, and nobody who has left.
func TestPagesOfUsersHoldWhoFits(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		seed := uint64(time.Now().UnixNano())
		random := rand.New(rand.NewPCG(seed, 0))
		f := newFixture(t, dsn)
		people := someSearched(f, random, 300)
		account, role := f.account, f.role("admin")
		f.another("y") // others with the same names
		someSearched(f, random, 50)
		f.account = account
		for range storetest.Count(60, 500) {
			q := someQuery(random, role)
			f.store.SetPaging(random.IntN(40), 1+random.IntN(30), 1+random.IntN(60), 1+random.IntN(4))
			if diff := cmp.Diff(expected(people, q), f.pages(q)); diff != "" {
				t.Fatalf("seed %d, %+v (-want +got):\n%s", seed, q, diff)
			}
		}
	})
}

var (
	firstNames = []string{"Ann", "Joanna", "Zoë", "José", "ANNE-marie", "李明", "", "Bo", "Straße", "ΟΔΥΣΣΕΥΣ"}
	lastNames  = []string{"Smith", "O'Brien", "de la Cruz", "Müller", "50%_off", `back\slash`, "", `"quoted"`}
	statuses   = []directory.Status{directory.StatusActive, directory.StatusInactive, directory.StatusSuspended, directory.StatusLocked}
	searches   = []string{"ann", "ANN", "jose", "josé", "smith ann", "mul", "ü l muller", "50%", "%_o", `k\s`, `"quo`, "x.exa", "e0", "e00", "nobody", "李明", "de la", " cru  z", "'br", "ann smith e0", "12@", "STRASSE", "σεύς", "#_#", ".x.", "_of", "李明 smi"}
)

// someSearched makes n members and removes some of them again.
func someSearched(f *fixture, random *rand.Rand, n int) (live []searched) {
	f.Helper()
	var gone, holders []string
	var all []searched
	for i := range n {
		p := searched{
			email: fmt.Sprintf("%c%c.%03d@x.example", 'a'+random.IntN(26), 'a'+random.IntN(26), i),
			first: firstNames[random.IntN(len(firstNames))], last: lastNames[random.IntN(len(lastNames))],
			status: statuses[min(random.IntN(12), len(statuses)-1)], hasRole: random.IntN(4) == 0,
		}
		if random.IntN(3) > 0 {
			p.orgID = fmt.Sprintf("E%03d", random.IntN(1000)+1000*i)
		}
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b searched) int { return strings.Compare(a.email, b.email) })
	people := make([]directory.NewMember, n)
	for i, p := range all {
		people[i] = directory.NewMember{Email: email(f, p.email), OrgUserID: p.orgID, Profile: p.profile(), Status: p.status}
	}
	f.write(store.MemberIDs(n), func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.CreateMembers(ctx, people)
		return err
	})
	renameSome(f, random, all)
	for _, p := range all {
		if p.hasRole {
			holders = append(holders, p.email)
		}
		if random.IntN(4) == 0 {
			gone = append(gone, p.email)
		} else {
			live = append(live, p)
		}
	}
	f.write(0, func(ctx context.Context, tx *store.Tx) error {
		return assign(ctx, tx, directory.AdminRole, f.role("admin"), "", holders...)
	})
	f.remove("", gone...)
	return live
}

// renameSome gives some people another name or org id.
func renameSome(f *fixture, random *rand.Rand, all []searched) {
	f.Helper()
	f.write(0, func(ctx context.Context, tx *store.Tx) error {
		for i := range all {
			if random.IntN(5) > 0 {
				continue
			}
			p := &all[i]
			held, err := tx.LockMembers(ctx, []string{p.email}, nil)
			if err != nil {
				return err
			}
			states, err := tx.States(ctx, held)
			if err != nil {
				return err
			}
			p.first, p.orgID = firstNames[random.IntN(len(firstNames))], []string{"", fmt.Sprintf("N%d", i)}[random.IntN(2)]
			before := states[held[0].Member]
			after := before
			after.Profile, after.OrgUserID = p.profile(), p.orgID
			change := directory.MemberChange{Member: held[0].Member, Person: held[0].Person, Before: before, After: after}
			if err := tx.ChangeUsers(ctx, held, directory.UserChanges{Members: []directory.MemberChange{change}}); err != nil {
				return err
			}
		}
		return nil
	})
}

func someQuery(random *rand.Rand, role string) directory.UserQuery {
	q := directory.UserQuery{
		Order:      []directory.UserOrder{"", directory.OrderByEmail, directory.OrderByName, directory.OrderByOrgUserID}[random.IntN(4)],
		Descending: random.IntN(2) == 0, Limit: 1 + random.IntN(40),
	}
	if random.IntN(3) > 0 {
		q.Search = searches[random.IntN(len(searches))]
	}
	if random.IntN(3) == 0 {
		q.Status = statuses[random.IntN(len(statuses))]
	}
	if random.IntN(3) == 0 {
		q.Role = role
	}
	return q
}

// expected are the addresses of those who fit, by looking at everybody. A query that
// cannot be made has nobody.
func expected(people []searched, q directory.UserQuery) (emails []string) {
	words, err := q.Words()
	if err != nil {
		return nil
	}
	type sorted struct{ key, email string }
	var fit []sorted
	for _, p := range append(people, searched{email: "owner@x.example", status: directory.StatusActive, hasRole: true}) {
		profile := p.profile()
		text, sortName := directory.SearchText(&profile, p.email, p.orgID)
		if q.Status != "" && q.Status != p.status || q.Role != "" && !p.hasRole || q.Order == directory.OrderByOrgUserID && p.orgID == "" ||
			slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) }) {
			continue
		}
		key := p.email
		switch q.Order {
		case directory.OrderByName:
			key = sortName
		case directory.OrderByOrgUserID:
			key = p.orgID
		}
		fit = append(fit, sorted{key, p.email})
	}
	slices.SortFunc(fit, func(a, b sorted) int { return strings.Compare(a.key, b.key) })
	if q.Descending {
		slices.Reverse(fit)
	}
	for _, s := range fit {
		emails = append(emails, s.email)
	}
	return emails
}

// pages are the addresses of all pages of a query.
func (f *fixture) pages(q directory.UserQuery) (emails []string) {
	f.Helper()
	words, err := q.Words()
	if errors.Is(err, directory.ErrInvalid) {
		return nil
	}
	must(f, err)
	for {
		page, err := f.store.UserPage(context.Background(), f.account, q, words)
		must(f, err)
		if len(page.Users) > q.Limit {
			f.Fatalf("a page of %d has %d", q.Limit, len(page.Users))
		}
		for _, u := range page.Users {
			emails = append(emails, u.Email)
		}
		if q.From = page.Next; q.From == "" {
			return emails
		}
	}
}

// Whoever came and left again and again, under the same name, is one user of a list by
// name, and stands in nobody's way.
func TestWhoCameOftenIsListedOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		f := newFixture(t, dsn)
		f.store.SetPaging(0, 2, 2, 3)
		for range 9 {
			f.members("often@x.example")
			f.remove("", "often@x.example")
		}
		f.members("before@x.example", "often@x.example", "then@x.example")
		for _, descending := range []bool{false, true} {
			want := []string{"before@x.example", "often@x.example", "owner@x.example", "then@x.example"}
			if descending {
				slices.Reverse(want)
			}
			for _, search := range []string{"", "x.example"} {
				q := directory.UserQuery{Order: directory.OrderByName, Descending: descending, Search: search, Limit: 1}
				if diff := cmp.Diff(want, f.pages(q)); diff != "" {
					t.Errorf("%+v (-want +got):\n%s", q, diff)
				}
			}
		}
	})
}

// Users of a database that an earlier version made are found like others, those who
// come back from a removal as well.
func TestUsersOfAnOlderDatabaseAreFound(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		random := rand.New(rand.NewPCG(7, 7))
		f := newFixture(t, dsn)
		people := someSearched(f, random, 40)
		backToVersion8(f)
		must(t, f.store.Migrate(context.Background()))
		for _, q := range []directory.UserQuery{{Search: "ann"}, {Search: "smith ann"}, {Order: directory.OrderByName}, {Search: "e00", Order: directory.OrderByOrgUserID}} {
			q.Limit = 7
			if diff := cmp.Diff(expected(people, q), f.pages(q)); diff != "" {
				t.Errorf("%+v (-want +got):\n%s", q, diff)
			}
		}
		unfilled := 0
		must(t, storetest.SQL(t, dsn).QueryRow("SELECT COUNT(*) FROM member_profiles WHERE search_text = '' OR sort_name = ''").Scan(&unfilled))
		if unfilled > 0 {
			t.Errorf("%d users cannot be found", unfilled)
		}
	})
}

// backToVersion8 takes away what the migrations from version 9 on make.
func backToVersion8(f *fixture) {
	f.Helper()
	statements := append(slices.Clone(backToVersion12),
		"ALTER TABLE audit_heads DROP COLUMN users", "DROP INDEX audit_records_person",
		"DROP INDEX member_profiles_name", "DROP INDEX member_profiles_status",
		"ALTER TABLE member_profiles DROP COLUMN search_text", "ALTER TABLE member_profiles DROP COLUMN sort_name",
		"ALTER TABLE removals DROP COLUMN note", "ALTER TABLE removals DROP COLUMN run",
		"DROP TABLE password_params", "DROP TABLE member_passwords", "DROP INDEX password_links_member",
		"CREATE TABLE person_passwords (person_id BIGINT NOT NULL PRIMARY KEY, hash TEXT NOT NULL, changed_at BIGINT NOT NULL)",
		"CREATE INDEX password_links_person ON password_links (person_id)",
		"DELETE FROM roster_migrations WHERE version_id > 8",
	)
	if f.store.Engine() == "sqlite" {
		statements = append([]string{"DROP TABLE member_search", "DROP INDEX member_profiles_narrow"}, statements...)
	}
	for _, statement := range statements {
		storetest.Exec(f, f.dsn, statement)
	}
}

func TestMissingExtensionIsNamed(t *testing.T) {
	t.Parallel()
	dsn := storetest.Empty(t, "postgres")
	var database string
	must(t, storetest.SQL(t, dsn).QueryRow("SELECT current_database()").Scan(&database))
	role := "plain_" + database // roles belong to the server, which may serve several runs
	storetest.Exec(t, dsn, "CREATE ROLE "+role+" LOGIN")
	storetest.Exec(t, dsn, "GRANT CREATE, USAGE ON SCHEMA public TO "+role)
	s := storetest.Open(t, strings.Replace(dsn, "postgres@", role+"@", 1), store.Options{})
	if err := s.Migrate(context.Background()); err == nil || !strings.Contains(err.Error(), "let a superuser run CREATE EXTENSION pg_trgm") {
		t.Errorf("%v", err)
	}
	storetest.Exec(t, dsn, "CREATE EXTENSION pg_trgm")
	must(t, s.Migrate(context.Background()))
}
