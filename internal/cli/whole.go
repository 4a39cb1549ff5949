package cli

import (
	"context"
	"errors"
	"io"
	"syscall"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/coding"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/spf13/cobra"
)

// encodingFlag adds --encoding to a command.
func encodingFlag(cmd *cobra.Command, codings *coding.Row) {
	cmd.Flags().Var(codings, "encoding", "how keys and values are written, `codings` such as\nhash=int64,value=hex: see pegasus help encoding\n(default esc for all)")
	cmd.Flags().Lookup("encoding").DefValue = "" // said above
}

// withWholeTable runs f with the table open. --timeout is for opening it, and for each
// request; f may take as long as it does.
func (a *app) withWholeTable(ctx context.Context, name string, f func(context.Context, *pegasus.Table) error) error {
	cluster, err := a.here().open(a.timeout)
	if err != nil {
		return err
	}
	defer cluster.Close()
	opening, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	var t *pegasus.Table
	err = a.reach(opening, a.metaServers(), func(ctx context.Context) (err error) {
		t, err = cluster.Open(ctx, name)
		return err
	})
	if err != nil {
		return err
	}
	return f(ctx, t)
}

// hashKeyOrTable returns the table and the hash key of a command that is about a whole
// table if there is no hash key, and refuses flags that are for the other case.
func (a *app) hashKeyOrTable(cmd *cobra.Command, args []string, c coding.Row) (table string, hash []byte, whole bool, err error) {
	given := len(args)
	if a.tableName() == "" {
		given--
	}
	whole = given <= 0
	var names []string
	if !whole {
		names = []string{"[HASHKEY]"}
	}
	table, rest, err := a.arguments(cmd, args, names...)
	if err != nil {
		return "", nil, whole, err
	}
	others, text := []string{flagHash}, "--%s is for a whole table, and there is a hash key"
	if whole {
		others, text = []string{flagFrom, flagTo, flagPrefix, "reverse"}, "--%s is for the rows of a hash key, and there is none"
	}
	for _, flag := range others {
		if cmd.Flags().Changed(flag) {
			return "", nil, whole, exit.Errorf(exit.Usage, text, flag)
		}
	}
	if whole {
		return table, nil, true, nil
	}
	if hash, err = c.Hash.Parse(rest[0]); err == nil && len(hash) == 0 {
		err = errEmpty
	}
	if err != nil {
		return "", nil, false, exit.Errorf(exit.Usage, "HASHKEY: %w", err)
	}
	return table, hash, false, nil
}

// errEmpty is the error of a hash key without a byte.
var errEmpty = errors.New("must not be empty")

// errNoReader is the error of output that nobody reads any more, as of a pager that was
// closed.
var errNoReader = errors.New("nobody reads the output any more")

// data is standard output for what was asked for.
type data struct{ w io.Writer }

func (d data) Write(b []byte) (int, error) {
	n, err := d.w.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		err = errNoReader
	}
	return n, err
}
