package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/esc"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/spf13/cobra"
)

func newTableEnvCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Show and change the environment of a table",
		Long: `Show and change the environment of a table: variables such as default_ttl that
say how its servers treat it. The servers of a cluster learn of a change within
30 s.`,
	}
	cmd.AddCommand(newEnvListCommand(a), newEnvGetCommand(a), newEnvSetCommand(a), newEnvUnsetCommand(a), newEnvClearCommand(a))
	return cmd
}

func newEnvListCommand(a *app) *cobra.Command {
	return a.tableCommand("list", "List the variables", "  pegasus table env list users -o json", nil,
		func(ctx context.Context, c *admin.Client, table string, _ []string) error {
			envs, err := c.GetEnvs(ctx, table)
			if err != nil {
				return err
			}
			rows := [][]any{}
			for _, name := range slices.Sorted(maps.Keys(envs)) {
				rows = append(rows, []any{name, envs[name]})
			}
			return a.printer().List([]string{"name", "value"}, rows)
		})
}

func newEnvGetCommand(a *app) *cobra.Command {
	return a.tableCommand("get", "Print a variable; if it is not set the status is 3",
		"  pegasus table env get users default_ttl -o raw", []string{"NAME"},
		func(ctx context.Context, c *admin.Client, table string, args []string) error {
			envs, err := c.GetEnvs(ctx, table)
			if err != nil {
				return err
			}
			value, ok := envs[args[0]]
			if !ok {
				return exit.Errorf(exit.Absent, "%s is not set for the table %s", args[0], table)
			}
			shown := output.Escaped(esc.Text(value))
			return a.printer().One(string(shown), []byte(value), output.Field{Name: "name", Value: args[0]}, output.Field{Name: "value", Value: value})
		})
}

// envCommand returns a command that takes a table and one or more of what is called word.
func (a *app) envCommand(use, short, example, word string, run func(context.Context, *admin.Client, string, []string) error) *cobra.Command {
	return silent(changes(&cobra.Command{
		Use:         use + " [TABLE] " + word + "...",
		Short:       short,
		Example:     example,
		Annotations: map[string]string{needsCluster: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			n := len(args)
			if a.tableName() == "" {
				n--
			}
			table, rest, err := a.arguments(cmd, args, slices.Repeat([]string{word}, max(1, n))...)
			if err != nil {
				return err
			}
			return a.withAdmin(cmd.Context(), func(ctx context.Context, c *admin.Client) error { return run(ctx, c, table, rest) })
		},
	}))
}

func newEnvSetCommand(a *app) *cobra.Command {
	return a.envCommand("set", "Set variables: all of them, or none if one is refused",
		"  pegasus table env set users default_ttl=86400\n  pegasus table env set users 'replica.write_throttling=2K*delay*100'", "NAME=VALUE",
		func(ctx context.Context, c *admin.Client, table string, args []string) error {
			envs := make(map[string]string)
			for _, arg := range args {
				name, value, ok := strings.Cut(arg, "=")
				if _, again := envs[name]; !ok || name == "" || again {
					return exit.Errorf(exit.Usage, "NAME=VALUE: %q is not that, or is given twice", arg)
				}
				envs[name] = value
			}
			before, err := c.GetEnvs(ctx, table)
			if err != nil {
				return err
			}
			if err := c.SetEnvs(ctx, table, envs); err != nil {
				return err
			}
			a.undoEnvs(table, before, slices.Sorted(maps.Keys(envs)))
			return nil
		})
}

func newEnvUnsetCommand(a *app) *cobra.Command {
	return a.envCommand("unset", "Remove variables; those that are not set are passed over",
		"  pegasus table env unset users default_ttl", "NAME",
		func(ctx context.Context, c *admin.Client, table string, args []string) error {
			before, err := c.GetEnvs(ctx, table)
			if err != nil {
				return err
			}
			if err := c.DelEnvs(ctx, table, args...); err != nil {
				return err
			}
			a.undoEnvs(table, before, slices.DeleteFunc(args, func(name string) bool { _, ok := before[name]; return !ok }))
			return nil
		})
}

func newEnvClearCommand(a *app) *cobra.Command {
	var yes bool
	var prefix string
	cmd := a.tableCommand("clear", "Remove all variables", "  pegasus table env clear users --yes\n  pegasus table env clear users --prefix manual_compact", nil,
		func(ctx context.Context, c *admin.Client, table string, _ []string) error {
			before, err := c.GetEnvs(ctx, table)
			if err != nil {
				return err
			}
			var names []string
			for _, name := range slices.Sorted(maps.Keys(before)) {
				if prefix == "" || strings.HasPrefix(name, prefix+".") {
					names = append(names, name)
				}
			}
			if len(names) == 0 {
				return nil
			}
			if err := a.streams.Confirm(ctx, fmt.Sprintf("remove %d variable%s of the table %s: %s", len(names), plural(len(names)), table, strings.Join(names, " ")), yes); err != nil {
				return err
			}
			if err := c.ClearEnvs(ctx, table, prefix); err != nil {
				return err
			}
			a.undoEnvs(table, before, names)
			return nil
		})
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().StringVar(&prefix, "prefix", "", "only those whose names begin with this `text` and a dot")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return notEmpty(cmd, "prefix") }
	return silent(changes(cmd))
}

// undoEnvs tells how variables that were changed get the values back that they had.
func (a *app) undoEnvs(table string, before map[string]string, names []string) {
	var set, unset []string
	for _, name := range names {
		if value, ok := before[name]; ok {
			set = append(set, quote(name+"="+value))
		} else {
			unset = append(unset, quote(name))
		}
	}
	if len(set) > 0 {
		a.undo("pegasus table env set %s %s", quote(table), strings.Join(set, " "))
	}
	if len(unset) > 0 {
		a.undo("pegasus table env unset %s %s", quote(table), strings.Join(unset, " "))
	}
}
