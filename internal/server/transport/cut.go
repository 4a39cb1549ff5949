package transport

import "errors"

// Cut says which links of a node are cut, and how.
type Cut struct {
	// Silent loses what is sent without a word. Otherwise connections break and new
	// ones are refused.
	Silent bool
	// Meta cuts the links to the meta servers too, which take the node for dead then.
	Meta bool
}

// errCut is what a connection to a node gets whose links are cut.
var errCut = errors.New("server: links to the node are cut")

func (c *Cut) refuses() bool { return c != nil && !c.Silent }

// Cut cuts the links of the node, in place of how they were cut before. The node lives: it
// carries out what it has received, and keeps its scans. It stays cut off if it is
// stopped and started.
//
// Silent links hold what is sent, in both directions, until they are mended, as TCP does, and
// take connections, since it is the kernel that makes them.
func (n *Node) Cut(c Cut) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.unsilenceLocked()
	n.mu.cut = &c
	if n.mu.stopped {
		return nil
	}
	if c.refuses() {
		n.closeLocked()
		for c := range n.mu.conns {
			c.abort()
		}
		return nil
	}
	n.silenceLocked()
	return n.reopenLocked()
}

// Mend ends Cut. It is an error if the port was taken in the meantime; the links are cut then.
func (n *Node) Mend() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.reopenLocked(); err != nil {
		return err
	}
	n.unsilenceLocked()
	n.mu.cut = nil
	return nil
}

// reopenLocked opens the listener that a Cut has closed.
func (n *Node) reopenLocked() error {
	if n.mu.stopped || n.mu.listener != nil {
		return nil
	}
	return n.openLocked()
}

// silenceLocked makes links silent if they are cut so.
func (n *Node) silenceLocked() {
	if n.mu.cut != nil && n.mu.cut.Silent {
		n.mu.silent = make(chan struct{})
		n.hub.disturbed.Add(1)
	}
}

func (n *Node) unsilenceLocked() {
	if n.mu.silent != nil {
		close(n.mu.silent)
		n.mu.silent = nil
		n.hub.disturbed.Add(-1)
	}
}

// Alive reports whether meta servers take the node for one that lives.
func (n *Node) Alive() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.mu.stopped && (n.mu.cut == nil || !n.mu.cut.Meta)
}
