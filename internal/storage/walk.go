package storage

import (
	"context"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Splits and compactions change a table while it serves. They walk over its partitions in short runs of
// records, during each of which the writers of one partition wait, and no reader. So there is no
// snapshot to catch up with: what is changed is what is there.

const (
	runRecords = 512       // visited in a run at most
	runBytes   = 128 << 10 // of keys and values, after which a run ends
)

// walk calls visit with every record of the partition, in key order, and applies what visit adds to
// the batch. A crash may lose that, with everything that is written later. key is the stored one; it
// and value are valid during the call.
func (p *Partition) walk(ctx context.Context, visit func(b *pebble.Batch, key, value []byte)) error {
	next := p.prefix[:]
	for next != nil {
		if err := p.db.pace(ctx); err != nil {
			return err
		}
		began := time.Now()
		var err error
		if next, err = p.run(next, visit); err != nil {
			return err
		}
		sleep(ctx, time.Since(began)) // leaves others half of the time
	}
	return nil
}

// run walks from the stored key start on and returns where to go on, nil at the end. Of a split it
// notes how far it got.
func (p *Partition) run(start []byte, visit func(b *pebble.Batch, key, value []byte)) (next []byte, err error) {
	db := p.db
	if err := db.enter(); err != nil {
		return nil, err
	}
	defer db.leave()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	if m := p.mu.move; m != nil {
		if err := db.Admit(false); err != nil { // a copy leaves the room that any write leaves
			return nil, err
		}
		m.child.mu.Lock()
		defer m.child.mu.Unlock()
	}
	b := db.pebble.NewBatch()
	if next, err = p.visitRun(b, start, visit); err != nil {
		_ = b.Close()
		return nil, err
	}
	if err := db.applyUnsynced(b); err != nil {
		return nil, err
	}
	if m := p.mu.move; m != nil {
		if m.copied = next; next == nil {
			m.copied = p.end()
		}
	}
	return next, nil
}

// visitRun is the reading half of run.
func (p *Partition) visitRun(b *pebble.Batch, start []byte, visit func(b *pebble.Batch, key, value []byte)) (next []byte, err error) {
	it, err := p.db.pebble.NewIter(&pebble.IterOptions{LowerBound: start, UpperBound: p.end()})
	if err != nil {
		return nil, err
	}
	records, size := 0, 0
	for valid := it.First(); valid; valid = it.Next() {
		if records == p.db.runRecords || size >= runBytes {
			next = append(next, it.Key()...)
			break
		}
		value, err := it.ValueAndErr()
		if err != nil {
			break // it.Close returns it
		}
		visit(b, it.Key(), value)
		records, size = records+1, size+len(it.Key())+len(value)
	}
	return next, it.Close()
}

// end is the first stored key after the partition's records.
func (p *Partition) end() []byte { return appendPrefix(nil, tagData, p.appID, p.index+1) }

// applyUnsynced makes a batch visible and takes it over, also when it fails. The next synced batch
// takes it to disk with it.
func (db *DB) applyUnsynced(b *pebble.Batch) error {
	defer b.Close()
	if err := db.refuses(); err != nil {
		return err
	}
	if b.Empty() {
		return nil
	}
	return db.pebble.Apply(b, pebble.NoSync)
}

// Pebble makes writers wait when level 0 has twelve sublevels to be compacted, or the memtable is full
// before the one that was full before it is flushed.
const (
	paceSublevels = 8
	pacePause     = 2 * time.Millisecond
)

// pace waits until work in the background can write without making writers wait.
func (db *DB) pace(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		behind, err := db.behind()
		if err != nil || !behind {
			return err
		}
		sleep(ctx, pacePause)
	}
}

func (db *DB) behind() (bool, error) {
	if err := db.enter(); err != nil {
		return false, err
	}
	defer db.leave()
	if err := db.refuses(); err != nil {
		return false, err // nothing may ever be flushed
	}
	if err := db.Admit(true); err != nil {
		return false, err // a drop needs room, too
	}
	m := db.pebble.Metrics()
	return m.MemTable.Size >= 2*uint64(db.opts.MemTableSize) || m.Levels[0].Sublevels >= paceSublevels, nil
}

// reorganize waits for its turn to split or compact a table: one job at a time.
func (db *DB) reorganize(ctx context.Context, appID int32) (release func(), err error) {
	for {
		db.mu.Lock()
		running := db.mu.jobs[appID]
		if running == nil {
			done := make(chan struct{})
			db.mu.jobs[appID] = done
			db.mu.Unlock()
			return func() {
				db.mu.Lock()
				defer db.mu.Unlock()
				delete(db.mu.jobs, appID)
				close(done)
			}, nil
		}
		db.mu.Unlock()
		select {
		case <-running:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
