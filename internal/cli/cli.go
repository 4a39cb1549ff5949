// Package cli is the pegasus command: one file for each group of subcommands.
package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/coding"
	"github.com/pegasus-go/pegasus/internal/cli/config"
	"github.com/pegasus-go/pegasus/internal/cli/esc"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/pegasus-go/pegasus/internal/cli/ui"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Run runs the command line args, without the name of the program, and returns
// the exit status. When ctx ends a command that serves ends with success, and any other
// one is interrupted.
func Run(ctx context.Context, args []string, streams ui.Streams) int {
	return (*Kerberos)(nil).Run(ctx, args, streams)
}

// Run runs it with Kerberos.
func (k *Kerberos) Run(ctx context.Context, args []string, streams ui.Streams) int {
	return (&app{streams: streams, kerberos: k, format: output.Table}).execute(ctx, args)
}

// execute runs a command line.
func (a *app) execute(ctx context.Context, args []string) int {
	streams := a.streams
	started := false
	root := newRoot(a)
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := a.checkFlags(cmd); err != nil {
			return err
		}
		started = true
		return nil
	}
	root.SetArgs(args)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	cmd, err := root.ExecuteContextC(ctx)
	if errors.Is(err, errNoReader) {
		return int(exit.OK) // as after "| head -1"
	}
	code := codeOf(err, started)
	// Meta servers that had no time to answer are not ones that cannot be reached.
	if (code == exit.Failed || code == exit.Unreachable) && errors.Is(err, context.Canceled) && ctx.Err() != nil {
		code, err = exit.Interrupted, errInterrupted
	}
	if err != nil && err.Error() != "" {
		// Errors of the client and of admin begin with the name, too.
		fmt.Fprintln(streams.Err, "pegasus:", esc.Message(strings.TrimPrefix(err.Error(), "pegasus: ")))
	}
	switch code {
	case exit.Usage:
		fmt.Fprintf(streams.Err, "Run '%s --help' for usage.\n", cmd.CommandPath())
	case exit.InDoubt:
		fmt.Fprintln(streams.Err, "It may have been carried out or not: look before you repeat it.")
	case exit.Unreachable:
		fmt.Fprintln(streams.Err, esc.Message(a.whereFrom(err)))
	}
	if errors.Is(err, pegasus.ErrAuthRequired) {
		fmt.Fprintln(streams.Err, a.kerberos.whatFor(err))
	}
	return int(code)
}

// errInterrupted is the error of a command that has nothing to say of how far it came.
var errInterrupted = errors.New("interrupted")

// codeOf returns the exit status for an error. One before the command has started
// is of the command line.
func codeOf(err error, started bool) exit.Code {
	var oe *onebox.OptionError
	var ue *usageError
	var ee *exit.Error
	switch {
	case errors.As(err, &oe) || errors.As(err, &ue):
		return exit.Usage
	case err != nil && !started && !errors.As(err, &ee):
		return exit.Usage
	}
	return exit.Of(err)
}

// usageError is the error of a command whose flags make no sense together.
type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "pegasus",
		Short: "Work with Apache Pegasus, or run one in this process",
		Example: `  pegasus onebox                        # a Pegasus of one's own, at 127.0.0.1:34601
  pegasus set temp u1 name Ann --ttl 1h
  pegasus get temp u1 name`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", fmt.Sprintf(".FlagUsagesWrapped %d", screenWidth)))
	a.addFlags(root)
	root.AddCommand(
		newGetCommand(a), newSetCommand(a), newDelCommand(a), newExistCommand(a), newTTLCommand(a), newIncrCommand(a), newCASCommand(a),
		newScanCommand(a),
		newCountCommand(a),
		newTableCommand(a),
		newOneboxCommand(a),
		newBackupCommand(a),
		newRestoreCommand(a),
		newVersionCommand(a.streams),
		newDecodeCommand(a),
		newHashCommand(a),
		newClusterCommand(a),
		newCompletionCommand(),
		newConfigTopic(),
		newEncodingTopic(),
		newExitCodesTopic(),
		newStatusCommand(a),
		newLocateCommand(a),
		newExportCommand(a),
		newImportCommand(a),
		newDelRangeCommand(a),
		newClearCommand(a),
		newCopyCommand(a),
		newDiffCommand(a),
		newDoctorCommand(a),
		newPingCommand(a),
		newNodeCommand(a),
		newMetaCommand(a),
		newBalanceCommand(a),
		newBenchCommand(a),
		newStatsCommand(a),
		newTopCommand(a),
		newConsoleCommand(a),
	)
	if a.session == nil {
		root.AddCommand(newShellCommand(a))
	} else {
		root.AddCommand(a.shellCommands()...)
	}
	a.complete(root)
	wrapUsages(root)
	hideRefused(root)
	return root
}

// wrapUsages has the texts of flags wrapped where the screen ends, instead of where they
// have a newline.
func wrapUsages(cmd *cobra.Command) {
	oneLine := func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "\n", " ") }
	cmd.Flags().VisitAll(oneLine)
	cmd.PersistentFlags().VisitAll(oneLine)
	for _, c := range cmd.Commands() {
		wrapUsages(c)
	}
}

// newExitCodesTopic is a text of the help, and no command.
func newExitCodesTopic() *cobra.Command {
	var s strings.Builder
	s.WriteString("The exit status says how a command ended:\n\n")
	for _, m := range exit.Meanings {
		fmt.Fprintf(&s, "  %3d  %s\n", m.Code, m.Meaning)
	}
	s.WriteString("\nEvery other status means that it failed.")
	return &cobra.Command{Use: "exit-codes", Short: "What the exit status means", Long: s.String()}
}

// newConfigTopic likewise.
func newConfigTopic() *cobra.Command {
	return &cobra.Command{Use: "config", Short: "How clusters get names, and what may differ between them", Long: `Clusters can have names, which a file gives them: $PEGASUS_CONFIG, or else
pegasus/config.toml in $XDG_CONFIG_HOME, ~/.config or, on Windows, %AppData%.
Nothing but an editor writes it. It is in TOML:

` + indent(config.Example) + `

--cluster prod means that cluster; so does PEGASUS_CLUSTER=prod, and the default of
the file, unless PEGASUS_META has addresses. A flag counts more than a variable of the
environment, and that more than the file; pegasus cluster show tells what counts.

read_only and danger also count where the cluster is given by addresses, if one of them is
among its own. Names of machines are not looked up for that. Of clusters that share an
address the strictest counts, unless --cluster says which one is meant.

cluster_name is compared with what the servers call themselves before anything is
changed. In a cluster that is marked as dangerous --yes is not enough: the name of the
cluster has to be typed, or given with --confirm=prod.

A cluster that is secured with Kerberos needs the program of
'go install ` + kerberosProgram + `@latest',
which takes the section kerberos, and in one line --kerberos and PEGASUS_KERBEROS:
service=pegasus/pegasus.example.com,principal=alice@EXAMPLE.COM,keytab=/etc/alice.keytab.
The service is enough where kinit has put tickets.`}
}

// indent moves lines to the right.
func indent(s string) string {
	return strings.ReplaceAll("  "+strings.ReplaceAll(s, "\n", "\n  "), "  \n", "\n")
}

// newEncodingTopic likewise.
func newEncodingTopic() *cobra.Command {
	var s strings.Builder
	s.WriteString("Keys and values are written in one of these ways, each part in its own:\n\n")
	for _, c := range coding.All {
		fmt.Fprintf(&s, "  %-9s  %s\n", c.Name, c.Meaning)
	}
	s.WriteString("\n--encoding hash=int64,value=hex says it for the hash key and the value; what it does\nnot name is esc. Values with @FILE and - are taken as they are.")
	return &cobra.Command{Use: "encoding", Short: "How keys and values are written", Long: s.String()}
}
