package roster_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// madeApp is an app under test with its first secret.
type madeApp struct{ id, secret string }

func (s *stage) app(app roster.NewApp) madeApp {
	s.Helper()
	if app.Name == "" {
		app.Name = "App"
	}
	if app.Scopes == nil {
		app.Scopes = []directory.Scope{directory.ScopeUserManagement}
	}
	id, secret, err := s.roster.CreateApp(context.Background(), auth.Operator(), s.one, app)
	must(s.T, err)
	return madeApp{id, secret}
}

// call authenticates a token of the app that expires soon, and returns why it
// was refused, "" if it was not.
func (s *stage) call(app, secret string) auth.Reason {
	s.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"appId": app}).SignedString([]byte(secret))
	must(s.T, err)
	caller, err := s.roster.Authenticate(context.Background(), token)
	if err == nil {
		err = caller.RequireScope(directory.ScopeUserManagement)
	}
	if err == nil {
		return ""
	}
	refusal, ok := errors.AsType[*auth.Refusal](err)
	if !ok {
		s.Fatalf("call: %v", err)
	}
	return refusal.Reason
}

func (s *stage) wantCall(step, app, secret string, want auth.Reason) {
	s.Helper()
	if got := s.call(app, secret); got != want {
		s.Errorf("%s: a call is refused with %q, want %q", step, got, want)
	}
}

// wantNote compares the last entry of the audit log.
func (s *stage) wantNote(step string, kind directory.AuditKind, want string) {
	s.Helper()
	var body string
	must(s.T, storetest.SQL(s, s.dsn).QueryRow(
		"SELECT body FROM audit_details WHERE batch_id = (SELECT MAX(batch_id) FROM audit_chain)").Scan(&body))
	if got := s.kinds(); !slices.Equal(got, []string{string(kind)}) || body != want {
		s.Errorf("%s: recorded as %q with %s, want %s with %s", step, got, body, kind, want)
	}
}

// wantChanged checks the outcome of a verb that reports whether it changed anything.
func (s *stage) wantChanged(step string, want bool, do func() (bool, error)) {
	s.Helper()
	before := storetest.Dump(s, s.dsn)
	changed, err := do()
	if err != nil || changed != want {
		s.Errorf("%s: changed %v, %v; want %v", step, changed, err, want)
	}
	if same := len(storetest.Dump(s, s.dsn)["audit_chain"]) == len(before["audit_chain"]); same == want {
		s.Errorf("%s: audited: %v", step, !same)
	}
}

func TestAppStatesHoldAtTheNextCall(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := newStage(t, dsn)
		ctx, op := context.Background(), auth.Operator()
		app, other := s.app(roster.NewApp{}), s.app(roster.NewApp{})
		enable := func() (bool, error) { return s.roster.EnableApp(ctx, op, app.id) }
		disable := func() (bool, error) { return s.roster.DisableApp(ctx, op, app.id) }
		remove := func() (bool, error) { return s.roster.DeleteApp(ctx, op, app.id) }

		s.wantCall("new", app.id, app.secret, "")
		s.wantChanged("enable an enabled one", false, enable)
		s.wantChanged("disable", true, disable)
		s.wantNote("disable", directory.AuditAppDisabled, `{"clientId":"`+app.id+`"}`)
		s.wantCall("disabled", app.id, app.secret, auth.ReasonAppDisabled)
		s.wantChanged("disable again", false, disable)
		s.wantChanged("enable", true, enable)
		s.wantNote("enable", directory.AuditAppEnabled, `{"clientId":"`+app.id+`"}`)
		s.wantCall("enabled", app.id, app.secret, "")

		s.wantChanged("delete", true, remove)
		s.wantNote("delete", directory.AuditAppDeleted, `{"clientId":"`+app.id+`","scopesRemoved":["user_management:user_management"]}`)
		s.wantCall("deleted", app.id, app.secret, auth.ReasonAppDeleted)
		s.wantChanged("delete again", false, remove)
		name := "New"
		for verb, do := range map[string]func() error{
			"enable":  func() error { _, err := enable(); return err },
			"disable": func() error { _, err := disable(); return err },
			"update": func() error {
				_, err := s.roster.UpdateApp(ctx, op, app.id, roster.AppChange{Name: &name})
				return err
			},
			"add a scope": func() error {
				_, err := s.roster.AddScopes(ctx, op, app.id, []directory.Scope{directory.ScopeAuditLogs})
				return err
			},
			"add a secret": func() error { _, _, err := s.roster.AddSecret(ctx, op, app.id, roster.NewSecret{}); return err },
		} {
			s.refused(verb+" when deleted", directory.ErrState, "is deleted", do)
		}
		s.refused("its client id again", directory.ErrExists, app.id, func() error {
			_, _, err := s.roster.CreateApp(ctx, op, s.one, roster.NewApp{Name: "X", ClientID: app.id, Scopes: []directory.Scope{directory.ScopeAuditLogs}})
			return err
		})
		if sealed := s.column("SELECT COUNT(*) FROM app_secrets s JOIN apps a ON a.id = s.app_id WHERE a.state = 'deleted' AND LENGTH(s.sealed) > 0"); sealed != 0 {
			t.Errorf("the deleted app keeps %d sealed secrets", sealed)
		}
		s.wantCall("another app", other.id, other.secret, "")

		apps, err := s.roster.Apps(ctx, op, s.one, false)
		if err != nil || len(apps) != 1 || apps[0].ClientID != other.id || len(apps[0].Scopes) != 1 {
			t.Errorf("apps: %+v, %v", apps, err)
		}
		apps, err = s.roster.Apps(ctx, op, s.one, true)
		if err != nil || len(apps) != 2 || apps[0].ClientID != app.id || apps[0].State != directory.AppDeleted || len(apps[0].Scopes) != 0 {
			t.Errorf("all apps: %+v, %v", apps, err)
		}
		_, err = s.roster.VerifyAudit(ctx, op)
		must(t, err)
	})
}

// column returns a number of the database.
func (s *stage) column(query string) (n int) {
	s.Helper()
	must(s.T, storetest.SQL(s, s.dsn).QueryRow(query).Scan(&n))
	return n
}

func TestSecretsAreChangedOneAfterTheOther(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := newStage(t, dsn)
		ctx, op := context.Background(), auth.Operator()
		app := s.app(roster.NewApp{})
		add := func(secret string) (int, string, error) {
			return s.roster.AddSecret(ctx, op, app.id, roster.NewSecret{ClientSecret: secret})
		}
		retire := func(number int) func() (bool, error) {
			return func() (bool, error) { return s.roster.RetireSecret(ctx, op, app.id, number) }
		}
		refused := func(name string, kind error, says string, do func() (bool, error)) {
			s.Helper()
			s.refused(name, kind, says, func() error { _, err := do(); return err })
		}

		refused("retire the only one", directory.ErrState, "add another first", retire(1))
		s.refused("the same again", directory.ErrExists, "as number 1", func() error { _, _, err := add(app.secret); return err })
		number, second, err := add("")
		if err != nil || number != 2 || len(second) != 44 || second == app.secret {
			t.Fatalf("add: %d, %v", number, err)
		}
		s.wantNote("add", directory.AuditSecretAdded, `{"clientId":"`+app.id+`","secret":2}`)
		s.wantCall("first of two", app.id, app.secret, "")
		s.wantCall("second of two", app.id, second, "")
		s.refused("a third", directory.ErrState, "2 live secrets already, 1 and 2", func() error { _, _, err := add(""); return err })

		s.wantChanged("retire", true, retire(1))
		s.wantNote("retire", directory.AuditSecretRetired, `{"clientId":"`+app.id+`","secret":1}`)
		s.wantCall("retired", app.id, app.secret, auth.ReasonSignature)
		s.wantCall("the one that is left", app.id, second, "")
		if erased := s.column("SELECT LENGTH(sealed) FROM app_secrets WHERE number = 1"); erased != 0 {
			t.Errorf("%d bytes of the retired secret are left", erased)
		}
		s.wantChanged("retire again", false, retire(1))
		refused("retire the last", directory.ErrState, "app disable", retire(2))
		refused("retire another", directory.ErrNotFound, "no secret 3", retire(3))

		brought := strings.Repeat("s", 32)
		number, _, err = add(brought)
		if err != nil || number != 3 {
			t.Fatalf("add another: %d, %v", number, err)
		}
		s.wantCall("brought along", app.id, brought, "")
		s.refused("a short one", directory.ErrInvalid, "client secret", func() error { _, _, err := add("short"); return err })
		s.refused("another account's caller", directory.ErrDenied, "another account", func() error {
			_, err := s.roster.RetireSecret(ctx, callerOf(t, dsn, s.two), app.id, 2)
			return err
		})
	})
}

// An app that signs with a key of its own changes it in the same way, and has no secret to show.
func TestPublicKeysAreChanged(t *testing.T) {
	t.Parallel()
	s := newStage(t, storetest.New(t, "sqlite"))
	pub := func() (*rsa.PrivateKey, []byte) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		must(t, err)
		der, err := x509.MarshalPKIXPublicKey(key.Public())
		must(t, err)
		return key, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	}
	_, first := pub()
	private, second := pub()
	app := s.app(roster.NewApp{Algorithm: directory.RS256, PublicKey: first})
	ctx, op := context.Background(), auth.Operator()
	number, secret, err := s.roster.AddSecret(ctx, op, app.id, roster.NewSecret{PublicKey: second})
	if app.secret != "" || secret != "" || number != 2 || err != nil {
		t.Errorf("added %d, with secrets %q and %q, %v", number, app.secret, secret, err)
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"appId": app.id}).SignedString(private)
	must(t, err)
	if _, err := s.roster.Authenticate(ctx, token); err != nil {
		t.Errorf("signed with the second key: %v", err)
	}
	s.refused("no key", directory.ErrInvalid, "needs a public key", func() error {
		_, _, err := s.roster.AddSecret(ctx, op, app.id, roster.NewSecret{})
		return err
	})
}

func TestScopesAndPoliciesHoldAtTheNextCall(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := newStage(t, dsn)
		ctx, op := context.Background(), auth.Operator()
		app := s.app(roster.NewApp{})
		users, logs := directory.ScopeUserManagement, directory.ScopeAuditLogs

		removed, err := s.roster.RemoveScopes(ctx, op, app.id, []directory.Scope{users, logs, users})
		if err != nil || !slices.Equal(removed, []directory.Scope{users}) {
			t.Errorf("removed %q, %v", removed, err)
		}
		s.wantNote("remove", directory.AuditAppScopes, `{"clientId":"`+app.id+`","scopesRemoved":["`+string(users)+`"]}`)
		s.wantCall("without its scope", app.id, app.secret, auth.ReasonScope)
		added, err := s.roster.AddScopes(ctx, op, app.id, []directory.Scope{users, logs, logs})
		if err != nil || !slices.Equal(added, []directory.Scope{logs, users}) {
			t.Errorf("added %q, %v", added, err)
		}
		s.wantNote("add", directory.AuditAppScopes, `{"clientId":"`+app.id+`","scopesAdded":["`+string(logs)+`","`+string(users)+`"]}`)
		s.wantCall("with its scope", app.id, app.secret, "")
		s.wantChanged("add again", false, func() (bool, error) {
			added, err := s.roster.AddScopes(ctx, op, app.id, []directory.Scope{logs})
			return len(added) > 0, err
		})

		yes, no, name := true, false, " Renamed "
		update := func(c roster.AppChange) func() (bool, error) {
			return func() (bool, error) { return s.roster.UpdateApp(ctx, op, app.id, c) }
		}
		s.wantChanged("as it is", false, update(roster.AppChange{MustExpire: &no, EnforceJTI: &no, EnforceJWE: &no}))
		s.wantChanged("must expire", true, update(roster.AppChange{MustExpire: &yes, EnforceJTI: &no, Name: &name}))
		s.wantNote("must expire", directory.AuditAppModified, `{"clientId":"`+app.id+`","name":"Renamed","mustExpire":true}`)
		s.wantCall("must expire", app.id, app.secret, auth.ReasonNoExpiry)
		s.wantChanged("jti", true, update(roster.AppChange{EnforceJTI: &yes}))
		s.wantCall("jti", app.id, app.secret, auth.ReasonNoJTI)
		s.wantChanged("neither", true, update(roster.AppChange{EnforceJTI: &no, MustExpire: &no}))
		s.wantCall("neither", app.id, app.secret, "")
		if n := s.column("SELECT COUNT(*) FROM platform_keys"); n != 0 {
			t.Errorf("there are %d platform keys before one is needed", n)
		}
		s.wantChanged("jwe", true, update(roster.AppChange{EnforceJWE: &yes}))
		s.wantCall("jwe", app.id, app.secret, auth.ReasonNotEncrypted)
		if n := s.column("SELECT COUNT(*) FROM platform_keys"); n != 1 {
			t.Errorf("there are %d platform keys", n)
		}
		bad := ""
		s.refused("no name", directory.ErrInvalid, "app name", func() error { _, err := update(roster.AppChange{Name: &bad})(); return err })
		s.refused("no app", directory.ErrNotFound, "cs-none", func() error {
			_, err := s.roster.UpdateApp(ctx, op, "cs-none", roster.AppChange{EnforceJWE: &yes})
			return err
		})
		got, err := s.roster.App(ctx, op, app.id)
		want := directory.AppPolicy{EnforceJWE: true}
		if err != nil || got.AccountID != s.one || got.Name != "Renamed" || got.Policy != want || len(got.Scopes) != 2 || len(got.Keys) != 1 {
			t.Errorf("the app is %+v, %v", got, err)
		}
		_, err = s.roster.VerifyAudit(ctx, op)
		must(t, err)
	})
}

// The record of an app that is made says what it was made with.
func TestAppCreationIsRecordedWithItsTerms(t *testing.T) {
	t.Parallel()
	s := newStage(t, storetest.New(t, "sqlite"))
	app := s.app(roster.NewApp{Name: "HR", Policy: directory.AppPolicy{MustExpire: true}})
	var body string
	must(t, storetest.SQL(t, s.dsn).QueryRow("SELECT body FROM audit_details").Scan(&body))
	want := `{"clientId":"` + app.id + `","algorithm":"HS256","name":"HR","mustExpire":true,"enforceJti":false,"enforceJwe":false,` +
		`"scopesAdded":["user_management:user_management"],"secret":1}`
	if body != want || !json.Valid([]byte(body)) {
		t.Errorf("recorded %s, want %s", body, want)
	}
}

// clock is a time that a test moves.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }
