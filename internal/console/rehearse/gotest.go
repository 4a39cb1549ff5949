package rehearse

import (
	"context"
	"fmt"
	"go/format"
	"maps"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/pegasus-go/pegasus/internal/console"
)

// asTest returns the scenario as a Go test that does the same.
func (s *Stage) asTest(context.Context, struct{}) (any, error) {
	s.mu.Lock()
	steps, nodes, tables := slices.Clone(s.scenario), len(s.nodes), maps.Clone(s.tables)
	s.mu.Unlock()
	if len(steps) == 0 {
		return nil, console.Refuse("there are no steps yet")
	}
	source, err := goTest(steps, nodes, tables)
	if err != nil {
		return nil, err
	}
	return map[string]string{"name": "rehearsed_test.go", "source": source}, nil
}

// goTest returns the source of the test. It runs in a bubble of testing/synctest, so that
// the pauses take no time.
func goTest(steps []Timed, nodes int, partitions map[string]int) (string, error) {
	data := struct {
		Nodes                          int
		Tables                         []string // of the options of Start
		Before, Lines, Heal            []string
		Slow, Share, Box, Must, Onebox bool
	}{Nodes: nodes, Before: throttledBefore(steps)}
	names := []string{LoadTable}
	for _, st := range steps {
		if st.Table != "" && !slices.Contains(names, st.Table) {
			names = append(names, st.Table)
		}
		data.Slow = data.Slow || st.Do == "slow"
		data.Share = data.Share || st.Do == "errors"
		data.Box = data.Box || st.Do != "throttle" && st.Do != "advance"
		data.Onebox = data.Onebox || st.Do == "slow" || st.Do == "errors" || st.Do == "unserve" || st.Do == "cut"
	}
	for _, name := range names {
		n := partitions[name]
		if n == 0 {
			n = loadPartitions
		}
		data.Tables = append(data.Tables, fmt.Sprintf("pegasustest.WithTable(%q, %d)", name, n))
	}
	var at time.Duration
	for _, st := range steps {
		if pause := (st.After - at).Round(10 * time.Millisecond); pause > 0 {
			data.Lines = append(data.Lines, fmt.Sprintf("time.Sleep(%d * time.Millisecond)", pause.Milliseconds()))
			at += pause
		}
		data.Lines = append(data.Lines, kinds[st.Do].code(&st.Step)...)
	}
	for _, st := range leftOver(steps) {
		data.Heal = append(data.Heal, kinds[st.Do].code(&st)...)
	}
	for _, line := range slices.Concat(data.Before, data.Lines, data.Heal) {
		data.Must = data.Must || strings.HasPrefix(line, "must(")
	}
	var b strings.Builder
	if err := testTemplate.Execute(&b, data); err != nil {
		return "", err
	}
	source, err := format.Source([]byte(b.String()))
	return string(source), err
}

// mustLine is a line of a test that fails it if what is called does.
func mustLine(format string, args ...any) []string {
	return []string{"must(" + fmt.Sprintf(format, args...) + ")"}
}

// setThrottle is the line of a test that throttles a table.
func setThrottle(table, value string) []string {
	return mustLine("c.Admin().SetEnvs(ctx, %q, map[string]string{%q: %q})", table, throttleEnv, value)
}

// leftOver returns the steps that heal what a scenario leaves broken.
func leftOver(steps []Timed) (heal []Step) {
	set := func(on bool, h Step) {
		heal = slices.DeleteFunc(heal, func(o Step) bool {
			return o.Do == h.Do && o.Node == h.Node && o.Table == h.Table && o.Partition == h.Partition
		})
		if on {
			heal = append(heal, h)
		}
	}
	for _, st := range steps {
		switch st.Do {
		case "kill", "revive":
			set(st.Do == "kill", Step{Do: "revive", Node: st.Node})
			set(false, Step{Do: "resume", Node: st.Node})
		case "hang", "resume":
			set(st.Do == "hang", Step{Do: "resume", Node: st.Node})
		case "cut", "mend":
			set(st.Do == "cut", Step{Do: "mend", Node: st.Node, From: st.From})
		case "fill", "empty":
			set(st.Do == "fill", Step{Do: "empty", Node: st.Node})
		case "slow":
			set(st.Ms > 0, Step{Do: "slow", Node: st.Node})
		case "errors":
			set(st.Percent > 0, Step{Do: "errors"})
		case "throttle":
			set(st.Rate > 0, Step{Do: "throttle", Table: st.Table, before: st.before})
		case "unserve", "move": // back to the first node
			set(st.Do == "unserve", Step{Do: "move", Table: st.Table, Partition: st.Partition})
		}
	}
	return heal
}

// throttledBefore returns what throttles tables when a scenario begins.
func throttledBefore(steps []Timed) (lines []string) {
	seen := make(map[string]bool)
	for _, st := range steps {
		if st.Do == "throttle" && !seen[st.Table] {
			seen[st.Table] = true
			if st.before != "" {
				lines = append(lines, setThrottle(st.Table, st.before)...)
			}
		}
	}
	return lines
}

var testTemplate = template.Must(template.New("").Parse(`package rehearsed_test

import (
	"context"
	"fmt"
	"sync"{{if or .Slow .Share}}
	"sync/atomic"{{end}}
	"testing"
	"testing/synctest"
	"time"

	{{if .Onebox}}"github.com/pegasus-go/pegasus/onebox"
	{{end}}"github.com/pegasus-go/pegasus/pegasustest"
)

// A caller goes on while the cluster is broken. What was acknowledged to it is there in
// the end. Time is that of the bubble, so that the pauses take none.
func TestRehearsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pegasustest.Start(t, pegasustest.WithMemoryNetwork(), pegasustest.WithReplicaServers({{.Nodes}}),
			{{range $i, $t := .Tables}}{{if $i}}, {{end}}{{$t}}{{end}})
		ctx := t.Context()
{{if .Box}}		box := c.Onebox()
{{end}}{{if .Must}}		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
{{end}}{{if .Slow}}
		var slow [{{.Nodes}}]atomic.Int64 // ms by which a replica server is late
{{end}}{{if .Share}}
		type errorShare struct {
			percent     int64
			code, table string
		}
		var share atomic.Pointer[errorShare]
		var seen atomic.Int64
{{end}}{{if or .Slow .Share}}
		box.Intercept(func(r onebox.Request) (a onebox.Action) {
			if r.Meta || r.Table == "" {
				return a
			}
{{if .Slow}}			a.Delay = time.Duration(slow[r.Node].Load()) * time.Millisecond
{{end}}{{if .Share}}			if e := share.Load(); e != nil && (e.table == "" || e.table == r.Table) {
				if n := seen.Add(1); n*e.percent/100 != (n-1)*e.percent/100 {
					a.Error = e.code
				}
			}
{{end}}			return a
		})
{{end}}{{range .Before}}		{{.}}
{{end}}
		acked := make(map[string]bool)
		failed := 0
		var caller sync.WaitGroup
		calls, end := context.WithCancel(ctx)
		defer end()
		caller.Go(func() {
			for i := 0; calls.Err() == nil; i++ {
				key := fmt.Sprint(i)
				one, done := context.WithTimeout(ctx, time.Second)
				if err := c.Table.Set(one, []byte(key), []byte("s"), []byte(key)); err == nil {
					acked[key] = true
				} else {
					failed++
				}
				done()
				time.Sleep(50 * time.Millisecond)
			}
		})

{{range .Lines}}		{{.}}
{{end}}
		time.Sleep(time.Second)
		end()
		caller.Wait()
		t.Logf("%d calls have succeeded, %d have failed", len(acked), failed)
{{range .Heal}}		{{.}}
{{end}}		for key := range acked {
			if value, err := c.Table.Get(ctx, []byte(key), []byte("s")); err != nil || string(value) != key {
				t.Errorf("key %s has %q, %v", key, value, err)
			}
		}
	})
}
`))
