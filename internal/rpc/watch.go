package rpc

import (
	"context"
	"errors"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// taskProbe is no RPC of any server. Every server answers an unknown one at
// once, with ERR_HANDLER_NOT_FOUND, which is the sign of life wanted. Its answer
// matches no call and is dropped. A real server also logs a line about it, hence
// the pauses.
const taskProbe = "RPC_PEGASUS_GO_PROBE"

// maxProbePause is the longest time between two probes. It is twice as long
// each time while the same calls are pending: what has taken long so far may
// take as long again, and it is found out that much later if it never ends.
const maxProbePause = 30 * time.Second

// startWatchLocked makes the watch fire when the server is due to be probed,
// or at the deadline of a call if that is sooner.
func (c *Conn) startWatchLocked(deadline time.Time) {
	now := time.Now()
	if c.mu.watchAt.IsZero() || c.mu.probeAt.IsZero() {
		// The first call after a pause, or after a sign of life: the silence
		// begins now.
		c.mu.probeAt = now.Add(c.opts.ProbeAfter)
		c.mu.probed = false
	}
	at := c.mu.probeAt
	if !deadline.IsZero() && deadline.Before(at) {
		at = deadline
	}
	c.mu.watchAt = at
	if c.mu.watch == nil {
		c.mu.watch = time.AfterFunc(at.Sub(now), c.onWatch)
	} else {
		c.mu.watch.Reset(at.Sub(now))
	}
}

// heard notes that the server has sent something.
func (c *Conn) heard() {
	c.mu.Lock()
	c.heardLocked()
	c.mu.Unlock()
}

func (c *Conn) heardLocked() {
	c.mu.probeAt = time.Time{} // onWatch begins a new wait
	c.mu.probed = false
	c.mu.owing = false
}

// wrote notes that the writer has got on. While it has not come to the end of
// the probe the server cannot have answered that.
func (c *Conn) wrote() {
	c.mu.Lock()
	c.wroteLocked()
	c.mu.Unlock()
}

func (c *Conn) wroteLocked() {
	if c.mu.probed && c.mu.probe-c.mu.writing >= 0 {
		c.mu.probeAt = time.Now().Add(c.opts.ProbeAfter)
	}
}

// onWatch fails the calls whose time is over, and probes or gives up a server
// that is silent. It runs only while the server owes an answer: to a call that
// is pending, or to one that was given up without a sign of life since. (Calls
// that are given up sooner than a probe is due would hide a dead server.)
func (c *Conn) onWatch() {
	now := time.Now()
	c.mu.Lock()
	if c.mu.err != nil {
		c.mu.Unlock()
		return
	}
	expired, next := c.mu.calls.takeExpired(now)
	if len(expired) > 0 {
		c.mu.owing = true
	}
	waiting := c.mu.calls.n > 0 || c.mu.owing
	stalled := false
	switch {
	case !waiting:
	case c.mu.probeAt.IsZero():
		c.mu.probeAt = now.Add(c.opts.ProbeAfter)
	case now.Before(c.mu.probeAt):
	case c.mu.probed:
		stalled = true
	case c.mu.calls.next == c.mu.probe+1 && now.Before(c.mu.notBefore):
		// Nobody has called since the latest probe, which was answered.
		c.mu.probeAt = now.Add(c.opts.ProbeAfter)
	default:
		c.probeLocked(now)
	}
	if !waiting {
		c.mu.watchAt = time.Time{}
		c.mu.calls.shrink()
	} else {
		if next.IsZero() || c.mu.probeAt.Before(next) {
			next = c.mu.probeAt
		}
		c.mu.watchAt = next
		c.mu.watch.Reset(next.Sub(now))
	}
	c.mu.Unlock()

	for _, cl := range expired {
		// As in abandon, what is not written yet will be.
		cl.err = &Error{Addr: c.addr, Sent: true, Err: errors.Join(ErrTimeout, context.DeadlineExceeded)}
		cl.done <- struct{}{}
	}
	if stalled {
		c.Fail(ErrStalled)
	}
}

// probeLocked asks the server for a sign of life.
func (c *Conn) probeLocked(now time.Time) {
	if c.mu.calls.next != c.mu.probe+1 {
		c.mu.probePause = 0 // somebody has called since
	}
	c.mu.probePause = min(2*max(c.mu.probePause, c.opts.ProbeAfter), maxProbePause)
	c.mu.notBefore = now.Add(c.mu.probePause)
	c.mu.probe = c.mu.calls.next
	c.mu.probed = true
	c.mu.probeAt = now.Add(c.opts.ProbeAfter)
	c.mu.out = wire.AppendRequest(c.mu.out, wire.RequestHeader{TimeoutMs: TimeoutMs(c.opts.ProbeAfter)}, taskProbe, c.mu.probe, wire.Blob(nil))
	c.mu.calls.next++
	c.wakeWriter()
}
