package storage

import (
	"bytes"
	"math"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/pegasus-go/pegasus/internal/schema"
)

// MultiGet asks for records of one hash key: those of SortKeys if there are any, else the range
// from Start to Stop.
type MultiGet struct {
	HashKey  []byte
	SortKeys [][]byte

	MaxCount int32 // records returned; not positive or above Limits.MultiGetCount: that limit
	MaxSize  int32 // bytes of sort keys and values after which to stop; not positive: no limit
	NoValue  bool  // leave values empty, and out of the size

	// A range only. An empty Stop is the end of the hash key, whatever StopInclusive.
	Start, Stop                   []byte
	StartInclusive, StopInclusive bool
	Filter                        Filter
	Reverse                       bool // return the last MaxCount records rather than the first

	// Room, if not nil, is asked before a record of n bytes is returned. If it
	// says no the read ends, as at a limit.
	Room func(n int) bool
	Pace Pace // if it says no the read ends, as at a limit
}

// MultiGet calls emit with what req asks for, by sort key in ascending order, or in the order of
// req.SortKeys. The arguments of emit are valid during the call only. The records are of one
// point in time.
//
// Status Incomplete means that a limit was reached and that there may be more; there need not be.
// As on a Pegasus server that depends on records outside the range: a forward read that stops at
// a limit is complete only if the hash key has no further record, a reverse one only if it has
// read its inclusive Start. InvalidArgument: unknown filter type, hash key too long.
func (p *Partition) MultiGet(req *MultiGet, now uint32, emit func(sortKey, value []byte)) Status {
	if !req.Filter.valid() || len(req.HashKey) > schema.MaxHashKeyLen {
		return InvalidArgument
	}
	p.gate.RLock()
	defer p.gate.RUnlock()
	if p.closed {
		return IOError
	}
	r := multiGetRun{MultiGet: req, now: now, maxCount: p.db.opts.Limits.MultiGetCount, maxSize: math.MaxInt}
	if req.MaxCount > 0 {
		r.maxCount = min(r.maxCount, int(req.MaxCount))
	}
	if req.MaxSize > 0 {
		r.maxSize = int(req.MaxSize)
	}
	if len(req.SortKeys) > 0 {
		return p.multiGetKeys(&r, emit)
	}
	if limit := p.db.opts.Limits.MultiGetSize; limit > 0 {
		r.maxSize = min(r.maxSize, limit)
	}
	r.budget = p.newBudget(p.db.opts.Limits.MultiGetCount, req.Pace)
	status := p.multiGetRange(&r, emit)
	if !r.full { // else it is read once more, or was not read
		p.expired.Add(r.expired)
		p.filtered.Add(r.filtered)
	}
	return status
}

// multiGetRun is the state of one MultiGet.
type multiGetRun struct {
	*MultiGet
	now               uint32
	maxCount, maxSize int
	count, size       int  // of what was returned
	full              bool // Room said no
	expired, filtered int64
	budget            budget
}

// room reports whether there is room for a record.
func (r *multiGetRun) room(n int) bool {
	r.full = r.Room != nil && !r.Room(n)
	return !r.full
}

func (p *Partition) multiGetKeys(r *multiGetRun, emit func(sortKey, value []byte)) Status {
	reader, done := p.reader(len(r.SortKeys))
	defer done()
	kb := newKeyBuf()
	defer kb.release()
	for i, sortKey := range r.SortKeys {
		if !r.Pace.on(i) {
			return Incomplete
		}
		kb.key = schema.AppendKey(append(kb.key[:0], p.prefix[:]...), r.HashKey, sortKey)
		var status Status
		kb.other, _, status = p.getStored(reader, kb.other[:0], kb.key, r.now)
		if status == NotFound {
			continue
		}
		if status != OK {
			return status
		}
		// The limits count only once another record exists, so that one is always returned.
		if r.count >= r.maxCount || r.size >= r.maxSize {
			return Incomplete
		}
		value := kb.other
		if r.NoValue {
			value = nil
		}
		if !r.room(len(sortKey) + len(value)) {
			return Incomplete
		}
		r.count++
		r.size += len(sortKey) + len(value)
		emit(sortKey, value)
	}
	return OK
}

// A keyRange is a range of raw keys.
type keyRange struct {
	start, stop                   []byte
	startInclusive, stopInclusive bool
}

func (k *keyRange) empty() bool {
	c := bytes.Compare(k.start, k.stop)
	return c > 0 || c == 0 && !(k.startInclusive && k.stopInclusive)
}

// rawRange returns the range that m asks for, narrowed to its prefix filter, and the end of the
// hash key.
func (m *MultiGet) rawRange() (k keyRange, end []byte) {
	end = schema.AppendNext(nil, schema.AppendKey(nil, m.HashKey, nil))
	k.start, k.startInclusive = schema.AppendKey(nil, m.HashKey, m.Start), m.StartInclusive
	k.stop = end
	if len(m.Stop) > 0 {
		k.stop, k.stopInclusive = schema.AppendKey(nil, m.HashKey, m.Stop), m.StopInclusive
	}
	if m.Filter.Type == MatchPrefix && len(m.Filter.Pattern) > 0 {
		first := schema.AppendKey(nil, m.HashKey, m.Filter.Pattern)
		if bytes.Compare(first, k.start) > 0 {
			k.start, k.startInclusive = first, true
		}
		if next := schema.AppendNext(nil, first); bytes.Compare(next, k.stop) <= 0 {
			k.stop, k.stopInclusive = next, false
		}
	}
	return k, end
}

func (p *Partition) multiGetRange(r *multiGetRun, emit func(sortKey, value []byte)) Status {
	k, end := r.rawRange()
	if k.empty() {
		return OK
	}
	if r.Reverse {
		return p.multiGetReverse(r, &k, emit)
	}
	// Not just to the end of the range: whether the read is complete depends on whether the hash
	// key goes on behind it.
	it, err := p.newIter(p.db.pebble, k.start, end)
	if err != nil {
		return p.db.readStatus(err)
	}
	complete, valid := false, it.First()
	skipStart := !k.startInclusive
	toEnd := bytes.Equal(k.stop, end) // where the iterator ends by itself
	for r.more() && valid {
		key := it.Key()[prefixLen:]
		toStop := -1
		if !toEnd {
			toStop = bytes.Compare(key, k.stop)
		}
		if toStop > 0 || toStop == 0 && !k.stopInclusive {
			complete = true
			break
		}
		if skipStart {
			skipStart = false
			if bytes.Equal(key, k.start) {
				valid = it.Next()
				continue
			}
		}
		if err = r.visit(it, emit); err != nil || toStop == 0 {
			complete = true
			break
		}
		valid = it.Next()
	}
	return p.finishRange(it, err, (complete || !valid) && !r.full)
}

func (p *Partition) multiGetReverse(r *multiGetRun, k *keyRange, emit func(sortKey, value []byte)) Status {
	upper := k.stop
	if k.stopInclusive {
		upper = append(upper[:len(upper):len(upper)], 0)
	}
	it, err := p.newIter(p.db.pebble, k.start, upper)
	if err != nil {
		return p.db.readStatus(err)
	}
	// Records come in descending order and are returned in ascending order.
	found := reversedPool.Get().(*reversed)
	defer found.release()
	complete, valid := false, it.Last()
	for r.more() {
		// What precedes the range ends the read as complete, but a limit comes first. A real
		// server finds something there practically always: it keeps a record under the empty key,
		// which sorts before everything else.
		toStart := 0
		if valid {
			toStart = bytes.Compare(it.Key()[prefixLen:], k.start)
		}
		if !valid || toStart == 0 && !k.startInclusive {
			complete = true
			break
		}
		if err = r.visit(it, found.add); err != nil || toStart == 0 {
			complete = true
			break
		}
		valid = it.Prev()
	}
	found.emit(emit)
	return p.finishRange(it, err, complete && !r.full)
}

// more reports whether the limits allow to look at another record.
func (r *multiGetRun) more() bool {
	return r.count < r.maxCount && r.size < r.maxSize && !r.full && r.budget.left()
}

// visit looks at the record under it and returns it unless it expired or does not match.
func (r *multiGetRun) visit(it *pebble.Iterator, emit func(sortKey, value []byte)) error {
	r.budget.visited++
	v, err := it.ValueAndErr()
	if err != nil {
		return err
	}
	expire, value, err := splitValue(v)
	if err != nil {
		return err
	}
	sortKey := it.Key()[prefixLen+2+len(r.HashKey):]
	switch {
	case expired(expire, r.now):
		r.expired++
		return nil
	case !r.Filter.match(sortKey):
		r.filtered++
		return nil
	}
	if r.NoValue {
		value = nil
	}
	if !r.room(len(sortKey) + len(value)) {
		return nil
	}
	r.count++
	r.size += len(sortKey) + len(value)
	emit(sortKey, value)
	return nil
}

// finishRange closes it. err is an error met before.
func (p *Partition) finishRange(it *pebble.Iterator, err error, complete bool) Status {
	if cerr := it.Close(); err == nil {
		err = cerr // the iterator's own error, if it ended early
	}
	switch {
	case err != nil:
		return p.db.readStatus(err)
	case complete:
		return OK
	}
	return Incomplete
}

// reversed collects records to emit them in the opposite order.
type reversed struct {
	data []byte
	ends [][2]int // of each record's sort key and value in data
}

var reversedPool = sync.Pool{New: func() any { return new(reversed) }}

// release gives r back, unless it has grown so much that it should not stay around.
func (r *reversed) release() {
	if cap(r.data) <= 1<<20 {
		r.data, r.ends = r.data[:0], r.ends[:0]
		reversedPool.Put(r)
	}
}

func (r *reversed) add(sortKey, value []byte) {
	r.data = append(r.data, sortKey...)
	keyEnd := len(r.data)
	r.data = append(r.data, value...)
	r.ends = append(r.ends, [2]int{keyEnd, len(r.data)})
}

func (r *reversed) emit(emit func(sortKey, value []byte)) {
	for i := len(r.ends) - 1; i >= 0; i-- {
		start := 0
		if i > 0 {
			start = r.ends[i-1][1]
		}
		keyEnd, end := r.ends[i][0], r.ends[i][1]
		emit(r.data[start:keyEnd], r.data[keyEnd:end])
	}
}

// SortKeyCount returns the number of records of a hash key that have not expired. If
// Limits.IterationTime is over before all are counted, or pace says no, it returns -1 with status OK, as Pegasus
// does. Status InvalidArgument: hash key too long.
func (p *Partition) SortKeyCount(hashKey []byte, now uint32, pace Pace) (int64, Status) {
	if len(hashKey) > schema.MaxHashKeyLen {
		return 0, InvalidArgument
	}
	p.gate.RLock()
	defer p.gate.RUnlock()
	if p.closed {
		return 0, IOError
	}
	start := schema.AppendKey(nil, hashKey, nil)
	it, err := p.newIter(p.db.pebble, start, schema.AppendNext(nil, start))
	if err != nil {
		return 0, p.db.readStatus(err)
	}
	// The number of records is not limited; the budget only says how often to look at the clock.
	b := p.newBudget(p.db.opts.Limits.ScanCount, pace)
	b.max = math.MaxInt
	var n int64
	for valid := it.First(); valid; valid = it.Next() {
		if !b.left() {
			n = -1
			break
		}
		b.visited++
		var v []byte
		var expire uint32
		if v, err = it.ValueAndErr(); err == nil {
			expire, _, err = splitValue(v)
		}
		if err != nil {
			break
		}
		if expired(expire, now) {
			p.expired.Add(1)
		} else {
			n++
		}
	}
	if status := p.finishRange(it, err, true); status != OK {
		return 0, status
	}
	return n, OK
}
