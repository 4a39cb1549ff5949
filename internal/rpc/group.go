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

// Requests are the requests of a number of calls: Head fills in the header of the i-th, and
// Encode appends its argument. They are called with a lock held.
type Requests struct {
	Head   func(i int, h *wire.RequestHeader)
	Encode func(i int, dst []byte) []byte
}

// DoAll is Do for several calls that are sent together, and waits until all of them are
// over. It ends with the context. The failure of calls[i], or nil, is in failed[i]. None of
// them may be Large. Together they should be small: they count towards the buffer of the
// connection at once.
func (c *Conn) DoAll(ctx context.Context, calls []*Call, q Requests, failed []error) {
	var h wire.RequestHeader
	q.Head(0, &h)
	calls[0].gpid = h.GPID // for waitForSpace
	c.mu.Lock()
	for c.mu.out.size > c.opts.MaxBuffered || c.mu.err != nil {
		c.mu.Unlock()
		if err := c.waitForSpace(ctx, calls[0]); err != nil {
			for i, cl := range calls {
				cl.Attempts++
				failed[i] = &Error{Addr: c.addr, Err: err}
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
	select {
	case <-g.done:
	case <-ctx.Done():
		c.abandonAll(calls, g, &Error{Addr: c.addr, Sent: true, Err: ContextError(ctx)}, failed)
	}
	for i, cl := range calls {
		if failed[i] == nil {
			failed[i], cl.err = cl.err, nil
		}
	}
}

// abandonAll is abandon for what is left of a group.
func (c *Conn) abandonAll(calls []*Call, g *group, err error, failed []error) {
	var taken int32
	c.mu.Lock()
	for i, cl := range calls {
		if c.mu.calls.find(cl.seq) == cl {
			c.mu.calls.take(cl.seq)
			failed[i] = err
			taken++
		}
	}
	if taken > 0 {
		c.mu.watch.owing = true
	}
	c.mu.Unlock()
	if taken == 0 || g.left.Add(-taken) > 0 {
		<-g.done // their replies are coming at this very moment
	}
}
