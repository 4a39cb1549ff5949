package rpc

import (
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// call is a request that waits for its reply. Its connection recycles it:
// nothing may keep one after it was taken off its table and completed.
type call struct {
	seq      int32
	deadline time.Time // zero if the context of the caller has one
	reply    wire.Reply
	lent     bool   // reply is in buf
	buf      []byte // for small replies, one after the other
	err      error
	done     chan struct{} // capacity 1, so that completing never blocks
}

func newCall() any { return &call{done: make(chan struct{}, 1)} }

func (c *Conn) recycle(cl *call) {
	cl.reply = wire.Reply{}
	cl.lent = false
	cl.err = nil
	c.idle.Put(cl)
}

// largestLoan is the size from which on a reply has memory of its own: calls
// keep their buffers, and copying twice has to be cheaper than allocating.
const largestLoan = 2 << 10

// take copies a reply out of the read buffer.
func (cl *call) take(r wire.Reply) {
	cl.lent = r.Size() <= largestLoan
	if cl.lent {
		cl.buf = r.MoveTo(cl.buf[:0])
	} else {
		r.MoveTo(make([]byte, 0, r.Size()))
	}
	cl.reply = r
}

// Reply is the reply to a call. Its bytes may be lent by the connection: they
// are the caller's unless it calls Release.
type Reply struct {
	wire.Reply
	conn *Conn
	call *call // nil: the bytes are not lent
}

// Own makes the bytes the caller's, whether they are lent or not.
func (r *Reply) Own() {
	if r.call != nil {
		r.MoveTo(make([]byte, 0, r.Size()))
		r.Release()
	}
}

// Lent reports whether the bytes of the reply end with Release.
func (r *Reply) Lent() bool { return r.call != nil }

// Release gives the bytes back if they are lent. Nothing may refer to them any
// more. Who does not call it leaves them to the garbage collector.
func (r *Reply) Release() {
	if r.call != nil {
		r.conn.recycle(r.call)
		r.call = nil
	}
}

// callTable finds the pending call of a sequence id. It is an array indexed by
// the low bits of the id; ids are handed out so that no two pending calls
// share a slot. Finding compares the whole id, so that a reply that comes long
// after its call was given up is not taken for another's.
type callTable struct {
	slots []*call // length a power of two
	n     int
	next  int32
}

const minSlots = 64

// add registers c and gives it a sequence id.
func (t *callTable) add(c *call) {
	if 2*t.n >= len(t.slots) {
		t.grow()
	}
	mask := int32(len(t.slots) - 1)
	for t.slots[t.next&mask] != nil {
		t.next++
	}
	c.seq = t.next
	t.slots[c.seq&mask] = c
	t.next++
	t.n++
}

// grow doubles the table. Ids that differ in the low bits still do with one
// bit more.
func (t *callTable) grow() {
	old := t.slots
	t.slots = make([]*call, max(minSlots, 2*len(old)))
	for _, c := range old {
		if c != nil {
			t.slots[c.seq&int32(len(t.slots)-1)] = c
		}
	}
}

// take removes and returns the call with the id seq, or returns nil.
func (t *callTable) take(seq int32) *call {
	if len(t.slots) == 0 {
		return nil
	}
	slot := &t.slots[seq&int32(len(t.slots)-1)]
	c := *slot
	if c == nil || c.seq != seq {
		return nil
	}
	*slot = nil
	t.n--
	return c
}

// takeAll empties the table.
func (t *callTable) takeAll() []*call {
	all := make([]*call, 0, t.n)
	for _, c := range t.slots {
		if c != nil {
			all = append(all, c)
		}
	}
	t.slots, t.n = nil, 0
	return all
}

// shrink gives back the memory of a burst of calls once none is pending.
func (t *callTable) shrink() {
	if t.n == 0 && len(t.slots) > minSlots {
		t.slots = nil
	}
}

// takeExpired removes and returns the calls whose deadline is not after now,
// and returns the earliest deadline of the others, zero if none has one. It looks
// at every slot, which takes 40 µs if there once were ten thousand calls; but it
// is called every other second, or when a deadline has passed.
func (t *callTable) takeExpired(now time.Time) (expired []*call, next time.Time) {
	for i, c := range t.slots {
		switch {
		case c == nil || c.deadline.IsZero():
		case !c.deadline.After(now):
			expired = append(expired, c)
			t.slots[i] = nil
			t.n--
		case next.IsZero() || c.deadline.Before(next):
			next = c.deadline
		}
	}
	return expired, next
}
