package server

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

const (
	firstBuffer = 2 << 10  // of a connection; most of many connections are idle
	roundBuffer = 64 << 10 // what a busy connection reads at once
	flushSize   = 64 << 10 // answers are sent when there are this many bytes, even if more requests wait
)

// conn is one connection to a node. All fields but those under a lock belong
// to the goroutine of serve.
type conn struct {
	s  *Server
	n  *Node
	nc net.Conn

	framing wire.Framing
	in      []byte // in[r:w] has been read and not handled
	r, w    int
	charged int64 // of Server.buffered

	began    bool // the rest of a request is awaited
	deadline bool // reads have one

	call call   // of the request being handled; its writes are those with answers in out
	out  []byte // answers not sent yet

	// mu is held while answers are written to nc, so that answers of requests
	// that ran aside do not get in between.
	mu      sync.Mutex
	aside   sync.WaitGroup
	tokens  chan struct{} // of requests that are carried out aside
	waiting chan struct{} // of requests that wait for that
	ended   bool          // unregistered; under Node.mu
	outside bool          // in code of the program around, see Node.outside; under Node.mu
	closing atomic.Bool   // no more requests are read, and delayed ones are dropped
	broken  atomic.Bool   // the network connection is closed already
	halt    chan struct{} // closed with closing
}

func newConn(n *Node, nc net.Conn) *conn {
	c := &conn{
		s: n.s, n: n, nc: nc,
		halt:    make(chan struct{}),
		tokens:  make(chan struct{}, maxAside),
		waiting: make(chan struct{}, maxWaiting),
	}
	c.call = call{s: n.s, n: n, conn: c}
	return c
}

// abort breaks the connection.
func (c *conn) abort() {
	c.stop()
	c.broken.Store(true)
	c.nc.Close()
}

func (c *conn) stop() {
	if c.closing.CompareAndSwap(false, true) {
		close(c.halt)
	}
}

// closeTime is the time that a client may take to accept answers when the
// server shuts down.
const closeTime = 5 * time.Second

// shutdown lets serve answer what has arrived and then end.
func (c *conn) shutdown() {
	c.stop()
	// Set after closing, so that await and send, which set theirs first and look
	// at closing then, cannot undo it.
	_ = c.nc.SetReadDeadline(time.Unix(1, 0))
	_ = c.nc.SetWriteDeadline(time.Now().Add(min(closeTime, c.s.opts.Limits.WriteTime)))
}

// serve handles requests until the peer goes away, breaks the protocol, or the
// node stops.
func (c *conn) serve() {
	defer c.n.unregister(c)
	defer c.end()
	c.in = make([]byte, firstBuffer)
	for {
		goOn := c.handleBuffered()
		if !c.flush() || !goOn || !c.fill() {
			return
		}
	}
}

// end waits for requests that run aside. Their answers are still sent if the
// server shuts down gracefully. A panic in a handler ends its connection only.
func (c *conn) end() {
	if p := recover(); p != nil {
		c.s.log.Error("handler panicked", "client", c.nc.RemoteAddr(), "task", string(c.call.req.Task),
			"panic", p, "stack", string(debug.Stack()))
		c.call.abandon()
		c.abort()
	}
	shutdown := c.closing.Load() && !c.broken.Load()
	c.stop()
	c.aside.Wait()
	if shutdown {
		c.linger()
	}
	c.s.buffered.Add(-c.charged)
	c.nc.Close()
}

// lingerTime is the time that a client may take to close its side, or to show
// that it goes on sending.
const lingerTime = 100 * time.Millisecond

// linger lets the last answers reach a client that sends more requests: closing
// a connection with unread input makes TCP throw away what is on its way in the
// other direction.
func (c *conn) linger() {
	if w, ok := c.nc.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite()
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(lingerTime))
	if n, _ := c.nc.Read(c.in); n == 0 {
		return
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(closeTime))
	for err := error(nil); err == nil; {
		_, err = c.nc.Read(c.in)
	}
}

// handleBuffered handles the whole requests in the buffer. It returns false if
// the connection is to be closed.
func (c *conn) handleBuffered() bool {
	c.call.now = 0
	for {
		b := c.in[c.r:c.w]
		if c.framing == wire.FramingUnknown && len(b) >= 4 {
			if c.framing = wire.DetectFraming(b); c.framing == wire.FramingHTTP {
				c.serveHTTP(b)
				return false
			}
		}
		if len(b) < wire.RequestPrefix {
			return c.framing != wire.FramingUnknown || len(b) < 4
		}
		size, err := wire.RequestSize(b, c.s.opts.Limits.FrameSize)
		if err != nil || wire.DetectFraming(b) != c.framing {
			c.log("connection closed: not a request", "err", err)
			return false
		}
		if len(b) < size {
			return true
		}
		c.r += size
		c.began = false
		if !c.handle(b[:size:size]) || len(c.out) >= flushSize && !c.flush() {
			return false
		}
	}
}

// fill reads more of the input. It returns false at its end.
func (c *conn) fill() bool {
	if c.r == c.w {
		c.r, c.w = 0, 0
		if len(c.in) > roundBuffer && !c.resize(roundBuffer) {
			return false
		}
	} else if c.r > 0 {
		c.w = copy(c.in, c.in[c.r:c.w])
		c.r = 0
	}
	// The buffer grows with what has arrived, not with what a header promises.
	if c.w == len(c.in) && !c.resize(2*len(c.in)) {
		return false
	}
	if !c.await() {
		return false
	}
	n, err := c.nc.Read(c.in[c.w:])
	c.w += n
	if n > 0 {
		if c.w == len(c.in) && len(c.in) < roundBuffer {
			return c.resize(2 * len(c.in))
		}
		return true
	}
	switch {
	case c.closing.Load(), errors.Is(err, io.EOF):
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.log("connection closed: request did not arrive in time", "bytes", c.w)
	default:
		c.log("connection broke", "err", err)
	}
	return false
}

// await sets or clears the deadline of the next read: an idle connection may
// stay, one in the middle of a request must go on. It returns false if nothing
// more is to be read.
func (c *conn) await() bool {
	if c.w > 0 && !c.began {
		c.began = true
		_ = c.nc.SetReadDeadline(time.Now().Add(c.s.opts.Limits.FrameTime))
		c.deadline = true
	} else if c.w == 0 && c.deadline {
		_ = c.nc.SetReadDeadline(time.Time{})
		c.deadline = false
	}
	return !c.closing.Load()
}

// resize replaces the input buffer. It returns false if the memory for it is
// not to be had.
func (c *conn) resize(size int) bool {
	charge := int64(max(0, size-roundBuffer))
	ok := c.charge(charge - c.charged)
	c.charged = charge
	if !ok {
		return false
	}
	in := make([]byte, size)
	c.w = copy(in, c.in[c.r:c.w])
	c.in, c.r = in, 0
	return true
}

// charge accounts for n more bytes of requests, or -n less. It returns false if
// they are too many; they count all the same.
func (c *conn) charge(n int64) bool {
	if n == 0 {
		return true
	}
	if c.s.buffered.Add(n) <= c.s.opts.Limits.BufferedBytes || n < 0 {
		return true
	}
	c.s.log.Warn("connection closed: too much memory in requests", "client", c.nc.RemoteAddr())
	return false
}

// handle answers or drops one request. It returns false if the connection is
// to be closed.
func (c *conn) handle(frame []byte) bool {
	k := &c.call
	if err := k.parse(frame); err != nil {
		c.log("connection closed: malformed request", "err", err)
		return false
	}
	if c.s.disturbed.Load() != 0 {
		if handled, goOn := c.disturb(frame); handled {
			return goOn
		}
		k.now = 0
	}
	a := k.admit()
	switch {
	case a.delay > 0:
		return c.runLater(frame, detour{delay: a.delay, code: a.code, throttled: true})
	case a.code == "" && !a.drop && k.h.slow != nil && k.h.slow(k.req.Arg):
		return c.runAside(frame)
	}
	c.out = k.answer(c.out, a)
	if k.bad {
		c.log("connection closed: malformed body", "task", string(k.req.Task), "err", k.req.Arg.Err())
		return false
	}
	return true
}

// flush waits for the writes among the answers in out and sends them. It
// returns false if the connection is broken.
func (c *conn) flush() bool {
	c.call.settle(c.out)
	c.call.now = 0
	if len(c.out) == 0 {
		return true
	}
	ok := c.sendRound()
	c.out = c.out[:0]
	if cap(c.out) > 2*flushSize {
		c.out = nil
	}
	return ok
}

// sendRound sends the answers in out. Beyond what every connection may have
// they count.
func (c *conn) sendRound() bool {
	if n := cap(c.out) - 2*flushSize; n > 0 {
		m := answerMemory{a: &c.s.answers, c: c}
		m.wait(n)
		defer m.end()
	}
	return c.send(c.out)
}

// send writes answers to the network.
func (c *conn) send(b []byte) bool {
	c.hang()
	c.mu.Lock()
	defer c.mu.Unlock()
	limit := c.s.opts.Limits.WriteTime
	_ = c.nc.SetWriteDeadline(time.Now().Add(limit))
	if c.closing.Load() {
		_ = c.nc.SetWriteDeadline(time.Now().Add(min(closeTime, limit)))
	}
	_, err := c.nc.Write(b)
	if err != nil {
		c.log("connection broke", "err", err)
		c.abort()
	}
	return err == nil
}

func (c *conn) log(msg string, args ...any) {
	c.s.log.Debug(msg, append(args, slog.Any("client", c.nc.RemoteAddr()))...)
}
