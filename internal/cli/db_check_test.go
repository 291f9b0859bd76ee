package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"roster/internal/storetest"
)

// 'db check' finds a wrong number, and --repair corrects it with an audit record.
func TestDatabaseCheck(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		run := func(want int, args ...string) (stdout, stderr string) {
			t.Helper()
			var out, errOut bytes.Buffer
			if code := Main(t.Context(), append(args, "--database", dsn), strings.NewReader(""), &out, &errOut); code != want {
				t.Fatalf("%v: exit code %d, %s", args, code, &errOut)
			}
			return out.String(), errOut.String()
		}
		created, _ := run(exitDone, "account", "create", "--name", "X", "--owner-email", "ann@example.com")
		var account struct {
			ID string `json:"accountId"`
		}
		if err := json.Unmarshal([]byte(created), &account); err != nil {
			t.Fatal(err)
		}
		const consistent = `{"consistent":true,"findings":[],"repaired":0}` + "\n"
		for _, repair := range []string{"--repair=false", "--repair"} {
			if out, _ := run(exitDone, "db", "check", repair); out != consistent {
				t.Errorf("%s: %s", repair, out)
			}
		}
		storetest.Exec(t, dsn, "UPDATE audit_heads SET users = 5")
		finding := `"findings":[{"accountId":"` + account.ID + `","what":"the number of users is stored as 5, and is 1","repairable":true}]`
		out, stderr := run(exitFailed, "db", "check")
		if out != `{"consistent":false,`+finding+`,"repaired":0}`+"\n" || stderr != "roster: the database is inconsistent: 1 finding (run 'roster db check --repair')\n" {
			t.Errorf("%s%s", out, stderr)
		}
		if out, _ := run(exitDone, "db", "check", "--repair"); out != `{"consistent":true,`+finding+`,"repaired":1}`+"\n" {
			t.Errorf("%s", out)
		}
		if out, _ := run(exitDone, "db", "check"); out != consistent {
			t.Errorf("%s", out)
		}
		if out, _ := run(exitDone, "audit", "list", "--account", account.ID, "--limit", "1"); !strings.Contains(out, `"kind":"database.repaired"`) {
			t.Errorf("%s", out)
		}
		storetest.Exec(t, dsn, "UPDATE persons SET memberships = 2")
		out, stderr = run(exitFailed, "db", "check", "--repair")
		if !strings.Contains(out, "are stored as 2, and are 1") || stderr != "roster: the database is inconsistent: 1 finding cannot be repaired (restore a backup)\n" {
			t.Errorf("%s%s", out, stderr)
		}
	})
}
