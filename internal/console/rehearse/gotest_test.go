package rehearse

import (
	"flag"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the test of every step anew")

const golden = "rehearsed/rehearsed_test.go"

// everyStep is a scenario with all steps that there are.
var everyStep = []Timed{
	{0, Step{Do: "kill", Node: 0}},
	{2 * time.Second, Step{Do: "notice", Node: 0}},
	{3 * time.Second, Step{Do: "errors", Percent: 20, Code: "ERR_BUSY"}},
	{4 * time.Second, Step{Do: "errors"}},
	{5 * time.Second, Step{Do: "revive", Node: 0}},
	{6 * time.Second, Step{Do: "slow", Node: 1, Ms: 100}},
	{7 * time.Second, Step{Do: "slow", Node: 1}},
	{8 * time.Second, Step{Do: "hang", Node: 2}},
	{9 * time.Second, Step{Do: "resume", Node: 2}},
	{10 * time.Second, Step{Do: "fill", Node: 1}},
	{11 * time.Second, Step{Do: "empty", Node: 1}},
	{12 * time.Second, Step{Do: "move", Node: 2, Table: LoadTable, Partition: 3}},
	{13 * time.Second, Step{Do: "unserve", Table: LoadTable, Partition: 3}},
	{14 * time.Second, Step{Do: "split", Table: "users"}},
	{15 * time.Second, Step{Do: "throttle", Table: LoadTable, Rate: 1, before: "1000*delay*100"}},
	{16 * time.Second, Step{Do: "advance", Seconds: 3600}},
	{17 * time.Second, Step{Do: "errors", Percent: 50, Code: "ERR_TIMEOUT", Table: "users"}},
	{18 * time.Second, Step{Do: "slow", Node: 2, Ms: 10}},
	{19 * time.Second, Step{Do: "fill", Node: 0}},
	{20 * time.Second, Step{Do: "hang", Node: 1}},
	{21 * time.Second, Step{Do: "kill", Node: 2}},
	{22 * time.Second, Step{Do: "cut", Node: 2, From: "clients", Silent: true}},
	{23 * time.Second, Step{Do: "mend", Node: 2, From: "clients"}},
	{24 * time.Second, Step{Do: "cut", Node: 0, From: "all"}},
	{26 * time.Second, Step{Do: "notice", Node: 0}},
}

// golden is what everyStep gives, so that it is compiled and run as any test is.
func TestGoTest(t *testing.T) {
	covered := make(map[string]bool)
	for _, st := range everyStep {
		covered[st.Do] = true
	}
	for name, k := range kinds {
		if k.code != nil && !covered[name] {
			t.Errorf("everyStep has no %s", name)
		}
	}
	got, err := goTest(everyStep, 3, map[string]int{"users": 4})
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("golden is not what everyStep gives; run the test with -update:\n%s", got)
	}
}

// Tests of each step, and of each two, compile, whatever tables are called.
func TestGoTestCompiles(t *testing.T) {
	out, err := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", "testing", "testing/synctest", "github.com/pegasus-go/pegasus/pegasustest").Output()
	if err != nil {
		t.Fatal(err)
	}
	exports := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		name, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		exports[name] = file
	}
	files := token.NewFileSet()
	check := types.Config{Importer: importer.ForCompiler(files, "gc", func(name string) (io.ReadCloser, error) { return os.Open(exports[name]) })}
	compile := func(steps ...Step) {
		t.Helper()
		var scenario []Timed
		for _, st := range steps {
			if st.Table != "" {
				st.Table = "box.must(" // which says nothing about what the test has to declare
			}
			scenario = append(scenario, Timed{0, st})
		}
		source, err := goTest(scenario, 3, nil)
		if err != nil {
			t.Fatalf("%+v: %v", steps, err)
		}
		file, err := parser.ParseFile(files, "rehearsed_test.go", source, 0)
		if err == nil {
			_, err = check.Check("rehearsed_test", files, []*ast.File{file}, nil)
		}
		if err != nil {
			t.Errorf("%+v: %v", steps, err)
		}
	}
	for _, first := range everyStep {
		compile(first.Step)
		for _, second := range everyStep {
			compile(first.Step, second.Step)
		}
	}
}
