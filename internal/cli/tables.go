package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/spf13/cobra"
)

func newTableCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "table", Short: "List, make, change and drop tables"}
	cmd.AddCommand(newTableListCommand(a), newTableShowCommand(a), newTableCreateCommand(a), newTableDropCommand(a), newTableRenameCommand(a),
		newTableRecallCommand(a), newTableEnvCommand(a), newTableSplitCommand(a), newTableCompactCommand(a))
	return cmd
}

// tableCommand returns a subcommand of table, whose arguments are a table and more.
func (a *app) tableCommand(use, short, example string, more []string, run func(context.Context, *admin.Client, string, []string) error) *cobra.Command {
	return &cobra.Command{
		Use:         strings.Join(append([]string{use, "[TABLE]"}, more...), " "),
		Short:       short,
		Example:     example,
		Annotations: map[string]string{needsCluster: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			table, rest, err := a.arguments(cmd, args, more...)
			if err != nil {
				return err
			}
			// A question may wait longer for its answer than a request.
			return a.withLongAdmin(cmd.Context(), func(ctx context.Context, c *admin.Client) error { return run(ctx, c, table, rest) })
		},
	}
}

func newTableListCommand(a *app) *cobra.Command {
	var dropped bool
	cmd := &cobra.Command{
		Use:         "list",
		Short:       "List the tables",
		Example:     "  pegasus table list\n  pegasus table list --dropped -o json",
		Args:        cobra.NoArgs,
		Annotations: map[string]string{needsCluster: "yes"},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("table") {
				return exit.Errorf(exit.Usage, "--table: %s is about all tables", cmd.CommandPath())
			}
			status := admin.TableAvailable
			if dropped {
				status = admin.TableDropped
			}
			return a.withAdmin(cmd.Context(), func(ctx context.Context, c *admin.Client) error {
				tables, err := c.Tables(ctx, status)
				if err != nil {
					return err
				}
				var rows [][]any
				for _, t := range tables {
					rows = append(rows, []any{t.ID, t.Name, t.Status.String(), t.Partitions, t.Replicas, when(t.Created)})
				}
				return a.printer().List([]string{"id", "name", "status", "partitions", "replicas", "created"}, rows)
			})
		},
	}
	cmd.Flags().BoolVar(&dropped, "dropped", false, "list the tables that were dropped and can be recalled")
	return cmd
}

// when returns a time as it is printed, nil if it is not known.
func when(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}

func newTableShowCommand(a *app) *cobra.Command {
	return a.tableCommand("show", "Print who serves the partitions of a table", "  pegasus table show users", nil,
		func(ctx context.Context, c *admin.Client, table string, _ []string) error {
			partitions, err := c.Partitions(ctx, table)
			if err != nil {
				return err
			}
			var rows [][]any
			for _, p := range partitions {
				var primary any = p.Primary
				if p.Primary == "" {
					primary = nil
				}
				rows = append(rows, []any{p.Index, primary, strings.Join(p.Secondaries, " "), p.Ballot})
			}
			return a.printer().List([]string{"partition", "primary", "secondaries", "ballot"}, rows)
		})
}

func newTableCreateCommand(a *app) *cobra.Command {
	var o admin.CreateOptions
	cmd := a.tableCommand("create", "Make a table and wait until it serves; prints its id", "  pegasus table create users --partitions 16 --env default_ttl=86400", nil,
		func(ctx context.Context, c *admin.Client, table string, _ []string) error {
			id, err := c.CreateTable(ctx, table, o)
			text := fmt.Sprint(id)
			return a.printOr(err, text, []byte(text), output.Field{Name: "id", Value: id})
		})
	f := cmd.Flags()
	f.IntVar(&o.Partitions, "partitions", 8, "`number` of partitions, best a power of two")
	f.IntVar(&o.Replicas, "replicas", 3, "`number` of copies of each partition, 1 to 5")
	f.StringToStringVar(&o.Envs, "env", nil, "`variable=value` of the environment; can be repeated")
	f.BoolVar(&o.SuccessIfExist, "if-absent", false, "succeed if there is the same table already")
	return changes(cmd)
}

func newTableDropCommand(a *app) *cobra.Command {
	var yes bool
	var reserve time.Duration
	cmd := a.tableCommand("drop", "Drop a table, which can be recalled for a while", "  pegasus table drop users --yes", nil,
		func(ctx context.Context, c *admin.Client, table string, _ []string) error {
			if err := a.streams.Confirm(ctx, "drop the table "+table, yes); err != nil {
				return err
			}
			if err := c.DropTable(ctx, table, reserve); err != nil {
				return err
			}
			a.undo("pegasus table recall %s", quote(table))
			return nil
		})
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().DurationVar(&reserve, "reserve", 0, "`time` to keep the data for recalling (default up to the servers, a week as they come)")
	return silent(changes(cmd))
}

func newTableRenameCommand(a *app) *cobra.Command {
	return silent(changes(a.tableCommand("rename", "Give a table another name", "  pegasus table rename users people", []string{"NEWNAME"},
		func(ctx context.Context, c *admin.Client, table string, args []string) error {
			if err := c.RenameTable(ctx, table, args[0]); err != nil {
				return err
			}
			a.undo("pegasus table rename %s %s", quote(args[0]), quote(table))
			return nil
		})))
}
