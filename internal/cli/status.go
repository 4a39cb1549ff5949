package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/esc"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/pegasus-go/pegasus/internal/cli/survey"
	"github.com/spf13/cobra"
)

func newStatusCommand(a *app) *cobra.Command {
	var all bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Print whether the cluster is healthy, and why not",
		Long: `Print whether the cluster is healthy, and why not. If it is not the status is 5.

A healthy cluster has all its servers, and each partition has its primary and as
many copies as its table should have:

  OK    it is so
  WARN  servers are missing or partitions are short of copies; all rows can be
        read
  CRIT  partitions have no primary: their rows can be neither read nor written

Rates, rows and sizes are those that the servers count, every 10 s; - is not
known. --timeout is for each look, and a server that does not answer is waited
for 2 s.`,
		Example: `  pegasus status
  pegasus status --wait-healthy 10m && ./next-step
  pegasus status -o json | jq .verdict`,
		Args:        cobra.NoArgs,
		Annotations: map[string]string{needsCluster: "yes"},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.noTable(cmd); err != nil {
				return err
			}
			if wait < 0 {
				return exit.Errorf(exit.Usage, "--wait-healthy: %s is no time", wait)
			}
			if err := a.reportFormat(); err != nil {
				return err
			}
			s, err := a.waitHealthy(cmd.Context(), wait)
			if err != nil {
				return err
			}
			v := s.Verdict()
			if err := a.printer().Document(statusScreen(s, v, all), statusDocument(s, v)); err != nil {
				return err
			}
			if v.Word != survey.OK {
				return &exit.Error{Code: exit.Unhealthy}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "show the healthy tables, too")
	cmd.Flags().DurationVar(&wait, "wait-healthy", 0, "look again until the cluster is healthy, for this `time` at most; changes\ngo to standard error")
	return cmd
}

// noTable refuses --table for a command that is about the whole cluster.
func (a *app) noTable(cmd *cobra.Command) error {
	if cmd.Flags().Changed("table") {
		return exit.Errorf(exit.Usage, "--table: %s is about the whole cluster", cmd.CommandPath())
	}
	return nil
}

// reportFormat refuses what a report cannot be printed as, before anybody is asked.
func (a *app) reportFormat() error {
	if a.format == output.CSV || a.format == output.Raw {
		return exit.Errorf(exit.Usage, "-o %s is for rows; a report has table, json and jsonl", a.format)
	}
	return nil
}

// look surveys the cluster once.
func (a *app) look(ctx context.Context) (s *survey.Survey, err error) {
	err = a.withAdmin(ctx, func(ctx context.Context, c *admin.Client) error {
		s, err = survey.Take(ctx, c, a.metaServers())
		return err
	})
	return s, err
}

// lookAgain is the pause between two looks at a cluster that is waited for.
const lookAgain = time.Second

// waitHealthy surveys the cluster until it is healthy or the time is over, and returns the
// last survey. That nobody answers can pass, too.
func (a *app) waitHealthy(ctx context.Context, wait time.Duration) (*survey.Survey, error) {
	end := time.Now().Add(wait)
	last := ""
	for {
		s, err := a.look(ctx)
		if err != nil && ctx.Err() == nil && !errors.Is(err, pegasus.ErrNoMeta) {
			return nil, err
		}
		text := "the cluster cannot be reached"
		if err == nil {
			v := s.Verdict()
			if v.Word == survey.OK {
				return s, nil
			}
			text = v.Word + "  " + v.Text
		}
		if time.Until(end) < lookAgain {
			return s, err
		}
		if text != last {
			fmt.Fprintf(a.streams.Err, "%s  %s\n", stamp(time.Now()), esc.Message(text))
			last = text
		}
		select {
		case <-ctx.Done():
			return nil, exit.Errorf(exit.Interrupted, "interrupted: the cluster was not healthy until now")
		case <-time.After(lookAgain):
		}
	}
}

// stamp is a time of day as it stands before a line.
func stamp(t time.Time) string { return t.UTC().Format("15:04:05Z") }

// because is an error as text, nil for none.
func because(err error) any {
	if err == nil {
		return nil
	}
	return strings.TrimPrefix(err.Error(), "pegasus: ")
}
