package cli

import (
	"context"
	"strings"

	"github.com/pegasus-go/pegasus/admin"
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
