package transport

import "sync"

// requests counts the memory of requests: of those that have not arrived
// completely, that wait, and that are being handled. There is a limit: beyond it
// the connection that has the most is closed, and not the one that happens to
// need some.
type requests struct {
	limit int64

	mu      sync.Mutex
	bytes   int64
	closing int64   // of bytes, those on connections that were closed
	holders []*conn // that have some
}

// requestMemory is the memory of the requests of one connection.
type requestMemory struct {
	bytes  int64
	closed bool // the connection, because of it
	at     int  // in holders
}

// charge counts n more bytes of requests. If they are too many and no other
// connection has more, c is closed: then charge returns false, and has counted
// nothing.
func (c *conn) charge(n int64) bool {
	r := &c.hub.requests
	r.mu.Lock()
	defer r.mu.Unlock()
	ok := r.takeLocked(c, n)
	if !ok && !c.requests.closed {
		r.closeLocked(c)
	}
	return ok
}

// chargeDecoded is charge for what a request takes decoded, which does not close
// c.
func (c *conn) chargeDecoded(n int64) bool {
	r := &c.hub.requests
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.takeLocked(c, n)
}

// discharge counts n bytes less.
func (c *conn) discharge(n int64) {
	r := &c.hub.requests
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addLocked(c, -n)
}

// takeLocked counts n more bytes of c, for which it makes room by closing
// connections that have more than c would have. It returns false, and has counted
// nothing, if there are none.
func (r *requests) takeLocked(c *conn, n int64) bool {
	if c.requests.closed {
		return false
	}
	for r.bytes-r.closing+n > r.limit {
		most, bytes := c, c.requests.bytes+n
		for _, h := range r.holders {
			if m := &h.requests; m.bytes > bytes && !m.closed {
				most, bytes = h, m.bytes
			}
		}
		if most == c {
			return false
		}
		r.closeLocked(most)
	}
	r.addLocked(c, n)
	return true
}

func (r *requests) closeLocked(c *conn) {
	c.hub.log.Warn("connection closed: too much memory in requests", "client", c.nc.RemoteAddr())
	c.requests.closed = true
	r.closing += c.requests.bytes
	c.abort()
}

// addLocked counts n more bytes of c, or less.
func (r *requests) addLocked(c *conn, n int64) {
	m := &c.requests
	r.bytes += n
	if m.closed {
		r.closing += n
	}
	had := m.bytes > 0
	m.bytes += n
	switch has := m.bytes > 0; {
	case has && !had:
		m.at = len(r.holders)
		r.holders = append(r.holders, c)
	case had && !has:
		last := len(r.holders) - 1
		r.holders[m.at] = r.holders[last]
		r.holders[m.at].requests.at = m.at
		r.holders[last] = nil
		r.holders = r.holders[:last]
	}
}
