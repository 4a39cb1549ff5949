package cli

import (
	"fmt"

	"github.com/pegasus-go/pegasus/internal/cli/esc"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/progress"
	"github.com/spf13/cobra"
)

// talk is what a command that takes long says on standard error.
type talk struct {
	mode  progress.Mode
	quiet bool
}

func (t *talk) addFlags(cmd *cobra.Command) {
	t.mode = progress.Auto
	cmd.Flags().Var(&t.mode, "progress", "how `progress` is told on standard error: auto, plain, json or none")
	cmd.Flags().BoolVar(&t.quiet, "quiet", false, "say nothing but errors")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if t.quiet && cmd.Flags().Changed("progress") {
			return exit.Errorf(exit.Usage, "--progress: nothing is told with --quiet")
		}
		return nil
	}
}

// meter begins to tell how far a command is.
func (a *app) meter(t talk, label string, sample func() progress.Sample) *progress.Meter {
	if t.quiet {
		t.mode = progress.None
	}
	return progress.Start(progress.Options{
		Out: a.streams.Err, Mode: t.mode, Terminal: a.streams.Animated(), Width: a.streams.ErrWidth, Label: esc.Text(label),
	}, sample)
}

// say tells what has become of a command.
func (a *app) say(t talk, format string, args ...any) {
	if !t.quiet {
		fmt.Fprintln(a.streams.Err, esc.Message(fmt.Sprintf(format, args...)))
	}
}
