package rpc

import (
	"context"
	"time"
)

// waitForSpace returns when the writer has taken the outgoing buffer, or with an
// error when the connection is dead, the call was recalled, or it may not wait any
// longer. Calls that wait are let in one after the other, until the buffer is full
// again.
func (c *Conn) waitForSpace(ctx context.Context, cl *Call) error {
	var expired <-chan time.Time
	if !cl.deadline.IsZero() {
		timer := time.NewTimer(time.Until(cl.deadline))
		defer timer.Stop()
		expired = timer.C
	}
	recalled := make(chan struct{})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.waiting == nil {
		c.mu.waiting = make(map[*Call]chan struct{})
	}
	c.mu.waiting[cl] = recalled
	defer delete(c.mu.waiting, cl)
	for c.mu.err == nil && c.mu.out.size > c.opts.MaxBuffered {
		if c.mu.space == nil {
			c.mu.space = make(chan struct{})
		}
		if err := c.waitUnlocked(ctx, c.mu.space, recalled, expired); err != nil {
			return err
		}
	}
	return c.mu.err
}

// waitUnlocked waits for space without the mutex.
func (c *Conn) waitUnlocked(ctx context.Context, space, recalled <-chan struct{}, expired <-chan time.Time) error {
	c.mu.Unlock()
	defer c.mu.Lock()
	select {
	case <-space:
	case <-c.dead:
	case <-recalled:
		return ErrMoved
	case <-ctx.Done():
	case <-expired:
		return ErrTimeout
	}
	if ctx.Err() != nil {
		return ContextError(ctx)
	}
	return nil
}
