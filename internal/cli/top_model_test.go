package cli

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/survey"
)

// seen is a survey of tables whose first partition writes that much a second.
func seen(at time.Time, writes map[string]float64) *survey.Survey {
	s := &survey.Survey{Time: at, Cluster: "prod-eu", Leader: "10.0.0.1:34601", Metas: []survey.Server{{Addr: "10.0.0.1:34601"}}}
	s.Nodes = []survey.Node{{Server: survey.Server{Addr: "10.0.0.10:34801"}, Alive: true, NodeLoad: survey.NodeLoad{ReadP99: 4100 * time.Microsecond, WriteP99: 11300 * time.Microsecond}}}
	for _, name := range sortedKeys(writes) {
		t := survey.Table{Table: admin.Table{Name: name}}
		for i := range 8 {
			p := survey.Partition{Partition: admin.Partition{Index: i, Primary: "10.0.0.10:34801"}}
			p.Load = survey.Load{Read: 7750, Write: 0, ReadP99: 3900 * time.Microsecond, WriteP99: 123456 * time.Microsecond, Bytes: 412 << 27}
			if i == 3 {
				p.Write = writes[name]
			}
			t.Partitions = append(t.Partitions, p)
		}
		s.Tables = append(s.Tables, t)
	}
	return s
}

func TestTopModel(t *testing.T) {
	m := newTopModel(top{every: 2 * time.Second})
	at := time.Date(2026, 11, 26, 14, 2, 11, 0, time.UTC)
	see := func(after time.Duration, writes map[string]float64) {
		m.see(sight{Survey: seen(at.Add(after), writes)}, at.Add(after))
	}
	see(0, map[string]float64{"a": 1, "b": 90_000, "c": 3})
	if want := []string{"b", "c", "a"}; !slices.Equal(m.shown(), want) {
		t.Errorf("order %q, want %q", m.shown(), want)
	}
	frame := strings.Join(m.screen(80, 24, at), "\n")
	for _, want := range []string{
		"pegasus top   prod-eu   14:02:11Z   every 2s   view tables   sort WRITE/s v\n",
		" read    186k/s |           max p99   4.10 ms size      1.21 TiB  nodes 1/1\n",
		" > b                   62.0k   90.0k    3.90     123  412 GiB    3  5.1x mean !\n",
	} {
		if !strings.Contains(frame, want) {
			t.Errorf("not in the frame: %q\n%s", want, frame)
		}
	}

	// The order stays for a while, and the cursor is on its row wherever that goes.
	m.press("j")
	see(2*time.Second, map[string]float64{"a": 100, "b": 2, "c": 3})
	if want := []string{"b", "c", "a"}; !slices.Equal(m.shown(), want) || m.cursor != "c" {
		t.Errorf("order %q, want %q; cursor %q", m.shown(), want, m.cursor)
	}
	m.press("s") // the next column
	for range len(viewColumns[viewTables]) - 2 {
		m.press("s")
	}
	if want := []string{"a", "c", "b"}; !slices.Equal(m.shown(), want) || m.cursor != "c" {
		t.Errorf("order %q, want %q; cursor %q", m.shown(), want, m.cursor)
	}

	// What has gone stays for ten seconds.
	see(4*time.Second, map[string]float64{"a": 100, "b": 2})
	if frame := strings.Join(m.screen(80, 24, at), "\n"); !strings.Contains(frame, "  gone\n") || !strings.Contains(frame, "GONE  table c") {
		t.Errorf("no table has gone:\n%s", frame)
	}
	see(16*time.Second, map[string]float64{"a": 100, "b": 2})
	if slices.Contains(m.shown(), "c") {
		t.Error("a table that has gone stays")
	}

	// A look that fails leaves what was seen, and says so. While it is paused nothing changes.
	m.see(sight{err: errors.New("nobody is there")}, at.Add(18*time.Second))
	if frame := strings.Join(m.screen(200, 24, at), "\n"); !strings.Contains(frame, "STALE") || !strings.Contains(frame, " nobody is there") || !strings.Contains(frame, " a ") {
		t.Errorf("frame:\n%s", frame)
	}
	m.press(" ")
	see(20*time.Second, map[string]float64{"d": 1})
	if frame := strings.Join(m.screen(80, 24, at), "\n"); !strings.Contains(frame, "PAUSED") || slices.Contains(m.shown(), "d") {
		t.Errorf("frame:\n%s", frame)
	}
}

// Nodes are in the order of their slowest writes at first.
func TestTopSortsNodes(t *testing.T) {
	m := newTopModel(top{every: time.Second})
	m.see(sight{Survey: seen(time.Now(), map[string]float64{"a": 1})}, time.Now())
	m.press("2")
	if head := m.screen(80, 24, time.Now())[0]; !strings.HasSuffix(head, "view nodes   sort P99w ms v") {
		t.Error(head)
	}
}

// A frame fits its terminal, and the row of the cursor is on it.
func TestTopFits(t *testing.T) {
	writes := make(map[string]float64)
	for i := range 60 {
		writes[strings.Repeat("表", i)+string(rune('a'+i%26))+"\x1b[31m"] = float64(i)
	}
	for _, size := range [][2]int{{40, 10}, {80, 24}, {200, 50}, {10, 4}, {1, 1}} {
		m := newTopModel(top{every: time.Second})
		m.see(sight{Survey: seen(time.Now(), writes)}, time.Now())
		for _, key := range []string{"j", "1", "2", "3", "e", "?", "1"} {
			m.press(key)
			for range 45 {
				m.press("down")
			}
			for _, line := range m.screen(size[0], size[1], time.Now()) {
				if n := text.StringWidth(line); n > size[0] || strings.ContainsRune(line, '\x1b') {
					t.Errorf("%v, after %q: %d cells: %q", size, key, n, line)
				}
			}
		}
		if frame := m.screen(80, 24, time.Now()); !slices.ContainsFunc(frame, func(l string) bool { return strings.HasPrefix(l, " > ") }) {
			t.Errorf("the row of the cursor is not on the screen:\n%s", strings.Join(frame, "\n"))
		}
	}
}

func FuzzTopKeys(f *testing.F) {
	f.Add("j1/a\x7f\r23e?s s")
	f.Fuzz(func(t *testing.T, keys string) {
		m := newTopModel(top{every: time.Second})
		m.see(sight{Survey: seen(time.Now(), map[string]float64{"a": 1, "b": 2})}, time.Now())
		for _, key := range strings.Split(keys, "") {
			m.press(key)
			m.screen(80, 24, time.Now())
		}
	})
}
