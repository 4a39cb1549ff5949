// Package docs holds the tests of what the documents say: that links lead somewhere, that
// Go code compiles, that commands can be run, and that no package is left out.
package docs

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// documents returns the texts of all Markdown files, by their path in the repository.
func documents(t *testing.T) map[string]string {
	t.Helper()
	texts := make(map[string]string)
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules"):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".md":
			return nil
		}
		b, err := os.ReadFile(path.Join(root, name))
		texts[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"README.md", "CONTRIBUTING.md", "docs/api.md"} {
		if texts[name] == "" {
			t.Fatalf("%s is not among the documents", name)
		}
	}
	return texts
}

// block is code in a document.
type block struct {
	language string
	note     string // of the comment in the line before, such as "sh: run"
	code     string
}

var fence = regexp.MustCompile("(?ms)^(?:<!-- ([^\n]*) -->\n)?```([a-z]*)\n(.*?)^```$")

func blocks(text string) (found []block) {
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		found = append(found, block{m[2], m[1], m[3]})
	}
	return found
}

func TestBlocks(t *testing.T) {
	got := blocks("a\n<!-- sh: run -->\n```sh\nls\n```\n\n```go\nx\ny\n```\n")
	if want := []block{{"sh", "sh: run", "ls\n"}, {"go", "", "x\ny\n"}}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
