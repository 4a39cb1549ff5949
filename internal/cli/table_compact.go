package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/spf13/cobra"
)

func newTableCompactCommand(a *app) *cobra.Command {
	var o admin.CompactOptions
	var wait, status, quiet bool
	cmd := &cobra.Command{
		Use:   "compact [TABLE]",
		Short: "Remove deleted and expired data of a table from the disks",
		Long: `Remove deleted, expired and overwritten data of a table from the disks. It
changes no row; while it runs the disks of the servers are busy.

It goes on in the cluster. With --wait the command ends when it does, and says
how far it is on standard error; --timeout is for each request.`,
		Example: `  pegasus table compact users --wait
  pegasus table compact users --bottommost --max-running 2
  pegasus table compact users --status -o raw`,
		Annotations: map[string]string{needsCluster: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			table, _, err := a.arguments(cmd, args)
			for _, other := range []string{"wait", "bottommost", "max-running"} {
				if err == nil {
					err = exclusive(cmd, "status", other)
				}
			}
			if err == nil && !status {
				err = noOutput(cmd, "without --status")
			}
			if err == nil && quiet && !wait {
				err = exit.Errorf(exit.Usage, "--quiet: nothing is told without --wait")
			}
			if err != nil {
				return err
			}
			if o.MaxRunning < 0 || cmd.Flags().Changed("max-running") && o.MaxRunning == 0 {
				return exit.Errorf(exit.Usage, "--max-running: %d is no number of partitions", o.MaxRunning)
			}
			return a.withLongAdmin(cmd.Context(), func(ctx context.Context, c *admin.Client) error {
				if status {
					return a.compactStatus(ctx, c, table)
				}
				if err := c.StartCompact(ctx, table, o); err != nil {
					return err
				}
				again := "pegasus table compact " + quote(table) + " --status"
				if !wait {
					fmt.Fprintln(a.streams.Err, "Started; see:", again)
					return nil
				}
				return a.follow(ctx, quiet, "compact "+table, again, func(ctx context.Context) (string, bool, error) {
					percent, err := c.QueryCompact(ctx, table)
					return fmt.Sprintf("%d%%", percent), percent >= 100, err
				})
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.Bottommost, "bottommost", false, "rewrite the lowest level, too, even if nothing was deleted there")
	f.IntVar(&o.MaxRunning, "max-running", 0, "most `partitions` that a server compacts at the same time (default: no bound)")
	f.BoolVar(&wait, "wait", false, "wait until it is done, and say how far it is")
	quietFlag(cmd, &quiet)
	f.BoolVar(&status, "status", false, "print how far the last one is, in percent")
	return changes(cmd)
}

func (a *app) compactStatus(ctx context.Context, c *admin.Client, table string) error {
	percent, err := c.QueryCompact(ctx, table)
	if errors.Is(err, admin.ErrInvalidState) {
		return exit.Errorf(exit.Absent, "no compaction of the table %s was started", table)
	}
	text := strconv.Itoa(percent)
	return a.printOr(err, text+"%", []byte(text), output.Field{Name: "percent", Value: percent})
}
