package storage

import (
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A guardFS stands between Pebble and the file system and makes a failing disk survivable.
//
// Pebble gives up on the process when the log or the manifest cannot be written: it calls
// Logger.Fatalf or panics, partly in goroutines of its own, and it retries a failed flush without
// a pause. A library must not do that to its host. So what fails is told apart (see essential and
// table):
//
// A table that cannot be written is no loss: its records are in the log, or in the tables that it
// was to replace. Pebble gets the error after a pause, and tries again.
//
// The log, the manifest, and the directory itself cannot be done without. Where an operation on
// them did nothing for want of room or of a descriptor, it is tried again until it succeeds. After
// any other failure they are not to be trusted, and the guard freezes. From then on nothing on disk
// changes any more, which leaves the disk as a crash at that moment would have: what was
// acknowledged is in the log and is found by the next Open. Pebble goes on with files in memory, so
// that reads, and writers that were already under way, do not hang. The DB refuses new writes and
// does not acknowledge those under way (see DB.failed), so what goes to memory is bounded by what
// was in flight; compactions get no files any more.
//
// With noLogSync, syncs of the log do nothing until it is closed. A commit that asks Pebble for a
// sync then waits until its data was handed to the operating system, which Pebble offers no other
// way to do, and no longer.
type guardFS struct {
	vfs.FS
	dir       string // files elsewhere are none of the store's
	noLogSync bool
	logger    *slog.Logger
	memory    *vfs.MemFS    // files made since the freeze
	leave     chan struct{} // closed when the store is about to be closed: nothing is waited for
	leaving   sync.Once
	opened    atomic.Bool
	frozen    atomic.Bool
	cause     atomic.Pointer[failure] // of the freeze
	logged    atomic.Int64            // bytes written to logs

	waiting           waiting // operations that cannot be done without, and are tried again
	flush, compaction trouble
}

// failure is an operation that failed.
type failure struct {
	op, file string
	err      error
	kept     bool // in the log: a table was not written when the store was about to be closed
}

func newGuardFS(fs vfs.FS, dir string, noLogSync bool, logger *slog.Logger) *guardFS {
	return &guardFS{FS: fs, dir: dir, noLogSync: noLogSync, logger: logger, memory: vfs.NewMem(), leave: make(chan struct{})}
}

// freeze is called with the failure of an operation that is not tried again.
func (g *guardFS) freeze(f failure) {
	if g.frozen.Load() {
		return
	}
	g.cause.CompareAndSwap(nil, &f)
	if g.frozen.CompareAndSwap(false, true) {
		g.logger.Error("disk write failed, no more writes are taken", "op", f.op, "file", f.file, "error", f.err)
	}
}

// foreign reports whether a file is not in the store's directory, as those of a checkpoint.
func (g *guardFS) foreign(name string) bool { return g.PathDir(name) != g.dir }

func isTable(base string) bool {
	return strings.HasSuffix(base, ".sst") || strings.HasSuffix(base, ".blob")
}

func isLog(base string) bool { return strings.HasSuffix(base, ".log") }

// create makes a file by open, or in memory when the guard is frozen.
func (g *guardFS) create(name string, category vfs.DiskWriteCategory, open func() (vfs.File, error)) (f vfs.File, err error) {
	if g.foreign(name) {
		return open()
	}
	do := func() error {
		if f, err = open(); err != nil {
			f = nil
		}
		return err
	}
	base := g.PathBase(name)
	var t *trouble
	if isTable(base) {
		t = g.troubleOf(category)
		err = g.table("create", name, t, do)
	} else {
		err = g.essential("create", name, true, do)
	}
	if g.frozen.Load() && (err != nil || f == nil) {
		if t == &g.compaction {
			return nil, ErrFailed
		}
		return g.inMemory(name, category)
	}
	if err != nil {
		return nil, err
	}
	wal := isLog(base)
	return &guardFile{File: f, fs: g, name: name, table: t, log: wal, noSync: wal && g.noLogSync}, nil
}

// inMemory makes a file in memory, for use after the freeze.
func (g *guardFS) inMemory(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := g.memory.MkdirAll(g.PathDir(name), 0o755); err != nil {
		return nil, err
	}
	return g.memory.Create(name, category)
}

// Create implements vfs.FS.
func (g *guardFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return g.create(name, category, func() (vfs.File, error) { return g.FS.Create(name, category) })
}

// ReuseForWrite implements vfs.FS.
func (g *guardFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	again := false
	return g.create(newname, category, func() (vfs.File, error) {
		f, err := g.FS.ReuseForWrite(oldname, newname, category)
		if again && errors.Is(err, os.ErrNotExist) { // it was renamed, but not opened
			f, err = g.FS.OpenReadWrite(newname, category)
		}
		again = true
		return f, err
	})
}

// Open implements vfs.FS.
func (g *guardFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	if g.frozen.Load() {
		if f, err := g.memory.Open(name, opts...); err == nil {
			return f, nil
		}
	}
	return g.FS.Open(name, opts...)
}

// OpenDir implements vfs.FS.
func (g *guardFS) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	if err != nil || name != g.dir {
		return f, err
	}
	return &guardFile{File: f, fs: g, name: name}, nil
}

// Stat implements vfs.FS.
func (g *guardFS) Stat(name string) (vfs.FileInfo, error) {
	if g.frozen.Load() {
		if info, err := g.memory.Stat(name); err == nil {
			return info, nil
		}
	}
	return g.FS.Stat(name)
}

// Rename implements vfs.FS.
func (g *guardFS) Rename(oldname, newname string) error {
	if g.foreign(newname) {
		return g.FS.Rename(oldname, newname)
	}
	err := g.essential("rename", newname, true, func() error { return g.FS.Rename(oldname, newname) })
	if !g.frozen.Load() {
		return err
	}
	if err := g.memory.Rename(oldname, newname); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

// Link implements vfs.FS.
func (g *guardFS) Link(oldname, newname string) error {
	if g.frozen.Load() && !g.foreign(newname) {
		return ErrFailed // only ingestion links within the store, which it does not use
	}
	return g.FS.Link(oldname, newname)
}

// Remove implements vfs.FS. A failing Remove does not freeze: Pebble keeps the file and goes on.
func (g *guardFS) Remove(name string) error {
	if !g.frozen.Load() || g.foreign(name) {
		return g.FS.Remove(name)
	}
	if err := g.memory.Remove(name); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil // what is on disk stays
}

// RemoveAll implements vfs.FS.
func (g *guardFS) RemoveAll(name string) error {
	if g.frozen.Load() && !g.foreign(name) {
		return nil
	}
	return g.FS.RemoveAll(name)
}

// Unwrap implements vfs.FS.
func (g *guardFS) Unwrap() vfs.FS { return g.FS }

// stopWaiting ends pauses, for good.
func (g *guardFS) stopWaiting() { g.leaving.Do(func() { close(g.leave) }) }

// pause waits before an operation is tried again. It reports false when there is nothing to wait
// for any more.
func (g *guardFS) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-g.leave:
		return false
	case <-t.C:
		return true
	}
}
