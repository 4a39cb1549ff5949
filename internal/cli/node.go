package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/esc"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/figure"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/pegasus-go/pegasus/internal/cli/survey"
	"github.com/spf13/cobra"
)

func newNodeCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "node", Short: "List the replica servers, ask them, and take work off one"}
	cmd.AddCommand(newNodeListCommand(a), newNodeExecCommand(a), newNodeDrainCommand(a))
	return cmd
}

// takeSurvey surveys the cluster for as long as --timeout allows.
func (a *app) takeSurvey(ctx context.Context, c *admin.Client) (*survey.Survey, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	return survey.Take(ctx, c, a.metaServers())
}

func newNodeListCommand(a *app) *cobra.Command {
	return a.clusterCommand("list", "List the replica servers",
		`List the replica servers, the lost ones, too. state is up, lost if the leader
says so, or silent if it does not answer here. copies are those of partitions,
with the primaries. disk is how full its fullest disk is, in percent; p99r_ms
and p99w_ms are how long the slowest reads and writes take in the server.`,
		"  pegasus node list\n  pegasus node list -o jsonl | jq -r 'select(.state != \"up\").node'", cobra.NoArgs,
		func(ctx context.Context, c *admin.Client, _ []string) error {
			s, err := a.takeSurvey(ctx, c)
			if err != nil {
				return err
			}
			var rows [][]any
			for _, n := range s.Nodes {
				var v any
				if n.Version != "" {
					v = n.Version
				}
				rows = append(rows, []any{n.Addr, stateOf(n), n.Primaries, n.Primaries + n.Secondaries, diskUsed(n.Disks), a.p99(n.ReadP99), a.p99(n.WriteP99), v})
			}
			return a.printer().List([]string{"node", "state", "primaries", "copies", "disk", "p99r_ms", "p99w_ms", "version"}, rows)
		})
}

// stateOf is how a node is, in a word.
func stateOf(n survey.Node) string {
	switch {
	case !n.Alive:
		return "lost"
	case n.Err != nil:
		return "silent"
	}
	return "up"
}

// diskUsed is how full the fullest disk is, nil if it is not known.
func diskUsed(disks []admin.Disk) (percent any) {
	if _, used := survey.Fullest(disks); used >= 0 {
		return used
	}
	return nil
}

// p99 is a time as a list has it.
func (a *app) p99(d time.Duration) any {
	if a.format == output.Table && a.streams.OutTerminal && d >= 0 {
		return figure.Millis(d)
	}
	return knownMillis(d)
}

// harmless are the remote commands that only tell something.
var harmless = []string{"help", "server-info", "server-stat", "perf-counters", "perf-counters-by-substr", "perf-counters-by-prefix", "perf-counters-by-postfix", "config-dump"}

func newNodeExecCommand(a *app) *cobra.Command {
	var nodes []string
	var yes bool
	cmd := a.clusterCommand("exec COMMAND [ARGUMENT...]", "Have servers carry out a remote command, and print what they answer",
		`Have servers carry out a remote command, all replica servers side by side or
those of --node, and print what they answer. "help" lists the commands that a
server has; meta servers have others, and are asked with --node, too.

A command that is not known to change nothing is asked about before. If some
servers do not answer the status is 6.`,
		`  pegasus node exec server-info
  pegasus node exec --node 10.0.0.1:34601 help
  pegasus node exec perf-counters-by-substr .disk. -o json`, cobra.MinimumNArgs(1),
		func(ctx context.Context, c *admin.Client, args []string) error {
			if err := a.reportFormat(); err != nil {
				return err
			}
			where := "all replica servers"
			if len(nodes) > 0 {
				where = strings.Join(nodes, " ")
			}
			if !slices.Contains(harmless, args[0]) {
				if err := a.mayChange(ctx, "pegasus node exec "+args[0]); err != nil {
					return err
				}
				if err := a.streams.Confirm(ctx, fmt.Sprintf("carry out %q at %s", strings.Join(args, " "), where), yes); err != nil {
					return err
				}
			}
			to := nodes
			if len(to) == 0 {
				all, err := c.Nodes(ctx)
				if err != nil {
					return err
				}
				for _, n := range all {
					to = append(to, n.Address)
				}
			}
			return a.exec(ctx, c, to, args)
		})
	cmd.Flags().StringArrayVar(&nodes, "node", nil, "`host:port` of a server; can be repeated (default all replica servers)")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// answer is what a server said to a remote command.
type answer struct {
	Node   string `json:"node"`
	Output any    `json:"output"`
	Error  any    `json:"error"`
}

func (a *app) exec(ctx context.Context, c *admin.Client, nodes, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	answers, errs := make([]answer, len(nodes)), make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, node := range nodes {
		wg.Go(func() {
			var text string
			text, errs[i] = c.RemoteCommand(ctx, node, args[0], args[1:]...)
			if answers[i] = (answer{Node: node, Output: text}); errs[i] != nil {
				answers[i] = answer{Node: node, Error: because(survey.Cause(errs[i]))}
			}
		})
	}
	wg.Wait()
	var b strings.Builder
	failed := 0
	for i, n := range answers {
		if errs[i] != nil {
			failed++
			fmt.Fprintf(&b, "--- %s: failed: %s\n", esc.Text(n.Node), esc.Message(fmt.Sprint(n.Error)))
			continue
		}
		fmt.Fprintf(&b, "--- %s\n%s\n", esc.Text(n.Node), esc.Message(strings.TrimRight(fmt.Sprint(n.Output), "\n")))
	}
	if failed == len(nodes) && failed > 0 {
		return errors.Join(errs...)
	}
	if err := a.printer().Document(b.String(), answers); err != nil {
		return err
	}
	if failed > 0 {
		return exit.Errorf(exit.Partly, "%d of %d servers did not answer", failed, len(nodes))
	}
	return nil
}
