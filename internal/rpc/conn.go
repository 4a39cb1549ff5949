package rpc

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// Options of connections. The zero value of a field is its default.
type Options struct {
	// MaxReply is the size of the largest reply accepted, in bytes. Default
	// 256 MiB: a scan returns up to 1000 records, and what HTTP or TLS sends
	// stands for a larger number.
	MaxReply int
	// MaxBuffered is the number of outgoing bytes from which on callers wait
	// until the writer has caught up. Default 4 MiB.
	MaxBuffered int
	// ProbeAfter is how long a server may be silent while calls are pending
	// before it is asked for a sign of life, and again how long it may take to
	// give one before the connection counts as dead. Default 2 s.
	ProbeAfter time.Duration
	// SilentAfter is how long a server may be silent while calls are pending
	// before their listeners are told. Default an eighth of ProbeAfter.
	SilentAfter time.Duration
}

func (o Options) withDefaults() Options {
	if o.MaxReply <= 0 {
		o.MaxReply = 256 << 20
	}
	if o.MaxBuffered <= 0 {
		o.MaxBuffered = 4 << 20
	}
	if o.ProbeAfter <= 0 {
		o.ProbeAfter = 2 * time.Second
	}
	if o.SilentAfter <= 0 {
		o.SilentAfter = o.ProbeAfter / 8
	}
	return o
}

// Conn is a connection to one server. All methods may be called concurrently.
type Conn struct {
	addr string
	node *Node // nil in tests
	lane Lane  // of the node
	nc   net.Conn
	opts Options
	kick chan struct{} // capacity 1: mu.out has something for the writer
	dead chan struct{} // closed when the connection failed
	told chan struct{} // closed when that was told
	wg   sync.WaitGroup
	full atomic.Bool // mu.out has more than MaxBuffered

	progress int64 // bytes that the writer has written without telling

	mu struct {
		sync.Mutex
		out   outgoing  // frames that the writer has not taken yet
		calls callTable // whoever takes a call off the table completes it
		sent  int32     // calls with an id before this one may have been written
		err   error     // why the connection is dead; set once
		space chan struct{}
		// The calls that wait for it, each with the event that it was recalled.
		waiting map[*Call]chan struct{}

		// Positions in the stream of all bytes sent.
		queued   int64 // where the next frame begins
		written  int64 // what the network has taken
		received int64 // what the server is known to have, by its answers

		watch watch
	}
}

// NewConn starts a connection to addr on nc, which it owns from now on.
func NewConn(addr string, nc net.Conn, opts Options) *Conn { return newConn(nil, 0, addr, nc, opts) }

func newConn(node *Node, l Lane, addr string, nc net.Conn, opts Options) *Conn {
	c := &Conn{
		addr: addr,
		node: node,
		lane: l,
		nc:   nc,
		opts: opts.withDefaults(),
		kick: make(chan struct{}, 1),
		dead: make(chan struct{}),
		told: make(chan struct{}),
	}
	if node != nil {
		c.nc = counted{nc, &node.traffic}
	}
	c.run(c.writeLoop)
	c.run(c.readLoop)
	return c
}

// run runs a loop that ends when the connection is dead. Close of the
// connection waits for it, and so does Close of its pool.
func (c *Conn) run(loop func()) {
	if c.node != nil {
		c.node.pool.wg.Add(1) // by a goroutine that the pool waits for
	}
	c.wg.Go(func() {
		loop()
		if c.node != nil {
			c.node.pool.wg.Done()
		}
	})
}

// Addr returns the address of the server, "host:port".
func (c *Conn) Addr() string { return c.addr }

// Dead returns a channel that is closed when the connection has failed.
func (c *Conn) Dead() <-chan struct{} { return c.dead }

// failure returns why the connection is dead, nil if it works.
func (c *Conn) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.err
}

// answered reports whether the server has ever answered a call.
func (c *Conn) answered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.received > 0
}

// Close fails all pending calls with ErrClosed and waits for the connection's
// goroutines.
func (c *Conn) Close() {
	c.Fail(ErrClosed)
	c.wg.Wait()
}

// Fail closes the connection because of err, unless it is dead already, and
// fails all pending calls.
func (c *Conn) Fail(err error) {
	c.mu.Lock()
	if c.mu.err != nil {
		c.mu.Unlock()
		return
	}
	c.mu.err = err
	sent := c.mu.sent
	calls := c.mu.calls.takeIf(func(*Call) bool { return true })
	c.mu.out = outgoing{}
	over := c.mu.watch.stop()
	c.mu.Unlock()

	if c.node != nil && err == ErrStalled {
		c.node.hung.Store(true)
	}
	close(c.dead)
	c.nc.Close()
	for _, cl := range calls {
		cl.complete(&Error{Addr: c.addr, Sent: cl.seq-sent < 0, Err: err})
	}
	over.run()
	defer close(c.told)
	c.tellLost(err)
}

// Recall gives back, with ErrMoved, the calls of partitions that have moved to
// another server: those that are movable, and those that wait for space.
func (c *Conn) Recall(moved func(wire.GPID) bool) {
	c.mu.Lock()
	calls := c.mu.calls.takeIf(func(cl *Call) bool { return cl.Movable && moved(cl.gpid) })
	if len(calls) > 0 {
		c.mu.watch.owing = true
	}
	for cl, recalled := range c.mu.waiting {
		if moved(cl.gpid) {
			delete(c.mu.waiting, cl)
			close(recalled)
		}
	}
	c.mu.Unlock()
	for _, cl := range calls {
		// As in abandon, what is not written yet will be.
		cl.complete(&Error{Addr: c.addr, Sent: true, Err: ErrMoved})
	}
}

// Do sends a request and waits for its reply. It ends with the context, and
// with ErrTimeout at the deadline if that is not zero: a context that has a
// deadline needs no other one. That the context has not ended already is for the
// caller to see; nothing is sent if it ends while there is no space. Errors are of
// type *Error.
func (c *Conn) Do(ctx context.Context, cl *Call, deadline time.Time, h *wire.RequestHeader, encode Encode) error {
	cl.deadline = deadline
	cl.gpid = h.GPID
	cl.Attempts++
	var large []byte
	if cl.Large {
		if c.full.Load() {
			if err := c.waitForSpace(ctx, cl); err != nil {
				return &Error{Addr: c.addr, Err: err}
			}
		}
		large = encode(nil)
	}

	c.mu.Lock()
	for c.mu.out.size > c.opts.MaxBuffered || c.mu.err != nil { // others were faster
		c.mu.Unlock()
		if err := c.waitForSpace(ctx, cl); err != nil {
			return &Error{Addr: c.addr, Err: err}
		}
		c.mu.Lock()
	}
	c.mu.calls.add(cl)
	seq := cl.seq
	before := c.mu.out.size
	c.mu.out.call(cl, h, encode, large)
	cl.Sent += cl.size
	if c.mu.out.size > c.opts.MaxBuffered {
		c.full.Store(true)
	}
	c.mu.queued += int64(c.mu.out.size - before)
	cl.end = c.mu.queued
	if w := &c.mu.watch; w.at.IsZero() || (!deadline.IsZero() && deadline.Before(w.at)) {
		c.startWatchLocked(deadline)
	}
	c.mu.Unlock()
	if before == 0 {
		c.wakeWriter()
	}

	// A receive from one channel is cheaper than a select of two.
	if done := ctx.Done(); done == nil {
		<-cl.done
	} else {
		select {
		case <-cl.done:
		case <-done:
			if err := c.abandon(cl, seq, ContextError(ctx)); err != nil {
				return err
			}
		}
	}
	err := cl.err
	cl.err = nil
	return err
}

// abandon takes the call off the table because of err. If its reply is coming
// at this very moment it waits for that, and returns nil.
func (c *Conn) abandon(cl *Call, seq int32, err error) error {
	c.mu.Lock()
	if c.mu.calls.take(seq) == nil {
		c.mu.Unlock()
		<-cl.done
		return nil
	}
	c.mu.watch.owing = true
	c.mu.Unlock()
	// What the writer has not taken yet it is about to take.
	return &Error{Addr: c.addr, Sent: true, Err: err}
}

func (c *Conn) wakeWriter() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}
