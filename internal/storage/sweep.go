package storage

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/pegasus-go/pegasus/internal/schema"
)

// A sweeper deletes expired records in the background. Pebble cannot drop records by itself when
// it compacts, and does not let a table say which of its blocks have any, so a pass reads the
// whole store, slowly. Passes are made only when something has expired: earliest is a lower bound
// of all expiry timestamps in the store. Until the first record with one is written the sweeper
// sleeps; a store on disk may have some from before.
type sweeper struct {
	earliest atomic.Uint32 // math.MaxUint32: nothing expires that is worth waiting for
	once     sync.Once
	begin    chan struct{} // closed with the first expiry
	cancel   context.CancelFunc
	done     chan struct{} // closed when the goroutine has ended; nil without one
}

const (
	sweepChunk = 256                   // expired records deleted at a time, under a partition's lock
	sweepSkim  = 4096                  // records looked at before a chunk is cut short
	sweepPause = 10 * time.Millisecond // between chunks in the background
)

// start starts the goroutine, which stop ends.
func (s *sweeper) start(db *DB) {
	s.earliest.Store(math.MaxUint32)
	s.begin = make(chan struct{})
	if !db.inMemory {
		s.note(1)
	}
	if db.opts.SweepInterval < 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.done = cancel, make(chan struct{})
	go s.run(ctx, db)
}

// note is told an expiry timestamp, or 0, after a record that has it became visible: before that,
// a pass could start over and miss both the record and the note.
func (s *sweeper) note(expire uint32) {
	if expire == 0 {
		return
	}
	for {
		old := s.earliest.Load()
		if expire >= old {
			return
		}
		if s.earliest.CompareAndSwap(old, expire) {
			s.once.Do(func() { close(s.begin) })
			return
		}
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
		if s.earliest.Load() > schema.EpochSeconds(db.opts.Clock()) {
			continue
		}
		if _, err := db.sweep(ctx, sweepPause); err != nil && ctx.Err() == nil {
			db.opts.Logger.Error("sweep of expired records failed", "error", plain(err))
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

// sweep is Sweep with a pause between chunks.
func (db *DB) sweep(ctx context.Context, pause time.Duration) (total int, err error) {
	now := schema.EpochSeconds(db.opts.Clock())
	db.sweeper.earliest.Store(math.MaxUint32) // the pass notes anew what stays
	defer func() {
		if err != nil {
			db.sweeper.note(1)
			err = fmt.Errorf("storage: sweep: %w", err)
		}
	}()
	for next := []byte{tagData}; next != nil; {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		keys, rest, err := db.findExpired(next, now)
		if err != nil {
			return total, err
		}
		n, err := db.deleteExpired(keys, now)
		total += n
		if err != nil {
			return total, err
		}
		if next = rest; next != nil && pause > 0 && !sleep(ctx, pause) {
			return total, ctx.Err()
		}
	}
	return total, nil
}

// findExpired returns keys of expired records, all of one partition, from the key start on, and
// where to go on, nil at the end.
func (db *DB) findExpired(start []byte, now uint32) (keys [][]byte, rest []byte, err error) {
	if err := db.enter(); err != nil {
		return nil, nil, err
	}
	defer db.leave()
	it, err := db.pebble.NewIter(&pebble.IterOptions{LowerBound: start, UpperBound: []byte{tagData + 1}})
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
		expire, _, err := splitValue(v)
		switch {
		case err != nil:
			// For a read to report.
		case expired(expire, now):
			keys = append(keys, append([]byte(nil), key...))
		default:
			db.sweeper.note(expire)
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
	appID, index := dataKeyPartition(keys[0])
	p, err := db.Partition(appID, index)
	if err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, nil // dropped meanwhile
	}
	if err := db.refuses(); err != nil {
		return 0, err
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
	db.reclaimer.deleted(p)
	return n, db.pebble.Apply(b, pebble.NoSync)
}
