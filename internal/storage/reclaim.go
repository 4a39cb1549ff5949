package storage

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// A reclaimer gives the disk back what was deleted. Pebble does so when it happens to compact the
// tables concerned, which may be never: a deletion is a record like others, first in a memtable and
// then in a small table. So some time after a deletion the reclaimer flushes, and compacts the
// partition if enough is garbage.
type reclaimer struct {
	wake   chan struct{}
	cancel context.CancelFunc
	done   chan struct{} // closed when the goroutine has ended

	mu    sync.Mutex
	areas map[string]area // with deletions, by start and end
}

// An area is a range of keys.
type area struct {
	start, end []byte
	partition  *Partition // nil if all in it was dropped
}

const (
	// reclaimDelay lets deletions gather, so that a load of many costs few flushes.
	reclaimDelay = 2 * time.Second
	// garbageShare is the fraction of all tables that has to be garbage, by Pebble's estimate.
	garbageShare = 5
)

func (r *reclaimer) start(db *DB) {
	r.wake, r.areas = make(chan struct{}, 1), make(map[string]area)
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel, r.done = cancel, make(chan struct{})
	go r.run(ctx, db)
}

func (r *reclaimer) stop() {
	if r.done != nil {
		r.cancel()
		<-r.done
	}
}

// deleted is told of a deletion in a partition that is about to be carried out.
func (r *reclaimer) deleted(p *Partition) {
	if r.done == nil || p.garbage.Load() || !p.garbage.CompareAndSwap(false, true) {
		return
	}
	r.keep(area{
		start:     appendPrefix(nil, tagData, p.appID, p.index),
		end:       appendPrefix(nil, tagData, p.appID, p.index+1),
		partition: p,
	})
	r.rouse()
}

// dropped is told that all records of a table were deleted, from a partition on.
func (r *reclaimer) dropped(appID, from int32) {
	if r.done == nil {
		return
	}
	r.keep(area{start: appendPrefix(nil, tagData, appID, from), end: appendAppPrefix(nil, tagData, appID+1)})
	r.rouse()
}

// keep notes areas for the next time.
func (r *reclaimer) keep(areas ...area) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range areas {
		r.areas[string(a.start)+string(a.end)] = a
	}
}

func (r *reclaimer) rouse() {
	select {
	case r.wake <- struct{}{}:
	default: // it has been woken
	}
}

// take returns the areas. Deletions in them count anew from here on.
func (r *reclaimer) take() (dropped, others []area) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.areas {
		if a.partition == nil {
			dropped = append(dropped, a)
			continue
		}
		a.partition.garbage.Store(false)
		others = append(others, a)
	}
	clear(r.areas)
	return dropped, others
}

func (r *reclaimer) run(ctx context.Context, db *DB) {
	defer close(r.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		}
		if !sleep(ctx, reclaimDelay) {
			return
		}
		dropped, others := r.take()
		err := db.reclaim(ctx, dropped, others)
		if err == nil {
			continue
		}
		if errors.Is(err, ErrFailed) {
			return
		}
		r.keep(append(dropped, others...)...)
		switch {
		case ctx.Err() != nil:
		case passing(err) || errors.Is(err, ErrFull) || errors.Is(err, ErrStalled):
			r.rouse()
		default: // for the next deletion
			db.opts.Logger.Warn("disk space of deleted records not given back", "error", plain(err))
		}
	}
}

// reclaim compacts what was dropped, and the other areas if enough is garbage.
func (db *DB) reclaim(ctx context.Context, dropped, others []area) error {
	if err := db.enter(); err != nil {
		return err
	}
	defer db.leave()
	if err := db.refuses(); err != nil {
		return err
	}
	flushed, err := db.pebble.AsyncFlush()
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-flushed:
	}
	if err := db.compact(ctx, dropped); err != nil {
		return err
	}
	if !db.muchGarbage(ctx) {
		db.reclaimer.keep(others...)
		return nil
	}
	return db.compact(ctx, others)
}

func (db *DB) compact(ctx context.Context, areas []area) error {
	for _, a := range merge(areas) {
		if err := db.pebble.Compact(ctx, a.start, a.end, false); err != nil {
			return err
		}
	}
	return nil
}

// merge puts neighbours together.
func merge(areas []area) []area {
	slices.SortFunc(areas, func(a, b area) int { return bytes.Compare(a.start, b.start) })
	var merged []area
	for _, a := range areas {
		if n := len(merged); n > 0 && bytes.Compare(a.start, merged[n-1].end) <= 0 {
			if bytes.Compare(a.end, merged[n-1].end) > 0 {
				merged[n-1].end = a.end
			}
			continue
		}
		merged = append(merged, a)
	}
	return merged
}

// muchGarbage reports whether a compaction gives back much of what it writes. Pebble looks at new
// tables in the background, and does not tell when it has: so it is asked a few times.
func (db *DB) muchGarbage(ctx context.Context) bool {
	for pause := 100 * time.Millisecond; pause < 5*time.Second && sleep(ctx, pause); pause *= 2 {
		m := db.pebble.Metrics()
		total := m.Total()
		garbage := m.Table.Garbage.PointDeletionsBytesEstimate + m.Table.Garbage.RangeDeletionsBytesEstimate
		if garbage > 0 && garbage >= uint64(total.TablesSize)/garbageShare {
			return true
		}
	}
	return false
}
