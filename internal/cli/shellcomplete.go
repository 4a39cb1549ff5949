package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/internal/cli/esc"
	"github.com/pegasus-go/pegasus/internal/cli/ui"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// candidate is a word that may be meant.
type candidate struct{ value, description string }

// complete returns what the last word of a line may become. The only one there is has a
// space behind it, unless more is to follow.
func (s *session) complete(ctx context.Context, line string, streams ui.Streams) []candidate {
	words, err := splitWords(line)
	if err != nil {
		return nil // in quotes
	}
	if line == "" || strings.HasSuffix(line, " ") {
		words = append(words, "")
	}
	if len(words) > 1 {
		words = withoutName(words)
	}
	before, last := words[:len(words)-1], words[len(words)-1]
	var out bytes.Buffer
	a := inSession(s, ui.Streams{Out: &out, Err: io.Discard, Env: streams.Env})
	if !completable(newRoot(a), before, last) {
		return nil
	}
	a.execute(ctx, append([]string{cobra.ShellCompRequestCmd}, words...))
	list, directive, _ := strings.Cut("\n"+out.String(), "\n:")
	var all []candidate
	for line := range strings.SplitSeq(list, "\n") {
		if value, description, _ := strings.Cut(line, "\t"); value != "" && strings.HasPrefix(value, last) {
			all = append(all, candidate{quoteWord(esc.Text(value)), esc.Text(description)})
		}
	}
	d, _ := strconv.Atoi(strings.TrimSpace(directive)) // always a number
	if len(all) == 1 && cobra.ShellCompDirective(d)&cobra.ShellCompDirectiveNoSpace == 0 {
		all[0].value += " "
	}
	return all
}

// completable reports whether words make sense as the beginning of a command. If they do
// not, cobra says so on the terminal, in the middle of the line.
func completable(root *cobra.Command, words []string, last string) bool {
	cmd, rest, err := root.Find(words)
	if err != nil {
		return false
	}
	if name, _, value := strings.Cut(last, "="); value && strings.HasPrefix(name, "-") && cmd.Flag(strings.TrimLeft(name, "-")) == nil {
		return false
	}
	var missing *pflag.ValueRequiredError // which is what is being typed
	err = cmd.ParseFlags(rest)
	return err == nil || errors.As(err, &missing)
}

// tablesLast is how long the names of tables that were seen are good for completion.
const tablesLast = 10 * time.Second

// seenTables returns the tables of a cluster, if they were seen a moment ago.
func (s *session) seenTables(meta string) ([]string, bool) {
	if s == nil || s.tablesOf != meta || time.Since(s.tablesAt) > tablesLast {
		return nil, false
	}
	return s.tables, true
}

func (s *session) sawTables(meta string, tables []string) {
	if s != nil {
		s.tables, s.tablesOf, s.tablesAt = tables, meta, time.Now()
	}
}
