package cli

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/pegasus-go/pegasus/internal/cli/esc"
	"github.com/pegasus-go/pegasus/internal/cli/figure"
	"github.com/pegasus-go/pegasus/internal/cli/survey"
)

// screenWidth is what lines of a report fit into.
const screenWidth = 80

// statusScreen is what a person sees of a survey: the verdict first, facts below, and
// tables that are healthy folded into a count.
func statusScreen(s *survey.Survey, v survey.Verdict, all bool) string {
	var b strings.Builder
	line := func(format string, args ...any) {
		b.WriteString(strings.TrimRight(esc.Message(fmt.Sprintf(format, args...)), " ") + "\n")
	}
	right := fmt.Sprintf("cluster %s   %s", esc.Text(s.Cluster), s.Time.UTC().Format("2006-01-02 15:04:05Z"))
	line("%-*s%s", max(0, screenWidth-text.StringWidth(right)), "pegasus status", right)
	wrapped(&b, fmt.Sprintf("%-6s", v.Word), v.Text)
	b.WriteByte('\n')
	line(" meta    %s%s  leader %s  level %s", upOf(len(s.Metas), downMetas(s)), named("DOWN", downMetas(s)), orUnknown(s.Leader), orUnknown(s.Level))
	lost, silent, learning := troubledNodes(s)
	line(" nodes   %s%s%s%s", upOf(len(s.Nodes), append(lost, silent...)), named("LOST", lost), named("SILENT", silent), learning)
	line(" tables  %s", tablesLine(s))
	line(" data    %s", dataLine(s))
	statusTables(line, s, all)
	if len(v.Why) > 0 {
		b.WriteByte('\n')
	}
	for i, why := range v.Why {
		wrapped(&b, label(i, " WHY  "), why)
	}
	if len(v.Do) > 0 {
		line(" DO   %s", strings.Join(v.Do, "      "))
	}
	return b.String()
}

// wrapped writes text behind a head, in lines that fit the screen and begin below it.
func wrapped(b *strings.Builder, head, s string) {
	room := screenWidth - len(head)
	for i, l := range strings.Split(text.WrapSoft(esc.Message(s), room), "\n") {
		b.WriteString(label(i, head) + strings.TrimRight(l, " ") + "\n")
	}
}

// label stands before the first of several lines.
func label(i int, s string) string {
	if i == 0 {
		return s
	}
	return strings.Repeat(" ", len(s))
}

func orUnknown(s string) string {
	if s == "" {
		return figure.Unknown
	}
	return s
}

func upOf(n int, down []string) string {
	return fmt.Sprintf("%-9s", fmt.Sprintf("%d/%d up", n-len(down), n))
}

// named lists servers behind a word, the first of them by name.
func named(word string, addrs []string) string {
	switch len(addrs) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("  %s %s", word, addrs[0])
	}
	return fmt.Sprintf("  %s %s and %d more", word, addrs[0], len(addrs)-1)
}

func downMetas(s *survey.Survey) (down []string) {
	for _, m := range s.Metas {
		if m.Err != nil {
			down = append(down, m.Addr)
		}
	}
	return down
}

func troubledNodes(s *survey.Survey) (lost, silent []string, learning string) {
	n := int64(0)
	for _, node := range s.Nodes {
		switch {
		case !node.Alive:
			lost = append(lost, node.Addr)
		case node.Err != nil:
			silent = append(silent, node.Addr)
		}
		n += max(0, node.Learning)
	}
	if n > 0 {
		learning = fmt.Sprintf("  %d copies being made", n)
	}
	return lost, silent, learning
}

func tablesLine(s *survey.Survey) string {
	ok, short, without := 0, 0, 0
	for i := range s.Tables {
		switch t := &s.Tables[i]; {
		case t.Count(survey.NoPrimary) > 0 || t.Err != nil:
			without++
		case t.Count(survey.Short) > 0:
			short++
		default:
			ok++
		}
	}
	return fmt.Sprintf("%-9d  %d ok   %d short of copies   %d without primary", len(s.Tables), ok, short, without)
}

func dataLine(s *survey.Survey) string {
	rows, bytes, known := int64(0), int64(0), true
	for i := range s.Tables {
		sum := s.Tables[i].Sum()
		known = known && sum.Rows >= 0
		rows += max(0, sum.Rows)
		bytes += max(0, sum.Bytes)
	}
	about := "~"
	if !known {
		about = ">" // some partitions do not tell
	}
	out := fmt.Sprintf("%s%s rows   %s", about, figure.Count(float64(rows)), figure.Bytes(bytes))
	most, where := -1, ""
	for _, n := range s.Nodes {
		if d, used := survey.Fullest(n.Disks); used > most {
			most, where = used, strings.TrimSpace(n.Addr+" "+d.Dir)
		}
	}
	if most >= 0 {
		out += fmt.Sprintf("   fullest disk %d%%  %s", most, where)
	}
	return text.Snip(out, screenWidth-len(" data    "), "…")
}

// nameWidth is the width of the column of tables' names.
const nameWidth = 18

func statusTables(line func(string, ...any), s *survey.Survey, all bool) {
	folded, head := 0, false
	for i := range s.Tables {
		t := &s.Tables[i]
		without, short := t.Count(survey.NoPrimary), t.Count(survey.Short)
		healthy := without+short == 0 && t.Err == nil
		if healthy && !all {
			folded++
			continue
		}
		if !head {
			line("")
			line("   %-*s %5s %6s %8s %6s %8s %8s %8s", nameWidth, "TABLE", "PARTS", "READY", "NO-PRIM", "SHORT", "READ/s", "WRITE/s", "P99 ms")
			head = true
		}
		mark := " "
		if !healthy {
			mark = "!"
		}
		sum := t.Sum()
		line(" %s %s %5d %6d %8d %6d %8s %8s %8s", mark, fixed(t.Name, nameWidth), t.Table.Partitions, t.Count(survey.Ready), without, short,
			figure.Count(sum.Read), figure.Count(sum.Write), figure.Millis(max(sum.ReadP99, sum.WriteP99)))
	}
	if folded > 0 {
		if !head {
			line("")
		}
		line("   %d healthy table%s folded (--all)", folded, plural(folded))
	}
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// fixed writes a name in so many cells, cut if it has more.
func fixed(name string, width int) string {
	return text.Pad(text.Snip(esc.Text(name), width, "…"), width, ' ')
}
