package docs

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pegasus-go/pegasus/onebox"
)

// Each block of commands says how it is known that they work:
//
//	<!-- sh: run -->         TestCommands runs them, with a onebox at PEGASUS_META
//	<!-- sh: consume ... --> tools/consume carries them out
//	<!-- sh: not run: why -->
func TestCommandsSayHowTheyAreChecked(t *testing.T) {
	for name, text := range documents(t) {
		for _, b := range blocks(text) {
			if b.language == "sh" && b.note != "sh: run" && !strings.HasPrefix(b.note, "sh: consume") && !strings.HasPrefix(b.note, "sh: not run: ") {
				t.Errorf("%s: nobody knows whether this works:\n%s", name, b.code)
			}
		}
	}
}

func TestCommands(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("there is no bash")
	}
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "./cmd/pegasus")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ran := 0
	for name, text := range documents(t) {
		for _, b := range blocks(text) {
			if b.note != "sh: run" {
				continue
			}
			ran++
			srv, err := onebox.Start(onebox.Options{Tables: []onebox.Table{{Name: "temp"}}})
			if err != nil {
				t.Fatal(err)
			}
			defer srv.Close()
			dir := t.TempDir()
			cmd := exec.Command("bash", "-euo", "pipefail", "-c", b.code)
			cmd.Dir = dir
			cmd.Env = append(
				os.Environ(), "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"), "PEGASUS_META="+strings.Join(srv.MetaServers(), ","),
				"HOME="+dir, "XDG_CONFIG_HOME="+dir,
			)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s%s", name, err, b.code, out)
			}
		}
	}
	if ran == 0 {
		t.Error("no commands were run")
	}
}

// Targets of make, steps of .ci/run and flags of pegasus that documents name are there.
func TestNamesOfTools(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile(path.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	makefile, ci, reference := read("Makefile"), read(".ci/run"), read("docs/cli/README.md")
	target := regexp.MustCompile("(?m)(?:`|^)make ([a-z]+)")
	step := regexp.MustCompile("(?m)(?:`|^)(?:\\w+=\\w+ )?\\.ci/run ([a-z]+)")
	flag := regexp.MustCompile("(?m)`[^`\n]*--([a-z][a-z-]+)|^ *- --([a-z][a-z-]+)")
	named := 0
	for name, text := range documents(t) {
		for _, m := range target.FindAllStringSubmatch(text, -1) {
			named++
			if m[1] != "help" && !strings.Contains(makefile, "\n"+m[1]+": ##") {
				t.Errorf("%s: there is no target %s", name, m[1])
			}
		}
		for _, m := range step.FindAllStringSubmatch(text, -1) {
			named++
			if !strings.Contains(ci, "\nstep_"+m[1]+"()") {
				t.Errorf("%s: .ci/run has no step %s", name, m[1])
			}
		}
		for _, m := range flag.FindAllStringSubmatch(text, -1) {
			named++
			if f := "--" + m[1] + m[2]; !strings.Contains(reference, f) {
				t.Errorf("%s: pegasus has no flag %s", name, f)
			}
		}
	}
	if named < 20 {
		t.Errorf("documents name only %d of them", named)
	}
}
