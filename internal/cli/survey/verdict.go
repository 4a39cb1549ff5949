package survey

import (
	"fmt"
	"strings"

	"github.com/pegasus-go/pegasus/admin"
)

// The words of verdicts. A cluster with Warn serves all rows, one with Crit does not.
const (
	OK   = "OK"
	Warn = "WARN"
	Crit = "CRIT"
)

// Verdict says in words how healthy a cluster is.
type Verdict struct {
	Word string   // OK, Warn or Crit
	Text string   // a sentence
	Why  []string // what is wrong, one each
	Do   []string // command lines that help on
}

// listed is how many servers or tables are named before the rest is counted.
const listed = 3

// Verdict judges what was seen: not OK is a server that does not answer or is lost, and
// a partition without its primary or with fewer copies than it should have.
func (s *Survey) Verdict() Verdict {
	v := Verdict{Word: OK}
	var down, lost, silent, failed []string
	for _, m := range s.Metas {
		if m.Err != nil {
			down = append(down, fmt.Sprintf("meta server %s does not answer: %v", m.Addr, m.Err))
		}
	}
	for _, n := range s.Nodes {
		switch {
		case !n.Alive:
			lost = append(lost, fmt.Sprintf("the meta server has lost node %s%s", n.Addr, because(n.Err)))
		case n.Err != nil:
			silent = append(silent, fmt.Sprintf("node %s is alive to the meta server and does not answer here: %v", n.Addr, n.Err))
		}
	}
	partitions, short, without := 0, 0, 0
	var tables []string
	for i := range s.Tables {
		t := &s.Tables[i]
		if t.Err != nil {
			failed = append(failed, fmt.Sprintf("where table %s is cannot be told: %v", t.Name, Cause(t.Err)))
		}
		partitions += len(t.Partitions)
		short += t.Count(Short)
		if n := t.Count(NoPrimary); n > 0 {
			without += n
			tables = append(tables, fmt.Sprintf("table %s has %s without a primary, whose rows can be neither read nor written", t.Name, plural(n, "partition")))
		}
	}
	for _, lines := range [][]string{lost, silent, down, failed, tables} {
		v.Why = append(v.Why, firstOf(lines)...)
	}

	var parts []string
	if n, m := len(lost)+len(silent), len(down); n+m > 0 {
		var servers []string
		for _, e := range []struct {
			n    int
			kind string
		}{{n, "node"}, {m, "meta server"}} {
			if e.n > 0 {
				servers = append(servers, plural(e.n, e.kind))
			}
		}
		parts = append(parts, strings.Join(servers, " and ")+" down")
	}
	if without > 0 {
		parts = append(parts, fmt.Sprintf("%s of %d without a primary", plural(without, "partition"), partitions))
	}
	if short > 0 {
		parts = append(parts, fmt.Sprintf("%s short of copies", plural(short, "partition")))
	}
	if len(failed) > 0 {
		parts = append(parts, plural(len(failed), "table")+" cannot be looked at")
	}
	switch {
	case len(parts) == 0:
		v.Text = fmt.Sprintf("%s and %s up; %s of %s have all their copies",
			plural(len(s.Nodes), "node"), plural(len(s.Metas), "meta server"), plural(partitions, "partition"), plural(len(s.Tables), "table"))
		return v
	case without+len(failed) > 0:
		v.Word = Crit
	default:
		v.Word = Warn
		parts = append(parts, "all rows can be read")
	}
	v.Text = strings.Join(parts, "; ")
	v.Do = []string{"pegasus doctor", "pegasus status --wait-healthy 10m"}
	if s.Level != "" && s.Level != admin.LevelSteady.String() && s.Level != admin.LevelLively.String() && short+without > 0 {
		v.Why = append(v.Why, fmt.Sprintf("the meta server is at the level %s, at which it repairs nothing", s.Level))
		v.Do = append(v.Do, "pegasus meta level set steady")
	}
	return v
}

func because(err error) string {
	if err == nil {
		return ", which answers here"
	}
	return ": " + err.Error()
}

// firstOf returns the first lines, and how many more there are.
func firstOf(lines []string) []string {
	if len(lines) <= listed {
		return lines
	}
	return append(lines[:listed:listed], fmt.Sprintf("and %d more like that", len(lines)-listed))
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
