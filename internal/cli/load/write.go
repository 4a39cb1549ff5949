package load

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/esc"
)

// set writes the rows of a batch, whatever is there.
func (w *Writer) set(b *batch) error {
	single, several := b.groups()
	if len(single) > 0 {
		out, err := w.table.SetMany(w.ctx, single)
		if err = firstOf(out, err); err != nil {
			return err
		}
	}
	if len(several) > 0 {
		out, err := w.table.MultiSetMany(w.ctx, several)
		return firstOf(out, err)
	}
	return nil
}

// firstOf returns the first error of a batch: one says enough.
func firstOf(out pegasus.Outcomes, err error) error {
	for _, e := range out {
		if err == nil {
			err = e
		}
	}
	return err
}

// atOnce is how many conditional writes a worker has under way.
const atOnce = 32

// setAbsent writes the rows of a batch that are not there.
func (w *Writer) setAbsent(b *batch) error {
	rows := make(chan *pegasus.Row, len(b.rows))
	for i := range b.rows {
		rows <- &b.rows[i]
	}
	close(rows)
	var wg sync.WaitGroup
	for range min(len(b.rows), atOnce) {
		wg.Go(func() {
			for r := range rows {
				set, err := w.setIfAbsent(r)
				switch {
				case err != nil:
					w.fail(err)
					return
				case set:
					w.count(r)
				default:
					w.skipped.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return w.err()
}

// setIfAbsent writes a row if there is none. A write in doubt is made again: a row that is
// there then, with the same value, is taken for one's own.
func (w *Writer) setIfAbsent(r *pegasus.Row) (set bool, err error) {
	try := func() (bool, error) {
		res, err := w.table.CheckAndMutate(r.HashKey).If(pegasus.Absent(r.SortKey)).SetUntil(r.SortKey, r.Value, r.Expires).Do(w.ctx)
		return res.Applied, err
	}
	if set, err = try(); !errors.Is(err, pegasus.ErrInDoubt) {
		return set, err
	}
	if set, err = try(); set || err != nil {
		return set, err
	}
	value, err := w.table.Get(w.ctx, r.HashKey, r.SortKey)
	return value != nil && same(r, value), err
}

// verify reads rows back.
func (w *Writer) verify(rows []pegasus.Row) error {
	keys := make([]pegasus.CompositeKey, len(rows))
	for i, r := range rows {
		keys[i] = pegasus.CompositeKey{HashKey: r.HashKey, SortKey: r.SortKey}
	}
	results, err := w.table.GetMany(w.ctx, keys)
	if err != nil {
		return err
	}
	for i := range rows {
		r := &rows[i]
		switch got := results[i]; {
		case got.Err != nil:
			return got.Err
		case !got.Found && expired(r, time.Now()):
		case !got.Found:
			return &NotSameError{fmt.Sprintf(`the row "%s" "%s" was written and is not there`, esc.Format(r.HashKey), esc.Format(r.SortKey))}
		case !same(r, got.Value):
			return &NotSameError{fmt.Sprintf(`the row "%s" "%s" was written and has another value`, esc.Format(r.HashKey), esc.Format(r.SortKey))}
		}
	}
	return nil
}

// NotSameError is the error of rows that do not read back as they were written.
type NotSameError struct{ text string }

func (e *NotSameError) Error() string { return e.text }
