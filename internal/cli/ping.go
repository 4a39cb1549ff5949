package cli

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/figure"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/pegasus-go/pegasus/internal/cli/survey"
	"github.com/spf13/cobra"
)

// ping is what the flags of the command say.
type ping struct {
	eachNode, watch bool
	every           time.Duration
	rounds          int
}

func newPingCommand(a *app) *cobra.Command {
	var p ping
	cmd := &cobra.Command{
		Use:   "ping [TABLE]",
		Short: "Print how long servers take to answer",
		Long: `Print how long servers take to answer: the meta servers, with --each-node the
replica servers, too, and of a table each partition, which is asked for the row
of a key that nobody has. Times are apart: dns to look the name up, tcp to
connect, rtt for a request and its answer over a connection that there is.

With --watch it goes on until interrupted, or for -n rounds, and says on
standard error what it was in all. If a server does not answer within 2 s the
status is 5, and 4 if no meta server does.`,
		Example: `  pegasus ping
  pegasus ping --each-node --watch
  pegasus ping users -n 3 -o csv`,
		Annotations: map[string]string{needsCluster: "yes", answersItself: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			table := a.tableName()
			if len(args) > 0 || table != "" {
				var err error
				if table, _, err = a.arguments(cmd, args); err != nil {
					return err
				}
			}
			if cmd.Flags().Changed("number") {
				p.watch = true
			} else {
				p.rounds = 0
			}
			switch {
			case p.watch && p.every <= 0:
				return exit.Errorf(exit.Usage, "--every: %s is no time", p.every)
			case !p.watch && cmd.Flags().Changed("every"):
				return exit.Errorf(exit.Usage, "--every is for --watch")
			case cmd.Flags().Changed("number") && p.rounds < 1:
				return exit.Errorf(exit.Usage, "-n: %d is no number of rounds", p.rounds)
			case a.format == output.Raw:
				return exit.Errorf(exit.Usage, "-o raw prints one value; a list has table, json, jsonl and csv")
			}
			return a.withLongAdmin(cmd.Context(), func(ctx context.Context, c *admin.Client) error {
				return a.ping(ctx, c, table, p)
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&p.eachNode, "each-node", false, "ask the replica servers, too")
	f.BoolVar(&p.watch, "watch", false, "go on until interrupted")
	f.DurationVar(&p.every, "every", time.Second, "`time` between two rounds of --watch")
	f.IntVarP(&p.rounds, "number", "n", 0, "end after so many `rounds`; has --watch")
	return cmd
}

// target is somebody to be asked.
type target struct {
	server, role string
	dns          time.Duration // negative: there is no name to be looked up
	lost         error         // why there is no point in asking
	partition    bool          // it is one, whose server is connected to for its own line
	ask          func(context.Context) (rtt time.Duration, err error)
	sum          pingSum
}

// pingSum is what came of all rounds.
type pingSum struct {
	sent, lost    int
	min, max, all time.Duration
}

func (s *pingSum) add(rtt time.Duration, err error) {
	if s.sent++; err != nil {
		s.lost++
		return
	}
	if s.all += rtt; s.sent-s.lost == 1 || rtt < s.min {
		s.min = rtt
	}
	s.max = max(s.max, rtt)
}

func (a *app) ping(ctx context.Context, c *admin.Client, table string, p ping) error {
	targets := a.metaTargets(ctx, c)
	if p.eachNode {
		more, err := nodeTargets(ctx, c)
		if err != nil {
			return err
		}
		targets = append(targets, more...)
	}
	if table != "" {
		cluster, err := a.here().open(0)
		if err != nil {
			return err
		}
		defer cluster.Close()
		more, err := partitionTargets(ctx, c, cluster, table)
		if err != nil {
			return err
		}
		targets = append(targets, more...)
	}
	if err := a.pingRounds(ctx, targets, p); err != nil {
		return err
	}
	return a.pingEnd(targets, p)
}

// pingRounds asks all targets again and again.
func (a *app) pingRounds(ctx context.Context, targets []*target, p ping) error {
	show, err := a.pingPrinter(p)
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		began := time.Now()
		tcp, rtt, errs := pingAll(ctx, targets)
		if ctx.Err() != nil { // the round is not one
			if p.watch {
				break
			}
			return ctx.Err()
		}
		var rows [][]any
		for i, t := range targets {
			t.sum.add(rtt[i], errs[i])
			result := "ok"
			if errs[i] != nil {
				result, rtt[i] = survey.Cause(errs[i]).Error(), -1
			}
			first := a.millis(t.dns)
			if p.watch {
				first = a.clock(began)
			}
			rows = append(rows, []any{first, t.server, t.role, a.millis(tcp[i]), a.millis(rtt[i]), result})
		}
		if err := show(rows); err != nil {
			return err
		}
		if !p.watch || n == p.rounds {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(began.Add(p.every))):
		}
	}
	return nil
}

// pingPrinter returns what prints the rows of a round. Those of --watch begin with the
// time, others with that of the look-up, which is made once.
func (a *app) pingPrinter(p ping) (func(rows [][]any) error, error) {
	if !p.watch {
		return func(rows [][]any) error {
			return a.printer().List([]string{"dns_ms", "server", "role", "tcp_ms", "rtt_ms", "result"}, rows)
		}, nil
	}
	columns := []output.Column{
		{Name: "time", Width: 9},
		{Name: "server", Width: 21},
		{Name: "role", Width: 13},
		{Name: "tcp_ms", Width: 6, Right: true},
		{Name: "rtt_ms", Width: 6, Right: true},
		{Name: "result"},
	}
	live, err := a.printer().Live(columns...)
	return func(rows [][]any) error {
		for _, row := range rows {
			if err := live.Row(row...); err != nil {
				return err
			}
		}
		return nil
	}, err
}

// clock is when a row was made: the time of day on a terminal.
func (a *app) clock(t time.Time) string {
	if a.format == output.Table && a.streams.OutTerminal {
		return stamp(t)
	}
	return t.UTC().Format(time.RFC3339)
}

// millis is a time as a row has it, nil if there is none.
func (a *app) millis(d time.Duration) any {
	switch {
	case d < 0:
		return nil
	case a.format == output.Table && a.streams.OutTerminal:
		return figure.Millis(d)
	}
	return float64(d.Microseconds()) / 1000
}

// pingAll asks all targets side by side.
func pingAll(ctx context.Context, targets []*target) (tcp, rtt []time.Duration, errs []error) {
	tcp, rtt, errs = make([]time.Duration, len(targets)), make([]time.Duration, len(targets)), make([]error, len(targets))
	var wg sync.WaitGroup
	turns := make(chan struct{}, pingsAtOnce)
	for i, t := range targets {
		wg.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			ctx, cancel := context.WithTimeout(ctx, survey.Wait)
			defer cancel()
			if tcp[i], errs[i] = t.connect(ctx); errs[i] == nil {
				rtt[i], errs[i] = t.ask(ctx)
			}
		})
	}
	wg.Wait()
	return tcp, rtt, errs
}

// pingsAtOnce bounds the questions that are under way together, so that they do not
// measure each other.
const pingsAtOnce = 16

// connect measures how long it takes to connect to a server.
func (t *target) connect(ctx context.Context) (time.Duration, error) {
	if t.lost != nil || t.partition {
		return -1, t.lost
	}
	began := time.Now()
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", t.server)
	if err != nil {
		return -1, err
	}
	d := time.Since(began)
	return d, nc.Close()
}

// pingEnd sums up, and says how it went.
func (a *app) pingEnd(targets []*target, p ping) error {
	metas, answered, lost := 0, 0, 0
	for _, t := range targets {
		s := &t.sum
		if t.role == string(pegasus.RoleMeta) {
			metas++
			answered += min(1, s.sent-s.lost)
		}
		lost += s.lost
		if p.watch {
			line := fmt.Sprintf("%s %s: %d sent, %d lost", t.role, t.server, s.sent, s.lost)
			if n := s.sent - s.lost; n > 0 {
				line += fmt.Sprintf(", min/mean/max %s/%s/%s ms", figure.Millis(s.min), figure.Millis(s.all/time.Duration(n)), figure.Millis(s.max))
			}
			fmt.Fprintln(a.streams.Err, line)
		}
	}
	switch {
	case metas > 0 && answered == 0 && lost > 0:
		return exit.Errorf(exit.Unreachable, "no meta server answers")
	case lost > 0:
		return &exit.Error{Code: exit.Unhealthy}
	}
	return nil
}
