package server_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roster/internal/auth"
	"roster/internal/roster"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// ofPersons is the version before that in which passwords belong to memberships.
const ofPersons = 10

const oldPassword = "correct horse battery"

// personPasswords are the rows of person_passwords in a version ofPersons.
type personPassword struct {
	person, changed int64
	hash            string
}

func personPasswords(t *testing.T, db *sql.DB) (all []personPassword) {
	t.Helper()
	rows, err := db.Query("SELECT person_id, hash, changed_at FROM member_passwords")
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var p personPassword
		must(t, rows.Scan(&p.person, &p.hash, &p.changed))
		all = append(all, p)
	}
	must(t, rows.Err())
	return all
}

// A password of a person becomes that of the membership by whose link it was set, be that
// removed since, and of no other. Links and sessions of before end.
func TestPasswordsMoveToTheirMembership(t *testing.T) {
	t.Parallel()
	const both, next, purged = "both@example.com", "next@example.com", "purged@example.com"
	for _, engine := range storetest.Engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			ctx, operator := context.Background(), auth.Operator()
			keyFile, newer := filepath.Join(t.TempDir(), "secret.key"), storetest.New(t, engine)
			s := rostertest.Start(t, newer, rostertest.Options{SecretKeyFile: keyFile})
			one, two := s.Account("owner@example.com"), s.Account("other@example.com")
			s.Users(one, both, next, purged)
			s.Users(two, both, purged)
			app := s.App(one)
			for email, account := range map[string]string{both: two, next: one, purged: one, "owner@example.com": one} {
				link, err := s.Roster.CreatePasswordLink(ctx, operator, account, email)
				must(t, err)
				must(t, s.Roster.SetPassword(ctx, link.Token, oldPassword))
			}
			_, err := s.Roster.SignIn(ctx, roster.Credentials{Email: "owner@example.com", Password: oldPassword})
			must(t, err)
			_, err = s.Roster.CreatePasswordLink(ctx, operator, one, both)
			must(t, err)
			of := s.Remove(app, `{"deleteEmailIds":["`+next+`"]}`).Header.Get("X-Removal-Id")
			s.Users(one, next)
			passwords := personPasswords(t, storetest.SQL(t, newer))
			id := s.Remove(app, `{"deleteEmailIds":["`+purged+`"]}`).Header.Get("X-Removal-Id")
			_, err = s.Roster.PurgeRemoval(ctx, operator, one, id)
			must(t, err)
			must(t, s.Stop())

			dsn, tables := earlier(t, engine, ofPersons)
			from, to := storetest.SQL(t, newer), storetest.SQL(t, dsn)
			for _, table := range tables {
				if table != "person_passwords" {
					copyRows(t, from, to, table)
				}
			}
			for _, p := range passwords {
				storetest.Exec(t, dsn, "INSERT INTO person_passwords (person_id, hash, changed_at) VALUES ($1, $2, $3)", p.person, p.hash, p.changed)
			}
			oldWorld{dsn: dsn}.migrate(t)

			got := movedPasswords(t, to)
			want := []string{one + " next@example.com removed", one + " owner@example.com live", two + " both@example.com live"}
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" || len(passwords) != 4 {
				t.Errorf("of %d passwords (-want +got):\n%s", len(passwords), diff)
			}
			after := storetest.Dump(t, dsn)
			if n := len(after["console_sessions"]) + len(after["password_links"]); n != 0 || len(after["password_params"]) != len(want) {
				t.Errorf("sessions %q, links %q, parameters %q", after["console_sessions"], after["password_links"], after["password_params"])
			}
			s = rostertest.Start(t, dsn, rostertest.Options{SecretKeyFile: keyFile})
			signIn := func(email string, want error) {
				t.Helper()
				if _, err := s.Roster.SignIn(ctx, roster.Credentials{Email: email, Password: oldPassword}); !errors.Is(err, want) {
					t.Errorf("sign in as %s: %v, want %v", email, err, want)
				}
			}
			signIn("owner@example.com", nil)
			signIn(both, roster.ErrNoConsole) // the password is right
			signIn(next, roster.ErrSignIn)
			signIn(purged, roster.ErrSignIn)
			s.Remove(app, `{"deleteEmailIds":["`+next+`"]}`)
			_, err = s.Roster.RestoreUsers(ctx, operator, one, of, nil, roster.RestoreOptions{})
			must(t, err)
			signIn(next, roster.ErrNoConsole)
			s.VerifyAudit()
		})
	}
}

// movedPasswords says whose the passwords are.
func movedPasswords(t *testing.T, db *sql.DB) (all []string) {
	t.Helper()
	rows, err := db.Query(`SELECT a.public_id, m.email_key, CASE WHEN m.removal_id IS NULL THEN 'live' ELSE 'removed' END
FROM member_passwords w JOIN accounts a ON a.id = w.tenant_id JOIN members m ON m.account_id = w.tenant_id AND m.id = w.member_id`)
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var account, email, state string
		must(t, rows.Scan(&account, &email, &state))
		all = append(all, fmt.Sprint(account, " ", email, " ", state))
	}
	must(t, rows.Err())
	slices.Sort(all)
	return all
}
