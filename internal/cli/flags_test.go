package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"roster/internal/storetest"
)

// textFlag is a flag that takes a text, with a command that has it.
type textFlag struct {
	command []string // without the program's name
	name    string
	file    bool // the text names a file
	needs   []string
}

// goodValues are those of the flags without which a command does not start.
// ACCOUNT is that of the sandbox.
var goodValues = map[string]string{
	"account": "ACCOUNT", "name": "N", "scope": "user_management:user_management", "owner": "ann@example.com",
	"owner-email": "ann@example.com", "client-id": "cs-1", "host": nobodyThere, "rate-limit": "60/m",
	"removal": "rm-1", "kind": "admin", "email": "ann@example.com", "to": "points", "window": "720h",
}

// nobodyThere is where no server listens.
const nobodyThere = "http://127.0.0.1:1"

// textFlags walks the tree of commands, so that a new flag cannot be forgotten.
func textFlags(t testing.TB) []textFlag {
	t.Helper()
	var all []textFlag
	var walk func(cmd *cobra.Command, path []string)
	walk = func(cmd *cobra.Command, path []string) {
		var needs []string
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Annotations[cobra.BashCompOneRequiredFlag] == nil {
				return
			}
			if goodValues[f.Name] == "" {
				t.Fatalf("%v needs --%s: give it a value in goodValues", path, f.Name)
			}
			needs = append(needs, f.Name)
		})
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Value.Type() != "bool" {
				complete, ok := cmd.GetFlagCompletionFunc(f.Name)
				file := false
				if ok {
					_, directive := complete(cmd, nil, "")
					file = directive == cobra.ShellCompDirectiveDefault
				}
				all = append(all, textFlag{path, f.Name, file, needs})
			}
		})
		for _, sub := range cmd.Commands() {
			walk(sub, append(slices.Clone(path), sub.Name()))
		}
	}
	walk((&env{in: strings.NewReader(""), out: io.Discard, err: io.Discard}).root(), nil)
	return all
}

// arguments are those of a run in which the flag has the value and everything
// else is right.
func (f *textFlag) arguments(value, account string) []string {
	args := slices.Clone(f.command)
	for _, name := range f.needs {
		if name != f.name {
			args = append(args, "--"+name+"="+strings.Replace(goodValues[name], "ACCOUNT", account, 1))
		}
	}
	args = append(args, "--"+f.name+"="+value)
	switch strings.Join(f.command, " ") {
	case "user import":
		args = append(args, "people.csv")
	case "user remove", "user restore":
		if f.name != "from" {
			args = append(args, "ann@example.com")
		}
	case "removal show", "removal cancel":
		args = append(args, "rm-1")
	case "removal purge":
		args = append(args, "rm-1")
		if f.name != "account" {
			args = append(args, "--account="+account)
		}
	case "removal restore":
		args = append(args, "rm-1")
		if f.name != "from" {
			args = append(args, "ann@example.com")
		}
	case "demo":
		args = append(args, "--once")
	}
	return args
}

// reachesOut says whether the run could leave the sandbox: by a file elsewhere,
// by a name that is looked up, by a port that others can reach.
func (f *textFlag) reachesOut(value string) bool {
	switch {
	case f.name == "database" && (strings.HasPrefix(value, "postgres://") || strings.HasPrefix(value, "postgresql://")):
		return value != "postgres://u:p@127.0.0.1:1/db"
	case f.file:
		return value != "" && value != "-" && !filepath.IsLocal(value)
	case f.name == "host":
		return strings.Contains(value, "://") && value != nobodyThere
	case f.name == "addr":
		return strings.Contains(value, ":") && value != "127.0.0.1:0"
	}
	return false
}

// sandbox is a directory with a database of one account, copied for each run.
type sandbox struct {
	files   map[string][]byte
	account string
	content storetest.Content
}

func newSandbox(t testing.TB) *sandbox {
	t.Helper()
	dir := t.TempDir()
	dsn := filepath.Join(dir, "roster.db")
	runIn := func(args ...string) (out map[string]string) {
		var stdout, stderr bytes.Buffer
		if code := Main(t.Context(), append(args, "--database", dsn), strings.NewReader(""), &stdout, &stderr); code != exitDone {
			t.Fatalf("%v: %d, %s", args, code, &stderr)
		}
		if err := json.Unmarshal(stdout.Bytes(), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	s := &sandbox{files: map[string][]byte{
		"people.csv": []byte("emailId\nbo@example.com\n"), "secret.txt": []byte("a client secret of some length\n"),
	}}
	s.account = runIn("account", "create", "--name", "X", "--owner-email", "ann@example.com")["accountId"]
	runIn("app", "create", "--account", s.account, "--name", "App", "--scope", goodValues["scope"])
	storetest.Exec(t, dsn, "PRAGMA wal_checkpoint(TRUNCATE)") // all of it into the one file
	s.content = storetest.Dump(t, dsn)
	for _, name := range []string{"roster.db", "roster.db.key"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		s.files[name] = text
	}
	return s
}

// fill makes the current directory a fresh sandbox.
func (s *sandbox) fill(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range s.files {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// stopWhenServing ends a run once its log says that it serves.
type stopWhenServing struct {
	mu   sync.Mutex
	text bytes.Buffer
	stop func()
}

func (w *stopWhenServing) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if bytes.Contains(p, []byte(`"msg":"serving"`)) {
		w.stop()
	}
	return w.text.Write(p)
}

// FuzzFlags gives every flag that takes a text any text. The command ends with
// one of its exit codes; one that fails prints no result and changes nothing.
func FuzzFlags(f *testing.F) {
	f.Setenv("HOME", f.TempDir())
	f.Setenv("ROSTER_CLIENT_SECRET", "a client secret of some length")
	flags, box := textFlags(f), newSandbox(f)
	if len(flags) < 25 {
		f.Fatalf("only %d flags take a text", len(flags))
	}
	texts := []string{
		"", "x", "-", "\x00", "\xff", " ", "--json", "a=b,c", "%00", "'; DROP TABLE members; --", "\u202e\U0001f600", "a@b.c",
		"people.csv", "secret.txt", "roster.db", ".", "no/such", "postgres://u:p@127.0.0.1:1/db", nobodyThere, "127.0.0.1:0",
		"0", "-1", "9223372036854775808", "1ns", "-1h", strings.Repeat("a", 5000),
	}
	for i := range flags {
		for k := range storetest.Count(2, 4) {
			f.Add(uint8(i), texts[(7*k+i)%len(texts)])
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, value string) {
		flag := flags[int(which)%len(flags)]
		if flag.reachesOut(value) {
			return // a fuzzer may not call strangers
		}
		box.fill(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		args := flag.arguments(value, box.account)
		var stdout bytes.Buffer
		stderr := &stopWhenServing{stop: cancel}
		code := Main(ctx, args, strings.NewReader(""), &stdout, stderr)
		switch code {
		case exitDone, exitPartial:
			return
		case exitFailed, exitUsage:
		default:
			t.Fatalf("%q: exit code %d", args, code)
		}
		// A removal that was cut short says how far it came.
		report := removalReport{}
		if stdout.Len() > 0 && (json.Unmarshal(stdout.Bytes(), &report) != nil || report.Error == "" || report.Removed > 0) {
			t.Errorf("%q: exit code %d, and yet it printed %q", args, code, &stdout)
		}
		if !strings.HasPrefix(stderr.text.String(), "roster: ") {
			t.Errorf("%q: exit code %d, and it said %q", args, code, &stderr.text)
		}
		if _, err := os.Stat("roster.db"); errors.Is(err, os.ErrNotExist) {
			t.Fatalf("%q: the database is gone", args)
		}
		if diff := box.content.Diff(storetest.Dump(t, "roster.db")); diff != "" {
			t.Errorf("%q: exit code %d, and yet the database changed:\n%s", args, code, diff)
		}
	})
}
