package stats

import (
	"sync/atomic"
	"time"

	"github.com/pegasus-go/pegasus/internal/histogram"
)

// times has how long the requests of each operation take, from their arrival until
// their answer is ready. Of requests that arrive together one is measured. An operation
// that nobody uses takes no memory.
type times [opCount]atomic.Pointer[histogram.Histogram]

func (t *times) observe(o Op, d time.Duration) {
	h := t[o].Load()
	if h == nil {
		t[o].CompareAndSwap(nil, new(histogram.Histogram))
		if h = t[o].Load(); h == nil { // it was taken meanwhile
			return
		}
	}
	h.Record(d)
}

// snapshot returns the times of an operation so far, nil if there are none.
func (t *times) snapshot(o Op) *histogram.Snapshot {
	if h := t[o].Load(); h != nil {
		return h.Snapshot()
	}
	return nil
}

// Table has how long requests to a table take, and which errors its clients were
// answered.
type Table struct {
	times  times
	Errors Errors
}

// Times returns the times of an operation so far, nil if there are none.
func (t *Table) Times(o Op) *histogram.Snapshot { return t.times.snapshot(o) }

// Node is what one server counts of itself.
type Node struct {
	times    times
	failures [failureCount]atomic.Int64
	// Errors are those of requests that are about no table that exists.
	Errors Errors
}

// Times returns the times of an operation so far, nil if there are none.
func (n *Node) Times(o Op) *histogram.Snapshot { return n.times.snapshot(o) }

// Request is a request that was carried out. One whose Op is None is none.
type Request struct {
	Op        Op
	Partition *Partition
	Table     *Table
}

// Observe counts the time that a request to the node has taken.
func (n *Node) Observe(r Request, d time.Duration) {
	n.times.observe(r.Op, d)
	r.Table.times.observe(r.Op, d)
	r.Partition.times.observe(r.Op, d)
}

// OpQuantiles are times that shares of the requests of an operation did not exceed.
type OpQuantiles struct {
	Op        Op
	P99, P999 time.Duration
}

func quantiles(o int, s *histogram.Snapshot) OpQuantiles {
	return OpQuantiles{Op(o), s.Quantile(0.99), s.Quantile(0.999)}
}

// takeTimes returns how long the requests to a partition took since they were taken
// last: only a few numbers are kept of them, since there may be thousands of partitions.
func (p *Partition) takeTimes() (taken []OpQuantiles) {
	for o := range p.times {
		if h := p.times[o].Swap(nil); h != nil {
			taken = append(taken, quantiles(o, h.Snapshot()))
		}
	}
	return taken
}

// seeTimes returns the same and takes nothing.
func (p *Partition) seeTimes() (seen []OpQuantiles) {
	for o := range p.times {
		if s := p.times.snapshot(Op(o)); s != nil {
			seen = append(seen, quantiles(o, s))
		}
	}
	return seen
}
