package console_test

import (
	"fmt"
	"strings"
	"testing"

	"roster/internal/auth"
	"roster/internal/rostertest"
	"roster/internal/storetest"
)

// The name of an account breaks between words where it can, see checks.js, and inside
// where it must: the table of the sessions stays as wide as the page.
func TestLongNamesInTheTableOfSessions(t *testing.T) {
	t.Parallel()
	s := rostertest.Start(t, storetest.New(t, "sqlite"), rostertest.Options{})
	setPassword(t, s, s.Account(owner), owner)
	for _, name := range []string{strings.Repeat("W", 200), strings.Repeat("Administration of departments, ", 6) + "and all"} {
		account, err := s.Roster.CreateAccount(t.Context(), auth.Operator(), name, owner)
		if err != nil {
			t.Fatal(err)
		}
		setPassword(t, s, account, owner)
	}
	b := open(t, s)
	b.look(1280, 800, false)
	b.visit("/console/sign-in")
	b.signIn(owner)
	for i := range 3 {
		b.visit("/console/accounts")
		b.click(fmt.Sprintf(".choices li:nth-child(%d) button", i+1))
		b.visit("/console/sessions")
		if over := ask[int](b, `{ const e = document.querySelector(".scroll"); e.scrollWidth - e.clientWidth }`); over > 0 {
			t.Errorf("in %s the table is %d pixels too wide", b.text(".account"), over)
		}
	}
}
