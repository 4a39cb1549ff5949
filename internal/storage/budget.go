package storage

import "time"

// A budget bounds how many records a read looks at and for how long. Like a Pegasus server it
// looks at the clock about ten times per budget only.
type budget struct {
	clock   func() time.Time // nil: no time limit
	end     time.Time
	max     int // records that may be visited
	step    int // every step-th record the clock is looked at
	look    int // the next one
	visited int
	late    bool // the time was over when last looked at
	pace    Pace
	ended   bool // by pace
}

// Pace, if it is not nil, is called by reads of many records from time to time, every few hundred
// records at least. They end there, with what they have, if it returns false.
type Pace func() bool

// on reports whether a read that has looked up n records may go on.
func (p Pace) on(n int) bool { return p == nil || n%paceStep != paceStep-1 || p() }

const paceStep = 100

// newBudget starts a budget of that many records.
func (p *Partition) newBudget(records int, pace Pace) budget {
	b := budget{max: records, step: max(1, records/10), pace: pace}
	b.look = b.step - 1
	if limit := time.Duration(p.iterationTime.Load()); limit > 0 {
		b.clock = p.db.opts.Clock
		b.end = b.clock().Add(limit)
	}
	return b
}

// left reports whether another record may be visited.
func (b *budget) left() bool {
	switch {
	case b.visited >= b.max, b.ended:
		return false
	case b.visited < b.look:
		return true
	}
	b.look += b.step
	b.ended = b.pace != nil && !b.pace()
	return !b.ended && !b.timeOver()
}

// timeOver looks at the clock, unless the time is known to be over.
func (b *budget) timeOver() bool {
	if !b.late && b.clock != nil {
		b.late = b.clock().After(b.end)
	}
	return b.late
}
