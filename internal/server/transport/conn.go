package transport

import (
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus/internal/server/request"
	"github.com/pegasus-go/pegasus/internal/server/stats"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// flushSize is how many bytes of answers are gathered, even if more requests
// wait.
const flushSize = 64 << 10

// conn is one connection to a node. The fields that are not said to be shared
// belong to the goroutine of serve.
type conn struct {
	hub *Hub
	n   *Node
	nc  net.Conn

	framing wire.Framing
	arrived time.Time     // what is being handled
	sampled stats.Request // of the requests handled since the last flush, the one to be measured
	in      input
	carrier        // of the request being handled
	ready   []byte // answers of the requests handled since the last flush
	round   held   // those of them that wait for their writes
	staged  int    // where the answers of staged requests begin in ready, -1 if there are none

	// What is shared.
	requests requestMemory // under Hub.requests.mu
	outbox   outbox
	held     holder
	share    share          // of the queue
	jobs     sync.WaitGroup // goroutines beside serve
	places   chan struct{}  // of jobs
	ended    bool           // unregistered; under Node.mu
	outside  bool           // in code of the program around, see Node.outside; under Node.mu
	closing  atomic.Bool    // no more requests are read, and delayed ones are dropped
	closeBy  atomic.Int64   // Unix time in ns until when a client may take its last answers
	broken   atomic.Bool    // the network connection is closed already
	halt     chan struct{}  // closed with closing
}

// carrier carries out requests one after another.
type carrier struct {
	req  request.Request
	call request.Call
}

func newConn(n *Node, nc net.Conn) *conn {
	c := &conn{
		hub: n.hub, n: n, nc: nc,
		carrier: carrier{call: n.role.NewCall()},
		staged:  -1,
		places:  make(chan struct{}, maxJobs),
		halt:    make(chan struct{}),
	}
	c.req.Reached = reached(nc)
	c.req.Client = n.hub.opts.Access.NewClient()
	c.outbox.init(c)
	c.held.init(c)
	return c
}

// reached returns the IPv4 address that the client of a connection has reached,
// if it has one.
func reached(nc net.Conn) netip.Addr {
	if a := nc.LocalAddr(); a != nil {
		if ap, err := netip.ParseAddrPort(a.String()); err == nil && ap.Addr().Unmap().Is4() {
			return ap.Addr().Unmap()
		}
	}
	return netip.Addr{}
}

// serve handles requests until the peer goes away, breaks the protocol, or the
// node stops.
func (c *conn) serve() {
	defer c.n.unregister(c)
	defer c.end()
	c.in.init(c)
	for {
		c.arrived = time.Now()
		goOn := c.handleArrived()
		if !c.flush() || !goOn || !c.in.fill() {
			return
		}
	}
}

// handleArrived handles the whole requests in the input. It returns false if the
// connection is to be closed.
func (c *conn) handleArrived() bool {
	c.req.Now = 0
	for {
		frame, err := c.in.next(&c.framing)
		switch {
		case err != nil:
			c.log("connection closed: not a request", "error", err)
			return false
		case c.framing == wire.FramingHTTP:
			c.serveHTTP(c.in.rest())
			return false
		case frame == nil:
			return true
		case !c.handle(frame):
			return false
		case len(c.ready)+len(c.round.out) >= flushSize && !c.flush():
			return false
		}
	}
}

// handle answers, puts off or drops one request. It returns false if the
// connection is to be closed.
func (c *conn) handle(frame []byte) bool {
	r := &c.req
	if err := r.Parse(frame); err != nil {
		c.log("connection closed: malformed request", "error", err)
		return false
	}
	if c.hub.disturbed.Load() != 0 {
		c.commit() // what happens now may take any time
		if handled, goOn := c.disturb(frame); handled {
			return goOn
		}
		r.Now = 0
	}
	v := c.call.Admit(r)
	if !v.Joins {
		c.commit()
	}
	switch {
	case v.Delay > 0:
		return c.putOff(&job{delay: v.Delay, code: v.Code, waited: true}, frame)
	case v.Drop:
		return true
	case v.Code != "":
		c.fail(v.Code)
		return true
	case v.Slow, v.Memory > quickMemory:
		return c.putOff(&job{waited: true}, frame)
	}
	if r.Now == 0 {
		r.Now = c.hub.now()
	}
	r.Quick = true
	start := len(c.ready)
	c.ready = c.call.Answer(r, c.ready)
	switch {
	case r.Long:
		c.ready = c.ready[:start]
		return c.putOff(&job{waited: true}, frame)
	case r.Malformed:
		c.log("connection closed: malformed body", "task", string(r.Task), "error", r.Arg.Err())
		return false
	case r.Refused != nil:
		c.refused(r.Refused)
		return false
	case r.Staged:
		if c.staged < 0 {
			c.staged = start
		}
	default:
		c.await(start)
	}
	if c.sampled.Op == stats.None {
		c.sampled = r.Done
	}
	return true
}

// fail answers the request with an error.
func (c *conn) fail(code wire.ErrorCode) {
	c.call.Failed(&c.req, code)
	c.ready = c.req.Fail(c.ready, code)
}

// commit carries out the requests that are staged.
func (c *conn) commit() {
	if c.staged >= 0 {
		start := c.staged
		c.staged = -1
		c.call.Commit(&c.req, c.ready)
		c.await(start)
	}
}

// await takes the answers from start on out of those that are ready, if they wait
// for writes.
func (c *conn) await(start int) {
	if c.req.Writes.Pending() {
		c.round.add(c.ready[start:], start, &c.req.Writes)
		c.ready = c.ready[:start]
	}
}

// flush lets go of the answers that there are. It returns false if the
// connection is broken.
func (c *conn) flush() bool {
	c.commit()
	c.req.Now = 0
	if len(c.round.out) > 0 {
		if c.sampled.Op.Writes() {
			c.round.sampled, c.round.arrived = c.sampled, c.arrived
			c.sampled = stats.Request{}
		}
		c.held.hold(&c.round)
	}
	if c.sampled.Op != stats.None {
		c.call.Observe(c.sampled, time.Since(c.arrived))
		c.sampled = stats.Request{}
	}
	if len(c.ready) > 0 {
		c.ready = c.outbox.sendRound(c.ready)
	}
	return !c.broken.Load()
}

// end waits for what goes on beside serve. Answers are still sent if the server
// shuts down gracefully. A panic in a handler ends its connection only.
func (c *conn) end() {
	c.survive(recover(), &c.req)
	c.commit() // if the connection ends amid a round
	c.round.writes.Abandon()
	shutdown := c.closing.Load() && !c.broken.Load()
	c.stop()
	c.jobs.Wait()
	c.held.end()
	c.outbox.end()
	if shutdown {
		c.linger()
	}
	c.in.free()
	c.nc.Close()
}

// survive breaks the connection if there was a panic, and lets the rest of the
// process live.
func (c *conn) survive(panicked any, r *request.Request) {
	if panicked == nil {
		return
	}
	c.hub.log.Error("handler panicked", "client", c.nc.RemoteAddr(), "task", string(r.Task),
		"panic", panicked, "stack", string(debug.Stack()))
	r.Writes.Abandon()
	c.abort()
}

// abort breaks the connection.
func (c *conn) abort() {
	c.broken.Store(true)
	c.stop()
	c.nc.Close()
}

func (c *conn) stop() {
	if c.closing.CompareAndSwap(false, true) {
		close(c.halt)
	}
}

// closeTime is the time that a client may take to accept its last answers when
// the server shuts down.
const closeTime = time.Second

// shutdown lets serve answer what has arrived and then end.
func (c *conn) shutdown() {
	c.closeBy.CompareAndSwap(0, time.Now().Add(min(closeTime, c.hub.opts.Limits.AnswerTime)).UnixNano())
	c.stop()
	// Set after closing, so that await and write, which set theirs first and look
	// at closing then, cannot undo it.
	_ = c.nc.SetReadDeadline(time.Unix(1, 0))
	_ = c.nc.SetWriteDeadline(time.Unix(0, c.closeBy.Load()))
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
	b := make([]byte, firstBuffer)
	if n, _ := c.nc.Read(b); n == 0 {
		return
	}
	_ = c.nc.SetReadDeadline(time.Unix(0, c.closeBy.Load()))
	for err := error(nil); err == nil; {
		_, err = c.nc.Read(b)
	}
}

// refused tells why a client could not be authenticated: it is not told itself.
func (c *conn) refused(err error) {
	c.hub.log.Warn("connection closed: client not authenticated", "client", c.nc.RemoteAddr(), "err", err)
}

func (c *conn) log(msg string, args ...any) {
	c.hub.log.Debug(msg, append(args, slog.Any("client", c.nc.RemoteAddr()))...)
}
