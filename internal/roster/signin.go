package roster

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/store"
)

// How a sign-in fails. A door says each in its own words; none tells whether anybody has
// the address, but ErrNoConsole, which is told to who knows a password of it.
var (
	// ErrSignIn says that the password is none of those that the address has.
	ErrSignIn = errors.New("no such address and password")
	// ErrNoConsole says that the password was right, and opens no account whose console
	// its owner may work in.
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

// SignIn begins a session in each account in which the password is that of the member with
// the address, and returns the token of these sessions, which is kept as a hash alone. Where
// that is one account the browser is in it; otherwise the member chooses one of them with
// EnterAccount. An attempt costs one hash whatever the number of accounts. The error is a
// *LockedError, ErrSignIn or ErrNoConsole, or the store's.
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
	given, err := r.matching(ctx, key, c.Password)
	if err != nil {
		return "", err
	}
	// Failures before it stay: somebody with a password of one account could otherwise
	// guess those of the others without end.
	if err := r.store.ReturnAttempt(ctx, slotOf(key)); err != nil {
		return "", err
	}
	given, choices, err := r.choices(ctx, given)
	if err != nil {
		return "", err
	}
	session, token, err := r.open(ctx, c, given)
	switch {
	case err != nil:
		return "", err
	case len(choices) > 1:
		return token, nil
	}
	return r.enter(ctx, session, token, choices[0])
}

// matching finds the passwords of an address, by its key, that are the one that was
// given. The error is ErrSignIn if there are none.
func (r *Roster) matching(ctx context.Context, emailKey, password string) (given []directory.MemberPassword, err error) {
	all, err := r.store.Passwords(ctx, emailKey)
	if err != nil {
		return nil, err
	}
	hashes := make([]string, len(all))
	for i := range all {
		hashes[i] = all[i].Hash
	}
	matches, err := auth.MatchPassword(ctx, password, hashes)
	if err != nil {
		return nil, err
	}
	for i, is := range matches {
		if is {
			given = append(given, all[i])
		}
	}
	if len(given) == 0 {
		return nil, ErrSignIn
	}
	return given, nil
}

// choices are the memberships, of those of some passwords, whose account's console the
// member may work in, and their passwords. The error is ErrNoConsole if there are none.
func (r *Roster) choices(ctx context.Context, given []directory.MemberPassword) (of []directory.MemberPassword, choices []directory.Membership, err error) {
	refs := make([]directory.MemberRef, len(given))
	for i := range given {
		refs[i] = given[i].MemberRef
	}
	all, err := r.store.Memberships(ctx, refs)
	if err != nil {
		return nil, nil, err
	}
	choices = mayEnter(all)
	if len(choices) == 0 {
		return nil, nil, ErrNoConsole
	}
	for _, p := range given {
		if slices.ContainsFunc(choices, func(m directory.Membership) bool { return m.Member == p.Member }) {
			of = append(of, p)
		}
	}
	return of, choices, nil
}

// open begins the sessions of a sign-in.
func (r *Roster) open(ctx context.Context, c Credentials, given []directory.MemberPassword) (session directory.Session, token string, err error) {
	token, hash := auth.NewBearer()
	now := r.store.Now()
	session = directory.Session{Created: now, Expires: now.Add(directory.SessionLife), UserAgent: cutUserAgent(c.UserAgent)}
	if err := r.store.OpenSessions(ctx, hash, session, given); err != nil {
		return session, "", err
	}
	session, err = r.store.Session(ctx, hash)
	if errors.Is(err, directory.ErrNotFound) {
		err = ErrSignIn // the passwords were changed meanwhile
	}
	return session, token, err
}

func cutUserAgent(text string) string {
	text = strings.ReplaceAll(text[:min(len(text), directory.MaxUserAgent)], "\x00", "")
	return strings.ToValidUTF8(text, "")
}

func mayEnter(all []directory.Membership) []directory.Membership {
	return slices.DeleteFunc(all, func(m directory.Membership) bool { return !m.MayEnter() })
}

// Session finds the session in the account that the browser is in, by the token, and notes
// that it is used, unless a page asks for it by itself. In is nil as long as no account was
// chosen, and from the moment on at which they are no live member of it any more, or may not
// work in the console. The error is ErrNoSession, or the store's.
func (r *Roster) Session(ctx context.Context, token string, used bool) (directory.Session, error) {
	hash := auth.HashBearer(token)
	session, err := r.store.Session(ctx, hash)
	if errors.Is(err, directory.ErrNotFound) || err == nil && session.Over(r.store.Now()) {
		return directory.Session{}, ErrNoSession
	}
	if err != nil {
		return directory.Session{}, err
	}
	if session.In == nil { // removed from the account, and perhaps it was the last
		live, err := r.store.SessionMemberships(ctx, hash)
		if err != nil {
			return directory.Session{}, err
		}
		if len(live) == 0 {
			return directory.Session{}, ErrNoSession
		}
	}
	if session.In != nil && !session.In.MayEnter() {
		session.In = nil
	}
	if used && r.store.Now().Sub(session.LastSeen) >= useEvery {
		err = r.store.TouchSession(ctx, hash)
	}
	return session, err
}

// ConsoleAccounts are the accounts whose password was given at the sign-in of a token, and
// whose console its owner may work in.
func (r *Roster) ConsoleAccounts(ctx context.Context, token string) ([]directory.Membership, error) {
	all, err := r.store.SessionMemberships(ctx, auth.HashBearer(token))
	return mayEnter(all), err
}

// EnterAccount makes the browser of a session act in another one of the ConsoleAccounts, by
// its public id, and returns the new token: the old one is good no more. The error wraps
// directory.ErrDenied for any other account.
func (r *Roster) EnterAccount(ctx context.Context, session directory.Session, token, accountID string) (next string, err error) {
	choices, err := r.ConsoleAccounts(ctx, token)
	if err != nil {
		return "", err
	}
	for _, m := range choices {
		if m.Account.PublicID == accountID {
			return r.enter(ctx, session, token, m)
		}
	}
	return "", directory.Errorf(directory.ErrDenied, "no account of this sign-in whose console they may work in has this id")
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
		id, err := tx.EnterAccount(ctx, auth.HashBearer(token), sum, held[0])
		if err != nil {
			return err
		}
		return noteSession(tx, directory.Session{ID: id, UserAgent: session.UserAgent})
	})
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return "", ErrNoSession
	case err != nil:
		return "", err
	}
	return next, nil
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

// Sessions lists the sessions by which the owner of a session is in its account, or can
// enter it, the newest first. Those in other accounts are not shown.
func (r *Roster) Sessions(ctx context.Context, session directory.Session) ([]directory.Session, error) {
	if session.In == nil {
		return nil, directory.Errorf(directory.ErrDenied, "the session is in no account")
	}
	return r.store.MemberSessions(ctx, session.In.Account.ID, session.In.Member, r.store.Now())
}

// EndSession ends one of the Sessions of a session's owner, on every server, from the next
// request on. It reports whether it was still there.
func (r *Roster) EndSession(ctx context.Context, session directory.Session, id string) (ended bool, err error) {
	if session.In == nil {
		return false, directory.Errorf(directory.ErrDenied, "the session is in no account")
	}
	return r.endSession(ctx, session, session.In.Account.ID, id, func(tx *store.Tx) error {
		return tx.EndSession(ctx, session.Person, session.In.Member, id)
	})
}

// SignOut ends all sessions that a token opens, in all accounts. It reports whether there
// were any.
func (r *Roster) SignOut(ctx context.Context, session directory.Session, token string) (ended bool, err error) {
	hash := auth.HashBearer(token)
	account, err := r.store.ChosenAccount(ctx, hash)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case account == 0:
		return true, r.store.DropSessions(ctx, hash)
	}
	return r.endSession(ctx, session, account, session.ID, func(tx *store.Tx) error {
		return tx.SignOut(ctx, session.Person, hash)
	})
}

// endSession runs a transaction that ends a session of an account.
func (r *Roster) endSession(ctx context.Context, session directory.Session, account directory.AccountID, id string, end func(*store.Tx) error) (ended bool, err error) {
	change := store.Change{Account: account, Actor: auth.PersonCaller(session).Actor}
	err = r.store.Write(ctx, change, func(tx *store.Tx) error {
		if err := noteSession(tx, directory.Session{ID: id}); err != nil {
			return err
		}
		return end(tx)
	})
	if errors.Is(err, directory.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// ForgetSignIns deletes links, sessions and failures that are over, and the password
// parameters of erased people.
func (r *Roster) ForgetSignIns(ctx context.Context, caller auth.Caller) error {
	if err := caller.RequireOperator(); err != nil {
		return err
	}
	return r.store.ForgetSignIns(ctx, r.store.Now())
}
