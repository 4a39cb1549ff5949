package cli

import (
	"context"
	"iter"
	"sync/atomic"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/cli/exit"
	"github.com/pegasus-go/pegasus/internal/cli/progress"
)

// Servers take rows with an empty hash key, and clients in other languages write them. The Go API
// refuses an empty hash key wherever it takes one, so this client only meets them in scans.
// Commands that write the rows of a table elsewhere, or delete them, leave those out and say so.

// withHashKey leaves out the rows with an empty hash key, and counts them.
func withHashKey(rows iter.Seq2[pegasus.Row, error], left *int64) iter.Seq2[pegasus.Row, error] {
	return func(yield func(pegasus.Row, error) bool) {
		for row, err := range rows {
			if err == nil && len(row.HashKey) == 0 {
				*left++
			} else if !yield(row, err) {
				return
			}
		}
	}
}

// leftOut is the error of a command that is done but for so many rows.
func leftOut(rows int64) error {
	if rows == 0 {
		return nil
	}
	return exit.Errorf(exit.Partly, "left out: %s with an empty hash key, which this client does not write or delete", progress.Rows(rows))
}

// countEmpty counts the rows with an empty hash key that meet conditions. They are the first ones
// of their partitions.
func countEmpty(ctx context.Context, t *pegasus.Table, o pegasus.ScanOptions) (int64, error) {
	var n atomic.Int64
	o.KeysOnly, o.Parallel = true, 1
	err := eachPartition(ctx, t, func(ctx context.Context, share pegasus.Share) error {
		o := o
		o.Share = share
		scan, err := t.Scan(ctx, o)
		if err != nil {
			return err
		}
		for row, err := range scan.BorrowedRows(ctx) {
			if err != nil {
				return err
			}
			if len(row.HashKey) > 0 {
				break
			}
			n.Add(1)
		}
		return nil
	})
	return n.Load(), err
}
