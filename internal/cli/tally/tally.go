// Package tally sums up sizes in memory that does not grow with what it has seen.
package tally

import (
	"cmp"
	"math/bits"
	"slices"
)

// Sizes are counted in buckets, of which there are eight for each power of two: a
// quantile is too large by an eighth at most.
const (
	powerBits = 3
	perPower  = 1 << powerBits
	buckets   = (64 - powerBits + 1) * perPower
)

// Sizes counts numbers that are not negative. The zero value has none.
type Sizes struct {
	counts [buckets]int64
	N      int64 // how many there were
	Sum    int64
	Max    int64
}

// Add counts a number.
func (s *Sizes) Add(n int64) {
	n = max(n, 0)
	s.counts[bucket(n)]++
	s.N++
	s.Sum += n
	s.Max = max(s.Max, n)
}

func bucket(n int64) int {
	if n < perPower {
		return int(n)
	}
	power := bits.Len64(uint64(n)) - powerBits - 1
	return power*perPower + int(n>>power)
}

// largest is the largest number of a bucket.
func largest(i int) int64 {
	if i < 2*perPower {
		return int64(i)
	}
	power := i/perPower - 1
	return int64(uint64(i%perPower+perPower+1)<<power - 1)
}

// Quantile returns the number that a share of q, 0 to 1, are not above; -1 if there are none.
func (s *Sizes) Quantile(q float64) int64 {
	if s.N == 0 {
		return -1
	}
	rank := max(1, int64(q*float64(s.N)+0.5))
	for i, n := range s.counts {
		if rank -= n; rank <= 0 {
			return min(largest(i), s.Max)
		}
	}
	return s.Max
}

// Mean returns the mean; -1 if there are none.
func (s *Sizes) Mean() float64 {
	if s.N == 0 {
		return -1
	}
	return float64(s.Sum) / float64(s.N)
}

// Top keeps the largest of what it is given.
type Top[T any] struct {
	keep  int
	items []item[T] // the largest first
}

type item[T any] struct {
	size  int64
	value T
}

// NewTop returns a Top that keeps so many.
func NewTop[T any](keep int) *Top[T] { return &Top[T]{keep: keep} }

// Offer keeps what make returns, if size is large enough. Of equal sizes the first stay.
func (t *Top[T]) Offer(size int64, value func() T) {
	if t.keep == 0 || len(t.items) == t.keep && size <= t.items[t.keep-1].size {
		return
	}
	if len(t.items) == t.keep {
		t.items = t.items[:t.keep-1]
	}
	at, _ := slices.BinarySearchFunc(t.items, size, func(i item[T], size int64) int {
		if i.size == size {
			return -1
		}
		return cmp.Compare(size, i.size)
	})
	t.items = slices.Insert(t.items, at, item[T]{size, value()})
}

// All calls f with what was kept, the largest first.
func (t *Top[T]) All(f func(size int64, value T)) {
	for _, i := range t.items {
		f(i.size, i.value)
	}
}
