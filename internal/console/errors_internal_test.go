package console

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"roster/internal/directory"
)

// namesIn finds what the files of package directory declare.
func namesIn(t *testing.T, pattern, files string) (found []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "directory", files))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files %s: %v", files, err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
			found = append(found, match[1])
		}
	}
	return found
}

// Each kind of error has a page of its own: none of them is a fault of the server's.
func TestEveryKindOfErrorHasAPage(t *testing.T) {
	t.Parallel()
	kinds := map[string]error{
		"ErrInvalid": directory.ErrInvalid, "ErrNotFound": directory.ErrNotFound, "ErrExists": directory.ErrExists, "ErrState": directory.ErrState,
		"ErrGone": directory.ErrGone, "ErrDenied": directory.ErrDenied, "ErrUnavailable": directory.ErrUnavailable, "ErrRunning": directory.ErrRunning,
		"ErrKeyReused": directory.ErrKeyReused, "ErrTooManyJobs": directory.ErrTooManyJobs, "ErrRateLimited": directory.ErrRateLimited,
	}
	for _, name := range namesIn(t, `(Err\w+) += errors\.New`, "errors.go") {
		kind, known := kinds[name]
		if !known {
			t.Errorf("%s: add it here", name)
			continue
		}
		page := toPage(directory.Errorf(kind, "the thing is so"))
		if page.status >= 500 && name != "ErrUnavailable" || page.title == "" || page.text == "" {
			t.Errorf("%s: %+v", name, page)
		}
	}
}

// Each reason for which a user is not removed or not restored has words.
func TestEveryReasonHasWords(t *testing.T) {
	t.Parallel()
	reasons := append(namesIn(t, `Reason = "(\w+)"`, "removal.go"), namesIn(t, `Reason = "(\w+)"`, "restoration.go")...)
	if len(reasons) < 6 {
		t.Errorf("found %q", reasons)
	}
	for _, reason := range reasons {
		if text := whyText(directory.Reason(reason)); text == "" || text == reason {
			t.Errorf("%s is %q", reason, text)
		}
	}
	if whyText("NEW_REASON") != "NEW_REASON" || whyText("") != "" {
		t.Error("a reason without words is an empty cell")
	}
}
