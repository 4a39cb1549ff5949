package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/coding"
	"github.com/pegasus-go/pegasus/internal/cli/config"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/spf13/cobra"
)

func newCompletionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print the script by which a shell completes commands, flags and tables",
		Long: `Print the script by which a shell completes commands, flags and tables. Names of
tables are asked for at the cluster, and left out if they are not there at once.`,
		Example: `  source <(pegasus completion bash)    # needs the package bash-completion
  pegasus completion zsh > "${fpath[1]}/_pegasus"
  pegasus completion fish > ~/.config/fish/completions/pegasus.fish`,
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(cmd *cobra.Command, args []string) error {
			shell := strings.Join(args, " ")
			w := data{cmd.OutOrStdout()}
			switch shell {
			case "bash":
				return cmd.Root().GenBashCompletionV2(w, true)
			case "zsh":
				return cmd.Root().GenZshCompletion(w)
			case "fish":
				return cmd.Root().GenFishCompletion(w, true)
			}
			return exit.Errorf(exit.Usage, "%q is none of the shells bash, zsh and fish", shell)
		},
	}
}

// completionTime is how long somebody who has pressed a key waits for names of tables,
// at most: with the start of the process a tenth of a second. Tests have more time.
var completionTime = 70 * time.Millisecond

// complete says how the arguments and flags of all commands are completed.
func (a *app) complete(root *cobra.Command) {
	tables := func(cmd *cobra.Command, typed string) ([]string, cobra.ShellCompDirective) {
		return a.tableNames(cmd, typed), cobra.ShellCompDirectiveNoFileComp
	}
	flags := map[string]cobra.CompletionFunc{
		"table": func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
			return tables(cmd, typed)
		},
		"cluster": func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			file, _ := config.Load(a.streams.Getenv) // no file, no names
			return file.Names(), cobra.ShellCompDirectiveNoFileComp
		},
		"output": cobra.FixedCompletions([]string{string(output.Table), string(output.JSON), string(output.JSONL), string(output.CSV), string(output.Raw)}, cobra.ShellCompDirectiveNoFileComp),
	}
	for name, f := range flags {
		_ = root.RegisterFlagCompletionFunc(name, f) // fails for a flag that there is not
	}
	for _, cmd := range allCommands(root) {
		if cmd.Flags().Lookup("encoding") != nil {
			_ = cmd.RegisterFlagCompletionFunc("encoding", completeEncoding)
		}
		if !strings.Contains(cmd.Use, "[TABLE]") {
			continue
		}
		cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			named := cmd.Name() != "use" && a.resolve(cmd) == nil && a.tableName() != ""
			if len(args) > 0 || named {
				return nil, cobra.ShellCompDirectiveNoFileComp // keys are for those who know them
			}
			return tables(cmd, typed)
		}
	}
}

// allCommands returns a command and all that are below it.
func allCommands(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, c := range cmd.Commands() {
		all = append(all, allCommands(c)...)
	}
	return all
}

// tableNames returns the tables of the cluster whose names begin with what was typed,
// none if it does not answer at once.
func (a *app) tableNames(cmd *cobra.Command, typed string) []string {
	if a.resolve(cmd) != nil {
		return nil
	}
	if known, ok := a.session.seenTables(a.conn.meta.value); ok {
		return withPrefix(known, typed)
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	var names []string
	if err := a.withAdmin(ctx, func(ctx context.Context, c *admin.Client) error {
		tables, err := c.Tables(ctx, admin.TableAvailable)
		for _, t := range tables {
			names = append(names, t.Name)
		}
		return err
	}); err == nil {
		a.session.sawTables(a.conn.meta.value, names)
	}
	return withPrefix(names, typed)
}

func withPrefix(names []string, prefix string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !strings.HasPrefix(name, prefix) })
}

// completeEncoding completes the last of "hash=int64,value=".
func completeEncoding(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	done, last := "", typed
	if i := strings.LastIndexByte(typed, ','); i >= 0 {
		done, last = typed[:i+1], typed[i+1:]
	}
	var texts []string
	if part, _, ok := strings.Cut(last, "="); ok {
		for _, c := range coding.All {
			texts = append(texts, done+part+"="+c.Name)
		}
		return texts, cobra.ShellCompDirectiveNoFileComp
	}
	for _, part := range []string{"hash", "sort", "value"} {
		texts = append(texts, done+part+"=")
	}
	return texts, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
