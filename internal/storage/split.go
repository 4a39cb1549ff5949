package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/pegasus-go/pegasus/internal/schema"
)

// A move is the part of a split that is about one parent. It is under the parent's mu.
type move struct {
	child  *Partition
	count  uint64 // of the new partitions
	copied []byte // stored keys below are in the child, too
}

// takes reports whether the record of a stored key of the parent moves.
func (m *move) takes(key []byte) bool {
	return schema.KeyHash(key[prefixLen:])%m.count == uint64(m.child.index)
}

// copyOf returns the child's key for one of the parent.
func (m *move) copyOf(key []byte) []byte {
	return append(m.child.prefix[:prefixLen:prefixLen], key[prefixLen:]...)
}

// double adds to a batch of the parent what the child has to know of it. The child's mu is held.
func (m *move) double(b *pebble.Batch) {
	for r := b.Reader(); ; {
		kind, key, value, ok, _ := r.Next() // no error: the batch was made here
		switch {
		case !ok:
			return
		case key[0] != tagData || bytes.Compare(key, m.copied) >= 0 || !m.takes(key):
			// Stays, or will be copied.
		case kind == pebble.InternalKeyKindDelete:
			_ = b.Delete(m.copyOf(key), nil)
		default:
			_ = b.Set(m.copyOf(key), value, nil)
		}
	}
}

// A split is one under way.
type split struct {
	db       *DB
	appID    int32
	oldCount int32
	parents  []*Partition
	children []*Partition
	outcome  splitOutcome
}

type splitOutcome int

const (
	splitPending splitOutcome = iota
	splitDone
	splitUnknown // the disk failed: the next Open finds out
)

var errNotCommitted = errors.New("not committed")

// SplitApp doubles the partition count of a table, from oldCount, while the table serves.
//
// When all records are copied it calls move, which calls commit. That sets meta in the same instant as
// UpdateMeta would, where the caller keeps the new count, and ends the scans that are open on the
// table with NotFound. Until then the caller goes by the old count, afterwards by the new one; in
// between, a moment, it keeps out its clients' writes. Reads by the old count may go on until move
// returns. Then what has moved is removed from where it was.
//
// SplitApp returns nil if commit did. Then every record is in the partition its key hashes to (records
// that were in a foreign partition before stay where they are). In its old partition there may be one
// as well, if it could not be removed; a scan with Scan.PartitionCount does not see it. With an error
// nothing has changed, except that after ErrFailed it is for the next Open to find out: it completes
// the split or undoes it, and meta with it. So does an Open after a crash. When ctx ends before
// commit, or move returns without it, the split is undone.
//
// It waits for another split, or a compaction, of the table.
func (db *DB) SplitApp(ctx context.Context, appID, oldCount int32, move func(commit func(meta map[string][]byte) error) error) error {
	if oldCount <= 0 || oldCount > 1<<29 {
		return fmt.Errorf("storage: split table %d: bad partition count %d", appID, oldCount)
	}
	release, err := db.reorganize(ctx, appID)
	if err == nil {
		defer release()
		err = db.split(ctx, appID, oldCount, move)
	}
	if err != nil {
		return fmt.Errorf("storage: split table %d: %w", appID, err)
	}
	return nil
}

func (db *DB) split(ctx context.Context, appID, oldCount int32, move func(commit func(meta map[string][]byte) error) error) error {
	if err := db.finishEarlierSplit(ctx, appID); err != nil {
		return err
	}
	s := &split{db: db, appID: appID, oldCount: oldCount}
	for i := range 2 * oldCount {
		p, err := db.Partition(appID, i)
		if err != nil {
			return err
		}
		if i < oldCount {
			s.parents = append(s.parents, p)
		} else {
			s.children = append(s.children, p)
		}
	}
	if err := db.beginSplit(appID, oldCount); err != nil {
		return err
	}
	err := s.copy(ctx)
	if err == nil {
		err = move(s.commit)
	}
	switch s.outcome {
	case splitUnknown:
		return err
	case splitPending:
		if err == nil {
			err = errNotCommitted
		}
		s.stopDoubling()
		return errors.Join(err, db.undoSplit(appID, oldCount))
	}
	// The split has happened, whatever becomes of the rest.
	if err := db.removeMoved(ctx, appID, oldCount); err != nil {
		db.logLeftovers(appID, err)
	}
	return nil
}

// copy is the first phase, after its entry in the journal.
func (s *split) copy(ctx context.Context) error {
	for i, p := range s.parents {
		m := &move{child: s.children[i], count: 2 * uint64(s.oldCount)}
		p.mu.Lock()
		p.mu.move = m
		p.mu.Unlock()
		err := p.walk(ctx, func(b *pebble.Batch, key, value []byte) {
			if m.takes(key) {
				_ = b.Set(m.copyOf(key), value, nil)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *split) stopDoubling() {
	for _, p := range s.parents {
		p.mu.Lock()
		p.mu.move = nil
		p.mu.Unlock()
	}
}

// commit is the second phase, but for the removal.
func (s *split) commit(meta map[string][]byte) error {
	db := s.db
	if err := db.enter(); err != nil {
		return err
	}
	defer db.leave()
	all := slices.Concat(s.parents, s.children)
	for _, p := range all {
		p.mu.Lock()
		defer p.mu.Unlock()
	}
	if s.parents[0].closed {
		return ErrClosed // the table was dropped
	}
	b := db.pebble.NewBatch()
	_ = b.Set(appendAppPrefix(nil, tagSplit, s.appID), splitEntry(splitMoved, s.oldCount), nil)
	addMeta(b, meta)
	reserved := make([]int64, len(s.children))
	for i, child := range s.children {
		reserved[i] = child.mu.reserved
		child.followLocked(s.parents[i], b)
	}
	if err := db.commitNow(b); err != nil {
		if errors.Is(err, ErrFailed) {
			s.outcome = splitUnknown
		}
		for i, child := range s.children {
			child.mu.reserved = reserved[i]
		}
		return err
	}
	s.outcome = splitDone
	for _, p := range all {
		p.mu.move = nil
		p.raiseDurable(p.mu.reserved)
		p.gate.Lock()
		p.endScans()
		p.gate.Unlock()
	}
	return nil
}

// followLocked lets a child go on where its parent is, by the batch that makes it count. The mu of both
// is held.
func (p *Partition) followLocked(parent *Partition, b *pebble.Batch) {
	p.defaultTTL.Store(parent.defaultTTL.Load())
	p.iterationTime.Store(parent.iterationTime.Load())
	p.mu.decree = max(p.mu.decree, parent.mu.decree)
	p.reserveLocked(b, p.mu.decree)
}
