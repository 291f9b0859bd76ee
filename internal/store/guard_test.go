package store_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayTouchBase are the statements that may name the tables that hold removed
// members too, each with the reason why nobody who left comes to life by it.
var mayTouchBase = map[string]string{
	"insertMembers":        "makes live members",
	"insertProfiles":       "of members made in the same transaction",
	"insertGroupUsers":     "of members held in the same transaction",
	"addGroupUsers":        "of members held in the same transaction",
	"takeGroupUsers":       "of members held in the same transaction",
	"giveGroups":           "of members held in the same transaction",
	"takeGroups":           "of members locked in the same transaction",
	"insertTasks":          "of members held in the same transaction",
	"takeTasks":            "of members locked in the same transaction",
	"setProfiles":          "of members locked in the same transaction",
	"setSearches":          "of members locked in the same transaction",
	"indexProfiles":        "of members made or locked in the same transaction",
	"usersWithStatus":      "whoFits looks which of them are live",
	"profilesByWords":      "whoFits looks which of them are live",
	"usersByWords":         "whoFits looks which of them are live",
	"profilesByTrigrams":   "whoFits looks which of them are live",
	"whoOfLiveFits":        "of members that a live view told",
	"selectSearched":       "who left may be restored, and is to be found then",
	"fillProfiles":         "who left may be restored, and is to be found then",
	"clearOrgIDs":          "says itself that they are live",
	"giveMemberRoles":      "of members held in the same transaction",
	"takeMemberRoles":      "of members held in the same transaction",
	"noteSignIn":           "of members held in the same transaction",
	"deleteRoleUsers":      "says itself that they are live",
	"someUsersOf":          "joins the live view: each of them is looked up once",
	"sizesOfGroups":        "bounds how much selectUsersOf reads, and tells nobody",
	"selectUsersOf":        "joins the live view: each of them is looked up once",
	"wrongMemberships":     "counts removed members too",
	"wrongRemovals":        "is about removed members",
	"checks":               "has the queries above",
	"membersFrom":          "leaves out removed members",
	"memberAt":             "skips removed members too: removedBefore counts them",
	"removedBefore":        "counts removed members",
	"selectOwner":          "of the account's owner, who is held to become so and cannot leave as long as they are",
	"selectOwnership":      "of members locked in the same transaction, and of the account's owner, as in selectOwner",
	"livePerson":           "says itself that they are live",
	"deleteGroupUsers":     "says itself that they are live",
	"deleteBotTasks":       "says itself that they are live",
	"deleteBotUsers":       "says itself that they are live",
	"updateOrgIDs":         "says itself that they are live",
	"markRemoved":          "says itself that they are live",
	"insertMet":            "of members locked in the same transaction",
	"selectRemoved":        "the purge is about those who left",
	"membersOfRemoval":     "the restoration is about those who left",
	"idsOfRemoval":         "the restoration is about removed users",
	"pageOfRemoved":        "the list is about those who left",
	"endedMembers":         "it is about those who left",
	"removalsOfPerson":     "it is about those who left",
	"removedUser":          "it is about those who left",
	"removedByID":          "the list is about those who left",
	"someOfRemoval":        "the restoration is about those who left",
	"selectAllMemberships": "a restored backup is searched for all who were erased",
	"selectAddresses":      "of members of the locked removal",
	"markRestored":         "the restoration is about those who left",
	"groupsOf":             "of those who are being restored",
	"rolesOf":              "of those who are being restored",
	"tasksOf":              "of those who are being restored",
	"holdGroups":           "of those who are being restored",
	"holdBots":             "of those who are being restored",
	"holdRoles":            "of those who are being restored",
	"selectLost":           "of those who are being restored",
	"dropLostGroups":       "of those who are being restored",
	"dropLostRoles":        "of those who are being restored",
	"dropLostTasks":        "of those who are being restored",
	"noteErasures":         "the purge is about those who left",
	"purgeTasks":           "the purge is about those who left",
	"purgeRoles":           "the purge is about those who left",
	"purgeGroups":          "the purge is about those who left",
	"purgeProfiles":        "the purge is about those who left",
	"purgeMembers":         "the purge is about those who left",
}

var (
	isSQL     = regexp.MustCompile(`\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH)\b`)
	baseTable = regexp.MustCompile(`\b(members|group_members|member_roles|member_tasks|member_profiles)\b`)
	// schemaComment matches the comments of SQL and those of its templates.
	schemaComment = regexp.MustCompile(`(?s)/\*.*?\*/|(?-s)--.*`)

	liveView = regexp.MustCompile(`\blive_(members|group_members|member_roles|member_tasks)\b`)
)

// TestRemovedMembersAreReadThroughTheLiveViewsAlone bans the base tables from
// every SQL text of the package but those of mayTouchBase.
func TestRemovedMembersAreReadThroughTheLiveViewsAlone(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	must(t, err)
	touching := map[string]string{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		must(t, err)
		maps.Copy(touching, baseTouching(t, file, source))
	}
	for name, text := range touching {
		if mayTouchBase[name] == "" {
			t.Errorf("%s reads or writes a table that holds removed members too; go through a view live_...:\n%s", name, text)
		}
	}
	for name, why := range mayTouchBase {
		if touching[name] == "" {
			t.Errorf("%s touches no base table: take it off the list", name)
		}
		if strings.Contains(why, "says itself") && !strings.Contains(touching[name], "removal_id IS NULL") {
			t.Errorf("%s does not say that the members are live:\n%s", name, touching[name])
		}
	}
}

// TestBanOnBaseTablesSeesThem is the control.
func TestBanOnBaseTablesSeesThem(t *testing.T) {
	t.Parallel()
	const source = `package x
const (
	good1 = "SELECT id FROM live_members"
	good2 = "SELECT f.city FROM live_members m JOIN member_profiles f ON f.member_id = m.id"
	good3 = "find the members"
	bad1  = "SELECT id FROM accounts, members"
	half  = " JOIN group_members g"
	bad2  = "SELECT 1 FROM live_members m" + half
	bad3  = "SELECT f.city FROM member_profiles f"
)
var bad4 = []string{"SELECT 1", "DELETE FROM member_tasks"}
func bad5() string { return "UPDATE members SET removal_id = NULL" }
`
	got := slices.Sorted(maps.Keys(baseTouching(t, "x.go", []byte(source))))
	if want := []string{"bad1", "bad2", "bad3", "bad4", "bad5"}; !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

// baseTouching returns the declarations of a file whose SQL names a base table:
// constants and variables by their name, texts inside functions by the
// function's. A profile may be read along with a live member.
func baseTouching(t *testing.T, name string, source []byte) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, source, 0)
	must(t, err)
	consts := map[string]string{} // the texts of constants, for those that are put together
	texts := map[string]string{}
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			texts[d.Name.Name] += textOf(d, nil)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				value, ok := spec.(*ast.ValueSpec)
				if !ok || len(value.Values) != len(value.Names) {
					continue
				}
				for i, id := range value.Names {
					consts[id.Name] = textOf(value.Values[i], consts)
					texts[id.Name] = consts[id.Name]
				}
			}
		}
	}
	for name, text := range texts {
		plain := liveView.ReplaceAllString(text, "")
		if plain != text { // has a live member to go by
			plain = strings.ReplaceAll(plain, "member_profiles", "")
		}
		if !isSQL.MatchString(plain) || !baseTable.MatchString(plain) {
			delete(texts, name)
		}
	}
	return texts
}

// textOf joins the string literals below a node, and the constants that it names.
func textOf(n ast.Node, consts map[string]string) string {
	var text strings.Builder
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if n.Kind == token.STRING {
				s, err := strconv.Unquote(n.Value)
				if err != nil {
					panic(err)
				}
				fmt.Fprintln(&text, s)
			}
		case *ast.Ident:
			text.WriteString(consts[n.Name])
		}
		return true
	})
	return text.String()
}

// TestSchemaReadsBaseTablesInTheLiveViewsAlone holds the same of the schema:
// what is built on the base tables are the live views, and each says who is live.
func TestSchemaReadsBaseTablesInTheLiveViewsAlone(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("schema/*.sql")
	must(t, err)
	views := 0
	for _, file := range files {
		source, err := os.ReadFile(file)
		must(t, err)
		for statement := range strings.SplitSeq(schemaComment.ReplaceAllString(string(source), ""), ";") {
			switch {
			case strings.Contains(statement, "CREATE VIEW"):
				views++
				if !liveView.MatchString(statement) || !strings.Contains(statement, "WHERE m.removal_id IS NULL") &&
					!strings.Contains(statement, "WHERE removal_id IS NULL") {
					t.Errorf("%s: a view that does not say who is live:%s", file, statement)
				}
			case strings.Contains(statement, "INSERT INTO member_passwords"): // a removed member keeps the password for the undo
			case strings.Contains(statement, "TRIGGER"), strings.Contains(statement, "SELECT") && baseTable.MatchString(statement):
				t.Errorf("%s: reads a base table:%s", file, statement)
			}
		}
	}
	if views == 0 {
		t.Error("found no view: is the schema seen?")
	}
}
