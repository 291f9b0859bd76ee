package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"slices"

	"roster/internal/directory"
)

// Users who are made and changed, with what they have, any number of them by a
// fixed number of statements.
const (
	// Rows of a list: the group and the member.
	giveGroups = `INSERT INTO group_members (account_id, group_id, member_id)
SELECT $1, CAST(j.value->>0 AS BIGINT), CAST(j.value->>1 AS BIGINT) FROM json_each($2) j WHERE true
ON CONFLICT DO NOTHING RETURNING group_id, member_id`
	takeGroups = `DELETE FROM group_members WHERE (account_id, group_id, member_id) IN (
  SELECT CAST($1 AS BIGINT), CAST(j.value->>0 AS BIGINT), CAST(j.value->>1 AS BIGINT) FROM json_each($2) j ` + list + `) RETURNING group_id, member_id`

	insertTasks = `INSERT INTO member_tasks (account_id, member_id, bot_id, dialogs)
SELECT $1, CAST(j.value->>0 AS BIGINT), CAST(j.value->>1 AS BIGINT), j.value->>2 FROM json_each($2) j`
	takeTasks = `DELETE FROM member_tasks WHERE (account_id, member_id) IN ` + idList

	selectStates = `SELECT m.id, m.email_key, COALESCE(m.org_user_id, ''), f.status, f.can_create_bot, f.is_developer, f.data_table_access,
  f.first_name, f.last_name, f.company_name, f.department, f.company_contact_phone, f.work_number,
  f.street, f.suite_number, f.city, f.zip, f.state, f.country
FROM ` + keyedIDs + ` CROSS JOIN live_members m CROSS JOIN member_profiles f
WHERE m.account_id = j.account_id AND m.id = j.id AND f.account_id = m.account_id AND f.member_id = m.id`
	selectTasks = `SELECT x.member_id, x.bot_id, b.public_id, x.dialogs
FROM ` + keyedIDs + ` CROSS JOIN live_member_tasks x CROSS JOIN bots b
WHERE x.account_id = j.account_id AND x.member_id = j.id AND b.account_id = x.account_id AND b.id = x.bot_id`

	setProfiles = `UPDATE member_profiles SET status = j.value->>1,
  first_name = j.value->>2, last_name = j.value->>3, company_name = j.value->>4, department = j.value->>5,
  company_contact_phone = j.value->>6, work_number = j.value->>7, street = j.value->>8, suite_number = j.value->>9,
  city = j.value->>10, zip = j.value->>11, state = j.value->>12, country = j.value->>13,
  can_create_bot = CAST(j.value->>14 AS BIGINT), is_developer = CAST(j.value->>15 AS BIGINT), data_table_access = CAST(j.value->>16 AS BIGINT)
FROM (SELECT CAST($1 AS BIGINT) AS account_id, CAST(value->>0 AS BIGINT) AS id, value FROM json_each($2) ` + list + `) j
WHERE member_profiles.account_id = j.account_id AND member_profiles.member_id = j.id`
	setSearches = `UPDATE member_profiles SET search_text = j.value->>1, sort_name = j.value->>2
FROM (SELECT CAST($1 AS BIGINT) AS account_id, CAST(value->>0 AS BIGINT) AS id, value FROM json_each($2) ` + list + `) j
WHERE member_profiles.account_id = j.account_id AND member_profiles.member_id = j.id`
	clearOrgIDs = `UPDATE members SET org_user_id = NULL WHERE (account_id, id) IN ` + idList + ` AND (removal_id IS NULL) IS TRUE`
)

// HoldObjects finds the groups, bots and roles with these public ids, and keeps
// them from being deleted until the transaction ends. Members are not looked for.
func (tx *Tx) HoldObjects(ctx context.Context, names directory.AssignmentNames) (found directory.AssignmentObjects, err error) {
	tx.askObjects(groupsByPublicID+tx.engine.holdOf("o"), names, &found)
	return found, wrapf(tx.flush(ctx), "find the groups, bots and roles")
}

// askObjects asks for those that are named, each kind if any is, groups by the
// query.
func (tx *Tx) askObjects(groups string, names directory.AssignmentNames, found *directory.AssignmentObjects) {
	if len(names.Groups) > 0 {
		tx.ask(groups, []any{tx.account, jsonTexts(names.Groups)}, func(row scanner) error {
			group, err := scanGroup(row)
			found.Groups = append(found.Groups, group)
			return err
		})
	}
	if len(names.Bots) > 0 {
		tx.ask(namedBots+tx.engine.holdOf("o"), []any{tx.account, jsonTexts(names.Bots)}, func(row scanner) error {
			bot, err := scanBot(row)
			found.Bots = append(found.Bots, bot)
			return err
		})
	}
	if len(names.Roles) > 0 {
		tx.ask(namedRoles+tx.engine.holdOf("roles"), []any{tx.account, jsonTexts(names.Roles)}, func(row scanner) error {
			var role directory.Role
			err := row.Scan(&role.ID, &role.PublicID, &role.Kind, &role.Name)
			found.Roles = append(found.Roles, role)
			return err
		})
	}
}

// CreateUsers makes members as CreateMembers does, and gives them held groups and
// roles, and tasks of held bots.
func (tx *Tx) CreateUsers(ctx context.Context, users []directory.PlannedUser) error {
	people := make([]directory.NewMember, len(users))
	for i := range users {
		people[i] = users[i].NewMember
	}
	created, err := tx.CreateMembers(ctx, people)
	if err != nil {
		return err
	}
	var changes directory.UserChanges
	var tasks []memberTask
	for i := range users {
		member := created[i].Member
		for _, group := range users[i].Groups {
			changes.AddGroups = append(changes.AddGroups, directory.GroupUser{Group: group, Member: member})
		}
		for _, grant := range users[i].Grants {
			grant.Member = member
			changes.AddRoles = append(changes.AddRoles, grant)
		}
		for _, task := range users[i].Tasks {
			tasks = append(tasks, memberTask{member, task})
		}
	}
	if err := tx.changeBelongings(ctx, created, changes); err != nil {
		return err
	}
	return wrapf(tx.insertTasks(ctx, tasks), "assign the tasks")
}

// memberTask are the tasks of a bot that a member is to have.
type memberTask struct {
	member directory.MemberID
	directory.BotTask
}

func (tx *Tx) insertTasks(ctx context.Context, tasks []memberTask) error {
	if len(tasks) == 0 {
		return nil
	}
	rows := jsonRows(len(tasks), func(i int) jsonRow {
		return jsonRow{int64(tasks[i].member), int64(tasks[i].Bot), jsonTexts(tasks[i].Dialogs)}
	})
	return tx.execRows(ctx, len(tasks), insertTasks, tx.account, rows)
}

// changeBelongings gives and takes groups and roles, and leaves audit records of
// those that were not so already.
func (tx *Tx) changeBelongings(ctx context.Context, members []directory.Candidate, c directory.UserChanges) error {
	persons := make(map[directory.MemberID]directory.PersonID, len(members))
	for i := range members {
		persons[members[i].Member] = members[i].Person
	}
	for _, groups := range []struct {
		of    []directory.GroupUser
		query string
		kind  directory.AuditKind
	}{{c.RemoveGroups, takeGroups, directory.AuditGroupLeft}, {c.AddGroups, giveGroups, directory.AuditGroupJoined}} {
		if err := tx.changeGroups(ctx, groups.query, groups.kind, persons, groups.of); err != nil {
			return wrapf(err, "change who is in the groups")
		}
	}
	if len(c.AddRoles)+len(c.RemoveRoles) == 0 {
		return nil
	}
	_, err := tx.ChangeGrants(ctx, directory.AssignmentObjects{Members: members}, c.AddRoles, c.RemoveRoles)
	return err
}

func (tx *Tx) changeGroups(ctx context.Context, query string, kind directory.AuditKind,
	persons map[directory.MemberID]directory.PersonID, pairs []directory.GroupUser,
) error {
	if len(pairs) == 0 {
		return nil
	}
	rows := jsonRows(len(pairs), func(i int) jsonRow { return jsonRow{int64(pairs[i].Group), int64(pairs[i].Member)} })
	var changed []directory.GroupUser
	tx.ask(query, []any{tx.account, rows}, func(row scanner) error {
		var pair directory.GroupUser
		err := row.Scan(&pair.Group, &pair.Member)
		changed = append(changed, pair)
		return err
	})
	if err := tx.flush(ctx); err != nil {
		return err
	}
	slices.SortFunc(changed, func(x, y directory.GroupUser) int {
		return cmp.Or(cmp.Compare(x.Group, y.Group), cmp.Compare(x.Member, y.Member))
	})
	for len(changed) > 0 {
		group := changed[0].Group
		run := directory.AuditRun{Kind: kind, Object: int64(group)}
		for len(changed) > 0 && changed[0].Group == group {
			run.Persons = append(run.Persons, persons[changed[0].Member])
			changed = changed[1:]
		}
		tx.Record(run)
	}
	return nil
}

// HoldTasks keeps the bots in which members have tasks or roles from being deleted
// until the transaction ends.
func (tx *Tx) HoldTasks(ctx context.Context, members []directory.Candidate) error {
	if tx.engine.holdRows == "" || len(members) == 0 {
		return nil
	}
	ids, _ := split(members)
	tx.ask(holdBots+tx.engine.holdOf("o"), []any{tx.account, jsonInts(ids)}, func(scanner) error { return nil })
	return wrapf(tx.flush(ctx), "hold the bots")
}

// MemberStates reads what a call may change of live members.
func (r *reader) MemberStates(ctx context.Context, account directory.AccountID, members []directory.MemberID) (map[directory.MemberID]directory.MemberState, error) {
	states := make(map[directory.MemberID]directory.MemberState, len(members))
	ids := jsonInts(members)
	err := r.each(ctx, func(rows *sql.Rows) error {
		var id directory.MemberID
		var s directory.MemberState
		into := []any{&id, &s.EmailKey, &s.OrgUserID, &s.Status, &s.Flags.CanCreateBot, &s.Flags.IsDeveloper, &s.Flags.TableAccess}
		for _, field := range s.Profile.Fields() {
			into = append(into, field.Text)
		}
		err := rows.Scan(into...)
		states[id] = s
		return err
	}, selectStates, account, ids)
	if err != nil {
		return nil, wrapf(err, "read the members")
	}
	tasks, err := r.tasks(ctx, account, ids)
	for id, of := range tasks {
		state := states[id]
		state.Tasks = of
		states[id] = state
	}
	return states, err
}

// tasks reads the tasks of live members, each one's in the order of their bots.
func (r *reader) tasks(ctx context.Context, account directory.AccountID, ids string) (map[directory.MemberID][]directory.BotTask, error) {
	tasks := map[directory.MemberID][]directory.BotTask{}
	err := r.each(ctx, func(rows *sql.Rows) error {
		var id directory.MemberID
		var task directory.BotTask
		var dialogs string
		if err := rows.Scan(&id, &task.Bot, &task.BotID, &dialogs); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(dialogs), &task.Dialogs); err != nil {
			return wrapf(err, "read the dialogs of bot %s", task.BotID)
		}
		tasks[id] = append(tasks[id], task)
		return nil
	}, selectTasks, account, ids)
	for _, of := range tasks {
		slices.SortFunc(of, func(x, y directory.BotTask) int { return cmp.Compare(x.Bot, y.Bot) })
	}
	return tasks, wrapf(err, "read the tasks")
}

// States is MemberStates of the transaction's account.
func (tx *Tx) States(ctx context.Context, members []directory.Candidate) (map[directory.MemberID]directory.MemberState, error) {
	ids, _ := split(members)
	return tx.MemberStates(ctx, tx.account, ids)
}

// ChangeUsers changes members that LockMembers found, and leaves audit records of
// what was not so already. An org id that another live member has fails with an
// error that wraps directory.ErrExists.
func (tx *Tx) ChangeUsers(ctx context.Context, members []directory.Candidate, c directory.UserChanges) error {
	if err := tx.changeMembers(ctx, c.Members); err != nil {
		return err
	}
	return tx.changeBelongings(ctx, members, c)
}

// memberWrites are what changes of members come to, by what each statement writes.
type memberWrites struct {
	persons  []directory.PersonID
	changes  []directory.AuditChange
	profiles []jsonRow
	searched []directory.MemberID // are found by something new
	searches []jsonRow
	freed    []directory.MemberID // of their org ids
	orgIDs   []jsonRow
	retasked []directory.MemberID
	tasks    []memberTask
}

func (w *memberWrites) add(m *directory.MemberChange) {
	w.persons = append(w.persons, m.Person)
	w.changes = append(w.changes, directory.AuditChange{Member: m.Member, Body: modifiedBody(m)})
	if m.ProfileChanges() {
		row := append(jsonRow{int64(m.Member), string(m.After.Status)}, profileRow(&m.After.Profile)...)
		w.profiles = append(w.profiles, append(row, flagRow(m.After.Flags)...))
	}
	if m.SearchChanges() {
		text, sortName := directory.SearchText(&m.After.Profile, m.After.EmailKey, m.After.OrgUserID)
		w.searched = append(w.searched, m.Member)
		w.searches = append(w.searches, jsonRow{int64(m.Member), text, sortName})
	}
	if m.OrgUserIDChanges() {
		w.freed = append(w.freed, m.Member)
		if m.After.OrgUserID != "" {
			w.orgIDs = append(w.orgIDs, jsonRow{int64(m.Member), m.After.OrgUserID})
		}
	}
	if m.TasksChange() {
		w.retasked = append(w.retasked, m.Member)
		for _, task := range m.After.Tasks {
			w.tasks = append(w.tasks, memberTask{m.Member, task})
		}
	}
}

func (tx *Tx) changeMembers(ctx context.Context, changes []directory.MemberChange) error {
	if len(changes) == 0 {
		return nil
	}
	var w memberWrites
	for i := range changes {
		w.add(&changes[i])
	}
	if n := len(w.profiles); n > 0 {
		tx.later(n, setProfiles, tx.account, rowList(w.profiles))
	}
	if n := len(w.searches); n > 0 {
		tx.later(n, setSearches, tx.account, rowList(w.searches))
	}
	// All that change are freed first: one may take what another leaves.
	if n := len(w.freed); n > 0 {
		tx.later(n, clearOrgIDs, tx.account, jsonInts(w.freed))
	}
	if n := len(w.orgIDs); n > 0 {
		tx.later(n, updateOrgIDs, tx.account, rowList(w.orgIDs))
	}
	if err := tx.flush(ctx); err != nil {
		return wrapf(err, "change the members")
	}
	if len(w.searched) > 0 {
		if err := tx.indexSearch(ctx, w.searched); err != nil {
			return err
		}
	}
	if len(w.retasked) > 0 {
		if err := tx.exec(ctx, takeTasks, tx.account, jsonInts(w.retasked)); err != nil {
			return wrapf(err, "take the tasks")
		}
	}
	tx.Record(directory.AuditRun{Kind: directory.AuditUserModified, Persons: w.persons, Changes: w.changes})
	return wrapf(tx.insertTasks(ctx, w.tasks), "assign the tasks")
}

func rowList(rows []jsonRow) string {
	return jsonRows(len(rows), func(i int) jsonRow { return rows[i] })
}
