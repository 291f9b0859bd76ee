package outfile_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"roster/internal/directory"
	"roster/internal/outfile"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A path is refused by whatever name it has: its own, another spelling, a hard
// link, a symbolic link, also one of a directory.
func TestCheck(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	const magic = "SQLite format 3\x00"
	for name, content := range map[string]string{
		"used.txt": "x", "own.db": magic, "other.db": magic + "more", "text.db": "SQLite format 2", "free.txt": "x", "file.key": "x",
	} {
		must(t, os.WriteFile(in(name), []byte(content), 0o600))
	}
	must(t, os.Link(in("used.txt"), in("hard")))
	must(t, os.Symlink("used.txt", in("soft")))
	must(t, os.Symlink("missing.txt", in("dangling")))
	must(t, os.Symlink(dir, in("dir")))
	used := []string{"", in("used.txt"), in("missing.txt"), in("own.db")}
	for name, want := range map[string]string{
		"used.txt": "is in use", "../" + filepath.Base(dir) + "/used.txt": "is in use", "hard": "is in use", "soft": "is in use", "dir/used.txt": "is in use",
		"missing.txt": "is in use", "dir/missing.txt": "is in use", "own.db": "is in use",
		"own.db-wal": "belongs to the database", "dir/own.db.key": "belongs to the database",
		"other.db-wal": "belongs to the database", "other.db-shm": "belongs to the database", "other.db-journal": "belongs to the database",
		"other.db.lock": "belongs to the database", "dir/other.db.key.checkpoint": "belongs to the database",
		"dir": "not a regular file", ".": "not a regular file", "dangling": "not a regular file",
		"other.db": "", "text.db-wal": "", "free.txt": "", "none.txt": "", "none.db-wal": "", "file.key": "", "free.txt.lock": "",
	} {
		err := outfile.Check(in(name), used...)
		if (want == "") != (err == nil) || (err != nil && (!strings.Contains(err.Error(), want) || !errors.Is(err, directory.ErrInvalid))) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if err := outfile.Check(os.DevNull); err == nil {
		t.Error("a device is taken for a file")
	}
	if unlock, err := outfile.Lock(in("free.txt"), in("free.txt.lock")); err == nil {
		unlock()
		t.Error("a file in use is taken for a lock")
	}
}

// A file is replaced as a whole or not at all, and a symbolic link stays one.
func TestReplace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	must(t, os.Symlink("file", link))
	write := func(text string, err error) func(io.Writer) error {
		return func(w io.Writer) error {
			_, _ = io.WriteString(w, text)
			return err
		}
	}
	broken := errors.New("broken off")
	if err := outfile.Replace(path, write("half", broken)); !errors.Is(err, broken) {
		t.Errorf("a write that failed: %v", err)
	}
	must(t, outfile.Replace(path, write("one", nil)))
	must(t, outfile.Replace(link, write("two", nil)))
	text, err := os.ReadFile(path)
	must(t, err)
	left, err := os.ReadDir(dir)
	must(t, err)
	info, err := os.Lstat(link)
	must(t, err)
	if string(text) != "two" || len(left) != 2 || info.Mode().Type() != os.ModeSymlink {
		t.Errorf("the file says %q; there are %v; the link is %v", text, left, info.Mode())
	}
}
