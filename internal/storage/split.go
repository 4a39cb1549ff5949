package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/pegasus-go/pegasus/internal/schema"
)

// A split doubles the partition count of a table: records of partition i that belong to partition
// i+count afterwards move there. The records do not fit into one batch, so a journal entry says
// how far it got:
//
//  1. "copying": records are copied to the new partitions, whose key ranges were empty. A crash
//     here undoes the split: the new partitions are emptied.
//  2. "moved", written in one batch with the caller's meta data: the new partitions count now.
//     The copies' originals are removed. If that fails or a crash ends it they stay, which does no
//     harm, until the next split of the table or the next Open removes them.
//  3. The entry is removed.
const (
	splitCopying = 1
	splitMoved   = 2
)

const splitChunk = 1 << 20 // bytes of a batch

// SplitApp doubles the partition count of a table, from oldCount, and sets meta in the same
// instant as UpdateMeta would; that is where the caller keeps the new count. When it returns nil,
// every record is in the partition its key hashes to (records that were in a foreign partition
// before stay where they are). In its old partition there may be one as well, if it could not be
// removed; a scan with Scan.PartitionCount does not see it. With an error nothing has changed, except
// that after ErrFailed it is for the next Open to find out: it completes the split or undoes it, and
// meta with it. So does an Open after a crash. When ctx ends before the records have moved, the split
// is undone.
//
// Reads and writes of the table wait meanwhile. The caller keeps its own clients from reading by
// the old count afterwards: a key that moved is not found in its old partition. Scans that are
// open on the table end with NotFound.
func (db *DB) SplitApp(ctx context.Context, appID, oldCount int32, meta map[string][]byte) error {
	if oldCount <= 0 || oldCount > 1<<29 {
		return fmt.Errorf("storage: split table %d: bad partition count %d", appID, oldCount)
	}
	if err := db.enter(); err != nil {
		return err
	}
	defer db.leave()
	parents, children, err := db.lockForSplit(appID, oldCount)
	if err != nil {
		return err
	}
	defer unlockAll(parents)
	defer unlockAll(children)
	if err := db.split(ctx, appID, oldCount, parents, children, meta); err != nil {
		return fmt.Errorf("storage: split table %d: %w", appID, err)
	}
	return nil
}

// lockForSplit keeps everybody out of the table.
func (db *DB) lockForSplit(appID, oldCount int32) (parents, children []*Partition, err error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	for i := range 2 * oldCount {
		p, err := db.partitionLocked(appID, i)
		if err != nil {
			unlockAll(parents)
			unlockAll(children)
			return nil, nil, err
		}
		p.mu.Lock()
		p.gate.Lock()
		if i < oldCount {
			parents = append(parents, p)
		} else {
			children = append(children, p)
		}
	}
	return parents, children, nil
}

func unlockAll(partitions []*Partition) {
	for _, p := range partitions {
		p.gate.Unlock()
		p.mu.Unlock()
	}
}

func (db *DB) split(ctx context.Context, appID, oldCount int32, parents, children []*Partition, meta map[string][]byte) error {
	if err := db.finishEarlierSplit(ctx, appID); err != nil {
		return err
	}
	b := db.pebble.NewBatch()
	_ = b.Set(appendAppPrefix(nil, tagSplit, appID), splitEntry(splitCopying, oldCount), nil)
	for i, child := range children {
		_ = b.DeleteRange(appendPrefix(nil, tagData, appID, child.index), appendPrefix(nil, tagData, appID, child.index+1), nil)
		// A child goes on where its parent is.
		if parent := parents[i]; !db.inMemory && parent.mu.decree > child.mu.decree {
			addReservation(b, appID, child.index, parent.mu.decree+decreeReserve)
		}
	}
	if err := db.commitNow(b); err != nil {
		return err
	}
	for i := range oldCount {
		if err := db.splitPartition(ctx, appID, i, oldCount, copyRecord); err != nil {
			return errors.Join(err, db.undoSplit(appID, oldCount))
		}
	}
	b = db.pebble.NewBatch()
	_ = b.Set(appendAppPrefix(nil, tagSplit, appID), splitEntry(splitMoved, oldCount), nil)
	addMeta(b, meta)
	if err := db.commitNow(b); err != nil {
		return err // the disk failed: the next Open finds out whether this is on it
	}
	for i, child := range children {
		parent := parents[i]
		parent.endScans()
		child.endScans()
		if parent.mu.decree > child.mu.decree {
			child.mu.decree = parent.mu.decree
			if !db.inMemory {
				child.mu.reserved = parent.mu.decree + decreeReserve
				child.raiseDurable(child.mu.reserved)
			}
		}
		child.defaultTTL.Store(parent.defaultTTL.Load())
		child.iterationTime.Store(parent.iterationTime.Load())
	}
	// The split has happened, whatever becomes of the rest.
	if err := db.finishSplit(ctx, appID, oldCount); err != nil {
		db.logLeftovers(appID, err)
	}
	return nil
}

func (db *DB) logLeftovers(appID int32, err error) {
	db.opts.Logger.Warn("records that a partition split has copied stay in their old partitions for now", "table", appID, "err", plain(err))
}

func splitEntry(phase byte, oldCount int32) []byte {
	return binary.BigEndian.AppendUint32([]byte{phase}, uint32(oldCount))
}

// undoSplit empties the new partitions.
func (db *DB) undoSplit(appID, oldCount int32) error {
	b := db.pebble.NewBatch()
	_ = b.DeleteRange(appendPrefix(nil, tagData, appID, oldCount), appendPrefix(nil, tagData, appID, 2*oldCount), nil)
	_ = b.Delete(appendAppPrefix(nil, tagSplit, appID), nil)
	if err := db.commitNow(b); err != nil {
		return err
	}
	db.reclaimer.dropped(appID, oldCount)
	return nil
}

// finishSplit removes what was copied from the old partitions.
func (db *DB) finishSplit(ctx context.Context, appID, oldCount int32) error {
	for i := range oldCount {
		if err := db.splitPartition(ctx, appID, i, oldCount, removeRecord); err != nil {
			return err
		}
	}
	b := db.pebble.NewBatch()
	_ = b.Delete(appendAppPrefix(nil, tagSplit, appID), nil)
	return db.commitNow(b)
}

// copyRecord adds the record key, value to a batch under its new partition, child.
func copyRecord(b *pebble.Batch, key, value []byte, appID, child int32) {
	_ = b.Set(append(appendPrefix(nil, tagData, appID, child), key[prefixLen:]...), value, nil)
}

// removeRecord adds the removal of the record key to a batch.
func removeRecord(b *pebble.Batch, key, _ []byte, _, _ int32) {
	_ = b.Delete(key, nil)
}

// splitPartition calls do for every record of partition index that leaves it, in batches.
func (db *DB) splitPartition(ctx context.Context, appID, index, oldCount int32, do func(b *pebble.Batch, key, value []byte, appID, child int32)) error {
	it, err := db.pebble.NewIter(&pebble.IterOptions{
		LowerBound: appendPrefix(nil, tagData, appID, index),
		UpperBound: appendPrefix(nil, tagData, appID, index+1),
	})
	if err != nil {
		return err
	}
	newCount, child := uint64(oldCount)*2, index+oldCount
	b := db.pebble.NewBatch()
	for valid := it.First(); valid; valid = it.Next() {
		if schema.KeyHash(it.Key()[prefixLen:])%newCount != uint64(child) {
			continue
		}
		value, err := it.ValueAndErr()
		if err != nil {
			break // it.Close returns it
		}
		do(b, it.Key(), value, appID, child)
		if b.Len() < splitChunk {
			continue
		}
		err = db.commitNow(b)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			_ = it.Close()
			return err
		}
		b = db.pebble.NewBatch()
	}
	if err := it.Close(); err != nil {
		_ = b.Close()
		return err
	}
	return db.commitNow(b)
}

// finishEarlierSplit removes what the split of the table before this one has left in its old
// partitions: the next one would take it for records.
func (db *DB) finishEarlierSplit(ctx context.Context, appID int32) error {
	key := appendAppPrefix(nil, tagSplit, appID)
	value, closer, err := db.pebble.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	_, phase, oldCount, err := parseSplitEntry(key, value)
	_ = closer.Close()
	if err != nil {
		return err
	}
	if phase == splitCopying {
		return db.undoSplit(appID, oldCount)
	}
	return db.finishSplit(ctx, appID, oldCount)
}

// recoverSplits completes or undoes the splits that were under way when the process ended.
func (db *DB) recoverSplits() error {
	it, err := db.pebble.NewIter(&pebble.IterOptions{LowerBound: []byte{tagSplit}, UpperBound: []byte{tagSplit + 1}})
	if err != nil {
		return err
	}
	for valid := it.First(); valid && err == nil; valid = it.Next() {
		var appID, oldCount int32
		var phase byte
		if appID, phase, oldCount, err = parseSplitEntry(it.Key(), it.Value()); err != nil {
			break
		}
		if phase == splitCopying {
			err = db.undoSplit(appID, oldCount)
		} else if err := db.finishSplit(context.Background(), appID, oldCount); err != nil {
			db.logLeftovers(appID, err)
		}
	}
	return errors.Join(err, it.Close())
}

func parseSplitEntry(key, value []byte) (appID int32, phase byte, oldCount int32, err error) {
	if len(key) != 5 || len(value) != 5 {
		return 0, 0, 0, fmt.Errorf("journal entry %x: %x not understood", key, value)
	}
	return int32(binary.BigEndian.Uint32(key[1:])), value[0], int32(binary.BigEndian.Uint32(value[1:])), nil
}
