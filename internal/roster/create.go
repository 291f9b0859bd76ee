package roster

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/excerpt"
	"roster/internal/store"
)

// CreateAccount makes an account whose owner is the first, active, member, and
// returns its public id. Only the operator may.
func (r *Roster) CreateAccount(ctx context.Context, caller auth.Caller, name, ownerEmail string) (string, error) {
	if err := caller.RequireOperator(); err != nil {
		return "", err
	}
	name, err := directory.ParseName("account name", name)
	if err != nil {
		return "", err
	}
	email, err := directory.ParseEmail(ownerEmail)
	if err != nil {
		return "", fmt.Errorf("owner %q: %w", excerpt.Of(ownerEmail), err)
	}
	id := directory.NewHexID()
	owner := directory.NewMember{Email: email, Status: directory.StatusActive, Flags: directory.NewUserFlags()}
	change := store.Change{Actor: caller.Actor, IDs: store.AccountIDs() + store.MemberIDs(1)}
	err = r.store.Write(ctx, change, func(tx *store.Tx) error {
		return tx.CreateAccount(ctx, id, name, owner)
	})
	return id, err
}

// NewApp describes a client app to be made.
type NewApp struct {
	Name   string
	Scopes []directory.Scope
	Origin directory.Origin // empty for OriginAdminConsole
	// ClientID and ClientSecret are brought along from another installation;
	// empty to make new ones.
	ClientID     string
	ClientSecret string
	Algorithm    directory.Algorithm // empty for HS256
	// PublicKey is the RSA key that the app's tokens are verified with, as PEM or
	// JWK. It is needed with RS256 and RS512, which have no client secret.
	PublicKey []byte
	Policy    directory.AppPolicy
}

// CreateApp makes a client app of the account and returns its client id and
// secret. The secret cannot be read again; there is none with a public key.
func (r *Roster) CreateApp(ctx context.Context, caller auth.Caller, accountID string, app NewApp) (clientID, secret string, err error) {
	if r.keys == nil {
		return "", "", errNoKey
	}
	account, err := r.accountFor(ctx, caller, accountID, directory.RightApps.Change())
	if err != nil {
		return "", "", err
	}
	if app.Name, err = directory.ParseName("app name", app.Name); err != nil {
		return "", "", err
	}
	if len(app.Scopes) == 0 {
		return "", "", directory.Errorf(directory.ErrInvalid, "the app needs one scope or more")
	}
	if app.ClientID == "" {
		app.ClientID = directory.NewClientID()
	} else if app.ClientID, err = directory.ParseName("client id", app.ClientID); err != nil {
		return "", "", err
	}
	if app.Algorithm == "" {
		app.Algorithm = directory.HS256
	}
	secret, material, err := keyMaterial(app.Algorithm, app.ClientSecret, app.PublicKey)
	if err != nil {
		return "", "", err
	}
	if app.Origin == "" {
		app.Origin = directory.OriginAdminConsole
	}
	if app.Policy.EnforceJWE { // nobody could call it without
		if _, err := r.needPlatformKey(ctx); err != nil {
			return "", "", err
		}
	}
	slices.Sort(app.Scopes)
	change := store.Change{Account: account.ID, Actor: caller.Actor, IDs: store.AppIDs}
	app.Scopes = slices.Compact(app.Scopes)
	err = r.store.Write(ctx, change, func(tx *store.Tx) error {
		err := tx.CreateApp(ctx, store.NewApp{
			ClientID:  app.ClientID,
			Name:      app.Name,
			Origin:    app.Origin,
			Algorithm: app.Algorithm,
			Policy:    app.Policy,
			Scopes:    app.Scopes,
			Seal:      r.sealAppKey(material),
		})
		if err != nil {
			return err
		}
		return app.note().record(tx)
	})
	if errors.Is(err, directory.ErrExists) {
		err = directory.Errorf(directory.ErrExists, "an app with the client id %s exists already", app.ClientID)
	}
	return app.ClientID, secret, err
}

// note is what the audit record keeps of the app.
func (a NewApp) note() appNote {
	return appNote{
		ClientID: a.ClientID, Name: a.Name, Algorithm: a.Algorithm, ScopesAdded: a.Scopes, Secret: 1,
		MustExpire: &a.Policy.MustExpire, EnforceJTI: &a.Policy.EnforceJTI, EnforceJWE: &a.Policy.EnforceJWE,
	}
}

// keyMaterial is what the tokens of an app will be verified with: a client
// secret, the one brought along or else a new one, or the public key. The
// secret is returned to be shown.
func keyMaterial(a directory.Algorithm, secret string, publicKey []byte) (shown string, material []byte, err error) {
	switch {
	case a.PublicKey() && secret != "":
		return "", nil, directory.Errorf(directory.ErrInvalid, "an app with %s has a public key and no client secret", a)
	case a.PublicKey() && len(publicKey) == 0:
		return "", nil, directory.Errorf(directory.ErrInvalid, "an app with %s needs a public key", a)
	case a.PublicKey():
		material, err = auth.ParsePublicKey(publicKey)
		return "", material, err
	case len(publicKey) > 0:
		return "", nil, directory.Errorf(directory.ErrInvalid, "an app with %s has a client secret and no public key", a)
	case secret == "":
		secret = auth.NewClientSecret()
	}
	return secret, []byte(secret), auth.CheckClientSecret(secret)
}

// sealAppKey returns what encrypts a key of an app within a transaction.
func (r *Roster) sealAppKey(material []byte) func(store.HeldKey, directory.AppID) (directory.Sealed, error) {
	return func(held store.HeldKey, app directory.AppID) (directory.Sealed, error) {
		return r.keys.seal(held, secretPurpose(app), material)
	}
}

// CreateBot makes a bot owned by the live member with that address, and returns
// its public id.
func (r *Roster) CreateBot(ctx context.Context, caller auth.Caller, accountID, name, owner string) (string, error) {
	name, err := directory.ParseName("bot name", name)
	if err != nil {
		return "", err
	}
	id := directory.NewBotID()
	err = r.attach(ctx, caller, accountID, []string{owner}, func(tx *store.Tx, members []directory.Candidate) error {
		return tx.CreateBot(ctx, id, name, members[0])
	})
	return id, err
}

// attach runs fn in a transaction in which the members with those addresses cannot
// leave; see attachUsers.
func (r *Roster) attach(ctx context.Context, caller auth.Caller, accountID string, addresses []string,
	fn func(*store.Tx, []directory.Candidate) error,
) error {
	refs := make([]directory.UserRef, len(addresses))
	for i, address := range addresses {
		refs[i].Text = address
	}
	return r.attachUsers(ctx, caller, accountID, refs, fn)
}

// attachUsers runs fn in a transaction in which the named members cannot leave. It
// fails when somebody who is named is no live member; the error names the first
// of them and says how many there are.
func (r *Roster) attachUsers(ctx context.Context, caller auth.Caller, accountID string, refs []directory.UserRef,
	fn func(*store.Tx, []directory.Candidate) error,
) error {
	account, err := r.account(ctx, caller, accountID)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		if err := ref.Check(); err != nil {
			return err
		}
	}
	change := store.Change{Account: account.ID, Actor: caller.Actor, IDs: 1}
	return r.store.Write(ctx, change, func(tx *store.Tx) error {
		found, err := hold(ctx, tx, refs)
		if err != nil {
			return err
		}
		return fn(tx, found)
	})
}

// hold finds the named members, who cannot leave until the transaction ends. It
// fails as attachUsers does.
func hold(ctx context.Context, tx *store.Tx, refs []directory.UserRef) ([]directory.Candidate, error) {
	selection := directory.Select(refs)
	found, err := tx.HoldMembers(ctx, selection.EmailKeys, selection.OrgUserIDs)
	if err != nil {
		return nil, err
	}
	if missing := selection.Unfound(found); len(missing) > 0 {
		others := ""
		if n := len(missing) - 1; n > 0 {
			others = fmt.Sprintf(" (and %d more)", n)
		}
		return nil, directory.Errorf(directory.ErrNotFound, "%s is no member of the account%s", excerpt.Of(refs[missing[0].Ref].Text), others)
	}
	return found, nil
}

// account finds the account that a verb is about, if the caller may touch it. It
// is for verbs that no right of a person allows.
func (r *Roster) account(ctx context.Context, caller auth.Caller, publicID string) (directory.Account, error) {
	if caller.IsPerson() {
		return directory.Account{}, directory.Errorf(directory.ErrDenied, "no role allows this")
	}
	return r.tenant(ctx, caller, publicID)
}

// accountFor is account for a verb that needs a right of a person.
func (r *Roster) accountFor(ctx context.Context, caller auth.Caller, publicID string, need directory.Need) (directory.Account, error) {
	account, err := r.store.Account(ctx, publicID)
	if err != nil {
		return account, err
	}
	return account, caller.Require(account.ID, need)
}

// tenant finds an account that is the caller's own, or any for the operator.
func (r *Roster) tenant(ctx context.Context, caller auth.Caller, publicID string) (directory.Account, error) {
	account, err := r.store.Account(ctx, publicID)
	if err != nil {
		return account, err
	}
	return account, caller.RequireAccount(account.ID)
}
