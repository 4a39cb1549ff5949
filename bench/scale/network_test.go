package scale

import (
	"context"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/pegasus-go/pegasus/internal/memnet"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// network connects the client with the servers of a cluster.
type network struct {
	cluster *cluster
	latency time.Duration // from a request to its answer; 0: none
	line    delayLine
}

func (n *network) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	if n.latency > 0 {
		time.Sleep(n.latency)
	}
	s := n.cluster.server(addr)
	if s == nil {
		return nil, failure("dial", addr, syscall.ECONNREFUSED)
	}
	if s.state() == gone {
		<-ctx.Done()
		return nil, failure("dial", addr, ctx.Err())
	}
	c := &conn{network: n, server: s}
	c.readable.L = &c.mu
	s.keep(c)
	return c, nil
}

func failure(op, addr string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Addr: memnet.Addr(addr), Err: err}
}

// conn is the client's end of a connection. At the other end is the server's
// method answer, called by Write.
type conn struct {
	network *network
	server  *server

	writing sync.Mutex
	partial []byte // the beginning of a request

	mu       sync.Mutex
	readable sync.Cond
	in       [][]byte // sent by the server, not read yet
	err      error    // why the connection ended
}

func (c *conn) Write(b []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.failed(); err != nil {
		return 0, failure("write", c.server.addr, err)
	}
	if c.server.state() == hung {
		return len(b), nil
	}
	c.partial = append(c.partial, b...)
	rest := c.partial
	var out [][]byte
	for len(rest) >= wire.RequestPrefix {
		size, err := wire.RequestSize(rest, 64<<20)
		if err != nil {
			c.fail(err)
			return 0, failure("write", c.server.addr, err)
		}
		if size > len(rest) {
			break
		}
		var q wire.Request
		if err := q.Parse(rest[:size]); err != nil {
			c.fail(err)
			return 0, failure("write", c.server.addr, err)
		}
		out = append(out, c.network.cluster.answer(c.server, &q)...)
		rest = rest[size:]
	}
	c.partial = append(c.partial[:0], rest...)
	switch {
	case len(out) == 0:
	case c.network.latency == 0:
		c.receive(out)
	default:
		c.network.line.send(c, out, time.Now().Add(c.network.latency))
	}
	return len(b), nil
}

func (c *conn) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.in) == 0 && c.err == nil {
		c.readable.Wait()
	}
	if c.err != nil {
		return 0, failure("read", c.server.addr, c.err)
	}
	n := 0
	for len(c.in) > 0 && n < len(b) {
		k := copy(b[n:], c.in[0])
		n += k
		if c.in[0] = c.in[0][k:]; len(c.in[0]) == 0 {
			c.in = c.in[1:]
		}
	}
	return n, nil
}

// receive makes what the server has sent readable.
func (c *conn) receive(chunks [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.in = append(c.in, chunks...)
		c.readable.Broadcast()
	}
}

func (c *conn) failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// fail ends the connection.
func (c *conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
		c.in = nil
		c.readable.Broadcast()
	}
}

func (c *conn) Close() error {
	c.server.drop(c)
	c.fail(net.ErrClosed)
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return memnet.Addr("10.9.9.9:50000") }
func (c *conn) RemoteAddr() net.Addr { return memnet.Addr(c.server.addr) }

// Deadlines are not simulated, and say so.
func (c *conn) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (c *conn) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (c *conn) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

// delayLine hands over what servers have sent when it is due, all of it after
// the same latency, and therefore in order.
type delayLine struct {
	mu    sync.Mutex
	queue []parcel
	kick  chan struct{} // capacity 1: the queue was empty
}

type parcel struct {
	to     *conn
	chunks [][]byte
	due    time.Time
}

func (l *delayLine) send(to *conn, chunks [][]byte, due time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(l.queue, parcel{to, chunks, due})
	if len(l.queue) == 1 {
		l.kick <- struct{}{}
	}
}

// run delivers until kick is closed.
func (l *delayLine) run() {
	var batch []parcel
	for range l.kick {
		l.mu.Lock()
		batch, l.queue = l.queue, batch[:0]
		l.mu.Unlock()
		for i, p := range batch {
			time.Sleep(time.Until(p.due))
			p.to.receive(p.chunks)
			batch[i] = parcel{}
		}
	}
}
