package roster_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
	"roster/internal/storetest"
)

// Disks that are full, that fail and that must not be written to. SQLite writes
// to the disk itself, so that this is about SQLite alone.

// failsForDisk checks that a verb that could not write said so, undid all it
// had done, and keeps nobody from going on when the disk is well again.
func (f *faultCase) failsForDisk(t *testing.T, r *roster.Roster, at int64, verb faultVerb, err error, text string, before storetest.Content) {
	t.Helper()
	if !errors.Is(err, directory.ErrUnavailable) || !strings.Contains(err.Error(), text) {
		t.Errorf("%d: %v, want ErrUnavailable and %q", at, err, text)
	}
	f.checkState(t, r, at, verb.steps, before)
	f.nextCall(t, r, at)
}

// nextCall makes sure that whoever comes after a failure can write.
func (f *faultCase) nextCall(t *testing.T, r *roster.Roster, at int64) {
	t.Helper()
	if _, err := r.CreateGroup(context.Background(), auth.Operator(), f.Account, fmt.Sprint("next ", at), nil); err != nil {
		t.Fatalf("%d: the next call: %v", at, err)
	}
}

// TestDiskFull runs every verb with room for no more pages, for one, two ...,
// until it runs clean, and does so for pages that are filled to different
// degrees: another statement is then the first to need a new one.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	const fillings = 4
	for _, verb := range weighty() {
		t.Run(verb.name, func(t *testing.T) {
			t.Parallel()
			f := prepareFaults(t, storetest.SmallPages(t), verb.name)
			storetest.Exec(t, f.DSN, "VACUUM") // no page is free
			where := map[string]int{}
			for n := range fillings {
				f.fillDisk(t, verb, where)
				f.fillPages(t, n)
			}
			t.Logf("failed at %v", where)
			if len(where) == 0 && verb.name != "purge" { // which frees more pages than it fills
				t.Error("no statement failed: is the limit felt?")
			}
		})
	}
}

// fillPages fills the pages a little more.
func (f *faultCase) fillPages(t *testing.T, n int) {
	t.Helper()
	r, err := f.open(nil)
	must(t, err)
	_, err = r.CreateBot(context.Background(), auth.Operator(), f.Account, fmt.Sprint("Bot ", n), "owner@example.com")
	must(t, err)
	_, err = r.ImportUsers(context.Background(), auth.Operator(), f.Account, []roster.ImportRow{{Email: fmt.Sprintf("x%d@example.com", n)}}, roster.ImportOptions{})
	must(t, err)
	must(t, r.Close())
}

var statementNamed = regexp.MustCompile(`statement "((\S+ ){2,3})`)

// fillDisk runs the verb on a copy of the database with ever more room. It
// counts in where which statements failed how often.
func (f *faultCase) fillDisk(t *testing.T, verb faultVerb, where map[string]int) {
	t.Helper()
	c := *f
	c.DSN = storetest.Empty(t, "sqlite")
	content, err := os.ReadFile(f.DSN)
	must(t, err)
	must(t, os.WriteFile(c.DSN, content, 0o600))
	c.Key = filepath.Join(t.TempDir(), "key") // a key file serves one database
	copyFile(t, f.Key, c.Key)
	writers := storetest.WatchWriters(t, c.DSN)
	r, err := c.open(nil)
	must(t, err)
	defer r.Close()
	db := storetest.SQL(t, c.DSN)
	for room := 0; ; room++ {
		before := storetest.Dump(t, c.DSN)
		var pages int
		must(t, db.QueryRow("PRAGMA page_count").Scan(&pages))
		writers.Set(t, "max_page_count", pages+room)
		err := verb.run(context.Background(), r, &c)
		writers.Set(t, "max_page_count", 1<<30)
		if err == nil {
			return
		}
		if named := statementNamed.FindStringSubmatch(err.Error()); named != nil {
			where[named[1]]++
		} else {
			t.Errorf("no statement is named: %v", err)
		}
		c.failsForDisk(t, r, int64(room), verb, err, "disk is full", before)
	}
}

// TestDiskReadOnly runs every verb on a connection that may not write.
func TestDiskReadOnly(t *testing.T) {
	t.Parallel()
	for _, verb := range weighty() {
		t.Run(verb.name, func(t *testing.T) {
			t.Parallel()
			f := prepareFaults(t, storetest.New(t, "sqlite"), verb.name)
			writers := storetest.WatchWriters(t, f.DSN)
			r, err := f.open(nil)
			must(t, err)
			defer r.Close()
			before := storetest.Dump(t, f.DSN)
			writers.Set(t, "query_only", 1)
			err = verb.run(context.Background(), r, f)
			writers.Set(t, "query_only", 0)
			f.failsForDisk(t, r, 1, verb, err, "readonly database", before)
			must(t, verb.run(context.Background(), r, f))
		})
	}
}

const diskChild = "ROSTER_TEST_DISK_CHILD"

// inChild reports whether this is the process in which the test does what would
// harm others. If not, it runs that process.
func inChild(t *testing.T) bool {
	t.Helper()
	if os.Getenv(diskChild) != "" {
		return true
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), diskChild+"=1")
	out, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()+" ") {
		t.Errorf("child: %v\n%s", err, out)
	}
	return false
}

// TestDiskFails runs every verb with writes that fail, and are cut short, at a
// length of the file that grows until the verb runs clean.
//
//nolint:tparallel // the limit is that of the process
func TestDiskFails(t *testing.T) {
	t.Parallel()
	if !inChild(t) {
		return
	}
	signal.Ignore(syscall.SIGXFSZ) // an error is enough
	var unlimited syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &unlimited))
	const step = 1500 // bytes, no multiple of what is written at once
	for _, verb := range weighty() {
		t.Run(verb.name, func(t *testing.T) {
			f := prepareFaults(t, storetest.SmallPages(t), verb.name)
			r, err := f.open(nil)
			must(t, err)
			defer r.Close()
			failures := int64(0)
			for {
				storetest.Exec(t, f.DSN, "PRAGMA wal_checkpoint(TRUNCATE)")
				before := storetest.Dump(t, f.DSN)
				limit := unlimited
				limit.Cur = uint64(failures * step)
				must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
				err := verb.run(context.Background(), r, f)
				must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &unlimited))
				if err == nil {
					break
				}
				failures++
				f.failsForDisk(t, r, failures, verb, err, "disk", before)
			}
			t.Logf("failed %d times", failures)
			if failures < 3 {
				t.Errorf("failed only %d times: is the limit felt?", failures)
			}
		})
	}
}

// TestFileReadOnly opens a database whose file, or whose directory, the process
// must not write to: it is refused, or can only be read, with words that say so.
//
//nolint:tparallel // the user is that of the process
func TestFileReadOnly(t *testing.T) {
	t.Parallel()
	if !inChild(t) {
		return
	}
	for _, modes := range [][2]os.FileMode{{0o777, 0o444}, {0o555, 0o666}, {0o555, 0o444}} {
		t.Run(fmt.Sprint(modes[0], " ", modes[1]), func(t *testing.T) {
			f := prepareFaults(t, storetest.New(t, "sqlite"), "")
			before := storetest.Dump(t, f.DSN)
			dir := filepath.Dir(f.DSN)
			must(t, os.Chmod(filepath.Dir(dir), 0o755)) // so that the user below finds it
			must(t, os.Chmod(f.Key, 0o444))
			must(t, os.Chmod(dir, modes[0]))
			must(t, os.Chmod(f.DSN, modes[1]))
			asNobody(t, func() { f.cannotWrite(t) })
			must(t, os.Chmod(dir, 0o700))
			must(t, os.Chmod(f.DSN, 0o600))
			f.checkWhole(t, 0, false, before)
		})
	}
}

// cannotWrite checks that the directory does not open, or that no verb writes.
func (f *faultCase) cannotWrite(t *testing.T) {
	t.Helper()
	r, err := f.open(nil)
	if err != nil {
		if !errors.Is(err, directory.ErrUnavailable) || !strings.Contains(err.Error(), f.DSN) || !strings.Contains(err.Error(), "able to write") {
			t.Errorf("open: %v", err)
		}
		t.Log(err)
		return
	}
	defer r.Close()
	for _, verb := range faultVerbs {
		text := "readonly database"
		if verb.name == "rotate secret key" { // which begins with the key's file
			text = "lock the secret key file"
		}
		if err := verb.run(context.Background(), r, f); !errors.Is(err, directory.ErrUnavailable) || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v, want ErrUnavailable and %q", verb.name, err, text)
		}
	}
}

// asNobody runs fn as a user whom the modes of files bind, which root is not.
func asNobody(t *testing.T, fn func()) {
	t.Helper()
	if os.Getuid() == 0 {
		must(t, syscall.Setresuid(-1, 65534, -1))
		defer func() { must(t, syscall.Setresuid(-1, 0, -1)) }()
	}
	fn()
}
