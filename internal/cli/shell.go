package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/pegasus-go/pegasus/internal/cli/ui"
	"github.com/spf13/cobra"
)

// session is what the commands of a shell share: what its own flags say, and the table in
// use. A command's flags count more.
type session struct {
	program       *Kerberos
	meta, cluster setting
	kerberos      setting
	table         setting
	timeout       time.Duration // 0: none was given
	await         bool
	format        output.Format
	left          bool // somebody has typed exit

	tables   []string // those that completion has seen last
	tablesOf string   // the meta servers that they are of
	tablesAt time.Time
}

// tableInUse returns the table of the session, if there is one.
func (s *session) tableInUse() []setting {
	if s == nil {
		return nil
	}
	return []setting{s.table}
}

func newShellCommand(a *app) *cobra.Command {
	var commands []string
	var noHistory bool
	cmd := &cobra.Command{
		Use:   "shell",
		Short: "Type commands one after the other",
		Long: `Type commands one after the other: the same as on the command line, with or without
the word pegasus. use TABLE makes a table the one that is meant, exit or Ctrl-D leaves, Ctrl-C
stops a command, Tab completes commands, flags and tables.

Words are separated by spaces, and kept together by '...' or "...". A backslash stands
for what it stands for in keys and values, in quotes and outside. # begins a comment. The
lines of a paste are run when Enter is pressed.

At a terminal, output that is longer than the screen stops there until a key is pressed.

The flags of the shell are those of its commands, unless these have others. Lines come
from -c, or from standard input where that is no terminal, or one that cannot move its
cursor: then the first command that
fails ends the shell, with its status.

Lines are kept in $XDG_STATE_HOME/pegasus/history or ~/.local/state/pegasus/history,
which only its owner can read: the last 1000, without those that begin with a space or
have more than 1024 bytes. --no-history neither reads nor writes it.`,
		Example: `  pegasus shell --cluster dev
  pegasus shell -c 'use users' -c 'get u1 name'
  pegasus shell < commands.txt`,
		Args:        cobra.NoArgs,
		Annotations: map[string]string{needsCluster: "yes"},
		RunE: func(cmd *cobra.Command, _ []string) error {
			s := a.newSession(cmd)
			switch {
			case cmd.Flags().Changed("command"):
				return a.runLines(cmd.Context(), s, strings.NewReader(strings.Join(commands, "\n")), "line of -c", a.streams)
			case a.streams.InTerminal && a.streams.OutTerminal && a.streams.Moves():
				return a.interact(cmd.Context(), s, noHistory)
			case a.streams.In == nil:
				return nil
			}
			inner := a.streams
			inner.In, inner.InTerminal = taken{}, false
			return a.runLines(cmd.Context(), s, a.streams.Input(cmd.Context()), "line", inner)
		},
	}
	cmd.Flags().StringArrayVarP(&commands, "command", "c", nil, "`line` to run; can be repeated")
	cmd.Flags().BoolVar(&noHistory, "no-history", false, "keep no history")
	return cmd
}

// newSession has what the shell's own flags say. The environment and the file are looked at
// by each command.
func (a *app) newSession(cmd *cobra.Command) *session {
	s := &session{format: a.format, await: a.await}
	s.meta, s.cluster, s.table = setting{a.meta, "--meta of the shell"}, setting{a.clusterFlag, "--cluster of the shell"}, setting{a.table, "--table of the shell"}
	s.program, s.kerberos = a.kerberos, setting{a.kerberosFlag, "--kerberos of the shell"}
	if cmd.Flags().Changed("timeout") {
		s.timeout = a.timeout
	}
	return s
}

// inSession returns an app for one command of a shell.
func inSession(s *session, streams ui.Streams) *app {
	return &app{streams: streams, kerberos: s.program, format: s.format, session: s}
}

// taken is the standard input of commands whose lines came from there.
type taken struct{}

func (taken) Read([]byte) (int, error) {
	return 0, errors.New("standard input has the commands of the shell")
}

// maxLine is the longest line that is read, which has room for a value.
const maxLine = 16 << 20

// runLines runs lines until one fails, whose status is that of the shell.
func (a *app) runLines(ctx context.Context, s *session, from io.Reader, source string, streams ui.Streams) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLine)
	n := 0
	for !s.left && lines.Scan() {
		n++
		if code := runLine(ctx, s, lines.Text(), streams); code != exit.OK {
			fmt.Fprintf(streams.Err, "pegasus: %s %d has failed; what is behind it was not run\n", source, n)
			return &exit.Error{Code: code}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("shell: %s %d: %w", source, n+1, err)
	}
	return nil
}

// runLine runs one line, and says what went wrong.
func runLine(ctx context.Context, s *session, line string, streams ui.Streams) exit.Code {
	words, err := splitWords(line)
	if err != nil {
		fmt.Fprintln(streams.Err, "pegasus:", err)
		return exit.Usage
	}
	if words = withoutName(words); len(words) == 0 {
		return exit.OK
	}
	return exit.Code(inSession(s, streams).execute(ctx, words))
}

// withoutName leaves out the name of the program, with which command lines begin that messages
// tell, and those that are pasted.
func withoutName(words []string) []string {
	if len(words) > 0 && words[0] == "pegasus" {
		return words[1:]
	}
	return words
}

// shellCommands are those that are there in a shell only.
func (a *app) shellCommands() []*cobra.Command {
	leave := &cobra.Command{
		Use: "exit", Aliases: []string{"quit"}, Short: "Leave the shell", Example: "  exit", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			a.session.left = true
			return nil
		},
	}
	use := &cobra.Command{
		Use: "use [TABLE]", Short: "Make a table the one that is meant, or with no name none", Example: "  use users", Args: cobra.MaximumNArgs(1),
		Annotations: map[string]string{needsCluster: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, flag := range []string{"table", "meta", "cluster", "kerberos"} {
				if cmd.Flags().Changed(flag) {
					return exit.Errorf(exit.Usage, "--%s: use has its argument, for the cluster of the shell", flag)
				}
			}
			if len(args) == 0 {
				a.session.table = setting{}
				return nil
			}
			return a.withAdmin(cmd.Context(), func(ctx context.Context, c *admin.Client) error {
				if _, err := c.Table(ctx, args[0]); err != nil {
					return err
				}
				a.session.table = setting{args[0], "use"}
				return nil
			})
		},
	}
	return []*cobra.Command{leave, use}
}

// prompt says where the commands go: the cluster, ! if it is marked as dangerous, and the
// table in use.
func (s *session) prompt(streams ui.Streams) string {
	a := inSession(s, streams)
	cmd := newRoot(a)
	if err := a.resolve(cmd); err != nil {
		return "? > "
	}
	text := cmp.Or(a.conn.name, a.metaServers()[0])
	if a.conn.rules.danger != "" {
		text += "!"
	}
	if t := a.tableName(); t != "" {
		text += " " + t
	}
	return text + "> "
}
