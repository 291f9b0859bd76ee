package cli

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"roster/internal/hosttest"
)

// A removal that would write one of its files over another, or over a file that
// something else needs, is refused before any call.
func TestFilesOfARemovalAreDifferent(t *testing.T) {
	t.Parallel()
	l := newLong(t, rand.New(rand.NewPCG(1, 1)), 10, hosttest.Config{})
	l.write("leavers.txt", strings.Join(l.ids, "\n"))
	l.write("roster.db", "SQLite format 3\x00")
	l.write("earlier.csv", "emailId,orgUserId,outcome,reason,removalId\na@example.com,,removed,,\n")
	for link, target := range map[string]string{"here": ".", "list.csv": "earlier.csv"} {
		if err := os.Symlink(target, l.path(link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(l.path("earlier.csv"), l.path("hard.csv")); err != nil {
		t.Fatal(err)
	}
	here := filepath.Join(l.path("here"), "resume")
	for _, test := range []struct {
		says string
		args []string
		code int
	}{
		{"must be different files", []string{"--resume-file", l.path("resume"), "--report-file", l.path("resume")}, 2},
		{"must be different files", []string{"--resume-file", l.path("resume"), "--report-file", here}, 2},
		{"is in use", []string{"--resume-file", l.path("resume"), "--report-file", here + ".lock"}, 1},
		{"is in use", []string{"--from", l.path("earlier.csv"), "--report-file", l.path("hard.csv")}, 1},
		{"is in use", []string{"--from", l.path("earlier.csv"), "--report-file", l.path("list.csv")}, 1},
		{"is in use", []string{"--resume-file", l.path("leavers.txt")}, 1},
		{"belongs to the database", []string{"--resume-file", l.path("roster.db-wal")}, 1},
		{"belongs to the database", []string{"--resume-file", l.path("roster.db")}, 1},
		{"belongs to the database", []string{"--report-file", l.path("roster.db-journal")}, 1},
		{"not a regular file", []string{"--report-file", os.DevNull}, 1},
	} {
		code, _, stderr := l.run(t.Context(), test.args...)
		if code != test.code || !strings.Contains(stderr, test.says) {
			t.Errorf("%q: exit code %d, %q, not %d, %q", test.args, code, stderr, test.code, test.says)
		}
	}
	if calls := l.host.Seen().Calls; calls != 0 {
		t.Errorf("%d calls were made", calls)
	}
	if text, err := os.ReadFile(l.path("earlier.csv")); err != nil || !strings.Contains(string(text), "a@example.com") {
		t.Errorf("an earlier report was changed: %q, %v", text, err)
	}
	code, _, stderr := l.run(t.Context(), "--report-file", l.path("earlier.csv"), "--resume-file", l.path("resume"))
	if code != exitPartial && code != exitDone {
		t.Errorf("a removal in order: exit code %d, %q", code, stderr)
	}
}
