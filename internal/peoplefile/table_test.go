package peoplefile_test

import (
	"strings"
	"testing"

	"roster/internal/peoplefile"
)

// A file is UTF-8, with or without a byte-order mark, which is no part of its
// first column. Another encoding is an error that names the line and the remedy.
func TestDecode(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, text, want, err string }{
		{name: "without a mark", text: "emailId\nzoë@x.com\n", want: "emailId\nzoë@x.com\n"},
		{name: "with a mark", text: "\ufeffemailId\na@x.com\n", want: "emailId\na@x.com\n"},
		{name: "a mark alone", text: "\ufeff", want: ""},
		{name: "UTF-16, little-endian", text: "\xff\xfea\x00", err: "the file is UTF-16: save it as UTF-8"},
		{name: "UTF-16, big-endian", text: "\xfe\xff\x00a", err: "the file is UTF-16: save it as UTF-8"},
		{name: "Latin-1", text: "emailId\na@x.com\nzo\xeb@x.com\n", err: "the file, line 3 is not UTF-8"},
	} {
		got, err := peoplefile.Decode("the file", []byte(test.text))
		if test.err != "" {
			if err == nil || !strings.HasPrefix(err.Error(), test.err) {
				t.Errorf("%s: error %v, want %q", test.name, err, test.err)
			}
			continue
		}
		if err != nil || string(got) != test.want {
			t.Errorf("%s: %q, %v; want %q", test.name, got, err, test.want)
		}
	}
}

// Blanks around a field do not belong to it, whether the field is quoted or not: a
// row with a blank id names no user.
func TestFieldsAreTrimmed(t *testing.T) {
	t.Parallel()
	got, err := peoplefile.ReadIDs([]byte("name;emailId;city\nAnn; a@x.com\t;\nBo;\" b@x.com \";\nCy; \u00a0 ;Rome\n"), false)
	if err != nil || strings.Join(got.IDs, "|") != "a@x.com|b@x.com" || len(got.Skipped) != 1 || got.Skipped[0] != 4 {
		t.Errorf("ids %q, skipped lines %v, %v", got.IDs, got.Skipped, err)
	}
}
