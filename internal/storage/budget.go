package storage

import "time"

// A budget bounds how many records a read looks at and for how long. Like a Pegasus server it
// looks at the clock about ten times per budget only.
type budget struct {
	clock   func() time.Time // nil: no time limit
	end     time.Time
	max     int // records that may be visited
	step    int // every step-th record the clock is looked at
	visited int
	late    bool // the time was over when last looked at
}

// newBudget starts a budget of that many records.
func (p *Partition) newBudget(records int) budget {
	b := budget{max: records, step: records / 10}
	if b.step == 0 {
		b.step = 1
	}
	if limit := time.Duration(p.iterationTime.Load()); limit > 0 {
		b.clock = p.db.opts.Clock
		b.end = b.clock().Add(limit)
	}
	return b
}

// left reports whether another record may be visited.
func (b *budget) left() bool {
	if b.visited >= b.max {
		return false
	}
	return (b.visited+1)%b.step != 0 || !b.timeOver()
}

// timeOver looks at the clock, unless the time is known to be over.
func (b *budget) timeOver() bool {
	if !b.late && b.clock != nil {
		b.late = b.clock().After(b.end)
	}
	return b.late
}
