package docs

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// packages returns the folders with Go files, those of other modules included.
func packages(t *testing.T) map[string]bool {
	t.Helper()
	found := make(map[string]bool)
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules"):
			return fs.SkipDir
		case path.Ext(name) == ".go":
			found[path.Dir(name)] = true
		}
		return nil
	})
	if err != nil || !found["internal/wire"] {
		t.Fatalf("%v, %v", found, err)
	}
	return found
}

var quoted = regexp.MustCompile("`([^`]+)`")

// The table in DESIGN.md has all packages, and no others. What is below bench, tools,
// examples and the modules of adapters is theirs; "x/..." stands for what is below x; and
// a name without a slash is beside the one before it.
func TestDesignNamesAllPackages(t *testing.T) {
	text, err := os.ReadFile(path.Join(root, "DESIGN.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(text), "## Where things are\n")
	table, _, _ = strings.Cut(table, "\n## ")
	if !ok {
		t.Fatal("DESIGN.md does not say where things are")
	}
	names, below := make(map[string]bool), []string{"bench", "tools", "auth/kerberos"}
	for row := range strings.Lines(table) {
		cells := strings.Split(row, "|")
		if len(cells) < 2 {
			continue
		}
		before := ""
		for _, m := range quoted.FindAllStringSubmatch(cells[1], -1) {
			name := m[1]
			if dir, ok := strings.CutSuffix(name, "/..."); ok {
				below = append(below, dir)
				continue
			}
			if before != "" && !strings.Contains(name, "/") {
				if _, err := os.Stat(path.Join(root, name)); err != nil {
					name = path.Join(path.Dir(before), name)
				}
			}
			names[name], before = true, name
		}
	}
	found := packages(t)
	for name := range found {
		covered := names[name]
		for _, dir := range below {
			covered = covered || strings.HasPrefix(name, dir+"/")
		}
		if !covered {
			t.Errorf("DESIGN.md does not say what %s is", name)
		}
	}
	for name := range names {
		if !found[name] {
			if _, err := os.Stat(path.Join(root, name)); err != nil {
				t.Errorf("DESIGN.md names %s, which is not there", name)
			}
		}
	}
}
