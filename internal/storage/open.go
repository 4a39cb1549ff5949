package storage

import (
	"errors"
	"fmt"
	"os"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

func (db *DB) openMemory() error {
	var err error
	db.pebble, err = pebble.Open("", db.pebbleOptions(vfs.NewMem()))
	return err
}

// openDir opens the store in Options.Dir.
func (db *DB) openDir() error {
	dir, fs := db.opts.Dir, db.opts.FS
	if db.opts.ReadOnly {
		if _, err := fs.Stat(fs.PathJoin(dir, formatFile)); errors.Is(err, os.ErrNotExist) {
			return ErrNoStore
		}
	} else if err := makeDir(dir, fs); err != nil {
		return err
	}
	if fs == systemFS {
		var err error
		if dir, err = canonicalDir(dir); err != nil {
			return err
		}
		if db.release, err = claim(dir, db.opts.ReadOnly); err != nil {
			return err
		}
	}
	db.dir = fs.PathDir(fs.PathJoin(dir, formatFile)) // one spelling
	if db.opts.ReadOnly {
		fs = readerFS{fs}
	}
	lock, created, err := prepareDir(db.dir, fs)
	if err == nil {
		db.lock = lock
		err = db.openLocked(fs, created)
	}
	if err != nil {
		db.unlock()
	}
	return err
}

// openLocked opens the store in db.dir, or makes one if it is to be created. The directory is locked.
func (db *DB) openLocked(fs vfs.FS, created bool) error {
	if total, _, err := db.DiskUsage(); err == nil {
		db.fitDisk(total)
	}
	if !db.opts.ReadOnly {
		db.guard = newGuardFS(fs, db.dir, db.opts.Durability == DurabilityOS, db.opts.Logger)
		fs = db.guard
	}
	po := db.pebbleOptions(fs)
	po.Lock = db.lock
	po.ReadOnly = db.opts.ReadOnly
	po.ErrorIfNotExists = !created  // else a lost manifest would count as an empty store
	po.ErrorIfNotPristine = created // else a foreign database would become ours
	var err error
	if db.pebble, err = pebble.Open(db.dir, po); err != nil {
		if errors.Is(err, pebble.ErrDBNotPristine) {
			return fmt.Errorf("%w: %w", ErrForeign, err)
		}
		return err
	}
	if db.guard == nil {
		return nil
	}
	if f := db.guard.cause.Load(); f != nil && (created || !passing(f.err)) {
		err = f.err
	} else if created {
		err = writeFormat(db.dir, db.opts.FS)
	}
	if err != nil {
		_ = db.pebble.Close()
		return err
	}
	db.guard.opened.Store(true)
	return nil
}

// unlock lets others open the directory.
func (db *DB) unlock() (err error) {
	if db.lock != nil {
		err = db.lock.Close()
	}
	if db.release != nil {
		db.release()
	}
	return err
}
