// Package storage keeps the records of Pegasus tables in one Pebble database and answers reads
// and writes of a partition as a Pegasus replica server does: expiry, scans that end where a real
// server ends them, limits and their statuses, check-and-set. It knows keys (package schema) and
// nothing of the wire.
//
// A table serves while it is split, compacted or copied. A copy is of a snapshot. A split or a compaction
// walks over the records in short runs, during each of which the writers of one partition wait, so that
// it changes what is there (walk.go). Of what a split has walked over, it has every write go to the new
// partition as well, in the same batch (split.go). The other way, to copy a snapshot and catch up with
// a log of the writes since, needs that log, bounds for it, and an end to catching up; this needs
// nothing to be remembered but a key.
package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// DB is an open store. Its methods may be called concurrently.
//
// Lock order: life, mu, then a partition's mu (several in index order), then its gate, then its
// scanners.
type DB struct {
	opts      Options
	inMemory  bool
	pebble    *pebble.DB
	dir       string       // Options.Dir, wherever the process goes
	lock      *pebble.Lock // nil in memory
	release   func()       // of the claim to dir; nil without one
	guard     *guardFS     // nil in memory, and if nothing is written
	space     space
	small     bool         // the disk is so small that memtables are
	broken    atomic.Bool  // Pebble reported an error that it calls fatal
	flushes   atomic.Int64 // of memtables
	full      atomic.Bool  // Pebble makes writers wait, as there are too many memtables or tables
	sweeper   sweeper
	reclaimer reclaimer
	leftovers leftovers

	compacting chan struct{} // holds as many as compactions run, one at most
	runRecords int           // of walks; tests have less

	// life is held shared by calls that use pebble without a partition's locks, exclusively by
	// Close.
	life   sync.RWMutex
	closed bool // under life

	mu struct {
		sync.Mutex
		partitions map[partitionID]*Partition
		jobs       map[int32]chan struct{} // by table, closed when the job ends; see reorganize
	}
}

type partitionID struct{ appID, index int32 }

// Open opens the store in opts.Dir, or makes one. Errors wrap ErrLocked, ErrNewerFormat, ErrForeign
// and ErrNoStore; a directory that cannot be opened is left as it is. A partition split that a crash
// interrupted is completed or undone; what is left to remove of one goes in the background. A store that there is no room for on the disk opens all the
// same, and takes no writes: see Health.
func Open(opts Options) (*DB, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	db := &DB{opts: opts, inMemory: opts.Dir == ""}
	db.mu.partitions = make(map[partitionID]*Partition)
	db.compacting, db.runRecords = make(chan struct{}, 1), runRecords
	db.mu.jobs = make(map[int32]chan struct{})
	if db.inMemory {
		err = db.openMemory()
	} else {
		err = db.openDir()
	}
	if err != nil {
		return nil, fmt.Errorf("storage: open %q: %w", opts.Dir, plain(err))
	}
	if !opts.ReadOnly {
		db.reclaimer.start(db)
	}
	if db.refuses() == nil {
		if err := db.recoverSplits(); err != nil {
			_ = db.Close()
			return nil, fmt.Errorf("storage: open %q: recover partition split: %w", opts.Dir, plain(err))
		}
	}
	db.sweeper.start(db)
	return db, nil
}

// StopWaiting says that the store is about to be closed: writes that wait for the disk fail, and
// no operation that fails is tried again.
func (db *DB) StopWaiting() {
	if db.guard != nil {
		db.guard.stopWaiting()
	}
}

// Close waits for operations under way, ends open scans, moves what is in logs to tables and
// closes the store. Operations started later have status IOError or ErrClosed. Commits not waited for
// yet can still be waited for. What cannot be moved stays in logs, which is no error. Closing twice is
// harmless.
func (db *DB) Close() error {
	db.StopWaiting()
	db.sweeper.stop()
	db.reclaimer.stop()
	db.leftovers.stop()
	db.life.Lock()
	defer db.life.Unlock()
	if db.closed {
		return nil
	}
	db.closed = true
	db.mu.Lock()
	for _, p := range db.mu.partitions {
		p.shut()
	}
	clear(db.mu.partitions)
	db.mu.Unlock()
	var err error
	if !db.inMemory && !db.opts.ReadOnly {
		// Damage to a table is found when it is read. Where a log is damaged looks as if a crash
		// had cut it there, so none is left when there was no crash.
		err = db.pebble.Flush()
	}
	err = errors.Join(err, db.pebble.Close(), db.unlock())
	if err = errors.Join(err, db.failure()); err != nil {
		return fmt.Errorf("storage: close: %w", err)
	}
	return nil
}

// enter takes the life lock for a call that uses pebble, and fails when the store is closed. The
// caller calls leave unless it fails.
func (db *DB) enter() error {
	db.life.RLock()
	if db.closed {
		db.life.RUnlock()
		return ErrClosed
	}
	return nil
}

func (db *DB) leave() { db.life.RUnlock() }

// failed reports whether the store takes no more writes.
func (db *DB) failed() bool {
	return db.guard != nil && db.guard.frozen.Load() || db.broken.Load()
}

// failure returns nil, or an error that wraps ErrFailed and tells the cause. It is none if all that
// was acknowledged has been written.
func (db *DB) failure() error {
	if !db.failed() {
		return nil
	}
	if db.guard != nil && !db.broken.Load() {
		if f := db.guard.cause.Load(); f != nil && f.kept {
			return nil
		} else if f != nil {
			return fmt.Errorf("%w: %s %s: %w", ErrFailed, f.op, f.file, f.err)
		}
	}
	return ErrFailed
}

// commitNow applies and closes a batch, and returns when it is as durable as writes get.
func (db *DB) commitNow(b *pebble.Batch) error {
	c, err := db.apply(b)
	if err != nil {
		return err
	}
	return c.Wait()
}

// Partition returns the partition of a table, which needs no creation: one that nothing was
// written to is empty. There is one handle per partition; it is good until DropApp or Close.
func (db *DB) Partition(appID, index int32) (*Partition, error) {
	if appID < 0 || index < 0 {
		return nil, fmt.Errorf("storage: partition %d.%d: negative id", appID, index)
	}
	if err := db.enter(); err != nil {
		return nil, err
	}
	defer db.leave()
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.partitionLocked(appID, index)
}

func (db *DB) partitionLocked(appID, index int32) (*Partition, error) {
	id := partitionID{appID, index}
	if p := db.mu.partitions[id]; p != nil {
		return p, nil
	}
	p := &Partition{db: db, appID: appID, index: index}
	appendPrefix(p.prefix[:0], tagData, appID, index)
	p.iterationTime.Store(int64(db.opts.Limits.IterationTime))
	p.mu.reserved = math.MaxInt64 // nothing outlives the process
	if !db.inMemory {
		reserved, err := db.reservedDecree(appID, index)
		if err != nil {
			return nil, fmt.Errorf("storage: partition %d.%d in %q: %w", appID, index, db.opts.Dir, plain(err))
		}
		p.mu.decree, p.mu.reserved = reserved, reserved
		p.durable.Store(reserved)
	} else {
		p.durable.Store(math.MaxInt64)
	}
	db.mu.partitions[id] = p
	return p, nil
}

// reservedDecree reads the highest decree that a partition may have used.
func (db *DB) reservedDecree(appID, index int32) (int64, error) {
	v, closer, err := db.pebble.Get(appendPrefix(nil, tagDecree, appID, index))
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer closer.Close()
	if len(v) != 8 {
		return 0, fmt.Errorf("decree record has %d bytes", len(v))
	}
	return int64(binary.BigEndian.Uint64(v)), nil
}

// DropApp deletes all records of a table for good, in the same instant as entries of the caller's meta
// data, and ends its scans. Their disk space is given back within seconds. It waits while the disk takes
// no writes. Handles of its partitions stop working: reads and writes have status IOError.
func (db *DB) DropApp(appID int32, meta ...string) error {
	if err := db.enter(); err != nil {
		return err
	}
	defer db.leave()
	if err := db.awaitDisk(); err != nil {
		return err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	for id, p := range db.mu.partitions {
		if id.appID == appID {
			p.shut()
			delete(db.mu.partitions, id)
		}
	}
	b := db.pebble.NewBatch()
	for _, tag := range []byte{tagData, tagDecree} {
		start := appendAppPrefix(nil, tag, appID)
		end := appendAppPrefix(nil, tag, appID+1)
		_ = b.DeleteRange(start, end, nil)
	}
	_ = b.Delete(appendAppPrefix(nil, tagSplit, appID), nil)
	for _, key := range meta {
		_ = b.Delete(metaKey(key), nil)
	}
	if err := db.commitNow(b); err != nil {
		return err
	}
	db.reclaimer.dropped(appID, 0)
	return nil
}

// awaitDisk waits while the disk takes no writes, unless the store is being closed.
func (db *DB) awaitDisk() error {
	for err := db.refuses(); errors.Is(err, ErrFull) || errors.Is(err, ErrStalled); err = db.refuses() {
		if !db.guard.pause(maxPause) {
			return err
		}
	}
	return nil
}

// readStatus logs an error of Pebble's and turns it into a status.
func (db *DB) readStatus(err error) Status {
	db.opts.Logger.Error("read failed", "error", plain(err))
	if errors.Is(err, errShortValue) || pebble.IsCorruptionError(err) {
		return Corruption
	}
	return IOError
}
