package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/config"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/spf13/cobra"
)

// setting is a value and where it comes from, as errors and cluster show tell it.
type setting struct{ value, source string }

// connection is which cluster a command is about, and how: a flag counts more than a
// variable of the environment, and that more than the file of clusters.
type connection struct {
	name    string // of the cluster in the file, "" for one that it does not name
	cluster config.Cluster
	meta    setting
	rules   rules
	table   setting // value "" if there is none
	// How it is secured, nil if it is not, and what says so.
	secured  *config.Kerberos
	kerberos setting
	timeout  setting
}

const fromDefault = "default"

// resolve finds out what the flags, the environment and the file say together.
func (a *app) resolve(cmd *cobra.Command) error {
	meta, named, err := a.target()
	if err != nil {
		return err
	}
	c := connection{meta: meta}
	if meta.value == "" {
		if err := c.find(named, a.streams.Getenv); err != nil {
			return exit.Errorf(exit.Usage, "%w", err)
		}
	}
	c.rules = rulesOf(c.name, c.cluster, c.meta, a.streams.Getenv)
	if err := a.findKerberos(&c); err != nil {
		return err
	}
	c.table = first(append([]setting{{a.table, "--table"}}, append(a.session.tableInUse(), setting{a.streams.Getenv("PEGASUS_TABLE"), "PEGASUS_TABLE"}, setting{c.cluster.Table, c.meta.source})...)...)
	switch {
	case cmd.Flags().Changed("timeout"):
		c.timeout.source = "--timeout"
	case a.session != nil && a.session.timeout > 0:
		a.timeout, c.timeout.source = a.session.timeout, "--timeout of the shell"
	case c.cluster.Timeout > 0:
		a.timeout, c.timeout.source = c.cluster.Timeout, c.meta.source
	default:
		c.timeout.source = fromDefault
	}
	c.timeout.value = a.timeout.String()
	a.conn = c
	return nil
}

// target returns the addresses, or the name of the cluster, that is meant, from wherever
// counts most.
func (a *app) target() (meta, cluster setting, err error) {
	levels := [][2]setting{{{a.meta, "--meta"}, {a.clusterFlag, "--cluster"}}}
	if a.session != nil {
		levels = append(levels, [2]setting{a.session.meta, a.session.cluster})
	}
	levels = append(levels, [2]setting{{a.streams.Getenv("PEGASUS_META"), "PEGASUS_META"}, {a.streams.Getenv("PEGASUS_CLUSTER"), "PEGASUS_CLUSTER"}})
	for _, l := range levels {
		meta, cluster = l[0], l[1]
		switch {
		case meta.value != "" && cluster.value != "":
			return meta, cluster, &usageError{fmt.Sprintf("%s and %s both say which cluster is meant: leave one out", cluster.source, meta.source)}
		case meta.value != "" || cluster.value != "":
			return meta, cluster, nil
		}
	}
	return setting{}, setting{}, nil
}

// find looks a cluster up in the file, that of the default if none is named.
func (c *connection) find(named setting, getenv func(string) string) error {
	file, err := config.Load(getenv)
	if err != nil {
		return err
	}
	if named.value == "" {
		named = setting{file.Default, "the default of " + file.Path}
	}
	if named.value == "" {
		c.meta = setting{localOnebox, fromDefault}
		return nil
	}
	c.name = named.value
	if c.cluster, err = file.Find(c.name); err != nil {
		return fmt.Errorf("%s: %w", named.source, err)
	}
	c.meta = setting{strings.Join(c.cluster.Meta, ","), fmt.Sprintf("cluster %s, %s", c.name, named.source)}
	return nil
}

// first returns the first setting that has a value.
func first(settings ...setting) setting {
	for _, s := range settings {
		if s.value != "" {
			return s
		}
	}
	return setting{}
}

// guard holds a command to what the file says of the cluster.
func (a *app) guard(cmd *cobra.Command) error {
	c := a.conn
	if name := cmp.Or(c.name, c.rules.danger); a.confirm != "" && a.confirm != name {
		return exit.Errorf(exit.Refused, "--confirm: %q is not the cluster, which is %q, from %s", a.confirm, name, c.meta.source)
	}
	a.streams.Confirmed = a.confirm != ""
	a.streams.Danger = c.rules.danger
	if doesChange(cmd) {
		return a.mayChange(cmd.Context(), cmd.CommandPath())
	}
	return nil
}

// mayChange tells whether the file lets a command change something.
func (a *app) mayChange(ctx context.Context, command string) error {
	c := a.conn
	if err := c.rules.allow(command); err != nil {
		return err
	}
	if c.cluster.ClusterName != "" {
		return a.checkClusterName(ctx)
	}
	return nil
}

// checkClusterName asks the servers whether they are the cluster that the file means.
func (a *app) checkClusterName(ctx context.Context) error {
	want := a.conn.cluster.ClusterName
	return a.withAdmin(ctx, func(ctx context.Context, c *admin.Client) error {
		info, err := c.ClusterInfo(ctx)
		switch got := info["cluster_name"]; {
		case err != nil:
			return &exit.Error{Code: exit.Of(err), Err: err}
		case got == "":
			return exit.Errorf(exit.Refused, "cluster %s: its servers do not tell their cluster_name, which should be %q", a.conn.name, want)
		case got != want:
			return exit.Errorf(exit.Refused, "cluster %s: its servers are those of %q, not of %q", a.conn.name, got, want)
		}
		return nil
	})
}

// changing marks the commands that change something in a cluster: all ways to use them, or
// those with a flag.
const changing = "changing"

const always = "always"

// changes marks a command so.
func changes(cmd *cobra.Command) *cobra.Command { return changesWith(cmd, always) }

// changesWith marks one that changes something with a flag only.
func changesWith(cmd *cobra.Command, flag string) *cobra.Command {
	cmd.Annotations[changing] = flag
	return cmd
}

// doesChange tells whether a command changes something, with the flags that it was given.
func doesChange(cmd *cobra.Command) bool {
	given := func(flag string) bool {
		f := cmd.Flags().Lookup(flag)
		return f != nil && f.Value.String() == "true"
	}
	switch how := cmd.Annotations[changing]; how {
	case "":
		return false
	case always:
		return !given("status") && !given("dry-run")
	default:
		return given(how)
	}
}

// whereFrom says where the addresses came from that did not answer, and what to do.
func (a *app) whereFrom(err error) string {
	var other *otherCluster
	if errors.As(err, &other) {
		return fmt.Sprintf("Meta servers tried: %s (from %s).", strings.Join(other.at.metas, " "), other.at.from)
	}
	source := "from " + a.conn.meta.source
	if a.conn.meta.source == fromDefault {
		source = "the default, a onebox on this machine: start one with 'pegasus onebox', or name a cluster with --cluster, --meta or PEGASUS_META"
	}
	return fmt.Sprintf("Meta servers tried: %s (%s).", strings.Join(a.metaServers(), " "), source)
}

// metaServers returns the addresses of the cluster.
func (a *app) metaServers() []string { return strings.Split(a.conn.meta.value, ",") }

// tableName returns the table that stands for the first argument, "" if there is none.
func (a *app) tableName() string { return a.conn.table.value }

const defaultTimeout = 10 * time.Second
