package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/pegasus-go/pegasus/internal/cli/ui"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// localOnebox is where a onebox of this machine is, unless it was told otherwise.
const localOnebox = "127.0.0.1:34601"

// app is what the commands that work with a cluster share.
type app struct {
	streams     ui.Streams
	meta        string
	clusterFlag string
	// What the program has, and what is said of it.
	kerberos     *Kerberos
	kerberosFlag string
	table        string
	confirm      string
	timeout      time.Duration
	await        bool // wait for a cluster that is not there
	format       output.Format
	session      *session   // of the shell that runs the command, nil elsewhere
	conn         connection // what the flags say together with the environment and the file
}

// needsCluster marks the commands that the flags of app are for, and prints those that take
// only --output of them.
const (
	needsCluster = "cluster"
	prints       = "prints"
)

func (a *app) addFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&a.meta, "meta", "", "meta servers, `host:port,...` (default $PEGASUS_META, or else "+localOnebox+")")
	f.StringVar(&a.clusterFlag, "cluster", "", "`name` of a cluster in the file of clusters, see pegasus help config\n(default $PEGASUS_CLUSTER)")
	f.StringVar(&a.kerberosFlag, "kerberos", "", "`settings` by which a secured cluster knows the client: service=NAME/HOST and more, see\npegasus help config (default $PEGASUS_KERBEROS)")
	f.StringVar(&a.table, "table", "", "`name` of the table, which is then not among the arguments (default $PEGASUS_TABLE)")
	f.StringVar(&a.confirm, "confirm", "", "`name` of the cluster, in place of --yes; refused if it is another one")
	f.DurationVar(&a.timeout, "timeout", defaultTimeout, "`time` that a command may take, such as 500ms")
	f.BoolVar(&a.await, "await", false, "wait, as long as --timeout, for a cluster that refuses connections")
	f.VarP(&a.format, "output", "o", "form of the `output`: table, json, jsonl, csv or raw")
}

// useless is the annotation of a command that works with a cluster, and names the flags that
// it has no use for all the same.
const useless = "useless"

// silent marks a command that prints nothing, for which no form of output has an effect.
func silent(cmd *cobra.Command) *cobra.Command {
	cmd.Annotations[useless] = "output"
	return cmd
}

// noOutput refuses --output for a command that prints nothing in a case.
func noOutput(cmd *cobra.Command, inCase string) error {
	if cmd.Flags().Changed("output") {
		return exit.Errorf(exit.Usage, "--output: nothing is printed %s", inCase)
	}
	return nil
}

// whyNot says why a command refuses one of the flags of app, "" if it does not.
func whyNot(cmd *cobra.Command, name string) string {
	switch {
	case !cmd.Runnable():
		return ""
	case cmd.Annotations[needsCluster] == "" && (name != "output" || cmd.Annotations[prints] == ""):
		return "works with no cluster"
	case cmd.Annotations[needsCluster] == "":
		return ""
	case name == "confirm" && cmd.Flags().Lookup("yes") == nil:
		return "asks for no confirmation"
	case name == "await" && cmd.Annotations[answersItself] != "":
		return "waits anyway"
	case slices.Contains(strings.Fields(cmd.Annotations[useless]), name):
		return "has no use for it"
	}
	return ""
}

// eachFlag calls f with the flags of app as a command inherits them.
func eachFlag(cmd *cobra.Command, f func(*pflag.Flag)) {
	cmd.InheritedFlags().VisitAll(f)
}

// hideRefused keeps what a command refuses out of its help.
func hideRefused(root *cobra.Command) {
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		eachFlag(cmd, func(f *pflag.Flag) { f.Hidden = whyNot(cmd, f.Name) != "" })
		help(cmd, args)
		eachFlag(cmd, func(f *pflag.Flag) { f.Hidden = false }) // commands share them
	})
}

// checkFlags refuses what a command would take without effect.
func (a *app) checkFlags(cmd *cobra.Command) (err error) {
	eachFlag(cmd, func(f *pflag.Flag) {
		if why := whyNot(cmd, f.Name); f.Changed && why != "" && err == nil {
			err = &usageError{fmt.Sprintf("--%s: %s %s", f.Name, cmd.CommandPath(), why)}
		}
	})
	if err != nil || cmd.Annotations[needsCluster] == "" {
		return err
	}
	if cmd.Annotations[answersItself] != "" || a.session != nil && a.session.await {
		a.await = true
	}
	if a.timeout <= 0 {
		return &usageError{fmt.Sprintf("--timeout: %s is no time", a.timeout)}
	}
	if err := notEmpty(cmd, "meta", "cluster", "kerberos", "table", "confirm"); err != nil {
		return err
	}
	if err := a.resolve(cmd); err != nil {
		return err
	}
	return a.guard(cmd)
}

func (a *app) printer() output.Printer {
	return output.Printer{Out: data{a.streams.Out}, Format: a.format, Terminal: a.streams.OutTerminal}
}

// withTable runs f with the table open, for as long as --timeout allows.
func (a *app) withTable(ctx context.Context, name string, f func(context.Context, *pegasus.Table) error) error {
	cluster, err := a.here().open(0)
	if err != nil {
		return err
	}
	defer cluster.Close()
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	var t *pegasus.Table
	err = a.reach(ctx, a.metaServers(), func(ctx context.Context) (err error) {
		t, err = cluster.Open(ctx, name)
		return err
	})
	if err != nil {
		return err
	}
	return f(ctx, t)
}

// withAdmin runs f with a client of the cluster's administration.
func (a *app) withAdmin(ctx context.Context, f func(context.Context, *admin.Client) error) error {
	c, err := a.here().administer(0)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	return a.reach(ctx, a.metaServers(), func(ctx context.Context) error { return f(ctx, c) })
}

// arguments returns the name of the table and the arguments behind it. The table
// is the first argument, unless --table or what stands in for it names it.
func (a *app) arguments(cmd *cobra.Command, args []string, names ...string) (table string, rest []string, err error) {
	table, source := a.conn.table.value, a.conn.table.source
	wanted := names
	if table == "" {
		wanted = append([]string{"TABLE"}, names...)
	}
	if len(args) != len(wanted) {
		text := fmt.Sprintf("%s takes %s: %d arguments, and there are %d", cmd.CommandPath(), strings.Join(wanted, " "), len(wanted), len(args))
		if table != "" {
			text += fmt.Sprintf("; the table is %s, from %s", table, source)
		}
		return "", nil, exit.Errorf(exit.Usage, "%s", text)
	}
	if table == "" {
		return args[0], args[1:], nil
	}
	return table, args, nil
}
