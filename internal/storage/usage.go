package storage

import (
	"bytes"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// usageSample is how many records are looked at to tell how many there are.
const usageSample = 100

// unflushed counts the bytes that were written to a partition and are in no table yet. They are
// those since the last flush of a memtable, nearly: what is written during one counts as flushed.
type unflushed struct{ flushes, bytes atomic.Int64 }

func (u *unflushed) add(n int, flushes int64) {
	if u.flushes.Load() != flushes {
		u.flushes.Store(flushes)
		u.bytes.Store(0)
	}
	u.bytes.Add(int64(n))
}

func (u *unflushed) since(flushes int64) int64 {
	if u.flushes.Load() != flushes {
		return 0
	}
	return u.bytes.Load()
}

// Usage returns about how much a partition takes: the bytes of its tables, whose number Pebble
// knows, and what was written since the last flush; and its records. Few records are counted; of
// more it is worked out from the bytes and the first ones.
func (p *Partition) Usage() (bytes uint64, records int64, err error) {
	if err := p.db.enter(); err != nil {
		return 0, 0, err
	}
	defer p.db.leave()
	p.gate.RLock()
	defer p.gate.RUnlock()
	if p.closed {
		return 0, 0, ErrClosed
	}
	lower, upper := appendPrefix(nil, tagData, p.appID, p.index), appendPrefix(nil, tagData, p.appID, p.index+1)
	if bytes, err = p.db.pebble.EstimateDiskUsage(lower, upper); err != nil {
		return 0, 0, err
	}
	bytes += uint64(p.unflushed.since(p.db.flushes.Load()))
	it, err := p.newIter(p.db.pebble, nil, nil)
	if err != nil {
		return 0, 0, err
	}
	size := 0
	for valid := it.First(); valid && records < usageSample; valid = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			_ = it.Close()
			return 0, 0, err
		}
		size += len(it.Key()) + len(value)
		records++
	}
	if records == usageSample {
		entries := int64(bytes) * records / int64(size)
		// Older versions of records, and deleted ones, are passed over, and are as many elsewhere.
		steps := it.Stats().ForwardStepCount[pebble.InternalIterCall]
		records = max(records, entries*records/max(records, int64(steps)))
	}
	return bytes, records, it.Close()
}

// Memory is what the store takes, in bytes.
type Memory struct{ BlockCache, MemTables int64 }

// Memory returns what the store takes.
func (db *DB) Memory() (m Memory) {
	if db.enter() != nil {
		return m
	}
	defer db.leave()
	metrics := db.pebble.Metrics()
	return Memory{BlockCache: metrics.BlockCache.Size, MemTables: int64(metrics.MemTable.Size)}
}

// Capacity returns how many bytes there are for the store, and how many of them are free: of its
// disk, or of the machine's memory.
func (db *DB) Capacity() (total, free uint64, err error) {
	if !db.inMemory {
		return db.DiskUsage()
	}
	free = availableMemory()
	if db.enter() != nil {
		return free, free, nil
	}
	defer db.leave()
	metrics := db.pebble.Metrics()
	return free + uint64(metrics.Total().TablesSize) + metrics.MemTable.Size, free, nil
}

// availableMemory returns what the machine has left, where that can be found out.
func availableMemory() uint64 {
	const unknown = 1 << 30
	text, err := os.ReadFile("/proc/meminfo") // on Linux
	if err != nil {
		return unknown
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("MemAvailable:")); ok {
			kib, err := strconv.ParseUint(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte("kB")))), 10, 64)
			if err == nil && kib > 0 {
				return kib << 10
			}
		}
	}
	return unknown
}
