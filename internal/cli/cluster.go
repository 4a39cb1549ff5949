package cli

import (
	"strings"

	"github.com/pegasus-go/pegasus/internal/cli/config"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/spf13/cobra"
)

func newClusterCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "cluster", Short: "List the clusters that have a name, and show which one is meant"}
	cmd.AddCommand(newClusterListCommand(a), newClusterShowCommand(a))
	return cmd
}

func newClusterListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:         "list",
		Short:       "List the clusters of the file, see pegasus help config",
		Example:     "  pegasus cluster list",
		Args:        cobra.NoArgs,
		Annotations: map[string]string{prints: "yes"},
		RunE: func(*cobra.Command, []string) error {
			file, err := config.Load(a.streams.Getenv)
			if err != nil {
				return exit.Errorf(exit.Usage, "%w", err)
			}
			var rows [][]any
			for _, name := range file.Names() {
				c := file.Cluster[name]
				rows = append(rows, []any{name, strings.Join(c.Meta, ","), c.ReadOnly, c.Danger, name == file.Default})
			}
			return a.printer().List([]string{"name", "meta", "read_only", "danger", "default"}, rows)
		},
	}
}

func newClusterShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Print which cluster a command would work with, and what says so",
		Long: `Print which cluster a command with the same flags would work with, and where each value
comes from. Nothing is sent.`,
		Example:     "  pegasus cluster show\n  pegasus cluster show --cluster prod -o json",
		Args:        cobra.NoArgs,
		Annotations: map[string]string{needsCluster: "yes"},
		RunE: func(*cobra.Command, []string) error {
			c := a.conn
			ofFile := func(set bool) any {
				if c.name == "" || !set {
					return nil
				}
				return c.meta.source
			}
			marked := func(by string) any {
				if by == "" || c.name != "" {
					return ofFile(by != "")
				}
				return c.rules.source(by)
			}
			return a.printer().List([]string{"setting", "value", "source"}, [][]any{
				{"cluster", given(c.name), ofFile(true)},
				{"meta", c.meta.value, c.meta.source},
				{"kerberos", given(c.kerberos.value), given(c.kerberos.source)},
				{"table", given(c.table.value), given(c.tableSource())},
				{"timeout", c.timeout.value, c.timeout.source},
				{"cluster_name", given(c.cluster.ClusterName), ofFile(c.cluster.ClusterName != "")},
				{"read_only", c.rules.readOnly != "", marked(c.rules.readOnly)},
				{"danger", c.rules.danger != "", marked(c.rules.danger)},
			})
		},
	}
}

func (c connection) tableSource() string {
	if c.table.value == "" {
		return ""
	}
	return c.table.source
}
