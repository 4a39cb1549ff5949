package cli

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus"
)

// doubts are rows that seem to differ, to be read again. They are no more than some.
type doubts struct {
	diff *diff
	rows []doubt
	size int
}

// doubt is a row that was in one table or in both.
type doubt struct {
	key                 pegasus.CompositeKey
	fromLeft, fromRight bool
}

const (
	maxDoubts     = 40_000
	maxDoubtBytes = 8 << 20 // of keys
	readAtOnce    = 32
)

// add takes a row; order says which of them is meant, 0 both.
func (d *doubts) add(ctx context.Context, l, r *pegasus.Row, order int) error {
	row := l
	if order > 0 {
		row = r
	}
	if len(row.HashKey) == 0 {
		return d.diff.notReadAgain(l, r, order)
	}
	d.rows = append(d.rows, doubt{
		pegasus.CompositeKey{HashKey: bytes.Clone(row.HashKey), SortKey: bytes.Clone(row.SortKey)}, order <= 0, order >= 0,
	})
	d.size += len(row.HashKey) + len(row.SortKey)
	if len(d.rows) < maxDoubts && d.size < maxDoubtBytes {
		return nil
	}
	return d.settle(ctx)
}

// notReadAgain says of a row with an empty hash key, which is only seen in scans, what those have
// shown.
func (d *diff) notReadAgain(l, r *pegasus.Row, order int) error {
	const why = "; not read again: its hash key is empty"
	switch {
	case order < 0:
		return d.found(leftOnly, l, "only in "+d.left.name+why)
	case order > 0:
		return d.found(rightOnly, r, "only in "+d.right.name+why)
	}
	return d.found(differs, l, d.detail(l, r)+why)
}

// settle waits until what is written at this moment is in both tables, and reads the rows
// again.
func (d *doubts) settle(ctx context.Context) error {
	if len(d.rows) == 0 {
		return nil
	}
	timer := time.NewTimer(d.diff.settle)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	todo := make(chan doubt, len(d.rows))
	for _, row := range d.rows {
		todo <- row
	}
	close(todo)
	d.rows, d.size = d.rows[:0], 0
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var once sync.Once
	var first error
	var wg sync.WaitGroup
	for range readAtOnce {
		wg.Go(func() {
			for row := range todo {
				if err := d.diff.readAgain(ctx, row); err != nil {
					once.Do(func() { first = err })
					cancel()
					return
				}
			}
		})
	}
	wg.Wait()
	return first
}

// readAgain reads a row in both tables, and says what is so. A row that one table has shown
// alone, and that the other one has by now, is left to the left one to count.
func (d *diff) readAgain(ctx context.Context, row doubt) error {
	l, inLeft, err := d.left.GetRow(ctx, row.key.HashKey, row.key.SortKey)
	if err != nil {
		return err
	}
	r, inRight, err := d.right.GetRow(ctx, row.key.HashKey, row.key.SortKey)
	if err != nil {
		return err
	}
	key := &pegasus.Row{HashKey: row.key.HashKey, SortKey: row.key.SortKey}
	switch {
	case !inLeft && !inRight:
		return nil
	case inLeft && !row.fromLeft, !inLeft && !row.fromRight:
		return nil
	case !inRight:
		return d.found(leftOnly, key, "only in "+d.left.name)
	case !inLeft:
		return d.found(rightOnly, key, "only in "+d.right.name)
	}
	if detail := d.detail(&l, &r); detail != "" {
		return d.found(differs, key, detail)
	}
	return d.found(same, key, "")
}
