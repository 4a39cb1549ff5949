package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/fullscreen"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/pegasus-go/pegasus/internal/cli/survey"
	"github.com/spf13/cobra"
)

// top is what the flags of the command say.
type top struct {
	table  string
	plain  bool
	every  time.Duration
	rounds int
}

func newTopCommand(a *app) *cobra.Command {
	var o top
	cmd := &cobra.Command{
		Use:   "top [TABLE]",
		Short: "Watch rates and latencies of tables, nodes and partitions",
		Long: `Watch rates and latencies of tables, nodes and partitions, or of the partitions
of one table. Press ? for the keys, q to quit.

Rates and times are those that the servers count, which they look at every 10 s;
- is not known. max p99 is that of the slowest node. A row that has gone stays
for 10 s.

Without a terminal, with --plain and with PEGASUS_ACCESSIBLE=1, it prints a line
for each look instead: csv and jsonl are forms of those. PEGASUS_TABLE is not
heeded.`,
		Example: `  pegasus top
  pegasus top users
  pegasus top --plain -n 3 -o jsonl`,
		Annotations: map[string]string{needsCluster: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case cmd.Flags().Changed("table") || len(args) > 1:
				var err error
				if o.table, _, err = a.arguments(cmd, args); err != nil {
					return err
				}
			case len(args) == 1:
				o.table = args[0]
			}
			switch {
			case o.every < 100*time.Millisecond:
				return exit.Errorf(exit.Usage, "--every: %s is less than 100ms", o.every)
			case cmd.Flags().Changed("number") && o.rounds < 1:
				return exit.Errorf(exit.Usage, "-n: %d is no number of looks", o.rounds)
			}
			return a.top(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.plain, "plain", false, "print lines that scroll")
	f.DurationVar(&o.every, "every", 2*time.Second, "`time` between two looks")
	f.IntVarP(&o.rounds, "number", "n", 0, "end after so many `looks` (default: go on until interrupted)")
	return cmd
}

func (a *app) top(ctx context.Context, o top) error {
	// csv and jsonl are for programs; what json and raw cannot do is said by Live.
	screen := !o.plain && a.format == output.Table && a.streams.InTerminal && a.streams.OutTerminal &&
		a.streams.Getenv("TERM") != "dumb" && a.streams.Getenv("PEGASUS_ACCESSIBLE") == ""
	live, err := a.printer().Live(
		output.Column{Name: "time", Width: 9}, output.Column{Name: "read_per_s", Width: 10, Right: true}, output.Column{Name: "write_per_s", Width: 11, Right: true},
		output.Column{Name: "read_p99_ms", Width: 11, Right: true}, output.Column{Name: "write_p99_ms", Width: 12, Right: true},
		output.Column{Name: "throttled", Width: 9, Right: true}, output.Column{Name: "down", Width: 4, Right: true})
	if err != nil {
		return err
	}
	c, err := a.here().administer(a.timeout)
	if err != nil {
		return err
	}
	defer c.Close()
	var first *survey.Survey
	err = a.reach(ctx, a.metaServers(), func(ctx context.Context) (err error) {
		first, err = a.takeSurvey(ctx, c)
		return err
	})
	if err == nil {
		err = hasTable(first, o.table)
	}
	if err != nil {
		return err
	}
	if screen {
		s, err := fullscreen.Open(a.streams.In, a.streams.Out)
		if err == nil {
			defer s.Close()
			return a.topScreen(ctx, c, s, o, first)
		}
		if !errors.Is(err, fullscreen.ErrNoTerminal) {
			return err
		}
	}
	return a.topLines(ctx, c, live, o, first)
}

func hasTable(s *survey.Survey, table string) error {
	for i := range s.Tables {
		if s.Tables[i].Name == table {
			return nil
		}
	}
	if table == "" {
		return nil
	}
	return fmt.Errorf("table %q: %w", table, admin.ErrTableNotFound)
}

// sight is what came of a look.
type sight struct {
	*survey.Survey
	err error
}

// lookOn looks at the cluster every so often, beginning a while from now, until ctx ends.
// Then the channel is closed.
func (a *app) lookOn(ctx context.Context, c *admin.Client, every time.Duration) <-chan sight {
	sights := make(chan sight)
	go func() {
		defer close(sights)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			s, err := a.takeSurvey(ctx, c)
			select {
			case <-ctx.Done():
				return
			case sights <- sight{s, err}:
			}
		}
	}()
	return sights
}

func (a *app) topScreen(ctx context.Context, c *admin.Client, s *fullscreen.Screen, o top, first *survey.Survey) error {
	ctx, cancel := context.WithCancel(ctx)
	m := newTopModel(o)
	m.see(sight{Survey: first}, time.Now())
	sights := a.lookOn(ctx, c, o.every)
	defer func() { // wait for its end: the client is closed behind it
		cancel()
		for range sights {
		}
	}()
	for looks := 1; ; {
		width, height := s.Size()
		if err := s.Draw(m.screen(width, height, time.Now())); err != nil {
			return err
		}
		if looks == o.rounds {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case seen, ok := <-sights:
			if !ok {
				return nil
			}
			looks++
			m.see(seen, time.Now())
		case key := <-s.Keys():
			if m.press(key) {
				return nil
			}
		case <-s.Redraw():
		}
	}
}

// topLines prints a line for each look.
func (a *app) topLines(ctx context.Context, c *admin.Client, live *output.Live, o top, s *survey.Survey) error {
	for looks := 1; ; looks++ {
		l := totalOf(s, o.table)
		if err := live.Row(a.clock(s.Time), a.rate(l.Read), a.rate(l.Write), a.p99(l.ReadP99), a.p99(l.WriteP99), a.rate(l.Throttled), l.down); err != nil {
			return err
		}
		if looks == o.rounds {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Until(s.Time.Add(o.every))):
		}
		var err error
		s, err = a.takeSurvey(ctx, c)
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			err = hasTable(s, o.table)
		}
		if err != nil {
			return err
		}
	}
}
