package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/spf13/cobra"
)

func newTableSplitCommand(a *app) *cobra.Command {
	var yes, quiet, wait, status, pause, resume, stop bool
	cmd := &cobra.Command{
		Use:   "split [TABLE]",
		Short: "Double the number of partitions of a table",
		Long: `Double the number of partitions of a table, while it is used. There is no way
back once the first partition is split; until then --cancel gives it up.

It goes on in the cluster. With --wait the command ends when it does, and says
how far it is on standard error; --timeout is for each request.`,
		Example: `  pegasus table split users --wait
  pegasus table split users --status -o json`,
		Annotations: map[string]string{needsCluster: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			table, _, err := a.arguments(cmd, args)
			if err == nil {
				err = exclusive(cmd, "status", "pause", "resume", "cancel", "wait")
			}
			for _, other := range []string{"status", "pause", "resume", "cancel"} {
				if err == nil {
					err = exclusive(cmd, other, "yes")
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
			return a.withLongAdmin(cmd.Context(), func(ctx context.Context, c *admin.Client) error {
				switch {
				case status:
					return a.splitStatus(ctx, c, table)
				case pause:
					if err := c.PauseSplit(ctx, table, admin.AllPartitions); err != nil {
						return err
					}
					a.undo("pegasus table split %s --resume", quote(table))
					return nil
				case resume:
					return c.ResumeSplit(ctx, table, admin.AllPartitions)
				case stop:
					return c.CancelSplit(ctx, table)
				}
				return a.split(ctx, c, table, yes, wait, quiet)
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&yes, "yes", false, "do not ask")
	f.BoolVar(&wait, "wait", false, "wait until it is done, and say how far it is")
	quietFlag(cmd, &quiet)
	f.BoolVar(&status, "status", false, "print how far the split is that is under way")
	f.BoolVar(&pause, "pause", false, "pause it")
	f.BoolVar(&resume, "resume", false, "go on with it")
	f.BoolVar(&stop, "cancel", false, "give it up, if no partition is split yet")
	return changes(cmd)
}

func (a *app) split(ctx context.Context, c *admin.Client, table string, yes, wait, quiet bool) error {
	t, err := c.Table(ctx, table)
	if err != nil {
		return err
	}
	n := 2 * t.Partitions
	if err := a.streams.Confirm(ctx, fmt.Sprintf("split the table %s from %d into %d partitions", table, t.Partitions, n), yes); err != nil {
		return err
	}
	if err := c.StartSplit(ctx, table, n); err != nil {
		return err
	}
	if !wait {
		fmt.Fprintf(a.streams.Err, "Started; see: pegasus table split %s --status\nUndo: pegasus table split %s --cancel\n", quote(table), quote(table))
		return nil
	}
	return a.follow(ctx, quiet, "split "+table, "pegasus table split "+quote(table)+" --status", func(ctx context.Context) (string, bool, error) {
		s, err := c.QuerySplit(ctx, table)
		if !errors.Is(err, admin.ErrInvalidState) {
			return splitText(s), false, err
		}
		now, err := c.Table(ctx, table)
		if err == nil && now.Partitions != n {
			err = exit.Errorf(exit.Failed, "the split was canceled: the table has %d partitions", now.Partitions)
		}
		return fmt.Sprintf("done: %d partitions", n), true, err
	})
}

// splitText says how far a split is.
func splitText(s admin.Split) string {
	parents := s.Partitions / 2
	text := fmt.Sprintf("%d/%d partitions split", parents-len(s.Status), parents)
	states := make(map[admin.SplitStatus]int)
	for _, st := range s.Status {
		states[st]++
	}
	for _, st := range []admin.SplitStatus{admin.Pausing, admin.Paused, admin.Canceling} {
		if states[st] > 0 {
			text += fmt.Sprintf(", %d %s", states[st], st)
		}
	}
	return text
}

func (a *app) splitStatus(ctx context.Context, c *admin.Client, table string) error {
	s, err := c.QuerySplit(ctx, table)
	if errors.Is(err, admin.ErrInvalidState) {
		return exit.Errorf(exit.Absent, "no split of the table %s is under way", table)
	}
	if err != nil {
		return err
	}
	text, parents := splitText(s), s.Partitions/2
	return a.printer().One(text, []byte(text), output.Field{Name: "partitions", Value: s.Partitions},
		output.Field{Name: "split", Value: parents - len(s.Status)}, output.Field{Name: "of", Value: parents})
}
