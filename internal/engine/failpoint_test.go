package engine

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Every place that is declared is in the list, which the test that kills the server
// walks through; every one in the list is in the code; and the code names no other.
func TestEveryPlaceIsInTheListAndInTheCode(t *testing.T) {
	t.Parallel()
	declared := declaredPlaces(t)
	for name, value := range declared {
		if value != "" && !slices.Contains(Failpoints(), Failpoint(value)) {
			t.Errorf("%s is not in Failpoints()", name)
		}
	}
	called := map[string]bool{}
	for _, arg := range placesCalled(t, ".", "../../cmd/app") {
		if _, known := declared[arg]; !known {
			t.Errorf("a place %s that is not declared", arg)
		}
		called[arg] = true
	}
	for name := range declared {
		if !called[name] {
			t.Errorf("nothing calls %s", name)
		}
	}
	if all := Failpoints(); len(slices.Compact(slices.Sorted(slices.Values(all)))) != len(all) {
		t.Error("a place is in the list twice")
	}
}

// declaredPlaces are the constants, with their values, and the functions that make
// places, without.
func declaredPlaces(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "failpoint.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if id, ok := d.Type.Results.List[0].Type.(*ast.Ident); ok && id.Name == "Failpoint" {
				found[d.Name.Name] = ""
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if value, ok := spec.(*ast.ValueSpec); ok {
					text, err := strconv.Unquote(value.Values[0].(*ast.BasicLit).Value)
					if err != nil {
						t.Fatal(err)
					}
					found[value.Names[0].Name] = text
				}
			}
		}
	}
	return found
}

// placesCalled are the arguments of all calls of a Failpoint function, as they are named.
func placesCalled(t *testing.T, dirs ...string) (args []string) {
	t.Helper()
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) != 1 {
					return true
				}
				if f, ok := call.Fun.(*ast.SelectorExpr); ok && (f.Sel.Name == "Failpoint" || f.Sel.Name == "at" && path == "../../cmd/app/witness.go") {
					args = append(args, placeName(call.Args[0]))
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return args
}

func placeName(arg ast.Expr) string {
	switch arg := arg.(type) {
	case *ast.Ident:
		return arg.Name
	case *ast.SelectorExpr:
		return arg.Sel.Name
	case *ast.CallExpr:
		return placeName(arg.Fun)
	case *ast.BasicLit:
		return arg.Value
	}
	return "that is computed"
}
