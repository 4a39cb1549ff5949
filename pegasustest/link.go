package pegasustest

import (
	"context"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Link is the network between clients and one server, see Cluster.Link and
// Network. Its methods may be called concurrently, also while requests are under
// way.
type Link struct {
	mu      sync.Mutex
	refused bool
	flow    flow
	left    int64         // bytes that may still pass, unless it is flowing
	healed  chan struct{} // closed by Heal
	conns   map[*linkConn]struct{}
}

// flow is what happens to answers.
type flow int

const (
	flowing  flow = iota
	stalling      // left bytes pass, the rest waits
	breaking      // left bytes pass, then the connections break
)

// Link returns the network to the server with that address, such as that of an
// [onebox.Node].
func (c *Cluster) Link(addr string) *Link { return c.network.Link(addr) }

// RefuseDials makes new connections fail, as if nothing listened on the port.
// Open ones stay.
func (l *Link) RefuseDials() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused = true
}

// Break breaks the open connections. New ones are good.
func (l *Link) Break() {
	l.mu.Lock()
	conns := slices.Collect(maps.Keys(l.conns))
	l.mu.Unlock()
	for _, conn := range conns {
		conn.end()
		conn.cut()
	}
}

// Orphan breaks the open connections for their client alone: the server goes on with what it has
// received, also with requests that an Interceptor holds up. So a write can be carried out after
// its client was told that it is in doubt. Break ends them for the server, too. New connections are
// good.
func (l *Link) Orphan() {
	l.mu.Lock()
	conns := slices.Collect(maps.Keys(l.conns))
	l.mu.Unlock()
	for _, conn := range conns {
		conn.orphan()
	}
}

// BreakAfter lets n more bytes of answers pass, of all connections together, and
// then breaks every connection that has more, in the middle of an answer if need
// be.
func (l *Link) BreakAfter(n int64) { l.set(breaking, n) }

// StallAfter lets n more bytes of answers pass, of all connections together.
// What comes then waits until Heal, while requests still reach the server.
func (l *Link) StallAfter(n int64) { l.set(stalling, n) }

func (l *Link) set(f flow, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flow, l.left = f, max(n, 0)
}

// Heal ends what the other methods began. Answers that waited arrive.
func (l *Link) Heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused, l.flow = false, flowing
	close(l.healed)
	l.healed = make(chan struct{})
}

// pass returns how many of n bytes may pass now. If none may, it returns the
// error of a broken connection, or a channel that is closed by Heal.
func (l *Link) pass(n int) (int, <-chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flow == flowing {
		return n, nil, nil
	}
	n = int(min(int64(n), l.left))
	l.left -= int64(n)
	switch {
	case n > 0:
		return n, nil, nil
	case l.flow == breaking:
		return 0, nil, io.ErrUnexpectedEOF
	}
	return 0, l.healed, nil
}

// Network is a network between clients and servers that can be made to fail. Its
// Dial goes into a [pegasus.Config], which may be that of clients of a real
// cluster. Those of a Cluster have one already. The zero value is a network over
// TCP without failures.
type Network struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error) // nil: TCP

	mu     sync.Mutex
	byAddr map[string]*Link
}

// Link returns the part of the network that leads to the server with that
// address, "host:port".
func (n *Network) Link(addr string) *Link {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.byAddr[addr]
	if l == nil {
		l = &Link{healed: make(chan struct{}), conns: make(map[*linkConn]struct{})}
		if n.byAddr == nil {
			n.byAddr = make(map[string]*Link)
		}
		n.byAddr[addr] = l
	}
	return l
}

// Dial connects to a server, over its link.
func (n *Network) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	l := n.Link(addr)
	l.mu.Lock()
	refused := l.refused
	l.mu.Unlock()
	if refused {
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	dial := n.dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	nc, err := dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	conn := &linkConn{Conn: nc, link: l, closed: make(chan struct{})}
	l.mu.Lock()
	l.conns[conn] = struct{}{}
	l.mu.Unlock()
	return conn, nil
}

// linkConn is a client's end of a connection. It is read by one goroutine, which
// sets no deadlines.
type linkConn struct {
	net.Conn
	link *Link
	held []byte // received and not passed on

	ended    sync.Once
	closed   chan struct{} // for the client
	orphaned atomic.Bool
	once     sync.Once // for cut
}

// end ends the connection for the client, also a Read that waits for Heal.
func (c *linkConn) end() { c.ended.Do(func() { close(c.closed) }) }

// cut ends it for the server.
func (c *linkConn) cut() (err error) {
	c.once.Do(func() {
		err = c.Conn.Close()
		c.link.mu.Lock()
		delete(c.link.conns, c)
		c.link.mu.Unlock()
	})
	return err
}

// orphan ends the connection for the client. It stays in the link, so that the server does not see
// an end before Break.
func (c *linkConn) orphan() {
	c.orphaned.Store(true)
	_ = c.Conn.SetDeadline(time.Unix(1, 0)) // ends Read and Write
	c.end()
}

// Read passes on what the link lets pass.
func (c *linkConn) Read(b []byte) (int, error) {
	if len(c.held) == 0 {
		n, err := c.Conn.Read(b)
		if n == 0 {
			return 0, err
		}
		passed, _, _ := c.link.pass(n)
		if passed == n {
			return n, nil
		}
		c.held = append(c.held[:0], b[passed:n]...)
		if passed > 0 {
			return passed, nil
		}
	}
	for {
		n, healed, err := c.link.pass(min(len(b), len(c.held)))
		switch {
		case err != nil:
			c.Close()
			return 0, err
		case n > 0:
			copy(b, c.held[:n])
			c.held = c.held[n:]
			return n, nil
		}
		select {
		case <-healed:
		case <-c.closed:
			return 0, net.ErrClosed
		}
	}
}

// Close closes the connection, but for the server only if it was not orphaned. The link is
// not locked.
func (c *linkConn) Close() error {
	select {
	case <-c.closed:
		return net.ErrClosed
	default:
	}
	c.end()
	if c.orphaned.Load() {
		return nil
	}
	return c.cut()
}
