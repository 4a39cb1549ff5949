package rpc

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// Group is calls that are sent and waited for together: the last one that is completed wakes
// the caller, so that a hundred answers are one wake-up. It is made by Pool.Group and given
// back by Release, with all its calls.
type Group struct {
	Calls []Call

	pool *Pool // to which it returns, or nil
	left atomic.Int32
	done chan struct{} // capacity 1
}

// Group returns a group of n calls of the given task.
func (p *Pool) Group(task string, n int) *Group {
	var g *Group
	if p != nil {
		g, _ = p.groups.Get().(*Group)
	}
	if g == nil {
		g = &Group{pool: p, done: make(chan struct{}, 1)}
	}
	if cap(g.Calls) < n {
		g.Calls = make([]Call, n)
	}
	g.Calls = g.Calls[:n]
	for i := range g.Calls {
		cl := &g.Calls[i]
		cl.pool, cl.task, cl.group = p, task, g
	}
	return g
}

// Release gives the group back when DoAll has returned. After a panic of what that calls it
// is left to the garbage collector, because calls may be under way.
func (g *Group) Release() {
	clear(g.Calls)
	if g.pool != nil {
		g.pool.groups.Put(g)
	}
}

// Requests are the requests of a number of calls.
type Requests struct {
	// Head fills in the header of the i-th, and Encode appends its argument. They are called
	// with a lock held.
	Head   func(i int, h *wire.RequestHeader)
	Encode func(i int, dst []byte) []byte
	// Ended is called once for each call, when it is over: mostly when all are, but before
	// if that takes long. Slow, if not nil, is called once then.
	Ended func(i int, err error)
	Slow  func()
}

// slowGroup is the time after which a group takes long, and after which it is looked again
// which of its calls are over.
const slowGroup = 50 * time.Millisecond

// DoAll is Do for the calls of a group, and waits until all of them are over. It ends with
// the context. None of them may be Large. Together they should be small: they count towards
// the buffer of the connection at once.
func (c *Conn) DoAll(ctx context.Context, g *Group, q Requests) {
	var h wire.RequestHeader
	q.Head(0, &h)
	g.Calls[0].gpid = h.GPID // for waitForSpace
	c.mu.Lock()
	for c.mu.out.size > c.opts.MaxBuffered || c.mu.err != nil {
		c.mu.Unlock()
		if err := c.waitForSpace(ctx, &g.Calls[0]); err != nil {
			for i := range g.Calls {
				g.Calls[i].Attempts++
				q.Ended(i, &Error{Addr: c.addr, Err: err})
			}
			return
		}
		c.mu.Lock()
	}
	g.left.Store(int32(len(g.Calls)))
	before := c.mu.out.size
	item := 0
	encode := func(dst []byte) []byte { return q.Encode(item, dst) }
	for i := range g.Calls {
		cl := &g.Calls[i]
		q.Head(i, &h)
		item = i
		cl.gpid = h.GPID
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
	c.waitForGroup(ctx, g, &q)
}

func (c *Conn) waitForGroup(ctx context.Context, g *Group, q *Requests) {
	slow := time.NewTimer(slowGroup)
	defer slow.Stop()
	for {
		select {
		case <-g.done:
			g.endOver(q)
			return
		case <-ctx.Done():
			c.abandonAll(g, &Error{Addr: c.addr, Sent: true, Err: ContextError(ctx)}, q)
			return
		case <-slow.C:
			if q.Slow != nil {
				q.Slow()
				q.Slow = nil
			}
			g.endOver(q)
			slow.Reset(slowGroup)
		}
	}
}

// endOver ends the calls that are over.
func (g *Group) endOver(q *Requests) {
	for i := range g.Calls {
		if cl := &g.Calls[i]; !cl.ended && cl.over.Load() {
			cl.ended = true
			q.Ended(i, cl.err)
		}
	}
}

// abandonAll is abandon for what is left of a group.
func (c *Conn) abandonAll(g *Group, err error, q *Requests) {
	var taken []int
	c.mu.Lock()
	for i := range g.Calls {
		if cl := &g.Calls[i]; c.mu.calls.find(cl.seq) == cl {
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
		g.Calls[i].ended = true
		q.Ended(i, err)
	}
	g.endOver(q)
}
