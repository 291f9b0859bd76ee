package roster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/store"
)

// PasswordLink lets somebody set their password, once.
type PasswordLink struct {
	Token   string // what stands in the link; it is kept as a hash alone
	Account string // name
	Email   string
	Expires time.Time
}

// CreatePasswordLink makes a link by which the live member of the account with that
// address can set their password in this account. Only the operator may.
func (r *Roster) CreatePasswordLink(ctx context.Context, caller auth.Caller, accountID, email string) (PasswordLink, error) {
	if err := caller.RequireOperator(); err != nil {
		return PasswordLink{}, err
	}
	account, err := r.account(ctx, caller, accountID)
	if err != nil {
		return PasswordLink{}, err
	}
	token, hash := auth.NewBearer()
	link := PasswordLink{Token: token, Account: account.Name, Email: email, Expires: r.store.Now().Add(directory.LinkLife)}
	err = r.attach(ctx, caller, accountID, []string{email}, func(tx *store.Tx, held []directory.Candidate) error {
		tx.CreateLink(hash, held[0], link.Expires)
		return nil
	})
	return link, err
}

// FirstPasswordLink makes a link for the owner of the oldest account as long as
// nobody at all has a password, and reports whether it did. Only the operator and
// the server itself may.
func (r *Roster) FirstPasswordLink(ctx context.Context, caller auth.Caller) (link PasswordLink, made bool, err error) {
	if err := caller.RequireOperator(); err != nil {
		return link, false, err
	}
	if some, err := r.store.HasPasswords(ctx); err != nil || some {
		return link, false, err
	}
	accounts, err := r.store.Accounts(ctx)
	if err != nil || len(accounts) == 0 {
		return link, false, err
	}
	link, err = r.CreatePasswordLink(ctx, caller, accounts[0].PublicID, accounts[0].OwnerEmail)
	return link, err == nil, err
}

// PasswordLinkFor says for whom a link is, by its token. The error wraps
// directory.ErrGone when it was used, is too old or never was.
func (r *Roster) PasswordLinkFor(ctx context.Context, token string) (directory.Membership, error) {
	_, m, err := r.store.Link(ctx, auth.HashBearer(token), r.store.Now())
	return m, goneLink(err)
}

func goneLink(err error) error {
	if errors.Is(err, directory.ErrNotFound) {
		return directory.Errorf(directory.ErrGone, "the link was used, or is too old")
	}
	return err
}

// SetPassword sets the password of the member whom a link is for, and uses the link up. It
// ends the member's other links and sessions, in this account alone, and unlocks their
// address. The error wraps directory.ErrGone as that of PasswordLinkFor, and
// directory.ErrInvalid for a password that will not do, and then the link stays.
func (r *Roster) SetPassword(ctx context.Context, token, password string) error {
	link := auth.HashBearer(token)
	person, m, err := r.store.Link(ctx, link, r.store.Now())
	if err != nil {
		return goneLink(err)
	}
	email, err := directory.ParseEmail(m.Email)
	if err != nil {
		return fmt.Errorf("address of a member: %w", err)
	}
	if err := auth.CheckPassword(password, m.Email); err != nil {
		return err
	}
	params, err := r.store.PasswordParams(ctx, person, auth.NewPasswordParams())
	if err != nil {
		return err
	}
	hash, err := auth.HashPassword(ctx, password, params)
	if err != nil {
		return err
	}
	change := store.Change{Account: m.Account.ID, Actor: directory.Actor{Kind: directory.ActorPerson, ID: int64(person)}}
	return goneLink(r.store.Write(ctx, change, func(tx *store.Tx) error {
		held, err := tx.HoldMembers(ctx, []string{email.Key}, nil)
		if err == nil && (len(held) == 0 || held[0].Member != m.Member) {
			err = directory.ErrNotFound // removed since
		}
		if err != nil {
			return err
		}
		return tx.SetPassword(ctx, link, held[0], hash, slotOf(email.Key))
	}))
}
