package store

import (
	"context"
	"database/sql"
	"maps"

	"roster/internal/directory"
)

// HotStatements are the statements that calls with long lists, or many calls,
// run: their texts as this engine sends them.
func (s *Store) HotStatements() map[string]string {
	statements := map[string]string{
		"findByEmail":     findByEmail + s.engine.lock,
		"findByOrgID":     findByOrgID + s.engine.lock,
		"findByEither":    findByEither + s.engine.lock,
		"holdByEmail":     findByEmail + s.engine.hold,
		"selectOwnership": selectOwnership,
		"ownersByEmail":   ownersByEmail,
		"ownersByOrgID":   ownersByOrgID,
		"ownersByEither":  ownersByEither,
		"markRemoved":     markRemoved,
		"insertRecords":   insertRecords,
		"insertMixed":     insertMixed,
		"insertMembers":   insertMembers,
		"upsertPersons":   upsertPersons,
		"updateOrgIDs":    updateOrgIDs,
		"selectApp":       selectApp,
		"selectHead":      selectHead + s.engine.lockRows,
		"updateHead":      updateHead,
		"insertLink":      insertLink,
		"selectOpen":      selectOpen + s.engine.lockRows,
		"selectRemoved":   selectRemoved,
		"upsertRefusals":  upsertRefusals,
		"updateKeyUse":    updateKeyUse,
		"selectRecord":    selectRecord,
		"selectRemoval":   selectRemoval + s.engine.lockRows,
	}
	if s.engine == postgresEngine {
		statements["admitCall"] = admitCall
		statements["holdGroups"] = holdGroups + s.engine.holdRows + " OF o"
		statements["holdBots"] = holdBots + s.engine.holdRows + " OF o"
		statements["holdRoles"] = holdRoles + s.engine.holdRows + " OF o"
	} else {
		statements["indexProfiles"] = indexProfiles
	}
	maps.Copy(statements, map[string]string{
		"membersOfRemoval": membersOfRemoval, "pageOfRemoved": s.engine.pageOfRemoved(), "removedByID": removedByID, "linesOfRemoval": linesOfRemoval, "detailsOfRemoval": detailsOfRemoval, "someOfRemoval": someOfRemoval, "selectAddresses": selectAddresses,
		"markRestored": markRestored, "addRestored": addRestored, "selectLost": selectLost,
		"dropLostGroups": dropLostGroups, "dropLostRoles": dropLostRoles, "dropLostTasks": dropLostTasks,
		"purgeTasks": purgeTasks, "purgeRoles": purgeRoles, "purgeGroups": purgeGroups, "purgeProfiles": purgeProfiles, "purgeChanges": purgeChanges, "insertChanges": insertChanges,
		"purgeMembers": purgeMembers, "purgePersons": purgePersons, "purgeDetails": purgeDetails, "closeRemoval": closeRemoval,
	})
	maps.Copy(statements, map[string]string{
		"deleteGroupUsers": deleteGroupUsers, "deleteGroupRoles": deleteGroupRoles, "deleteGroupBelow": deleteGroupBelow, "deleteGroupAbove": deleteGroupAbove,
		"deleteBotTasks": deleteBotTasks, "deleteBotUsers": deleteBotUsers, "deleteBotGroups": deleteBotGroups,
		"selectOutcome": selectOutcome,
		"selectRecords": selectRecords, "recordDetails": recordDetails, "auditObjects": auditObjects,
		"chainTip": chainTip, "chainEntry": chainEntry, "chainPage": chainPage, "recordsBefore": recordsBefore,
		"selectGroup": selectGroup + s.engine.lockRows, "selectBot": selectBot + s.engine.lockRows,
		"selectBotsOf": selectBotsOf + s.engine.lockOf("b"), "setBotOwners": setBotOwners,
	})
	maps.Copy(statements, map[string]string{
		"selectJob": selectJob + s.engine.skipLocked, "selectCounts": selectCounts, "selectJobState": selectJobState + s.engine.lockJob, "selectSpool": selectSpool,
		"deleteDone": deleteDone, "deleteSpool": deleteSpool, "deleteMet": deleteMet, "moveJob": moveJob, "endJob": endJob, "moveWindow": moveWindow, "countChunk": countChunk,
		"selectRestoreJob": selectRestoreJob + s.engine.skipLocked, "selectRestoring": selectRestoring, "selectRestored": selectRestored + s.engine.lockJob,
		"moveRestoreJob": moveRestoreJob, "endRestoreJob": endRestoreJob, "forgetRestoreJob": forgetRestoreJob, "idsOfRemoval": idsOfRemoval,
		"selectRestoreItems": selectRestoreItems, "deleteRestoreItems": deleteRestoreItems, "forgetRestoreItems": forgetRestoreItems, "membersOfItems": membersOfItems,
		"touchSpool": touchSpool, "queueJob": queueJob, "selectMet": selectMet, "insertMet": insertMet, "selectRefused": selectRefused,
		"deleteRefusedDetails": deleteRefusedDetails, "deleteRefusals": deleteRefusals,
	})
	maps.Copy(statements, map[string]string{
		"selectNested": selectNested, "selectUsersOf": selectUsersOf, "someUsersOf": someUsersOf, "sizesOfGroups": sizesOfGroups, "membersByID": membersByID,
		"accessRoles": accessRoles, "accessGroups": accessGroups, "groupsAbove": groupsAbove, "rolesOfGroups": rolesOfGroups,
		"namedGroups": namedGroups + s.engine.holdOf("o"), "namedBots": namedBots + s.engine.holdOf("o"), "namedRoles": namedRoles + s.engine.holdOf("roles"),
		"giveMemberRoles": giveMemberRoles, "takeMemberRoles": takeMemberRoles, "giveGroupRoles": giveGroupRoles, "takeGroupRoles": takeGroupRoles,
		"selectGroups": selectGroups, "addGroupUsers": addGroupUsers, "takeGroupUsers": takeGroupUsers, "groupsOver": groupsOver,
		"isAbove": isAbove, "groupsByPublicID": groupsByPublicID + s.engine.holdOf("o"), "insertNesting": insertNesting, "deleteNesting": deleteNesting,
		"deleteRoleUsers": deleteRoleUsers, "deleteRoleGroups": deleteRoleGroups, "selectRoleGroup": selectRoleGroup,
		"ownerRoles": ownerRoles, "rolesByID": rolesByID, "botsByID": botsByID, "groupsByID": groupsByID,
	})
	maps.Copy(statements, map[string]string{
		"giveGroups": giveGroups, "takeGroups": takeGroups, "insertTasks": insertTasks, "takeTasks": takeTasks, "insertProfiles": insertProfiles,
		"selectStates": selectStates, "selectTasks": selectTasks, "setProfiles": setProfiles, "setSearches": setSearches, "clearOrgIDs": clearOrgIDs, "selectViews": selectViews,
	})
	maps.Copy(statements, map[string]string{
		"selectSession": selectSession, "openMembers": openMembers, "insertSessions": insertSessions + s.engine.holdOf("w"), "touchSessions": touchSessions, "enterAccount": enterAccount,
		"endSessions": endSessions, "voidLinks": voidLinks, "forgetPasswords": forgetPasswords,
		"selectMembership": selectMembership, "selectRights": selectRights, "noteSignIn": noteSignIn,
		"selectUser": selectUser, "memberSessions": memberSessions, "endMemberSessions": endMemberSessions, "personByID": personByID, "removedUser": s.engine.ofPerson(removedUser), "removalsOfPerson": s.engine.ofPerson(removalsOfPerson), "historyOfPerson": s.engine.ofPerson(historyOfPerson),
		"selectPasswords": selectPasswords, "takeAttempt": takeAttempt, "selectPasswordLink": selectPasswordLink,
	})
	return statements
}

// RemovedBefore is the statement that counts removed members, as this engine sends it, and
// the index by which it finds their profiles.
func (s *Store) RemovedBefore() (query, index string) {
	index = "member_profiles_pkey"
	if s.engine != postgresEngine {
		index = "COVERING INDEX member_profiles_narrow"
	}
	return s.engine.narrow(downwards.Replace(removedBefore)), index
}

// OrderedStatements are those that may walk all of a table or of an account, but
// in the order of an index and no further than their limit: their texts, and
// that index.
func OrderedStatements() map[string][2]string {
	return map[string][2]string{
		"pageOfRemovals":    {pageOfRemovals, "removals_created"},
		"selectDue":         {selectDue, "removals_restorable"},
		"selectJobs":        {selectJobs, "removal_jobs_spooled"},
		"selectRestoreJobs": {selectRestoreJobs, "restore_jobs_open"},
		"countJobs":         {countJobs, "removal_jobs_spooled"},
		"memberAt":          {downwards.Replace(memberAt), "member_profiles_created"},
		"membersFrom":       {downwards.Replace(membersFrom), "member_profiles_created"},
		"nextByEmail":       {upwards.Replace(nextByEmail), "members_live_email"},
		"nextByOrgID":       {downwards.Replace(nextByOrgID), "members_live_org"},
		"nextByName":        {downwards.Replace(nextByName), "member_profiles_name"},
		"pageOfGroups":      {pageOfGroups, "groups_created"},
		"pageOfBots":        {pageOfBots, "bots_created"},
	}
}

// SetPaging makes small data large; see paging.
func (s *Store) SetPaging(few, stretch, longest, stretches int) {
	s.paging = paging{few, stretch, longest, stretches, s.paging.near}
}

// SetNear makes small data large for pages by number.
func (s *Store) SetNear(near int) { s.paging.near = near }

// WriterValue asks the connection that writes for one value.
func (s *Store) WriterValue(ctx context.Context, query string) (value string, err error) {
	err = s.inTx(ctx, func(r *reader, _ session) error { return r.row(ctx, query).Scan(&value) })
	return value, err
}

// ReaderValue asks a connection that reads for one value.
func (s *Store) ReaderValue(ctx context.Context, query string) (value string, err error) {
	return value, s.row(ctx, query).Scan(&value)
}

// ReadDB is the pool of the connections that read.
func (s *Store) ReadDB() *sql.DB { return s.read }

// AdmitStatements are those that admit a call on PostgreSQL: one takes the
// account's turn, the other counts and returns whether the token was seen before
// and the calls counted.
func AdmitStatements() (turn, count string) { return takeTurn, admitCall }

// Exec runs a statement of a test's own in the transaction.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) error {
	return tx.exec(ctx, query, args...)
}

// Split parts members into their own ids and those of their persons.
func Split(members []directory.Candidate) ([]directory.MemberID, []directory.PersonID) {
	return split(members)
}

// WritersLock is the lock of a migration.
const WritersLock = writersLock
