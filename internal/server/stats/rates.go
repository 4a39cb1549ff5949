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
	// Partitions calls f with what was counted of each partition.
	Partitions func(f func(ID, Counts))
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
	latency    [][opCount]*histogram.Snapshot // of each node
}

// NewSampler returns a Sampler of what has counted nothing yet.
func NewSampler(clock func() time.Time, s Sources) *Sampler {
	start := &sample{at: clock(), latency: make([][opCount]*histogram.Snapshot, len(s.Nodes))}
	return &Sampler{clock: clock, sources: s, last: start}
}

// Sample is to be called every Interval or so.
func (s *Sampler) Sample() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sampleLocked()
}

func (s *Sampler) sampleLocked() {
	if now := s.take(); now.at.Sub(s.last.at) >= Interval {
		s.before, s.last = s.last, now
	}
}

func (s *Sampler) take() *sample {
	now := &sample{at: s.clock(), partitions: make(map[ID]Counts)}
	s.sources.Partitions(func(id ID, c Counts) { now.partitions[id] = c })
	for _, n := range s.sources.Nodes {
		var latency [opCount]*histogram.Snapshot
		for o := range latency {
			latency[o] = n.Latency(Op(o))
		}
		now.latency = append(now.latency, latency)
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
		from, to = s.last, s.take()
	}
	return Recent{max(time.Second, to.at.Sub(from.at)), from, to}
}

// Partition returns what was counted of a partition.
func (r Recent) Partition(id ID) Counts {
	last, earlier := r.last.partitions[id], r.earlier.partitions[id]
	return last.since(&earlier)
}

// Latency returns the times that an operation took on a node, nil if there are none.
func (r Recent) Latency(node int, o Op) *histogram.Snapshot {
	s := r.last.latency[node][o]
	if s == nil {
		return nil
	}
	return s.Since(r.earlier.latency[node][o])
}

// PerSecond returns a count of r as a rate.
func (r Recent) PerSecond(n int64) float64 { return float64(n) / r.For.Seconds() }
