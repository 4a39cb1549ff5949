package replica

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus/internal/server/catalog"
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// scanContext is an open scan between two calls.
type scanContext struct {
	node         *Role // that a restart of loses it
	gpid         wire.GPID
	scanner      *storage.Scanner
	onlyCount    bool
	returnExpire bool

	id         int64
	expires    time.Time
	prev, next *scanContext // in the order of expires
}

// ScanOptions of Scans. All fields are needed.
type ScanOptions struct {
	Clock func() time.Time
	Max   int           // open scans; beyond it the oldest are lost
	Life  time.Duration // of a scan that waits for its next call
	// Bytes is how much may be written since a scan began that has been waiting
	// for idleScan.
	Bytes int64
}

// Scans are the open scans, of all replica servers, that no call is working on.
type Scans struct {
	opts ScanOptions

	mu     sync.Mutex
	lastID int64
	byID   map[int64]*scanContext
	oldest scanContext // head of a ring of all contexts, not one itself
	timer  *time.Timer // calls closeAbandoned; nil while there are no contexts
	closed bool
}

// idleScan is how long a scan may wait for its next call, whatever it costs.
const idleScan = 30 * time.Second

// NewScans returns no scans. They are to be closed.
func NewScans(o ScanOptions) *Scans {
	s := &Scans{opts: o, byID: make(map[int64]*scanContext)}
	s.oldest.prev, s.oldest.next = &s.oldest, &s.oldest
	// Ids of an earlier process must not name contexts of this one. Positive,
	// because clients do not clear others.
	s.lastID = int64(rand.Uint32()>>1) << 32
	return s
}

// put keeps a context for its next call, under a new id.
func (s *Scans) put(c *scanContext) int64 {
	now := s.opts.Clock()
	var lost []*scanContext
	s.mu.Lock()
	s.lastID++
	c.id, c.expires = s.lastID, now.Add(s.opts.Life)
	if s.closed {
		lost = append(lost, c)
	} else {
		s.byID[c.id] = c
		c.prev, c.next = s.oldest.prev, &s.oldest
		c.prev.next, c.next.prev = c, c
		for len(s.byID) > s.opts.Max {
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
func (s *Scans) take(n *Role, gpid wire.GPID, id int64) *scanContext {
	now := s.opts.Clock()
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

func (s *Scans) removeLocked(c *scanContext) *scanContext {
	delete(s.byID, c.id)
	c.prev.next, c.next.prev = c.next, c.prev
	return c
}

// drop ends the scans for which lost is true.
func (s *Scans) drop(lost func(*scanContext) bool) {
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

func (s *Scans) dropNode(n *Role) {
	s.drop(func(c *scanContext) bool { return c.node == n })
}

// Drop ends the scans of a partition, or with catalog.AllPartitions of a table.
func (s *Scans) Drop(table, partition int32) {
	s.drop(func(c *scanContext) bool {
		return c.gpid.AppID == table && (partition == catalog.AllPartitions || c.gpid.PartitionIndex == partition)
	})
}

// pause is the time between two calls of closeAbandoned.
func (s *Scans) pause() time.Duration {
	return min(idleScan, s.opts.Life)
}

// closeAbandoned runs from time to time while there are contexts: one that
// nobody comes back for keeps what is overwritten from being deleted.
func (s *Scans) closeAbandoned() {
	now := s.opts.Clock()
	s.drop(func(c *scanContext) bool {
		idle := s.opts.Life - c.expires.Sub(now)
		return idle > s.opts.Life || idle >= idleScan && c.scanner.Written() > s.opts.Bytes
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

// Count returns the number of scans.
func (s *Scans) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.byID)
}

// Close ends all scans, and those put later.
func (s *Scans) Close() {
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
