package rpc

import (
	"context"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// Call is a request that is sent until it is answered: perhaps more than once,
// to one server after the other, but never to two at a time. It is made by
// Pool.Call and given back by Release.
type Call struct {
	// Header is the header of the request. It may change from one Do to the next.
	Header wire.RequestHeader
	// Keep makes the memory of the reply the caller's. Without it the reply may
	// be lent: it is valid until Release, or until the call is sent again.
	Keep bool
	// Movable calls are given back by Recall with ErrMoved.
	Movable bool
	// Listener is told when the server that owes the answer is silent; or nil.
	Listener Listener

	// Reply is the reply, once Do has returned without an error.
	Reply  wire.Reply
	result wire.Reader

	pool *Pool // to which it returns, or nil
	task string
	size int // of the argument, as it was sent last

	// While it is under way, its connection has it in its table.
	seq      int32
	deadline time.Time // zero if a context ends it
	end      int64     // of its frame in the stream of the connection
	lent     bool      // Reply is in buf
	buf      []byte    // for small replies, one after the other
	err      error
	done     chan struct{} // capacity 1, so that completing never blocks
}

// Listener learns that the node does not answer its calls. It does not wait,
// and returns a function that is called when the node answers again, or when
// its connection has broken.
type Listener interface {
	Silent(*Node) (over func())
}

// Encode appends the argument of a request, see wire.AppendArgument. It is called
// for each attempt to send it, when there is room for it, so that callers that
// wait keep nothing but what they were given.
type Encode func(dst []byte) []byte

// Call returns a call of the given task.
func (p *Pool) Call(task string) *Call {
	cl := p.idleCall()
	cl.task = task
	return cl
}

// Task returns the task code of the request.
func (cl *Call) Task() string { return cl.task }

// Size returns the number of bytes that the argument had when it was sent.
func (cl *Call) Size() int { return cl.size }

// Result returns a Reader placed at the result, a struct.
func (cl *Call) Result() *wire.Reader {
	cl.result = cl.Reply.ResultReader(wire.TypeStruct)
	return &cl.result
}

// Lent reports whether the bytes of the reply end with Release.
func (cl *Call) Lent() bool { return cl.lent }

// Release gives the call back. If its reply is lent, nothing may refer to that
// any more. A call that is not released is left to the garbage collector.
func (cl *Call) Release() {
	if poison && cl.lent {
		clear(cl.buf)
	}
	p := cl.pool
	*cl = Call{pool: p, buf: cl.buf, done: cl.done}
	if p != nil {
		p.idle.Put(cl)
	}
}

// idleCall returns a call to be used. Calls are not shared between clients: a
// channel belongs to the bubble of testing/synctest in which it was made, or to
// none.
func (p *Pool) idleCall() *Call {
	if p != nil {
		if cl, ok := p.idle.Get().(*Call); ok {
			return cl
		}
	}
	return &Call{pool: p, done: make(chan struct{}, 1)}
}

// largestLoan is the size from which on a reply has memory of its own: calls
// keep their buffers, and copying twice has to be cheaper than allocating.
const largestLoan = 2 << 10

// take copies a reply out of the read buffer.
func (cl *Call) take(r wire.Reply) {
	cl.lent = !cl.Keep && r.Size() <= largestLoan
	if cl.lent {
		cl.buf = r.MoveTo(cl.buf[:0])
	} else {
		r.MoveTo(make([]byte, 0, r.Size()))
	}
	cl.Reply = r
}

// complete ends the call, which was taken off the table of its connection.
func (cl *Call) complete(err error) {
	cl.err = err
	cl.done <- struct{}{}
}

// Send sends a request and returns the reply, which is the caller's, whatever
// its error code is. It ends with the context, and at the deadline if that is
// not zero. Errors are of type *Error.
func Send[M wire.Message](ctx context.Context, c *Conn, deadline time.Time, h wire.RequestHeader, task string, arg *M) (wire.Reply, error) {
	cl := (*Pool)(nil).Call(task)
	cl.Header, cl.Keep = h, true
	err := c.Do(ctx, cl, deadline, func(dst []byte) []byte { return wire.AppendArgument(dst, *arg) })
	return cl.Reply, err
}

// Tell sends a request that is never answered. It does not wait, and drops
// the request if the connection is dead or has too much to write.
func (c *Conn) Tell(h wire.RequestHeader, task string, arg wire.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.err != nil || c.mu.out.size > c.opts.MaxBuffered {
		return
	}
	c.tellLocked(h, task, arg)
}

func (c *Conn) tellLocked(h wire.RequestHeader, task string, arg wire.Message) {
	before := c.mu.out.size
	// An id of its own, in case the server refuses the request with an answer.
	c.mu.out.request(h, task, c.mu.calls.next, arg)
	c.mu.queued += int64(c.mu.out.size - before)
	c.mu.calls.next++
	c.wakeWriter()
}
