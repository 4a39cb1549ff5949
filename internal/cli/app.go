package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/pegasus-go/pegasus/internal/cli/ui"
	"github.com/spf13/cobra"
)

// localOnebox is where a onebox of this machine is, unless it was told otherwise.
const localOnebox = "127.0.0.1:34601"

// app is what the commands that work with a cluster share.
type app struct {
	streams ui.Streams
	meta    string
	table   string
	timeout time.Duration
	format  output.Format
}

// needsCluster marks the commands that the flags of app are for.
const needsCluster = "cluster"

func (a *app) addFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&a.meta, "meta", "", "meta servers, `host:port,...` (default $PEGASUS_META, or else "+localOnebox+")")
	f.StringVar(&a.table, "table", "", "`name` of the table, which is then not among the arguments (default $PEGASUS_TABLE)")
	f.DurationVar(&a.timeout, "timeout", 10*time.Second, "`time` that a command may take, such as 500ms")
	f.VarP(&a.format, "output", "o", "form of the `output`: table, json, jsonl, csv or raw")
}

// checkFlags refuses what a command would take without effect.
func (a *app) checkFlags(cmd *cobra.Command) error {
	if cmd.Annotations[needsCluster] == "" {
		for _, name := range []string{"meta", "table", "timeout", "output"} {
			if f := cmd.InheritedFlags().Lookup(name); f != nil && f.Changed {
				return &usageError{fmt.Sprintf("--%s: %s works with no cluster", name, cmd.CommandPath())}
			}
		}
		return nil
	}
	if a.timeout <= 0 {
		return &usageError{fmt.Sprintf("--timeout: %s is no time", a.timeout)}
	}
	return notEmpty(cmd, "meta", "table")
}

// metaServers returns the addresses of --meta or what stands in for it.
func (a *app) metaServers() []string {
	return strings.Split(cmp.Or(a.meta, a.streams.Getenv("PEGASUS_META"), localOnebox), ",")
}

// whereFrom says where the addresses came from that did not answer.
func (a *app) whereFrom() string {
	source := "the default, a onebox on this machine: start one with 'pegasus onebox', or name a cluster with --meta or PEGASUS_META"
	switch {
	case a.meta != "":
		source = "from --meta"
	case a.streams.Getenv("PEGASUS_META") != "":
		source = "from PEGASUS_META"
	}
	return fmt.Sprintf("Meta servers tried: %s (%s).", strings.Join(a.metaServers(), " "), source)
}

func (a *app) printer() output.Printer {
	return output.Printer{Out: data{a.streams.Out}, Format: a.format, Terminal: a.streams.OutTerminal}
}

// withTable runs f with the table open, for as long as --timeout allows.
func (a *app) withTable(ctx context.Context, name string, f func(context.Context, *pegasus.Table) error) error {
	cluster, err := pegasus.New(pegasus.Config{MetaServers: a.metaServers()})
	if err != nil {
		return err
	}
	defer cluster.Close()
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	t, err := cluster.Open(ctx, name)
	if err != nil {
		return err
	}
	return f(ctx, t)
}

// withAdmin runs f with a client of the cluster's administration.
func (a *app) withAdmin(ctx context.Context, f func(context.Context, *admin.Client) error) error {
	c, err := admin.New(admin.Config{MetaServers: a.metaServers()})
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	return f(ctx, c)
}

// tableName returns the table of --table or what stands in for it, "" if there is none.
func (a *app) tableName() string {
	return cmp.Or(a.table, a.streams.Getenv("PEGASUS_TABLE"))
}

// arguments returns the name of the table and the arguments behind it. The table
// is the first argument, unless --table or PEGASUS_TABLE names it.
func (a *app) arguments(cmd *cobra.Command, args []string, names ...string) (table string, rest []string, err error) {
	table, source := a.table, "--table"
	if table == "" {
		table, source = a.streams.Getenv("PEGASUS_TABLE"), "PEGASUS_TABLE"
	}
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
