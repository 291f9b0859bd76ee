package console_test

import (
	"context"
	"strings"
	"testing"

	"roster/internal/auth"
	"roster/internal/rostertest"
	"roster/internal/server"
)

const goodPassword = "correct horse battery"

// link makes a link that sets a member's password.
func link(t *testing.T, s *rostertest.Server, account, email string) string {
	t.Helper()
	made, err := s.Roster.CreatePasswordLink(context.Background(), auth.Operator(), account, email)
	if err != nil {
		t.Fatal(err)
	}
	return server.LinkPath(made.Token)
}

// setPassword sets a member's password without a browser.
func setPassword(t *testing.T, s *rostertest.Server, account, email string) {
	t.Helper()
	path := link(t, s, account, email)
	if err := s.Roster.SetPassword(context.Background(), path[strings.LastIndex(path, "/")+1:], goodPassword); err != nil {
		t.Fatal(err)
	}
}

// firstRun goes from the link to the overview.
func (b *tab) firstRun(s *rostertest.Server, account, email string) {
	b.Helper()
	b.visit(link(b.T, s, account, email))
	b.fill("password", goodPassword)
	b.fill("again", goodPassword)
	b.click("main button")
	b.wantText(".flash", "Your password is set")
	b.signIn(email)
}

func (b *tab) signIn(email string) {
	b.Helper()
	b.fill("email", email)
	b.fill("password", goodPassword)
	b.click("main button")
}
