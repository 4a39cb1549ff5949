package rpc

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// Call is a request that is sent until it is answered: perhaps more than once,
// to one server after the other, but never to two at a time. It is made by
// Pool.Call and given back by Release, or both with others: see Group.
type Call struct {
	// Take decodes the answer where it was read, or is nil. It must copy what it
	// keeps of that, and keeps it in Answer. Without it the whole reply is the
	// caller's, in Reply.
	Take func(*Answer, *wire.Reader)
	// Into is what Bytes of the Answer is when Take is called. Nobody touches it after Do
	// has returned.
	Into []byte
	// Lend is set if the memory of Reply is to be used again: see Frame.
	Lend bool
	// Large is set if the argument may be large. It is encoded in memory of its own
	// then, beside other calls, and sent from there.
	Large bool
	// Movable calls are given back by Recall with ErrMoved also when they may have
	// been sent.
	Movable bool
	// Listener is told when the server that owes the answer is silent; or nil.
	Listener Listener

	// What came back, once Do has returned without an error.
	Answer
	Reply wire.Reply // without Take
	Frame *Frame     // with Lend: what Reply is in, to be released by whoever takes it
	At    time.Time  // when the answer was read

	// What all attempts to send it have come to.
	Began          time.Time // set by the caller before the first
	Attempts       int
	Sent, Received int // bytes of arguments and of answers

	pool   *Pool // to which it returns, or nil
	task   string
	reader wire.Reader
	size   int // of the argument, as it was sent last

	// While it is under way, its connection has it in its table.
	seq      int32
	gpid     wire.GPID
	deadline time.Time // zero if a context ends it
	end      int64     // of its frame in the stream of the connection
	err      error
	group    *Group        // in place of done, if it is one of those
	over     atomic.Bool   // of a group, when the call is
	ended    bool          // of a group, when its caller was told that
	done     chan struct{} // capacity 1, so that completing never blocks
}

// Answer is a reply as its caller sees it.
type Answer struct {
	// Code is the leading error of the reply. If it is not ErrOK there is nothing
	// else.
	Code wire.ErrorCode
	// Malformed is why the reply cannot be decoded, or nil.
	Malformed error
	// What Take has found in it.
	Status wire.Status
	Number int64
	Bytes  []byte
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

// Result returns a Reader placed at the result in Reply, a struct.
func (cl *Call) Result() *wire.Reader {
	cl.reader = cl.Reply.ResultReader(wire.TypeStruct)
	return &cl.reader
}

// Size returns the number of bytes that the argument had when it was sent.
func (cl *Call) Size() int { return cl.size }

// Release gives the call back. A call that is not released is left to the garbage
// collector.
func (cl *Call) Release() {
	p := cl.pool
	*cl = Call{pool: p, done: cl.done}
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

// take makes the reply that of the call: by the goroutine that has read it, which
// has it at hand. The reply is in the read buffer unless it is in memory of its own,
// which is that of the frame if there is one.
func (cl *Call) take(r *wire.Reply, own bool, f *Frame) {
	cl.Received += r.Size()
	cl.Answer = Answer{Code: r.Err, Bytes: cl.Into}
	switch {
	case r.Err == wire.ErrOK && !r.Answers(cl.task):
		cl.Malformed = fmt.Errorf("%w: answer %q to %s", wire.ErrMalformed, r.Task, cl.task)
	case cl.Take == nil:
		cl.Reply, cl.Frame = *r, f
		if !own {
			if cl.Lend && cl.pool != nil {
				cl.Frame = cl.pool.frame()
			}
			cl.Reply.MoveTo(cl.Frame.space(r.Size())[:0])
		}
	case r.Err == wire.ErrOK:
		cl.reader = r.ResultReader(wire.TypeStruct)
		cl.Take(&cl.Answer, &cl.reader)
		cl.Malformed = cl.reader.Err()
	}
}

// complete ends the call, which was taken off the table of its connection.
func (cl *Call) complete(err error) {
	cl.err = err
	g := cl.group
	if g == nil {
		cl.done <- struct{}{}
		return
	}
	cl.over.Store(true) // from now on it is its caller's
	if g.left.Add(-1) == 0 {
		g.done <- struct{}{}
	}
}

// Send sends a request and returns the reply, which is the caller's, whatever
// its error code is. It ends with the context, and at the deadline if that is
// not zero. Errors are of type *Error.
func Send[M wire.Message](ctx context.Context, c *Conn, deadline time.Time, h wire.RequestHeader, task string, arg *M) (wire.Reply, error) {
	cl := (*Pool)(nil).Call(task)
	err := c.Do(ctx, cl, deadline, &h, func(dst []byte) []byte { return wire.AppendArgument(dst, *arg) })
	if err == nil && cl.Malformed != nil {
		err = &Error{Addr: c.addr, Sent: true, Err: cl.Malformed}
	}
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
