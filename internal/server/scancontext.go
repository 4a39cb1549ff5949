package server

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// scanContext is an open scan between two calls.
type scanContext struct {
	node         *Node // that a restart of loses it
	gpid         wire.GPID
	scanner      *storage.Scanner
	onlyCount    bool
	returnExpire bool

	id         int64
	expires    time.Time
	prev, next *scanContext // in the order of expires
}

// scanContexts are all open scans that no call is working on.
type scanContexts struct {
	s *Server

	mu     sync.Mutex
	lastID int64
	byID   map[int64]*scanContext
	oldest scanContext // head of a ring of all contexts, not one itself
	timer  *time.Timer // calls closeAbandoned; nil while there are no contexts
	closed bool
}

// idleScan is how long a scan may wait for its next call, whatever it costs.
const idleScan = 30 * time.Second

func (s *scanContexts) init(srv *Server) {
	s.s = srv
	s.byID = make(map[int64]*scanContext)
	s.oldest.prev, s.oldest.next = &s.oldest, &s.oldest
	// Ids of an earlier process must not name contexts of this one. Positive,
	// because clients do not clear others.
	s.lastID = int64(rand.Uint32()>>1) << 32
}

// put keeps a context for its next call, under a new id.
func (s *scanContexts) put(c *scanContext) int64 {
	now := s.s.opts.Clock()
	var lost []*scanContext
	s.mu.Lock()
	s.lastID++
	c.id, c.expires = s.lastID, now.Add(s.s.opts.Limits.ScanContextLife)
	if s.closed {
		lost = append(lost, c)
	} else {
		s.byID[c.id] = c
		c.prev, c.next = s.oldest.prev, &s.oldest
		c.prev.next, c.next.prev = c, c
		for len(s.byID) > s.s.opts.Limits.ScanContexts {
			lost = append(lost, s.removeLocked(s.oldest.next))
		}
		if s.timer == nil {
			s.timer = time.AfterFunc(s.pause(), s.closeAbandoned)
		}
	}
	s.mu.Unlock()
	closeAll(lost)
	return c.id
}

// take returns the context with that id and forgets it: an id is good for one
// call. It returns nil if there is none, if it is of another partition or node,
// or if its time is over.
func (s *scanContexts) take(n *Node, gpid wire.GPID, id int64) *scanContext {
	now := s.s.opts.Clock()
	s.mu.Lock()
	c := s.byID[id]
	if c == nil || c.node != n || c.gpid != gpid {
		s.mu.Unlock()
		return nil
	}
	s.removeLocked(c)
	s.mu.Unlock()
	if now.After(c.expires) {
		c.scanner.Close()
		return nil
	}
	return c
}

func (s *scanContexts) removeLocked(c *scanContext) *scanContext {
	delete(s.byID, c.id)
	c.prev.next, c.next.prev = c.next, c.prev
	return c
}

// drop ends the scans for which lost is true.
func (s *scanContexts) drop(lost func(*scanContext) bool) {
	var dropped []*scanContext
	s.mu.Lock()
	for c := s.oldest.next; c != &s.oldest; {
		next := c.next
		if lost(c) {
			dropped = append(dropped, s.removeLocked(c))
		}
		c = next
	}
	s.mu.Unlock()
	closeAll(dropped)
}

func (s *scanContexts) dropNode(n *Node) {
	s.drop(func(c *scanContext) bool { return c.node == n })
}

func (s *scanContexts) dropTable(id int32) {
	s.drop(func(c *scanContext) bool { return c.gpid.AppID == id })
}

func (s *scanContexts) dropPartition(id wire.GPID) {
	s.drop(func(c *scanContext) bool { return c.gpid == id })
}

// pause is the time between two calls of closeAbandoned.
func (s *scanContexts) pause() time.Duration {
	return min(idleScan, s.s.opts.Limits.ScanContextLife)
}

// closeAbandoned runs from time to time while there are contexts: one that
// nobody comes back for keeps what is overwritten from being deleted.
func (s *scanContexts) closeAbandoned() {
	limits := &s.s.opts.Limits
	now := s.s.opts.Clock()
	s.drop(func(c *scanContext) bool {
		idle := limits.ScanContextLife - c.expires.Sub(now)
		return idle > limits.ScanContextLife || idle >= idleScan && c.scanner.Written() > limits.ScanBytes
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
	case len(s.byID) == 0:
		s.timer = nil
	default:
		s.timer.Reset(s.pause())
	}
}

func (s *scanContexts) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.byID)
}

// close ends all scans, and those put later.
func (s *scanContexts) close() {
	s.mu.Lock()
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	s.drop(func(*scanContext) bool { return true })
}

func closeAll(contexts []*scanContext) {
	for _, c := range contexts {
		c.scanner.Close()
	}
}
