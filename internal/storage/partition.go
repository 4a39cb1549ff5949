package storage

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Partition is one partition of a table. Its methods may be called concurrently; writes are
// carried out one after another.
//
// Keys and values passed in are not kept after a method returns. "now" is the time in seconds of
// schema.EpochSeconds, expiry timestamps are in the same unit and 0 means none.
type Partition struct {
	db            *DB
	appID, index  int32
	prefix        [prefixLen]byte // of its records' keys
	defaultTTL    atomic.Uint32
	iterationTime atomic.Int64 // time.Duration
	durable       atomic.Int64 // highest reserved decree that is known to be on disk
	expired       atomic.Int64 // records that reads have passed over because of that,
	filtered      atomic.Int64 // and because of a filter
	unflushed     unflushed
	garbage       atomic.Bool // records were deleted, and the reclaimer has not looked at it since

	// mu orders the writes.
	mu struct {
		sync.Mutex
		decree   int64 // last one given out
		reserved int64 // decrees up to here may be given out
		move     *move // while the table is split, of an old partition
	}
	// gate is held shared by reads, exclusively to shut the partition or to end its scans. Holding mu
	// and gate keeps everybody out; closed may be read with either.
	gate   sync.RWMutex
	closed bool

	scanners struct {
		sync.Mutex
		open map[*Scanner]struct{}
	}
}

// SetDefaultTTL sets the time to live, in seconds, of records that later writes would store
// without an expiry. 0 means that they do not expire, which is the default.
func (p *Partition) SetDefaultTTL(seconds uint32) { p.defaultTTL.Store(seconds) }

// SetIterationTime sets Limits.IterationTime for this partition. Zero or less is no limit.
func (p *Partition) SetIterationTime(d time.Duration) { p.iterationTime.Store(int64(d)) }

// PassedOver returns how many records reads have passed over because they had expired, or because
// of a filter.
func (p *Partition) PassedOver() (expired, filtered int64) {
	return p.expired.Load(), p.filtered.Load()
}

// Decree returns the number of the last write, or a higher one that a restart skipped to.
func (p *Partition) Decree() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.decree
}

// expiry returns the timestamp to store for a record that asks for expire.
func (p *Partition) expiry(expire, now uint32) uint32 {
	if expire != 0 {
		return expire
	}
	if ttl := p.defaultTTL.Load(); ttl != 0 {
		return now + ttl
	}
	return 0
}

// shut waits for operations under way, fails later ones and ends all scans.
func (p *Partition) shut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gate.Lock()
	defer p.gate.Unlock()
	p.closed = true
	p.endScans()
}

// endScans closes the snapshots of all scanners. The gate is held exclusively.
func (p *Partition) endScans() {
	p.scanners.Lock()
	defer p.scanners.Unlock()
	for s := range p.scanners.open {
		_ = s.snapshot.Close() // always nil
		s.snapshot = nil
	}
	clear(p.scanners.open)
}

// A keyBuf holds keys and values on their way to and from Pebble: the bounds of an iterator, or a
// key and its value. Pebble takes keys behind an interface, which would cost an allocation each
// if they were on the stack.
type keyBuf struct{ key, other []byte }

var keyBufs = sync.Pool{New: func() any { return new(keyBuf) }}

func newKeyBuf() *keyBuf { return keyBufs.Get().(*keyBuf) }

// release gives kb back, unless a large value has made it so big that it should not stay around.
func (kb *keyBuf) release() {
	if cap(kb.key)+cap(kb.other) <= 1<<18 {
		keyBufs.Put(kb)
	}
}

// newIter returns an iterator of r over the raw keys from lower (inclusive) to upper (exclusive; nil
// for the end of the partition). Pebble copies the bounds.
func (p *Partition) newIter(r pebble.Reader, lower, upper []byte) (*pebble.Iterator, error) {
	kb := newKeyBuf()
	defer kb.release()
	kb.key = append(append(kb.key[:0], p.prefix[:]...), lower...)
	if upper != nil {
		kb.other = append(append(kb.other[:0], p.prefix[:]...), upper...)
	} else {
		kb.other = appendPrefix(kb.other[:0], tagData, p.appID, p.index+1)
	}
	return r.NewIter(&pebble.IterOptions{LowerBound: kb.key, UpperBound: kb.other})
}
