package cli

import (
	"context"
	"iter"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/load"
	"github.com/pegasus-go/pegasus/internal/cli/progress"
	"github.com/pegasus-go/pegasus/internal/cli/resume"
)

// source is rows that go into a table, one by one, with bytes that are valid for a step.
type source struct {
	rows iter.Seq2[pegasus.Row, error]
	mark func(*resume.State) // notes where to go on: at the row that the loop is at
}

// drainTime is for how long writes that are under way are awaited after an interrupt.
const drainTime = 5 * time.Second

// pour writes rows into a table. What is kept is a place before which all rows are
// acknowledged: it drains the writer before it saves.
func pour(ctx context.Context, w *load.Writer, from source, k *keep, p *paces) error {
	if k.state.Done {
		return nil
	}
	before := *k.state // counts of earlier runs
	save := func(done bool) error {
		next := *k.state
		from.mark(&next)
		next.Done = done
		if err := w.Drain(); err != nil {
			return err
		}
		c := w.Counts()
		next.Rows, next.Bytes = before.Rows+c.Rows(), before.Bytes+c.Bytes
		next.Skipped, next.Expired = before.Skipped+c.Skipped, before.Expired+c.Expired
		*k.state = next
		return k.save()
	}
	// Writes that hang end some time after an interrupt, also those that a Put waits for.
	defer context.AfterFunc(ctx, func() { time.AfterFunc(drainTime, w.Abort) })()
	if err := k.save(); err != nil { // before there is anything to lose
		return err
	}
	err := func() error {
		for row, err := range from.rows {
			if err != nil {
				return err
			}
			if k.due() {
				if err := save(false); err != nil {
					return err
				}
			}
			if err := p.wait(ctx, &row); err != nil {
				return err
			}
			if err := w.Put(&row); err != nil {
				return err
			}
		}
		return nil
	}()
	interrupted := err != nil && ctx.Err() != nil
	saved := save(err == nil)
	switch {
	case err == nil && saved == nil:
		return nil
	case err == nil || !interrupted && saved != nil:
		err = saved
	}
	// What is in doubt is written again: that changes nothing.
	if code := exit.Of(err); code == exit.InDoubt || code == exit.Failed && k.state.Rows > 0 {
		err = &exit.Error{Code: exit.Partly, Err: err}
	}
	return k.stopped(err, interrupted)
}

// pouring tells how far it is, of so many rows; 0 if nobody knows.
func pouring(s *resume.State, w *load.Writer, of int64) func() progress.Sample {
	before := *s
	return func() progress.Sample {
		n := w.Counts()
		now := progress.Sample{Rows: before.Rows + n.Rows(), Bytes: before.Bytes + n.Bytes, Done: -1}
		if of > 0 {
			now.Done = min(1, float64(now.Rows)/float64(of))
		}
		return now
	}
}
