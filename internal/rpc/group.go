package rpc

import (
	"context"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// DoAll is Do for several calls that are sent together, and waits until all of them are
// over: the frames are appended under one lock, and mostly one answer wakes the caller. The
// failure of calls[i], or nil, is in failed[i]. None of them may be Large. Together they
// should be small: they count towards the buffer of the connection at once.
func (c *Conn) DoAll(ctx context.Context, calls []*Call, deadline time.Time, request func(i int) (wire.RequestHeader, Encode), failed []error) {
	calls[0].deadline = deadline // for waitForSpace
	for _, cl := range calls {
		cl.Attempts++
	}
	c.mu.Lock()
	for c.mu.out.size > c.opts.MaxBuffered || c.mu.err != nil {
		c.mu.Unlock()
		if err := c.waitForSpace(ctx, calls[0]); err != nil {
			for i := range calls {
				failed[i] = &Error{Addr: c.addr, Err: err}
			}
			return
		}
		c.mu.Lock()
	}
	before := c.mu.out.size
	for i, cl := range calls {
		h, encode := request(i)
		cl.deadline, cl.gpid = deadline, h.GPID
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
	if w := &c.mu.watch; w.at.IsZero() || (!deadline.IsZero() && deadline.Before(w.at)) {
		c.startWatchLocked(deadline)
	}
	c.mu.Unlock()
	if before == 0 {
		c.wakeWriter()
	}
	// Answers mostly come in the order of the requests: the last one first, as all others
	// are there then.
	done := ctx.Done()
	for i := len(calls) - 1; i >= 0; i-- {
		cl := calls[i]
		seq := cl.seq
		select {
		case <-cl.done:
		case <-done:
			if err := c.abandon(cl, seq, ContextError(ctx)); err != nil {
				failed[i] = err
				continue
			}
		}
		failed[i], cl.err = cl.err, nil
	}
}
