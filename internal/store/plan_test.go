package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"roster/internal/directory"
	"roster/internal/store"
	"roster/internal/storetest"
)

// planData returns how many members the account has whose plans are looked at.
// PostgreSQL weighs its plans by the size of a table.
func planData(engine string) []int {
	switch {
	case engine == "sqlite":
		return []int{3000}
	case storetest.Long():
		return []int{3000, 10_000, 30_000}
	}
	return []int{10_000}
}

// planArgs are arguments of the hot statements; {account}, {ids} and {persons}
// stand for those of the fixture.
var planArgs = map[string][]string{
	"findByEmail":     {"{account}", `["user-1@x.example","user-2@x.example"]`},
	"holdByEmail":     {"{account}", `["user-1@x.example","user-2@x.example"]`},
	"findByOrgID":     {"{account}", `["USER-1"]`},
	"findByEither":    {"{account}", `["user-1@x.example"]`, `["USER-2"]`},
	"selectOwnership": {"{account}", "{ids}"},
	"ownersByEmail":   {"{account}", `["user-1@x.example","user-2@x.example"]`},
	"ownersByOrgID":   {"{account}", `["USER-1"]`},
	"ownersByEither":  {"{account}", `["user-1@x.example"]`, `["USER-2"]`},
	"markRemoved":     {"{account}", "{ids}", "7"},
	"insertRecords":   {"{account}", "8", "1", "k", "0", "{persons}"},
	"insertMixed":     {"{account}", "8", `[["k",1,0]]`},
	"insertMembers":   {"{account}", `[[901,"user-1@x.example",""]]`},
	"upsertPersons":   {`[[902,"u-902","user-1@x.example"]]`, "0"},
	"updateOrgIDs":    {"{account}", `[[1,"X"]]`},
	"selectApp":       {"cs-1"},
	"selectHead":      {"{account}"},
	"updateHead":      {"{account}", "2", "x", "1", "9", "0", "0"},
	"insertLink":      {"{account}", "2", "8", "0", "k", "1", "7", "1", "x", "x", "x", "9", "0"},
	"selectOpen":      {"{account}", "7", "0"},
	"selectRemoved":   {"{account}", "7", "500"},
	"upsertRefusals":  {`[[1,"expired",2,3,"id"]]`},
	"updateKeyUse":    {"1", "2", "3"},
	"purgeTasks":      {"{account}", "{ids}"},

	"membersOfRemoval": {"{account}", "7"},
	"pageOfRemoved":    {"{account}", "7", "1001", "51"},
	"removedByID":      {"{account}", "{ids}"},
	"linesOfRemoval":   {"{account}", "7", "8", "1000", "1000"},
	"detailsOfRemoval": {"{account}", "7", "1000000", "100"},
	"someOfRemoval":    {"{account}", "7", `["user-1@x.example"]`, `["USER-1"]`},
	"selectAddresses":  {"{account}", "{ids}"},
	"markRestored":     {"{account}", "{ids}", "7"},
	"addRestored":      {"{account}", "7", "1"},
	"selectLost":       {"{account}", "{ids}"},
	"holdGroups":       {"{account}", "{ids}"},
	"holdBots":         {"{account}", "{ids}"},
	"holdRoles":        {"{account}", "{ids}"},
	"dropLostGroups":   {"{account}", "{ids}"},
	"dropLostRoles":    {"{account}", "{ids}"},
	"dropLostTasks":    {"{account}", "{ids}"},

	"purgeChanges":  {"{account}", "{ids}"},
	"insertChanges": {"{account}", "8", `[[1,1000001,"aGFzaA==","c2FsdA==","{}"]]`},
	"purgeRoles":    {"{account}", "{ids}"},
	"purgeGroups":   {"{account}", "{ids}"},
	"purgeProfiles": {"{account}", "{ids}"},
	"purgeMembers":  {"{account}", "{ids}", "7"},
	"purgePersons":  {"{persons}"},
	"purgeDetails":  {"{account}", "7"},
	"closeRemoval":  {"{account}", "7", "0"},

	"selectGroup":      {"{account}", "e-1000001"},
	"selectBot":        {"{account}", "st-1000001"},
	"selectBotsOf":     {"{account}", "{ids}", "1000004"},
	"setBotOwners":     {"{account}", "{ids}", "1000004"},
	"deleteGroupUsers": {"{account}", "1000001"},
	"deleteGroupRoles": {"{account}", "1000001"},
	"deleteGroupBelow": {"{account}", "1000001"},
	"deleteGroupAbove": {"{account}", "1000001"},
	"deleteBotTasks":   {"{account}", "1000001"},
	"deleteBotUsers":   {"{account}", "1000001"},
	"deleteBotGroups":  {"{account}", "1000001"},

	"selectRecords":     {"{account}", "[[1000001,1,1],[1000002,1,1]]"},
	"recordDetails":     {"{account}", "{ids}"},
	"chainTip":          {"{account}"},
	"chainEntry":        {"{account}", "1000001"},
	"chainPage":         {"{account}", "1000001", "1000051"},
	"recordsBefore":     {"{account}", "[[0,1000001],[0,1000002]]", "524288"},
	"auditObjects":      {"{account}", "{ids}"},
	"selectOutcome":     {"1000001", "x", "0"},
	"selectDue":         {"0", "100", "0", "0"},
	"selectJobs":        {"100"},
	"selectRestoreJobs": {"100"},
	"selectRecord":      {"{account}", "rm-1"},
	"selectRemoval":     {"{account}", "rm-1"},
	"pageOfRemovals":    {"{account}", "50", "0"},

	"nextByEmail":   {"{account}", "1001", "51"},
	"nextByOrgID":   {"{account}", "E1001", "51"},
	"nextByName":    {"{account}", "1001", "51"},
	"memberAt":      {"{account}", "500"},
	"membersFrom":   {"{account}", "50", "10", "0", "1000500"},
	"pageOfGroups":  {"{account}", "50", "0"},
	"pageOfBots":    {"{account}", "50", "0"},
	"membersByID":   {"{account}", "{ids}"},
	"selectNested":  {"{account}", "{ids}"},
	"selectUsersOf": {"{account}", "{ids}"},
	"someUsersOf":   {"{account}", "1000001", "0", "1000"},
	"sizesOfGroups": {"{account}", "{ids}", "1000"},
	"accessRoles":   {"{account}", "{ids}"},
	"accessGroups":  {"{account}", "{ids}"},
	"groupsAbove":   {"{account}", "{ids}"},
	"rolesOfGroups": {"{account}", "{ids}"},
	"namedGroups":   {"{account}", `["1000001","1000002"]`},
	"namedBots":     {"{account}", `["st-1000001","st-1000002"]`},
	"namedRoles":    {"{account}", `["1000001","1000002"]`},

	"giveMemberRoles":  {"{account}", "[[1000001,1,1000002]]"},
	"takeMemberRoles":  {"{account}", "[[1000001,1,1000002]]"},
	"giveGroupRoles":   {"{account}", "[[1000001,1,1000002]]"},
	"takeGroupRoles":   {"{account}", "[[1000001,1,1000002]]"},
	"selectGroups":     {"{account}", "1000001"},
	"addGroupUsers":    {"{account}", "1000001", "{ids}"},
	"takeGroupUsers":   {"{account}", "1000001", "{ids}"},
	"groupsOver":       {"{account}", "{ids}"},
	"isAbove":          {"{account}", "1000001", "1000002"},
	"groupsByPublicID": {"{account}", `["e-1000001","e-1000002"]`},
	"insertNesting":    {"{account}", "1000001", "1000002"},
	"deleteNesting":    {"{account}", "1000001", "1000002"},
	"deleteRoleUsers":  {"{account}", "1000001"},
	"deleteRoleGroups": {"{account}", "1000001"},
	"selectRoleGroup":  {"{account}", "1000001"},

	"giveGroups":     {"{account}", "[[1000001,1000002]]"},
	"takeGroups":     {"{account}", "[[1000001,1000002]]"},
	"insertTasks":    {"{account}", `[[1000001,1000002,"[]"]]`},
	"takeTasks":      {"{account}", "{ids}"},
	"selectStates":   {"{account}", "{ids}"},
	"selectTasks":    {"{account}", "{ids}"},
	"selectViews":    {"{account}", "{ids}"},
	"insertProfiles": {"{account}", `[[901,"active","a@x.example","a","b","c","d","e","f","g","h","i","j","k","l",1,1,0,"a b","a"]]`, "0"},
	"setProfiles":    {"{account}", `[[1,"active","a","b","c","d","e","f","g","h","i","j","k","l",1,1,0]]`},
	"setSearches":    {"{account}", `[[1,"a","b"]]`},
	"indexProfiles":  {"{account}", "{ids}"},
	"clearOrgIDs":    {"{account}", "{ids}"},

	"ownerRoles": {"{account}", "admin", "Bot Owner"},
	"rolesByID":  {"{account}", "{ids}"},
	"botsByID":   {"{account}", "{ids}"},
	"groupsByID": {"{account}", "{ids}"},

	"selectJob":            {"{account}", "1000001"},
	"selectCounts":         {"{account}", "1000001"},
	"selectJobState":       {"{account}", "1000001"},
	"selectSpool":          {"{account}", "1000001", "0", "40"},
	"deleteDone":           {"{account}", "1000001", "0", "40"},
	"deleteSpool":          {"{account}", "1000001", "40"},
	"deleteMet":            {"{account}", "1000001", "40"},
	"moveJob":              {"{account}", "1000001", "0", "1", "0"},
	"endJob":               {"{account}", "1000001", "completed", "0", "0"},
	"moveWindow":           {"{account}", "1000001", "0"},
	"countChunk":           {"{account}", "1000001", "1", "1", "{}", "1", "1"},
	"selectRestoreJob":     {"{account}", "1000001"},
	"selectRestoring":      {"{account}", "1000001"},
	"selectRestored":       {"{account}", "1000001"},
	"moveRestoreJob":       {"{account}", "1000001", "0", "running", "1", "1", "[]", "1", "0", "0"},
	"endRestoreJob":        {"{account}", "1000001", "cancelled", "0"},
	"forgetRestoreJob":     {"{account}", "1000001"},
	"idsOfRemoval":         {"{account}", "7"},
	"selectRestoreItems":   {"{account}", "1000001", "0", "40"},
	"deleteRestoreItems":   {"{account}", "1000001", "0", "40"},
	"forgetRestoreItems":   {"{account}", "1000001"},
	"membersOfItems":       {"{account}", "{ids}", "7"},
	"countJobs":            {"{account}"},
	"touchSpool":           {"{account}", "1000001", "0"},
	"queueJob":             {"{account}", "1000001", "0", "0", "0"},
	"selectMet":            {"{account}", `["E1000001"]`, "1000001"},
	"insertMet":            {"{account}", "{ids}", "1000001"},
	"selectRefused":        {"{account}", "1000001", "0", "100"},
	"deleteRefusedDetails": {"{account}", "1000001", "100"},
	"deleteRefusals":       {"{account}", "1000001", "100"},

	"selectUser":        {"{account}", "u-1000001"},
	"memberSessions":    {"{account}", "1000001", "0", "0", "100"},
	"endMemberSessions": {"{account}", "1000001", "0", "0"},
	"personByID":        {"u-1000001"},
	"removedUser":       {"{account}", "1000001"},
	"removalsOfPerson":  {"{account}", "1000001"},
	"historyOfPerson":   {"{account}", "1000001", "{ids}", "1000100", "1", "51"},

	"selectSession":      {"x"},
	"openMembers":        {"x"},
	"insertSessions":     {`[[{account},1000001,"h","s"]]`, "y", "0", "1", "z"},
	"touchSessions":      {"x", "1"},
	"endSessions":        {"{account}", "{ids}"},
	"voidLinks":          {"{account}", "{ids}"},
	"forgetPasswords":    {"{account}", "{ids}"},
	"enterAccount":       {"x", "y", "{account}", "1000001"},
	"selectMembership":   {"{account}", "{ids}"},
	"selectRights":       {"{account}", "{ids}"},
	"noteSignIn":         {"{account}", "1000001", "0"},
	"selectPasswords":    {"user-1@x.example"},
	"takeAttempt":        {"1", "2", "0", "10"},
	"selectPasswordLink": {"x", "0"},

	"admitCall": {"{account}", "1000300000000", "[[60,60000000],[1800,3600000000]]", "1000001", "x", "0"},
}

// TestHotStatementsFindTheirRowsByIndex holds the plans on data that was never
// analysed, since nobody runs ANALYZE on a fresh SQLite file and a busy
// PostgreSQL gets to it late, and on data that was. No plan may walk a table or
// all of an account.
func TestHotStatementsFindTheirRowsByIndex(t *testing.T) {
	t.Parallel()
	for _, engine := range storetest.Engines {
		for _, n := range planData(engine) {
			t.Run(fmt.Sprintf("%s/%d", engine, n), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t, storetest.New(t, engine))
				fillForPlans(t, f.dsn, f.account, n)
				checkPlans(t, f, "never analysed")
				checkPlansAreSeen(t, f)
				storetest.Exec(t, f.dsn, "ANALYZE")
				checkPlans(t, f, "analysed")
			})
		}
	}
}

func checkPlans(t *testing.T, f *fixture, state string) {
	t.Helper()
	const list = "[1000001,1000002,1000003]"
	replace := strings.NewReplacer("{account}", fmt.Sprint(f.account), "{ids}", list, "{persons}", list)
	for name, query := range f.store.HotStatements() {
		args := make([]string, len(planArgs[name]))
		for i, a := range planArgs[name] {
			args[i] = replace.Replace(a)
		}
		plan := explain(f, query, args)
		for _, line := range walks(plan) {
			t.Errorf("%s: %s walks: %s\n%s", state, name, line, strings.Join(plan, "\n"))
		}
		// Statements with a list of members' ids that also name a removal.
		if all := strings.Join(plan, "\n"); strings.Contains(all, "members_removed") && len(args) > 1 && args[1] == list {
			t.Errorf("%s: %s walks a removal for each id:\n%s", state, name, all)
		}
	}
	if f.store.Engine() == "sqlite" {
		query := f.store.HotStatements()["pageOfRemoved"]
		if plan := strings.Join(explain(f, query, []string{fmt.Sprint(f.account), "7", "1001", "51"}), "\n"); strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%s: a page of a removal is sorted:\n%s", state, plan)
		}
	}
	query, index := f.store.RemovedBefore()
	if plan := strings.Join(explain(f, query, []string{fmt.Sprint(f.account), "0", "1000500"}), "\n"); !strings.Contains(plan, index) || !strings.Contains(plan, "members_removed") {
		t.Errorf("%s: removed members are not counted by the indexes members_removed and %s:\n%s", state, index, plan)
	}
	for name, st := range store.OrderedStatements() {
		args := make([]string, len(planArgs[name]))
		for i, a := range planArgs[name] {
			args[i] = replace.Replace(a)
		}
		plan := strings.Join(explain(f, st[0], args), "\n")
		// No member of the fixture is removed. A plan that is good only for that reads all
		// removed members for each live one.
		if strings.Contains(plan, "members_removed") {
			t.Errorf("%s: %s looks for each member among all removed ones:\n%s", state, name, plan)
		}
		if readsAll(plan, st[1], state) {
			t.Errorf("%s: %s does not go by the index %s:\n%s", state, name, st[1], plan)
		}
	}
}

// readsAll says whether a plan reads more than the limit of an ordered statement
// wants, because it does not go by the index, or sorts what it reads. Where
// nothing is known about a table PostgreSQL takes it for small and may sort.
func readsAll(plan, index, state string) bool {
	return !strings.Contains(plan, index) || strings.Contains(plan, "Seq Scan on removals") ||
		(state == "analysed" && (strings.Contains(plan, "Sort") || strings.Contains(plan, "TEMP B-TREE")))
}

// checkPlansAreSeen is the control: statements known to walk are found out.
func checkPlansAreSeen(t *testing.T, f *fixture) {
	t.Helper()
	account := fmt.Sprint(f.account)
	walking := map[string][]string{
		"SELECT id FROM members WHERE person_id = $1":                                           {"1"},
		"SELECT id FROM members WHERE account_id = $1 AND removal_id IS NULL AND person_id = 7": {account},
		"SELECT email_key FROM persons WHERE created_at = $1":                                   {"1"},
	}
	if f.store.Engine() == "postgres" {
		walking["SELECT person_id FROM members WHERE email_key = $1 AND removal_id IS NULL"] = []string{"x"}
		walking["SELECT m.id FROM accounts a CROSS JOIN members m WHERE a.id = $1 AND m.account_id = a.id AND m.removal_id IS NOT NULL"] = []string{account}
		// a list of unknown length
		walking[strings.Replace(f.store.HotStatements()["findByEmail"], "key BETWEEN 0 AND", "9 <", 1)] = []string{account, "[]"}
	}
	unordered := strings.Join(explain(f, "SELECT id FROM removals WHERE account_id = $1 ORDER BY requested", []string{account}), "\n")
	if !readsAll(unordered, "removals_created", "analysed") {
		t.Errorf("a plan that sorts was taken for a good one:\n%s", unordered)
	}
	for query, args := range walking {
		if len(walks(explain(f, query, args))) == 0 {
			t.Errorf("the plan of %q walks, and was taken for a good one", query)
		}
	}
}

// fillForPlans gives the account n members, each with a role, a group, a task, a
// bot, a removal and a batch of audit records, so that walking any table costs
// something.
func fillForPlans(t *testing.T, dsn string, account directory.AccountID, n int) {
	t.Helper()
	list := make([]string, n)
	for i := range list {
		list[i] = strconv.Itoa(1_000_000 + i)
	}
	nul, bin := "CAST('' AS BLOB)", "CAST(j.atom AS BLOB)"
	if strings.HasPrefix(dsn, "postgres") {
		nul, bin = "CAST('' AS BYTEA)", "CAST(CAST(j.atom AS TEXT) AS BYTEA)"
	}
	expand := strings.NewReplacer("ACC", "CAST($1 AS BIGINT)", "ID", "CAST(j.atom AS BIGINT)", "TXT", "CAST(j.atom AS TEXT)", "NUL", nul, "BIN", bin)
	for _, table := range [][3]string{
		{"persons", "id, public_id, email_key, memberships, created_at", "ID, 'u-' || TXT, TXT || '@x.example', 1, ACC"},
		{"members", "account_id, id, person_id, email_key, org_user_id", "ACC, ID, ID, TXT || '@x.example', 'E' || TXT"},
		{"member_roles", "account_id, member_id, role_id, bot_id", "ACC, ID, 1, ID"},
		{"group_members", "account_id, group_id, member_id", "ACC, ID, ID"},
		{"groups", "account_id, id, public_id, name, description, created_at", "ACC, ID, 'e-' || TXT, TXT, '', 0"},
		{"group_groups", "account_id, parent_id, child_id", "ACC, ID, ID + 1"},
		{"group_roles", "account_id, group_id, role_id, bot_id", "ACC, ID, ID, ID"},
		{"member_tasks", "account_id, member_id, bot_id, dialogs", "ACC, ID, ID, '[]'"},
		{"bots", "account_id, id, public_id, name, owner_id, created_at", "ACC, ID, 'st-' || TXT, 'Bot', ID, 0"},
		{"roles", "account_id, id, public_id, kind, name, description, permissions, built_in, created_at", "ID, ID, TXT, 'bot', TXT, '', '{}', 0, ACC"},
		{"removal_jobs", "account_id, id, state, batch_id, mixed, next_seq, spooled, created_at, turn_at", "ACC, ID, 'queued', ID, 1, 0, CASE WHEN ID % 1000 = 0 THEN 1 ELSE 0 END, 0, 0"},
		{"restore_jobs", "account_id, removal_id, state, actor_kind, actor_id, request_id, total, done, restored, lost, next_seq, created_at, turn_at, finished_at", "ACC, ID, 'running', 'k', 0, '', 1, 0, 0, '[]', 0, 0, 0, CASE WHEN ID % 1000 > 0 THEN 0 END"},
		{"restore_items", "account_id, removal_id, seq, member_ids", "ACC, ID, 1, '[]'"},
		{"removal_spool", "account_id, removal_id, seq, ids", "ACC, ID, 1, '[]'"},
		{"removal_met", "account_id, removal_id, org_user_id", "ACC, ID, 'E' || TXT"},
		{"removal_refusals", "account_id, removal_id, seq, batch_id", "ACC, ID, 1, ID"},
		{"deleted_objects", "account_id, id, kind, public_id, name, deleted_at", "ACC, 1 + ID, 'bot', TXT, TXT, 0"},
		{"audit_details", "account_id, batch_id, salt, body", "ACC, ID, NUL, '{}'"},
		{"audit_records", "account_id, batch_id, seq, kind, person_id, object_id", "ACC, ID, 1, 'k', ID, 0"},
		{"audit_changes", "account_id, batch_id, seq, member_id, hash, salt, body", "ACC, ID, 1, ID, '', '', '{}'"},
		{"apps", "id, client_id, account_id, name, origin, algorithm, state, created_at", "ID, 'cs-' || TXT, ACC, '', 'admin-console', 'HS256', 'enabled', 0"},
		{"secret_keys", "version, fingerprint, created_at", "ID, NUL, ACC"},
		{"app_secrets", "app_id, id, key_version, sealed, created_at", "ID, 1, ID, NUL, ACC"},
		{"audit_heads", "account_id, number, hash", "ID, ACC, NUL"},
		{"app_scopes", "app_id, scope", "ID, CAST(ACC AS TEXT)"},
		{"rate_buckets", "account_id, second, calls, last_at", "ACC, ID, 1, ID * 1000000"},
		{"idempotency_keys", "app_id, key_hash, request_hash, outcome, expires_at", "ID, NUL, NUL, '{}', ACC + ID"},
		{"used_tokens", "app_id, jti_hash, expires_at", "ID, NUL, ACC + ID"},
		{"member_passwords", "tenant_id, member_id, person_id, hash, changed_at", "ACC, ID, ID, TXT, ACC"},
		{"password_links", "token_hash, person_id, tenant_id, member_id, created_at, expires_at", "BIN, ID, ACC, ID, 0, ID"},
		{"console_sessions", "token_hash, public_id, person_id, tenant_id, member_id, chosen, created_at, last_seen_at, expires_at, user_agent", "BIN, TXT, ID, ACC, ID, 1, 0, 0, ID, ''"},
		{"signin_failures", "slot, failures, last_at", "ID, 1, ACC"},
		{
			"removals", "account_id, id, public_id, actor_kind, actor_id, requested, removed, refused, created_at, purged_at, restorable_until",
			"ACC, ID, TXT, 'k', 0, 1, 1, '{}', 0, CASE WHEN ID % 10 > 0 THEN 0 END, 0",
		},
		{
			"audit_chain", "account_id, number, batch_id, created_at, actor_kind, actor_id, removal_id, records, digest, hash, total, epoch",
			"ACC, ID, ID, ID, 'k', 0, ID, 1, NUL, NUL, ID, 0",
		},
		{
			"member_profiles", "account_id, member_id, status, " + profileColumns + ", can_create_bot, is_developer, data_table_access, created_at",
			"ACC, ID, 'active', " + strings.Repeat("'', ", 13) + "1, 1, 0, 0",
		},
	} {
		storetest.Exec(t, dsn, "INSERT INTO "+table[0]+" ("+table[1]+") SELECT "+expand.Replace(table[2])+" FROM json_each($2) j",
			account, "["+strings.Join(list, ",")+"]")
	}
}

const profileColumns = "email, first_name, last_name, company_name, department, company_contact_phone, work_number, street, suite_number, city, zip, state, country"

// walks returns the lines of a plan that read all of a table or of an account.
func walks(plan []string) (found []string) {
	own := map[string]bool{} // lists that the query makes itself
	for _, line := range plan {
		if name, ok := strings.CutPrefix(line, "CO-ROUTINE "); ok {
			own[name] = true
		} else if name, ok := strings.CutPrefix(line, "MATERIALIZE "); ok {
			own[name] = true
		}
	}
	for i, line := range plan {
		line = strings.TrimSpace(line)
		if onePerAccount.MatchString(line) || (i > 0 && onePerAccount.MatchString(plan[i-1])) {
			continue
		}
		scanned, isScan := strings.CutPrefix(line, "SCAN ")
		next := strings.Join(plan[i+1:min(i+2, len(plan))], "")
		switch {
		case isScan && !strings.Contains(scanned, "VIRTUAL TABLE") && scanned != "CONSTANT ROW" && !own[scanned], // SQLite
			strings.HasPrefix(line, "SEARCH ") && strings.HasSuffix(line, "(account_id=?)"),
			strings.Contains(line, "Seq Scan on "), // PostgreSQL
			wholeAccount.MatchString(line),
			indexScan.MatchString(line) && !strings.Contains(next, "Index Cond: "),
			byAccount.MatchString(line) && !strings.Contains(next, "account_id"),
			byRemoval.MatchString(line) && !strings.Contains(next, "removal_id"):
			found = append(found, line)
		}
	}
	return found
}

var (
	// indexScan without a condition in the next line walks all of the index.
	indexScan = regexp.MustCompile(`\b(Index Scan|Index Only Scan|Bitmap Index Scan) (using|on) `)
	// byAccount is by an index that begins with the account: without it in the
	// condition, all of the index is walked.
	byAccount = regexp.MustCompile(`(Index Scan|Index Only Scan|Bitmap Index Scan) (using|on) (members|member_profiles|audit)_`)
	// byRemoval is by an index that has the account first and then the removal: without the
	// removal in the condition, all removed members of the account are read.
	byRemoval = regexp.MustCompile(`(Index Scan|Index Only Scan|Bitmap Index Scan) (using|on) members_removed\b`)
	// onePerAccount are the tables that hold one row of an account, or a few as
	// that of the roles does.
	onePerAccount = regexp.MustCompile(`\b(SEARCH audit_heads|using audit_heads_pkey|Seq Scan on accounts|SEARCH roles|Seq Scan on roles)\b`)
	wholeAccount  = regexp.MustCompile(`^Index Cond: \(([a-z]+\.)?account_id = ('?\d+'?(::bigint)?|\$1)\)$`)
)

// explain returns the lines of the plans that the engine may choose.
func explain(f *fixture, query string, args []string) []string {
	f.Helper()
	db := storetest.SQL(f, f.dsn)
	if f.store.Engine() == "postgres" {
		return explainPostgres(f, db, query, args)
	}
	return explainSQLite(f, db, query, args)
}

func explainSQLite(t testing.TB, db *sql.DB, query string, args []string) []string {
	t.Helper()
	values := make([]any, len(args))
	for i, a := range args {
		values[i] = a
	}
	rows, err := db.QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+query, values...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var id, parent, unused int
		var line string
		must(t, rows.Scan(&id, &parent, &unused, &line))
		lines = append(lines, line)
	}
	must(t, rows.Err())
	return lines
}

// explainPostgres returns the plan for these arguments and the one for any: a
// prepared statement goes over to the latter when it has run a few times.
func explainPostgres(t testing.TB, db *sql.DB, query string, args []string) []string {
	t.Helper()
	conn, err := db.Conn(context.Background())
	must(t, err)
	defer conn.Close()
	ctx := context.Background()
	_, err = conn.ExecContext(ctx, "PREPARE hot AS "+query)
	must(t, err)
	defer conn.ExecContext(ctx, "DEALLOCATE hot")
	literals := make([]string, len(args))
	for i, a := range args {
		literals[i] = "'" + a + "'"
	}
	var lines []string
	for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
		_, err := conn.ExecContext(ctx, "SET plan_cache_mode = "+mode)
		must(t, err)
		rows, err := conn.QueryContext(ctx, "EXPLAIN EXECUTE hot ("+strings.Join(literals, ", ")+")")
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		for rows.Next() {
			var line string
			must(t, rows.Scan(&line))
			lines = append(lines, line)
		}
		must(t, rows.Err())
	}
	return lines
}
