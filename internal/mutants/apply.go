package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// splitName splits the name of a declaration or of a test into its directory and
// its name there: "internal/auth.Token.Verify" into "internal/auth" and
// "Token.Verify".
func splitName(full string) (dir, name string) {
	slash := strings.LastIndex(full[:strings.IndexByte(full, '.')], "/")
	base, name, _ := strings.Cut(full[slash+1:], ".")
	return full[:slash+1] + base, name
}

// checkAll checks that each of the mutants can be applied below root, and that
// its test exists.
func checkAll(root string, all []mutant) error {
	var errs []error
	for i, m := range all {
		_, _, err := m.apply(root)
		if err == nil {
			err = checkTest(root, m.test)
		}
		if err == nil && slices.ContainsFunc(all[:i], func(o mutant) bool { return o.name == m.name }) {
			err = errors.New("another mutant has the same name")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", m.name, err))
		}
	}
	return errors.Join(errs...)
}

// checkTest checks that a test function exists. Whether it has the subtest that
// the name may end in cannot be told without running it.
func checkTest(root, test string) error {
	dir, name := splitName(test)
	name, _, _ = strings.Cut(name, "/")
	files, err := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
	if err != nil {
		return err
	}
	declared := regexp.MustCompile(`(?m)^func ` + regexp.QuoteMeta(name) + `\(`)
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if declared.Match(source) {
			return nil
		}
	}
	return fmt.Errorf("there is no test %s", test)
}

// declaration is a place in a source file.
type declaration struct {
	path       string
	source     []byte
	start, end int
}

// apply returns the file that holds the mutant's declaration, and its text with
// the fault in it.
func (m mutant) apply(root string) (path string, mutated []byte, err error) {
	d, err := find(root, m.in)
	if err != nil {
		return "", nil, err
	}
	text := string(d.source[d.start:d.end])
	if n := strings.Count(text, m.from); n != 1 {
		return "", nil, fmt.Errorf("%s has the text %q %d times instead of once", m.in, m.from, n)
	}
	text = strings.Replace(text, m.from, m.to, 1)
	mutated = slices.Concat(d.source[:d.start], []byte(text), d.source[d.end:])
	if filepath.Ext(d.path) == ".go" {
		_, err = parser.ParseFile(token.NewFileSet(), d.path, mutated, parser.SkipObjectResolution)
	}
	return d.path, mutated, err
}

// find finds a declaration: a function, method, type, variable or constant in the
// Go files of a directory, or what a statement of its SQL files creates.
func find(root, full string) (declaration, error) {
	dir, name := splitName(full)
	files, err := filepath.Glob(filepath.Join(root, dir, "*"))
	if err != nil {
		return declaration{}, err
	}
	var found []declaration
	for _, path := range files {
		look := findGo
		switch {
		case strings.HasSuffix(path, "_test.go"):
			continue
		case filepath.Ext(path) == ".sql":
			look = findSQL
		case filepath.Ext(path) != ".go":
			continue
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return declaration{}, err
		}
		start, end, err := look(path, source, name)
		if err != nil {
			return declaration{}, err
		}
		if end > 0 {
			found = append(found, declaration{path, source, start, end})
		}
	}
	if len(found) != 1 {
		return declaration{}, fmt.Errorf("%s is declared %d times instead of once", full, len(found))
	}
	return found[0], nil
}

// findSQL finds the statement that creates a table, a view or an index.
func findSQL(_ string, source []byte, name string) (start, end int, err error) {
	create, err := regexp.Compile(`(?m)^CREATE (UNIQUE )?(TABLE|VIEW|INDEX) ` + regexp.QuoteMeta(name) + `\s[^;]*;`)
	if err != nil {
		return 0, 0, err
	}
	if place := create.FindIndex(source); place != nil {
		return place[0], place[1], nil
	}
	return 0, 0, nil
}

// findGo finds a declaration at the top level of a Go file.
func findGo(path string, source []byte, name string) (start, end int, err error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, source, parser.SkipObjectResolution)
	if err != nil {
		return 0, 0, err
	}
	for _, decl := range file.Decls {
		if node := named(decl, name); node != nil {
			return files.Position(node.Pos()).Offset, files.Position(node.End()).Offset, nil
		}
	}
	return 0, 0, nil
}

// named is the part of a declaration that declares the name, nil if none does.
func named(decl ast.Decl, name string) ast.Node {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if receiver(d)+d.Name.Name == name {
			return d
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.Name == name {
					return s
				}
			case *ast.ValueSpec:
				if slices.ContainsFunc(s.Names, func(id *ast.Ident) bool { return id.Name == name }) {
					return s
				}
			}
		}
	}
	return nil
}

// receiver is the type of a method with a dot, and empty for a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name + "."
		default:
			return ""
		}
	}
}
