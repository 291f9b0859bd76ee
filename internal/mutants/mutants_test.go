package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.."

// document is the file that lists the mutants.
const document = "docs/testing.md"

// Every mutant fits the code as it is, and its test exists. A mutant that fails
// here after a change of the code wants its row updated, not removed.
func TestMutantsApply(t *testing.T) {
	t.Parallel()
	if err := checkAll(root, sample()); err != nil {
		t.Error(err)
	}
}

// The document lists the mutants as "go run ./internal/mutants -list" prints them.
func TestMutantsAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	printTable(&table, sample())
	if !strings.Contains(string(text), table.String()) {
		t.Errorf("%s does not have the table that -list prints", document)
	}
}

// TestFaultsOfTheTableAreSeen is the control: what TestMutantsApply looks for is found.
func TestFaultsOfTheTableAreSeen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a/a.go":      "package a\n\nconst one, two = `x`, `y y`\n\ntype t[K any] struct{ field int }\n\nfunc (*t[K]) m() int { return 1 }\n\nfunc f() {}\n",
		"a/b.go":      "package a\n\nfunc f() {}\n", // as for another system
		"a/a_test.go": "package a\n\nfunc TestA(*testing.T) {}\n\nfunc helper() {}\n",
		"a/s.sql":     "CREATE TABLE longer (\n  x INTEGER\n);\nCREATE VIEW long AS\nSELECT 1;\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		in, from, to, test string
		want               string // part of the error; empty for none
	}{
		{"a.two", "x", "z", "a.TestA", ""},
		{"a.t.m", "1", "2", "a.TestA/sub", ""},
		{"a.t", "int", "string", "a.TestA", ""},
		{"a.long", "1", "2", "a.TestA", ""},
		{"a.two", "y", "z", "a.TestA", "2 times instead of once"},
		{"a.t.m", "3", "4", "a.TestA", "0 times instead of once"},
		{"a.t.m", "1 }", "", "a.TestA", "expected"},
		{"a.m", "1", "2", "a.TestA", "declared 0 times"},
		{"a.f", "{", "{ ", "a.TestA", "declared 2 times"},
		{"a.helper", "{", "{ ", "a.TestA", "declared 0 times"},
		{"a.t.m", "1", "2", "a.TestB", "there is no test a.TestB"},
		{"b.t.m", "1", "2", "a.TestA", "declared 0 times"},
	} {
		err := checkAll(dir, []mutant{{name: "fault", in: c.in, from: c.from, to: c.to, test: c.test}})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	twice := mutant{name: "fault", in: "a.t.m", from: "1", to: "2", test: "a.TestA"}
	if err := checkAll(dir, []mutant{twice, twice}); err == nil || !strings.Contains(err.Error(), "same name") {
		t.Errorf("two mutants of one name: %v", err)
	}
}
