package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/pegasus-go/pegasus/internal/cli/esc"
	"github.com/pegasus-go/pegasus/internal/cli/figure"
	"github.com/pegasus-go/pegasus/internal/cli/survey"
)

// viewColumns are the columns of the first views. The first is at the left.
var viewColumns = [3][]struct {
	name  string
	width int
}{
	{{"TABLE", 17}, {"READ/s", 7}, {"WRITE/s", 7}, {"P99r ms", 7}, {"P99w ms", 7}, {"SIZE", 8}, {"HOTTEST PART", 0}},
	{{"NODE", 21}, {"PRIMARY", 8}, {"SECOND", 8}, {"P99r ms", 8}, {"P99w ms", 8}, {"DISK", 6}, {"STATE", 0}},
	{{"PART", 9}, {"READ/s", 8}, {"WRITE/s", 8}, {"P99r ms", 8}, {"P99w ms", 8}, {"SIZE", 8}, {"PRIMARY", 0}},
}

// hot is how many times the mean of its table a partition has to do to be marked.
const hot = 4

func (m *topModel) tableRows() (rows []topRow) {
	for i := range m.good.Tables {
		t := &m.good.Tables[i]
		sum := t.Sum()
		part, times := hottest(t)
		text := figure.Unknown
		if part >= 0 {
			text = fmt.Sprintf("%3d %4.1fx mean", part, times)
		}
		if times >= hot && len(t.Partitions) > 1 {
			text += " !"
		}
		if n := t.Count(survey.NoPrimary); n > 0 {
			text = fmt.Sprintf("! %d no primary", n)
		}
		rows = append(rows, topRow{
			t.Name,
			[]string{esc.Text(t.Name), figure.Count(sum.Read), figure.Count(sum.Write), figure.Millis(sum.ReadP99), figure.Millis(sum.WriteP99), figure.Bytes(sum.Bytes), text},
			[]float64{0, sum.Read, sum.Write, float64(sum.ReadP99), float64(sum.WriteP99), float64(sum.Bytes), times},
		})
	}
	return rows
}

// hottest is the partition of a table that has the most to do, and how many times the mean
// that is; -1 if none has anything.
func hottest(t *survey.Table) (part int, times float64) {
	part = -1
	var most, sum float64
	for _, p := range t.Partitions {
		n := max(0, p.Read) + max(0, p.Write)
		if sum += n; n > most {
			part, most = p.Index, n
		}
	}
	if part < 0 {
		return -1, 0
	}
	return part, most / (sum / float64(len(t.Partitions)))
}

func (m *topModel) nodeRows() (rows []topRow) {
	for _, n := range m.good.Nodes {
		disk, used := figure.Unknown, -1
		if d, ok := diskUsed(n.Disks).(int); ok {
			disk, used = fmt.Sprintf("%d%%", d), d
		}
		state := strings.ToUpper(stateOf(n))
		if state != "UP" {
			state += " !"
		}
		rows = append(rows, topRow{
			n.Addr,
			[]string{n.Addr, fmt.Sprint(n.Primaries), fmt.Sprint(n.Secondaries), figure.Millis(n.ReadP99), figure.Millis(n.WriteP99), disk, state},
			[]float64{0, float64(n.Primaries), float64(n.Secondaries), float64(n.ReadP99), float64(n.WriteP99), float64(used), 0},
		})
	}
	return rows
}

func (m *topModel) partRows() (rows []topRow) {
	for i := range m.good.Tables {
		t := &m.good.Tables[i]
		if t.Name != m.table {
			continue
		}
		for _, p := range t.Partitions {
			primary := map[survey.Health]string{survey.NoPrimary: "! none", survey.Splitting: "splitting"}[p.Health]
			if primary == "" {
				primary = p.Primary
			}
			rows = append(rows, topRow{
				fmt.Sprintf("%4d", p.Index),
				[]string{fmt.Sprintf("%4d", p.Index), figure.Count(p.Read), figure.Count(p.Write), figure.Millis(p.ReadP99), figure.Millis(p.WriteP99), figure.Bytes(p.Bytes), primary},
				[]float64{0, p.Read, p.Write, float64(p.ReadP99), float64(p.WriteP99), float64(p.Bytes), 0},
			})
		}
	}
	return rows
}

const topKeys = " q quit  space pause  1 tables 2 nodes 3 parts  s sort  / filter  enter  ? help"

var topHelp = []string{
	" 1 2 3     tables, nodes, the partitions of a table",
	" enter     the partitions of the table at >",
	" up down   another row; so do k and j",
	" s         sort by the next column",
	" /         show only rows that have a text in their name; escape ends that",
	" e         what has happened since the start",
	" space     hold what is shown",
	" escape    back to the tables",
	" q         quit",
	"",
	" Rates and times are those that servers count, every 10 s. - is not known.",
	" max p99 is that of the slowest node. x mean is how many times as much a",
	" partition does as the mean of its table. A row that has gone stays for 10 s.",
}

// screen returns the lines of a frame.
func (m *topModel) screen(width, height int, now time.Time) []string {
	lines := m.head(width)
	body := height - len(lines) - 3 // what is below
	switch m.view {
	case viewHelp:
		lines = append(lines, topHelp[:min(len(topHelp), max(0, body))]...)
	case viewEvents:
		if len(m.events) == 0 {
			lines = append(lines, " nothing has happened since the start")
		}
		for _, e := range latest(m.events, max(0, body)) {
			lines = append(lines, " "+esc.Text(e))
		}
	default:
		lines = append(lines, m.body(body, now)...)
	}
	for len(lines) < height-3 {
		lines = append(lines, "")
	}
	lines = append(lines, strings.Repeat("-", width), m.lastEvent(), m.foot())
	for i, l := range lines {
		lines[i] = text.Snip(strings.TrimRight(l, " "), width, "…")
	}
	return lines
}

// head is the cluster in three lines.
func (m *topModel) head(width int) []string {
	s := m.good
	sorted := ""
	if m.view <= viewParts {
		sorted = "   sort " + viewColumns[m.view][m.sortBy[m.view]].name + " v"
	}
	view := viewNames[m.view]
	if m.view == viewParts {
		view += " of " + esc.Text(m.table)
	}
	state := fmt.Sprintf("every %s", m.every)
	switch {
	case m.paused:
		state = "PAUSED"
	case m.now.err != nil:
		state = "STALE " + figure.Age(time.Since(s.Time))
	}
	sum := totalOf(s, "")
	nodes := 0
	for _, n := range s.Nodes {
		if n.Alive && n.Err == nil {
			nodes++
		}
	}
	metas := len(s.Metas) - len(downMetas(s))
	share := func(n, of int) string {
		mark := ""
		if n < of {
			mark = " !"
		}
		return fmt.Sprintf("%d/%d%s", n, of, mark)
	}
	return []string{
		fmt.Sprintf("pegasus top   %s   %s   %s   view %s%s", esc.Text(s.Cluster), stamp(s.Time), state, view, sorted),
		fmt.Sprintf(" read  %6s/s %-*s max p99 %6s ms size      %8s  nodes %s", figure.Count(sum.Read), keptRates, bars(m.reads), figure.Millis(sum.ReadP99), figure.Bytes(sum.Bytes), share(nodes, len(s.Nodes))),
		fmt.Sprintf(" write %6s/s %-*s max p99 %6s ms throttled %6s/s  meta  %s", figure.Count(sum.Write), keptRates, bars(m.writes), figure.Millis(sum.WriteP99), figure.Count(sum.Throttled), share(metas, len(s.Metas))),
		strings.Repeat("-", width),
	}
}

// bars draws rates, each as a share of the highest.
func bars(rates []float64) string {
	most := 0.0
	for _, r := range rates {
		most = max(most, r)
	}
	var b strings.Builder
	for _, r := range rates {
		switch {
		case r < 0:
			b.WriteByte(' ')
		case r*3 <= most || most == 0:
			b.WriteByte('.')
		case r*3 <= 2*most:
			b.WriteByte(':')
		default:
			b.WriteByte('|')
		}
	}
	return b.String()
}

// body has the rows that there is room for, with that of the cursor among them.
func (m *topModel) body(room int, now time.Time) []string {
	columns := viewColumns[m.view]
	line := func(mark string, cells []string) string {
		var b strings.Builder
		b.WriteString(" " + mark + " ")
		for i, c := range cells {
			switch w := columns[i].width; {
			case i == 0:
				b.WriteString(text.Pad(text.Snip(c, w, "…"), w, ' '))
			case w == 0:
				b.WriteString("  " + c)
			default:
				fmt.Fprintf(&b, " %*s", w, c)
			}
		}
		return b.String()
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	lines := []string{line(" ", names)}
	keys := m.shown()
	room = max(1, room-2) // the head, and how many there are below
	cursor := max(0, slices.Index(keys, m.cursor))
	from := max(0, min(cursor-room+1, len(keys)-room))
	if cursor < room {
		from = 0
	}
	for i := from; i < min(from+room, len(keys)); i++ {
		g := m.gone[keys[i]]
		mark := " "
		if i == cursor {
			mark = ">"
		}
		row := g.row.cells
		if !g.since.IsZero() {
			row = append(slices.Clone(row[:len(row)-1]), "gone")
		}
		lines = append(lines, line(mark, row))
	}
	if below := len(keys) - from - room; below > 0 {
		lines = append(lines, fmt.Sprintf("   %d more below", below))
	}
	if len(keys) == 0 {
		lines = append(lines, "   nothing to show")
	}
	return lines
}

func (m *topModel) lastEvent() string {
	switch {
	case m.now.err != nil:
		return " " + esc.Message(strings.ReplaceAll(fmt.Sprint(because(survey.Cause(m.now.err))), "\n", " "))
	case len(m.events) == 0:
		return " no event yet"
	}
	return " " + esc.Text(m.events[len(m.events)-1]) + "   (last event; e = all)"
}

func (m *topModel) foot() string {
	switch {
	case m.typing:
		return " filter: " + esc.Text(m.filter) + "_   enter keeps it, escape ends it"
	case m.filter != "":
		return " filter: " + esc.Text(m.filter) + "   / changes it"
	}
	return topKeys
}
