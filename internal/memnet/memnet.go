// Package memnet is a network inside the process: listeners and dialers over
// [net.Pipe].
//
// Goroutines that wait on it are durably blocked, so that a test in a bubble
// of testing/synctest runs both ends of a protocol on the bubble's clock.
// Deadlines work. As with net.Pipe nothing is buffered: a write waits until
// the other end has read it all.
package memnet

import (
	"context"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
)

// backlog is the number of connections that a listener holds for Accept. As
// with TCP, dialing succeeds although nobody accepts.
const backlog = 128

// Assigned ports count up from firstPort, and begin there again after the
// last. They serve for port 0 and for the dialing ends of connections.
const (
	firstPort = 49152
	lastPort  = 65535
)

// Network is a set of listeners by address. Every host name and IP address
// exists in it. The zero value is ready to use, by any number of goroutines.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*listener
	port      int // assigned last
}

// Listen announces on addr, "host:port"; a port of 0 is replaced by a free
// one, which the listener's Addr tells. It fails with syscall.EADDRINUSE if
// another listener has the address.
func (n *Network) Listen(addr string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: err}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if port == "0" {
		for addr = n.nextAddrLocked(host); n.listeners[addr] != nil; {
			addr = n.nextAddrLocked(host)
		}
	} else if n.listeners[addr] != nil {
		return nil, opError("listen", addr, os.NewSyscallError("bind", syscall.EADDRINUSE))
	}
	l := &listener{network: n, addr: Addr(addr), conns: make(chan net.Conn, backlog), done: make(chan struct{})}
	if n.listeners == nil {
		n.listeners = make(map[string]*listener)
	}
	n.listeners[addr] = l
	return l, nil
}

func (n *Network) nextAddrLocked(host string) string {
	n.port++
	if n.port < firstPort || n.port > lastPort {
		n.port = firstPort
	}
	return net.JoinHostPort(host, strconv.Itoa(n.port))
}

// Dial connects to the listener on addr. It has the signature of
// net.Dialer.DialContext; what network says is of no effect. It fails with
// syscall.ECONNREFUSED if nobody listens, and waits, until ctx ends, if 128
// connections are waiting for Accept.
func (n *Network) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, opError("dial", addr, err)
	}
	n.mu.Lock()
	l := n.listeners[addr]
	local := Addr(n.nextAddrLocked("127.0.0.1"))
	n.mu.Unlock()
	if l == nil {
		return nil, refused(addr)
	}
	near, far := net.Pipe()
	select {
	case l.conns <- &conn{Conn: far, local: l.addr, remote: local}:
	case <-l.done:
		return nil, refused(addr)
	case <-ctx.Done():
		return nil, opError("dial", addr, ctx.Err())
	}
	select {
	case <-l.done:
		// Close may have emptied the backlog before the connection was in it.
		l.drain()
	default:
	}
	return &conn{Conn: near, local: local, remote: l.addr}, nil
}

// listener is a net.Listener.
type listener struct {
	network *Network
	addr    Addr
	conns   chan net.Conn
	done    chan struct{} // closed by Close
	close   sync.Once
}

// Accept returns the next connection. After Close it fails with net.ErrClosed.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.done:
		return nil, opError("accept", string(l.addr), net.ErrClosed)
	default:
	}
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, opError("accept", string(l.addr), net.ErrClosed)
	}
}

// Close makes the address free. Connections that wait for Accept are closed;
// those that were accepted stay. Closing twice is allowed.
func (l *listener) Close() error {
	l.close.Do(func() {
		l.network.mu.Lock()
		delete(l.network.listeners, string(l.addr))
		l.network.mu.Unlock()
		close(l.done)
		l.drain()
	})
	return nil
}

func (l *listener) drain() {
	for {
		select {
		case c := <-l.conns:
			c.Close()
		default:
			return
		}
	}
}

// Addr returns the address that the listener was made with.
func (l *listener) Addr() net.Addr { return l.addr }

// conn is one end of a pipe that knows its addresses.
type conn struct {
	net.Conn
	local, remote Addr
}

// LocalAddr returns the address of this end.
func (c *conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the address of the other end.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// Addr is "host:port".
type Addr string

// Network returns "tcp", which this network stands in for.
func (Addr) Network() string { return "tcp" }

// String returns the address.
func (a Addr) String() string { return string(a) }

func refused(addr string) error {
	return opError("dial", addr, os.NewSyscallError("connect", syscall.ECONNREFUSED))
}

func opError(op, addr string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Addr: Addr(addr), Err: err}
}
