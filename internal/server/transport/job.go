package transport

import (
	"bytes"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus/internal/server/stats"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// job is a request that is carried out beside the reading of its connection.
type job struct {
	c     *conn
	frame []byte // a copy

	// What it has to go through first.
	delay time.Duration
	until <-chan struct{} // if not nil, wait for it to be closed
	// code, if not empty, is the answer.
	code wire.ErrorCode
	// waited is set if throttling was gone through, which happens only once.
	waited bool
	// lose is set if the answer is not to be sent, close if the connection is to be
	// broken: when the request has been carried out with lose, else instead.
	lose, close bool

	arrived time.Time
	queued  time.Time // arrived, or when it had been through its last detour
}

const (
	// maxJobs is the number of jobs of one connection. Beyond it the connection
	// is not read any further, which keeps a client from piling up work faster
	// than it accepts answers.
	maxJobs = 4096
	// quickMemory is how much a request that is no job may take decoded. That of
	// jobs counts.
	quickMemory = 64 << 10
	// jobCost is what a job counts for beside its bytes.
	jobCost = 4 << 10
)

// putOff makes the request in a frame a job. It returns false if the connection
// is to be closed.
func (c *conn) putOff(j *job, frame []byte) bool {
	select {
	case c.places <- struct{}{}:
	default:
		if !c.flush() { // nobody should wait for answers that are there
			return false
		}
		c.places <- struct{}{}
	}
	if !c.charge(int64(len(frame) + jobCost)) {
		<-c.places
		return false
	}
	j.c, j.frame, j.arrived, j.queued = c, bytes.Clone(frame), c.arrived, c.arrived
	c.jobs.Add(1)
	j.enqueue()
	return true
}

// finish gives back what a job has taken.
func (j *job) finish() {
	c := j.c
	c.discharge(int64(len(j.frame) + jobCost))
	<-c.places
	c.jobs.Done()
}

// enqueue puts a job into the queue, when it has been through its detour. If the
// connection ends meanwhile it is dropped.
func (j *job) enqueue() {
	if j.delay <= 0 && j.until == nil {
		j.c.n.slow.add(&j.c.share, j)
		return
	}
	go func() {
		if !j.detour() {
			j.finish()
			return
		}
		j.delay, j.until, j.queued = 0, nil, time.Now()
		j.c.n.slow.add(&j.c.share, j)
	}()
}

func (j *job) detour() bool {
	if j.delay > 0 {
		t := time.NewTimer(j.delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-j.c.halt:
			return false
		}
	}
	if j.until != nil {
		select {
		case <-j.until:
		case <-j.c.halt:
			select {
			case <-j.until: // both: it has been through
			default:
				return false
			}
		}
	}
	return true
}

// run carries out a job whose turn it is. It calls done when the connection may
// have another one: when the answer, if it is large, was accepted.
func (j *job) run(t *turn, done func()) {
	c := j.c
	var paused <-chan struct{}
	if c.hub.disturbed.Load() != 0 {
		paused = c.n.pause()
	}
	if paused != nil {
		j.until = paused
	} else if !c.broken.Load() {
		k := c.n.jobCalls.Get().(*carrier)
		done = c.runJob(j, k, t, done)
		c.n.jobCalls.Put(k)
	}
	if done != nil {
		done()
	}
	if j.delay > 0 || j.until != nil {
		j.enqueue()
	} else {
		j.finish()
	}
}

// runJob carries out a job, or finds out that it has to wait first. It returns
// done unless that is called later.
func (c *conn) runJob(j *job, k *carrier, t *turn, done func()) (rest func()) {
	rest = done
	if j.close && !j.lose {
		c.abort()
		return done
	}
	memory := &answerMemory{a: &c.hub.answers, c: c}
	defer func() {
		if p := recover(); p != nil {
			c.survive(p, &k.req)
			memory.end()
		}
	}()
	r := &k.req
	if r.Parse(j.frame) != nil {
		return done // it was good before
	}
	r.Waited, r.Reached, r.Client = j.waited, c.req.Reached, c.req.Client
	r.Now = c.hub.now()
	code := j.code
	var wait time.Duration // for its answer; 0: as long as it takes
	if code == "" {
		v := k.call.Admit(r) // the partition may have moved
		if v.OnlyAnswers {
			wait = time.Duration(max(0, r.TimeoutMs)) * time.Millisecond
		}
		if v.Drop || j.late(wait) {
			return done
		}
		if code = v.Code; v.Delay > 0 {
			j.delay, j.code, j.waited = v.Delay, v.Code, true
			return done
		}
		if code == "" && v.Memory > 0 {
			if memory := int64(v.Memory); c.chargeDecoded(memory) {
				defer c.discharge(memory)
			} else {
				code = wire.ErrBusy
			}
		}
	}
	buf := jobBuffers.Get().(*[]byte)
	out := (*buf)[:0]
	if code != "" {
		k.call.Failed(r, code)
		out = r.Fail(out, code)
	} else {
		r.Room = memory.room
		r.Pace = func() bool {
			t.pace()
			return !c.closing.Load() && !j.late(wait)
		}
		out = k.call.Answer(r, out)
	}
	if r.Writes.Pending() {
		t.leave() // waiting for the disk needs none
		r.Writes.Wait(out)
	}
	*buf = out
	if r.Done.Op != stats.None {
		k.call.Observe(r.Done, time.Since(j.arrived))
	}
	switch {
	case r.Malformed:
		c.log("connection closed: malformed body", "task", string(r.Task), "error", r.Arg.Err())
		c.abort()
	case r.Refused != nil:
		c.refused(r.Refused)
		c.abort()
	case j.close:
		c.abort()
	case len(out) == 0 || j.lose || c.outbox.send(out):
	default:
		c.outbox.sendLetter(letter{out: out, memory: memory, sent: func() {
			keepBuffer(buf)
			done()
		}})
		return nil
	}
	memory.end()
	keepBuffer(buf)
	return done
}

// late reports whether a client that waits so long, if not 0, has stopped
// waiting. Detours do not count: what tests arrange is carried out.
func (j *job) late(wait time.Duration) bool { return wait > 0 && time.Since(j.queued) > wait }

// jobBuffers are the buffers of the answers of jobs.
var jobBuffers = sync.Pool{New: func() any { return new([]byte) }}

// keepBuffer keeps a buffer to be used again, unless it is very large. The batch
// of a scan, 1000 records, mostly fits.
func keepBuffer(buf *[]byte) {
	if cap(*buf) <= 1<<20 {
		jobBuffers.Put(buf)
	}
}
