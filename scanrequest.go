package pegasus

import (
	"bytes"
	"slices"

	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// The range of all full keys.
var (
	firstKey = []byte{0, 0}
	lastKey  = []byte{0xff, 0xff} // is none itself
)

func validateScan(o *ScannerOptions) error {
	if err := validateFilter("options.HashKeyFilter", &o.HashKeyFilter); err != nil {
		return err
	}
	return validateFilter("options.SortKeyFilter", &o.SortKeyFilter)
}

// scanRequest is what the requests of all scans have in common.
func scanRequest(o *ScannerOptions) wire.GetScannerRequest {
	size := o.BatchSize
	if size <= 0 || size > defaultBatchSize {
		size = defaultBatchSize
	}
	return wire.GetScannerRequest{
		BatchSize:         int32(size),
		NoValue:           o.NoValue,
		HashFilterType:    int32(o.HashKeyFilter.Type),
		HashFilterPattern: slices.Clone(o.HashKeyFilter.Pattern),
		SortFilterType:    int32(o.SortKeyFilter.Type),
		SortFilterPattern: slices.Clone(o.SortKeyFilter.Pattern),
	}
}

// tableScanRequest asks for all entries of a partition.
func tableScanRequest(o *ScannerOptions) wire.GetScannerRequest {
	yes := true
	q := scanRequest(o)
	q.StartKey.Raw, q.StartInclusive = firstKey, true
	q.StopKey.Raw, q.StopInclusive = lastKey, false
	// Without full_scan the server would stop at the end of a hash key. The
	// partition hash leaves out what a split has moved to another partition.
	q.FullScan, q.ValidatePartitionHash = &yes, &yes
	return q
}

// hashScanRequest asks for entries of a hash key.
func hashScanRequest(hashKey, startSortKey, stopSortKey []byte, o *ScannerOptions) wire.GetScannerRequest {
	q := scanRequest(o)
	q.StartKey.Raw = schema.AppendKey(nil, hashKey, startSortKey)
	q.StartInclusive = o.StartInclusive || len(startSortKey) == 0
	if len(stopSortKey) == 0 {
		q.StopKey.Raw = schema.AppendNext(nil, schema.AppendKey(nil, hashKey, nil))
	} else {
		q.StopKey.Raw = schema.AppendKey(nil, hashKey, stopSortKey)
		q.StopInclusive = o.StopInclusive
	}
	if o.SortKeyFilter.Type == FilterTypeMatchPrefix && len(o.SortKeyFilter.Pattern) > 0 {
		narrow(&q, schema.AppendKey(nil, hashKey, o.SortKeyFilter.Pattern))
	}
	// The hash key is known, so its filter is decided here. (A prefix filter
	// above the scanned hash key would end a real server's process.)
	q.HashFilterType, q.HashFilterPattern = 0, nil
	q.ValidatePartitionHash = new(bool)
	return q
}

// narrow restricts the range of q to keys that begin with prefix.
func narrow(q *wire.GetScannerRequest, prefix []byte) {
	if bytes.Compare(prefix, q.StartKey.Raw) > 0 {
		q.StartKey.Raw, q.StartInclusive = prefix, true
	}
	if next := schema.AppendNext(nil, prefix); len(next) > 0 && bytes.Compare(next, q.StopKey.Raw) <= 0 {
		q.StopKey.Raw, q.StopInclusive = next, false
	}
}

func emptyRange(q *wire.GetScannerRequest) bool {
	c := bytes.Compare(q.StartKey.Raw, q.StopKey.Raw)
	return c > 0 || (c == 0 && !(q.StartInclusive && q.StopInclusive))
}

func (f *Filter) matches(key []byte) bool {
	switch f.Type {
	case FilterTypeMatchAnywhere:
		return bytes.Contains(key, f.Pattern)
	case FilterTypeMatchPrefix:
		return bytes.HasPrefix(key, f.Pattern)
	case FilterTypeMatchPostfix:
		return bytes.HasSuffix(key, f.Pattern)
	}
	return true
}
