package cli

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/internal/cli/figure"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/pegasus-go/pegasus/internal/cli/survey"
)

// total is the load of a table, or of all of them with the latencies of the slowest node,
// and how many servers and partitions are not there.
type total struct {
	survey.Load
	down int
}

func totalOf(s *survey.Survey, table string) total {
	sum := total{Load: survey.Load{Read: -1, Write: -1, ReadP99: -1, WriteP99: -1, Throttled: -1}}
	add := func(to *float64, n float64) {
		if n >= 0 {
			*to = max(*to, 0) + n
		}
	}
	for i := range s.Tables {
		t := &s.Tables[i]
		if table != "" && t.Name != table {
			continue
		}
		l := t.Sum()
		add(&sum.Read, l.Read)
		add(&sum.Write, l.Write)
		add(&sum.Throttled, l.Throttled)
		sum.Bytes += max(0, l.Bytes)
		sum.down += t.Count(survey.NoPrimary)
		if table != "" {
			sum.ReadP99, sum.WriteP99 = l.ReadP99, l.WriteP99
		}
	}
	if table != "" {
		return sum
	}
	for _, n := range s.Nodes {
		sum.ReadP99, sum.WriteP99 = max(sum.ReadP99, n.ReadP99), max(sum.WriteP99, n.WriteP99)
		if !n.Alive || n.Err != nil {
			sum.down++
		}
	}
	sum.down += len(downMetas(s))
	return sum
}

// rate is a rate as a row has it.
func (a *app) rate(n float64) any {
	if a.format == output.Table && a.streams.OutTerminal && n >= 0 {
		return figure.Count(n)
	}
	return known(n)
}

// topView is what the rows are about.
type topView int

const (
	viewTables topView = iota
	viewNodes
	viewParts
	viewEvents
	viewHelp
)

var viewNames = []string{"tables", "nodes", "parts", "events", "help"}

// How long a row stays that has gone, how many looks an order stays, and how many events
// and samples are kept.
const (
	goneFor    = 10 * time.Second
	sortEvery  = 5
	keptEvents = 200
	keptRates  = 11
)

// topModel is what top shows, and what its keys have made of it.
type topModel struct {
	top
	view          topView
	sortBy        [3]int // the column, of each of the first views
	cursor        string // the row, by its key
	filter        string
	typing        bool // the filter
	paused        bool
	order         []string // of the rows
	looks         int
	now           sight
	good          *survey.Survey // the last one that was none of a failure
	reads, writes []float64
	gone          map[string]goneRow
	events        []string // the latest last
}

// topRow is a row of a view.
type topRow struct {
	key    string
	cells  []string
	values []float64 // what it is sorted by, of each column
}

type goneRow struct {
	row   topRow
	since time.Time // zero while it is there
}

func newTopModel(o top) *topModel {
	m := &topModel{top: o, gone: make(map[string]goneRow), sortBy: [3]int{2, 4, 2}}
	if o.table != "" {
		m.view = viewParts
	}
	return m
}

// see takes what came of a look.
func (m *topModel) see(s sight, at time.Time) {
	if m.paused {
		return
	}
	m.now = s
	m.looks++
	if s.err != nil {
		return
	}
	if m.good != nil {
		m.note(m.good, s.Survey)
	}
	m.good = s.Survey
	sum := totalOf(s.Survey, "")
	m.reads, m.writes = latest(append(m.reads, sum.Read), keptRates), latest(append(m.writes, sum.Write), keptRates)
	m.arrange(at, m.looks%sortEvery == 1)
}

func latest[T any](s []T, n int) []T { return s[max(0, len(s)-n):] }

// rows are those of the view that there are.
func (m *topModel) rows() []topRow {
	if m.good == nil {
		return nil
	}
	switch m.view {
	case viewTables:
		return m.tableRows()
	case viewNodes:
		return m.nodeRows()
	case viewParts:
		return m.partRows()
	}
	return nil
}

// arrange puts the rows in order: anew, or as they were with new ones at the end. Those that
// have gone stay for a while.
func (m *topModel) arrange(at time.Time, anew bool) {
	rows := make(map[string]topRow)
	for _, r := range m.rows() {
		rows[r.key] = r
	}
	for key, r := range rows {
		m.gone[key] = goneRow{row: r}
	}
	for key, g := range m.gone {
		switch _, there := rows[key]; {
		case there:
		case g.since.IsZero():
			m.gone[key] = goneRow{g.row, at}
		case at.Sub(g.since) > goneFor:
			delete(m.gone, key)
		}
	}
	order := slices.DeleteFunc(m.order, func(key string) bool { _, ok := m.gone[key]; return !ok })
	if anew {
		order = nil
	}
	var missing []topRow
	for key, g := range m.gone {
		if !slices.Contains(order, key) {
			missing = append(missing, g.row)
		}
	}
	by := 0
	if m.view <= viewParts {
		by = m.sortBy[m.view]
	}
	slices.SortFunc(missing, func(a, b topRow) int {
		return cmp.Or(cmp.Compare(b.values[by], a.values[by]), cmp.Compare(a.key, b.key))
	})
	for _, r := range missing {
		order = append(order, r.key)
	}
	m.order = order
}

// shown are the keys of the rows that the filter leaves, in order.
func (m *topModel) shown() []string {
	return slices.DeleteFunc(slices.Clone(m.order), func(key string) bool { return !strings.Contains(key, m.filter) })
}

// show changes to a view.
func (m *topModel) show(v topView) {
	m.view, m.cursor, m.filter = v, "", ""
	m.order = nil
	clear(m.gone)
	m.arrange(time.Now(), true)
}
