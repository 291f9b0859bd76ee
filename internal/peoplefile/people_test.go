package peoplefile_test

import (
	"bytes"
	"strings"
	"testing"

	"roster/internal/peoplefile"
)

// FuzzImport: no file makes the reader fail in any way but with an error, and
// every text of a row stands in the file.
func FuzzImport(f *testing.F) {
	for _, seed := range []string{
		"emailId\na@x.com", "\ufeffemailId;orgUserId\n\"a@x.com\" ;E1\n\n;\n", "firstName\temail_id\nAnn \"A\"\ta@x.com\r\n", "emailId,\"a\"\"b\"\n\"\n",
		"emailId,emailId\n", "emailId|nonsense\n", "E-Mail Id\n\"\"\n", "", "\"", "emailId\na,b\n", "emailId,city\na\n\"x\ny\",z",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		rows, err := peoplefile.ReadPeople(text, func(int) {})
		if err != nil {
			return
		}
		bare := strings.NewReplacer(`"`, "", "\r", "")
		file, lines := bare.Replace(string(text)), bytes.Count(text, []byte("\n"))+1
		for i, row := range rows {
			if row.Line < 1 || row.Line > lines || (i > 0 && row.Line <= rows[i-1].Line) {
				t.Fatalf("row %d is said to be in line %d of %d", i, row.Line, lines)
			}
			texts := []string{row.Email, row.OrgUserID}
			for _, field := range row.Profile.Fields() {
				texts = append(texts, *field.Text)
			}
			for _, text := range texts {
				if !strings.Contains(file, bare.Replace(text)) {
					t.Fatalf("%q is not in the file %q", text, file)
				}
			}
		}
	})
}
