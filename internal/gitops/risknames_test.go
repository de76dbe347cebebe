package gitops

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/risk"
)

// A risk that is not listed could not be named in a gate's rule.
func TestEveryRiskIsListed(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, is := n.(*ast.ValueSpec)
			if !is || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Risk") {
				return true
			}
			if value, is := spec.Values[0].(*ast.BasicLit); is && value.Kind == token.STRING {
				text, _ := strconv.Unquote(value.Value)
				if found++; !slices.Contains(RiskNames(), text) {
					t.Errorf("%s is not in RiskNames", spec.Names[0].Name)
				}
			}
			return true
		})
	}
	if found+len(risk.Names()) != len(RiskNames()) {
		t.Errorf("%d constants, %d names of the scan, %d names", found, len(risk.Names()), len(RiskNames()))
	}
}
