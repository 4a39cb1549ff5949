package storage

import (
	"sync"
	"sync/atomic"
	"time"
)

// DiskUsage returns how many bytes the file system of a store on disk has, and
// how many are free. In memory both are 0.
func (db *DB) DiskUsage() (total, free uint64, err error) {
	if db.inMemory {
		return 0, 0, nil
	}
	u, err := db.opts.FS.GetDiskUsage(db.dir)
	return u.TotalBytes, u.AvailBytes, err
}

// space is what is known of the free space of the disk. Logs and tables of memtables that are full
// need some, a compaction needs as much as it reads, and only then is there what a drop or a
// deletion has freed. So room is kept for them.
type space struct {
	room uint64 // bytes that are kept; 0 where the file system does not tell what is free

	free   atomic.Uint64
	at     atomic.Int64 // when free was asked for, by the clock of process
	logged atomic.Int64 // guardFS.logged then

	mu   sync.Mutex // held to ask
	full bool       // free is less than room
}

// process is when the process began, for a clock that fits into an atomic.
var process = time.Now()

const (
	roomMemTables = 8  // room is kept for so many memtables,
	roomShare     = 10 // but no more than this fraction of the disk
	minMemTable   = 256 << 10
	// lastRoomShare is the fraction of the room that deletions leave, too.
	lastRoomShare = 4
	// spaceAge is how long the free space is not asked for again, unless a fraction of the room has
	// been written.
	spaceAge      = 200 * time.Millisecond
	spaceAgeShare = 32
)

// fitDisk makes memtables so small that there is room for the work on them.
func (db *DB) fitDisk(total uint64) {
	if total == 0 {
		return
	}
	most := max(minMemTable, int64(total)/roomShare/roomMemTables)
	if db.small = most < db.opts.MemTableSize; db.small {
		db.opts.MemTableSize = most
	}
	db.space.room = min(total/roomShare, roomMemTables*uint64(db.opts.MemTableSize))
}

// Admit returns an error if a write had better be refused before it is begun: ErrFull when there is
// too little room on the disk, ErrStalled when it cannot be written to for another reason that may
// pass. A write that only deletes may use room that others may not.
func (db *DB) Admit(deletes bool) error {
	if db.guard == nil || db.failed() { // a write says itself that the store has failed
		return nil
	}
	if err := db.stalled(db.opts.MemTableSize / 4); err != nil {
		return err
	}
	s := &db.space
	room := s.room
	if deletes {
		room /= lastRoomShare
	}
	if room > 0 && db.freeSpace() < room {
		return ErrFull
	}
	return nil
}

// stalled returns ErrFull or ErrStalled when a write had to wait until the disk can be written to. That
// is so while an operation is tried again that cannot be done without, and when more than so many
// bytes were logged that could not be written to tables.
func (db *DB) stalled(bytes int64) error {
	if db.full.Load() {
		bytes = -1
	}
	return db.guard.stalled(bytes)
}

// freeSpace returns the free space of the disk in bytes, as of a moment ago.
func (db *DB) freeSpace() uint64 {
	s := &db.space
	fresh := func() bool {
		at := s.at.Load()
		return at > 0 && time.Since(process)-time.Duration(at) < spaceAge &&
			uint64(db.guard.logged.Load()-s.logged.Load()) < s.room/spaceAgeShare
	}
	if fresh() {
		return s.free.Load()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if fresh() { // somebody else has asked
		return s.free.Load()
	}
	_, free, err := db.DiskUsage()
	if err != nil {
		db.opts.Logger.Warn("free space of the disk not known", "error", plain(err))
		free = s.room
	}
	if full := free < s.room; full && !s.full {
		db.opts.Logger.Warn("disk is nearly full, writes are refused", "free", free, "room", s.room)
	} else if !full && s.full {
		db.opts.Logger.Info("disk has room again, writes are taken", "free", free)
	}
	s.full = free < s.room
	s.free.Store(free)
	s.logged.Store(db.guard.logged.Load())
	s.at.Store(int64(time.Since(process)))
	return free
}

// Health returns nil when the store works, ErrFull or ErrStalled when it takes no writes for now,
// and an error that wraps ErrFailed and tells the cause when it takes none until it is opened anew.
func (db *DB) Health() error {
	if err := db.failure(); err != nil {
		return err
	}
	return db.Admit(false)
}
