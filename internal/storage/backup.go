package storage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// A checkpoint is a copy and not, as Pebble's own are, links to the files of the store. It shares no
// damaged block with the store, may be on another disk, whose failure is not the store's, may be of a
// store in memory or of one table, and holds nothing that a compaction would drop.

// ErrExists says that there is something already where a checkpoint was to be made.
var ErrExists = errors.New("exists already")

const (
	partialSuffix     = ".partial" // of a checkpoint that is not finished
	checkpointChunk   = 1 << 20    // bytes of a batch
	checkpointMemory  = 8 << 20    // of memtable
	checkpointCaching = 4 * checkpointMemory
	flushPatience     = 50 * time.Millisecond // until the disk is looked at
)

var everything = pebble.KeyRange{Start: []byte{0}, End: []byte{0xff}}

// Checkpoint makes a store in dir of all that is in this one at a moment, and returns its size in bytes.
// The store serves meanwhile. There must be no dir yet, else the error is ErrExists; it is there,
// durably, when the copy is complete. Until then it is called dir.partial, which a process that dies
// leaves behind.
func (db *DB) Checkpoint(ctx context.Context, dir string) (int64, error) {
	return db.checkpoint(ctx, dir, []pebble.KeyRange{everything})
}

// CheckpointApp is Checkpoint for the records of one table, and those entries of the caller's meta data
// that meta names.
func (db *DB) CheckpointApp(ctx context.Context, dir string, appID int32, meta ...string) (int64, error) {
	var ranges []pebble.KeyRange
	for _, tag := range []byte{tagDecree, tagData, tagSplit} {
		ranges = append(ranges, pebble.KeyRange{Start: appendAppPrefix(nil, tag, appID), End: appendAppPrefix(nil, tag, appID+1)})
	}
	for _, name := range meta {
		ranges = append(ranges, pebble.KeyRange{Start: metaKey(name), End: append(metaKey(name), 0)})
	}
	return db.checkpoint(ctx, dir, ranges)
}

// Restore opens a store that begins as a copy of the one in from, which stays as it is and which nobody
// else has open. On disk there must be no opts.Dir yet, else the error is ErrExists.
func Restore(ctx context.Context, from string, opts Options) (*DB, error) {
	source, err := Open(Options{
		Dir: from, ReadOnly: true, FS: opts.FS, Logger: opts.Logger,
		MemTableSize: checkpointMemory, CacheSize: checkpointCaching,
	})
	if err != nil {
		return nil, err
	}
	if opts.Dir != "" {
		_, err := source.Checkpoint(ctx, opts.Dir)
		if err := errors.Join(err, source.Close()); err != nil {
			return nil, err
		}
		return Open(opts)
	}
	db, err := Open(opts)
	if err != nil {
		return nil, errors.Join(err, source.Close())
	}
	snapshot := source.pebble.NewSnapshot()
	err = copyRange(ctx, db, snapshot, everything)
	if err == nil {
		err = db.recoverSplits()
	}
	if err = errors.Join(err, snapshot.Close(), source.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("storage: restore from %q: %w", from, plain(err)), db.Close())
	}
	db.sweeper.note(1) // what expires is not known
	return db, nil
}

func (db *DB) checkpoint(ctx context.Context, dir string, ranges []pebble.KeyRange) (size int64, err error) {
	fs, partial := db.opts.FS, dir+partialSuffix
	defer func() {
		if err != nil {
			err = fmt.Errorf("storage: checkpoint to %q: %w", dir, plain(err))
		}
	}()
	for _, name := range []string{dir, partial} {
		if _, err := fs.Stat(name); err == nil {
			return 0, fmt.Errorf("%q %w", name, ErrExists)
		} else if !errors.Is(err, os.ErrNotExist) {
			return 0, err
		}
	}
	size, err = db.copyTo(ctx, partial, ranges)
	if err == nil {
		err = fs.Rename(partial, dir)
	}
	if err == nil {
		return size, syncDir(fs.PathDir(dir), fs)
	}
	return 0, errors.Join(err, fs.RemoveAll(partial))
}

// copyTo copies what is in ranges to a new store, and returns the size of its directory.
func (db *DB) copyTo(ctx context.Context, dir string, ranges []pebble.KeyRange) (int64, error) {
	if err := db.enter(); err != nil {
		return 0, err
	}
	defer db.leave()
	snapshot := db.pebble.NewSnapshot()
	defer snapshot.Close()
	// What it holds is durable when it is closed.
	to, err := Open(Options{
		Dir: dir, FS: db.opts.FS, Durability: DurabilityOS, Logger: db.opts.Logger, SweepInterval: -1,
		MemTableSize: checkpointMemory, CacheSize: checkpointCaching,
	})
	if err != nil {
		return 0, err
	}
	for _, r := range ranges {
		if err := copyRange(ctx, to, snapshot, r); err != nil {
			return 0, errors.Join(err, to.Close())
		}
	}
	if err := errors.Join(to.flushAll(ctx), to.Close()); err != nil {
		return 0, err
	}
	return sizeOf(db.opts.FS, to.dir)
}

// flushAll moves all that was written to tables, or says why that is not possible now. Close would be
// content with logs.
func (db *DB) flushAll(ctx context.Context) error {
	flushed, err := db.pebble.AsyncFlush()
	if err != nil {
		return err
	}
	for {
		select {
		case <-flushed:
			return db.failure()
		case <-time.After(flushPatience):
			if err := errors.Join(ctx.Err(), db.guard.stalled(-1)); err != nil {
				return err
			}
		}
	}
}

func copyRange(ctx context.Context, to *DB, from *pebble.Snapshot, r pebble.KeyRange) (err error) {
	it, err := from.NewIter(&pebble.IterOptions{LowerBound: r.Start, UpperBound: r.End})
	if err != nil {
		return err
	}
	defer func() {
		if cerr := it.Close(); err == nil {
			err = cerr // the iterator's own error, if it ended early
		}
	}()
	b := to.pebble.NewBatch()
	for valid := it.First(); valid; valid = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			break
		}
		_ = b.Set(it.Key(), value, nil)
		if b.Len() < checkpointChunk {
			continue
		}
		if err := to.applyUnsynced(b); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		b = to.pebble.NewBatch()
	}
	return to.applyUnsynced(b)
}

// CheckpointSize returns how much there is of a checkpoint to dir that is being made, in bytes, 0
// if there is none.
func (db *DB) CheckpointSize(dir string) int64 {
	size, err := sizeOf(db.opts.FS, dir+partialSuffix)
	if err != nil { // such as a file that was deleted since it was listed
		return 0
	}
	return size
}

// sizeOf returns the size of the files in a directory.
func sizeOf(fs vfs.FS, dir string) (size int64, err error) {
	names, err := fs.List(dir)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		info, err := fs.Stat(fs.PathJoin(dir, name))
		if err != nil {
			return 0, err
		}
		size += info.Size()
	}
	return size, nil
}
