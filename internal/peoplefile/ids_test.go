package peoplefile_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"roster/internal/peoplefile"
)

func TestLeaverFiles(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		text    string
		orgIDs  bool
		ids     []string
		skipped []int // lines
		byOrgID bool
		err     string
	}{
		{name: "one on each line", text: "a@x.com\r\n\r\n  b@x.com \n\"c@x.com\"\n", ids: []string{"a@x.com", "b@x.com", "c@x.com"}},
		{name: "no line end at the end", text: "a@x.com", ids: []string{"a@x.com"}},
		{name: "a quoted id may have a delimiter in it", text: "\"a,b\"\n", orgIDs: true, ids: []string{"a,b"}, byOrgID: true},
		{name: "columns without a header", text: "a@x.com,Ann\n", err: "line 1 has several columns"},
		{name: "columns later on", text: "a@x.com\nb@x.com;Bo\n", err: "line 2 has several columns"},
		{name: "comma", text: "name,emailId\nAnn,a@x.com\n", ids: []string{"a@x.com"}},
		{name: "semicolon", text: "emailId;name\na@x.com;Ann, B\n", ids: []string{"a@x.com"}},
		{name: "tab", text: "name\temailId\nAnn\ta@x.com\n\tb@x.com\n", ids: []string{"a@x.com", "b@x.com"}},
		{name: "pipe", text: "emailId|x\na@x.com|\n", ids: []string{"a@x.com"}},
		{name: "header in any spelling", text: "E-Mail_ID ,x\na@x.com,\n", ids: []string{"a@x.com"}},
		{name: "blank lines before the header", text: "\n \nemailId\n\na@x.com\n", ids: []string{"a@x.com"}},
		{name: "quotes and blanks", text: "emailId,n\n \"a@x.com\" , \"A \"\"the\"\" B\" \n", ids: []string{"a@x.com"}},
		{name: "a line end in quotes", text: "emailId,n\na@x.com,\"one\ntwo\"\nb@x.com,\n", ids: []string{"a@x.com", "b@x.com"}},
		{name: "short and empty rows", text: "n,emailId\nAnn\nBo,\nCy,c@x.com\n", ids: []string{"c@x.com"}, skipped: []int{2, 3}},
		{name: "both columns", text: "orgUserId,emailId\nE1,a@x.com\n", ids: []string{"a@x.com"}},
		{name: "both columns, org ids wanted", text: "orgUserId,emailId\nE1,a@x.com\n", orgIDs: true, ids: []string{"E1"}, byOrgID: true},
		{name: "an empty address is not made up for by the org id", text: "orgUserId,emailId\nE1,\n", skipped: []int{2}},
		{name: "org ids alone", text: "orgUserId\nE1\n", ids: []string{"E1"}, byOrgID: true},
		{name: "org ids wanted, none there", text: "emailId\na@x.com\n", orgIDs: true, err: "no column orgUserId"},
		{name: "text behind a closing quote", text: "emailId,n\n\"a@x.com\"x,\n", err: "line 2"},
		{name: "a quote that never closes", text: "emailId,n\n\"a@x.com,\nb@x.com,\n", err: "line"},
		{name: "a row with more fields than the header", text: "name,boss,emailId\nDoe, Jo,boss@x.com,jo@x.com\n", err: "line 2 has 4 fields and the header 3"},
		{name: "empty fields too many", text: "emailId;n\na@x.com;A;;\n", ids: []string{"a@x.com"}},
		{name: "nothing", text: "\n \n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := peoplefile.ReadIDs([]byte(test.text), test.orgIDs)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error %v, want one with %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.ids, got.IDs); diff != "" {
				t.Errorf("ids (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.skipped, got.Skipped); diff != "" {
				t.Errorf("skipped lines (-want +got):\n%s", diff)
			}
			if got.ByOrgID != test.byOrgID {
				t.Errorf("by org id: %v", got.ByOrgID)
			}
		})
	}
}

// FuzzLeavers: no file makes the reader fail in any way but with an error, and
// every id that comes out of it stands in the file.
func FuzzLeavers(f *testing.F) {
	for _, seed := range []string{
		"a@x.com\nb@x.com", "emailId;x\n\"a@x.com\" ;y\n", "orgUserId\temailId\nE1\ta", "emailId,\"a\"\"b\"\n\"\n", "\"", "emailId\n\"\"",
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, orgIDs bool) {
		got, err := peoplefile.ReadIDs(text, orgIDs)
		if err != nil {
			return
		}
		// Quotes and carriage returns are how a file says it, not what it says.
		bare := strings.NewReplacer(`"`, "", "\r", "")
		for _, id := range got.IDs {
			if !strings.Contains(bare.Replace(string(text)), bare.Replace(id)) {
				t.Fatalf("id %q is not in the file %q", id, text)
			}
		}
	})
}
