package transport

import (
	"sync"
	"sync/atomic"
	"time"
)

// Queue lets in jobs: so many at once, of every connection a few, the
// connections in turns. Those that are in take turns at the CPUs, of which they
// leave one to what is quick.
type Queue struct {
	turns   chan struct{} // has one for each that is being taken
	waiting atomic.Int32  // for a turn

	mu    sync.Mutex
	free  int      // places
	ready []*share // those that may let one in, the next first
}

// share is the part of a connection in a Queue.
type share struct {
	jobs   []*job // not in yet
	in     int    // jobs that are in, or whose answer is not accepted yet
	listed bool   // in ready
}

const (
	maxIn      = 64 // jobs of all connections that are in
	maxInShare = 8  // of one
	// turnAtMost is how long a job waits for a turn. Then it goes on without: one
	// that has a turn may be waiting for it, by way of a lock of the store.
	turnAtMost = 100 * time.Millisecond
)

// NewQueue returns a Queue in which so many jobs work at once.
func NewQueue(turns int) *Queue {
	return &Queue{turns: make(chan struct{}, max(1, turns)), free: maxIn}
}

func (q *Queue) add(s *share, j *job) {
	q.mu.Lock()
	s.jobs = append(s.jobs, j)
	q.listLocked(s)
	next := q.nextLocked()
	q.mu.Unlock()
	if next != nil {
		go q.work(next)
	}
}

func (q *Queue) listLocked(s *share) {
	if !s.listed && len(s.jobs) > 0 && s.in < maxInShare {
		s.listed = true
		q.ready = append(q.ready, s)
	}
}

// nextLocked lets the next job in. It returns nil if there is none or no place.
func (q *Queue) nextLocked() *job {
	if q.free == 0 || len(q.ready) == 0 {
		return nil
	}
	s := q.ready[0]
	q.ready = q.ready[1:]
	s.listed = false
	j := s.jobs[0]
	s.jobs[0] = nil
	if s.jobs = s.jobs[1:]; len(s.jobs) == 0 {
		s.jobs = nil
	}
	s.in++
	q.free--
	q.listLocked(s)
	return j
}

// work runs a job that was let in, and then others.
func (q *Queue) work(j *job) {
	for j != nil {
		s := &j.c.share
		t := &turn{q: q}
		t.take()
		j.run(t, func() { q.leave(s) })
		t.leave()
		q.mu.Lock()
		q.free++
		j = q.nextLocked()
		q.mu.Unlock()
	}
}

// leave notes that a share may let another job in.
func (q *Queue) leave(s *share) {
	q.mu.Lock()
	s.in--
	q.listLocked(s)
	next := q.nextLocked()
	q.mu.Unlock()
	if next != nil {
		go q.work(next)
	}
}

// turn is that of one job.
type turn struct {
	q     *Queue
	taken bool
}

// take waits for a turn.
func (t *turn) take() {
	select {
	case t.q.turns <- struct{}{}:
		t.taken = true
		return
	default:
	}
	t.q.waiting.Add(1)
	defer t.q.waiting.Add(-1)
	late := time.NewTimer(turnAtMost)
	defer late.Stop()
	select {
	case t.q.turns <- struct{}{}:
		t.taken = true
	case <-late.C:
	}
}

// leave ends a turn.
func (t *turn) leave() {
	if t.taken {
		<-t.q.turns
		t.taken = false
	}
}

// pace lets others that wait have a turn.
func (t *turn) pace() {
	if t.q.waiting.Load() > 0 {
		t.leave()
		t.take()
	}
}
