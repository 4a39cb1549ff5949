package storage

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/pegasus-go/pegasus/internal/schema"
)

// A sweeper deletes expired records in the background. It sleeps until the first record with an
// expiry is written, so a store without any costs nothing. A store on disk may have some from
// before.
type sweeper struct {
	awake  atomic.Bool
	once   sync.Once
	begin  chan struct{} // closed by the first wake
	cancel context.CancelFunc
	done   chan struct{} // closed when the goroutine has ended; nil without one
}

const (
	sweepChunk = 256                   // expired records deleted at a time, under a partition's lock
	sweepSkim  = 4096                  // other records looked at before a chunk is cut short
	sweepPause = 10 * time.Millisecond // between chunks in the background
)

// start starts the goroutine, which stop ends.
func (s *sweeper) start(db *DB) {
	s.begin = make(chan struct{})
	if db.opts.SweepInterval < 0 {
		return
	}
	if !db.inMemory {
		s.wake()
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.done = cancel, make(chan struct{})
	go s.run(ctx, db)
}

// wake is called for every record with an expiry that is written.
func (s *sweeper) wake() {
	if !s.awake.Load() {
		s.awake.Store(true)
		s.once.Do(func() { close(s.begin) })
	}
}

func (s *sweeper) stop() {
	if s.done != nil {
		s.cancel()
		<-s.done
	}
}

func (s *sweeper) run(ctx context.Context, db *DB) {
	defer close(s.done)
	select {
	case <-ctx.Done():
		return
	case <-s.begin:
	}
	for sleep(ctx, db.opts.SweepInterval) {
		if _, err := db.sweep(ctx, sweepPause); err != nil && ctx.Err() == nil {
			db.opts.Logger.Error("sweep of expired records failed", "err", err)
		}
	}
}

// sleep reports false when ctx was done first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Sweep deletes the records that have expired by Options.Clock, at full speed, and returns how
// many there were. The background does so from time to time; reads never see expired records.
func (db *DB) Sweep(ctx context.Context) (int, error) {
	return db.sweep(ctx, 0)
}

func (db *DB) sweep(ctx context.Context, pause time.Duration) (int, error) {
	now := schema.EpochSeconds(db.opts.Clock())
	total := 0
	for next := []byte{tagData}; next != nil; {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		keys, rest, err := db.findExpired(next, now)
		if err != nil {
			return total, fmt.Errorf("storage: sweep: %w", err)
		}
		n, err := db.deleteExpired(keys, now)
		total += n
		if err != nil {
			return total, fmt.Errorf("storage: sweep: %w", err)
		}
		if next = rest; next != nil && pause > 0 && !sleep(ctx, pause) {
			return total, ctx.Err()
		}
	}
	return total, nil
}

// findExpired returns keys of expired records from the key start on, and where to go on, nil at
// the end. All are of one partition.
func (db *DB) findExpired(start []byte, now uint32) (keys [][]byte, rest []byte, err error) {
	if err := db.enter(); err != nil {
		return nil, nil, err
	}
	defer db.leave()
	// Blocks of tables that have nothing with a timestamp up to now are skipped. That can bring
	// back an old version of a record, so what is found here is only a candidate.
	it, err := db.pebble.NewIter(&pebble.IterOptions{
		LowerBound: start,
		UpperBound: []byte{tagData + 1},
		PointKeyFilters: []pebble.BlockPropertyFilter{
			sstable.NewBlockIntervalFilter(expireProperty, 1, uint64(now)+1, nil),
		},
	})
	if err != nil {
		return nil, nil, err
	}
	seen := 0
	for valid := it.First(); valid; valid = it.Next() {
		key := it.Key()
		if len(keys) > 0 && string(keys[0][:prefixLen]) != string(key[:prefixLen]) ||
			len(keys) == sweepChunk || seen == sweepSkim {
			rest = append([]byte(nil), key...)
			break
		}
		seen++
		v, err := it.ValueAndErr()
		if err != nil {
			break // it.Close returns it
		}
		if expire, _, err := splitValue(v); err == nil && expired(expire, now) {
			keys = append(keys, append([]byte(nil), key...))
		}
	}
	return keys, rest, it.Close()
}

// deleteExpired deletes those of keys, all of one partition, that are expired still. A deletion
// is no write of a client's: it has no decree, and losing it in a crash does no harm.
func (db *DB) deleteExpired(keys [][]byte, now uint32) (int, error) {
	if len(keys) == 0 {
		return 0, nil
	}
	appID, index, _ := splitDataKey(keys[0])
	p, err := db.Partition(appID, index)
	if err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, nil // dropped meanwhile
	}
	if db.failed() {
		return 0, ErrFailed
	}
	b := db.pebble.NewBatch()
	defer b.Close()
	n := 0
	for _, key := range keys {
		v, closer, err := db.pebble.Get(key)
		if err != nil {
			continue // removed meanwhile, or not readable, which is for a read to report
		}
		if expire, _, err := splitValue(v); err == nil && expired(expire, now) {
			_ = b.Delete(key, nil)
			n++
		}
		_ = closer.Close()
	}
	if n == 0 {
		return 0, nil
	}
	return n, db.pebble.Apply(b, pebble.NoSync)
}
