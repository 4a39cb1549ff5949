package cli

import (
	"bufio"
	"errors"
	"fmt"
	"os"

	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/progress"
	"github.com/pegasus-go/pegasus/internal/cli/rowfile"
	"github.com/spf13/cobra"
)

// rejects is where lines go that are no rows, if they are to be left out.
type rejects struct {
	path string
	most int64
	n    int64
	f    *os.File
	w    *bufio.Writer
}

const flagRejects, flagMaxErrors = "rejects", "max-errors"

func (r *rejects) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.path, flagRejects, "", "`file` for lines that are no rows, which are left out then")
	cmd.Flags().Int64Var(&r.most, flagMaxErrors, 1000, "the most `lines` that are left out")
}

func (r *rejects) check(cmd *cobra.Command) error {
	switch {
	case r.path == "" && cmd.Flags().Changed(flagMaxErrors):
		return exit.Errorf(exit.Usage, "--%s needs --%s: no line is left out", flagMaxErrors, flagRejects)
	case r.most < 0:
		return exit.Errorf(exit.Usage, "--%s: %d is negative", flagMaxErrors, r.most)
	}
	return notEmpty(cmd, flagRejects)
}

// count makes a reader leave lines out, without keeping them.
func (r *rejects) count(in *rowfile.Reader) {
	if r.path != "" {
		r.n = 0
		in.Reject = func(*rowfile.RowError) bool { r.n++; return r.n <= r.most }
	}
}

// keep makes it keep them, in the file.
func (r *rejects) keep(in *rowfile.Reader) (err error) {
	if r.path == "" {
		return nil
	}
	if r.f, err = os.OpenFile(r.path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
		return err
	}
	r.n, r.w = 0, bufio.NewWriter(r.f)
	in.Reject = func(e *rowfile.RowError) bool {
		if r.n == r.most {
			return false
		}
		r.n++
		_, err := fmt.Fprintln(r.w, e.Text) // close tells a failure, too
		return err == nil
	}
	return nil
}

func (r *rejects) close() error {
	if r.f == nil {
		return nil
	}
	return errors.Join(r.w.Flush(), r.f.Close())
}

// found is the error of an import that has left something out.
func (r *rejects) found() error {
	switch {
	case r.n == 0:
		return nil
	case r.f == nil: // it was only read
		return exit.Errorf(exit.Partly, "%s lines are no rows", progress.Number(r.n))
	}
	return exit.Errorf(exit.Partly, "%s lines are no rows: see %s", progress.Number(r.n), r.path)
}
