package storage

import (
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Commit is the durable half of a write. The write is visible to reads when the method that made
// it returns; it may be acknowledged when Wait has returned nil.
type Commit struct {
	db    *DB
	batch *pebble.Batch // nil: nothing to wait for
	err   error

	reserved []reservation // in the batch
}

// Pending reports whether there is something to wait for. If not Wait need not be called.
func (c Commit) Pending() bool { return c.batch != nil }

// Wait waits until the write is as durable as Options.Durability says. It must be called exactly
// once. With ErrFailed or ErrClosed the write must not be acknowledged: it may have been lost, or
// may be found by the next Open. With ErrFull, ErrStalled or ErrReadOnly it was not carried out. All
// writes that wait at the same time share one sync.
func (c Commit) Wait() error {
	if c.batch == nil {
		return c.err
	}
	err := c.batch.SyncWait()
	if cerr := c.batch.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		c.db.broken.Store(true)
		return fmt.Errorf("%w: %w", ErrFailed, err)
	}
	if c.db.failed() {
		// The guard hides failures from Pebble, so this batch may be among those it dropped.
		return ErrFailed
	}
	for _, r := range c.reserved {
		r.partition.raiseDurable(r.upTo)
	}
	return nil
}

// refuses returns why the store takes no writes. Pebble would make a writer wait for a disk that
// takes no tables when its memtables are full.
func (db *DB) refuses() error {
	switch {
	case db.opts.ReadOnly:
		return ErrReadOnly
	case db.failed():
		return ErrFailed
	case db.guard == nil:
		return nil
	}
	return db.stalled(db.opts.MemTableSize / 2)
}

// apply makes a batch visible and takes it over, also when it fails. With ErrFull or ErrStalled
// nothing was written, and it may be tried again.
func (db *DB) apply(b *pebble.Batch) (Commit, error) {
	err := db.refuses()
	if err != nil {
		_ = b.Close()
		return Commit{err: err}, err
	}
	if db.inMemory {
		if err = db.pebble.Apply(b, pebble.NoSync); err == nil {
			err = b.Close()
		}
		if err == nil {
			return Commit{}, nil
		}
	} else if err = db.pebble.ApplyNoSyncWait(b, pebble.Sync); err == nil {
		return Commit{db: db, batch: b}, nil
	}
	db.broken.Store(true)
	err = fmt.Errorf("%w: %w", ErrFailed, err)
	db.opts.Logger.Error("write failed, no more writes are taken", "error", plain(err))
	return Commit{err: err}, err
}

// decreeReserve is how many decrees are reserved at a time. A restart skips those that were not
// used; clients only rely on decrees growing.
const decreeReserve = 1 << 12

// nextDecreeLocked gives out the decree of a write. p.mu is held.
func (p *Partition) nextDecreeLocked() int64 {
	p.mu.decree++
	return p.mu.decree
}

// A reservation says that decrees of a partition up to a number may be given out.
type reservation struct {
	partition    *Partition
	upTo, before int64
}

// reserveLocked adds a reservation for decree to the batch if the last one does not cover it. A
// reservation is in the batch that first needs it, or in an earlier one, so whenever a write is
// durable its decree is covered. p.mu is held.
func (p *Partition) reserveLocked(b *pebble.Batch, decree int64) (r reservation, ok bool) {
	if decree <= p.mu.reserved {
		return reservation{}, false
	}
	r = reservation{p, decree + decreeReserve, p.mu.reserved}
	p.mu.reserved = r.upTo
	addReservation(b, p.appID, p.index, r.upTo)
	return r, true
}

// giveBackLocked is for a reservation whose batch was not written: the next write makes it.
func (r *reservation) giveBackLocked() { r.partition.mu.reserved = r.before }

func addReservation(b *pebble.Batch, appID, index int32, decree int64) {
	_ = b.Set(appendPrefix(nil, tagDecree, appID, index), binary.BigEndian.AppendUint64(nil, uint64(decree)), nil)
}

// raiseDurable notes that decrees up to reserved are covered on disk.
func (p *Partition) raiseDurable(reserved int64) {
	for {
		old := p.durable.Load()
		if old >= reserved || p.durable.CompareAndSwap(old, reserved) {
			return
		}
	}
}

// WriteResult is what every write returns.
type WriteResult struct {
	// Status is OK or a reason why nothing was written.
	Status Status
	// Decree is the number of the write in its partition. It is positive and grows with every
	// write, also with one that fails, over restarts too.
	Decree int64
}

// commitLocked applies a batch as the next write. expire is the earliest expiry timestamp in it, 0
// for none. p.mu is held.
func (p *Partition) commitLocked(b *pebble.Batch, expire uint32) (WriteResult, Commit) {
	if p.closed {
		_ = b.Close()
		return WriteResult{Status: IOError, Decree: p.nextDecreeLocked()}, Commit{err: ErrClosed}
	}
	decree := p.nextDecreeLocked()
	reserved, ok := p.reserveLocked(b, decree)
	if m := p.mu.move; m != nil {
		m.child.mu.Lock()
		defer m.child.mu.Unlock()
		m.double(b)
	}
	c, err := p.db.apply(b)
	if err != nil {
		if ok {
			reserved.giveBackLocked()
		}
		return WriteResult{Status: IOError, Decree: decree}, c
	}
	p.db.sweeper.note(expire)
	if ok {
		c.reserved = []reservation{reserved}
	}
	return WriteResult{Status: OK, Decree: decree}, c
}

// refuseLocked returns the result of a write that changes nothing. It has a decree all the same,
// and writes something only if no reservation on disk covers that yet. p.mu is held.
func (p *Partition) refuseLocked(status Status) (WriteResult, Commit) {
	decree := p.nextDecreeLocked()
	if p.closed {
		return WriteResult{Status: IOError, Decree: decree}, Commit{err: ErrClosed}
	}
	res := WriteResult{Status: status, Decree: decree}
	if decree <= p.durable.Load() {
		return res, Commit{}
	}
	b := p.db.pebble.NewBatch()
	reserved := max(p.mu.reserved, decree+decreeReserve)
	addReservation(b, p.appID, p.index, reserved)
	c, err := p.db.apply(b)
	if err != nil {
		return WriteResult{Status: IOError, Decree: decree}, c
	}
	p.mu.reserved = reserved
	c.reserved = []reservation{{partition: p, upTo: reserved}}
	return res, c
}

// refuse is refuseLocked for requests that are refused by themselves.
func (p *Partition) refuse(status Status) (WriteResult, Commit) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refuseLocked(status)
}
