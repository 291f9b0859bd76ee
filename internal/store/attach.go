package store

import (
	"context"

	"roster/internal/directory"
)

// What hangs on members. Every verb here wants members that HoldMembers
// returned in the same transaction: their rows cannot leave meanwhile.

// HoldMembers finds live members of the account by address key or org id and
// keeps them from leaving until the transaction ends. Others may hold them too.
func (tx *Tx) HoldMembers(ctx context.Context, emailKeys, orgUserIDs []string) ([]directory.Candidate, error) {
	return tx.findMembers(ctx, tx.engine.hold, emailKeys, orgUserIDs)
}

// LockMembers is HoldMembers for whoever is going to change the members
// themselves: nobody else may hold them meanwhile.
func (tx *Tx) LockMembers(ctx context.Context, emailKeys, orgUserIDs []string) ([]directory.Candidate, error) {
	return tx.findMembers(ctx, tx.engine.lock, emailKeys, orgUserIDs)
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
	selectRole      = `SELECT id FROM roles WHERE account_id = $1 AND kind = $2 AND name = $3`
	insertRoleUsers = `INSERT INTO member_roles (account_id, member_id, role_id, bot_id)
SELECT $1, CAST(j.atom AS BIGINT), $2, $3 FROM json_each($4) j WHERE true ON CONFLICT DO NOTHING`
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
func (tx *Tx) CreateGroup(ctx context.Context, publicID, name string, members []directory.Candidate) error {
	id := tx.ID()
	if err := tx.exec(ctx, insertGroup, tx.account, id, publicID, name, "", tx.batch.At.UnixMicro()); err != nil {
		return wrapf(err, "create group %q", name)
	}
	tx.Record(directory.AuditRun{Kind: directory.AuditGroupCreated, Object: id})
	if len(members) == 0 {
		return nil
	}
	ids, persons := split(members)
	if err := tx.execRows(ctx, len(ids), insertGroupUsers, tx.account, id, jsonInts(ids)); err != nil {
		return wrapf(err, "fill group %q", name)
	}
	tx.Record(directory.AuditRun{Kind: directory.AuditGroupJoined, Object: id, Persons: persons})
	return nil
}

// AssignRole gives a role to held members: an admin role in the account, or,
// when bot is the public id of one, a bot role in that bot. The error wraps
// directory.ErrNotFound when the account has no such role or bot. Both are held:
// neither can be deleted before the role is given.
func (tx *Tx) AssignRole(ctx context.Context, role, bot string, members []directory.Candidate) error {
	kind := directory.AdminRole
	var botID directory.BotID
	if bot != "" {
		kind = directory.BotRole
		held, err := tx.bot(ctx, tx.engine.holdRows, bot)
		if err != nil {
			return err
		}
		botID = held.ID
	}
	var roleID directory.RoleID
	if err := tx.row(ctx, selectRole+tx.engine.holdRows, tx.account, string(kind), role).Scan(&roleID); err != nil {
		return wrapf(err, "%s role %q", kind, role)
	}
	ids, persons := split(members)
	if err := tx.exec(ctx, insertRoleUsers, tx.account, roleID, botID, jsonInts(ids)); err != nil {
		return wrapf(err, "assign role %q", role)
	}
	tx.Record(directory.AuditRun{Kind: directory.AuditRoleAssigned, Object: int64(roleID), Persons: persons})
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
