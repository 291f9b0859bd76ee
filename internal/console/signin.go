package console

import (
	"errors"
	"log/slog"
	"net/http"

	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/web"
)

type signInView struct {
	Email string
	Error string
}

// another is in the query of the sign-in page for a user who is signed in and wants an
// account with another password.
const another = "another"

// signInPage shows the form, or the console to a user who has signed in.
func (q *request) signInPage() error {
	if q.token != "" && !q.r.URL.Query().Has(another) {
		return q.redirect("")
	}
	return q.show("signin", "Sign in", signInView{})
}

func (q *request) signIn() error {
	client := q.options.Proxies.Client(q.r)
	now := q.roster.Now()
	if q.failures.Wait(client, now) > 0 {
		web.AddLog(q.r.Context(), slog.String("client", client.String()))
		return errTooMany
	}
	c := roster.Credentials{Email: q.r.PostForm.Get("email"), Password: q.r.PostForm.Get("password"), UserAgent: q.r.UserAgent()}
	token, err := q.roster.SignIn(q.r.Context(), c)
	if err == nil {
		if q.token != "" { // of whoever was signed in here before
			if _, err := q.roster.SignOut(q.r.Context(), q.session, q.token); err != nil {
				return err
			}
		}
		q.setCookie(sessionCookie, token, 0)
		return q.redirect("")
	}
	status, text := whyNot(err)
	if text == "" {
		return err
	}
	q.failures.Add(client, now)
	web.SetWhy(q.r.Context(), err.Error())
	web.AddLog(q.r.Context(), slog.String("client", client.String()))
	q.render(status, "signin", "Sign in", signInView{c.Email, text})
	return nil
}

// whyNot says why somebody cannot sign in; nothing where it is not about them.
func whyNot(err error) (status int, text string) {
	if locked, ok := errors.AsType[*roster.LockedError](err); ok {
		return http.StatusTooManyRequests, "Too many sign-ins with this address have failed. It can be tried again at " + stamp(locked.Until) + "."
	}
	switch {
	case errors.Is(err, roster.ErrSignIn):
		return http.StatusUnauthorized, "The address or the password is wrong."
	case errors.Is(err, roster.ErrNoConsole):
		return http.StatusForbidden, "You have no access to the Admin Console of the account with this password. Ask an administrator for a role."
	}
	return 0, ""
}

func (q *request) signOut() error {
	if _, err := q.roster.SignOut(q.r.Context(), q.session, q.token); err != nil {
		return err
	}
	q.setCookie(sessionCookie, "", -1)
	return q.done("signed-out", "/sign-in")
}

type linkView struct {
	Email, Account, Error string
	Min                   int
}

// linkPage shows whose password a link sets. To look does not use it up: mail
// programs do so too.
func (q *request) linkPage() error {
	m, err := q.roster.PasswordLinkFor(q.r.Context(), q.values["token"])
	if err != nil {
		return linkError(err)
	}
	return q.showLink(http.StatusOK, m, "")
}

// linkError says of a link that is over how to get another.
func linkError(err error) error {
	if errors.Is(err, directory.ErrGone) {
		return errLink
	}
	return err
}

func (q *request) showLink(status int, m directory.Membership, text string) error {
	q.render(status, "link", "Set your password", linkView{m.Email, m.Account.Name, text, minPassword})
	return nil
}

func (q *request) setPassword() error {
	m, err := q.roster.PasswordLinkFor(q.r.Context(), q.values["token"])
	if err != nil {
		return linkError(err)
	}
	password := q.r.PostForm.Get("password")
	if password != q.r.PostForm.Get("again") {
		return q.showLink(http.StatusUnprocessableEntity, m, "The two passwords differ.")
	}
	err = q.roster.SetPassword(q.r.Context(), q.values["token"], password)
	if errors.Is(err, directory.ErrInvalid) {
		return q.showLink(http.StatusUnprocessableEntity, m, sentence(err.Error()))
	}
	if err != nil {
		return linkError(err)
	}
	return q.done("password-set", "/sign-in")
}
