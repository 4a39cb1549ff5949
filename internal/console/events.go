package console

import (
	"fmt"
	"slices"
	"strings"
)

// changes returns what has happened between two snapshots.
func changes(before, now *Snapshot) (events []Event) {
	if before == nil {
		return nil
	}
	add := func(kind, format string, args ...any) {
		events = append(events, Event{Kind: kind, Text: fmt.Sprintf(format, args...)})
	}
	for _, n := range now.Nodes {
		i := slices.IndexFunc(before.Nodes, func(b Node) bool { return b.Address == n.Address })
		switch {
		case i < 0:
			add("back", "node %s is new", n.Address)
		case before.Nodes[i].Alive && !n.Alive:
			add("lost", "node %s is lost", n.Address)
		case !before.Nodes[i].Alive && n.Alive:
			add("back", "node %s is back", n.Address)
		}
	}
	for _, t := range before.Tables {
		if !slices.ContainsFunc(now.Tables, func(n TableState) bool { return n.ID == t.ID }) {
			add("dropped", "table %s was dropped", t.Name)
		}
	}
	for i := range now.Tables {
		t := &now.Tables[i]
		j := slices.IndexFunc(before.Tables, func(b TableState) bool { return b.ID == t.ID })
		if j < 0 {
			add("created", "table %s was made, with %s", t.Name, count(t.Partitions, "partition"))
			continue
		}
		b := &before.Tables[j]
		if b.Name != t.Name {
			add("created", "table %s is called %s now", b.Name, t.Name)
		}
		if b.Partitions != t.Partitions {
			add("split", "table %s has %s instead of %d", t.Name, count(t.Partitions, "partition"), b.Partitions)
		}
		moves(before, now, b, t, add)
	}
	return events
}

// moves adds the changes of who serves the partitions of a table.
func moves(before, now *Snapshot, b, t *TableState, add func(kind, format string, args ...any)) {
	var lost, found, split int
	moved := make(map[[2]int]int) // from and to, by index in now
	var order [][2]int
	for i := range min(len(b.Cells), len(t.Cells)) {
		was, is := b.Cells[i], t.Cells[i]
		if was.Ballot < 0 && is.Ballot >= 0 {
			split++
		}
		if was.Ballot < 0 || is.Ballot < 0 {
			continue
		}
		switch from := sameNode(before, now, was.Primary); {
		case from == is.Primary:
		case is.Primary < 0:
			lost++
		case from < 0:
			found++
		default:
			way := [2]int{from, is.Primary}
			if moved[way]++; moved[way] == 1 {
				order = append(order, way)
			}
		}
	}
	if lost > 0 {
		add("unserved", "table %s: %s has no primary", t.Name, count(lost, "partition"))
	}
	if found > 0 {
		add("served", "table %s: %s has a primary again", t.Name, count(found, "partition"))
	}
	for _, way := range order {
		add("moved", "table %s: %s moved from %s to %s", t.Name, count(moved[way], "primary"), now.Nodes[way[0]].Address, now.Nodes[way[1]].Address)
	}
	if split > 0 {
		add("split", "table %s: %s of the split serve now", t.Name, count(split, "partition"))
	}
}

// sameNode returns the index in now of a node of before, -1 if there is none.
func sameNode(before, now *Snapshot, i int) int {
	if i < 0 {
		return -1
	}
	return slices.IndexFunc(now.Nodes, func(n Node) bool { return n.Address == before.Nodes[i].Address })
}

// count returns a number with what it counts.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if stem, ok := strings.CutSuffix(what, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, what)
}
