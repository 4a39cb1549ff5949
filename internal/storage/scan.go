package storage

import (
	"bytes"
	"math"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/pegasus-go/pegasus/internal/schema"
)

// Scan asks for the records from StartKey to StopKey, which are raw keys.
//
// A scan ends with the hash key of StartKey, however far away StopKey is, unless FullScan is set
// or that hash key is empty.
type Scan struct {
	StartKey, StopKey             []byte
	StartInclusive, StopInclusive bool
	FullScan                      bool
	HashFilter, SortFilter        Filter
	BatchSize                     int32 // not positive or above Limits.ScanCount: that limit
	MaxBytes                      int   // of keys and values, after which a batch ends; 0: no limit
	NoValue                       bool
	OnlyCount                     bool // count records instead of returning them
	// PartitionCount, if positive, leaves out records that do not belong to this partition in a
	// table of that many.
	PartitionCount int32
}

// Scanner is a scan under way: the scan context of Pegasus without its id and its life time. It
// reads the partition as it was when NewScanner was called. It must be closed unless Next has
// said that there is no more; an open one keeps Pebble from deleting what is overwritten. It holds
// no iterator between two calls, which would hold blocks, memtables and files.
//
// A Scanner is used by one goroutine at a time. Dropping, splitting or closing the partition ends
// it from outside; Next then has status NotFound.
type Scanner struct {
	// Room, if not nil, is asked before a record of n bytes is emitted. If it says no the batch
	// ends before that record. Pace ends the batch likewise. Both are for one call of Next, which
	// forgets them: what a scan keeps between two calls is small, and they may refer to an answer.
	Room func(n int) bool
	Pace Pace

	p          *Partition
	snapshot   *pebble.Snapshot // nil: ended
	key        keyRange
	next, end  []byte // raw keys: where the next call begins, and where the scan ends if not nil
	hashFilter Filter
	sortFilter Filter
	batch      int // records per call
	budget     int // records visited per call
	maxBytes   int // of keys and values per call
	noValue    bool
	onlyCount  bool
	partitions uint64 // of the table; 0: do not validate
	skipStart  bool   // the first record is left out if it is key.start
	exhausted  bool
	began      int64 // DB.flushes
}

// ScanResult is the outcome of one call of Scanner.Next.
type ScanResult struct {
	// Status is OK; NotFound if the scan was ended from outside; Incomplete if the time was over,
	// which ends the scan but leaves what was emitted valid; or Corruption or IOError.
	Status Status
	// Count of records emitted, or with Scan.OnlyCount counted, by this call. It may be 0 although
	// there is more.
	Count int
	// More reports whether to call Next again. If not, the Scanner is closed.
	More bool
}

// NewScanner starts a scan. A range that cannot contain anything because it ends before it starts
// has status OK and no Scanner; Pegasus tells that apart from a scan that is finished. Status
// InvalidArgument: unknown filter type, malformed StartKey.
func (p *Partition) NewScanner(req *Scan) (*Scanner, Status) {
	startHash, _, ok := schema.SplitKey(req.StartKey)
	if !ok || !req.HashFilter.valid() || !req.SortFilter.valid() {
		return nil, InvalidArgument
	}
	s := &Scanner{
		p: p,
		key: keyRange{
			start: slices.Clone(req.StartKey), startInclusive: req.StartInclusive,
			stop: slices.Clone(req.StopKey), stopInclusive: req.StopInclusive,
		},
		hashFilter: Filter{req.HashFilter.Type, slices.Clone(req.HashFilter.Pattern)},
		sortFilter: Filter{req.SortFilter.Type, slices.Clone(req.SortFilter.Pattern)},
		batch:      p.db.opts.Limits.ScanCount,
		budget:     p.db.opts.Limits.ScanCount,
		maxBytes:   math.MaxInt,
		noValue:    req.NoValue,
		onlyCount:  req.OnlyCount,
	}
	if req.BatchSize > 0 {
		s.batch = min(s.batch, int(req.BatchSize))
	}
	if req.MaxBytes > 0 {
		s.maxBytes = req.MaxBytes
	}
	if req.PartitionCount > 0 {
		s.partitions = uint64(req.PartitionCount)
	}
	var end []byte
	if len(startHash) > 0 && !req.FullScan {
		end = schema.AppendNext(nil, schema.AppendKey(nil, startHash, nil))
	}
	if pattern := req.HashFilter.Pattern; req.HashFilter.Type == MatchPrefix && len(pattern) > 0 {
		if len(pattern) > schema.MaxHashKeyLen {
			s.exhausted = true // no hash key is that long
		} else if first := schema.AppendKey(nil, pattern, nil); bytes.Compare(first, s.key.start) > 0 {
			s.key.start, s.key.startInclusive = first, true
			s.exhausted = end != nil // the one hash key of the scan does not match
		}
	}
	if !s.exhausted && s.key.empty() {
		return nil, OK
	}
	s.skipStart = !s.key.startInclusive

	p.gate.RLock()
	defer p.gate.RUnlock()
	if p.closed {
		return nil, IOError
	}
	if s.exhausted {
		return s, OK
	}
	s.began = p.db.flushes.Load()
	s.snapshot = p.db.pebble.NewSnapshot()
	s.next, s.end = slices.Clone(s.key.start), end
	p.scanners.Lock()
	defer p.scanners.Unlock()
	if p.scanners.open == nil {
		p.scanners.open = make(map[*Scanner]struct{})
	}
	p.scanners.open[s] = struct{}{}
	return s, OK
}

// Next calls emit with the next records in key order: at most a batch of them. Raw key and value
// are valid during the call only. emit may be nil with Scan.OnlyCount.
func (s *Scanner) Next(now uint32, emit func(key, value []byte, expire uint32)) ScanResult {
	defer func() { s.Room, s.Pace = nil, nil }()
	if s.exhausted {
		return ScanResult{}
	}
	s.p.gate.RLock()
	defer s.p.gate.RUnlock()
	if s.snapshot == nil {
		return ScanResult{Status: NotFound}
	}
	b := s.p.newBudget(s.budget, s.Pace)
	s.budget = s.batch // only the first call may visit more records than it returns
	n, complete, err := s.read(&b, now, emit)
	res := ScanResult{Count: n}
	switch {
	case err != nil:
		res.Status = s.p.db.readStatus(err)
	case !complete && b.timeOver():
		res.Status = Incomplete
	default:
		res.More = !complete
	}
	if !res.More {
		s.exhausted = res.Status == OK
		s.Close()
	}
	return res
}

// read is the work of Next. complete means that there is no more.
func (s *Scanner) read(b *budget, now uint32, emit func(key, value []byte, expire uint32)) (n int, complete bool, err error) {
	it, err := s.p.newIter(s.snapshot, s.next, s.end)
	if err != nil {
		return 0, false, err
	}
	it.First()
	n, complete, err = s.readFrom(it, b, now, emit)
	if it.Valid() {
		s.next = append(s.next[:0], it.Key()[prefixLen:]...)
	} else {
		complete = true
	}
	if cerr := it.Close(); err == nil {
		err = cerr // the iterator's own error, if it ended early
	}
	return n, complete, err
}

// readFrom leaves the iterator on the first record that was not visited. complete means that the
// stop key was reached.
func (s *Scanner) readFrom(it *pebble.Iterator, b *budget, now uint32, emit func(key, value []byte, expire uint32)) (n int, complete bool, err error) {
	for size := 0; n < s.batch && size < s.maxBytes && b.left() && it.Valid(); {
		key := it.Key()[prefixLen:]
		toStop := bytes.Compare(key, s.key.stop)
		if toStop > 0 || toStop == 0 && !s.key.stopInclusive {
			return n, true, nil
		}
		if s.skipStart {
			s.skipStart = false
			if bytes.Equal(key, s.key.start) {
				it.Next()
				continue
			}
		}
		b.visited++
		v, err := it.ValueAndErr()
		if err != nil {
			return n, false, err
		}
		expire, value, err := splitValue(v)
		if err != nil {
			return n, false, err
		}
		switch {
		case expired(expire, now):
			s.p.expired.Add(1)
		case !s.matches(key):
			s.p.filtered.Add(1)
		default:
			if s.noValue {
				value = nil
			}
			if !s.onlyCount && s.Room != nil && !s.Room(len(key)+len(value)) {
				return n, false, nil
			}
			n++
			if !s.onlyCount {
				size += len(key) + len(value)
				emit(key, value, expire)
			}
		}
		if toStop == 0 {
			return n, true, nil
		}
		it.Next()
	}
	return n, false, nil
}

func (s *Scanner) matches(key []byte) bool {
	hashKey, sortKey, ok := schema.SplitKey(key)
	if !ok {
		return false // writes do not let such a key in
	}
	if s.partitions > 0 && schema.PartitionHash(hashKey, sortKey)%s.partitions != uint64(s.p.index) {
		return false
	}
	return s.hashFilter.match(hashKey) && s.sortFilter.match(sortKey)
}

// Written returns about how many bytes were written to the store since the scan began. As long as the
// scan is open Pebble keeps what they have replaced, in a store in memory in memory.
func (s *Scanner) Written() int64 {
	db := s.p.db
	return (db.flushes.Load() - s.began) * db.opts.MemTableSize
}

// Close ends the scan. Closing a Scanner that has ended is harmless. It does not need the gate:
// endScans has the same lock.
func (s *Scanner) Close() {
	s.p.scanners.Lock()
	defer s.p.scanners.Unlock()
	if s.snapshot == nil {
		return
	}
	delete(s.p.scanners.open, s)
	_ = s.snapshot.Close() // always nil
	s.snapshot = nil
}
