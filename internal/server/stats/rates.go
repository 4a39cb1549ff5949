package stats

import (
	"sync"
	"time"

	"github.com/pegasus-go/pegasus/internal/histogram"
)

// Interval is the time over which rates are taken, at least.
const Interval = 10 * time.Second

// ID names a partition.
type ID struct{ AppID, Index int32 }

// Sources are what a Sampler looks at.
type Sources struct {
	// Partitions calls f with each partition and what was counted of it.
	Partitions func(f func(ID, *Partition, Counts))
	Nodes      []*Node
}

// Sampler remembers what had been counted a while ago, from which it tells what is
// done at present.
type Sampler struct {
	clock   func() time.Time
	sources Sources

	mu           sync.Mutex
	before, last *sample
}

type sample struct {
	at         time.Time
	partitions map[ID]Counts
	times      map[ID][]OpQuantiles // since the sample before
	nodes      []nodeSample
}

type nodeSample struct {
	times  [opCount]*histogram.Snapshot
	failed [failureCount]int64
}

// NewSampler returns a Sampler of what has counted nothing yet.
func NewSampler(clock func() time.Time, s Sources) *Sampler {
	start := &sample{at: clock(), nodes: make([]nodeSample, len(s.Nodes))}
	return &Sampler{clock: clock, sources: s, last: start}
}

// Sample is to be called every Interval or so.
func (s *Sampler) Sample() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sampleLocked()
}

func (s *Sampler) sampleLocked() {
	if s.clock().Sub(s.last.at) >= Interval {
		s.before, s.last = s.last, s.look((*Partition).takeTimes)
	}
}

func (s *Sampler) look(times func(*Partition) []OpQuantiles) *sample {
	now := &sample{at: s.clock(), partitions: make(map[ID]Counts), times: make(map[ID][]OpQuantiles)}
	s.sources.Partitions(func(id ID, p *Partition, c Counts) {
		now.partitions[id] = c
		if t := times(p); t != nil {
			now.times[id] = t
		}
	})
	for _, n := range s.sources.Nodes {
		node := nodeSample{failed: n.failed()}
		for o := range node.times {
			node.times[o] = n.Times(Op(o))
		}
		now.nodes = append(now.nodes, node)
	}
	return now
}

// Recent is what was done in a while.
type Recent struct {
	For           time.Duration
	earlier, last *sample
}

// Recent returns what was done in the last whole interval, or since the start if
// there was none yet.
func (s *Sampler) Recent() Recent {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sampleLocked()
	from, to := s.before, s.last
	if from == nil {
		from, to = s.last, s.look((*Partition).seeTimes)
	}
	return Recent{max(time.Second, to.at.Sub(from.at)), from, to}
}

// Partition returns what was counted of a partition.
func (r Recent) Partition(id ID) Counts {
	last, earlier := r.last.partitions[id], r.earlier.partitions[id]
	return last.since(&earlier)
}

// PartitionTimes returns how long the requests to a partition took, of the operations
// that there were.
func (r Recent) PartitionTimes(id ID) []OpQuantiles { return r.last.times[id] }

// Times returns the times that an operation took on a node, nil if there are none.
func (r Recent) Times(node int, o Op) *histogram.Snapshot {
	s := r.last.nodes[node].times[o]
	if s == nil {
		return nil
	}
	return s.Since(r.earlier.nodes[node].times[o])
}

// Failures returns how many answers of a node were errors of a kind.
func (r Recent) Failures(node int, f Failure) int64 {
	return r.last.nodes[node].failed[f] - r.earlier.nodes[node].failed[f]
}

// PerSecond returns a count of r as a rate.
func (r Recent) PerSecond(n int64) float64 { return float64(n) / r.For.Seconds() }
