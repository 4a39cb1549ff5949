package pegasus

import (
	"context"

	"github.com/pegasus-go/pegasus/internal/route"
	"github.com/pegasus-go/pegasus/internal/rpc"
)

// Scanner defines the interface of client-side scanning. It is not for
// concurrent use, except that Close may be called at any time.
//
// A scanner fetches the next batch while its caller consumes the present one:
// it holds two batches at most. Each batch comes from a snapshot of a
// partition that the server keeps. When the server loses it (after five idle
// minutes, a restart, or a move of the partition) the scan goes on behind the
// last entry delivered, on what is stored then: no entry is delivered twice. (A
// server older than Pegasus 2.3 cannot do that for a whole table, which is
// ErrCannotResume.)
//
// All entries come from one table: when another one has taken its name, Next
// fails with ErrRepartitioned, and while there is none with ErrTableNotFound.
type Scanner interface {
	// Next grabs the next entry. completed is true, and there is no entry, once
	// all entries were delivered. The bytes are the caller's.
	//
	// It fails when ctx has ended, also if it has the entry already; a ctx without
	// a deadline has Config.OperationTimeout. The next call goes on where the scan
	// was, so that no entry is lost, after that and after any other failure. A
	// filter that few entries pass can make the server search for long; give Next
	// more time then, or call it again. After Close of the scanner, the table or
	// the client, Next fails with ErrClosed.
	Next(ctx context.Context) (completed bool, hashKey []byte, sortKey []byte, value []byte, err error)

	// Close releases what the server and the client hold for the scan. It does
	// not wait for the server. Closing twice is allowed; the error is always
	// nil.
	Close() error
}

var (
	opGetScanner           = &operation{name: "GetScanner"}
	opGetUnorderedScanners = &operation{name: "GetUnorderedScanners"}
)

const opNext = "Next"

// GetScanner returns a scanner of a hash key: see TableConnector.
func (t *Table) GetScanner(_ context.Context, hashKey, startSortKey, stopSortKey []byte, options *ScannerOptions) (Scanner, error) {
	if options == nil {
		options = DefaultScannerOptions()
	}
	s, err := t.hashScanner(opGetScanner, opNext, hashKey, startSortKey, stopSortKey, options)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// hashScanner returns a scanner of a hash key. Its failures are those of the
// operation o, those of its Next are those of the operation next.
func (t *Table) hashScanner(o *operation, next string, hashKey, startSortKey, stopSortKey []byte, options *ScannerOptions) (*scanner, error) {
	err := validateHashKey(hashKey)
	if err == nil {
		err = validateBounds(startSortKey, stopSortKey)
	}
	if err == nil {
		err = validateScan(options)
	}
	if err == nil {
		err = t.ended()
	}
	if err != nil {
		return nil, t.refuse(o, err)
	}
	q := hashScanRequest(hashKey, startSortKey, stopSortKey, options)
	var parts []part
	if options.HashKeyFilter.matches(hashKey) && !emptyRange(&q) {
		parts = []part{{start: q.StartKey.Raw, inclusive: q.StartInclusive}}
	}
	return newScanner(t, next, q, keyTarget(hashKey), parts), nil
}

// GetUnorderedScanners returns scanners of the whole table: see TableConnector.
func (t *Table) GetUnorderedScanners(ctx context.Context, maxSplitCount int, options *ScannerOptions) ([]Scanner, error) {
	if options == nil {
		options = DefaultScannerOptions()
	}
	err := validateScan(options)
	switch {
	case maxSplitCount <= 0:
		err = argumentError("maxSplitCount", "is %d, must be > 0", maxSplitCount)
	case err == nil:
		err = t.ended()
	}
	if err == nil && ctx.Err() != nil {
		err = rpc.ContextError(ctx)
	}
	if err != nil {
		return nil, t.refuse(opGetUnorderedScanners, err)
	}
	snap := t.route.Snapshot()
	if snap == nil {
		ctx, cancel := t.client.bound(ctx)
		defer cancel()
		x := exchange{op: opGetUnorderedScanners}
		if snap, err = t.snapshot(ctx, &x); err != nil {
			return nil, t.failure(&x, err)
		}
	}
	return t.tableScanners(snap, maxSplitCount, options), nil
}

// tableScanners divides the partitions of the table among up to n scanners.
func (t *Table) tableScanners(snap *route.Snapshot, n int, options *ScannerOptions) []Scanner {
	q := tableScanRequest(options)
	ranges := snap.Ranges()
	scanners := make([]Scanner, min(n, len(ranges)))
	for i := range scanners {
		var parts []part
		for j := i; j < len(ranges); j += len(scanners) {
			parts = append(parts, part{Range: ranges[j], start: q.StartKey.Raw, inclusive: true})
		}
		scanners[i] = newScanner(t, opNext, q, target{fixed: true, appID: snap.AppID}, parts)
	}
	return scanners
}
