package cli

import (
	"context"

	"github.com/pegasus-go/pegasus"
)

// A batch of a scan is to have about so many bytes, and is found to by some rows of the table.
const (
	batchBytes  = 1 << 20
	batchSample = 16
	maxBatch    = 1000
)

// startScan begins a scan of a table. Servers count the rows of a batch, and not its bytes, and
// a thousand large ones would take much memory; so some rows are looked at before.
func startScan(ctx context.Context, t *pegasus.Table, o pegasus.ScanOptions) (*pegasus.TableScan, error) {
	n, err := batchFor(ctx, t, o.KeysOnly)
	if err != nil {
		return nil, err
	}
	o.BatchSize = n
	return t.Scan(ctx, o)
}

func batchFor(ctx context.Context, t *pegasus.Table, keysOnly bool) (int, error) {
	// No filters: rows that pass may be far away.
	scan, err := t.Scan(ctx, pegasus.ScanOptions{KeysOnly: keysOnly, Limit: batchSample, BatchSize: batchSample, Parallel: 1})
	if err != nil {
		return 0, err
	}
	for _, err := range scan.BorrowedRows(ctx) {
		if err != nil {
			return 0, err
		}
	}
	p := scan.Progress()
	if p.Bytes == 0 {
		return maxBatch, nil
	}
	return int(min(maxBatch, max(1, batchBytes*p.Rows/p.Bytes))), nil
}
