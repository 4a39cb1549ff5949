package transport

import (
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// Call describes a request to an interceptor.
type Call struct {
	Meta bool // to a meta server, else to a replica server
	Node int  // index of that server
	Task string
	// Table is the name of the table that the request is about, if it is about one.
	Table string
	GPID  wire.GPID // as in the header: zero for RPCs about no partition
}

// Action is what an interceptor wants to happen to a request. The zero value
// lets it pass.
type Action struct {
	// Delay and Until hold it up: for a time, and until the channel is closed.
	// Other requests on the connection are not held up.
	Delay time.Duration
	Until <-chan struct{}
	// Code, if not empty, is the name of the error to answer with; the request
	// is not carried out.
	Code string
	// Lose carries the request out (or not, with Code), but no answer is sent.
	Lose bool
	// Drop ignores the request: not carried out, not answered.
	Drop bool
	// Close breaks the connection: with Lose afterwards, else instead. It goes by
	// Delay and Until, too.
	Close bool
}

// Intercept makes f decide on every request before it is looked at, until it
// is replaced; nil removes it. f is called concurrently.
func (h *Hub) Intercept(f func(Call) Action) {
	var next *func(Call) Action
	if f != nil {
		next = &f
	}
	switch old := h.interceptor.Swap(next); {
	case old == nil && next != nil:
		h.disturbed.Add(1)
	case old != nil && next == nil:
		h.disturbed.Add(-1)
	}
}

// hang waits while the node is paused.
func (c *conn) hang() {
	if c.hub.disturbed.Load() == 0 {
		return
	}
	for resumed := c.n.pause(); resumed != nil; resumed = c.n.pause() {
		<-resumed // Stop and Close resume, too
	}
}

// disturb applies what tests have arranged: paused nodes and interceptors. If
// it has handled the request, goOn is false if the connection is to be closed.
func (c *conn) disturb(frame []byte) (handled, goOn bool) {
	c.hang()
	f := c.hub.interceptor.Load()
	if f == nil {
		return false, true
	}
	r := &c.req
	call := Call{
		Meta:  c.n.meta,
		Node:  c.n.index,
		Task:  string(r.Task),
		Table: c.call.Table(r),
		GPID:  r.GPID,
	}
	var a Action
	c.n.outside(c, func() { a = (*f)(call) })
	switch {
	case c.broken.Load():
		return true, false // the node was stopped meanwhile, by f perhaps
	case a.Drop:
		return true, true
	case a.Delay > 0 || a.Until != nil || a.Lose:
		j := &job{delay: a.Delay, until: a.Until, code: wire.ErrorCode(a.Code), lose: a.Lose, close: a.Close}
		return true, c.putOff(j, frame)
	case a.Close:
		c.abort()
		return true, false
	case a.Code != "":
		c.fail(wire.ErrorCode(a.Code))
		return true, true
	}
	return false, true
}
