package console

import (
	"roster/internal/auth"
	"roster/internal/directory"
)

const minPassword = auth.MinPassword

type accountsView struct {
	Choices []directory.Membership
	Current string // public id
}

// accountsPage lets the user choose one of the accounts whose password they gave.
func (q *request) accountsPage() error {
	choices, err := q.roster.ConsoleAccounts(q.r.Context(), q.token)
	if err != nil {
		return err
	}
	v := accountsView{Choices: choices}
	if q.session.In != nil {
		v.Current = q.account()
	}
	return q.show("accounts", "Choose an account", v)
}

func (q *request) enterAccount() error {
	token, err := q.roster.EnterAccount(q.r.Context(), q.session, q.token, q.r.PostForm.Get("account"))
	if err != nil {
		return err
	}
	q.setCookie(sessionCookie, token, 0)
	return q.redirect("")
}

type sessionsView struct {
	Sessions []directory.Session
	Current  string
}

func (q *request) sessionsPage() error {
	all, err := q.roster.Sessions(q.r.Context(), q.session)
	if err != nil {
		return err
	}
	return q.show("sessions", "Your sessions", sessionsView{all, q.session.ID})
}

func (q *request) endSession() error {
	id := q.r.PostForm.Get("session")
	if id == q.session.ID {
		return q.signOut()
	}
	if _, err := q.roster.EndSession(q.r.Context(), q.session, id); err != nil {
		return err
	}
	return q.done("session-ended", "/sessions")
}

// overview is the first page in an account.
func (q *request) overview() error {
	account, err := q.roster.Account(q.r.Context(), q.caller, q.account())
	if err != nil {
		return err
	}
	return q.show("overview", account.Name, account)
}
