package roster

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/store"
)

// How somebody fails to sign in. A door says each in its own words; none tells
// whether anybody has the address, but ErrNoConsole, which is told to who knows
// the password.
var (
	// ErrSignIn says that the address and the password are not those of anybody.
	ErrSignIn = errors.New("no such address and password")
	// ErrNoConsole says that the password was right, and that its owner may work
	// in no account's console.
	ErrNoConsole = errors.New("no account whose console they may work in")
	// ErrNoSession says that there is no session, or none any more.
	ErrNoSession = errors.New("no session")
)

// LockedError says that too many sign-ins with an address failed, whether
// somebody has it or not.
type LockedError struct{ Until time.Time }

// Error implements error.
func (e *LockedError) Error() string { return "too many failed sign-ins with this address" }

// signInSlots is for how many addresses failures are counted apart. Two that
// share a slot are locked together, which is one case in so many.
const signInSlots = 1 << 16

// slotOf is where failures with an address are counted.
func slotOf(emailKey string) int64 {
	sum := sha256.Sum256([]byte(emailKey))
	return int64(binary.BigEndian.Uint64(sum[:8]) % signInSlots)
}

// Credentials are what somebody signs in with.
type Credentials struct {
	Email, Password string
	UserAgent       string // of the browser, for the list of sessions
}

// SignIn begins a session for who has the address and its password, and returns
// its token, which is kept as a hash alone. Where they may work in one account
// alone it is in that; otherwise they choose one with EnterAccount. The error is
// a *LockedError, ErrSignIn or ErrNoConsole, or the store's.
func (r *Roster) SignIn(ctx context.Context, c Credentials) (token string, err error) {
	key := strings.ToLower(c.Email) // of what is no address, and so nobody's
	if email, err := directory.ParseEmail(c.Email); err == nil {
		key = email.Key
	}
	since, err := r.store.TakeAttempt(ctx, slotOf(key))
	switch {
	case err != nil:
		return "", err
	case !since.IsZero():
		return "", &LockedError{since.Add(directory.LockTime)}
	}
	person, hash, err := r.store.Password(ctx, key)
	if err != nil {
		return "", err
	}
	ok, err := auth.PasswordMatches(ctx, c.Password, hash)
	switch {
	case err != nil:
		return "", err
	case !ok:
		return "", ErrSignIn
	}
	if err := r.store.ClearAttempts(ctx, slotOf(key)); err != nil {
		return "", err
	}
	choices, err := r.choices(ctx, person)
	switch {
	case err != nil:
		return "", err
	case len(choices) == 0:
		return "", ErrNoConsole
	}
	now := r.store.Now()
	token, sum := auth.NewBearer()
	session := directory.Session{
		ID: directory.NewSessionID(), Person: person, Created: now, Expires: now.Add(directory.SessionLife),
		UserAgent: cutUserAgent(c.UserAgent),
	}
	if err := r.store.CreateSession(ctx, sum, session); err != nil {
		return "", err
	}
	if len(choices) > 1 {
		return token, nil
	}
	return r.enter(ctx, session, token, choices[0])
}

func cutUserAgent(text string) string {
	text = strings.ReplaceAll(text[:min(len(text), directory.MaxUserAgent)], "\x00", "")
	return strings.ToValidUTF8(text, "")
}

// choices are the accounts whose console a person may work in.
func (r *Roster) choices(ctx context.Context, person directory.PersonID) (may []directory.Membership, err error) {
	all, err := r.store.Memberships(ctx, person)
	for _, m := range all {
		if m.MayEnter() {
			may = append(may, m)
		}
	}
	return may, err
}

// Session finds the session that a token is of, and notes that it is used, unless a
// page asks for it by itself. In is nil as long as no account was chosen, and from the moment on at which they are
// no live member any more, or may not work in the console. The error is
// ErrNoSession, or the store's.
func (r *Roster) Session(ctx context.Context, token string, used bool) (directory.Session, error) {
	hash := auth.HashBearer(token)
	session, err := r.store.Session(ctx, hash)
	if errors.Is(err, directory.ErrNotFound) || err == nil && session.Over(r.store.Now()) {
		return directory.Session{}, ErrNoSession
	}
	if err != nil {
		return directory.Session{}, err
	}
	if session.In != nil && !session.In.MayEnter() {
		session.In = nil
	}
	if used && r.store.Now().Sub(session.LastSeen) >= useEvery {
		err = r.store.TouchSession(ctx, hash)
	}
	return session, err
}

// ConsoleAccounts are the accounts whose console the owner of a session may work in.
func (r *Roster) ConsoleAccounts(ctx context.Context, session directory.Session) ([]directory.Membership, error) {
	return r.choices(ctx, session.Person)
}

// EnterAccount puts a session into an account of its owner, by its public id, and
// returns its new token: the old one is good no more. The error wraps
// directory.ErrDenied where they may not.
func (r *Roster) EnterAccount(ctx context.Context, session directory.Session, token, accountID string) (next string, err error) {
	choices, err := r.choices(ctx, session.Person)
	if err != nil {
		return "", err
	}
	for _, m := range choices {
		if m.Account.PublicID == accountID {
			return r.enter(ctx, session, token, m)
		}
	}
	return "", directory.Errorf(directory.ErrDenied, "no account whose console they may work in has this id")
}

func (r *Roster) enter(ctx context.Context, session directory.Session, token string, m directory.Membership) (next string, err error) {
	email, err := directory.ParseEmail(m.Email)
	if err != nil {
		return "", fmt.Errorf("address of a member: %w", err)
	}
	next, sum := auth.NewBearer()
	change := store.Change{Account: m.Account.ID, Actor: auth.PersonCaller(session).Actor}
	err = r.store.Write(ctx, change, func(tx *store.Tx) error {
		held, err := tx.HoldMembers(ctx, []string{email.Key}, nil)
		if err == nil && (len(held) == 0 || held[0].Member != m.Member) {
			err = directory.Errorf(directory.ErrDenied, "they are no member any more")
		}
		if err != nil {
			return err
		}
		if err := noteSession(tx, session); err != nil {
			return err
		}
		return tx.EnterAccount(ctx, auth.HashBearer(token), sum, held[0])
	})
	if errors.Is(err, directory.ErrNotFound) {
		err = ErrNoSession
	}
	return next, err
}

// noteSession leaves with the audit record which session it is about.
func noteSession(tx *store.Tx, session directory.Session) error {
	body, err := json.Marshal(struct {
		Session   string `json:"sessionId"`
		UserAgent string `json:"userAgent,omitempty"`
	}{session.ID, session.UserAgent})
	if err == nil {
		tx.RecordDetails(body)
	}
	return err
}

// Sessions lists the sessions of whoever a session belongs to, in all accounts,
// the newest first.
func (r *Roster) Sessions(ctx context.Context, session directory.Session) ([]directory.Session, error) {
	return r.store.Sessions(ctx, session.Person, r.store.Now())
}

// EndSession ends one of the sessions of whoever a session belongs to, on every
// server, from the next request on. It reports whether it was still there.
func (r *Roster) EndSession(ctx context.Context, session directory.Session, id string) (ended bool, err error) {
	account, err := r.store.SessionAccount(ctx, session.Person, id)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case account == 0:
		return true, r.store.DropSession(ctx, session.Person, id)
	}
	change := store.Change{Account: account, Actor: auth.PersonCaller(session).Actor}
	err = r.store.Write(ctx, change, func(tx *store.Tx) error {
		if err := noteSession(tx, directory.Session{ID: id}); err != nil {
			return err
		}
		return tx.EndSession(ctx, session.Person, id)
	})
	if errors.Is(err, directory.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// ForgetSignIns deletes links, sessions and failures that are over, and the
// passwords of people who were erased.
func (r *Roster) ForgetSignIns(ctx context.Context, caller auth.Caller) error {
	if err := caller.RequireOperator(); err != nil {
		return err
	}
	return r.store.ForgetSignIns(ctx, r.store.Now())
}
