package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

const module = "github.com/coderflow/coderflow"

// source is one Go file.
type source struct {
	path string // below the root, with slashes
	pkg  string // its directory
	file *ast.File
	at   *token.FileSet
}

// read parses every Go file below cmd and internal of the module at root.
func read(root fs.FS) ([]source, error) {
	var all []source
	for _, top := range []string{"cmd", "internal"} {
		err := fs.WalkDir(root, top, func(name string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && entry.Name() == "testdata":
				return fs.SkipDir
			case entry.IsDir() || path.Ext(name) != ".go":
				return nil
			}
			text, err := fs.ReadFile(root, name)
			if err != nil {
				return err
			}
			s, err := parse(name, text)
			all = append(all, s)
			return err
		})
		if err != nil && !os.IsNotExist(err) {
			return nil, fmt.Errorf("read the source: %w", err)
		}
	}
	return all, nil
}

func parse(name string, text []byte) (source, error) {
	at := token.NewFileSet()
	file, err := parser.ParseFile(at, name, text, parser.ParseComments|parser.SkipObjectResolution)
	return source{path: name, pkg: path.Dir(name), file: file, at: at}, err
}

// isTest reports whether the file is compiled into tests only.
func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") || forTests(s.pkg) }

// forTests reports whether a package is there for tests.
func forTests(pkg string) bool { return strings.HasSuffix(pkg, "test") }

func (s source) imports() map[string]token.Pos {
	all := map[string]token.Pos{}
	for _, spec := range s.file.Imports {
		if name, err := strconv.Unquote(spec.Path.Value); err == nil {
			all[name] = spec.Pos()
		}
	}
	return all
}

func (s source) line(pos token.Pos) string {
	return fmt.Sprintf("%s:%d", s.path, s.at.Position(pos).Line)
}

// in reports whether the file is at one of the places.
func (s source) in(places []place) bool {
	for _, p := range places {
		if s.path == p.where || s.pkg == p.where {
			return true
		}
	}
	return false
}
