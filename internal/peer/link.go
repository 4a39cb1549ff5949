package peer

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Link is a slow network: each connection over it has Rate bytes a second in
// each direction. As with TCP, what is written is taken at once, as long as no
// more than Buffer bytes are on their way.
type Link struct {
	Rate   int
	Buffer int

	sent atomic.Int64
}

// Sent returns how many bytes clients have written.
func (l *Link) Sent() int64 { return l.sent.Load() }

// Dial returns a function that dials over the link.
func (l *Link) Dial(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		c := &linkConn{Conn: nc, link: l, up: newQueue(l.Buffer), down: newQueue(l.Buffer)}
		go l.pump(c.up.get, func(b []byte) error { _, err := nc.Write(b); return err }, c.up)
		go l.pump(nc.Read, c.down.put, c.down)
		return c, nil
	}
}

// pump moves what read has to write, at the rate of the link, until one of them
// fails. q is then closed.
func (l *Link) pump(read func([]byte) (int, error), write func([]byte) error, q *queue) {
	buf := make([]byte, max(l.Rate/100, 1)) // of a hundredth of a second
	for {
		n, err := read(buf)
		if err == nil {
			select {
			case <-time.After(time.Duration(n) * time.Second / time.Duration(l.Rate)):
			case <-q.closed:
			}
			err = write(buf[:n])
		}
		if err != nil {
			q.close(err)
			return
		}
	}
}

// linkConn is the client's end of a connection. Deadlines have no effect.
type linkConn struct {
	net.Conn
	link     *Link
	up, down *queue
}

// Write takes the bytes, and waits if too many are on their way.
func (c *linkConn) Write(b []byte) (int, error) {
	c.link.sent.Add(int64(len(b)))
	if err := c.up.put(b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Read returns what has arrived.
func (c *linkConn) Read(b []byte) (int, error) { return c.down.get(b) }

// Close drops what is on its way.
func (c *linkConn) Close() error {
	c.up.close(net.ErrClosed)
	c.down.close(net.ErrClosed)
	return c.Conn.Close()
}

// queue is bytes on their way.
type queue struct {
	mu     sync.Mutex
	cond   *sync.Cond
	bytes  []byte
	limit  int
	err    error // set once it is closed
	closed chan struct{}
}

func newQueue(limit int) *queue {
	q := &queue{limit: limit, closed: make(chan struct{})}
	q.cond = sync.NewCond(&q.mu)
	return q
}

func (q *queue) put(b []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(b) > 0 {
		for q.err == nil && len(q.bytes) >= q.limit {
			q.cond.Wait()
		}
		if q.err != nil {
			return q.err
		}
		n := min(len(b), q.limit-len(q.bytes))
		q.bytes = append(q.bytes, b[:n]...)
		b = b[n:]
		q.cond.Broadcast()
	}
	return nil
}

func (q *queue) get(b []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.err == nil && len(q.bytes) == 0 {
		q.cond.Wait()
	}
	if len(q.bytes) == 0 || q.err == net.ErrClosed {
		return 0, q.err
	}
	n := copy(b, q.bytes)
	q.bytes = q.bytes[n:]
	q.cond.Broadcast()
	return n, nil
}

func (q *queue) close(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = err
		close(q.closed)
	}
	q.cond.Broadcast()
}
