package transport

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// listen opens the node's listener. The first time, a port that is taken may
// be replaced by a free one.
func (n *Node) listen() (net.Listener, error) {
	o := &n.hub.opts
	l, err := o.Listen(n.listenAddr)
	if err == nil || n.Address().Valid() || !n.portMayVary {
		return l, err
	}
	host, _, err2 := net.SplitHostPort(n.listenAddr)
	if err2 != nil {
		return nil, err
	}
	n.hub.log.Warn("conventional port not available", "server", n.listenAddr, "error", err)
	return o.Listen(net.JoinHostPort(host, "0"))
}

// setAddr derives what clients are told from the listener's address, and makes
// a port that was chosen by the system permanent.
func (n *Node) setAddr(a net.Addr) error {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return fmt.Errorf("server: listener's address: %w", err)
	}
	ip, port := ap.Addr().Unmap(), ap.Port()
	if n.advertise.Addr().IsValid() {
		ip = n.advertise.Addr().Unmap()
	}
	if n.advertise.Port() != 0 {
		port = n.advertise.Port()
	}
	if !ip.Is4() || ip.IsUnspecified() {
		return fmt.Errorf("server: listening on %v: clients need an IPv4 address to connect to, set Advertise", ap)
	}
	n.listenAddr = ap.String()
	addr := wire.AddressFrom(netip.AddrPortFrom(ip, port))
	n.addr.Store(uint64(addr))
	n.role.Listens(addr)
	return nil
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
	n.hub.log.Error("accept failed", "server", n.Addr(), "error", err)
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
		n.hub.log.Debug("connection refused", "server", n.Addr(), "client", nc.RemoteAddr(), "error", err)
		return err
	}
	c.serve()
	return nil
}

func (n *Node) register(nc net.Conn) (*conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.hub
	limit := h.opts.Limits.Connections
	switch {
	case h.closing.Load():
		return nil, errClosed
	case n.mu.stopped:
		return nil, errNodeStopped
	case n.mu.cut.refuses():
		return nil, errCut
	case h.connections.Add(1) > int64(limit):
		h.connections.Add(-1)
		if h.full.CompareAndSwap(false, true) { // once, not for each
			h.log.Warn("connections are refused: too many", "limit", limit)
		}
		return nil, fmt.Errorf("server: more than %d connections", limit)
	}
	h.full.Store(false)
	c := newConn(n, nc)
	n.mu.conns[c] = struct{}{}
	return c, nil
}

func (n *Node) unregister(c *conn) {
	n.hub.connections.Add(-1)
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.mu.conns, c)
	c.ended = true
	n.fewer.Broadcast()
}
