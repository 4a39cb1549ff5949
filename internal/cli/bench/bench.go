// Package bench makes load, of which it measures the latencies.
//
// With a rate, requests have times at which they are due, and a latency is counted from
// then: what waits because others are slow counts as slow (coordinated omission). Without
// one, callers wait for their answers before they go on, and a server that stands still
// for a second is a single slow request to each of them.
package bench

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// Load is what is asked for.
type Load struct {
	Ops      []string      // what a request can be; Next says which it is
	Rate     float64       // requests per second that are due; 0: as fast as callers go
	Workers  int           // callers, which is the most requests at a time
	Warmup   time.Duration // load before the time that counts
	Duration time.Duration // that counts
	Seed     uint64

	// Do makes one request, whose op is an index of Ops, and returns how many rows it was
	// about. random is the caller's own.
	Do func(ctx context.Context, random *rand.Rand) (op, rows int, err error)
	// Nap sleeps for less than two milliseconds, more exactly than timers, which may be a
	// millisecond late. nil: timers have to do.
	Nap func(time.Duration)
	// Progress, if it is not nil, is called after each second that counts.
	Progress func([]Second)
}

// late is how long after its time a request may begin without being counted as late.
const late = time.Millisecond

// Run makes the load until its time is over, or ctx ends, and says what came of it.
// Requests that are on their way then are awaited.
func Run(ctx context.Context, l Load) *Result {
	r := &run{Load: l, recorder: newRecorder(l.Ops, l.Workers), start: time.Now()}
	r.first, r.counts = r.start, r.start.Add(l.Warmup)
	r.end = r.counts.Add(l.Duration)
	var workers sync.WaitGroup
	for i := range l.Workers {
		random := rand.New(rand.NewPCG(l.Seed, uint64(i)))
		workers.Go(func() { r.work(ctx, random, r.recorder.shard(i)) })
	}
	done := make(chan struct{})
	var collector sync.WaitGroup
	collector.Go(func() { r.collect(done) })
	workers.Wait()
	close(done)
	collector.Wait()
	return r.result(ctx)
}

type run struct {
	Load
	recorder           *recorder
	start, counts, end time.Time
	pace               sync.Mutex
	first              time.Time // when the first request is due, with a Rate: of the warm-up, and of the time that counts
	next               int       // request that is due, from the first
	seconds            []Second
	stopped            time.Time
}

// due waits until the next request is due, and returns the time at which it was; false
// after the last one. One caller waits at a time, the others for that one.
func (r *run) due(ctx context.Context, timer *time.Timer) (time.Time, bool) {
	if r.Rate == 0 {
		now := time.Now()
		return now, now.Before(r.end)
	}
	r.pace.Lock()
	defer r.pace.Unlock()
	at := r.dueAt()
	if r.first != r.counts && (!at.Before(r.counts) || !time.Now().Before(r.counts)) {
		r.first, r.next = r.counts, 0 // what the warm-up leaves undone does not count
		at = r.dueAt()
	}
	if !at.Before(r.end) || !time.Now().Before(r.end) || ctx.Err() != nil {
		return at, false
	}
	r.next++
	wait := time.Until(at)
	if r.Nap != nil {
		wait -= 2 * time.Millisecond
	}
	if wait > 0 {
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return at, false
		case <-timer.C:
		}
	}
	if wait := time.Until(at); wait > 0 && r.Nap != nil {
		r.Nap(wait)
	}
	return at, true
}

// dueAt returns the time of request next.
func (r *run) dueAt() time.Time {
	return r.first.Add(time.Duration(math.Round(float64(r.next) / r.Rate * float64(time.Second))))
}

func (r *run) work(ctx context.Context, random *rand.Rand, to *shard) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		due, ok := r.due(ctx, timer)
		if !ok {
			return
		}
		began := time.Now()
		op, rows, err := r.Do(ctx, random)
		ended := time.Now()
		if due.Before(r.counts) || err != nil && ctx.Err() != nil {
			continue // of the warm-up, or given up
		}
		to.record(op, sample{
			latency: ended.Sub(due), service: ended.Sub(began), rows: rows, late: began.Sub(due) > late,
			failed: err != nil, timeout: errors.Is(err, context.DeadlineExceeded), err: err,
		})
	}
}

// collect takes what was recorded, second by second.
func (r *run) collect(done <-chan struct{}) {
	timer := time.NewTimer(time.Until(r.counts.Add(time.Second)))
	defer timer.Stop()
	for n := 1; ; n++ {
		select {
		case <-done:
			r.stopped = time.Now()
			if taken := r.recorder.take(n); anything(taken) {
				r.seconds = append(r.seconds, taken...)
			}
			return
		case <-timer.C:
		}
		taken := r.recorder.take(n)
		r.seconds = append(r.seconds, taken...)
		if r.Progress != nil {
			r.Progress(taken)
		}
		timer.Reset(time.Until(r.counts.Add(time.Duration(n+1) * time.Second)))
	}
}

func anything(seconds []Second) bool {
	for _, s := range seconds {
		if s.Count+s.Errors > 0 {
			return true
		}
	}
	return false
}
