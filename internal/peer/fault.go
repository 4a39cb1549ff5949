package peer

import (
	"context"
	"net"

	"github.com/pegasus-go/pegasus/internal/memnet"
)

// Hang makes a server do what a process does that hangs: its connections stay
// up, new ones are accepted, and nothing is answered, not even a probe. What it
// receives counts as a request all the same.
func (c *Cluster) Hang(s *Server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hung[s.Addr()] = []*Request{}
}

// Resume ends Hang. What was received meanwhile is answered now.
func (c *Cluster) Resume(s *Server) {
	c.mu.Lock()
	held := c.hung[s.Addr()]
	delete(c.hung, s.Addr())
	c.mu.Unlock()
	for _, r := range held {
		c.answer(r)
	}
}

// hold keeps the request if its server hangs.
func (c *Cluster) hold(r *Request) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	held, hangs := c.hung[r.Server]
	if hangs {
		c.hung[r.Server] = append(held, r)
	}
	return hangs
}

// Vanish makes the machine of a server disappear: its connections break, and
// Dial waits for an answer that does not come.
func (c *Cluster) Vanish(s *Server) {
	c.Silence(s)
	s.Disconnect()
}

// Silence makes Dial wait for a server until Return. Connections stay.
func (c *Cluster) Silence(s *Server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away[s.Addr()] == nil {
		c.away[s.Addr()] = make(chan struct{})
	}
}

// Return ends Vanish and Silence.
func (c *Cluster) Return(s *Server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if back := c.away[s.Addr()]; back != nil {
		close(back)
		delete(c.away, s.Addr())
	}
}

// Dial is the Dial of the cluster's network for clients that are to see what
// Vanish does.
func (c *Cluster) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c.mu.Lock()
	back := c.away[addr]
	c.mu.Unlock()
	if back != nil {
		select {
		case <-back:
		case <-ctx.Done():
			return nil, &net.OpError{Op: "dial", Net: network, Addr: memnet.Addr(addr), Err: ctx.Err()}
		}
	}
	return c.Net.Dial(ctx, network, addr)
}
