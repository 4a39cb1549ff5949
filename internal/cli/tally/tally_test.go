package tally

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSizes(t *testing.T) {
	var s Sizes
	if s.Quantile(0.5) != -1 || s.Mean() != -1 {
		t.Error("there is a quantile of nothing")
	}
	r := rand.New(rand.NewPCG(1, 2))
	var all []int64
	for range 10000 {
		n := int64(math.Exp(r.Float64() * 20))
		all = append(all, n)
		s.Add(n)
	}
	slices.Sort(all)
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 0.999, 1} {
		exact := all[max(0, int(q*float64(len(all))+0.5)-1)]
		if got := s.Quantile(q); got < exact || float64(got) > 1.125*float64(exact)+1 {
			t.Errorf("quantile %v is %d, exactly %d", q, got, exact)
		}
	}
	if s.Max != all[len(all)-1] || s.N != 10000 {
		t.Errorf("max %d of %d", s.Max, s.N)
	}
}

// Every number is in the bucket that its quantile is told by.
func FuzzBucket(f *testing.F) {
	for _, n := range []int64{0, 7, 8, 15, 16, 17, 1 << 40, math.MaxInt64} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, n int64) {
		if n < 0 {
			return
		}
		i := bucket(n)
		if i < 0 || i >= buckets || largest(i) < n || i > 0 && largest(i-1) >= n {
			t.Errorf("%d is in bucket %d, up to %d", n, i, largest(i))
		}
	})
}

func TestTop(t *testing.T) {
	top := NewTop[int](3)
	for i, size := range []int64{5, 1, 9, 5, 7, 9} {
		top.Offer(size, func() int { return i })
	}
	var sizes []int64
	var values []int
	top.All(func(size int64, v int) { sizes, values = append(sizes, size), append(values, v) })
	if !slices.Equal(sizes, []int64{9, 9, 7}) || !slices.Equal(values, []int{2, 5, 4}) {
		t.Errorf("%v %v", sizes, values)
	}
	none := NewTop[int](0)
	none.Offer(1, func() int { t.Error("made for nothing"); return 0 })
}
