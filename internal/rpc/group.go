package rpc

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// group is calls that are waited for together: the last one that is completed wakes the
// caller, so that a hundred answers are one wake-up.
type group struct {
	left atomic.Int32
	done chan struct{} // capacity 1
}

// Requests are the requests of a number of calls.
type Requests struct {
	// Head fills in the header of the i-th, and Encode appends its argument. They are called
	// with a lock held.
	Head   func(i int, h *wire.RequestHeader)
	Encode func(i int, dst []byte) []byte
	// Ended is called once for each call, when it is over: mostly when all are, but before
	// if that takes long. Slow, if not nil, is called once then.
	Ended func(i int, cl *Call, err error)
	Slow  func()
}

// slowGroup is the time after which a group takes long, and after which it is looked again
// which of its calls are over.
const slowGroup = 50 * time.Millisecond

// DoAll is Do for several calls that are sent together, and waits until all of them are
// over. It ends with the context. None of them may be Large. Together they should be small:
// they count towards the buffer of the connection at once. It takes the calls out of the
// slice when they have ended.
func (c *Conn) DoAll(ctx context.Context, calls []*Call, q Requests) {
	var h wire.RequestHeader
	q.Head(0, &h)
	calls[0].gpid = h.GPID // for waitForSpace
	c.mu.Lock()
	for c.mu.out.size > c.opts.MaxBuffered || c.mu.err != nil {
		c.mu.Unlock()
		if err := c.waitForSpace(ctx, calls[0]); err != nil {
			for i, cl := range calls {
				cl.Attempts++
				q.Ended(i, cl, &Error{Addr: c.addr, Err: err})
			}
			return
		}
		c.mu.Lock()
	}
	g := &group{done: make(chan struct{}, 1)}
	g.left.Store(int32(len(calls)))
	before := c.mu.out.size
	item := 0
	encode := func(dst []byte) []byte { return q.Encode(item, dst) }
	for i, cl := range calls {
		q.Head(i, &h)
		item = i
		cl.group, cl.gpid = g, h.GPID
		cl.Attempts++
		c.mu.calls.add(cl)
		size := c.mu.out.size
		c.mu.out.call(cl, &h, encode, nil)
		cl.Sent += cl.size
		c.mu.queued += int64(c.mu.out.size - size)
		cl.end = c.mu.queued
	}
	if c.mu.out.size > c.opts.MaxBuffered {
		c.full.Store(true)
	}
	if c.mu.watch.at.IsZero() {
		c.startWatchLocked(time.Time{})
	}
	c.mu.Unlock()
	if before == 0 {
		c.wakeWriter()
	}
	c.waitForGroup(ctx, calls, g, &q)
}

func (c *Conn) waitForGroup(ctx context.Context, calls []*Call, g *group, q *Requests) {
	slow := time.NewTimer(slowGroup)
	defer slow.Stop()
	for {
		select {
		case <-g.done:
			endOver(calls, q)
			return
		case <-ctx.Done():
			c.abandonAll(calls, g, &Error{Addr: c.addr, Sent: true, Err: ContextError(ctx)}, q)
			return
		case <-slow.C:
			if q.Slow != nil {
				q.Slow()
				q.Slow = nil
			}
			endOver(calls, q)
			slow.Reset(slowGroup)
		}
	}
}

// endOver ends the calls that are over.
func endOver(calls []*Call, q *Requests) {
	for i, cl := range calls {
		if cl != nil && cl.over.Load() {
			err := cl.err
			cl.err, calls[i] = nil, nil
			q.Ended(i, cl, err)
		}
	}
}

// abandonAll is abandon for what is left of a group.
func (c *Conn) abandonAll(calls []*Call, g *group, err error, q *Requests) {
	var taken []int
	c.mu.Lock()
	for i, cl := range calls {
		if cl != nil && c.mu.calls.find(cl.seq) == cl {
			c.mu.calls.take(cl.seq)
			taken = append(taken, i)
		}
	}
	if len(taken) > 0 {
		c.mu.watch.owing = true
	}
	c.mu.Unlock()
	if len(taken) == 0 || g.left.Add(-int32(len(taken))) > 0 {
		<-g.done // the replies of others are coming at this very moment
	}
	for _, i := range taken {
		cl := calls[i]
		calls[i] = nil
		q.Ended(i, cl, err)
	}
	endOver(calls, q)
}
