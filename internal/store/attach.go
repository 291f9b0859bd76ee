package store

import (
	"context"
	"slices"

	"roster/internal/directory"
	"roster/internal/excerpt"
)

// What hangs on members. Every verb here wants members that HoldMembers
// returned in the same transaction: their rows cannot leave meanwhile.

// HoldMembers finds live members of the account by address key or org id and
// keeps them from leaving until the transaction ends. Others may hold them too.
func (tx *Tx) HoldMembers(ctx context.Context, emailKeys, orgUserIDs []string) ([]directory.Candidate, error) {
	return tx.findMembers(ctx, tx.engine.hold, emailKeys, orgUserIDs)
}

// LockMembers is HoldMembers for whoever is going to change the members, or what they
// have, and tells of the others that they are not there: nobody else may hold them
// meanwhile, and all of that is true at one moment.
func (tx *Tx) LockMembers(ctx context.Context, emailKeys, orgUserIDs []string) (found []directory.Candidate, err error) {
	keys := memberKeys{emailKeys, orgUserIDs}
	missing := func() memberKeys { return keys.without(found) }
	err = tx.settle(ctx, keys, missing, func(keys memberKeys) error {
		more, err := tx.findMembers(ctx, tx.engine.lock, keys.emails, keys.orgUserIDs)
		found = append(found, more...)
		return err
	})
	return found, err
}

// without are the keys that none of the members has.
func (k memberKeys) without(found []directory.Candidate) memberKeys {
	emails, orgUserIDs := make(map[string]bool, len(found)), make(map[string]bool, len(found))
	for i := range found {
		emails[found[i].EmailKey], orgUserIDs[found[i].OrgUserID] = true, true
	}
	return memberKeys{
		emails:     slices.DeleteFunc(slices.Clone(k.emails), func(key string) bool { return emails[key] }),
		orgUserIDs: slices.DeleteFunc(slices.Clone(k.orgUserIDs), func(key string) bool { return orgUserIDs[key] }),
	}
}

func (tx *Tx) findMembers(ctx context.Context, lock string, emailKeys, orgUserIDs []string) (found []directory.Candidate, err error) {
	tx.find(lock, memberKeys{emailKeys, orgUserIDs}, func(row scanner) error {
		var c directory.Candidate
		if err := row.Scan(&c.Member, &c.Person, &c.EmailKey, &c.OrgUserID); err != nil {
			return err
		}
		found = append(found, c)
		return nil
	})
	return found, wrapf(tx.flush(ctx), "find the members")
}

const (
	insertBot        = `INSERT INTO bots (account_id, id, public_id, name, owner_id, created_at) VALUES ($1, $2, $3, $4, $5, $6)`
	insertGroup      = `INSERT INTO groups (account_id, id, public_id, name, description, created_at) VALUES ($1, $2, $3, $4, $5, $6)`
	insertGroupUsers = `INSERT INTO group_members (account_id, group_id, member_id)
SELECT $1, $2, CAST(j.atom AS BIGINT) FROM json_each($3) j`
)

// CreateBot makes a bot that belongs to a held member. It needs one id.
func (tx *Tx) CreateBot(ctx context.Context, publicID, name string, owner directory.Candidate) error {
	id := tx.ID()
	if err := tx.exec(ctx, insertBot, tx.account, id, publicID, name, owner.Member, tx.batch.At.UnixMicro()); err != nil {
		return wrapf(err, "create the bot")
	}
	tx.Record(directory.AuditRun{Kind: directory.AuditBotCreated, Object: id})
	tx.Record(directory.AuditRun{Kind: directory.AuditBotOwner, Object: id, Persons: []directory.PersonID{owner.Person}})
	return nil
}

// CreateGroup makes a group of held members. It needs one id. A taken name
// fails with an error that wraps directory.ErrExists.
func (tx *Tx) CreateGroup(ctx context.Context, publicID, name, description string, members []directory.Candidate) error {
	id := tx.ID()
	if err := tx.exec(ctx, insertGroup, tx.account, id, publicID, name, description, tx.batch.At.UnixMicro()); err != nil {
		return wrapf(explainTaken(err, "a group is named %q already", excerpt.Of(name)), "create the group")
	}
	tx.Record(directory.AuditRun{Kind: directory.AuditGroupCreated, Object: id})
	if len(members) == 0 {
		return nil
	}
	ids, persons := split(members)
	if err := tx.execRows(ctx, len(ids), insertGroupUsers, tx.account, id, jsonInts(ids)); err != nil {
		return wrapf(err, "fill group %q", excerpt.Of(name))
	}
	tx.Record(directory.AuditRun{Kind: directory.AuditGroupJoined, Object: id, Persons: persons})
	return nil
}

func split(members []directory.Candidate) ([]directory.MemberID, []directory.PersonID) {
	ids := make([]directory.MemberID, len(members))
	persons := make([]directory.PersonID, len(members))
	for i := range members {
		ids[i], persons[i] = members[i].Member, members[i].Person
	}
	return ids, persons
}
