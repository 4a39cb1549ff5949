// Package imports holds the test of the rule that dependencies between the
// packages of this module point one way, and that the client needs nothing but
// the standard library.
package imports

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/pegasus-go/pegasus"

// allowed says what a package may import besides the standard library: our
// packages by their path in the module ("." is the root), modules by name.
// Tests may import anything.
var allowed = map[string][]string{
	"internal/wire":     {},
	"internal/schema":   {},
	"internal/memnet":   {},
	"internal/argument": {},
	"internal/rpc":      {"internal/wire"},
	"internal/route":    {"internal/rpc", "internal/wire"},
	".":                 {"internal/argument", "internal/histogram", "internal/route", "internal/rpc", "internal/wire", "internal/schema"},
	"admin":             {".", "internal/argument", "internal/route", "internal/rpc", "internal/wire"},

	"onebox/limits":    {},
	"internal/storage": {"internal/schema", "onebox/limits", "github.com/cockroachdb/pebble/v2"},

	// The connection knows no table, the roles know no connection.
	"internal/server/throttle":  {"internal/schema"},
	"internal/histogram":        {},
	"internal/server/stats":     {"internal/histogram"},
	"internal/server/request":   {"internal/wire", "internal/storage", "internal/server/stats", "internal/server/access"},
	"internal/server/transport": {"internal/server/request", "internal/server/stats", "internal/wire", "internal/schema", "onebox/limits", "internal/server/access"},
	"internal/server/console":   {"internal/server/request", "internal/wire"},
	"internal/server/catalog":   {"internal/server/stats", "internal/server/throttle", "internal/wire", "internal/schema", "internal/storage", "internal/server/access"},
	"internal/server/meta":      {"internal/server/catalog", "internal/server/console", "internal/server/request", "internal/server/stats", "internal/wire"},
	"internal/server/replica": {
		"internal/server/catalog", "internal/server/console", "internal/server/request", "internal/server/stats", "internal/server/throttle",
		"internal/wire", "internal/schema", "internal/storage",
	},
	"internal/server": {
		"internal/histogram",
		"internal/server/access",
		"internal/server/catalog",
		"internal/server/console",
		"internal/server/meta",
		"internal/server/replica",
		"internal/server/stats",
		"internal/server/transport",
		"internal/storage",
		"internal/wire",
		"onebox/limits",
	},

	"recipe": {"."},
	"typed":  {"."},
	"zstd":   {".", "github.com/klauspost/compress"},

	"onebox":                             {"internal/server", "internal/storage", "internal/wire", "onebox/limits", "internal/server/access"},
	"pegasustest":                        {"onebox", ".", "admin", "internal/memnet", "internal/rpc"},
	"internal/cli/coding":                {"internal/cli/esc", "zstd"},
	"internal/cli/config":                {"github.com/BurntSushi/toml"},
	"internal/cli/decode":                {".", "conformance", "internal/cli/esc", "internal/schema"},
	"internal/cli/esc":                   {},
	"internal/cli/exit":                  {"."},
	"internal/cli/figure":                {},
	"internal/cli/fullscreen":            {"golang.org/x/sys", "golang.org/x/term"},
	"internal/cli/fullscreen/screentest": {"github.com/creack/pty"},
	"internal/cli/output":                {"internal/cli/esc", "internal/cli/exit", "github.com/jedib0t/go-pretty/v6"},
	"internal/cli/progress":              {"internal/cli/figure"},
	"internal/cli/rowfile":               {".", "internal/cli/coding", "github.com/klauspost/compress"},
	"internal/cli/survey":                {"admin"},
	"internal/cli/tally":                 {},
	"internal/cli/ui":                    {"internal/cli/esc", "internal/cli/exit", "golang.org/x/sys", "golang.org/x/term"},
	"internal/cli/load":                  {".", "internal/cli/esc"},
	"internal/cli/resume":                {".", "internal/cli/exit"},
	"internal/cli/bench":                 {"github.com/HdrHistogram/hdrhistogram-go"},
	"internal/server/access":             {"internal/wire"},
	"internal/sasltest":                  {".", "onebox"},
	"internal/console":                   {".", "admin", "internal/schema"},
	"internal/console/rehearse":          {".", "admin", "internal/console", "onebox"},
	"internal/cli": {
		".",
		"admin",
		"github.com/jedib0t/go-pretty/v6",
		"github.com/reeflective/readline",
		"github.com/spf13/cobra",
		"github.com/spf13/pflag",
		"golang.org/x/term",
		"internal/cli/bench",
		"internal/cli/coding",
		"internal/cli/config",
		"internal/cli/decode",
		"internal/cli/esc",
		"internal/cli/exit",
		"internal/cli/figure",
		"internal/cli/fullscreen",
		"internal/cli/load",
		"internal/cli/output",
		"internal/cli/progress",
		"internal/cli/resume",
		"internal/cli/rowfile",
		"internal/cli/survey",
		"internal/cli/tally",
		"internal/cli/ui",
		"internal/console",
		"internal/console/rehearse",
		"internal/schema",
		"onebox",
	},
	"cmd/pegasus": {"internal/cli"},

	"internal/peer":              {"internal/memnet", "internal/wire"},
	"internal/wire/wiretest":     {"internal/wire"},
	"conformance":                {},
	"examples/copytable":         {"."},
	"examples/hello":             {"."},
	"examples/quickstart":        {".", "admin", "onebox", "golang.org/x/term"},
	"reliability/internal/child": {".", "admin", "onebox"},
	"reliability/soak":           {".", "admin", "onebox", "pegasustest", "reliability/internal/child"},
}

// client are the packages that a program gets with the client.
var client = []string{
	".", "admin",
	"internal/argument", "internal/histogram", "internal/memnet", "internal/route", "internal/rpc", "internal/schema", "internal/wire",
}

// imports returns the packages of the module, by their path in it, with what
// their files import whatever the build tags. It reads the sources itself,
// instead of asking go list, so that go test knows that a cached result is out
// of date.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	root := os.DirFS("../..")
	packages := make(map[string][]string)
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || isModule(root, name)):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		src, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		if packages[dir] == nil {
			packages[dir] = []string{}
		}
		for _, i := range f.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			packages[dir] = append(packages[dir], imported)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if packages["internal/wire"] == nil {
		t.Fatalf("internal/wire is not among the packages %v", slices.Sorted(maps.Keys(packages)))
	}
	return packages
}

// isModule reports whether dir is the root of another module.
func isModule(root fs.FS, dir string) bool {
	_, err := fs.Stat(root, path.Join(dir, "go.mod"))
	return err == nil
}

// inModule returns the path in the module of one of our packages, and other
// import paths unchanged.
func inModule(importPath string) string {
	if importPath == module {
		return "."
	}
	return strings.TrimPrefix(importPath, module+"/")
}

func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

func TestImportsFollowTheTable(t *testing.T) {
	for name, imported := range imports(t) {
		rule, ok := allowed[name]
		if !ok {
			t.Errorf("there is no rule for %s", path.Join(module, name))
			continue
		}
		for _, i := range imported {
			if standard(i) || permits(rule, inModule(i)) {
				continue
			}
			t.Errorf("%s imports %s; it may import %v", path.Join(module, name), i, rule)
		}
	}
}

// A rule is of a package that there is, and allows nothing that is not made use of.
func TestTableAllowsNoMore(t *testing.T) {
	packages := imports(t)
	for name, rule := range allowed {
		imported, ok := packages[name]
		if !ok {
			t.Errorf("there is no package %s", name)
			continue
		}
		for _, r := range rule {
			if !slices.ContainsFunc(imported, func(i string) bool { return permits([]string{r}, inModule(i)) }) {
				t.Errorf("%s may import %s and does not", name, r)
			}
		}
	}
}

func permits(rule []string, imported string) bool {
	return slices.ContainsFunc(rule, func(r string) bool {
		return imported == r || strings.Contains(r, ".") && r != "." && strings.HasPrefix(imported, r+"/")
	})
}

func TestClientNeedsOnlyTheStandardLibrary(t *testing.T) {
	packages := imports(t)
	for _, name := range client {
		for _, imported := range packages[name] {
			if !standard(imported) && !slices.Contains(client, inModule(imported)) {
				t.Errorf("%s imports %s", path.Join(module, name), imported)
			}
		}
	}
}

// The client writes no files, logs nothing but to a Logger that it is given, never
// ends the process and has no ports of its own: it has nothing to do that with.
func TestClientKeepsToItself(t *testing.T) {
	packages := imports(t)
	for _, name := range client {
		if name == "internal/memnet" { // for tests
			continue
		}
		for _, imported := range packages[name] {
			if imported == "log/slog" && name != "." || slices.Contains([]string{"os", "os/exec", "os/signal", "syscall", "log", "net/http", "expvar", "flag"}, imported) {
				t.Errorf("%s imports %s", path.Join(module, name), imported)
			}
		}
	}
}

// Programs that come from other clients of Pegasus have the Thrift library of
// these, whose releases break each other: this module must not decide on one.
func TestNoThrift(t *testing.T) {
	b, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "github.com/apache/thrift") {
		t.Error("go.mod requires github.com/apache/thrift")
	}
}

// The table itself must point one way.
func TestTableHasNoCycles(t *testing.T) {
	const visiting, done = 1, 2
	state := make(map[string]int)
	var visit func(name string)
	visit = func(name string) {
		switch state[name] {
		case visiting:
			t.Errorf("%s is on a cycle", name)
			return
		case done:
			return
		}
		state[name] = visiting
		for _, i := range allowed[name] {
			visit(i)
		}
		state[name] = done
	}
	for name := range allowed {
		visit(name)
	}
}

func TestPermits(t *testing.T) {
	rule := []string{".", "internal/wire", "github.com/cockroachdb/pebble/v2"}
	for imported, want := range map[string]bool{
		".":                                    true,
		"internal/wire":                        true,
		"internal/wire/sub":                    false,
		"internal/schema":                      false,
		"github.com/cockroachdb/pebble/v2":     true,
		"github.com/cockroachdb/pebble/v2/vfs": true,
		"github.com/cockroachdb/pebble":        false,
		"github.com/cockroachdb/errors":        false,
	} {
		if got := permits(rule, imported); got != want {
			t.Errorf("%s: %v, want %v", imported, got, want)
		}
	}
}
