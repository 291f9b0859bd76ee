package roster_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// stage is a directory with two accounts: one has ann, bo and the bot desk, two
// has cy. Names of values begin with $.
type stage struct {
	*testing.T
	dsn    string
	key    string // file of the secret key
	roster *roster.Roster
	one    string
	two    string
	desk   string // a bot of one
}

func newStage(t *testing.T, dsn string) *stage {
	t.Helper()
	key := filepath.Join(t.TempDir(), "key")
	r, err := roster.Open(context.Background(), roster.Options{Database: dsn, Secrets: true, SecretKeyFile: key})
	must(t, err)
	t.Cleanup(func() { must(t, r.Close()) })
	s := &stage{T: t, dsn: dsn, key: key, roster: r}
	ctx := context.Background()
	s.one, err = r.CreateAccount(ctx, auth.Operator(), " One ", "Owner@one.example")
	must(t, err)
	s.two, err = r.CreateAccount(ctx, auth.Operator(), "Two", "owner@two.example")
	must(t, err)
	for account, people := range map[string][]importRow{s.one: {{"ann@x.io"}, {"bo@x.io"}}, s.two: {{"cy@x.io"}}} {
		_, err := r.ImportUsers(ctx, auth.Operator(), account, importRows(people), roster.ImportOptions{})
		must(t, err)
	}
	s.desk, err = r.CreateBot(ctx, auth.Operator(), s.one, " Desk ", "ANN@x.io")
	must(t, err)
	return s
}

// refused fails the test unless do fails with the kind, names what is wrong,
// and changes nothing.
func (s *stage) refused(name string, kind error, says string, do func() error) {
	s.Helper()
	before := storetest.Dump(s, s.dsn)
	err := do()
	if !errors.Is(err, kind) || !strings.Contains(err.Error(), says) {
		s.Errorf("%s: %v; want %v that says %q", name, err, kind, says)
	}
	if diff := before.Diff(storetest.Dump(s, s.dsn)); diff != "" {
		s.Errorf("%s: something was written:\n%s", name, diff)
	}
}

// kinds returns the kinds of the records of the account's last entry.
func (s *stage) kinds() (kinds []string) {
	s.Helper()
	rows, err := storetest.SQL(s, s.dsn).Query("SELECT kind FROM audit_records WHERE batch_id = (SELECT MAX(batch_id) FROM audit_chain) ORDER BY seq")
	must(s.T, err)
	defer rows.Close()
	for rows.Next() {
		var kind string
		must(s.T, rows.Scan(&kind))
		kinds = append(kinds, kind)
	}
	must(s.T, rows.Err())
	return kinds
}

func TestAccountStartsWithItsOwnerAndTheBuiltInRoles(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := newStage(t, dsn)
		ctx := context.Background()
		id, err := s.roster.CreateAccount(ctx, auth.Operator(), "Three", " Owner@One.example ")
		must(t, err)
		if got := s.kinds(); !slices.Equal(got, []string{"account.created", "user.created"}) {
			t.Errorf("records %q", got)
		}
		must(t, s.roster.EachUser(ctx, auth.Operator(), id, func(m directory.Member) error {
			if m.Email != "Owner@One.example" || m.Status != directory.StatusActive || m.OrgUserID != "" {
				t.Errorf("the owner is %+v", m)
			}
			return nil
		}))
		must(t, s.roster.AssignRole(ctx, auth.Operator(), id, directory.RoleAdmin, "", []string{"owner@one.example"}))
		bot, err := s.roster.CreateBot(ctx, auth.Operator(), id, "B", "owner@one.example")
		must(t, err)
		for _, role := range []string{directory.RoleBotOwner, directory.RoleBotDeveloper, directory.RoleBotTester} {
			must(t, s.roster.AssignRole(ctx, auth.Operator(), id, role, bot, []string{"owner@one.example"}))
		}
		_, err = s.roster.VerifyAudit(ctx, auth.Operator())
		must(t, err)
	})
}

func TestAccountIsMadeByTheOperatorAlone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := newStage(t, dsn)
		create := func(caller auth.Caller, name, owner string) func() error {
			return func() error {
				_, err := s.roster.CreateAccount(context.Background(), caller, name, owner)
				return err
			}
		}
		s.refused("an app", directory.ErrDenied, "operator", create(callerOf(t, dsn, s.one), "X", "a@x.io"))
		s.refused("nobody", directory.ErrDenied, "operator", create(auth.Caller{}, "X", "a@x.io"))
		s.refused("no name", directory.ErrInvalid, "account name", create(auth.Operator(), " ", "a@x.io"))
		s.refused("long name", directory.ErrInvalid, "account name", create(auth.Operator(), strings.Repeat("x", 257), "a@x.io"))
		s.refused("no address", directory.ErrInvalid, "not an e-mail address", create(auth.Operator(), "X", "owner"))
		if _, err := s.roster.VerifyAudit(context.Background(), callerOf(t, dsn, s.one)); !errors.Is(err, directory.ErrDenied) {
			t.Errorf("an app verifies the audit log: %v", err)
		}
		if err := s.roster.EachUser(context.Background(), callerOf(t, dsn, s.two), s.one, nil); !errors.Is(err, directory.ErrDenied) {
			t.Errorf("an app lists another account's users: %v", err)
		}
	})
}

func TestAppIsMadeWithItsScopesAndASecretShownOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := newStage(t, dsn)
		ctx := context.Background()
		create := func(caller auth.Caller, account string, app roster.NewApp) func() error {
			return func() error {
				_, _, err := s.roster.CreateApp(ctx, caller, account, app)
				return err
			}
		}
		scopes := []directory.Scope{directory.ScopeUserManagement}
		twice := []directory.Scope{directory.ScopeUserManagement, directory.ScopeAuditLogs, directory.ScopeUserManagement}
		mine := roster.NewApp{Name: " CI ", Scopes: twice, ClientID: "cs-brought-along", ClientSecret: strings.Repeat("s", 32)}
		id, secret, err := s.roster.CreateApp(ctx, auth.Operator(), s.one, mine)
		if err != nil || id != mine.ClientID || secret != mine.ClientSecret {
			t.Errorf("brought along: %q, %v", id, err)
		}
		if got := s.kinds(); !slices.Equal(got, []string{"app.created", "app.scopes"}) {
			t.Errorf("records %q", got)
		}
		id, secret, err = s.roster.CreateApp(ctx, auth.Operator(), s.one, roster.NewApp{Name: "CI", Scopes: scopes})
		if err != nil || !strings.HasPrefix(id, "cs-") || len(secret) != 44 {
			t.Errorf("made: %q, a secret of %d characters, %v", id, len(secret), err)
		}
		var n int
		must(t, storetest.SQL(t, dsn).QueryRow("SELECT COUNT(*) FROM app_scopes").Scan(&n))
		if n != 3 {
			t.Errorf("%d scopes are held, want 2 and 1", n)
		}

		s.refused("a taken client id", directory.ErrExists, mine.ClientID, create(auth.Operator(), s.two, mine))
		s.refused("a short secret", directory.ErrInvalid, "client secret", create(auth.Operator(), s.one, roster.NewApp{Name: "X", Scopes: scopes, ClientSecret: "short"}))
		s.refused("no scope", directory.ErrInvalid, "scope", create(auth.Operator(), s.one, roster.NewApp{Name: "X"}))
		s.refused("no name", directory.ErrInvalid, "app name", create(auth.Operator(), s.one, roster.NewApp{Scopes: scopes}))
		s.refused("a bad client id", directory.ErrInvalid, "client id", create(auth.Operator(), s.one, roster.NewApp{Name: "X", Scopes: scopes, ClientID: "a\x00"}))
		s.refused("an unknown account", directory.ErrNotFound, "none", create(auth.Operator(), "none", roster.NewApp{Name: "X", Scopes: scopes}))
		s.refused("another account's app", directory.ErrDenied, "another account", create(callerOf(t, dsn, s.two), s.one, roster.NewApp{Name: "X", Scopes: scopes}))
	})
}

func TestBotGroupAndRoleAreForLiveMembersOfTheAccount(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := newStage(t, dsn)
		ctx := context.Background()
		verbs := map[string]func(caller auth.Caller, account, name string, members ...string) error{
			"bot": func(caller auth.Caller, account, name string, members ...string) error {
				_, err := s.roster.CreateBot(ctx, caller, account, name, members[0])
				return err
			},
			"group": func(caller auth.Caller, account, name string, members ...string) error {
				_, err := s.roster.CreateGroup(ctx, caller, account, name, members)
				return err
			},
			"role": func(caller auth.Caller, account, _ string, members ...string) error {
				return s.roster.AssignRole(ctx, caller, account, directory.RoleBotTester, s.desk, members)
			},
		}
		for name, verb := range verbs {
			must(t, verb(auth.Operator(), s.one, "First "+name, " ANN@x.io"))
			s.refused(name+" of a stranger", directory.ErrNotFound, "nobody@x.io", func() error { return verb(auth.Operator(), s.one, "X", "nobody@x.io") })
			s.refused(name+" of another account's member", directory.ErrNotFound, "cy@x.io", func() error { return verb(auth.Operator(), s.one, "X", "cy@x.io") })
			s.refused(name+" of no address", directory.ErrInvalid, "not an e-mail address", func() error { return verb(auth.Operator(), s.one, "X", "ann") })
			s.refused(name+" by another account's app", directory.ErrDenied, "another account", func() error { return verb(callerOf(t, dsn, s.two), s.one, "X", "ann@x.io") })
			s.refused(name+" by nobody", directory.ErrDenied, "", func() error { return verb(auth.Caller{}, s.one, "X", "ann@x.io") })
			s.refused(name+" in an unknown account", directory.ErrNotFound, "none", func() error { return verb(auth.Operator(), "none", "X", "ann@x.io") })
		}
		group, role := verbs["group"], verbs["role"]
		s.refused("a group with a stranger among others", directory.ErrNotFound, "nobody@x.io", func() error { return group(auth.Operator(), s.one, "X", "ann@x.io", "nobody@x.io") })
		s.refused("a taken name of a group", directory.ErrExists, "First group", func() error { return group(auth.Operator(), s.one, "First group") })
		must(t, group(auth.Operator(), s.two, "First group"))
		must(t, group(auth.Operator(), s.one, "Empty group"))
		must(t, group(auth.Operator(), s.one, "Named twice", "ann@x.io", "ANN@x.io"))
		must(t, role(auth.Operator(), s.one, "", "ann@x.io", "bo@x.io")) // ann has it already
		s.refused("a role for nobody", directory.ErrInvalid, "nobody", func() error { return role(auth.Operator(), s.one, "") })
		s.refused("another account's bot", directory.ErrNotFound, s.desk, func() error { return role(auth.Operator(), s.two, "", "cy@x.io") })
		for _, name := range []string{"", strings.Repeat("x", 257), "a\nb"} {
			s.refused("a bot's bad name", directory.ErrInvalid, "bot name", func() error { return verbs["bot"](auth.Operator(), s.one, name, "ann@x.io") })
			s.refused("a group's bad name", directory.ErrInvalid, "group name", func() error { return group(auth.Operator(), s.one, name, "ann@x.io") })
		}
		_, err := s.roster.RemoveUsers(ctx, callerOf(t, dsn, s.one), []directory.UserRef{{Text: "bo@x.io"}}, roster.RemovalOptions{})
		must(t, err)
		for name, verb := range verbs {
			s.refused(name+" of a removed member", directory.ErrNotFound, "bo@x.io", func() error { return verb(auth.Operator(), s.one, "X", "bo@x.io") })
		}
		_, err = s.roster.VerifyAudit(ctx, auth.Operator())
		must(t, err)
	})
}

// An app that may not remove users, or of no account, removes nobody; neither
// does an empty list, which never means everybody.
func TestRemovalNeedsTheScopeAnAccountAndNames(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := newStage(t, dsn)
		app := directory.App{ID: 1, Account: 1, Origin: directory.OriginAdminConsole, Scopes: []directory.Scope{directory.ScopeRoleManagement}}
		builder := app
		builder.Origin, builder.Scopes = directory.OriginBotBuilder, []directory.Scope{directory.ScopeUserManagement}
		remove := func(caller auth.Caller, refs ...directory.UserRef) func() error {
			return func() error {
				_, err := s.roster.RemoveUsers(context.Background(), caller, refs, roster.RemovalOptions{})
				return err
			}
		}
		bo := directory.UserRef{Text: "bo@x.io"}
		s.refused("another scope", auth.ErrScope, "user_management", remove(auth.AppCaller(app, auth.Claims{}), bo))
		s.refused("an app of the Bot Builder", auth.ErrScope, "Admin Console", remove(auth.AppCaller(builder, auth.Claims{}), bo))
		s.refused("nobody", auth.ErrScope, "", remove(auth.Caller{}, bo))
		s.refused("the operator, who belongs to no account", directory.ErrInvalid, "no account", remove(auth.Operator(), bo))
		s.refused("nobody named", directory.ErrInvalid, "nobody", remove(callerOf(t, dsn, s.one)))
	})
}
