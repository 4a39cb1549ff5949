package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

It ends when the leader says that all of it has happened, and prints where each
primary is then. If some partitions stay, such as those without another copy, the
status is 6. If it is refused or interrupted midway it prints likewise what has
moved, what has not, and what was proposed and has not moved yet. The level of
the meta servers has to be steady: at lively the leader moves primaries back,
below steady it moves none.`,
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
				return a.printMoves(append(planned(moves), staying(stay)...))
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
	proposed  bool   // to the leader, or it may have heard of it
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

func planned(moves []move) (rows [][]any) {
	for _, m := range moves {
		rows = append(rows, []any{m.table, m.partition, m.from, m.to, "would move"})
	}
	return rows
}

func staying(stay []move) (rows [][]any) {
	for _, m := range stay {
		rows = append(rows, []any{m.table, m.partition, m.from, nil, "stays: no other copy is alive"})
	}
	return rows
}

func (a *app) printMoves(rows [][]any) error {
	return a.printer().List([]string{"table", "partition", "from", "to", "result"}, rows)
}

// drainPatience is the time in which at least one primary has to move.
const drainPatience = 30 * time.Second

func (a *app) drain(ctx context.Context, c *admin.Client, node string, moves, stay []move) error {
	err := propose(ctx, c, moves)
	if err == nil {
		err = a.followDrain(ctx, c, node, moves)
	}
	printed := a.printMoves(append(outcomes(ctx, c, moves), staying(stay)...))
	switch {
	case err != nil && ctx.Err() != nil && exit.Of(err) != exit.InDoubt:
		return exit.Errorf(exit.Interrupted, "interrupted: nothing more is proposed, and what was may still move; see: pegasus node drain %s --dry-run", node)
	case exit.Of(err) == exit.Failed && slices.ContainsFunc(moves, func(m move) bool { return m.proposed }):
		return exit.Errorf(exit.Partly, "%w", err)
	case err != nil:
		return err
	case printed != nil:
		return printed
	case len(stay) > 0:
		return exit.Errorf(exit.Partly, "%d partitions stay at %s: no other copy of them is alive", len(stay), node)
	}
	return nil
}

// propose proposes one move after another, up to the first that is refused.
func propose(ctx context.Context, c *admin.Client, moves []move) error {
	for i := range moves {
		m := &moves[i]
		err := c.MovePrimary(ctx, m.table, m.partition, m.to)
		m.proposed = err == nil || errors.Is(err, admin.ErrInDoubt)
		switch {
		case errors.Is(err, admin.ErrTableNotFound): // dropped since the look at it
		case err != nil:
			return fmt.Errorf("partition %d of %s: %w", m.partition, m.table, err)
		}
	}
	return nil
}

// followDrain waits until the leader shows all moves as done.
func (a *app) followDrain(ctx context.Context, c *admin.Client, node string, moves []move) error {
	left, since := len(moves), time.Now()
	return a.follow(ctx, false, "drain "+node, "pegasus node drain "+node+" --dry-run", func(ctx context.Context) (string, bool, error) {
		now, err := placesOf(ctx, c, moves)
		if err != nil {
			return "", false, err
		}
		still := 0
		for _, m := range moves {
			if at, there := now.primary(m); there && (at == m.from || at == "") {
				still++
			}
		}
		if still < left {
			left, since = still, time.Now()
		}
		if still > 0 && time.Since(since) > drainPatience {
			return "", false, exit.Errorf(exit.Partly, "%d of %d primaries have not moved for %s", still, len(moves), drainPatience)
		}
		return fmt.Sprintf("%d/%d primaries moved", len(moves)-still, len(moves)), still == 0, nil
	})
}

// outcomes says what has become of moves, also when ctx has ended: by what the leader shows
// now, not by what was planned.
func outcomes(ctx context.Context, c *admin.Client, moves []move) [][]any {
	now, err := placesOf(context.WithoutCancel(ctx), c, moves)
	var rows [][]any
	for _, m := range moves {
		var to any
		var result string
		_, known := now[m.table]
		switch at, there := now.primary(m); {
		case !known:
			result = fmt.Sprintf("not known: %v", because(survey.Cause(err)))
		case !there:
			result = "the table is gone"
		case at == "":
			result = "has no primary"
		case at != m.from:
			to, result = at, "moved"
		case m.proposed:
			result = "not moved yet"
		default:
			result = "not moved"
		}
		rows = append(rows, []any{m.table, m.partition, m.from, to, result})
	}
	return rows
}

// tablePlaces are where the partitions of tables are: those that were asked about, none of a
// table that is gone.
type tablePlaces map[string][]admin.Partition

// placesOf asks the leader about the tables of moves. What it said before an error is there.
func placesOf(ctx context.Context, c *admin.Client, moves []move) (tablePlaces, error) {
	now := make(tablePlaces)
	for _, m := range moves {
		if _, known := now[m.table]; known {
			continue
		}
		partitions, err := c.Partitions(ctx, m.table)
		if err != nil && !errors.Is(err, admin.ErrTableNotFound) {
			return now, err
		}
		now[m.table] = partitions
	}
	return now, nil
}

// primary returns the primary of what is to be moved, "" if it has none, and whether it is there
// at all.
func (p tablePlaces) primary(m move) (addr string, there bool) {
	partitions := p[m.table]
	if m.partition >= len(partitions) {
		return "", false
	}
	return partitions[m.partition].Primary, true
}
