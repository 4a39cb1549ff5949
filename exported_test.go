package pegasus_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus"
)

// The exported types are those of the package, whose documentation has their
// fields and methods.
func TestTypesAreOurs(t *testing.T) {
	const pkg = "github.com/pegasus-go/pegasus"
	for _, v := range []any{pegasus.ErrorCode(""), pegasus.ArgumentError{}, pegasus.StorageError(0), pegasus.PError{}} {
		if typ := reflect.TypeOf(v); typ.PkgPath() != pkg {
			t.Errorf("%s is defined in %s", typ.Name(), typ.PkgPath())
		}
	}
}

// No exported type is another name of an internal one, and no error code has its
// value in an internal package, where a reader of the documentation cannot look.
func TestDocumentationIsWhole(t *testing.T) {
	for _, dir := range []string{".", "admin"} {
		t.Run(dir, func(t *testing.T) {
			names, err := filepath.Glob(filepath.Join(dir, "*.go"))
			must(t, err)
			for _, name := range names {
				if strings.HasSuffix(name, "_test.go") {
					continue
				}
				file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
				must(t, err)
				lookAtFile(t, name, file)
			}
		})
	}
}

func lookAtFile(t *testing.T, name string, file *ast.File) {
	internal := make(map[string]bool)
	for _, imp := range file.Imports {
		if p, _ := strconv.Unquote(imp.Path.Value); strings.Contains(p, "/internal/") {
			internal[path.Base(p)] = true
		}
	}
	fromInternal := func(e ast.Expr) bool {
		sel, ok := e.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		x, ok := sel.X.(*ast.Ident)
		return ok && internal[x.Name]
	}
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range g.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Name.IsExported() && spec.Assign.IsValid() && fromInternal(spec.Type) {
					t.Errorf("%s: type %s is another name of an internal type", name, spec.Name)
				}
			case *ast.ValueSpec:
				if g.Tok != token.CONST {
					continue
				}
				for i, n := range spec.Names {
					if n.IsExported() && i < len(spec.Values) && fromInternal(spec.Values[i]) {
						t.Errorf("%s: the value of %s is that of an internal constant", name, n)
					}
				}
			}
		}
	}
}
