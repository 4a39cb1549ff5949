package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/survey"
	"github.com/spf13/cobra"
)

func newNodeDrainCommand(a *app) *cobra.Command {
	var dryRun, yes bool
	cmd := a.clusterCommand("drain NODE", "Make other nodes the primaries of what a node is the primary of",
		`Make other nodes the primaries of what a node is the primary of, before it is
stopped: then nobody waits until its loss is noticed. Each partition goes to the
one of its secondaries that is alive and has the fewest primaries. Copies stay
where they are.

It ends when the leader says that all of it has happened. If some partitions
stay, such as those without another copy, the status is 6. The level of the meta
servers has to be steady: at lively the leader moves primaries back, below
steady it moves none.`,
		"  pegasus node drain 10.0.0.3:34801 --dry-run\n  pegasus node drain 10.0.0.3:34801 --yes", cobra.ExactArgs(1),
		func(ctx context.Context, c *admin.Client, args []string) error {
			s, err := a.takeSurvey(ctx, c)
			if err != nil {
				return err
			}
			moves, stay, err := planDrain(s, args[0])
			if err != nil {
				return err
			}
			if dryRun {
				return a.printMoves(moves, stay, "would move")
			}
			if err := mayDrain(s.Level); err != nil {
				return err
			}
			if len(moves) > 0 {
				if err := a.streams.Confirm(ctx, fmt.Sprintf("move %d primaries away from %s", len(moves), args[0]), yes); err != nil {
					return err
				}
			}
			return a.drain(ctx, c, args[0], moves, stay)
		})
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print what would be moved, and move nothing")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return exclusive(cmd, "dry-run", "yes") }
	return changes(cmd)
}

// mayDrain refuses what would not come about at a level.
func mayDrain(level string) error {
	why := "the leader moves no primaries"
	switch level {
	case admin.LevelSteady.String(), "":
		return nil
	case admin.LevelLively.String():
		why = "the leader moves primaries back"
	}
	return exit.Errorf(exit.Refused, "the level is %s, at which %s: pegasus meta level set steady", level, why)
}

// move is a primary that is to be another one.
type move struct {
	table     string
	partition int
	from, to  string // to is "" if there is no other copy
}

// planDrain returns what is to be moved from a node, and what has to stay.
func planDrain(s *survey.Survey, node string) (moves, stay []move, err error) {
	primaries := make(map[string]int) // of the nodes that are alive
	found := false
	for _, n := range s.Nodes {
		found = found || n.Addr == node
		if n.Alive && n.Err == nil {
			primaries[n.Addr] = n.Primaries
		}
	}
	if !found {
		return nil, nil, exit.Errorf(exit.Usage, "NODE: %q is no replica server of the cluster; see: pegasus node list", node)
	}
	for i := range s.Tables {
		t := &s.Tables[i]
		if t.Err != nil {
			return nil, nil, fmt.Errorf("where the table %s is: %w", t.Name, t.Err)
		}
		for _, p := range t.Partitions {
			if p.Primary != node {
				continue
			}
			m := move{table: t.Name, partition: p.Index, from: node}
			for _, other := range p.Secondaries {
				n, alive := primaries[other]
				if alive && (m.to == "" || n < primaries[m.to]) {
					m.to = other
				}
			}
			if m.to == "" {
				stay = append(stay, m)
				continue
			}
			primaries[m.to]++
			moves = append(moves, m)
		}
	}
	return moves, stay, nil
}

func (a *app) printMoves(moves, stay []move, what string) error {
	rows := [][]any{}
	for _, m := range moves {
		rows = append(rows, []any{m.table, m.partition, m.from, m.to, what})
	}
	for _, m := range stay {
		rows = append(rows, []any{m.table, m.partition, m.from, nil, "stays: no other copy is alive"})
	}
	return a.printer().List([]string{"table", "partition", "from", "to", "result"}, rows)
}

// drainPatience is the time in which at least one primary has to move.
const drainPatience = 30 * time.Second

func (a *app) drain(ctx context.Context, c *admin.Client, node string, moves, stay []move) error {
	tables := make(map[string]bool)
	for _, m := range moves {
		if err := c.MovePrimary(ctx, m.table, m.partition, m.to); err != nil {
			return fmt.Errorf("partition %d of %s: %w", m.partition, m.table, err)
		}
		tables[m.table] = true
	}
	left, since := len(moves), time.Now()
	err := a.follow(ctx, false, "drain "+node, "pegasus node drain "+node+" --dry-run", func(ctx context.Context) (string, bool, error) {
		still, err := leftAt(ctx, c, moves, tables)
		if err != nil {
			return "", false, err
		}
		if still < left {
			left, since = still, time.Now()
		}
		if still > 0 && time.Since(since) > drainPatience {
			return "", false, exit.Errorf(exit.Partly, "%d of %d primaries have not moved for %s", still, len(moves), drainPatience)
		}
		return fmt.Sprintf("%d/%d primaries moved", len(moves)-still, len(moves)), still == 0, nil
	})
	if err != nil {
		return err
	}
	if err := a.printMoves(moves, stay, "moved"); err != nil {
		return err
	}
	if len(stay) > 0 {
		return exit.Errorf(exit.Partly, "%d partitions stay at %s: no other copy of them is alive", len(stay), node)
	}
	return nil
}

// leftAt counts the moves that the leader does not show as done.
func leftAt(ctx context.Context, c *admin.Client, moves []move, tables map[string]bool) (int, error) {
	places := make(map[string][]admin.Partition)
	for table := range tables {
		var err error
		if places[table], err = c.Partitions(ctx, table); err != nil {
			return 0, err
		}
	}
	n := 0
	for _, m := range moves {
		p := places[m.table]
		if m.partition < len(p) && (p[m.partition].Primary == m.from || p[m.partition].Primary == "") {
			n++
		}
	}
	return n, nil
}
