package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/coding"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/figure"
	"github.com/pegasus-go/pegasus/internal/cli/load"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/pegasus-go/pegasus/internal/cli/progress"
	"github.com/pegasus-go/pegasus/internal/cli/resume"
	"github.com/pegasus-go/pegasus/internal/cli/rowfile"
	"github.com/spf13/cobra"
)

// imports is what the flags of the command say.
type imports struct {
	tableFilter
	talk
	keep
	paces
	load.Options
	rejects
	dryRun, truncated bool
	cut               bool // the last line, which is left out

	file string
}

func newImportCommand(a *app) *cobra.Command {
	var i imports
	cmd := &cobra.Command{
		Use:   "import [TABLE] FILE",
		Short: "Write the rows of a file into a table",
		Long: `Write the rows of a file into a table, or those of standard input for -. It takes what
export writes, and finds out the form and the compression by itself; a CSV file begins
with hk,sk,value,expires, and lines of JSON are those that scan -o jsonl prints. A file that
names its encoding is read so; --encoding is for others, and for conditions.

A file is read to its end before anything is written, so that nothing of one that is
damaged or was cut gets into the table. Rows that are there are replaced, unless there is
--no-overwrite. Rows expire when the file says; those that have expired are left out.
So are lines that are no rows, with --rejects, and the status is 6 then. A line with an
empty hash key is none.

Interrupted or killed, it goes on with --resume behind the rows that are acknowledged for
sure; so some may be written twice, which changes nothing. --timeout is for each request.`,
		Example: `  pegasus import users users.jsonl.zst
  pegasus import users users.jsonl.zst --resume
  pegasus import users old.csv.gz --encoding value=base64 --allow-truncated
  pegasus import users old.csv --allow-truncated --rejects bad.csv
  pegasus import users users.pgx --dry-run`,
		Annotations: map[string]string{needsCluster: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			table, rest, err := a.arguments(cmd, args, "FILE")
			if err != nil {
				return err
			}
			if err := i.check(cmd, rest[0]); err != nil {
				return err
			}
			p, err := a.openPlace(cmd.Context(), a.own(table))
			if err != nil {
				return err
			}
			defer p.close()
			return i.run(cmd, a, p)
		},
	}
	i.tableFilter.addFlags(cmd)
	i.keep.addFlags(cmd, "FILE.state")
	writeFlags(cmd, &i.Options, &i.paces)
	f := cmd.Flags()
	f.BoolVar(&i.dryRun, "dry-run", false, "only read the file, and say what would be written")
	f.BoolVar(&i.truncated, "allow-truncated", false, "take a file without a footer, as those that were not exported")
	i.rejects.addFlags(cmd)
	i.talk.addFlags(cmd)
	return changes(cmd)
}

// writeFlags adds the flags of commands that write into a table.
func writeFlags(cmd *cobra.Command, o *load.Options, p *paces) {
	f := cmd.Flags()
	f.BoolVar(&o.NoOverwrite, "no-overwrite", false, "leave rows that are there already")
	f.BoolVar(&o.Verify, "verify", false, "read each row back and compare its value")
	p.addFlags(cmd)
}

// exclude refuses flags that have no effect with another one.
func exclude(cmd *cobra.Command, flag string, others ...string) error {
	if !cmd.Flags().Changed(flag) {
		return nil
	}
	for _, o := range others {
		if cmd.Flags().Changed(o) {
			return exit.Errorf(exit.Usage, "--%s and --%s exclude each other", flag, o)
		}
	}
	return nil
}

func (i *imports) check(cmd *cobra.Command, file string) error {
	i.file = file
	if err := exclude(cmd, "dry-run", "no-overwrite", "verify", flagRate, flagBytesRate, "state", "resume", "restart", "checkpoint"); err != nil {
		return err
	}
	if err := exclude(cmd, "no-overwrite", "verify"); err != nil {
		return err
	}
	if err := i.rejects.check(cmd); err != nil {
		return err
	}
	if file == "" {
		return exit.Errorf(exit.Usage, "FILE: is empty; - is standard input")
	}
	if file != "-" {
		if err := i.keep.check(file + stateEnd); err != nil {
			return err
		}
		return apart(fileArg{"FILE", file}, fileArg{"--" + flagRejects, i.rejects.path}, fileArg{"--state", i.keep.path})
	}
	for _, flag := range []string{"state", "resume", "restart", "checkpoint"} {
		if cmd.Flags().Changed(flag) {
			return exit.Errorf(exit.Usage, "--%s: it is for files, and the rows are from standard input", flag)
		}
	}
	return nil
}

func (i *imports) run(cmd *cobra.Command, a *app, p *place) error {
	began := time.Now()
	ctx := cmd.Context()
	wanted, err := i.wanted()
	if err != nil {
		return err
	}
	var c checked
	var would int64
	if i.file != "-" || i.dryRun {
		c, err = a.readFile(ctx, i.talk, "check "+i.file, i.file, i.codings, i.rejects.count, func(row *pegasus.Row) {
			if wanted(row) {
				would++
			}
		})
		switch {
		case err == nil, i.takes(err):
		case errors.Is(err, rowfile.ErrTruncated):
			return exit.Errorf(exit.Refused, "%s: %w; --allow-truncated takes it as it is", i.file, err)
		case ctx.Err() != nil:
			return err
		default:
			return fmt.Errorf("%s: %w", i.file, err)
		}
	}
	if i.dryRun {
		err := a.result(cmd, &i.talk, fmt.Sprintf("would write %s to %s", progress.Rows(would), p.Place.Table), output.Field{Name: "rows", Value: would})
		return i.end(err)
	}
	defer i.release()
	if err := i.lock(i.keep.path); err != nil {
		return err
	}
	flags := fmt.Sprintf("--no-overwrite=%v %s", i.NoOverwrite, i.tableFilter.text())
	input := fmt.Sprintf("%d bytes with the checksum %016x", c.size, c.footer.Sum)
	if err := i.keep.open(resume.Bound{Command: "import", To: p.Place, Flags: flags, Input: input}); err != nil {
		return err
	}
	in, closeFile, err := a.openRows(ctx, i.file, i.codings)
	if err != nil {
		return err
	}
	defer closeFile()
	if err := i.rejects.keep(in); err != nil {
		return err
	}
	w := load.New(context.WithoutCancel(ctx), p.Table, i.Options, i.paces.atOnce())
	defer w.Close()
	m := a.meter(i.talk, "import "+p.Place.Table, pouring(i.state, w, would))
	err = pour(ctx, w, i.source(ctx, in, wanted), &i.keep, &i.paces)
	m.Stop()
	if err = errors.Join(err, i.rejects.close()); err == nil {
		err = i.keep.remove()
	}
	if err != nil {
		return err
	}
	return i.end(a.poured(cmd, &i.talk, "imported", i.state, began))
}

// takes reports whether an error is the end of a file that is taken without a footer.
func (i *imports) takes(err error) bool {
	if !i.truncated || !errors.Is(err, rowfile.ErrTruncated) {
		return false
	}
	i.cut = errors.Is(err, rowfile.ErrCutLine)
	return true
}

// end is the error of an import that has come to its end, and what it has left out counts
// more than that nobody wanted to know.
func (i *imports) end(told error) error {
	err := i.rejects.found()
	if i.cut {
		err = exit.Errorf(exit.Partly, "%w", join(err, errors.New("the last line has no end, and was left out")))
	}
	if err == nil || told != nil && !errors.Is(told, errNoReader) {
		return told
	}
	return err
}

// join puts two errors into one line.
func join(err, other error) error {
	if err == nil {
		return other
	}
	return fmt.Errorf("%w; %w", err, other)
}

// wanted returns the condition that the flags say.
func (i *imports) wanted() (func(*pegasus.Row) bool, error) {
	o, value, err := i.conditions()
	return func(row *pegasus.Row) bool {
		return matches(o.HashKeyFilter, row.HashKey) && matches(o.SortKeyFilter, row.SortKey) && matches(value, row.Value)
	}, err
}

// source gives the rows of a file that are wanted, behind those that are in the table already.
func (i *imports) source(ctx context.Context, in *rowfile.Reader, wanted func(*pegasus.Row) bool) source {
	begin := rowfile.Footer{Rows: i.state.Offset, Sum: i.state.Sum}
	at := begin // before the row that the loop is at
	rows := func(yield func(pegasus.Row, error) bool) {
		for {
			seen, _ := in.Seen()
			if seen.Rows >= begin.Rows {
				if at = seen; at.Rows == begin.Rows && at.Sum != begin.Sum {
					yield(pegasus.Row{}, exit.Errorf(exit.Refused, "%s has other rows than it had: --restart begins anew", i.file))
					return
				}
			}
			var row pegasus.Row
			err := ctx.Err()
			if err == nil {
				err = in.Read(&row)
			}
			switch {
			case err == io.EOF, i.takes(err):
				return
			case err != nil:
				yield(pegasus.Row{}, err)
				return
			case seen.Rows >= begin.Rows && wanted(&row) && !yield(row, nil):
				return
			}
		}
	}
	return source{rows, func(s *resume.State) { s.Offset, s.Sum = at.Rows, at.Sum }}
}

// poured tells what has become of the rows.
func (a *app) poured(cmd *cobra.Command, t *talk, what string, s *resume.State, began time.Time) error {
	stored := s.Rows - s.Skipped - s.Expired
	text := fmt.Sprintf("%s %s, %s, in %s", what, progress.Rows(stored), figure.Bytes(s.Bytes), progress.Duration(time.Since(began)))
	if s.Skipped > 0 {
		text += fmt.Sprintf("; %s were there already", progress.Number(s.Skipped))
	}
	if s.Expired > 0 {
		text += fmt.Sprintf("; %s have expired", progress.Number(s.Expired))
	}
	return a.result(cmd, t, text, output.Field{Name: "rows", Value: stored}, output.Field{Name: "bytes", Value: s.Bytes},
		output.Field{Name: "skipped", Value: s.Skipped}, output.Field{Name: "expired", Value: s.Expired})
}

// checked is what reading a file has found.
type checked struct {
	footer rowfile.Footer
	size   int64 // of the file
}

// readFile reads a file to its end.
func (a *app) readFile(ctx context.Context, t talk, label, name string, codings coding.Row, begin func(*rowfile.Reader), each func(*pegasus.Row)) (c checked, err error) {
	in, closeFile, err := a.openRows(ctx, name, codings)
	if err != nil {
		return c, err
	}
	defer closeFile()
	begin(in)
	if info, err := os.Stat(name); err == nil && name != "-" {
		c.size = info.Size()
	}
	var rows, bytes atomic.Int64 // for the meter
	m := a.meter(t, label, func() progress.Sample { return progress.Sample{Rows: rows.Load(), Bytes: bytes.Load(), Done: -1} })
	defer m.Stop()
	var row pegasus.Row
	for err == nil {
		if err = ctx.Err(); err == nil {
			err = in.Read(&row)
		}
		if err == nil {
			each(&row)
		}
		f, n := in.Seen()
		c.footer = f
		rows.Store(f.Rows)
		bytes.Store(n)
	}
	if err == io.EOF {
		err = nil
	}
	return c, err
}

// openRows opens a file of rows, or standard input for -.
func (a *app) openRows(ctx context.Context, name string, codings coding.Row) (*rowfile.Reader, func(), error) {
	from, closeFile, err := a.openInput(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	in, err := rowfile.NewReader(from, codings)
	if err != nil {
		closeFile()
		return nil, nil, err
	}
	return in, func() { in.Close(); closeFile() }, nil
}
