package rpc

import (
	"cmp"
	"net"
	"slices"
	"sync/atomic"
	"time"
)

// traffic is what went to and came from a node.
type traffic struct {
	out, in atomic.Int64 // bytes
	dials   atomic.Int64 // connections that were made
	lost    atomic.Int64 // connections that have ended
	latency atomic.Int64 // ns: of answers to small requests lately
}

// counted counts the bytes of a connection.
type counted struct {
	net.Conn
	traffic *traffic
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.traffic.in.Add(int64(n))
	return n, err
}

func (c counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.traffic.out.Add(int64(n))
	return n, err
}

// noteLatency counts the time until an answer, as an average of the latest ones.
func (t *traffic) noteLatency(d time.Duration) {
	average := t.latency.Load()
	if average == 0 {
		average = int64(d)
	}
	t.latency.Store(average + (int64(d)-average)/8)
}

// NodeStats are what is known of a server.
type NodeStats struct {
	Addr        string
	Connections int // that work at present
	InFlight    int // calls that wait for an answer
	BytesOut    int64
	BytesIn     int64
	Dials, Lost int64
	Latency     time.Duration
	Hung        bool
	Err         error   // why it cannot be connected to, or nil
	Budget      float64 // requests that may be sent again at once; negative: no limit
}

// Stats returns what is known of each node, by address.
func (p *Pool) Stats() []NodeStats {
	p.mu.Lock()
	nodes := make([]*Node, 0, len(p.nodes))
	for _, n := range p.nodes {
		nodes = append(nodes, n)
	}
	p.mu.Unlock()
	stats := make([]NodeStats, 0, len(nodes))
	for _, n := range nodes {
		stats = append(stats, n.stats())
	}
	slices.SortFunc(stats, func(a, b NodeStats) int { return cmp.Compare(a.Addr, b.Addr) })
	return stats
}

func (n *Node) stats() NodeStats {
	s := NodeStats{
		Addr:     n.addr,
		BytesOut: n.traffic.out.Load(), BytesIn: n.traffic.in.Load(),
		Dials: n.traffic.dials.Load(), Lost: n.traffic.lost.Load(),
		Latency: time.Duration(n.traffic.latency.Load()),
		Hung:    n.Hung(),
		Budget:  n.Budget.left(time.Now()),
	}
	for i := range n.lanes {
		if c := n.lanes[i].live.Load(); c != nil {
			c.mu.Lock()
			if c.mu.err == nil {
				s.Connections++
				s.InFlight += c.mu.calls.n
			}
			c.mu.Unlock()
		}
	}
	n.mu.Lock()
	s.Err = n.lastErr
	n.mu.Unlock()
	return s
}

// left returns how many tokens there are.
func (b *Budget) left(now time.Time) float64 {
	if b.perSecond < 0 {
		return -1
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fillLocked(now)
	return b.tokens
}
