package storage

import (
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A guardFS stands between Pebble and the file system and makes a failing disk survivable.
//
// Pebble gives up on the process when the log or the manifest cannot be written: it calls
// Logger.Fatalf or panics, partly in goroutines of its own, and it retries a failed flush without
// a pause. A library must not do that to its host. So Pebble never sees such an error: at the
// first write that fails the guard freezes. From then on nothing on disk changes any more, which
// leaves the disk as a crash at that moment would have: what was acknowledged is in the log and is
// found by the next Open. Pebble goes on with files in memory, so that reads, and writers that
// were already under way, do not hang. The DB refuses new writes and does not acknowledge those
// under way (see DB.failed), so what goes to memory is bounded by what was in flight.
//
// With noLogSync, syncs of the log do nothing until it is closed. A commit that asks Pebble for a
// sync then waits until its data was handed to the operating system, which Pebble offers no other
// way to do, and no longer.
type guardFS struct {
	vfs.FS
	noLogSync bool
	logger    *slog.Logger
	armed     atomic.Bool // Open is done; before that errors go to Pebble, which returns them
	frozen    atomic.Bool
	memory    *vfs.MemFS // files made since the freeze
}

func newGuardFS(fs vfs.FS, noLogSync bool, logger *slog.Logger) *guardFS {
	return &guardFS{FS: fs, noLogSync: noLogSync, logger: logger, memory: vfs.NewMem()}
}

// freeze is called with the error of a write and reports whether the guard is frozen, that is
// whether the error must be kept from Pebble.
func (g *guardFS) freeze(op, name string, err error) bool {
	if !g.armed.Load() {
		return false
	}
	if g.frozen.CompareAndSwap(false, true) {
		g.logger.Error("disk write failed, no more writes are taken", "op", op, "file", name, "err", err)
	}
	return true
}

// isLog reports whether name is a file that Pebble writes and does not read back while it runs:
// a write-ahead log or a manifest. Writes to these can be dropped when the guard is frozen; a
// table has to be written anew, in memory.
func isLog(base string) (wal, unread bool) {
	wal = strings.HasSuffix(base, ".log")
	return wal, wal || strings.HasPrefix(base, "MANIFEST-")
}

// wrap puts a guardFile around a file on disk that was opened for writing.
func (g *guardFS) wrap(f vfs.File, name string) vfs.File {
	wal, unread := isLog(g.PathBase(name))
	return &guardFile{File: f, fs: g, name: name, unread: unread, noSync: wal && g.noLogSync}
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
	if g.frozen.Load() {
		return g.inMemory(name, category)
	}
	f, err := g.FS.Create(name, category)
	if err != nil {
		if g.freeze("create", name, err) {
			return g.inMemory(name, category)
		}
		return nil, err
	}
	return g.wrap(f, name), nil
}

// ReuseForWrite implements vfs.FS.
func (g *guardFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if g.frozen.Load() {
		return g.inMemory(newname, category)
	}
	f, err := g.FS.ReuseForWrite(oldname, newname, category)
	if err != nil {
		if g.freeze("reuse", newname, err) {
			return g.inMemory(newname, category)
		}
		return nil, err
	}
	return g.wrap(f, newname), nil
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
	if err != nil {
		return nil, err
	}
	return &guardFile{File: f, fs: g, name: name, unread: true}, nil
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
	if !g.frozen.Load() {
		err := g.FS.Rename(oldname, newname)
		if err == nil || !g.freeze("rename", newname, err) {
			return err
		}
	}
	if err := g.memory.Rename(oldname, newname); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

// Link implements vfs.FS.
func (g *guardFS) Link(oldname, newname string) error {
	if g.frozen.Load() {
		return ErrFailed // only ingestion links, which the store does not use
	}
	return g.FS.Link(oldname, newname)
}

// Remove implements vfs.FS. A failing Remove does not freeze: Pebble keeps the file and goes on.
func (g *guardFS) Remove(name string) error {
	if !g.frozen.Load() {
		return g.FS.Remove(name)
	}
	if err := g.memory.Remove(name); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil // what is on disk stays
}

// RemoveAll implements vfs.FS.
func (g *guardFS) RemoveAll(name string) error {
	if g.frozen.Load() {
		return nil
	}
	return g.FS.RemoveAll(name)
}

// Unwrap implements vfs.FS.
func (g *guardFS) Unwrap() vfs.FS { return g.FS }

// A guardFile is a file or directory on disk that is written to.
type guardFile struct {
	vfs.File
	fs     *guardFS
	name   string
	unread bool // a log, manifest or directory: writes may be dropped after the freeze
	noSync bool // syncs wait for Close
}

// result turns the outcome of a write into what Pebble may see of it.
func (f *guardFile) result(op string, err error) error {
	if err == nil {
		return nil
	}
	if f.fs.freeze(op, f.name, err) && f.unread {
		return nil
	}
	return err
}

// dropped reports whether the file takes no more writes, and what to tell Pebble then.
func (f *guardFile) dropped() (bool, error) {
	if !f.fs.frozen.Load() {
		return false, nil
	}
	if f.unread {
		return true, nil
	}
	return true, ErrFailed // Pebble writes the table again, which then goes to memory
}

// Write implements vfs.File.
func (f *guardFile) Write(b []byte) (int, error) {
	if dropped, err := f.dropped(); dropped {
		return len(b), err
	}
	n, err := f.File.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err = f.result("write", err); err == nil {
		n = len(b)
	}
	return n, err
}

// Sync implements vfs.File.
func (f *guardFile) Sync() error {
	if dropped, err := f.dropped(); dropped || f.noSync {
		return err
	}
	return f.result("sync", f.File.Sync())
}

// SyncData implements vfs.File.
func (f *guardFile) SyncData() error {
	if dropped, err := f.dropped(); dropped || f.noSync {
		return err
	}
	return f.result("sync", f.File.SyncData())
}

// SyncTo implements vfs.File.
func (f *guardFile) SyncTo(length int64) (fullSync bool, err error) {
	if dropped, err := f.dropped(); dropped || f.noSync {
		return false, err
	}
	fullSync, err = f.File.SyncTo(length)
	return fullSync, f.result("sync", err)
}

// Preallocate implements vfs.File. It is a hint, which many file systems refuse.
func (f *guardFile) Preallocate(offset, length int64) error {
	if dropped, err := f.dropped(); dropped {
		return err
	}
	return f.File.Preallocate(offset, length)
}

// Close implements vfs.File. A log whose syncs were left out is synced here, so that at most the
// newest one can be torn by a loss of power; Pebble takes that for the end of the log.
func (f *guardFile) Close() error {
	var err error
	if f.noSync && !f.fs.frozen.Load() {
		err = f.result("sync", f.File.Sync())
	}
	if cerr := f.result("close", f.File.Close()); err == nil {
		err = cerr
	}
	return err
}
