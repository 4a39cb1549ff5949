package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/esc"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/spf13/cobra"
)

func newBalanceCommand(a *app) *cobra.Command {
	var run, yes bool
	cmd := a.clusterCommand("balance", "Print how many copies the nodes have, or have them made even",
		`Print how many primaries and copies the nodes have, and what the leader would
move until they are even.

With --run it is done: the level is set to lively until there is nothing left to
move, and then to what it was, also when it is interrupted: then the leader ends
what it is moving and plans no more. What has been moved stays where it is. It
moves data, and asks before.`,
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
		if run {
			return noOutput(cmd, "with --run")
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

// balance has the leader move copies until they are even. It does so at the level lively only,
// which is set back whatever happens.
func (a *app) balance(ctx context.Context, c *admin.Client, yes bool) error {
	if err := a.streams.Confirm(ctx, "move copies between nodes until they are even", yes); err != nil {
		return err
	}
	old, err := c.MetaLevel(ctx)
	if err != nil {
		return err
	}
	if old == admin.LevelLively {
		left, err := a.untilEven(ctx, c)
		return howBalanced(ctx, err, left, errors.New("the level was lively before and still is: the leader goes on; to end that: pegasus meta level set steady"))
	}
	a.undo("pegasus meta level set %s (done at the end)", old)
	left := ""
	_, err = c.SetMetaLevel(ctx, admin.LevelLively)
	switch {
	case err == nil:
		left, err = a.untilEven(ctx, c)
	case !errors.Is(err, admin.ErrInDoubt):
		return err
	}
	back := a.setBack(ctx, c, old)
	if back == nil {
		return howBalanced(ctx, err, left, fmt.Errorf("the level is %s again: the leader plans no more moves, and ends those under way; to go on: pegasus balance --run", old))
	}
	stays := fmt.Errorf("the level may stay lively: %w; to set it back: pegasus meta level set %s", back, old)
	if err == nil {
		return fmt.Errorf("the copies are even, and %w", stays)
	}
	return howBalanced(ctx, err, left, stays)
}

// howBalanced says of a balance that has ended early, by err or the end of ctx, what there was
// left to move, and how things are after it.
func howBalanced(ctx context.Context, err error, left string, after error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() == nil:
		return fmt.Errorf("%w; %w", err, after)
	case left != "":
		return exit.Errorf(exit.Interrupted, "interrupted, to move: %s; %w", left, after)
	}
	return exit.Errorf(exit.Interrupted, "interrupted; %w", after)
}

// setBack sets the level to what it was, also when ctx has ended.
func (a *app) setBack(ctx context.Context, c *admin.Client, old admin.Level) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.timeout)
	defer cancel()
	_, err := c.SetMetaLevel(ctx, old)
	return err
}

// calm is how often in a row there must be nothing to move: the leader thinks it over
// only now and then.
const calm = 3

// untilEven waits until there is nothing to move, and returns how much there was as the leader
// said last.
func (a *app) untilEven(ctx context.Context, c *admin.Client) (left string, err error) {
	quiet := 0
	err = a.watch(ctx, false, "balance", func(ctx context.Context) (string, bool, error) {
		info, err := c.ClusterInfo(ctx)
		if err != nil {
			return "", false, err
		}
		_, total, told := strings.Cut(info[toMove], "total=")
		if !told {
			return "", false, fmt.Errorf("the leader does not tell what there is to move: %q", info[toMove])
		}
		left = total
		if quiet++; total != "0" {
			quiet = 0
		}
		return "to move: " + total, quiet >= calm, nil
	})
	return left, err
}
