package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/figure"
	"github.com/pegasus-go/pegasus/internal/cli/output"
	"github.com/pegasus-go/pegasus/internal/cli/progress"
	"github.com/pegasus-go/pegasus/internal/cli/resume"
	"github.com/pegasus-go/pegasus/internal/cli/rowfile"
	"github.com/spf13/cobra"
)

// export is what the flags of the command say.
type export struct {
	tableFilter
	talk
	keep
	paces
	format              rowfile.Format
	dryRun, verify, yes bool

	file        string
	compression rowfile.Compression
}

func newExportCommand(a *app) *cobra.Command {
	var e export
	cmd := &cobra.Command{
		Use:   "export [TABLE] FILE",
		Short: "Write the rows of a table to a file",
		Long: `Write the rows of a table to a file, or to standard output for -.

The name says the form: .jsonl has a line of JSON for each row, .csv is for spreadsheets,
.pgx is compact; .zst or .gz behind it compresses. Rows have the time at which they
expire, so that an import does not make them live longer. The file ends with the number
of rows and a checksum; without them import says that it was cut.

It is no snapshot: what is written meanwhile may be there or not. Each row that is there
all the time comes once, also when servers fail and the table is split. The file has its
name when it is whole, FILE.part until then. Interrupted or killed, it goes on with
--resume, unless the table is another one. --timeout is for each request.

Rows with an empty hash key, which clients in other languages can write, are left out,
since no import could write them. Then it says how many, and the status is 6.`,
		Example: `  pegasus export users users.jsonl.zst
  pegasus export users users.jsonl.zst --resume
  pegasus export users - --filter-hash prefix:u | ssh backup 'cat > users.jsonl'
  pegasus export users users.pgx --rate 20k --verify`,
		Annotations: map[string]string{needsCluster: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			table, rest, err := a.arguments(cmd, args, "FILE")
			if err != nil {
				return err
			}
			if err := e.check(cmd, rest[0]); err != nil {
				return err
			}
			p, err := a.openPlace(cmd.Context(), a.own(table))
			if err != nil {
				return err
			}
			defer p.close()
			switch {
			case e.dryRun:
				return a.wouldWrite(cmd, &e.tableFilter, &e.talk, p, e.file)
			case e.file == "-":
				return e.toOutput(cmd.Context(), a, p)
			}
			return e.toFile(cmd, a, p)
		},
	}
	e.tableFilter.addFlags(cmd)
	e.keep.addFlags(cmd, "FILE.state")
	e.paces.addFlags(cmd)
	f := cmd.Flags()
	f.Var(&e.format, "format", "`form` of the file: jsonl, csv or pgx (default by its name, jsonl for -)")
	f.BoolVar(&e.dryRun, "dry-run", false, "only count the rows that would be written")
	f.BoolVar(&e.verify, "verify", false, "read the file again when it is written")
	f.BoolVar(&e.yes, "yes", false, "replace a file that is there, without asking")
	e.talk.addFlags(cmd)
	return cmd
}

// check looks at the arguments.
func (e *export) check(cmd *cobra.Command, file string) error {
	e.file = file
	if err := exclude(cmd, "dry-run", flagRate, flagBytesRate, "verify", "yes", "state", "resume", "restart", "checkpoint"); err != nil {
		return err
	}
	format, compression := rowfile.ByName(file)
	e.compression = compression
	switch {
	case file == "":
		return exit.Errorf(exit.Usage, "FILE: is empty; - is standard output")
	case e.format == "" && file == "-":
		e.format = rowfile.JSONL
	case e.format == "" && format == "":
		return exit.Errorf(exit.Usage, "FILE: %s has none of the ends .jsonl, .csv, .pgx, or one of them and .zst or .gz: use --format", file)
	case e.format == "":
		e.format = format
	}
	if e.format == rowfile.Binary && cmd.Flags().Changed("encoding") && e.tableFilter.text() == "" {
		return exit.Errorf(exit.Usage, "--encoding: a pgx file has bytes as they are")
	}
	if file != "-" {
		if err := e.keep.check(e.file + stateEnd); err != nil {
			return err
		}
		if err := mayBecome("FILE", file, "; - is standard output"); err != nil {
			return err
		}
		return apart(fileArg{"FILE", file}, fileArg{"FILE.part", e.part()}, fileArg{"--state", e.path})
	}
	for _, flag := range []string{"state", "resume", "restart", "checkpoint", "verify", "yes", "output"} {
		if cmd.Flags().Changed(flag) && !e.dryRun {
			return exit.Errorf(exit.Usage, "--%s: it is for files, and the rows go to standard output", flag)
		}
	}
	return nil
}

// wouldWrite counts the rows that a command would write.
func (a *app) wouldWrite(cmd *cobra.Command, f *tableFilter, t *talk, p *place, to string) error {
	o, value, err := f.conditions()
	if err != nil {
		return err
	}
	scan, err := startScan(cmd.Context(), p.Table, o)
	if err != nil {
		return err
	}
	var n, empty int64
	if value.Type == pegasus.FilterTypeNoFilter {
		if n, err = scan.Count(cmd.Context()); err == nil {
			empty, err = countEmpty(cmd.Context(), p.Table, o)
		}
		n -= empty
	} else {
		for _, failed := range withHashKey(only(scan.BorrowedRows(cmd.Context()), value), &empty) {
			if err = failed; err == nil {
				n++
			}
		}
	}
	if err != nil {
		return err
	}
	err = a.result(cmd, t, fmt.Sprintf("would write %s of %s to %s", progress.Rows(n), p.Place.Table, to), output.Field{Name: "rows", Value: n})
	return cmp.Or(err, leftOut(empty))
}

// result tells what has become of a command: as a sentence on standard error, or on standard
// output in the form that --output asks for. The first field is the one that raw has.
func (a *app) result(cmd *cobra.Command, t *talk, sentence string, fields ...output.Field) error {
	if cmd.Flags().Changed("output") {
		return a.printer().One(sentence, fmt.Append(nil, fields[0].Value), fields...)
	}
	a.say(*t, "%s", sentence)
	return nil
}

// header says where the rows are from.
func (e *export) header(p *place) rowfile.Header {
	return rowfile.Header{Table: p.Place.Table, TableID: p.ID, Partitions: p.Partitions, Time: time.Now(), Codings: e.codings}
}

// toOutput writes to standard output. A reader that goes makes it fail: it has not got all.
func (e *export) toOutput(ctx context.Context, a *app, p *place) error {
	if a.streams.OutTerminal && e.format == rowfile.Binary {
		return exit.Errorf(exit.Refused, "bytes as they are could drive the terminal: send them to a file")
	}
	o, value, err := e.conditions()
	if err != nil {
		return err
	}
	o.WithExpiry = true
	scan, err := startScan(ctx, p.Table, o)
	if err != nil {
		return err
	}
	m := a.meter(e.talk, "export "+p.Place.Table, a.sampleOf(ctx, p, scan, &e.tableFilter, 0, 0))
	defer m.Stop()
	w, err := rowfile.NewWriter(m.Over(a.streams.Out), e.format, e.compression, e.header(p), rowfile.Position{})
	if err != nil {
		return err
	}
	var empty int64
	for row, err := range withHashKey(only(scan.BorrowedRows(ctx), value), &empty) {
		if err == nil {
			if err = e.paces.wait(ctx, &row); err == nil {
				err = w.Write(&row)
			}
		}
		if err != nil {
			_, _ = w.Position() // what there is, without a footer
			return err
		}
	}
	_, err = w.Close()
	return cmp.Or(err, leftOut(empty))
}

// sampleOf tells how far a scan is that began behind some rows.
func (a *app) sampleOf(ctx context.Context, p *place, scan *pegasus.TableScan, f *tableFilter, rows, bytes int64) func() progress.Sample {
	done := a.gauge(ctx, p.at, p.Place.Table, scan, f.text() != "")
	return func() progress.Sample {
		p := scan.Progress()
		return progress.Sample{Rows: rows + p.Rows, Bytes: bytes + p.Bytes, Done: done(rows + p.Rows)}
	}
}

// toFile writes to a file, which gets its name when it is whole.
func (e *export) toFile(cmd *cobra.Command, a *app, p *place) (err error) {
	began := time.Now()
	// That of the state locks the part file, too, also from those that keep none, or another.
	defer e.release()
	if err := e.lock(e.file+stateEnd, e.path); err != nil {
		return err
	}
	flags := strings.TrimSpace(fmt.Sprintf("--format %s%s --encoding %s %s", e.format, e.compression, &e.codings, e.tableFilter.text()))
	if err := e.keep.open(resume.Bound{Command: "export", From: p.Place, Flags: flags}); err != nil {
		return err
	}
	if renamed, err := e.renamed(); err != nil {
		return err
	} else if renamed {
		return e.finish(cmd, a, began)
	}
	if err := e.mayReplace(cmd.Context(), a); err != nil {
		return err
	}
	if !e.state.Done {
		if err := e.writePart(cmd.Context(), a, p); err != nil {
			return err
		}
	}
	if e.verify {
		if err := e.readAgain(cmd.Context(), a); err != nil {
			return err
		}
	}
	if err := resume.Rename(e.part(), e.file); err != nil {
		return err
	}
	return e.finish(cmd, a, began)
}

// renamed reports whether an export that was killed had come as far as to give the file its
// name.
func (e *export) renamed() (bool, error) {
	if !e.state.Done {
		return false, nil
	}
	_, err := os.Stat(e.part())
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(e.file)
		return err == nil, err
	}
	return false, err
}

// finish forgets the state, and tells what was done.
func (e *export) finish(cmd *cobra.Command, a *app, began time.Time) error {
	if err := e.keep.remove(); err != nil {
		return err
	}
	s := e.state
	err := a.result(cmd, &e.talk, fmt.Sprintf("exported %s, %s, to %s (%s) in %s",
		progress.Rows(s.Rows), figure.Bytes(s.Bytes), e.file, figure.Bytes(s.Offset), progress.Duration(time.Since(began))),
		output.Field{Name: "rows", Value: s.Rows}, output.Field{Name: "bytes", Value: s.Bytes},
		output.Field{Name: "file", Value: e.file}, output.Field{Name: "file_bytes", Value: s.Offset}, output.Field{Name: "sum", Value: fmt.Sprintf("%016x", s.Sum)})
	return cmp.Or(err, leftOut(s.Empty))
}

func (e *export) part() string { return e.file + ".part" }

func (e *export) mayReplace(ctx context.Context, a *app) error {
	if _, err := os.Stat(e.file); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	return a.streams.Confirm(ctx, "replace the file "+e.file, e.yes)
}

// writePart writes all rows to the part file.
func (e *export) writePart(ctx context.Context, a *app, p *place) (err error) {
	o, value, err := e.conditions()
	if err != nil {
		return err
	}
	o.WithExpiry, o.Resume = true, e.state.Cursor
	scan, err := startScan(ctx, p.Table, o)
	if errors.Is(err, pegasus.ErrCursorMismatch) || errors.Is(err, pegasus.ErrCursorDamaged) {
		return exit.Errorf(exit.Refused, "%w: --restart begins anew", err)
	}
	if err != nil {
		return err
	}
	f, err := e.openPart()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	s := e.state
	w, err := rowfile.NewWriter(f, e.format, e.compression, e.header(p), rowfile.Position{Offset: s.Offset, Rows: s.Rows, Bytes: s.Bytes, Sum: s.Sum})
	if err != nil {
		return err
	}
	m := a.meter(e.talk, "export "+p.Place.Table, a.sampleOf(ctx, p, scan, &e.tableFilter, s.Rows, s.Bytes))
	defer m.Stop()

	save := func(done bool) error {
		cursor := scan.Cursor()
		position := w.Position
		if done {
			position = w.Close
		}
		at, err := position()
		if err = errors.Join(err, f.Sync()); err != nil {
			return err
		}
		s.Cursor, s.Offset, s.Rows, s.Bytes, s.Sum, s.Done = cursor, at.Offset, at.Rows, at.Bytes, at.Sum, done
		return e.keep.save()
	}
	if err := save(false); err != nil {
		return err
	}
	for row, err := range scan.BorrowedRows(ctx) {
		if err == nil && e.keep.due() {
			err = save(false)
		}
		switch {
		case err != nil || !matches(value, row.Value):
		case len(row.HashKey) == 0:
			s.Empty++
		default:
			if err = e.paces.wait(ctx, &row); err == nil {
				err = w.Write(&row)
			}
		}
		if err != nil {
			_ = save(false) // keep knows if it has failed
			if e.keep.path == "" {
				_ = os.Remove(e.part()) // of no use to anybody
			}
			return e.keep.stopped(err, ctx.Err() != nil)
		}
	}
	return save(true)
}

// openPart opens the part file where the state says.
func (e *export) openPart() (*os.File, error) {
	if !e.resumed {
		return os.OpenFile(e.part(), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	}
	f, err := os.OpenFile(e.part(), os.O_RDWR, 0)
	if err != nil {
		return nil, exit.Errorf(exit.Refused, "%w: --restart begins anew", err)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil && size < e.state.Offset {
		err = exit.Errorf(exit.Refused, "%s has %d bytes, and had %d: --restart begins anew", e.part(), size, e.state.Offset)
	}
	if err == nil {
		err = f.Truncate(e.state.Offset)
	}
	if err == nil {
		_, err = f.Seek(e.state.Offset, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// readAgain reads the part file and compares it with what was written.
func (e *export) readAgain(ctx context.Context, a *app) error {
	c, err := a.readFile(ctx, e.talk, "verify "+e.file, e.part(), e.codings, func(*rowfile.Reader) {}, func(*pegasus.Row) {})
	switch {
	case err != nil && ctx.Err() == nil:
		return fmt.Errorf("%s: %w", e.part(), err)
	case err != nil:
		return e.keep.stopped(err, true)
	case c.footer != (rowfile.Footer{Rows: e.state.Rows, Sum: e.state.Sum}):
		return fmt.Errorf("%s does not have the rows that were written", e.part())
	}
	return nil
}
