package arch

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
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
	"internal/web":        {},
	"internal/config":     {},
	"internal/jsonstream": {},
	"internal/auth":       {"internal/directory"},
	"internal/store":      {"internal/directory"},
	"internal/roster":     {"internal/auth", "internal/store", "internal/directory"},
	"internal/publicapi":  {"internal/roster", "internal/auth", "internal/directory", "internal/jsonstream", "internal/web"},
	"internal/job":        {"internal/roster", "internal/auth"},
	"internal/server":     {"internal/publicapi", "internal/job", "internal/roster", "internal/web"},
	"internal/demo":       {"internal/server", "internal/roster", "internal/auth", "internal/directory", "client"},
	"internal/cli": {
		"client", "internal/auth", "internal/config", "internal/demo", "internal/directory",
		"internal/publicapi", "internal/roster", "internal/server",
	},
	"internal/storetest": {"internal/store"},
	"internal/rostertest": {
		"internal/auth", "internal/directory", "internal/publicapi", "internal/roster", "internal/server",
		"internal/store", "internal/storetest",
	},
	"internal/arch":  {},
	"internal/bench": {},
}

// onlyIn says which packages of others may be imported where.
var onlyIn = []struct {
	imported string // a path and all below it
	by       []string
}{
	{"net/http", []string{"client", "internal/web", "internal/publicapi", "internal/server", "internal/demo", "internal/rostertest"}},
	{"database/sql", []string{"internal/store", "internal/storetest"}},
	{"modernc.org/sqlite", []string{"internal/store", "internal/storetest"}},
	{"github.com/jackc/pgx", []string{"internal/store", "internal/storetest"}},
	{"testing", []string{"internal/storetest", "internal/rostertest"}},
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func list(t *testing.T) map[string]goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", module+"...")
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

func TestImportTable(t *testing.T) {
	t.Parallel()
	packages := list(t)
	for name, p := range packages {
		allowed, known := mayImport[name]
		if !known {
			t.Errorf("package %s is not in the import table: add it here and to docs/architecture.md", name)
			continue
		}
		for _, imported := range p.Imports {
			if ours, ok := strings.CutPrefix(imported, module); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s, which the import table does not allow", name, ours)
			}
			for _, rule := range onlyIn {
				if (imported == rule.imported || strings.HasPrefix(imported, rule.imported+"/")) && !slices.Contains(rule.by, name) {
					t.Errorf("%s imports %s, which only %s may", name, imported, strings.Join(rule.by, ", "))
				}
			}
		}
	}
	for name := range mayImport {
		if _, ok := packages[name]; !ok {
			t.Errorf("the import table has %s, which does not exist", name)
		}
	}
}
