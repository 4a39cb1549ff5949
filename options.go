package pegasus

// FilterType says which part of a key a filter's pattern is compared with.
type FilterType int

// Filter types.
const (
	FilterTypeNoFilter      FilterType = 0
	FilterTypeMatchAnywhere FilterType = 1
	FilterTypeMatchPrefix   FilterType = 2
	FilterTypeMatchPostfix  FilterType = 3
)

// Filter selects entries by their hash key or sort key. An empty pattern
// matches every key.
type Filter struct {
	Type    FilterType
	Pattern []byte
}

// MultiGetOptions is the options for MultiGet and MultiGetRange, defaults to
// DefaultMultiGetOptions. Beware: &MultiGetOptions{MaxFetchCount: 10} leaves out the
// entry at startSortKey, because StartInclusive is false; copy *DefaultMultiGetOptions
// and change that, or use Table.Rows, whose options are safe.
type MultiGetOptions struct {
	StartInclusive bool
	StopInclusive  bool
	SortKeyFilter  Filter

	// MaxFetchCount is the largest number of entries to be fetched; <= 0 means
	// no limit but the server's.
	MaxFetchCount int

	// MaxFetchSize is the number of bytes, keys and values, from which on no
	// more entries are fetched; <= 0 means no limit but the server's.
	MaxFetchSize int

	// Reverse searches from the end of the range, so that a limit leaves the
	// last entries. The result is in ascending order all the same.
	Reverse bool

	// NoValue retrieves keys only.
	NoValue bool
}

// DefaultMultiGetOptions are the options that nil stands for: from the start
// inclusive to the stop exclusive, at most 100 entries and 100000 bytes. To use others,
// change a copy: what nil means does not depend on this value.
var DefaultMultiGetOptions = defaultMultiGetOptions()

func defaultMultiGetOptions() *MultiGetOptions {
	return &MultiGetOptions{StartInclusive: true, MaxFetchCount: 100, MaxFetchSize: 100000}
}

// DelRangeOptions is the options for DelRange, defaults to DefaultDelRangeOptions. Beware:
// &DelRangeOptions{} leaves the entry at startSortKey, because StartInclusive is false.
type DelRangeOptions struct {
	nextSortKey    []byte
	StartInclusive bool
	StopInclusive  bool
	SortKeyFilter  Filter
}

// NextSortKey returns the first sort key that a failed DelRangeOpt with these
// options has not deleted for sure, or nil after a success. To resume, use it
// as startSortKey with StartInclusive. Options in use by one DelRangeOpt
// should not be used by another at the same time.
func (o *DelRangeOptions) NextSortKey() []byte { return o.nextSortKey }

// DefaultDelRangeOptions are the options that nil stands for: from the start
// inclusive to the stop exclusive, without a filter. To use others, change a copy: what
// nil means does not depend on this value. NextSortKey of it is always nil.
var DefaultDelRangeOptions = defaultDelRangeOptions()

func defaultDelRangeOptions() *DelRangeOptions { return &DelRangeOptions{StartInclusive: true} }

const defaultBatchSize = 1000

// ScannerOptions is the options for GetScanner and GetUnorderedScanners, defaults to
// DefaultScannerOptions. Beware: &ScannerOptions{BatchSize: 5} leaves out the entry at
// startSortKey, because StartInclusive is false; change what DefaultScannerOptions returns,
// or use Table.Rows, whose options are safe.
type ScannerOptions struct {
	BatchSize      int  // entries fetched at once, at most 1000; <= 0 means 1000
	StartInclusive bool // if the startSortKey is included
	StopInclusive  bool // if the stopSortKey is included
	HashKeyFilter  Filter
	SortKeyFilter  Filter
	NoValue        bool // only fetch hash_key and sort_key, but not fetch value
}

// DefaultScannerOptions returns the options that nil stands for: batches of
// 1000 entries, from the start inclusive to the stop exclusive, no filter. The
// options are the caller's to change.
func DefaultScannerOptions() *ScannerOptions {
	return &ScannerOptions{BatchSize: defaultBatchSize, StartInclusive: true}
}

// CheckType is a check of a value by CheckAndSet.
type CheckType int

// The value checking types. Except for the first three, the check fails if
// there is no value.
const (
	CheckTypeNoCheck CheckType = 0

	// existence
	CheckTypeValueNotExist        CheckType = 1 // value is not exist
	CheckTypeValueNotExistOrEmpty CheckType = 2 // value is not exist or value is empty
	CheckTypeValueExist           CheckType = 3 // value is exist
	CheckTypeValueNotEmpty        CheckType = 4 // value is exist and not empty

	// match
	CheckTypeMatchAnywhere CheckType = 5 // operand matches anywhere in value
	CheckTypeMatchPrefix   CheckType = 6 // operand matches prefix in value
	CheckTypeMatchPostfix  CheckType = 7 // operand matches postfix in value

	// bytes compare
	CheckTypeBytesLess           CheckType = 8  // bytes compare: value < operand
	CheckTypeBytesLessOrEqual    CheckType = 9  // bytes compare: value <= operand
	CheckTypeBytesEqual          CheckType = 10 // bytes compare: value == operand
	CheckTypeBytesGreaterOrEqual CheckType = 11 // bytes compare: value >= operand
	CheckTypeBytesGreater        CheckType = 12 // bytes compare: value > operand

	// int compare: first transfer bytes to int64; then compare by int value
	CheckTypeIntLess           CheckType = 13 // int compare: value < operand
	CheckTypeIntLessOrEqual    CheckType = 14 // int compare: value <= operand
	CheckTypeIntEqual          CheckType = 15 // int compare: value == operand
	CheckTypeIntGreaterOrEqual CheckType = 16 // int compare: value >= operand
	// CheckTypeIntGreater is INT_GREATER of the protocol. The official Go client
	// sends BYTES_GREATER in its place.
	CheckTypeIntGreater CheckType = 17 // int compare: value > operand
)

// CheckAndSetOptions is the options of a CAS.
type CheckAndSetOptions struct {
	SetValueTTLSeconds int  // time to live in seconds of the set value, 0 means no ttl, must be >= 0
	ReturnCheckValue   bool // if return the check value in results.
}

// CheckAndSetResult is the result of a CAS.
type CheckAndSetResult struct {
	// SetSucceed is true if the check passed and the value was set.
	SetSucceed bool

	// CheckValue is the value before the operation; nil if there was none, not
	// nil if it was empty. Only with ReturnCheckValue.
	CheckValue []byte

	// CheckValueExist is true if there was a value before the operation. Only
	// with ReturnCheckValue.
	CheckValueExist bool

	// CheckValueReturned is true if the fields above are valid.
	CheckValueReturned bool
}
