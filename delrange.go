package pegasus

import (
	"context"
	"slices"

	"github.com/pegasus-go/pegasus/internal/wire"
)

var opDelRange = &operation{name: "DelRange", task: wire.TaskMultiRemove, kind: idempotent, take: takeStatus}

// delRangeBatch is the number of entries, and delRangeBytes roughly the size of
// the keys, that DelRange deletes at once.
const (
	delRangeBatch = 100
	delRangeBytes = 256 << 10
)

// DelRange is DelRangeOpt with DefaultDelRangeOptions.
func (t *Table) DelRange(ctx context.Context, hashKey, startSortKey, stopSortKey []byte) error {
	return t.DelRangeOpt(ctx, hashKey, startSortKey, stopSortKey, nil)
}

// DelRangeOpt deletes a range of entries of a hash key: see TableConnector.
func (t *Table) DelRangeOpt(ctx context.Context, hashKey, startSortKey, stopSortKey []byte, options *DelRangeOptions) error {
	if options == nil {
		options = defaultDelRangeOptions()
	}
	if options == DefaultDelRangeOptions {
		options = defaultDelRangeOptions() // that one is shared, and never written to
	}
	options.nextSortKey = nil
	ctx, cancel := t.client.bound(ctx)
	defer cancel()
	s, err := t.hashScanner(opDelRange, opDelRange.name, hashKey, startSortKey, stopSortKey, &ScannerOptions{
		StartInclusive: options.StartInclusive,
		StopInclusive:  options.StopInclusive,
		SortKeyFilter:  options.SortKeyFilter,
		NoValue:        true,
	})
	if err != nil {
		return err
	}
	defer s.Close()

	next := append([]byte{}, startSortKey...) // the first that is not deleted
	if len(next) > 0 && !options.StartInclusive {
		next = append(next, 0)
	}
	var batch [][]byte
	for {
		var done bool
		batch, done, err = gather(ctx, s, batch[:0])
		if err == nil && len(batch) > 0 {
			tg := keyTarget(hashKey)
			tg.appID = s.appID // of the table that the keys were found in
			err = t.multiDel(ctx, opDelRange, tg, hashKey, batch)
		}
		switch {
		case err != nil:
			if len(batch) > 0 {
				next = append([]byte{}, batch[0]...)
			}
			options.nextSortKey = next
			return err
		case done:
			return nil
		}
		next = append(slices.Clone(batch[len(batch)-1]), 0)
	}
}

// gather appends the sort keys that are to be deleted at once to batch. If it
// fails it returns those it has. done is true if there are no more.
func gather(ctx context.Context, s *scanner, batch [][]byte) (_ [][]byte, done bool, err error) {
	for size := 0; len(batch) < delRangeBatch && size < delRangeBytes; {
		done, _, sortKey, _, err := s.Next(ctx)
		if done || err != nil {
			return batch, done, err
		}
		batch = append(batch, sortKey)
		size += len(sortKey)
	}
	return batch, false, nil
}
