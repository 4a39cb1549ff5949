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

func (t *table) DelRange(ctx context.Context, hashKey, startSortKey, stopSortKey []byte) error {
	return t.DelRangeOpt(ctx, hashKey, startSortKey, stopSortKey, nil)
}

func (t *table) DelRangeOpt(ctx context.Context, hashKey, startSortKey, stopSortKey []byte, options *DelRangeOptions) error {
	if options == nil {
		options = DefaultDelRangeOptions()
	}
	options.nextSortKey = nil
	s, err := t.hashScanner(opDelRange.name, opDelRange.name, hashKey, startSortKey, stopSortKey, ScannerOptions{
		StartInclusive: options.StartInclusive,
		StopInclusive:  options.StopInclusive,
		SortKeyFilter:  options.SortKeyFilter,
		NoValue:        true,
	})
	if err != nil {
		return err
	}
	defer s.Close()

	var batch [][]byte
	size := 0
	for {
		done, _, sortKey, _, err := s.Next(ctx)
		if err != nil {
			options.nextSortKey = resumeAt(batch, s, startSortKey, options.StartInclusive)
			return err
		}
		if !done {
			batch = append(batch, sortKey)
			size += len(sortKey)
		}
		if len(batch) == 0 || (!done && len(batch) < delRangeBatch && size < delRangeBytes) {
			if done {
				return nil
			}
			continue
		}
		if err := t.multiDel(ctx, opDelRange, hashKey, batch); err != nil {
			options.nextSortKey = batch[0]
			return err
		}
		if done {
			return nil
		}
		batch, size = batch[:0], 0
	}
}

// resumeAt returns the first sort key that is not deleted: the first of the
// batch that was being gathered, or what follows the last key seen, or where
// the range begins.
func resumeAt(batch [][]byte, s *scanner, startSortKey []byte, inclusive bool) []byte {
	if len(batch) > 0 {
		return batch[0]
	}
	if last := s.lastSortKey(); last != nil {
		return append(slices.Clone(last), 0)
	}
	if len(startSortKey) > 0 && !inclusive {
		return append(slices.Clone(startSortKey), 0)
	}
	return append([]byte{}, startSortKey...)
}
