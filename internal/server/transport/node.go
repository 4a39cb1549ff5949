package transport

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus/internal/server/request"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// NodeOptions of a Node.
type NodeOptions struct {
	Hub  *Hub
	Role request.Role
	// Slow lets in the requests that may take long.
	Slow *Queue
	// Meta is set for a meta server. Index is that among the servers of its kind.
	Meta  bool
	Index int
	// Addr is what the node listens on, "ip:port"; port 0 picks a free one. With
	// PortMayVary a port that is taken is replaced by a free one.
	Addr        string
	PortMayVary bool
	// Advertise is the IPv4 address and the port that clients are told instead
	// of those that are listened on; either may be zero.
	Advertise netip.AddrPort
}

// Node is one server of the cluster: a listener and its connections.
type Node struct {
	hub         *Hub
	role        request.Role
	slow        *Queue
	meta        bool
	index       int
	portMayVary bool
	advertise   netip.AddrPort

	// Set by the first listen, then fixed.
	listenAddr string
	addr       atomic.Uint64 // wire.Address

	mu struct {
		sync.Mutex
		listener  net.Listener  // nil when stopped
		accepting chan struct{} // closed when the loop of the last listener has ended
		conns     map[*conn]struct{}
		paused    chan struct{} // closed by Resume; nil when not paused
		stopped   bool
		cut       *Cut          // nil when no links are cut
		silent    chan struct{} // closed when silent links are mended or the node stops; nil when they are not
	}
	fewer sync.Cond // on mu: Stop and Shutdown need not wait for some connection any more

	jobCalls sync.Pool // of *carrier, for jobs
}

// errNodeStopped is what a connection to a stopped node gets.
var errNodeStopped = errors.New("server: node is stopped")

// NewNode returns a node that does not run yet.
func NewNode(o NodeOptions) *Node {
	n := &Node{
		hub: o.Hub, role: o.Role, slow: o.Slow,
		meta: o.Meta, index: o.Index, listenAddr: o.Addr, portMayVary: o.PortMayVary,
		advertise: o.Advertise,
	}
	n.mu.conns = make(map[*conn]struct{})
	n.fewer.L = &n.mu
	n.mu.stopped = true
	n.jobCalls.New = func() any { return &carrier{call: n.role.NewCall()} }
	return n
}

// Addr returns the address that clients are told, "ip:port".
func (n *Node) Addr() string { return n.Address().String() }

// Address returns the address that clients are told.
func (n *Node) Address() wire.Address { return wire.Address(n.addr.Load()) }

// Start opens the listener again after Stop. It is an error if the port was
// taken in the meantime. A node that runs is left alone.
func (n *Node) Start() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.mu.stopped {
		return nil
	}
	if n.hub.closing.Load() {
		return errClosed
	}
	again := n.Address().Valid()
	if !n.mu.cut.refuses() {
		if err := n.openLocked(); err != nil {
			return err
		}
	}
	if again {
		n.log("server started again")
	}
	n.mu.stopped = false
	n.silenceLocked()
	return nil
}

// openLocked opens the listener and accepts connections.
func (n *Node) openLocked() error {
	l, err := n.listen()
	if err != nil {
		return fmt.Errorf("server: listen on %s: %w", n.listenAddr, err)
	}
	if !n.Address().Valid() {
		if err := n.setAddr(l.Addr()); err != nil {
			l.Close()
			return err
		}
	}
	before, accepting := n.mu.accepting, make(chan struct{})
	n.mu.listener, n.mu.accepting = l, accepting
	go func() {
		defer close(accepting)
		if before != nil {
			<-before // its listener is closed
		}
		n.accept(l)
	}()
	return nil
}

// Stop kills the node as a crash would: the port refuses connections, open
// connections break, requests on them may or may not have been carried out,
// open scans are lost. The routing stays as it is.
func (n *Node) Stop() {
	if n.Running() {
		n.log("server stopped")
	}
	n.end((*conn).abort, 0)
	n.role.Crashed()
}

func (n *Node) log(msg string) {
	n.hub.log.Info(msg, "server", n.Addr(), "meta", n.meta, "index", n.index)
}

// Shutdown stops the node gracefully: requests that have arrived are answered,
// then connections close.
func (n *Node) Shutdown() { n.end((*conn).shutdown, outsideTime) }

// outsideTime is how long shutdown waits for code of the program around, which
// may have called it.
const outsideTime = 100 * time.Millisecond

// end stops the node and waits for what runs on it now, not for what a Start
// begins meanwhile. A connection that is in code of the program around longer
// than the given time is broken, so that nothing it does later is answered.
func (n *Node) end(endConn func(*conn), outside time.Duration) {
	late := outside == 0
	timer := time.AfterFunc(outside, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		late = true
		n.fewer.Broadcast()
	})
	defer timer.Stop()
	n.mu.Lock()
	n.mu.stopped = true
	n.resumeLocked()
	n.unsilenceLocked()
	n.closeLocked()
	accepting, conns := n.mu.accepting, maps.Clone(n.mu.conns)
	for c := range conns {
		endConn(c)
	}
	for c := range conns {
		for !c.ended && !(c.outside && late) {
			n.fewer.Wait()
		}
		if !c.ended {
			c.abort()
		}
	}
	n.mu.Unlock()
	if accepting != nil {
		<-accepting
	}
}

// closeLocked closes the listener.
func (n *Node) closeLocked() {
	if n.mu.listener != nil {
		n.mu.listener.Close()
		n.mu.listener = nil
	}
}

// Running reports whether the node has not been stopped.
func (n *Node) Running() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.mu.stopped
}

// Pause makes the node go on accepting connections and requests without
// answering anything, as a process that hangs does, until Resume or Stop. It
// does nothing to a node that is stopped.
func (n *Node) Pause() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.paused == nil && !n.mu.stopped {
		n.mu.paused = make(chan struct{})
		n.hub.disturbed.Add(1)
	}
}

// Resume ends Pause. What had arrived is carried out and answered then.
func (n *Node) Resume() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.resumeLocked()
}

func (n *Node) resumeLocked() {
	if n.mu.paused != nil {
		close(n.mu.paused)
		n.mu.paused = nil
		n.hub.disturbed.Add(-1)
	}
}

// pause returns a channel that is closed when the node goes on, or nil if it
// is not paused and its links are not silent.
func (n *Node) pause() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.silent != nil {
		return n.mu.silent
	}
	return n.mu.paused
}

// outside calls f, which may stop the node of the connection that it is called
// on.
func (n *Node) outside(c *conn, f func()) {
	set := func(on bool) {
		n.mu.Lock()
		defer n.mu.Unlock()
		c.outside = on
		n.fewer.Broadcast()
	}
	set(true)
	defer set(false)
	f()
}
