package directory

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// Every kind of record has a name, a category and a sentence.
func TestEveryAuditKindHasWords(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "audit.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	kinds := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Type == nil {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); !ok || id.Name != "AuditKind" {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		kinds++
		r := AuditRecord{Kind: AuditKind(value), Actor: Actor{Kind: ActorOperator}, Email: "ann@example.com", UserID: "u-1", Object: AuditObject{"x-1", "X", "thing"}}
		if r.Name() == "" || r.Category() == "" || !strings.HasPrefix(r.Describe(), "The operator ") || strings.Contains(r.Describe(), "{") {
			t.Errorf("%s is shown as %q, %q, %q", value, r.Name(), r.Category(), r.Describe())
		}
		return true
	})
	if kinds < 30 || kinds != len(auditTexts) {
		t.Errorf("%d kinds, %d texts", kinds, len(auditTexts))
	}
}

func TestAuditIDs(t *testing.T) {
	t.Parallel()
	last := ""
	for _, p := range []AuditPosition{{0, 0}, {1, 1}, {1, 2}, {1, 100_000}, {2, 1}, {1 << 40, 7}, {1<<55 - 1, 1 << 39}} {
		id := p.ID()
		back, err := ParseAuditID(id)
		if len(id) != 24 || id <= last || back != p || err != nil {
			t.Errorf("%+v has the id %s, which is %+v, error %v", p, id, back, err)
		}
		last = id
	}
	for _, id := range []string{"", "1", "00000000000000000000000g", "+00000000000000000000001", strings.Repeat("0", 25)} {
		if p, err := ParseAuditID(id); err == nil {
			t.Errorf("%q is %+v", id, p)
		}
	}
}
