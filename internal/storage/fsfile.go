package storage

import (
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A guardFile is a file of the store that is written to, or its directory.
type guardFile struct {
	vfs.File
	fs     *guardFS
	name   string
	table  *trouble // of files of its kind; nil if the file is not a table
	failed bool     // an operation on the table failed
	log    bool     // a write-ahead log
	noSync bool     // syncs wait for Close
}

// do carries out an operation. again says that it can be repeated after it failed for want of room.
func (f *guardFile) do(op string, again bool, try func() error) error {
	if f.table == nil {
		return f.fs.essential(op, f.name, again, try)
	}
	err := f.fs.table(op, f.name, f.table, try)
	f.failed = f.failed || err != nil
	return err
}

// Write implements vfs.File. What a write did not get done for want of room the next one does.
func (f *guardFile) Write(b []byte) (int, error) {
	written := 0
	err := f.do("write", true, func() error {
		n, err := f.File.Write(b[written:])
		written += n
		if err == nil && written < len(b) {
			err = io.ErrShortWrite
		}
		return err
	})
	if f.log {
		f.fs.logged.Add(int64(len(b)))
	}
	if err == nil {
		written = len(b)
	}
	return written, err
}

// Sync implements vfs.File. A sync that failed may have dropped what was to be synced, so that
// another one would prove nothing.
func (f *guardFile) Sync() error {
	if f.noSync {
		return nil
	}
	return f.do("sync", false, f.File.Sync)
}

// SyncData implements vfs.File.
func (f *guardFile) SyncData() error {
	if f.noSync {
		return nil
	}
	return f.do("sync", false, f.File.SyncData)
}

// SyncTo implements vfs.File.
func (f *guardFile) SyncTo(length int64) (fullSync bool, err error) {
	if f.noSync {
		return false, nil
	}
	err = f.do("sync", false, func() (err error) {
		fullSync, err = f.File.SyncTo(length)
		return err
	})
	return fullSync, err
}

// Preallocate implements vfs.File. It is a hint, which many file systems refuse.
func (f *guardFile) Preallocate(offset, length int64) error {
	if f.fs.frozen.Load() {
		return nil
	}
	return f.File.Preallocate(offset, length)
}

// Close implements vfs.File. A log whose syncs were left out is synced here, so that at most the
// newest one can be torn by a loss of power; Pebble takes that for the end of the log.
func (f *guardFile) Close() error {
	var err error
	if f.noSync {
		err = f.do("sync", false, f.File.Sync)
	}
	if f.fs.frozen.Load() || err != nil {
		_ = f.File.Close()
		return err
	}
	err = f.do("close", false, f.File.Close)
	if f.table != nil && !f.failed {
		f.fs.written(f.table)
	}
	return err
}
