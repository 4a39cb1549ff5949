// Package histogram counts durations, so that quantiles of them can be told.
// Recording one costs an atomic addition or two and no memory.
package histogram

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Durations are counted in units, in buckets of which there are eight for each
// power of two: what is told differs by an eighth at most from what was recorded.
const (
	unit        = 128 // ns
	perPower    = 8
	powerBits   = 3
	powers      = 27 // up to more than a minute; what takes longer counts as that
	bucketCount = (powers + 1) * perPower
)

// A Histogram counts durations. Its zero value is empty, and its methods may be
// called concurrently.
type Histogram struct {
	buckets [bucketCount]atomic.Int64
	sum     atomic.Int64 // ns
}

// Record counts a duration.
func (h *Histogram) Record(d time.Duration) {
	d = max(d, 0)
	h.buckets[bucket(d)].Add(1)
	h.sum.Add(int64(d))
}

func bucket(d time.Duration) int {
	n := uint64(d) / unit
	if n < perPower {
		return int(n)
	}
	power := bits.Len64(n) - powerBits - 1
	return min(power*perPower+int(n>>power), bucketCount-1)
}

// bound returns the end of a bucket.
func bound(i int) time.Duration {
	if i < 2*perPower {
		return time.Duration(i+1) * unit
	}
	power := i/perPower - 1
	return time.Duration(i%perPower+perPower+1) << power * unit
}

// Snapshot is what a Histogram has counted up to a moment.
type Snapshot struct {
	counts [bucketCount]int64
	Count  int64
	Sum    time.Duration
}

// Snapshot returns what was counted so far.
func (h *Histogram) Snapshot() *Snapshot {
	s := new(Snapshot)
	for i := range h.buckets {
		s.counts[i] = h.buckets[i].Load()
		s.Count += s.counts[i]
	}
	s.Sum = time.Duration(h.sum.Load())
	return s
}

// Since returns what was counted after an earlier snapshot; nil is an empty one.
func (s *Snapshot) Since(earlier *Snapshot) *Snapshot {
	if earlier == nil {
		return s
	}
	d := &Snapshot{Count: s.Count - earlier.Count, Sum: s.Sum - earlier.Sum}
	for i := range d.counts {
		d.counts[i] = s.counts[i] - earlier.counts[i]
	}
	return d
}

// Quantile returns a duration that a share q of those counted, such as 0.99, did
// not exceed, or 0 if none was counted. It is at most an eighth too long.
func (s *Snapshot) Quantile(q float64) time.Duration {
	if s.Count == 0 {
		return 0
	}
	rank := min(int64(q*float64(s.Count)), s.Count-1)
	for i, n := range s.counts {
		if rank -= n; rank < 0 {
			return bound(i)
		}
	}
	return bound(bucketCount - 1)
}

// AtMost returns how many of those counted did not exceed d. A duration counts if
// all of its bucket does not.
func (s *Snapshot) AtMost(d time.Duration) int64 {
	var n int64
	for i := range s.counts {
		if bound(i) > d {
			break
		}
		n += s.counts[i]
	}
	return n
}
