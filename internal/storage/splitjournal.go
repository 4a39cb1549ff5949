package storage

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/pegasus-go/pegasus/internal/schema"
)

// A split doubles the partition count of a table: records of partition i, the parent, that belong to
// partition i+count, its child, afterwards move there. A journal entry says how far it got:
//
//  1. "copying": the records are copied, run by run, while the table serves. From when a run has been
//     copied, writes to its keys go to parent and child in one batch, so when the last run has, the
//     children are complete and stay so: there is nothing to catch up with, nothing to keep a log of,
//     and a deletion is not undone by an older copy. A crash here undoes the split: the children,
//     whose key ranges were empty, are emptied.
//  2. "moved", written in one batch with the caller's meta data, while writers wait: the children count
//     now. The copies' originals are removed, run by run, while the table serves. If that fails or a
//     crash ends it they stay, which does no harm, until they are removed in the background of the next
//     Open, or by the next split of the table.
//  3. The entry is removed.
const (
	splitCopying = 1
	splitMoved   = 2
)

// beginSplit enters a split into the journal.
func (db *DB) beginSplit(appID, oldCount int32) error {
	return db.journal(func(b *pebble.Batch) {
		emptyChildren(b, appID, oldCount)
		_ = b.Set(appendAppPrefix(nil, tagSplit, appID), splitEntry(splitCopying, oldCount), nil)
	})
}

// undoSplit empties the new partitions. It waits while the disk takes no writes: the split may be why.
func (db *DB) undoSplit(appID, oldCount int32) error {
	if err := db.awaitDisk(); err != nil {
		return err
	}
	err := db.journal(func(b *pebble.Batch) {
		emptyChildren(b, appID, oldCount)
		_ = b.Delete(appendAppPrefix(nil, tagSplit, appID), nil)
	})
	if err == nil {
		db.reclaimer.dropped(appID, oldCount)
	}
	return err
}

// removeMoved is the end of the second phase and the third one.
func (db *DB) removeMoved(ctx context.Context, appID, oldCount int32) error {
	for i := range oldCount {
		p, err := db.Partition(appID, i)
		if err != nil {
			return err
		}
		child, newCount := uint64(i+oldCount), 2*uint64(oldCount)
		err = p.walk(ctx, func(b *pebble.Batch, key, _ []byte) {
			if schema.KeyHash(key[prefixLen:])%newCount == child {
				_ = b.Delete(key, nil)
			}
		})
		if err != nil {
			return err
		}
		db.reclaimer.deleted(p)
	}
	return db.journal(func(b *pebble.Batch) {
		_ = b.Delete(appendAppPrefix(nil, tagSplit, appID), nil)
	})
}

func emptyChildren(b *pebble.Batch, appID, oldCount int32) {
	_ = b.DeleteRange(appendPrefix(nil, tagData, appID, oldCount), appendPrefix(nil, tagData, appID, 2*oldCount), nil)
}

// journal commits a batch that fill makes.
func (db *DB) journal(fill func(b *pebble.Batch)) error {
	if err := db.enter(); err != nil {
		return err
	}
	defer db.leave()
	b := db.pebble.NewBatch()
	fill(b)
	return db.commitNow(b)
}

// finishEarlierSplit removes what the split of the table before this one has left in its old
// partitions: the next one would take it for records.
func (db *DB) finishEarlierSplit(ctx context.Context, appID int32) error {
	key := appendAppPrefix(nil, tagSplit, appID)
	value, err := db.read(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	_, phase, oldCount, err := parseSplitEntry(key, value)
	if err != nil {
		return err
	}
	if phase == splitCopying {
		return db.undoSplit(appID, oldCount)
	}
	return db.removeMoved(ctx, appID, oldCount)
}

// read returns a copy of what is stored under a key.
func (db *DB) read(key []byte) ([]byte, error) {
	if err := db.enter(); err != nil {
		return nil, err
	}
	defer db.leave()
	value, closer, err := db.pebble.Get(key)
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	return bytes.Clone(value), nil
}

// recoverSplits completes or undoes the splits that were under way when the process ended. Of those that
// it completes, the records that have moved are removed in the background: a start does not wait for a
// walk over a table.
func (db *DB) recoverSplits() error {
	it, err := db.pebble.NewIter(&pebble.IterOptions{LowerBound: []byte{tagSplit}, UpperBound: []byte{tagSplit + 1}})
	if err != nil {
		return err
	}
	var moved []int32
	for valid := it.First(); valid && err == nil; valid = it.Next() {
		var appID, oldCount int32
		var phase byte
		if appID, phase, oldCount, err = parseSplitEntry(it.Key(), it.Value()); err != nil {
			break
		}
		if phase == splitCopying {
			err = db.undoSplit(appID, oldCount)
		} else {
			moved = append(moved, appID)
		}
	}
	if err = errors.Join(err, it.Close()); err == nil && len(moved) > 0 {
		db.leftovers.start(db, moved)
	}
	return err
}

// leftovers is the removal of what earlier splits have left.
type leftovers struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when the goroutine has ended; nil without one
}

func (l *leftovers) start(db *DB, tables []int32) {
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel, l.done = cancel, make(chan struct{})
	go func() {
		defer close(l.done)
		for _, appID := range tables {
			err := db.finishLater(ctx, appID)
			if err != nil && ctx.Err() == nil && !errors.Is(err, ErrClosed) { // dropped: nothing is left
				db.logLeftovers(appID, err)
			}
		}
	}()
}

func (l *leftovers) stop() {
	if l.done != nil {
		l.cancel()
		<-l.done
	}
}

// finishLater is finishEarlierSplit for a table that may be split or compacted meanwhile.
func (db *DB) finishLater(ctx context.Context, appID int32) error {
	release, err := db.reorganize(ctx, appID)
	if err != nil {
		return err
	}
	defer release()
	return db.finishEarlierSplit(ctx, appID)
}

func (db *DB) logLeftovers(appID int32, err error) {
	db.opts.Logger.Warn("records that a partition split has copied stay in their old partitions for now", "table_id", appID, "error", plain(err))
}

func splitEntry(phase byte, oldCount int32) []byte {
	return binary.BigEndian.AppendUint32([]byte{phase}, uint32(oldCount))
}

func parseSplitEntry(key, value []byte) (appID int32, phase byte, oldCount int32, err error) {
	if len(key) != 5 || len(value) != 5 {
		return 0, 0, 0, fmt.Errorf("journal entry %x: %x not understood", key, value)
	}
	return int32(binary.BigEndian.Uint32(key[1:])), value[0], int32(binary.BigEndian.Uint32(value[1:])), nil
}
