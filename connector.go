package pegasus

import (
	"context"
	"time"
)

// TableConnector is used to communicate with single Pegasus table. It is safe
// for concurrent use.
//
// Keys and values given to a method are not changed and not kept after it
// returned. Returned slices belong to the caller; those of one call may share
// memory, so clone what is kept for long out of a large result.
//
// A hash key has 1 to MaxHashKeyLength bytes. Where an argument "can't be nil",
// nil is refused with ErrInvalidArgument before anything is sent, and so are
// all other illegal arguments.
//
// A context without a deadline gets one: Config.OperationTimeout from the
// call. All errors are of type *PError.
type TableConnector interface {
	// Get retrieves the entry for hashKey + sortKey.
	// Returns nil if no entry matches; an existing empty value is not nil.
	// hashKey: can't be nil or empty.
	// sortKey: can't be nil but can be empty.
	Get(ctx context.Context, hashKey []byte, sortKey []byte) ([]byte, error)

	// Set the entry for hashKey + sortKey to value, without expiry unless the
	// table has a default TTL. The limit of servers for the whole request is
	// 1 MiB by default; above it they answer ErrInvalidData.
	// hashKey: can't be nil or empty.
	// sortKey, value: can't be nil but can be empty.
	Set(ctx context.Context, hashKey []byte, sortKey []byte, value []byte) error

	// SetTTL is Set with an expiry. ttl is rounded up to whole seconds; 0 is no
	// expiry. A ttl that is negative, positive but below a millisecond (a number
	// of seconds given as a duration, most likely), or beyond the year 2084 is
	// refused.
	SetTTL(ctx context.Context, hashKey []byte, sortKey []byte, value []byte, ttl time.Duration) error

	// Del deletes the entry for hashKey + sortKey. It succeeds if there is none.
	// hashKey: can't be nil or empty.
	// sortKey: can't be nil but can be empty.
	Del(ctx context.Context, hashKey []byte, sortKey []byte) error

	// MultiGet is MultiGetOpt with DefaultMultiGetOptions.
	MultiGet(ctx context.Context, hashKey []byte, sortKeys [][]byte) ([]*KeyValue, bool, error)

	// MultiGetOpt retrieves the entries for hashKey + sortKeys[i] atomically in
	// one operation. If sortKeys is nil or empty, it retrieves the entries under
	// hashKey, up to the limits of options (by default 100 entries or 100000
	// bytes) and of the server (by default 3000 entries or 30 MiB).
	// hashKey: can't be nil or empty.
	// sortKeys[i]: can't be nil but can be empty.
	// options: nil means DefaultMultiGetOptions.
	//
	// The entries are sorted by sort key in ascending order; nil if none match.
	// The bool is true if all data was fetched. False means that a limit was
	// reached: of sortKeys, ask for the rest; without sortKeys, go on with
	// MultiGetRangeOpt behind the last sort key, where there may be nothing more.
	// False and no entries means that the server spent its limit on entries that
	// have expired or do not pass the filter: a Scanner gets past those.
	MultiGetOpt(ctx context.Context, hashKey []byte, sortKeys [][]byte, options *MultiGetOptions) ([]*KeyValue, bool, error)

	// MultiGetRange is MultiGetRangeOpt with DefaultMultiGetOptions.
	MultiGetRange(ctx context.Context, hashKey []byte, startSortKey []byte, stopSortKey []byte) ([]*KeyValue, bool, error)

	// MultiGetRangeOpt retrieves the entries under hashKey between startSortKey
	// and stopSortKey atomically in one operation, like MultiGetOpt.
	// hashKey: can't be nil or empty.
	// startSortKey: nil or empty means from the first entry.
	// stopSortKey: nil or empty means to the last entry.
	MultiGetRangeOpt(ctx context.Context, hashKey []byte, startSortKey []byte, stopSortKey []byte, options *MultiGetOptions) ([]*KeyValue, bool, error)

	// MultiSet sets the entries for hashKey + sortKeys[i] to values[i] atomically
	// in one operation.
	// hashKey, sortKeys, values: can't be nil or empty; as many values as keys.
	// sortKeys[i], values[i]: can't be nil but can be empty.
	MultiSet(ctx context.Context, hashKey []byte, sortKeys [][]byte, values [][]byte) error

	// MultiSetOpt is MultiSet with an expiry for all entries, see SetTTL.
	MultiSetOpt(ctx context.Context, hashKey []byte, sortKeys [][]byte, values [][]byte, ttl time.Duration) error

	// MultiDel deletes the entries under hashKey atomically in one operation.
	// hashKey, sortKeys: can't be nil or empty.
	// sortKeys[i]: can't be nil but can be empty.
	MultiDel(ctx context.Context, hashKey []byte, sortKeys [][]byte) error

	// DelRange is DelRangeOpt with DefaultDelRangeOptions.
	DelRange(ctx context.Context, hashKey []byte, startSortKey []byte, stopSortKey []byte) error

	// DelRangeOpt deletes the entries under hashKey between startSortKey and
	// stopSortKey. It looks them up and deletes them in batches, each of them
	// atomic, in ascending order: the whole is not atomic. All of it has the time of
	// one operation. When it fails, the entries before options.NextSortKey() are
	// deleted. It deletes nothing from another table than that in which it has found
	// the entries: ErrRepartitioned.
	// hashKey: can't be nil or empty.
	// startSortKey: nil or empty means from the first entry.
	// stopSortKey: nil or empty means to the last entry.
	// options: nil means DefaultDelRangeOptions.
	DelRangeOpt(ctx context.Context, hashKey []byte, startSortKey []byte, stopSortKey []byte, options *DelRangeOptions) error

	// TTL returns the time to live in seconds: -1 if the entry does not expire,
	// -2 if there is no entry. Where an int has 32 bits, it is at most 2^31-1.
	// hashKey: can't be nil or empty.
	// sortKey: can't be nil but can be empty.
	TTL(ctx context.Context, hashKey []byte, sortKey []byte) (int, error)

	// Exist reports whether there is an entry for hashKey + sortKey.
	// hashKey: can't be nil or empty.
	// sortKey: can't be nil but can be empty.
	Exist(ctx context.Context, hashKey []byte, sortKey []byte) (bool, error)

	// GetScanner returns a scanner of the entries under hashKey between
	// startSortKey and stopSortKey, in ascending order.
	// hashKey: can't be nil or empty.
	// startSortKey: nil or empty means from the first entry.
	// stopSortKey: nil or empty means to the last entry.
	// options: nil means DefaultScannerOptions.
	// Nothing is sent before the first Next.
	GetScanner(ctx context.Context, hashKey []byte, startSortKey []byte, stopSortKey []byte, options *ScannerOptions) (Scanner, error)

	// GetUnorderedScanners returns scanners for all data of the table: no more
	// than maxSplitCount, nor than the table has partitions. Each of them scans
	// other partitions, so that they can be used at the same time.
	// maxSplitCount: must be > 0.
	// options: nil means DefaultScannerOptions. StartInclusive and StopInclusive
	// are of no effect.
	// Nothing is sent before the first Next, unless it is not known where the table
	// is.
	GetUnorderedScanners(ctx context.Context, maxSplitCount int, options *ScannerOptions) ([]Scanner, error)

	// CheckAndSet checks the value of one sort key and, if the check passes, sets
	// the value of a sort key (the same or another one), atomically. A check that
	// does not pass is a result with SetSucceed false, not an error.
	// hashKey: can't be nil or empty.
	// checkSortKey, setSortKey, checkOperand, setValue: nil counts as empty.
	// options: nil means no expiry, and the check value is not returned.
	//
	// A check of integers fails with StorageInvalidArgument if the value or the
	// operand is not an integer. If the answer is lost the error has ErrInDoubt;
	// the request is then not sent again.
	CheckAndSet(ctx context.Context, hashKey []byte, checkSortKey []byte, checkType CheckType,
		checkOperand []byte, setSortKey []byte, setValue []byte, options *CheckAndSetOptions) (*CheckAndSetResult, error)

	// SortKeyCount returns the number of entries under hashKey. It fails with
	// ErrCountUnknown if counting takes the server longer than it allows.
	// hashKey: can't be nil or empty.
	SortKeyCount(ctx context.Context, hashKey []byte) (int64, error)

	// Incr adds increment to the integer stored for hashKey + sortKey as decimal
	// text, atomically, and returns the new value. No entry, and an empty value,
	// count as 0. The expiry of the entry stays; a new entry has none.
	// hashKey, sortKey: can't be nil or empty.
	//
	// It fails with StorageInvalidArgument, and changes nothing, if the value is
	// not an integer of 64 bits or the result would not be one. If the answer is
	// lost the error has ErrInDoubt; the request is then not sent again.
	Incr(ctx context.Context, hashKey []byte, sortKey []byte, increment int64) (int64, error)

	// BatchGet retrieves the values of any keys: values[i] is that of keys[i],
	// nil if there is none. It is not atomic, but all values come from one table:
	// if another one takes its name meanwhile, from that. Up to 200 keys of a
	// partition share a request if the server can do that (Pegasus 2.4), and up to
	// 32 requests are under way.
	// keys: can't be nil or empty; their hash keys can't be nil or empty, their
	// sort keys can't be nil.
	//
	// If some keys could not be read the error says how many, and has the causes;
	// values then has those that could, and nil in place of the others.
	BatchGet(ctx context.Context, keys []CompositeKey) (values [][]byte, err error)

	// Close releases the connector: operations that begin later, or would be
	// tried again, fail with ErrTableClosed, and so do its scanners. Other connectors
	// of the table stay open. Closing twice is allowed; the error is always nil.
	Close() error
}

// KeyValue is an entry under a known hash key.
type KeyValue struct {
	SortKey, Value []byte
}

// CompositeKey is the whole key of an entry.
type CompositeKey struct {
	HashKey, SortKey []byte
}
