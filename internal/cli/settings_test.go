package cli

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"roster/internal/config"
)

// callFlags are the flags that say what a single call does. A new flag is in
// settings or here.
var callFlags = []string{
	"after", "algorithm", "all", "async", "atomic", "bot", "clock-is-right", "description", "dry-run", "email", "enforce-jti", "enforce-jwe",
	"expired", "forget", "from", "group", "kind", "limit", "must-expire", "name", "no-descriptions", "offset", "once",
	"org-ids", "origin", "owner", "owner-email", "permission", "public-key", "removal", "repair", "replace", "report-file",
	"resume-file", "scope", "since", "skip-bad", "to", "ttl", "until", "update", "users", "window", "yes",
}

// callOf are settings of other commands that say what a call of these does.
var callOf = map[string][]string{
	"rate-limit":         {"account update"},
	"client-id":          {"app create"},
	"client-secret-file": {"app create", "app secret add"},
}

// eachCommand calls yield with every command of a fresh tree, and its path.
func eachCommand(e *env, yield func(path string, cmd *cobra.Command)) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		yield(strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), "roster"), " "), cmd)
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(e.root())
}

// valueFor is a text that a flag takes.
func valueFor(f *pflag.Flag) string {
	return map[string]string{
		"bool": "true", "int": "7", "int64": "7", "duration": "7m", "limits": "7/m", "networks": "10.0.0.0/8",
	}[f.Value.Type()] + map[bool]string{true: "x"}[strings.HasPrefix(f.Value.Type(), "string")]
}

// With every variable set, each command takes its settings from the environment
// and nothing else, and its help names the variables of its settings alone.
func TestEnvironmentSetsSettingsOnly(t *testing.T) {
	var log bytes.Buffer
	e := &env{in: strings.NewReader(""), out: &log, err: &log}
	eachCommand(e, func(_ string, cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "dry-run" { // which is refused: see below
				t.Setenv(config.EnvName(f.Name), valueFor(f))
			}
		})
	})
	commands := 0
	eachCommand(e, func(path string, cmd *cobra.Command) {
		commands++
		if err := cmd.ParseFlags(nil); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		log.Reset()
		if err := e.applySettings(cmd); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			_, known := settings[f.Name]
			call := slices.Contains(callFlags, f.Name)
			if f.Name == "help" {
				return
			}
			if known == call {
				t.Errorf("'%s' has --%s: it is to be either in settings or in callFlags", path, f.Name)
			}
			want := known && !slices.Contains(callOf[f.Name], path)
			if f.Changed != want {
				t.Errorf("'%s': the environment sets --%s: %v", path, f.Name, f.Changed)
			}
			if named := strings.Contains(f.Usage, "ROSTER_"+strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))+"]"); named != want {
				t.Errorf("'%s': the help of --%s names its variable: %v", path, f.Name, named)
			}
			warned := strings.Contains(log.String(), "roster: "+config.EnvName(f.Name)+" is ignored: give --"+f.Name+" on the command line\n")
			if warned != (call && f.Name != "dry-run") {
				t.Errorf("'%s': the variable of --%s is said to be ignored: %v", path, f.Name, warned)
			}
		})
	})
	if commands < 50 {
		t.Errorf("only %d commands", commands)
	}
}

// ROSTER_DRY_RUN was honoured once: to ignore it would remove users.
func TestPreviewByEnvironmentIsRefused(t *testing.T) {
	t.Setenv("ROSTER_DRY_RUN", "true")
	t.Setenv("ROSTER_CLIENT_SECRET", strings.Repeat("s", 44))
	var out, errOut bytes.Buffer
	args := []string{"user", "remove", "--host", nobodyThere, "--client-id", "cs-1", "ann@example.com"}
	code := Main(t.Context(), args, strings.NewReader(""), &out, &errOut)
	if code != exitUsage || !strings.Contains(errOut.String(), "ROSTER_DRY_RUN is set") {
		t.Errorf("exit code %d, %s", code, &errOut)
	}
}

// The table in the operations guide names the settings and nothing else.
func TestSettingsAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, row := range regexp.MustCompile("(?m)^\\| `--([a-z-]+)` \\| `(ROSTER_[A-Z_]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		if config.EnvName(row[1]) != row[2] {
			t.Errorf("the variable of --%s is said to be %s", row[1], row[2])
		}
		got = append(got, row[1])
	}
	for name := range settings {
		want = append(want, name)
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +documented):\n%s", diff)
	}
}
