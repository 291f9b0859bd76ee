package store_test

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roster/internal/directory"
	"roster/internal/storetest"
)

var (
	ids         = regexp.MustCompile(`(u|st|rm)-[0-9a-f-]{36}`)
	firstRecord = directory.AuditQuery{Page: directory.Page{Limit: 1}}
)

// Each derived number that is wrong is found, and a repair sets it right and is recorded.
// What cannot be derived is found too, and stays.
func TestCheckFindsAndRepairsWhatIsDerived(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		f := auditFixture(t, dsn)
		ctx := context.Background()
		check := func() (all []string) {
			t.Helper()
			found, err := f.store.Check(ctx)
			must(t, err)
			for _, finding := range found {
				all = append(all, finding.Account+": "+finding.What)
			}
			return all
		}
		if found := check(); len(found) > 0 {
			t.Fatalf("nothing is wrong, and it finds %q", found)
		}
		var account string
		must(t, storetest.SQL(t, dsn).QueryRow("SELECT public_id FROM accounts WHERE id = $1", f.account).Scan(&account))
		for statement, want := range map[string]string{
			"UPDATE audit_heads SET users = users + 2":                      "the number of users is stored as ",
			"UPDATE audit_chain SET total = total + 1 WHERE number = 2":     "1 entries of the audit log have a wrong total or epoch, the first is entry 2",
			"UPDATE audit_chain SET epoch = 5":                              "have a wrong total or epoch, the first is entry 1",
			"UPDATE audit_heads SET total = 1, epoch = epoch + 1":           "the end of the audit log (entry ",
			"UPDATE audit_heads SET last_at = last_at + 1":                  "the end of the audit log (entry ",
			"UPDATE audit_heads SET total = 0, users = 99, last_at = 0":     "the number of users is stored as 99",
			"UPDATE audit_chain SET total = 0, epoch = 1 WHERE number <> 1": "have a wrong total or epoch, the first is entry 2",
		} {
			storetest.Exec(t, dsn, statement+map[bool]string{true: " AND", false: " WHERE"}[strings.Contains(statement, "WHERE")]+" account_id = $1", f.account)
			found, err := f.store.Check(ctx)
			must(t, err)
			all := check()
			if len(all) == 0 || !strings.HasPrefix(all[0], account+": ") || !strings.Contains(all[0], want) {
				t.Errorf("%s: finds %q, want %q", statement, all, want)
			}
			must(t, f.store.RepairAccount(ctx, f.account, operator, found))
			if left := check(); len(left) > 0 {
				t.Errorf("%s: %q is left", statement, left)
			}
			if _, err := f.store.VerifyAudit(ctx); err != nil {
				t.Errorf("%s: repaired, and %v", statement, err)
			}
			list, err := f.store.AuditRecords(ctx, f.account, firstRecord)
			must(t, err)
			if got := list.Items[0]; got.Kind != "database.repaired" || !strings.Contains(string(got.Change), want) {
				t.Errorf("%s: the newest record is %s %s", statement, got.Kind, got.Change)
			}
		}
	})
}

func TestCheckFindsWhatItCannotRepair(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		f := newFixture(t, dsn)
		f.members("a@x.example", "b@x.example")
		f.bot("Desk", "a@x.example")
		f.remove("", "b@x.example")
		for _, statement := range []string{
			"UPDATE persons SET memberships = 7 WHERE email_key = 'a@x.example'",
			"UPDATE bots SET owner_id = 99",
			"UPDATE accounts SET owner_id = 98",
			"UPDATE removals SET removed = 0",
		} {
			storetest.Exec(t, dsn, statement)
		}
		found, err := f.store.Check(context.Background())
		must(t, err)
		var got []string
		for i := range found {
			got = append(got, strings.Join(strings.Fields(ids.ReplaceAllString(found[i].What, "ID")), " "))
			if found[i].Repairable {
				t.Errorf("%q is said to be repairable", found[i].What)
			}
		}
		want := []string{
			"the memberships of person ID are stored as 7, and are 1",
			"the owner of the account is no live member (key 98)",
			"the owner of bot ID is no live member (key 99)",
			"removal ID has 1 more removed members than its counts allow",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
