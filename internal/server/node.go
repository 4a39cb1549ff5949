package server

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// role is the kind of a node. As a set of bits it says which nodes answer an
// RPC.
type role byte

const (
	metaRole role = 1 << iota
	replicaRole
)

// Node is one server of the cluster.
type Node struct {
	s     *Server
	role  role
	index int // among the nodes of its role

	// Set by the first listen, then fixed.
	listenAddr string
	addr       wire.Address
	name       []byte // addr as text: the field server of data responses

	mu struct {
		sync.Mutex
		listener  net.Listener  // nil when stopped
		accepting chan struct{} // closed when the loop of the last listener has ended
		conns     map[*conn]struct{}
		paused    chan struct{} // closed by Resume; nil when not paused
		stopped   bool
	}
	fewer sync.Cond // on mu: Stop and Close need not wait for some connection any more

	diskFull atomic.Bool // see FillDisk
}

// errNodeStopped is what a connection to a stopped node gets.
var errNodeStopped = errors.New("server: node is stopped")

func newNode(s *Server, r role, index int, listenAddr string) *Node {
	n := &Node{s: s, role: r, index: index, listenAddr: listenAddr}
	n.mu.conns = make(map[*conn]struct{})
	n.fewer.L = &n.mu
	n.mu.stopped = true
	return n
}

// Addr returns the address that clients are told, "ip:port".
func (n *Node) Addr() string { return string(n.name) }

// Start opens the listener again after Stop. It is an error if the port was
// taken in the meantime. A node that runs is left alone.
func (n *Node) Start() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.mu.stopped {
		return nil
	}
	if n.s.closing.Load() {
		return errClosed
	}
	l, err := n.listen()
	if err != nil {
		return fmt.Errorf("server: listen on %s: %w", n.listenAddr, err)
	}
	if n.name == nil {
		if err := n.setAddr(l.Addr()); err != nil {
			l.Close()
			return err
		}
	}
	n.mu.listener, n.mu.stopped = l, false
	accepting := make(chan struct{})
	n.mu.accepting = accepting
	go func() {
		defer close(accepting)
		n.accept(l)
	}()
	return nil
}

func (n *Node) listen() (net.Listener, error) {
	l, err := n.s.opts.Listen(n.listenAddr)
	if err == nil || n.name != nil || n.role != replicaRole || !n.s.opts.ReplicaPortsMayVary {
		return l, err
	}
	host, _, err2 := net.SplitHostPort(n.listenAddr)
	if err2 != nil {
		return nil, err
	}
	n.s.log.Warn("conventional port not available", "address", n.listenAddr, "err", err)
	return n.s.opts.Listen(net.JoinHostPort(host, "0"))
}

// setAddr derives what clients are told from the listener's address, and makes
// a port that was chosen by the system permanent.
func (n *Node) setAddr(a net.Addr) error {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return fmt.Errorf("server: listener's address: %w", err)
	}
	n.listenAddr = ap.String()
	ip := ap.Addr().Unmap()
	if n.s.opts.Advertise.IsValid() {
		ip = n.s.opts.Advertise.Unmap()
	}
	if !ip.Is4() || ip.IsUnspecified() {
		return fmt.Errorf("server: listening on %v: clients need an IPv4 address to connect to, set Advertise", ap)
	}
	n.addr = wire.AddressFrom(netip.AddrPortFrom(ip, ap.Port()))
	n.name = []byte(n.addr.String())
	return nil
}

// Stop kills the node as a crash would: the port refuses connections, open
// connections break, requests on them may or may not have been carried out,
// open scans are lost. The routing stays as it is.
func (n *Node) Stop() {
	n.end((*conn).abort, 0)
	n.s.scans.dropNode(n)
}

// shutdown stops the node gracefully: requests that have arrived are answered,
// then connections close.
func (n *Node) shutdown() { n.end((*conn).shutdown, outsideTime) }

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
	if n.mu.listener != nil {
		n.mu.listener.Close()
		n.mu.listener = nil
	}
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
		n.s.disturbed.Add(1)
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
		n.s.disturbed.Add(-1)
	}
}

// FillDisk, while it is on, makes the node refuse writes with
// ERR_DISK_INSUFFICIENT, as one whose disk is nearly full does. Reads go on.
func (n *Node) FillDisk(full bool) { n.diskFull.Store(full) }

// pause returns a channel that is closed when the node goes on, or nil if it
// is not paused.
func (n *Node) pause() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.paused
}

func (n *Node) accept(l net.Listener) {
	for {
		nc, err := l.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) && n.acceptAgain(l, err) {
				continue
			}
			return
		}
		go n.ServeConn(nc) // it logs, and its error concerns this connection only
	}
}

// acceptPause keeps an accept loop that fails, for example because there are
// too many open files, from taking a whole CPU.
const acceptPause = 100 * time.Millisecond

// acceptAgain waits after a failure and reports whether the listener is still
// in use.
func (n *Node) acceptAgain(l net.Listener, err error) bool {
	n.s.log.Error("accept failed", "node", n.Addr(), "err", err)
	time.Sleep(acceptPause)
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.listener == l
}

// ServeConn serves one connection until it ends, and closes it. It returns an
// error if it did not serve it at all.
func (n *Node) ServeConn(nc net.Conn) error {
	c, err := n.register(nc)
	if err != nil {
		nc.Close()
		n.s.log.Debug("connection refused", "node", n.Addr(), "client", nc.RemoteAddr(), "err", err)
		return err
	}
	c.serve()
	return nil
}

func (n *Node) register(nc net.Conn) (*conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.s.closing.Load():
		return nil, errClosed
	case n.mu.stopped:
		return nil, errNodeStopped
	case n.s.connections.Add(1) > int64(n.s.opts.Limits.Connections):
		n.s.connections.Add(-1)
		if n.s.full.CompareAndSwap(false, true) { // once, not for each
			n.s.log.Warn("connections are refused: too many", "limit", n.s.opts.Limits.Connections)
		}
		return nil, fmt.Errorf("server: more than %d connections", n.s.opts.Limits.Connections)
	}
	n.s.full.Store(false)
	c := newConn(n, nc)
	n.mu.conns[c] = struct{}{}
	return c, nil
}

func (n *Node) unregister(c *conn) {
	n.s.connections.Add(-1)
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.mu.conns, c)
	c.ended = true
	n.fewer.Broadcast()
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
