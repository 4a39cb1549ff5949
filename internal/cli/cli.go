// Package cli is the pegasus command: one file for each subcommand.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/pegasus-go/pegasus/onebox"
	"github.com/spf13/cobra"
)

// Streams are what a command writes to: results to Out, everything else to Err.
type Streams struct {
	Out, Err io.Writer
}

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// Run runs the command line args, without the name of the program, and returns
// the exit status. A command that serves ends, with success, when ctx does.
func Run(ctx context.Context, args []string, streams Streams) int {
	started := false
	root := newRoot(streams)
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	root.SetArgs(args)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(streams.Err, "pegasus:", err)
	// An error before the command has started is one of the command line.
	var oe *onebox.OptionError
	var ue *usageError
	if started && !errors.As(err, &oe) && !errors.As(err, &ue) {
		return exitFailed
	}
	fmt.Fprintf(streams.Err, "Run '%s --help' for usage.\n", cmd.CommandPath())
	return exitUsage
}

// usageError is the error of a command whose flags make no sense together.
type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }

func newRoot(streams Streams) *cobra.Command {
	root := &cobra.Command{
		Use:           "pegasus",
		Short:         "Apache Pegasus in one process",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newOneboxCommand(streams), newVersionCommand(streams))
	return root
}
