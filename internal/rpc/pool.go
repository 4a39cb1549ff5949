package rpc

import (
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// DialFunc opens a connection. It has the signature of net.Dialer.DialContext.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// PoolOptions say how a Pool connects. The zero value of a field is its
// default.
type PoolOptions struct {
	Options
	// Dial opens a connection. Default: TCP, without delay of small writes.
	Dial DialFunc
	// DialTimeout bounds one attempt to connect. Default 3 s.
	DialTimeout time.Duration
}

// The pause after a failed dial, doubled with each further failure. The first
// dial after a connection broke is immediate.
const (
	minDialPause = 10 * time.Millisecond
	maxDialPause = 500 * time.Millisecond
)

// Pool holds the nodes of a client: one for each address.
type Pool struct {
	opts   PoolOptions
	ctx    context.Context // ends with Close, its cause is ErrClosed
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // dials, and connections that were made

	mu    sync.Mutex
	nodes map[string]*Node
}

// NewPool returns an empty pool.
func NewPool(opts PoolOptions) *Pool {
	opts.Options = opts.Options.withDefaults()
	if opts.Dial == nil {
		opts.Dial = new(net.Dialer).DialContext
	}
	if opts.DialTimeout <= 0 {
		opts.DialTimeout = 3 * time.Second
	}
	p := &Pool{opts: opts, nodes: make(map[string]*Node)}
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	return p
}

// Node returns the node of an address, "host:port". It does not connect. Nodes
// are kept until Close, also those of servers that are gone: they are 2 KiB each,
// and whoever asks for the address again finds out how the last dial went.
func (p *Pool) Node(addr string) *Node {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.nodes[addr]
	if n == nil {
		n = &Node{pool: p, addr: addr}
		p.nodes[addr] = n
	}
	return n
}

// Go runs f in a goroutine that Close waits for, with a context that ends with
// Close. It returns false, and runs nothing, after Close.
func (p *Pool) Go(f func(ctx context.Context)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil {
		return false
	}
	p.wg.Go(func() { f(p.ctx) })
	return true
}

// Close closes all connections, fails their calls with ErrClosed, and waits
// for all goroutines. Dialing afterwards fails with ErrClosed.
func (p *Pool) Close() {
	p.mu.Lock()
	p.cancel(ErrClosed) // under the lock, so that Go adds nothing once wg is waited for
	nodes := p.nodes
	p.nodes = make(map[string]*Node)
	p.mu.Unlock()
	for _, n := range nodes {
		n.close()
	}
	p.wg.Wait()
}

// Node is a server, with the connection to it if there is one.
type Node struct {
	pool *Pool
	addr string
	live atomic.Pointer[Conn] // nil, or the latest connection, perhaps dead

	mu       sync.Mutex
	dial     *dial // under way, or nil
	closed   bool
	failures int       // dials that failed in a row
	lastErr  error     // of the last dial, if it failed
	notYet   time.Time // no dial before this time
}

// dial is an attempt to connect. Its result is valid once done is closed.
type dial struct {
	done chan struct{}
	conn *Conn
	err  error
}

// Addr returns the address of the node, "host:port".
func (n *Node) Addr() string { return n.addr }

// Live returns the connection if there is one that works, else nil.
func (n *Node) Live() *Conn {
	c := n.live.Load()
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

// Lost returns why the connection broke, if there was one and no new one was
// made yet.
func (n *Node) Lost() error {
	c := n.live.Load()
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.err
}

// Conn returns the connection and makes it first if need be. Any number of
// callers share one attempt. Shortly after a failed attempt it fails again
// with the same cause at once, so that the caller can look elsewhere. Errors
// are of type *Error, with Sent false.
func (n *Node) Conn(ctx context.Context) (*Conn, error) {
	if c := n.Live(); c != nil {
		return c, nil
	}
	d, err := n.startDial()
	if err != nil {
		return nil, &Error{Addr: n.addr, Err: err}
	}
	select {
	case <-d.done:
	case <-ctx.Done():
		return nil, &Error{Addr: n.addr, Err: ContextError(ctx)}
	}
	if d.err != nil {
		return nil, &Error{Addr: n.addr, Err: d.err}
	}
	return d.conn, nil
}

// startDial joins or starts an attempt to connect.
func (n *Node) startDial() (*dial, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.closed || n.pool.ctx.Err() != nil:
		return nil, ErrClosed
	case n.dial != nil:
		return n.dial, nil
	}
	if c := n.Live(); c != nil { // made since the caller looked
		d := &dial{done: make(chan struct{}), conn: c}
		close(d.done)
		return d, nil
	}
	if n.lastErr != nil && time.Now().Before(n.notYet) {
		return nil, n.lastErr
	}
	n.dial = &dial{done: make(chan struct{})}
	n.pool.wg.Add(1)
	go n.connect(n.dial)
	return n.dial, nil
}

func (n *Node) connect(d *dial) {
	defer n.pool.wg.Done()
	ctx, cancel := context.WithTimeout(n.pool.ctx, n.pool.opts.DialTimeout)
	nc, err := n.pool.opts.Dial(ctx, "tcp", n.addr)
	cancel()

	n.mu.Lock()
	defer n.mu.Unlock()
	defer close(d.done)
	n.dial = nil
	switch {
	case n.closed || n.pool.ctx.Err() != nil:
		if err == nil {
			nc.Close()
		}
		d.err = ErrClosed
	case err != nil:
		n.failures++
		pause := min(minDialPause<<min(n.failures-1, 10), maxDialPause)
		n.notYet = time.Now().Add(pause/2 + rand.N(pause/2+1))
		n.lastErr = err
		d.err = err
	default:
		n.failures, n.lastErr = 0, nil
		d.conn = NewConn(n.addr, nc, n.pool.opts.Options)
		// The one before is dead; its goroutines are about to end. Wait for
		// them when the pool closes, not here.
		if old := n.live.Swap(d.conn); old != nil {
			n.pool.wg.Go(old.wg.Wait)
		}
	}
}

func (n *Node) close() {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	if c := n.live.Load(); c != nil {
		c.Close()
	}
}
