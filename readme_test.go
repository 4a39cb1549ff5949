package pegasus_test

import (
	"io/fs"
	"os"
	"strings"
	"testing"
)

// The Go code of the README is part of files that are compiled and run.
func TestReadmeCodeIsTested(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var sources []string
	for _, dir := range []string{"examples", "pegasustest"} {
		err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") {
				return err
			}
			b, err := fs.ReadFile(os.DirFS(dir), name)
			sources = append(sources, string(b))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	blocks := strings.Split(string(readme), "```go\n")[1:]
	if len(blocks) == 0 {
		t.Fatal("the README has no Go code")
	}
	for _, b := range blocks {
		code, _, _ := strings.Cut(b, "```")
		found := false
		for _, s := range sources {
			found = found || strings.Contains(s, code)
		}
		if !found {
			t.Errorf("no file has this code:\n%s", code)
		}
	}
}
