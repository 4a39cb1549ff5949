package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// numbers are what using the module costs.
type numbers struct {
	alone, inTests requirements
	size, base     int64 // bytes of a program with the client, and of one without
}

// requirements are what a program that uses the module gets.
type requirements struct {
	modules int // of which go mod graph tells
	sums    int // lines of go.sum
}

func (u *user) count(dir string) (requirements, error) {
	graph, err := u.run(dir, "go", "mod", "graph")
	if err != nil {
		return requirements{}, err
	}
	modules := make(map[string]bool)
	for _, name := range strings.Fields(graph) {
		path, v, _ := strings.Cut(name, "@")
		if v != "" && path != "go" && path != "toolchain" {
			modules[path] = true
		}
	}
	sums, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	return requirements{len(modules), strings.Count(string(sums), "\n")}, err
}

func size(file string) (int64, error) {
	info, err := os.Stat(file)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

const (
	begin = "<!-- numbers: go -C tools run ./consume -w -->\n"
	end   = "<!-- numbers end -->"
)

// text is the part of the README.
func (n *numbers) text() string {
	return fmt.Sprintf(`
| a program with | modules in its graph | lines of `+"`go.sum`"+` | modules linked in | size |
|---|---|---|---|---|
| the client | %d | %d | 1 | %s |
| the client, and `+"`pegasustest`"+` in tests | %d | %d | 1 | %s |
| no Pegasus, but `+"`net`, `fmt` and `log`"+` | 0 | 0 | 0 | %s |

`, n.alone.modules, n.alone.sums, megabytes(n.size), n.inTests.modules, n.inTests.sums, megabytes(n.size), megabytes(n.base))
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }

// inReadme compares the numbers with those of the README, or writes them there.
func (n *numbers) inReadme(file string, write bool) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(b), begin)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no place for the numbers", file)
	}
	if write {
		return os.WriteFile(file, []byte(before+begin+n.text()+end+after), 0o666)
	}
	if !same(old, n.text()) {
		return fmt.Errorf("the README says%sand measured is%s", old, n.text())
	}
	return nil
}

var sizes = regexp.MustCompile(`[0-9.]+ MB`)

// same compares, and lets sizes differ by a tenth: they depend on the Go release and the machine.
func same(a, b string) bool {
	if sizes.ReplaceAllString(a, "") != sizes.ReplaceAllString(b, "") {
		return false
	}
	in, out := sizes.FindAllString(a, -1), sizes.FindAllString(b, -1)
	for i := range in {
		x, errX := strconv.ParseFloat(strings.TrimSuffix(in[i], " MB"), 64)
		y, errY := strconv.ParseFloat(strings.TrimSuffix(out[i], " MB"), 64)
		if errX != nil || errY != nil || math.Abs(x-y) > x/10 {
			return false
		}
	}
	return true
}
