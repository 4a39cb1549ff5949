package rpc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// Node is a server, with the connections to it if there are any.
//
// It has one or more connections for requests whose frames and answers are
// small, and one for bulk: what is large would keep the others waiting. Each is
// made when it is first needed.
//
// A server that hangs accepts connections all the same. Once a connection has
// failed with ErrStalled, the next one counts as made only when the server has
// answered a probe on it: one prober in place of all callers.
type Node struct {
	pool *Pool
	addr string
	// Budget is what may be sent again to the server.
	Budget Budget
	hung   atomic.Bool // it did not answer lately

	traffic traffic

	lanes []lane // the last one is for bulk

	mu       sync.Mutex
	closed   bool
	failures int       // in a row, see failedLocked
	lastErr  error     // of the last dial, if it failed
	notYet   time.Time // no dial before this time
}

// lane is one of the connections.
type lane struct {
	live atomic.Pointer[Conn] // nil, or the latest connection, perhaps dead
	dial *Dial                // under way or put off, or nil; guarded by the node's mutex
}

// Lane is the number of one of a node's connections.
type Lane int

// Bulk is the connection for what is large.
const Bulk Lane = -1

// The pause after a failed dial, doubled with each further failure. The first
// dial after a connection broke is immediate, if the server has ever answered on it.
const (
	minDialPause = 10 * time.Millisecond
	maxDialPause = 500 * time.Millisecond
)

// bulkSilentAfter is SilentAfter on the connection for bulk: what is large may
// take its time.
const bulkSilentAfter = time.Second

// Dial is an attempt to connect. Its result is valid once Done is closed.
type Dial struct {
	Done chan struct{}
	Conn *Conn
	Err  error // an *Error
}

// Failure returns why there is no connection: it could not be made, or is broken
// already. It is an *Error.
func (d *Dial) Failure() error {
	if d.Err != nil {
		return d.Err
	}
	if err := d.Conn.failure(); err != nil {
		return &Error{Addr: d.Conn.addr, Err: err}
	}
	return nil
}

// Addr returns the address of the node, "host:port".
func (n *Node) Addr() string { return n.addr }

// Hung reports whether the server was found to hang and has not answered since.
func (n *Node) Hung() bool { return n.hung.Load() }

// lane returns the lane of a number; those of small requests may be any.
func (n *Node) lane(l Lane) *lane {
	bulk := len(n.lanes) - 1
	switch {
	case l == Bulk:
		return &n.lanes[bulk]
	case bulk == 1:
		return &n.lanes[0]
	}
	return &n.lanes[uint(l)%uint(bulk)]
}

// Live returns the connection of a lane if there is one that works, else nil.
func (n *Node) Live(l Lane) *Conn {
	c := n.lane(l).live.Load()
	if c == nil {
		return nil
	}
	select {
	case <-c.dead:
		return nil
	default:
		return c
	}
}

// Lost returns why the latest connection of a lane broke, or could not be made; nil
// if nothing is wrong as far as is known.
func (n *Node) Lost(l Lane) error {
	if c := n.lane(l).live.Load(); c != nil {
		return c.failure()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lastErr
}

// Conn returns the first connection, and makes it if need be. Any number of
// callers share one attempt. Shortly after a failed attempt it fails again
// with the same cause at once, so that the caller can look elsewhere. Errors
// are of type *Error, with Sent false.
func (n *Node) Conn(ctx context.Context) (*Conn, error) {
	if c := n.Live(0); c != nil {
		return c, nil
	}
	n.mu.Lock()
	if err := n.lastErr; err != nil && time.Now().Before(n.notYet) {
		n.mu.Unlock()
		return nil, &Error{Addr: n.addr, Err: err}
	}
	n.mu.Unlock()
	d := n.Dial(0)
	select {
	case <-d.Done:
		return d.Conn, d.Err
	case <-ctx.Done():
		return nil, &Error{Addr: n.addr, Err: ContextError(ctx)}
	}
}

// Dial joins or starts an attempt to make the connection of a lane. Shortly
// after a failed attempt it is put off.
func (n *Node) Dial(l Lane) *Dial {
	n.mu.Lock()
	defer n.mu.Unlock()
	ln := n.lane(l)
	if ln.dial != nil {
		return ln.dial
	}
	d := &Dial{Done: make(chan struct{})}
	if d.Conn = n.Live(l); d.Conn != nil { // made since the caller looked
		close(d.Done)
		return d
	}
	if c := ln.live.Load(); c != nil && n.lastErr == nil && !c.answered() {
		n.failedLocked(c.failure()) // it accepts connections to break them
	}
	var pause time.Duration
	if n.lastErr != nil {
		pause = time.Until(n.notYet)
	}
	if n.closed || !n.pool.Go(func(ctx context.Context) { n.connect(ctx, l, d, pause) }) {
		d.Err = &Error{Addr: n.addr, Err: ErrClosed}
		close(d.Done)
		return d
	}
	ln.dial = d
	return d
}

// connect makes the connection of a lane after a pause.
func (n *Node) connect(ctx context.Context, l Lane, d *Dial, pause time.Duration) {
	var c *Conn
	err := ErrClosed
	if pause <= 0 || Pause(ctx, pause) {
		c, err = n.open(ctx, l)
	}
	var late *Conn // made when nobody wants it any more
	defer func() {
		if late != nil {
			late.Fail(ErrClosed)
		}
	}()

	n.mu.Lock()
	defer n.mu.Unlock()
	defer close(d.Done)
	ln := n.lane(l)
	ln.dial = nil
	switch {
	case n.closed || ctx.Err() != nil:
		late = c
		d.Err = &Error{Addr: n.addr, Err: ErrClosed}
	case err != nil:
		n.failedLocked(err)
		d.Err = &Error{Addr: n.addr, Err: err}
	default:
		if last := ln.live.Swap(c); last == nil || last.answered() {
			n.failures = 0
		}
		n.lastErr = nil
		d.Conn = c
	}
}

// failedLocked notes that there is no connection, and puts the next dial off. What
// fails on several lanes at the same time is one failure.
func (n *Node) failedLocked(err error) {
	n.lastErr = err
	now := time.Now()
	if now.Before(n.notYet) {
		return
	}
	n.failures++
	pause := min(minDialPause<<min(n.failures-1, 10), maxDialPause)
	n.notYet = now.Add(pause/2 + rand.N(pause/2+1))
}

// open opens a connection. If the server hung, that has to be over.
func (n *Node) open(ctx context.Context, l Lane) (*Conn, error) {
	opts := n.pool.opts
	began := time.Now()
	dialing, cancel := context.WithTimeout(ctx, opts.DialTimeout)
	nc, err := opts.Dial(dialing, "tcp", n.addr)
	if err != nil {
		n.hung.Store(false) // it is gone now, which may end
	}
	if errors.Is(err, context.DeadlineExceeded) { // which is not that of a call
		err = fmt.Errorf("no connection within %v", opts.DialTimeout)
	}
	if err == nil && opts.Auth != nil {
		if err = opts.Auth.negotiate(dialing, nc, n.addr); err != nil {
			nc.Close()
			n.hung.Store(errors.Is(err, ErrStalled) && ctx.Err() == nil)
		}
	}
	cancel()
	took := time.Since(began)
	if last := n.lane(l).live.Load(); last != nil {
		<-last.told // first
	}
	if opts.Events.Dialed != nil && (err == nil || ctx.Err() == nil) {
		opts.Events.Dialed(n.addr, l, took, err)
	}
	if err != nil {
		return nil, err
	}
	if l == Bulk {
		opts.SilentAfter = max(opts.SilentAfter, bulkSilentAfter)
	}
	n.traffic.dials.Add(1)
	c := newConn(n, l, n.addr, nc, opts.Options)
	if n.hung.Load() {
		if err := c.probe(ctx); err != nil {
			c.Fail(err)
			<-c.told // by another goroutine, if it broke before
			return nil, err
		}
		n.hung.Store(false)
	}
	return c, nil
}

// probe waits for a sign of life of the server.
func (c *Conn) probe(ctx context.Context) error {
	arg := wire.Blob(nil)
	h := wire.RequestHeader{TimeoutMs: TimeoutMs(c.opts.ProbeAfter)}
	_, err := Send(ctx, c, time.Now().Add(c.opts.ProbeAfter), h, taskProbe, &arg)
	if err == nil {
		return nil
	}
	return ErrStalled
}

// recall has all calls given back whose partition has moved, see Conn.Recall.
func (n *Node) recall(moved func(wire.GPID) bool) {
	for i := range n.lanes {
		if c := n.lanes[i].live.Load(); c != nil {
			c.Recall(moved)
		}
	}
}

func (n *Node) close() {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	for i := range n.lanes {
		if c := n.lanes[i].live.Load(); c != nil {
			c.Close()
		}
	}
}
