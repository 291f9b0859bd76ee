package peoplefile_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"roster/internal/peoplefile"
)

// Of two columns that mean the same none is chosen unless they agree in every row.
func TestColumnsThatMeanTheSame(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, text string
		orgIDs     bool
		ids        []string
		err        string
	}{
		{
			name: "they differ", text: "emailId,E-Mail Id,orgUserId\na@x.com,a@x.com,E1\na@x.com,b@x.com,E2\n",
			err: `columns 1 ("emailId") and 2 ("E-Mail Id") both hold the emailId and differ in line 3: delete one of them`,
		},
		{name: "one of them is empty", text: "emailId;name;emailId\na@x.com;Ann;\n", err: `columns 1 ("emailId") and 3 ("emailId")`},
		{name: "the third differs", text: "emailId,email_id,emailId\na@x.com,a@x.com,b@x.com\n", err: `columns 1 ("emailId") and 3`},
		{name: "they agree", text: "emailId,E-Mail Id\na@x.com,a@x.com\nb@x.com, b@x.com \n", ids: []string{"a@x.com", "b@x.com"}},
		{name: "they name the same address in other letters", text: "email-id,emailId\nAnn@X.com,ann@x.com\n", ids: []string{"Ann@X.com"}},
		{name: "ids are compared exactly", text: "orgUserId,Org User Id\nE1,e1\n", err: `both hold the orgUserId and differ in line 2`},
		{name: "org ids that agree", text: "orgUserId,Org User Id\nE1,E1\n", ids: []string{"E1"}},
		{name: "the column that is not used may be doubled", text: "emailId,emailId,orgUserId\na@x.com,b@x.com,E1\n", orgIDs: true, ids: []string{"E1"}},
		{name: "no rows", text: "emailId,emailId\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := peoplefile.ReadIDs([]byte(test.text), test.orgIDs)
			_, ambiguous := errors.AsType[peoplefile.AmbiguousError](err)
			if test.err != "" && (!ambiguous || !strings.Contains(err.Error(), test.err)) || test.err == "" && err != nil {
				t.Fatalf("error %v, want %q", err, test.err)
			}
			if !slices.Equal(got.IDs, test.ids) {
				t.Errorf("ids %q, want %q", got.IDs, test.ids)
			}
			if test.orgIDs || !strings.Contains(test.text, "@") {
				return
			}
			people, err := peoplefile.ReadPeople([]byte(strings.ReplaceAll(test.text, "name", "firstName")), func(int) {})
			if _, ambiguous := errors.AsType[peoplefile.AmbiguousError](err); ambiguous != (test.err != "") || len(people) != len(test.ids) {
				t.Errorf("import: %d people, %v", len(people), err)
			}
		})
	}
	_, err := peoplefile.ReadPeople([]byte("emailId,first name,firstName\na@x.com,Ann,Bo\n"), func(int) {})
	if err == nil || !strings.Contains(err.Error(), `columns 2 ("first name") and 3 ("firstName")`) {
		t.Errorf("two first names: %v", err)
	}
}

// In a report of ours the apostrophe before a formula is not part of the id;
// anywhere else it is.
func TestReportsAreReadBack(t *testing.T) {
	t.Parallel()
	const header = "emailId,orgUserId,outcome,reason,removalId\n"
	for _, test := range []struct {
		name, text string
		orgIDs     bool
		ids        []string
		err        string
	}{
		{name: "of the command line", text: header + "'+bo@x.com,,removed,,rm-1\nann@x.com,,removed,,rm-1\n", ids: []string{"+bo@x.com", "ann@x.com"}},
		{name: "of the API", text: "emailId,orgUserId,reason,reasonCode\n'-no@x.com,'=E1,Not found,USER_NOT_FOUND\n", ids: []string{"-no@x.com"}},
		{name: "of the console", text: "emailId,orgUserId,userId,outcome,reason,reasonCode\nx@x.com,'=E1,u-1,removed,,\n", orgIDs: true, ids: []string{"=E1"}},
		{name: "saved by a spreadsheet", text: strings.ReplaceAll(header, ",", ";") + "'+bo@x.com;;removed;;rm-1\n", ids: []string{"+bo@x.com"}},
		{name: "an id that begins with an apostrophe", text: header + "''+bo@x.com,,removed,,\n'bo@x.com,,removed,,\n", ids: []string{"'+bo@x.com", "'bo@x.com"}},
		{name: "both are users", text: header + "''+bo@x.com,,removed,,\n'+bo@x.com,,removed,,\n", ids: []string{"'+bo@x.com", "+bo@x.com"}},
		{
			name: "both forms, which we never write", text: header + "+bo@x.com,,removed,,\n'+bo@x.com,,removed,,\n",
			err: `lines 2 ("+bo@x.com") and 3 ("'+bo@x.com") may name one user or two`,
		},
		{name: "another table", text: "emailId,reason\n'+bo@x.com,left\n", ids: []string{"'+bo@x.com"}},
		{name: "a list", text: "'+bo@x.com\n", ids: []string{"'+bo@x.com"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := peoplefile.ReadIDs([]byte(test.text), test.orgIDs)
			if test.err != "" {
				if _, ok := errors.AsType[peoplefile.AmbiguousError](err); !ok || !strings.Contains(err.Error(), test.err) {
					t.Errorf("error %v, want %q", err, test.err)
				}
				return
			}
			if err != nil || !slices.Equal(got.IDs, test.ids) {
				t.Errorf("ids %q, want %q; %v", got.IDs, test.ids, err)
			}
		})
	}
}
