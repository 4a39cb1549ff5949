package docs

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"go/version"
	"io"
	"os"
	"os/exec"
	"path"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// exports returns where compiled packages are, by their import paths.
type exports map[string]string

// add adds packages of a module, and what they need.
func (e exports) add(module string, packages ...string) error {
	cmd := exec.Command("go", append([]string{"-C", path.Join(root, module), "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}"}, packages...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%v: %w\n%s", cmd, err, &stderr)
	}
	for line := range strings.Lines(string(out)) {
		if p, file, ok := strings.Cut(strings.TrimSpace(line), " "); ok && e[p] == "" {
			e[p] = file
		}
	}
	return nil
}

var (
	imports  = regexp.MustCompile(`(?ms)^import (\(.*?^\)|[^\n]*)\n`)
	ellipsis = regexp.MustCompile(`(?m)^\s*\.\.\.\n`)
)

// Go code in documents compiles: programs and functions as they are, statements in a
// function. Variables need not be used.
func TestCode(t *testing.T) {
	files := make(exports)
	err := files.add(".", ".", "./admin", "./onebox", "./pegasustest", "./recipe", "./typed", "./zstd", "net/http", "log/slog")
	if err != nil {
		t.Fatal(err)
	}
	// The modules of adapters need a later Go than this one, and libraries.
	adapters := errors.Join(
		files.add("observe/prometheus", ".", "github.com/prometheus/client_golang/prometheus/promhttp"),
		files.add("observe/otel", ".", "go.opentelemetry.io/otel/trace", "go.opentelemetry.io/otel/metric"),
		files.add("auth/kerberos", ".", "./acceptor"),
	)
	fset := token.NewFileSet()
	imp := importer.ForCompiler(fset, "gc", func(p string) (io.ReadCloser, error) {
		if files[p] == "" {
			return nil, fmt.Errorf("documents cannot use %s", p)
		}
		return os.Open(files[p])
	})
	checked := 0
	for name, text := range documents(t) {
		t.Run(name, func(t *testing.T) {
			file := "testdata/prelude.txt"
			if own := "testdata/" + strings.TrimSuffix(path.Base(name), ".md") + ".txt"; name == "docs/observing.md" || name == "docs/security.md" {
				switch {
				case adapters != nil && version.Compare(runtime.Version(), "go1.26") < 0:
					t.Skip(adapters)
				case adapters != nil:
					t.Fatal(adapters)
				}
				file = own
			}
			prelude, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for i, b := range blocks(text) {
				if b.language != "go" {
					continue
				}
				checked++
				if err := compiles(fset, imp, string(prelude), b.code); err != nil {
					t.Errorf("block %d: %v\n%s", i+1, err, b.code)
				}
			}
		})
	}
	if checked < 10 {
		t.Errorf("only %d blocks of code", checked)
	}
}

func compiles(fset *token.FileSet, imp types.Importer, prelude, code string) error {
	var sources []string
	own := strings.Join(imports.FindAllString(code, -1), "")
	rest := ellipsis.ReplaceAllString(imports.ReplaceAllString(code, ""), "")
	switch {
	case strings.HasPrefix(code, "package "):
		sources = []string{code}
	case strings.HasPrefix(rest, "func "):
		return nil // part of a file that is tested: see TestReadmeCodeIsTested
	default:
		sources = []string{withImports(prelude, own, rest)}
	}
	var parsed []*ast.File
	for _, s := range sources {
		f, err := parser.ParseFile(fset, "code.go", s, 0)
		if err != nil {
			return err
		}
		parsed = append(parsed, f)
	}
	var errs []error
	conf := types.Config{Importer: imp, Error: func(err error) {
		var te types.Error
		if !errors.As(err, &te) || !te.Soft {
			errs = append(errs, err)
		}
	}}
	_, _ = conf.Check("code", fset, parsed, nil)
	return errors.Join(errs...)
}

// withImports puts statements into a function behind the prelude.
func withImports(prelude, own, statements string) string {
	head, decls, _ := strings.Cut(prelude, "\n)\n")
	return head + "\n)\n" + own + decls + "\nfunc _() error {\n" + statements + "\npanic(0)\n}\n"
}

func TestCompiles(t *testing.T) {
	imp := importer.Default()
	fset := token.NewFileSet()
	prelude := "package p\n\nimport (\n)\nvar x int\n"
	for code, want := range map[string]bool{
		"y := x\n...\n":                       true,
		"return z\n":                          false,
		"y := x.z\n":                          false,
		"package main\n\nfunc main() {}\n":    true,
		"package main\n\nfunc main() { x }\n": false,
	} {
		if err := compiles(fset, imp, prelude, code); (err == nil) != want {
			t.Errorf("%q: %v", code, err)
		}
	}
}
