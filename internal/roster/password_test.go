package roster_test

import (
	"context"
	"testing"

	"roster/internal/auth"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// A password that cannot be set because failed attempts cannot be forgotten is not
// set: its link can be used again.
func TestPasswordIsSetAsAWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	eachEngine(t, func(t *testing.T, engine string) {
		f := prepareFaults(t, storetest.New(t, engine), "")
		r, err := f.open(nil)
		must(t, err)
		defer r.Close()
		const email, password = "owner@example.com", "several unrelated words make one"
		link, err := r.CreatePasswordLink(ctx, auth.Operator(), f.Account, email)
		must(t, err)
		if _, err := r.SignIn(ctx, roster.Credentials{Email: email, Password: "wrong"}); err == nil { // which is counted
			t.Fatal("a wrong password signs in")
		}
		code := map[string]string{"sqlite": "ABORT", "postgres": "22000"}[engine]
		f.raise(t, engine, "signin_failures", code, always)
		fails := func() {
			if err := r.SetPassword(ctx, link.Token, password); err == nil {
				t.Error("the password was set though attempts could not be forgotten")
			}
		}
		fails() // creates the parameters of the hash, which stay
		before := storetest.Dump(t, f.DSN)
		fails()
		f.calm(t, engine, "signin_failures")
		f.checkState(t, r, 1, false, before)
		must(t, r.SetPassword(ctx, link.Token, password))
	})
}
