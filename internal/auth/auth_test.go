package auth

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"roster/internal/directory"
)

func TestOperatorMayDoEverything(t *testing.T) {
	t.Parallel()
	op := Operator()
	if err := errors.Join(op.RequireOperator(), op.RequireScope(directory.ScopeUserManagement), op.RequireAccount(7)); err != nil {
		t.Error(err)
	}
	if op.Actor.Kind != directory.ActorOperator || op.Account != 0 || op.ClientID() != "" {
		t.Errorf("operator is %+v", op)
	}
}

func TestZeroCallerMayDoNothing(t *testing.T) {
	t.Parallel()
	var nobody Caller
	for name, err := range map[string]error{
		"operator": nobody.RequireOperator(), "account 0": nobody.RequireAccount(0), "account 1": nobody.RequireAccount(1),
	} {
		if !errors.Is(err, directory.ErrDenied) {
			t.Errorf("%s: %v, want ErrDenied", name, err)
		}
	}
	if err := nobody.RequireScope(directory.ScopeUserManagement); !errors.Is(err, ErrScope) {
		t.Errorf("scope: %v, want ErrScope", err)
	}
}

func TestAppMayTouchItsAccountWithinItsScopes(t *testing.T) {
	t.Parallel()
	app := directory.App{
		ID: 9, ClientID: "cs-1", Account: 7, Origin: directory.OriginAdminConsole,
		Scopes: []directory.Scope{directory.ScopeUserManagement},
	}
	c := AppCaller(app, Claims{Label: "script"})
	if err := errors.Join(c.RequireAccount(7), c.RequireScope(directory.ScopeUserManagement)); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"operator": c.RequireOperator(), "another account": c.RequireAccount(8), "no account": c.RequireAccount(0),
	} {
		if !errors.Is(err, directory.ErrDenied) {
			t.Errorf("%s: %v, want ErrDenied", name, err)
		}
	}
	if err := c.RequireScope(directory.ScopeRoleManagement); !errors.Is(err, ErrScope) {
		t.Errorf("scope it lacks: %v, want ErrScope", err)
	}
	want := directory.Actor{Kind: directory.ActorApp, ID: 9, Label: "script"}
	if c.Actor != want || c.ClientID() != "cs-1" {
		t.Errorf("actor %+v of client %q, want %+v of cs-1", c.Actor, c.ClientID(), want)
	}
}

// A scope stands for a right of a signed-in user: a user who may only view does not
// hold a scope that changes something.
func TestUserHoldsAScopeByTheRightToChange(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		right         directory.Right
		change, views bool
	}{
		{directory.RightUsers, true, true},
		{directory.RightView, false, true},
		{directory.RightGroups, false, false},
	} {
		var rights directory.Rights
		rights.Grant("custom", directory.Permissions{string(test.right): directory.PermitYes})
		c := PersonCaller(directory.Session{In: &directory.Membership{Rights: rights}})
		check := func(what string, err error, allowed bool) {
			if (err == nil) != allowed || err != nil && !errors.Is(err, directory.ErrDenied) {
				t.Errorf("%s, %s: %v, want allowed: %v", test.right, what, err, allowed)
			}
		}
		check("to change users", c.RequireScope(directory.ScopeUserManagement), test.change)
		check("to view users", c.RequireScopeToSee(directory.ScopeUserManagement), test.views)
	}
}

func TestAppOfTheBotBuilderHoldsNoScopeWhateverTheDataSays(t *testing.T) {
	t.Parallel()
	for _, origin := range []directory.Origin{directory.OriginBotBuilder, "", "Admin-Console", "admin-console "} {
		app := directory.App{Account: 7, Origin: origin, Scopes: []directory.Scope{directory.ScopeUserManagement}}
		if err := AppCaller(app, Claims{}).RequireScope(directory.ScopeUserManagement); !errors.Is(err, ErrScope) {
			t.Errorf("origin %q: %v, want ErrScope", origin, err)
		}
	}
}

func TestClientSecretIs44CharactersOfBase64(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		s := NewClientSecret()
		raw, err := base64.StdEncoding.DecodeString(s)
		if err != nil || len(raw) != 32 || len(s) != 44 || seen[s] {
			t.Fatalf("secret of %d characters, %d bytes, seen before: %v (%v)", len(s), len(raw), seen[s], err)
		}
		if err := CheckClientSecret(s); err != nil {
			t.Errorf("our own secret is refused: %v", err)
		}
		seen[s] = true
	}
}

func TestClientSecretFromElsewhereIsLongAndWithoutBlanks(t *testing.T) {
	t.Parallel()
	for secret, ok := range map[string]bool{
		"": false, strings.Repeat("x", 31): false, strings.Repeat("x", 32): true, strings.Repeat("x", 500): true,
		strings.Repeat("x", 31) + " y": false, strings.Repeat("x", 32) + "\n": false, "\t" + strings.Repeat("x", 40): false,
	} {
		err := CheckClientSecret(secret)
		if (err == nil) != ok || (err != nil && !errors.Is(err, directory.ErrInvalid)) {
			t.Errorf("%q: %v, want ok: %v", secret, err, ok)
		}
		if err != nil && secret != "" && strings.Contains(err.Error(), secret) {
			t.Errorf("the error quotes the secret: %v", err)
		}
	}
}
