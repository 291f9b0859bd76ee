package roster_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// openAt opens the directory at dsn until the test ends.
func openAt(t *testing.T, dsn string) *roster.Roster {
	t.Helper()
	r, err := roster.Open(context.Background(), roster.Options{Database: dsn})
	must(t, err)
	t.Cleanup(func() { must(t, r.Close()) })
	return r
}

// importRow is a row of a file, in line order: address, org id, first name.
type importRow [3]string

func importRows(rows []importRow) []roster.ImportRow {
	list := make([]roster.ImportRow, len(rows))
	for i, r := range rows {
		list[i] = roster.ImportRow{Line: i + 2, Email: r[0], OrgUserID: r[1], Profile: directory.Profile{FirstName: r[2]}}
	}
	return list
}

// membersOf lists the live members but the owner as address, org id and first name.
func membersOf(t *testing.T, r *roster.Roster, account string) (list []importRow) {
	t.Helper()
	must(t, r.EachUser(context.Background(), auth.Operator(), account, func(m directory.Member) error {
		if !strings.HasPrefix(m.Email, "owner@") {
			list = append(list, importRow{m.Email, m.OrgUserID, m.Profile.FirstName})
		}
		return nil
	}))
	slices.SortFunc(list, func(a, b importRow) int { return strings.Compare(a[0], b[0]) })
	return list
}

// importCase is an import into an account of old@x.io (E1, Old) and two@x.io
// (E2, Two), whose member gone@x.io (E3, Gone) was removed.
type importCase struct {
	name     string
	rows     []importRow
	skip, up bool
	bad      []string // "line: part of the reason"
	created  int
	updated  int
	want     []importRow // afterwards; nil for no change
}

var (
	importOld = importRow{"old@x.io", "E1", "Old"}
	importTwo = importRow{"two@x.io", "E2", "Two"}
)

var importCases = []importCase{
	{
		name: "new people", rows: []importRow{{"b@x.io", "", "Bea"}, {" A@x.io ", " E9 ", ""}}, created: 2,
		want: []importRow{{"A@x.io", "E9", ""}, {"b@x.io", "", "Bea"}, importOld, importTwo},
	},
	{name: "an empty file"},
	{
		name: "an address twice, spelt differently", rows: []importRow{{"a@x.io", "", ""}, {"b@x.io", "", ""}, {"A@X.io", "", ""}},
		bad: []string{"4: in line 2 already"},
	},
	{
		name: "an org id twice", rows: []importRow{{"a@x.io", "E9", ""}, {"b@x.io", "E9 ", ""}},
		bad: []string{"3: in line 2 already"},
	},
	{
		name: "two org ids that differ in case", rows: []importRow{{"a@x.io", "e1", ""}, {"b@x.io", "e2", ""}}, created: 2,
		want: []importRow{{"a@x.io", "e1", ""}, {"b@x.io", "e2", ""}, importOld, importTwo},
	},
	{
		name: "rows bad in themselves",
		rows: []importRow{{"no address", "", ""}, {"a@x.io", "a\x00", ""}, {"b@x.io", "", "a\x07"}, {"c@x.io", "", strings.Repeat("x", 1025)}, {"", "", ""}, {"d@x.io", "", ""}},
		bad:  []string{"2: not an e-mail address", "3: not an orgUserId", "4: firstName", "5: firstName", "6: not an e-mail address"},
	},
	{
		name: "bad rows skipped", skip: true,
		rows: []importRow{{"no address", "", ""}, {"a@x.io", "E9", ""}, {"a@x.io", "", ""}, {"old@x.io", "", "New"}, {"b@x.io", "E2", ""}, {"c@x.io", "E9", ""}},
		bad:  []string{"2: not an e-mail", "4: in line 3", "5: member already", "6: belongs to another", "7: in line 3"}, created: 1,
		want: []importRow{{"a@x.io", "E9", ""}, importOld, importTwo},
	},
	{
		name: "a bad row takes neither its address nor its org id", skip: true,
		rows: []importRow{{"a@x.io", "E9", "\x07"}, {"b@x.io", "E9", ""}, {"a@x.io", "", ""}},
		bad:  []string{"2: firstName"}, created: 2,
		want: []importRow{{"a@x.io", "", ""}, {"b@x.io", "E9", ""}, importOld, importTwo},
	},
	{name: "nothing but bad rows, skipped", skip: true, rows: []importRow{{"x", "", ""}, {"OLD@x.io", "", ""}}, bad: []string{"2: not an", "3: member already"}},
	{name: "a member, not to be updated", rows: []importRow{{"a@x.io", "", ""}, {"Old@x.io", "", ""}}, bad: []string{"3: member already"}},
	{name: "the owner, not to be updated", rows: []importRow{{"owner@x.io", "", ""}}, bad: []string{"2: member already"}},
	{name: "an org id that a member has", rows: []importRow{{"a@x.io", "E1", ""}}, bad: []string{"2: belongs to another member"}},
	{
		name: "a member to be updated", up: true, rows: []importRow{{"OLD@x.io", "E8", "New"}, {"two@x.io", "", ""}}, updated: 2,
		want: []importRow{{"old@x.io", "E8", "New"}, importTwo},
	},
	{
		name: "an update to the org id she has", up: true, rows: []importRow{{"old@x.io", "E1", "New"}}, updated: 1,
		want: []importRow{{"old@x.io", "E1", "New"}, importTwo},
	},
	{name: "an update to an org id that another has", up: true, rows: []importRow{{"old@x.io", "E2", "New"}}, bad: []string{"2: belongs to another member"}},
	{
		name: "an org id that becomes free by the same file is still taken", up: true,
		rows: []importRow{{"old@x.io", "E7", ""}, {"a@x.io", "E1", ""}}, bad: []string{"3: belongs to another member"},
	},
	{
		name: "new people and updates", up: true, rows: []importRow{{"a@x.io", "", ""}, {"two@x.io", "", "Tom"}}, created: 1, updated: 1,
		want: []importRow{{"a@x.io", "", ""}, importOld, {"two@x.io", "E2", "Tom"}},
	},
	{
		name: "somebody who was removed is new", up: true, rows: []importRow{{"gone@x.io", "", ""}}, created: 1,
		want: []importRow{{"gone@x.io", "", ""}, importOld, importTwo},
	},
	{
		name: "the org id of somebody who was removed is free", rows: []importRow{{"a@x.io", "E3", ""}}, created: 1,
		want: []importRow{{"a@x.io", "E3", ""}, importOld, importTwo},
	},
}

func TestImportTakesAllRowsOrNone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		r := openAt(t, dsn)
		for _, c := range importCases {
			checkImport(t, r, dsn, c)
		}
		_, err := r.VerifyAudit(context.Background(), auth.Operator())
		must(t, err)
	})
}

func checkImport(t *testing.T, r *roster.Roster, dsn string, c importCase) {
	t.Helper()
	ctx := context.Background()
	account, err := r.CreateAccount(ctx, auth.Operator(), "X", "owner@x.io")
	must(t, err)
	_, err = r.ImportUsers(ctx, auth.Operator(), account, importRows([]importRow{importOld, importTwo, {"gone@x.io", "E3", "Gone"}}), roster.ImportOptions{})
	must(t, err)
	_, err = r.RemoveUsers(ctx, callerOf(t, dsn, account), []directory.UserRef{{Text: "gone@x.io"}}, roster.RemovalOptions{})
	must(t, err)
	before := storetest.Dump(t, dsn)

	o := roster.ImportOptions{SkipBad: c.skip, Update: c.up, DryRun: true}
	preview, err := r.ImportUsers(ctx, auth.Operator(), account, importRows(c.rows), o)
	must(t, err)
	if diff := before.Diff(storetest.Dump(t, dsn)); diff != "" {
		t.Errorf("%s: the preview has written something:\n%s", c.name, diff)
	}
	o.DryRun = false
	out, err := r.ImportUsers(ctx, auth.Operator(), account, importRows(c.rows), o)
	if err != nil {
		t.Errorf("%s: %v", c.name, err)
		return
	}
	if diff := cmp.Diff(preview, out); diff != "" {
		t.Errorf("%s: the preview said otherwise (-preview +import):\n%s", c.name, diff)
	}
	if out.Created != c.created || out.Updated != c.updated || len(out.Bad) != len(c.bad) {
		t.Errorf("%s: outcome %+v, want %d created, %d updated, bad %q", c.name, out, c.created, c.updated, c.bad)
		return
	}
	for i, bad := range out.Bad {
		line, reason, _ := strings.Cut(c.bad[i], ": ")
		if strconv.Itoa(bad.Line) != line || !strings.Contains(bad.Reason, reason) || bad.Email != c.rows[bad.Line-2][0] {
			t.Errorf("%s: bad row %+v, want %q", c.name, bad, c.bad[i])
		}
	}
	want := c.want
	if want == nil {
		want = []importRow{importOld, importTwo}
		if diff := before.Diff(storetest.Dump(t, dsn)); diff != "" {
			t.Errorf("%s: something was written:\n%s", c.name, diff)
		}
	}
	if diff := cmp.Diff(want, membersOf(t, r, account)); diff != "" {
		t.Errorf("%s: members (-want +got):\n%s", c.name, diff)
	}
}

// An import is one entry of the audit log: a record for each member it made or
// changed.
func TestImportIsRecordedOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		r := openAt(t, dsn)
		ctx := context.Background()
		account, err := r.CreateAccount(ctx, auth.Operator(), "X", "owner@x.io")
		must(t, err)
		records := func() (kinds []string) {
			rows, err := storetest.SQL(t, dsn).Query("SELECT r.kind FROM audit_records r JOIN audit_chain c ON c.account_id = r.account_id " +
				"AND c.batch_id = r.batch_id WHERE c.number = (SELECT MAX(number) FROM audit_chain) ORDER BY r.kind")
			must(t, err)
			defer rows.Close()
			for rows.Next() {
				var kind string
				must(t, rows.Scan(&kind))
				kinds = append(kinds, kind)
			}
			must(t, rows.Err())
			return kinds
		}
		_, err = r.ImportUsers(ctx, auth.Operator(), account, importRows([]importRow{{"a@x.io", "", ""}, {"b@x.io", "", ""}}), roster.ImportOptions{})
		must(t, err)
		if got := records(); !slices.Equal(got, []string{"user.created", "user.created"}) {
			t.Errorf("records %q", got)
		}
		_, err = r.ImportUsers(ctx, auth.Operator(), account, importRows([]importRow{{"a@x.io", "", "A"}, {"c@x.io", "", ""}}), roster.ImportOptions{Update: true})
		must(t, err)
		if got := records(); !slices.Equal(got, []string{"user.created", "user.modified"}) {
			t.Errorf("records %q", got)
		}
	})
}

// One person in two accounts keeps one id, and each account its own profile.
func TestImportSharesThePersonAndNothingElse(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		r := openAt(t, dsn)
		ctx := context.Background()
		var ids []string
		for _, row := range []importRow{{"Ann@x.io", "E1", "Ann"}, {"ann@X.io", "E2", "Anna"}} {
			account, err := r.CreateAccount(ctx, auth.Operator(), "X", "owner@x.io")
			must(t, err)
			_, err = r.ImportUsers(ctx, auth.Operator(), account, importRows([]importRow{row}), roster.ImportOptions{})
			must(t, err)
			if got := membersOf(t, r, account); len(got) != 1 || got[0] != row {
				t.Errorf("members %q, want %q", got, row)
			}
			must(t, r.EachUser(ctx, auth.Operator(), account, func(m directory.Member) error {
				if strings.HasPrefix(strings.ToLower(m.Email), "ann@") {
					ids = append(ids, m.UserID)
					if m.Status != directory.StatusInactive {
						t.Errorf("a new member is %q", m.Status)
					}
				}
				return nil
			}))
		}
		if len(ids) != 2 || ids[0] != ids[1] {
			t.Errorf("user ids %q, want one person", ids)
		}
	})
}

func TestImportIsDeniedToStrangers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, dsn string) {
		r := openAt(t, dsn)
		ctx := context.Background()
		one, err := r.CreateAccount(ctx, auth.Operator(), "One", "owner@x.io")
		must(t, err)
		two, err := r.CreateAccount(ctx, auth.Operator(), "Two", "owner@x.io")
		must(t, err)
		before := storetest.Dump(t, dsn)
		rows := importRows([]importRow{{"a@x.io", "", ""}})
		if _, err := r.ImportUsers(ctx, callerOf(t, dsn, two), one, rows, roster.ImportOptions{}); !errors.Is(err, directory.ErrDenied) {
			t.Errorf("an app of another account: %v, want ErrDenied", err)
		}
		if _, err := r.ImportUsers(ctx, auth.Caller{}, one, rows, roster.ImportOptions{}); !errors.Is(err, directory.ErrDenied) {
			t.Errorf("nobody: %v, want ErrDenied", err)
		}
		if _, err := r.ImportUsers(ctx, auth.Operator(), "none", rows, roster.ImportOptions{}); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("an unknown account: %v, want ErrNotFound", err)
		}
		if diff := before.Diff(storetest.Dump(t, dsn)); diff != "" {
			t.Errorf("something was written:\n%s", diff)
		}
	})
}
