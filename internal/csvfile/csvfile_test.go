package csvfile_test

import (
	"strings"
	"testing"

	"roster/internal/csvfile"
)

func TestGuard(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                "",
		"ann@example.com": "ann@example.com",
		"O'Hara":          "O'Hara",
		"'":               "'",
		"'quoted'":        "'quoted'",
		"=1+1":            "'=1+1",
		"+bo@example.com": "'+bo@example.com",
		"-1":              "'-1",
		"@SUM(A1)":        "'@SUM(A1)",
		"\t=1":            "'\t=1",
		"\r=1":            "'\r=1",
		"\n=1":            "'\n=1",
		"＝1":              "'＝1",
		"'=1":             "''=1",
		"''=1":            "'''=1",
	} {
		if got := csvfile.Guard(text); got != want {
			t.Errorf("Guard(%q) is %q, want %q", text, got, want)
		}
		if got := csvfile.Unguard(want); got != text {
			t.Errorf("Unguard(%q) is %q, want %q", want, got, text)
		}
	}
}

// FuzzGuard: no guarded cell begins with a formula, and the text is found again.
func FuzzGuard(f *testing.F) {
	for _, seed := range []string{"", "'", "=1", "'=1", "''+", "a", "'\x00", "＝", "'＠\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cell := csvfile.Guard(text)
		if cell != "" && strings.IndexAny(cell, "=+-@\t\r\n＝＋－＠") == 0 {
			t.Errorf("%q is guarded as %q", text, cell)
		}
		if got := csvfile.Unguard(cell); got != text {
			t.Errorf("%q is guarded as %q and read as %q", text, cell, got)
		}
	})
}

func TestWriter(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	w := csvfile.NewWriter(&out)
	row := []string{"=1", `a "b"`, ""}
	if err := w.Write(row...); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil || out.String() != "'=1,\"a \"\"b\"\"\",\n" || row[0] != "=1" {
		t.Errorf("%q, %v; the row is %q now", &out, err, row)
	}
}
