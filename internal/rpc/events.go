package rpc

import "time"

// Events are functions that a pool calls when something happens to a connection,
// never under a lock. Those that are nil are not called.
type Events struct {
	// Dialed is called for each attempt to connect. err is nil if there is a
	// connection now.
	Dialed func(addr string, l Lane, took time.Duration, err error)
	// Lost is called once for each connection that was made.
	Lost func(addr string, l Lane, err error)
	// Stalled is called when the server owes answers, was silent for so long, and has
	// been asked for a sign of life; Recovered when it has sent something since.
	Stalled   func(addr string, l Lane, silent time.Duration)
	Recovered func(addr string, l Lane)
}

func (c *Conn) tellLost(err error) {
	if c.node == nil {
		return
	}
	c.node.traffic.lost.Add(1)
	if c.node.pool.opts.Events.Lost != nil {
		c.node.pool.opts.Events.Lost(c.addr, c.lane, err)
	}
}

// tellStalled tells of a silence that a probe was just sent because of, and that
// it is over when it is.
func (c *Conn) tellStalled(silent time.Duration) {
	if c.node == nil {
		return
	}
	e := &c.node.pool.opts.Events
	if e.Stalled != nil {
		e.Stalled(c.addr, c.lane, silent)
	}
	if e.Recovered == nil {
		return
	}
	recovered := func() { e.Recovered(c.addr, c.lane) }
	c.mu.Lock()
	switch {
	case c.mu.err != nil:
		recovered = nil
	case c.mu.watch.probed:
		c.mu.watch.recovered, recovered = recovered, nil
	}
	c.mu.Unlock()
	if recovered != nil { // meanwhile
		recovered()
	}
}
