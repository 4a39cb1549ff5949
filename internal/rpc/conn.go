package rpc

import (
	"context"
	"errors"
	"net"
	"sync"
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
	return o
}

// Conn is a connection to one server. All methods may be called concurrently.
type Conn struct {
	addr string
	nc   net.Conn
	opts Options
	kick chan struct{} // capacity 1: mu.out has something for the writer
	dead chan struct{} // closed when the connection failed
	wg   sync.WaitGroup
	// idle are calls to use again. They are not shared between connections,
	// because a channel belongs to the bubble of testing/synctest, or to none,
	// in which it was made.
	idle sync.Pool

	mu struct {
		sync.Mutex
		out     []byte    // frames that the writer has not taken yet
		calls   callTable // whoever takes a call off the table completes it
		writing int32     // calls with an id before this one are written
		sent    int32     // calls with an id before this one may have been written
		err     error     // why the connection is dead; set once
		space   chan struct{}

		// The watch: a timer that runs while answers are owed, and only then.
		watch   *time.Timer
		watchAt time.Time // when it fires; zero if it is not running
		probeAt time.Time // when the server is due to be probed, or to have answered
		probed  bool      // a probe is under way
		owing   bool      // a call was given up since the server was last heard
		// The latest probe.
		probe      int32         // its id
		probePause time.Duration // no probe again before, unless somebody calls
		notBefore  time.Time     // the end of that
	}
}

// NewConn starts a connection to addr on nc, which it owns from now on.
func NewConn(addr string, nc net.Conn, opts Options) *Conn {
	c := &Conn{
		addr: addr,
		nc:   nc,
		opts: opts.withDefaults(),
		kick: make(chan struct{}, 1),
		dead: make(chan struct{}),
		idle: sync.Pool{New: newCall},
	}
	c.wg.Add(2)
	go c.writeLoop()
	go c.readLoop()
	return c
}

// Addr returns the address of the server, "host:port".
func (c *Conn) Addr() string { return c.addr }

// Dead returns a channel that is closed when the connection has failed.
func (c *Conn) Dead() <-chan struct{} { return c.dead }

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
	calls := c.mu.calls.takeAll()
	c.mu.out = nil
	if c.mu.watch != nil {
		c.mu.watch.Stop()
	}
	c.mu.Unlock()

	close(c.dead)
	c.nc.Close()
	for _, cl := range calls {
		cl.err = &Error{Addr: c.addr, Sent: cl.seq-sent < 0, Err: err}
		cl.done <- struct{}{}
	}
}

// Call sends a request and sets reply to the reply to it. It ends with the
// context; if that has no deadline it ends at deadline, which must be set.
// Errors are of type *Error.
func Call[M wire.Message](ctx context.Context, c *Conn, deadline time.Time, h *wire.RequestHeader, task string, arg *M, reply *Reply) error {
	reply.call = nil // of a reply before this one
	done := ctx.Done()
	cl := c.idle.Get().(*call)
	if _, ok := ctx.Deadline(); ok && done != nil {
		cl.deadline = time.Time{}
	} else {
		cl.deadline = deadline
	}

	c.mu.Lock()
	if len(c.mu.out) > c.opts.MaxBuffered || c.mu.err != nil {
		if err := c.waitForSpaceLocked(ctx, deadline); err != nil {
			c.mu.Unlock()
			c.recycle(cl)
			return &Error{Addr: c.addr, Err: err}
		}
	}
	c.mu.calls.add(cl)
	seq := cl.seq
	idle := len(c.mu.out) == 0
	c.mu.out = wire.AppendRequest(c.mu.out, *h, task, seq, *arg)
	if c.mu.watchAt.IsZero() || (!cl.deadline.IsZero() && cl.deadline.Before(c.mu.watchAt)) {
		c.startWatchLocked(cl.deadline)
	}
	c.mu.Unlock()
	if idle {
		c.wakeWriter()
	}

	// A receive from one channel is cheaper than a select of two.
	if done == nil {
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
	reply.Reply = cl.reply
	if cl.lent {
		reply.conn, reply.call = c, cl
	} else {
		c.recycle(cl)
	}
	return err
}

// abandon takes the call off the table because of err. If its reply is coming
// at this very moment it waits for that, and returns nil.
func (c *Conn) abandon(cl *call, seq int32, err error) error {
	c.mu.Lock()
	if c.mu.calls.take(seq) == nil {
		c.mu.Unlock()
		<-cl.done
		return nil
	}
	c.mu.owing = true
	c.mu.Unlock()
	c.recycle(cl)
	// What the writer has not taken yet it is about to take.
	return &Error{Addr: c.addr, Sent: true, Err: err}
}

// Send sends a request that is never answered. It does not wait, and drops
// the request if the connection is dead or has too much to write.
func Send[M wire.Message](c *Conn, h wire.RequestHeader, task string, arg M) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.err != nil || len(c.mu.out) > c.opts.MaxBuffered {
		return
	}
	// An id of its own, in case the server refuses the request with an answer.
	c.mu.out = wire.AppendRequest(c.mu.out, h, task, c.mu.calls.next, arg)
	c.mu.calls.next++
	c.wakeWriter()
}

func (c *Conn) wakeWriter() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// waitForSpaceLocked returns when the writer has taken enough of the outgoing
// buffer, or with an error when the connection is dead or the call may not wait
// any longer. It unlocks the mutex meanwhile.
func (c *Conn) waitForSpaceLocked(ctx context.Context, deadline time.Time) error {
	var timer *time.Timer
	for len(c.mu.out) > c.opts.MaxBuffered && c.mu.err == nil {
		if timer == nil {
			timer = time.NewTimer(time.Until(deadline))
			defer timer.Stop()
		}
		if c.mu.space == nil {
			c.mu.space = make(chan struct{})
		}
		space := c.mu.space
		c.mu.Unlock()
		var err error
		select {
		case <-space:
		case <-c.dead:
		case <-ctx.Done():
			err = ContextError(ctx)
		case <-timer.C:
			err = errors.Join(ErrTimeout, context.DeadlineExceeded)
		}
		c.mu.Lock()
		if err != nil {
			return err
		}
	}
	return c.mu.err
}

// TimeoutMs returns d in the form of the request header: milliseconds, rounded
// up, at least 1 and at most what 31 bits hold.
func TimeoutMs(d time.Duration) int32 {
	const most = 1<<31 - 1
	d = min(d, most*time.Millisecond) // or rounding up would overflow
	return int32(max((d+time.Millisecond-1)/time.Millisecond, 1))
}
