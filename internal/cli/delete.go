package cli

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/coding"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/pegasus-go/pegasus/internal/cli/progress"
	"github.com/spf13/cobra"
)

// deletion is what the flags of clear and delrange say.
type deletion struct {
	talk
	pace
	yes, dryRun bool
	rows        atomic.Int64 // that were deleted, or would be
}

func (d *deletion) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	d.pace.addFlag(cmd)
	f.BoolVar(&d.yes, "yes", false, "do not ask")
	f.BoolVar(&d.dryRun, "dry-run", false, "only count the rows that would be deleted")
	d.talk.addFlags(cmd)
}

// ask asks whether to delete what the question says.
func (d *deletion) ask(cmd *cobra.Command, a *app, question string) error {
	if d.dryRun {
		return exclude(cmd, "dry-run", flagRate, "yes")
	}
	return a.streams.Confirm(cmd.Context(), question, d.yes)
}

func newClearCommand(a *app) *cobra.Command {
	var f tableFilter
	var d deletion
	cmd := &cobra.Command{
		Use:   "clear [TABLE]",
		Short: "Delete the rows of a table",
		Long: `Delete the rows of a table, or those that meet conditions. It asks before, unless there
is --yes. What is written meanwhile may be deleted or not; stopped, it goes on when it is
run again. To be rid of a whole table drop it and make it again, which is faster.
--timeout is for each request. Rows with an empty hash key, which clients in other
languages can write, stay: then it says how many, and the status is 6.`,
		Example: `  pegasus clear users
  pegasus clear users --filter-hash prefix:test- --yes
  pegasus clear users --filter-value contains:obsolete --dry-run`,
		Annotations: map[string]string{needsCluster: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			table, _, err := a.arguments(cmd, args)
			if err != nil {
				return err
			}
			o, value, err := f.conditions()
			if err != nil {
				return err
			}
			what := "delete all rows of the table " + table
			if text := f.text(); text != "" {
				what = fmt.Sprintf("delete the rows of the table %s with %s", table, text)
			}
			if err := d.ask(cmd, a, what); err != nil {
				return err
			}
			return a.withWholeTable(cmd.Context(), table, func(ctx context.Context, t *pegasus.Table) error {
				o.KeysOnly = value.Type == pegasus.FilterTypeNoFilter
				scan, err := startScan(ctx, t, o)
				if err != nil {
					return err
				}
				var empty int64
				rows := withHashKey(only(scan.BorrowedRows(ctx), value), &empty)
				return cmp.Or(d.run(cmd, a, t, "clear "+table, rows, a.gauge(ctx, a.here(), table, scan, f.text() != "")), leftOut(empty))
			})
		},
	}
	f.addFlags(cmd)
	d.addFlags(cmd)
	return changes(cmd)
}

func newDelRangeCommand(a *app) *cobra.Command {
	s := selection{codings: coding.NewRow()}
	var d deletion
	cmd := &cobra.Command{
		Use:   "delrange [TABLE] HASHKEY",
		Short: "Delete rows of a hash key",
		Long: `Delete the rows of a hash key whose sort keys meet conditions, or all of them. It asks
before, unless there is --yes. It is not atomic; stopped, it goes on when it is run again.
--timeout is for each request.`,
		Example: `  pegasus delrange users u1 --prefix cart/
  pegasus delrange events d7 --from 2026-01-01 --to 2026-02-01 --yes
  pegasus delrange users u1 --dry-run`,
		Annotations: map[string]string{needsCluster: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			table, rest, err := a.arguments(cmd, args, "HASHKEY")
			if err != nil {
				return err
			}
			hash, err := s.codings.Hash.Parse(rest[0])
			if err == nil && len(hash) == 0 {
				err = errEmpty
			}
			if err != nil {
				return exit.Errorf(exit.Usage, "HASHKEY: %w", err)
			}
			sel, err := s.sel()
			if err != nil {
				return err
			}
			what := fmt.Sprintf("delete the rows of %s %s%s", table, rest[0], s.text())
			if err := d.ask(cmd, a, what); err != nil {
				return err
			}
			return a.withWholeTable(cmd.Context(), table, func(ctx context.Context, t *pegasus.Table) error {
				sel.KeysOnly = true
				return d.run(cmd, a, t, "delrange "+table, t.BorrowedRows(ctx, hash, sel), func(int64) float64 { return -1 })
			})
		},
	}
	s.addKeyFlags(cmd)
	d.addFlags(cmd)
	return changes(cmd)
}

// text is the conditions for sort keys as a command line has them.
func (s *selection) text() string {
	var b strings.Builder
	for _, f := range []struct{ name, text string }{{flagFrom, s.from}, {flagTo, s.to}, {flagPrefix, s.prefix}, {flagSort, s.sort.String()}} {
		if f.text != "" {
			fmt.Fprintf(&b, " --%s %q", f.name, f.text)
		}
	}
	return b.String()
}

// only leaves out rows whose values do not meet a condition.
func only(rows iter.Seq2[pegasus.Row, error], value pegasus.Filter) iter.Seq2[pegasus.Row, error] {
	if value.Type == pegasus.FilterTypeNoFilter {
		return rows
	}
	return func(yield func(pegasus.Row, error) bool) {
		for row, err := range rows {
			if (err != nil || matches(value, row.Value)) && !yield(row, err) {
				return
			}
		}
	}
}

// run deletes rows, or counts them.
func (d *deletion) run(cmd *cobra.Command, a *app, t *pegasus.Table, label string, rows iter.Seq2[pegasus.Row, error], done func(rows int64) float64) error {
	began := time.Now()
	m := a.meter(d.talk, label, func() progress.Sample {
		n := d.rows.Load()
		return progress.Sample{Rows: n, Done: done(n)}
	})
	err := d.delete(cmd.Context(), t, rows)
	m.Stop()
	n := d.rows.Load()
	code := exit.Of(err)
	partly := code == exit.InDoubt || code == exit.Failed && n > 0 // deleting again changes nothing
	switch {
	case err != nil && cmd.Context().Err() != nil:
		return exit.Errorf(exit.Interrupted, "interrupted after %s; run it again to go on", progress.Rows(n))
	case partly && !d.dryRun:
		return exit.Errorf(exit.Partly, "stopped after %s: %w; run it again to go on", progress.Rows(n), short{err})
	case err != nil:
		return err
	}
	text := fmt.Sprintf("deleted %s of %s in %s", progress.Rows(n), t.Name(), progress.Duration(time.Since(began)))
	if d.dryRun {
		text = fmt.Sprintf("would delete %s of %s", progress.Rows(n), t.Name())
	}
	return a.result(cmd, &d.talk, text, output.Field{Name: "rows", Value: n})
}

// deleteAtOnce is the number of rows that are deleted at once, at most.
const deleteAtOnce = 1000

func (d *deletion) delete(ctx context.Context, t *pegasus.Table, rows iter.Seq2[pegasus.Row, error]) error {
	atOnce := deleteAtOnce
	if n := d.pace.share(); n > 0 {
		atOnce = min(atOnce, n)
	}
	var keys []pegasus.CompositeKey
	flush := func() error {
		// What is under way is carried out, so that it is known.
		out, err := t.DelMany(context.WithoutCancel(ctx), keys)
		for _, e := range out {
			if e == nil {
				d.rows.Add(1)
			} else if err == nil {
				err = e
			}
		}
		keys = keys[:0]
		return err
	}
	for row, err := range rows {
		if err == nil {
			err = d.pace.wait(ctx, 1)
		}
		switch {
		case err != nil:
			return err
		case d.dryRun:
			d.rows.Add(1)
			continue
		}
		keys = append(keys, pegasus.CompositeKey{HashKey: append([]byte{}, row.HashKey...), SortKey: append([]byte{}, row.SortKey...)})
		if len(keys) == atOnce {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}
