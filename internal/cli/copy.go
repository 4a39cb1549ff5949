package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/load"
	"github.com/pegasus-go/pegasus/internal/cli/progress"
	"github.com/pegasus-go/pegasus/internal/cli/resume"
	"github.com/spf13/cobra"
)

// copying is what the flags of the command say.
type copying struct {
	tableFilter
	talk
	keep
	paces
	load.Options
	dryRun   bool
	onlyKeys string
}

func newCopyCommand(a *app) *cobra.Command {
	var c copying
	cmd := &cobra.Command{
		Use:   "copy [TABLE] TO",
		Short: "Write the rows of a table into another one",
		Long: `Write the rows of a table into another one, which has to be there. TO is a table, or
CLUSTER:TABLE of another cluster, by its name in the file of clusters (see pegasus help
config) or by its meta servers, host:port,...; so may the first one be.

Rows that are there are replaced, unless there is --no-overwrite, and others stay. Rows
expire when they did. It is no snapshot: what is written meanwhile may be copied or not.
Interrupted or killed, it goes on with --resume behind the rows that are acknowledged for
sure, if there is a --state; some may be written twice, which changes nothing. --timeout
is for each request. Rows with an empty hash key, which clients in other languages can
write, are left out: then it says how many, and the status is 6.

With --only-keys the rows are those whose keys a file lists, as diff -o jsonl prints them:
so differences are mended.`,
		Example: `  pegasus copy users users2
  pegasus copy users prod:users --state users.state
  pegasus copy users 10.0.0.1:34601,10.0.0.2:34601:users --state users.state --resume
  pegasus diff users users2 --limit 0 -o jsonl | pegasus copy users users2 --only-keys -
  pegasus copy users test --filter-hash prefix:test- --no-overwrite --rate 20k`,
		Annotations: map[string]string{needsCluster: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.check(cmd); err != nil {
				return err
			}
			from, to, err := a.openPair(cmd, args, !c.dryRun)
			if err != nil {
				return err
			}
			defer from.close()
			defer to.close()
			return c.run(cmd, a, from, to)
		},
	}
	c.tableFilter.addFlags(cmd)
	c.keep.addFlags(cmd, "none")
	writeFlags(cmd, &c.Options, &c.paces)
	cmd.Flags().BoolVar(&c.dryRun, "dry-run", false, "only count the rows that would be copied")
	cmd.Flags().StringVar(&c.onlyKeys, "only-keys", "", "`file` with the keys of the rows, in lines of JSON; - is standard input")
	c.talk.addFlags(cmd)
	return cmd
}

func (c *copying) check(cmd *cobra.Command) error {
	if err := notEmpty(cmd, "only-keys"); err != nil {
		return err
	}
	if err := exclude(cmd, "only-keys", flagHash, flagSort, flagValue, "dry-run", "state", "resume", "restart", "checkpoint"); err != nil {
		return err
	}
	if err := exclude(cmd, "dry-run", "no-overwrite", "verify", flagRate, flagBytesRate, "state", "resume", "restart", "checkpoint"); err != nil {
		return err
	}
	if err := exclude(cmd, "no-overwrite", "verify"); err != nil {
		return err
	}
	return c.keep.check("")
}

// openPair opens the two tables of a command, which may write to the second one.
func (a *app) openPair(cmd *cobra.Command, args []string, writes bool) (from, to *place, err error) {
	first, rest, err := a.arguments(cmd, args, "TO")
	if err != nil {
		return nil, nil, err
	}
	source, err := a.parsePlace("TABLE", first)
	if err != nil {
		return nil, nil, err
	}
	target, err := a.parsePlace("TO", rest[0])
	if err != nil {
		return nil, nil, err
	}
	if slices.Equal(source.metas, target.metas) && source.table == target.table {
		return nil, nil, exit.Errorf(exit.Usage, "TO: it is the same table")
	}
	if from, err = a.openPlace(cmd.Context(), source); err != nil {
		return nil, nil, err
	}
	if to, err = a.openPlace(cmd.Context(), target); err == nil && writes {
		if err = target.mayWrite(to); err != nil {
			to.close()
		}
	}
	if err == nil && from.is(to) {
		to.close()
		err = exit.Errorf(exit.Usage, "TO: it is the same table")
	}
	if err != nil {
		from.close()
		return nil, nil, err
	}
	return from, to, nil
}

func (c *copying) run(cmd *cobra.Command, a *app, from, to *place) error {
	began := time.Now()
	ctx := cmd.Context()
	if c.dryRun {
		return a.wouldWrite(cmd, &c.tableFilter, &c.talk, from, to.Place.Table)
	}
	if c.onlyKeys != "" {
		return c.copyKeys(cmd, a, from, to)
	}
	o, value, err := c.conditions()
	if err != nil {
		return err
	}
	defer c.release()
	if err := c.lock(c.keep.path); err != nil {
		return err
	}
	flags := fmt.Sprintf("--no-overwrite=%v %s", c.NoOverwrite, c.tableFilter.text())
	if err := c.keep.open(resume.Bound{Command: "copy", From: from.Place, To: to.Place, Flags: flags}); err != nil {
		return err
	}
	o.WithExpiry, o.Resume = true, c.state.Cursor
	scan, err := startScan(ctx, from.Table, o)
	if errors.Is(err, pegasus.ErrCursorMismatch) || errors.Is(err, pegasus.ErrCursorDamaged) {
		return exit.Errorf(exit.Refused, "%w: --restart begins anew", err)
	}
	if err != nil {
		return err
	}
	w := load.New(context.WithoutCancel(ctx), to.Table, c.Options, c.paces.atOnce())
	defer w.Close()
	sample := pouring(c.state, w, 0)
	done := a.gauge(ctx, from.at, from.Place.Table, scan, c.tableFilter.text() != "")
	m := a.meter(c.talk, "copy "+from.name+" "+to.name, func() progress.Sample {
		s := sample()
		s.Done = done(s.Rows)
		return s
	})
	empty := c.state.Empty
	rows := source{withHashKey(only(scan.BorrowedRows(ctx), value), &empty), func(s *resume.State) { s.Cursor, s.Empty = scan.Cursor(), empty }}
	err = pour(ctx, w, rows, &c.keep, &c.paces)
	m.Stop()
	if err == nil {
		err = c.keep.remove()
	}
	if err != nil {
		return err
	}
	return cmp.Or(a.poured(cmd, &c.talk, "copied", c.state, began), leftOut(empty))
}

// copyKeys copies the rows that a list names.
func (c *copying) copyKeys(cmd *cobra.Command, a *app, from, to *place) error {
	began := time.Now()
	ctx := cmd.Context()
	in, closeFile, err := a.openInput(ctx, c.onlyKeys)
	if err != nil {
		return err
	}
	defer closeFile()
	if err := c.keep.open(resume.Bound{Command: "copy"}); err != nil {
		return err
	}
	w := load.New(context.WithoutCancel(ctx), to.Table, c.Options, c.paces.atOnce())
	defer w.Close()
	var absent int64
	rows := source{listed(ctx, from.Table, newKeyList(in, c.codings), &absent), func(*resume.State) {}}
	m := a.meter(c.talk, "copy "+from.name+" "+to.name, pouring(c.state, w, 0))
	err = pour(ctx, w, rows, &c.keep, &c.paces)
	m.Stop()
	if err != nil {
		return err
	}
	if absent > 0 {
		a.say(c.talk, "%s keys have no row in %s", progress.Number(absent), from.name)
	}
	return a.poured(cmd, &c.talk, "copied", c.state, began)
}
