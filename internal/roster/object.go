package roster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/excerpt"
	"roster/internal/store"
)

// FindBot finds a bot of the account by its public id or its name. The error wraps
// directory.ErrNotFound when there is none, and directory.ErrInvalid when several
// have the name.
func (r *Roster) FindBot(ctx context.Context, caller auth.Caller, accountID, ref string) (directory.Bot, error) {
	account, err := r.account(ctx, caller, accountID)
	if err != nil {
		return directory.Bot{}, err
	}
	bots, err := r.store.FindBots(ctx, account.ID, ref)
	return one(bots, err, "bot", ref)
}

// DeleteBot deletes a bot of the account by its public id, and with it the roles
// and tasks that anybody has in it. Its owner can be removed from then on, if
// they own nothing else.
func (r *Roster) DeleteBot(ctx context.Context, caller auth.Caller, accountID, botID string) error {
	return r.change(ctx, caller, accountID, 0, func(tx *store.Tx) error {
		bot, err := tx.DeleteBot(ctx, botID)
		if err != nil {
			return err
		}
		return objectNote{BotID: botID, Before: objectFields{Name: bot.Name}}.record(tx)
	})
}

// TransferBot makes the live member with that address the owner of a bot, which
// is named by its public id. It reports whether they were not so already; if
// they were, nothing is written.
func (r *Roster) TransferBot(ctx context.Context, caller auth.Caller, accountID, botID, newOwner string) (changed bool, err error) {
	return r.transfer(ctx, caller, accountID, newOwner, func(tx *store.Tx, owner directory.Candidate) (bool, error) {
		return tx.TransferBot(ctx, botID, owner, ownerNote)
	})
}

// TransferBots makes the live member with that address the owner of all bots of
// the live members whom owners name, in one transaction, and returns how many
// these are. A bot that is the new owner's already stays as it is. The error wraps
// directory.ErrNotFound when somebody who is named is no live member; then none is
// passed on. A person needs the right to change bots.
func (r *Roster) TransferBots(ctx context.Context, caller auth.Caller, accountID string, owners []directory.UserRef, newOwner, requestID string) (n int, err error) {
	account, err := r.accountFor(ctx, caller, accountID, directory.RightBots.Change())
	if err != nil {
		return 0, err
	}
	email, err := directory.ParseEmail(newOwner)
	if err != nil {
		return 0, fmt.Errorf("%q: %w", excerpt.Of(newOwner), err)
	}
	if len(owners) == 0 {
		return 0, directory.Errorf(directory.ErrInvalid, "nobody is named whose bots are passed on")
	}
	refs := append([]directory.UserRef{{Text: newOwner}}, owners...)
	err = r.store.Write(ctx, store.Change{Account: account.ID, Actor: caller.Actor}, func(tx *store.Tx) error {
		found, err := hold(ctx, tx, refs)
		if err != nil {
			return err
		}
		to := slices.IndexFunc(found, func(c directory.Candidate) bool { return c.EmailKey == email.Key })
		if n, err = tx.TransferBots(ctx, found, found[to], ownerNote); err != nil {
			return err
		}
		if n == 0 {
			return errAsItIs
		}
		return recordRequest(tx, caller, requestID)
	})
	if errors.Is(err, errAsItIs) {
		err = nil
	}
	if err != nil {
		return 0, err
	}
	return n, nil
}

// ownerNote is a store.OwnerNote.
func ownerNote(botID string, owners store.OwnerChange) ([]byte, error) {
	return json.Marshal(objectNote{
		BotID: botID, Before: objectFields{Owner: owners.Before}, After: objectFields{Owner: owners.After},
	})
}

// TransferAccount makes the live member with that address the owner of the
// account; who owned it stays a member, and can be removed from then on. It
// reports whether they were not so already; if they were, nothing is written.
// Only the operator may.
func (r *Roster) TransferAccount(ctx context.Context, caller auth.Caller, accountID, newOwner string) (changed bool, err error) {
	if err := caller.RequireOperator(); err != nil {
		return false, err
	}
	return r.transfer(ctx, caller, accountID, newOwner, func(tx *store.Tx, owner directory.Candidate) (bool, error) {
		return tx.TransferAccount(ctx, owner, ownerNote)
	})
}

// transfer runs fn in a transaction in which the new owner cannot leave.
func (r *Roster) transfer(ctx context.Context, caller auth.Caller, accountID, newOwner string,
	fn func(*store.Tx, directory.Candidate) (changed bool, err error),
) (changed bool, err error) {
	err = r.attach(ctx, caller, accountID, []string{newOwner}, func(tx *store.Tx, found []directory.Candidate) error {
		changed, err := fn(tx, found[0])
		if err == nil && !changed {
			err = errAsItIs
		}
		return err
	})
	if errors.Is(err, errAsItIs) {
		return false, nil
	}
	return err == nil, err
}

// change runs fn in a transaction that writes to the account, if the caller may,
// and may take ids.
func (r *Roster) change(ctx context.Context, caller auth.Caller, accountID string, ids int, fn func(*store.Tx) error) error {
	account, err := r.account(ctx, caller, accountID)
	if err != nil {
		return err
	}
	return r.store.Write(ctx, store.Change{Account: account.ID, Actor: caller.Actor, IDs: ids}, fn)
}

// changed is change for a function that may find that there is nothing to change.
func (r *Roster) changed(ctx context.Context, caller auth.Caller, accountID string, fn func(*store.Tx) (bool, error)) (changed bool, err error) {
	err = r.change(ctx, caller, accountID, 0, func(tx *store.Tx) error {
		changed, err := fn(tx)
		if err == nil && !changed {
			return errAsItIs
		}
		return err
	})
	if errors.Is(err, errAsItIs) {
		return false, nil
	}
	return err == nil, err
}
