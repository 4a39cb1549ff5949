package rpc

import "time"

// callTable finds the pending call of a sequence id. It is an array indexed by
// the low bits of the id; ids are handed out so that no two pending calls
// share a slot. Finding compares the whole id, so that a reply that comes long
// after its call was given up is not taken for another's.
type callTable struct {
	slots []*Call // length a power of two
	n     int
	next  int32
}

const minSlots = 64

// add registers c and gives it a sequence id.
func (t *callTable) add(c *Call) {
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
	t.slots = make([]*Call, max(minSlots, 2*len(old)))
	for _, c := range old {
		if c != nil {
			t.slots[c.seq&int32(len(t.slots)-1)] = c
		}
	}
}

// find returns the call with the id seq, or nil.
func (t *callTable) find(seq int32) *Call {
	if len(t.slots) == 0 {
		return nil
	}
	if c := t.slots[seq&int32(len(t.slots)-1)]; c != nil && c.seq == seq {
		return c
	}
	return nil
}

// take removes and returns the call with the id seq, or returns nil.
func (t *callTable) take(seq int32) *Call {
	c := t.find(seq)
	if c != nil {
		t.slots[seq&int32(len(t.slots)-1)] = nil
		t.n--
	}
	return c
}

// takeIf removes and returns the calls that f picks. It looks at every slot,
// which takes 40 µs if there once were ten thousand calls.
func (t *callTable) takeIf(f func(*Call) bool) []*Call {
	var taken []*Call
	for i, c := range t.slots {
		if c != nil && f(c) {
			taken = append(taken, c)
			t.slots[i] = nil
			t.n--
		}
	}
	return taken
}

// takeExpired removes and returns the calls whose deadline is not after now,
// and returns the earliest deadline of the others, zero if none has one.
func (t *callTable) takeExpired(now time.Time) (expired []*Call, next time.Time) {
	expired = t.takeIf(func(c *Call) bool {
		switch {
		case c.deadline.IsZero():
		case !c.deadline.After(now):
			return true
		case next.IsZero() || c.deadline.Before(next):
			next = c.deadline
		}
		return false
	})
	return expired, next
}

// shrink gives back the memory of a burst of calls once none is pending.
func (t *callTable) shrink() {
	if t.n == 0 && len(t.slots) > minSlots {
		t.slots = nil
	}
}
