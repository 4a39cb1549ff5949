package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/esc"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/spf13/cobra"
)

func newMetaCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "meta", Short: "Show and change what the meta servers do"}
	level := newLevelGetCommand(a, "level", "Print what the meta servers do by themselves, or change it",
		`Print what the meta servers do by themselves, or change it:

  stopped  nothing
  blind    nothing, not even note which nodes are lost
  freezed  note what is lost, repair nothing
  steady   repair: make another copy the primary, make copies that are missing
  lively   the same, and move copies until all nodes have as many`,
		"  pegasus meta level\n  pegasus meta level set steady")
	level.AddCommand(newLevelGetCommand(a, "get", "Print the level", "", "  pegasus meta level get -o raw"), newLevelSetCommand(a))
	cmd.AddCommand(level)
	return cmd
}

// clusterCommand returns a command that is about the whole cluster.
func (a *app) clusterCommand(use, short, long, example string, args cobra.PositionalArgs, run func(context.Context, *admin.Client, []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: long, Example: example, Args: args,
		Annotations: map[string]string{needsCluster: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.noTable(cmd); err != nil {
				return err
			}
			return a.withLongAdmin(cmd.Context(), func(ctx context.Context, c *admin.Client) error { return run(ctx, c, args) })
		},
	}
}

func newLevelGetCommand(a *app, use, short, long, example string) *cobra.Command {
	return a.clusterCommand(use, short, long, example, cobra.NoArgs,
		func(ctx context.Context, c *admin.Client, _ []string) error {
			level, err := c.MetaLevel(ctx)
			return a.printOr(err, level.String(), []byte(level.String()), output.Field{Name: "level", Value: level.String()})
		})
}

func newLevelSetCommand(a *app) *cobra.Command {
	return changes(a.clusterCommand("set LEVEL", "Change the level; prints the one before", "", "  pegasus meta level set steady", cobra.ExactArgs(1),
		func(ctx context.Context, c *admin.Client, args []string) error {
			level, err := parseLevel(args[0])
			if err != nil {
				return err
			}
			old, err := c.SetMetaLevel(ctx, level)
			if err == nil && old != level {
				a.undo("pegasus meta level set %s", old)
			}
			return a.printOr(err, old.String(), []byte(old.String()), output.Field{Name: "before", Value: old.String()})
		}))
}

var levels = []admin.Level{admin.LevelStopped, admin.LevelBlind, admin.LevelFreezed, admin.LevelSteady, admin.LevelLively}

func parseLevel(name string) (admin.Level, error) {
	var names []string
	for _, l := range levels {
		if l.String() == name {
			return l, nil
		}
		names = append(names, l.String())
	}
	return 0, exit.Errorf(exit.Usage, "LEVEL: %q is none of %s", name, strings.Join(names, " "))
}

func newBalanceCommand(a *app) *cobra.Command {
	var run, yes bool
	cmd := a.clusterCommand("balance", "Print how many copies the nodes have, or have them made even",
		`Print how many primaries and copies the nodes have, and what the leader would
move until they are even.

With --run it is done: the level is set to lively until there is nothing left to
move, and then to what it was, also when it is interrupted. It moves data, and
asks before.`,
		"  pegasus balance\n  pegasus balance --run --yes", cobra.NoArgs,
		func(ctx context.Context, c *admin.Client, _ []string) error {
			if run {
				return a.balance(ctx, c, yes)
			}
			return a.printBalance(ctx, c)
		})
	cmd.Flags().BoolVar(&run, "run", false, "move until all nodes have as many")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if yes && !run {
			return exit.Errorf(exit.Usage, "--yes is for --run: nothing is asked otherwise")
		}
		return nil
	}
	return changesWith(cmd, "run")
}

// toMove is what the leader would move, as it says it: "move_pri=1,copy_pri=0,copy_sec=0,total=1".
const toMove = "balance_operation_count"

func (a *app) printBalance(ctx context.Context, c *admin.Client) error {
	s, err := a.takeSurvey(ctx, c)
	if err != nil {
		return err
	}
	info, err := c.ClusterInfo(ctx)
	if err != nil {
		return err
	}
	var rows [][]any
	for _, n := range s.Nodes {
		rows = append(rows, []any{n.Addr, stateOf(n), n.Primaries, n.Primaries + n.Secondaries})
	}
	if err := a.printer().List([]string{"node", "state", "primaries", "copies"}, rows); err != nil {
		return err
	}
	fmt.Fprintf(a.streams.Err, "level %s, to move: %s\n", esc.Text(orUnknown(s.Level)), esc.Text(orUnknown(strings.ReplaceAll(info[toMove], ",", " "))))
	return nil
}

// calm is how often in a row there must be nothing to move: the leader thinks it over
// only now and then.
const calm = 3

func (a *app) balance(ctx context.Context, c *admin.Client, yes bool) (err error) {
	if err := a.streams.Confirm(ctx, "move copies between nodes until they are even", yes); err != nil {
		return err
	}
	old, err := c.SetMetaLevel(ctx, admin.LevelLively)
	if err != nil {
		return err
	}
	if old != admin.LevelLively {
		a.undo("pegasus meta level set %s (done at the end)", old)
		defer func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.timeout)
			defer cancel()
			if _, back := c.SetMetaLevel(ctx, old); back != nil {
				back = fmt.Errorf("the level may stay lively: %w", back)
				if err == nil {
					err = back
				} else {
					fmt.Fprintln(a.streams.Err, "pegasus:", esc.Message(back.Error()))
				}
			}
		}()
	}
	quiet := 0
	return a.follow(ctx, false, "balance", "pegasus balance", func(ctx context.Context) (string, bool, error) {
		info, err := c.ClusterInfo(ctx)
		_, total, told := strings.Cut(info[toMove], "total=")
		if err == nil && !told {
			err = fmt.Errorf("the leader does not tell what there is to move: %q", info[toMove])
		}
		if quiet++; total != "0" {
			quiet = 0
		}
		return "to move: " + total, quiet >= calm, err
	})
}
