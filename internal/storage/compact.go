package storage

import (
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/pegasus-go/pegasus/internal/schema"
)

// A Compaction is what CompactApp does besides giving back disk space.
type Compaction struct {
	Partitions int32      // of the table
	Operations Operations // applied to the records
	// RemoveForeign removes records that do not belong to the partition they are in.
	RemoveForeign bool
	// Progress, if not nil, is told how many partitions are done, of Partitions.
	Progress func(done int32)
}

// Compacted is what a compaction has done.
type Compacted struct {
	Removed int64 // records that had expired or that the Compaction removes
	Changed int64 // records whose expiry was changed
}

// CompactApp removes what is not needed of a table, which serves meanwhile: records that have expired
// by Options.Clock, what the Compaction removes, and on disk what was overwritten and removed earlier,
// unless an open scan may still see it. Records without an expiry get the default TTL of their
// partition, from now on.
//
// It calls begin when its turn has come: it waits for a split of the table, and for other compactions,
// of which there is one at a time. If ctx ends, or after a crash, a part of the records has been
// handled; none is handled twice by one call.
func (db *DB) CompactApp(ctx context.Context, appID int32, begin func() (Compaction, error)) (Compacted, error) {
	done, err := db.compactApp(ctx, appID, begin)
	if err != nil {
		return done, fmt.Errorf("storage: compact table %d: %w", appID, err)
	}
	return done, nil
}

func (db *DB) compactApp(ctx context.Context, appID int32, begin func() (Compaction, error)) (done Compacted, err error) {
	release, err := db.reorganize(ctx, appID)
	if err != nil {
		return done, err
	}
	defer release()
	select {
	case db.compacting <- struct{}{}:
		defer func() { <-db.compacting }()
	case <-ctx.Done():
		return done, ctx.Err()
	}
	c, err := begin()
	if err != nil {
		return done, err
	}
	for i := range c.Partitions {
		p, err := db.Partition(appID, i)
		if err != nil {
			return done, err
		}
		if err := p.compactRecords(ctx, &c, &done); err != nil {
			return done, err
		}
		if err := p.compactFiles(ctx); err != nil {
			return done, err
		}
		if c.Progress != nil {
			c.Progress(i + 1)
		}
	}
	return done, nil
}

// compactRecords removes and changes records.
func (p *Partition) compactRecords(ctx context.Context, c *Compaction, done *Compacted) error {
	earliest := uint32(0)
	defer func() { p.db.sweeper.note(earliest) }()
	return p.walk(ctx, func(b *pebble.Batch, key, value []byte) {
		expire, user, err := splitValue(value)
		if err != nil {
			return // for a read to report
		}
		now := schema.EpochSeconds(p.db.opts.Clock())
		newExpire, remove := p.compactRecord(c, key[prefixLen:], expire, now)
		switch {
		case remove:
			_ = b.Delete(key, nil)
			done.Removed++
		case newExpire != expire:
			_ = b.Set(key, appendValue(nil, newExpire, user), nil)
			done.Changed++
			if newExpire != 0 && (earliest == 0 || newExpire < earliest) {
				earliest = newExpire
			}
		}
	})
}

// compactRecord decides about a record. As on a Pegasus server the default TTL comes before the
// operations, and a record that has expired goes, even if an operation would prolong it.
func (p *Partition) compactRecord(c *Compaction, rawKey []byte, expire, now uint32) (newExpire uint32, remove bool) {
	if expired(expire, now) {
		return 0, true
	}
	hashKey, sortKey, ok := schema.SplitKey(rawKey)
	if !ok {
		return expire, false // writes do not let such a key in
	}
	if c.RemoveForeign && schema.PartitionHash(hashKey, sortKey)%uint64(c.Partitions) != uint64(p.index) {
		return 0, true
	}
	return c.Operations.apply(hashKey, sortKey, p.expiry(expire, now), now)
}

// compactFiles lets Pebble rewrite the files that the partition's records are in.
func (p *Partition) compactFiles(ctx context.Context) error {
	if err := p.db.pace(ctx); err != nil {
		return err
	}
	if err := p.db.enter(); err != nil {
		return err
	}
	defer p.db.leave()
	return p.db.pebble.Compact(ctx, p.prefix[:], p.end(), false)
}
