package arch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "roster/"

// mayImport is the import table: what of ours the code of each package may
// import, its tests aside.
var mayImport = map[string][]string{
	"cmd/roster":          {"internal/cli"},
	"client":              {},
	"internal/directory":  {},
	"internal/web":        {"internal/directory"},
	"internal/config":     {},
	"internal/jsonstream": {},
	"internal/csvfile":    {},
	everywhere:            {},
	"internal/peoplefile": {"internal/roster", "internal/csvfile", "internal/directory"},
	"internal/auth":       {"internal/directory"},
	"internal/outfile":    {"internal/directory"},
	"internal/store":      {"internal/directory", "internal/outfile"},
	"internal/roster":     {"internal/auth", "internal/store", "internal/directory", "internal/outfile"},
	"internal/publicapi":  {"internal/roster", "internal/auth", "internal/csvfile", "internal/directory", "internal/jsonstream", "internal/web"},
	"internal/console":    {"internal/roster", "internal/auth", "internal/csvfile", "internal/directory", "internal/peoplefile", "internal/web"},
	"internal/job":        {"internal/roster", "internal/auth"},
	"internal/server":     {"internal/publicapi", "internal/console", "internal/job", "internal/roster", "internal/web"},
	"internal/demo":       {"internal/server", "internal/roster", "internal/auth", "internal/directory", "client"},
	"internal/cli": {
		"client", "internal/auth", "internal/config", "internal/csvfile", "internal/demo", "internal/directory", "internal/outfile",
		"internal/peoplefile", "internal/publicapi", "internal/roster", "internal/server", "internal/web",
	},
	"internal/storetest": {"internal/store", "internal/directory"},
	"internal/hosttest":  {},
	"internal/rostertest": {
		"internal/auth", "internal/directory", "internal/publicapi", "internal/roster", "internal/server",
		"internal/store", "internal/storetest",
	},
	"internal/testrun": {"internal/storetest"},

	"internal/arch":    {},
	"internal/bench":   {},
	"internal/mutants": {},
}

// everywhere is what every package of ours may import.
const everywhere = "internal/excerpt"

// onlyIn says which packages of others may be imported where.
var onlyIn = []struct {
	imported string // a path and all below it
	by       []string
}{
	{"net/http", []string{"client", "internal/web", "internal/publicapi", "internal/console", "internal/server", "internal/demo", "internal/rostertest", "internal/hosttest"}},
	{"database/sql", []string{"internal/store", "internal/storetest"}},
	{"modernc.org/sqlite", []string{"internal/store", "internal/storetest"}},
	{"github.com/jackc/pgx", []string{"internal/store", "internal/storetest"}},
	{"github.com/pressly/goose", []string{"internal/store"}},
	{"github.com/prometheus", []string{"internal/server"}},
	{"os/exec", []string{"internal/storetest", "internal/testrun", "internal/mutants"}},
	{"testing", []string{"internal/storetest", "internal/rostertest", "internal/hosttest"}},
}

// withoutHTTP are the packages below the doors: not even what they import
// imports HTTP.
var withoutHTTP = []string{"internal/directory", "internal/auth", "internal/store", "internal/roster", "internal/jsonstream", "internal/config", "internal/csvfile", "internal/outfile"}

type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func list(t *testing.T) map[string]goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Deps", module+"...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	packages := make(map[string]goPackage)
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages[strings.TrimPrefix(p.ImportPath, module)] = p
	}
}

// readSources makes the outcome of this test depend on every source file, which
// go list reads behind the back of the test cache.
func readSources(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != "../..":
			return fs.SkipDir
		case strings.HasSuffix(path, ".go"):
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestImportTable(t *testing.T) {
	t.Parallel()
	readSources(t)
	packages := list(t)
	for _, broken := range violations(packages) {
		t.Error(broken)
	}
	for name := range mayImport {
		if _, ok := packages[name]; !ok {
			t.Errorf("the import table has %s, which does not exist", name)
		}
	}
}

func violations(packages map[string]goPackage) (found []string) {
	for name, p := range packages {
		allowed, known := mayImport[name]
		if !known {
			found = append(found, fmt.Sprintf("package %s is not in the import table: add it here and to docs/architecture.md", name))
			continue
		}
		for _, imported := range p.Imports {
			if ours, ok := strings.CutPrefix(imported, module); ok && ours != everywhere && !slices.Contains(allowed, ours) {
				found = append(found, fmt.Sprintf("%s imports %s, which the import table does not allow", name, ours))
			}
			for _, rule := range onlyIn {
				if (imported == rule.imported || strings.HasPrefix(imported, rule.imported+"/")) && !slices.Contains(rule.by, name) {
					found = append(found, fmt.Sprintf("%s imports %s, which only %s may", name, imported, strings.Join(rule.by, ", ")))
				}
			}
		}
		if slices.Contains(withoutHTTP, name) && slices.Contains(p.Deps, "net/http") {
			found = append(found, name+" imports something that imports net/http")
		}
	}
	return found
}

// TestImportTableSeesViolations is the control.
func TestImportTableSeesViolations(t *testing.T) {
	t.Parallel()
	for says, p := range map[string]goPackage{
		"is not in the import table":        {ImportPath: "internal/util"},
		"the import table does not allow":   {ImportPath: "internal/directory", Imports: []string{module + "internal/store"}},
		"which only internal/store":         {ImportPath: "internal/roster", Imports: []string{"github.com/jackc/pgx/v5/pgxpool"}},
		"imports net/http, which only":      {ImportPath: "internal/auth", Imports: []string{"net/http"}},
		"something that imports net/http":   {ImportPath: "internal/store", Deps: []string{"net/http"}},
		"internal/storetest, which the imp": {ImportPath: "internal/server", Imports: []string{module + "internal/storetest"}},
	} {
		got := violations(map[string]goPackage{p.ImportPath: p})
		if len(got) != 1 || !strings.Contains(got[0], says) {
			t.Errorf("%+v: found %q, want that it %q", p, got, says)
		}
	}
}
