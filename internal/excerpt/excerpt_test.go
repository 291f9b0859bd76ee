package excerpt_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"roster/internal/excerpt"
)

func TestOf(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "a", strings.Repeat("a", 80), strings.Repeat("é", 80), strings.Repeat("\xff", 80)} {
		if got := excerpt.Of(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
	for _, char := range []string{"a", "é", "\U0001f600"} {
		for _, more := range []int{81, 82, 10_000} {
			got := excerpt.Of(strings.Repeat(char, more))
			if want := strings.Repeat(char, 79) + "…"; got != want || utf8.RuneCountInString(got) != excerpt.Max {
				t.Errorf("%d times %s became %q", more, char, got)
			}
		}
	}
}

func TestMessage(t *testing.T) {
	t.Parallel()
	long, cut := strings.Repeat("x", 200), strings.Repeat("x", 79)+"…"
	for message, want := range map[string]string{
		`unknown command "y" for "roster"`:                                `unknown command "y" for "roster"`,
		`invalid argument "` + long + `" for "--ttl" flag`:                `invalid argument "` + cut + `" for "--ttl" flag`,
		`invalid argument "\"` + long + `" for "--ttl" flag`:              `invalid argument "\"` + cut[1:] + `" for "--ttl" flag`,
		`unknown flag: --` + long:                                         `unknown flag: --` + cut[2:],
		`a long message that quotes nothing: ` + strings.Repeat("x ", 90): `a long message that quotes nothing: ` + strings.Repeat("x ", 90),
	} {
		if got := excerpt.Message(message); got != want {
			t.Errorf("%q became %q, want %q", message, got, want)
		}
	}
}

// forTests are the packages that are no part of the product.
var forTests = []string{"hosttest", "storetest", "rostertest", "mutants"}

// What a message quotes by %q is a constant or an excerpt, in all of the product.
func TestMessagesQuoteExcerpts(t *testing.T) {
	t.Parallel()
	quotes := 0
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		if slices.Contains(forTests, filepath.Base(filepath.Dir(path))) {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				for _, arg := range quotedBy(call) {
					quotes++
					if !isExcerpt(arg) {
						t.Errorf("%s: what is quoted should be an excerpt", files.Position(arg.Pos()))
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil || quotes < 50 {
		t.Errorf("looked at %d quotes, %v", quotes, err)
	}
}

var verb = regexp.MustCompile(`%[-+# 0-9.]*[a-zA-Z%]`)

// quotedBy are the arguments of a call that a format among its arguments quotes.
func quotedBy(call *ast.CallExpr) (quoted []ast.Expr) {
	for i, arg := range call.Args {
		lit, ok := arg.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			continue
		}
		format, err := strconv.Unquote(lit.Value)
		if err != nil {
			continue
		}
		at := i + 1
		for _, v := range verb.FindAllString(format, -1) {
			if v == "%%" {
				continue
			}
			if strings.HasSuffix(v, "q") && at < len(call.Args) {
				quoted = append(quoted, call.Args[at])
			}
			at++
		}
	}
	return quoted
}

func isExcerpt(arg ast.Expr) bool {
	switch arg := arg.(type) {
	case *ast.BasicLit:
		return true
	case *ast.CallExpr:
		selector, ok := arg.Fun.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		pkg, ok := selector.X.(*ast.Ident)
		return ok && pkg.Name == "excerpt" && selector.Sel.Name == "Of"
	}
	return false
}
