package rpc

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// DialFunc opens a connection. It has the signature of net.Dialer.DialContext.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// PoolOptions say how a Pool connects. The zero value of a field is its
// default.
type PoolOptions struct {
	Options
	// Dial opens a connection. Default: TCP, without delay of small writes.
	Dial DialFunc
	// DialTimeout bounds one attempt to connect, authentication included. Default 3 s.
	DialTimeout time.Duration
	// Auth authenticates connections. Nil: they are not.
	Auth *Auth
	// Connections is the number of connections to a server for small requests.
	// Default 1.
	Connections int
	// RetriesPerSecond is the Budget of a server. Default 10; negative: no limit.
	RetriesPerSecond int
	// Events are told what happens.
	Events Events
}

// Pool holds the nodes of a client: one for each address.
type Pool struct {
	opts   PoolOptions
	ctx    context.Context // ends with Close, its cause is ErrClosed
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // dials, and connections that were made
	idle   sync.Pool      // of *Call
	groups sync.Pool      // of *Group
	frames sync.Pool      // of *Frame

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
	if opts.RetriesPerSecond == 0 {
		opts.RetriesPerSecond = defaultPerSecond
	}
	opts.Connections = max(opts.Connections, 1)
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
		n = &Node{pool: p, addr: addr, lanes: make([]lane, p.opts.Connections+1)}
		n.Budget.perSecond = p.opts.RetriesPerSecond
		p.nodes[addr] = n
	}
	return n
}

// Recall has all calls given back that wait for a server that is not the one
// that place returns for their partition. A place of nil is none to go to.
func (p *Pool) Recall(place func(wire.GPID) *Node) {
	p.mu.Lock()
	nodes := make([]*Node, 0, len(p.nodes))
	for _, n := range p.nodes {
		nodes = append(nodes, n)
	}
	p.mu.Unlock()
	for _, n := range nodes {
		n.recall(func(gpid wire.GPID) bool {
			now := place(gpid)
			return now != nil && now != n
		})
	}
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
