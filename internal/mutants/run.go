package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// result is what became of a mutant.
type result int

const (
	caught    result = iota // by the test that the table names
	elsewhere               // by another test
	survived
)

var resultTexts = map[result]string{caught: "caught", elsewhere: "caught elsewhere", survived: "SURVIVED"}

// runAll runs the mutants one after the other and prints what became of each. The
// error names those that survived and those that could not be run.
func runAll(ctx context.Context, out io.Writer, all []mutant) error {
	began := time.Now()
	fmt.Fprintln(out, "The tests of the table, without a fault:")
	if err := control(ctx, out, all); err != nil {
		return err
	}
	counts := map[result]int{}
	var errs []error
	for i, m := range all {
		start := time.Now()
		became, by, err := m.run(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", m.name, err))
			continue
		case became == survived:
			errs = append(errs, fmt.Errorf("%s: it survived", m.name))
		}
		counts[became]++
		if by != "" {
			by = ", by " + by
		}
		fmt.Fprintf(out, "%3d/%d  %-16s %5.1fs  %s: %s%s\n",
			i+1, len(all), resultTexts[became], time.Since(start).Seconds(), m.area, m.name, by)
	}
	fmt.Fprintf(out, "%d mutants in %s: %d caught, %d caught elsewhere, %d survived.\n",
		len(all), time.Since(began).Round(time.Second), counts[caught], counts[elsewhere], counts[survived])
	return errors.Join(errs...)
}

// control runs the tests of the table against the code as it is: a test that
// fails anyway catches nothing.
func control(ctx context.Context, out io.Writer, all []mutant) error {
	patterns := map[string][]string{} // by directory
	for _, m := range all {
		dir, name := splitName(m.test)
		if pattern := anchored(name); !slices.Contains(patterns[dir], pattern) {
			patterns[dir] = append(patterns[dir], pattern)
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(patterns)) {
		output, err := goTest(ctx, "", "-run", strings.Join(patterns[dir], "|"), "./"+dir)
		if err != nil {
			return fmt.Errorf("tests fail without a fault: %w\n%s", err, output)
		}
		fmt.Fprintf(out, "  %s", output)
	}
	return nil
}

// anchored is the pattern that matches a test and its subtest by their whole names.
func anchored(test string) string {
	parts := strings.Split(test, "/")
	for i := range parts {
		parts[i] = "^" + parts[i] + "$"
	}
	return strings.Join(parts, "/")
}

// run runs the mutant's test, and where that passes all tests of the packages
// that depend on the mutated one, until one fails. by names the package of a
// test that is not the mutant's own.
func (m mutant) run(ctx context.Context) (became result, by string, err error) {
	dir, err := os.MkdirTemp("", "mutant-")
	if err != nil {
		return 0, "", err
	}
	defer os.RemoveAll(dir)
	overlay, err := m.overlay(dir)
	if err != nil {
		return 0, "", err
	}
	mutated := m.goPackage()
	if output, err := goCommand(ctx, overlay, "build", "./"+mutated); err != nil {
		return 0, "", fmt.Errorf("it does not compile: %w\n%s", err, output)
	}
	testDir, name := splitName(m.test)
	failed, err := fails(ctx, overlay, "-run", anchored(name), "./"+testDir)
	if err != nil || failed {
		return caught, "", err
	}
	packages, err := dependents(ctx, mutated)
	if err != nil {
		return 0, "", err
	}
	for _, pkg := range packages {
		if failed, err := fails(ctx, overlay, pkg); err != nil || failed {
			return elsewhere, pkg, err
		}
	}
	return survived, "", nil
}

// goPackage is the directory of the Go package that the mutated file belongs to:
// SQL files are embedded by the package above.
func (m mutant) goPackage() string {
	dir, _ := splitName(m.in)
	if files, err := filepath.Glob(filepath.Join(dir, "*.go")); err != nil || len(files) > 0 {
		return dir
	}
	return path.Dir(dir)
}

// overlay writes the mutated file into dir, with the file that makes the go
// command read it in place of the original.
func (m mutant) overlay(dir string) (string, error) {
	original, text, err := m.apply(".")
	if err != nil {
		return "", err
	}
	if original, err = filepath.Abs(original); err != nil {
		return "", err
	}
	mutated, overlay := filepath.Join(dir, filepath.Base(original)), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {original: mutated}})
	if err != nil {
		return "", err
	}
	return overlay, errors.Join(os.WriteFile(mutated, text, 0o600), os.WriteFile(overlay, replace, 0o600))
}

// fails reports whether tests fail. A test that hangs fails. The error is of what
// could not be tested.
func fails(ctx context.Context, overlay string, args ...string) (bool, error) {
	output, err := goTest(ctx, overlay, append([]string{"-count=1", "-failfast"}, args...)...)
	switch _, exited := errors.AsType[*exec.ExitError](err); {
	case err == nil:
		return false, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	case !exited, bytes.Contains(output, []byte("[build failed]")), bytes.Contains(output, []byte("[setup failed]")):
		return false, fmt.Errorf("run the tests: %w\n%s", err, output)
	}
	return true, nil
}

func goTest(ctx context.Context, overlay string, args ...string) ([]byte, error) {
	return goCommand(ctx, overlay, append([]string{"test", "-vet=off", "-timeout=10m"}, args...)...)
}

// goCommand runs the go command with an overlay, if one is given. The overlay is in
// GOFLAGS, so that tests which build the program build the mutant: they must not
// take the program that internal/testrun has built.
func goCommand(ctx context.Context, overlay string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // names of the table and of packages
	if overlay != "" {
		flags := strings.TrimSpace(os.Getenv("GOFLAGS") + " -overlay=" + overlay)
		cmd.Env = append(os.Environ(), "GOFLAGS="+flags, "ROSTER_TEST_PROGRAM=")
	}
	return cmd.CombinedOutput()
}

// dependents are the packages whose tests depend on the package in a directory,
// its own first.
func dependents(ctx context.Context, dir string) ([]string, error) {
	own, err := goCommand(ctx, "", "list", "./"+dir)
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, own)
	}
	pkg := strings.TrimSpace(string(own))
	list, err := goCommand(ctx, "", "list", "-test", "-f", `{{.ImportPath}} {{join .Deps " "}}`, "./...")
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, list)
	}
	found := []string{pkg}
	for line := range strings.Lines(string(list)) {
		words := strings.Fields(line)
		tested, isTest := strings.CutSuffix(words[0], ".test")
		if isTest && tested != pkg && slices.Contains(words[1:], pkg) {
			found = append(found, tested)
		}
	}
	return found, nil
}
