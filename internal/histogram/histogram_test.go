package histogram

import (
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Buckets follow each other without a gap, and a duration is in its own.
func TestBuckets(t *testing.T) {
	for i := range bucketCount - 1 {
		end := bound(i)
		if got := bucket(end - 1); got != i {
			t.Errorf("%v is in bucket %d, not %d", end-1, got, i)
		}
		if got := bucket(end); got != i+1 {
			t.Errorf("%v is in bucket %d, not %d", end, got, i+1)
		}
	}
	if got := bucket(math.MaxInt64); got != bucketCount-1 {
		t.Errorf("the longest duration is in bucket %d", got)
	}
	if bound(bucketCount-1) < time.Minute/2 {
		t.Errorf("the last bucket ends at %v", bound(bucketCount-1))
	}
}

func TestQuantiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h Histogram
		all := rapid.SliceOfN(rapid.Int64Range(0, int64(20*time.Second)), 1, 200).Draw(t, "durations")
		var sum int64
		for _, d := range all {
			h.Record(time.Duration(d))
			sum += d
		}
		slices.Sort(all)
		s := h.Snapshot()
		if s.Count != int64(len(all)) || s.Sum != time.Duration(sum) {
			t.Fatalf("%d durations, sum %v", s.Count, s.Sum)
		}
		q := rapid.Float64Range(0, 1).Draw(t, "quantile")
		want := all[min(int(q*float64(len(all))), len(all)-1)]
		if got := int64(s.Quantile(q)); got < want || got > want+want/perPower+unit {
			t.Fatalf("quantile %v is %d, want %d", q, got, want)
		}
		limit := rapid.Int64Range(0, int64(30*time.Second)).Draw(t, "limit")
		n := int64(0)
		for _, d := range all {
			if d <= limit {
				n++
			}
		}
		if got := s.AtMost(time.Duration(limit)); got > n || s.AtMost(time.Duration(limit+limit/perPower+unit)) < n {
			t.Fatalf("%d at most %d, want %d", got, limit, n)
		}
	})
}

func TestSince(t *testing.T) {
	var h Histogram
	if h.Snapshot().Quantile(0.5) != 0 {
		t.Error("an empty histogram has a median")
	}
	h.Record(time.Second)
	first := h.Snapshot()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { h.Record(-time.Millisecond); h.Record(time.Millisecond) })
	}
	wg.Wait()
	d := h.Snapshot().Since(first)
	if d.Count != 8 || d.Sum != 4*time.Millisecond || d.Quantile(1) > 2*time.Millisecond {
		t.Errorf("%d durations, sum %v, longest %v", d.Count, d.Sum, d.Quantile(1))
	}
	if h.Snapshot().Since(nil).Count != 9 {
		t.Error("since the beginning there are not all")
	}
}

func BenchmarkRecord(b *testing.B) {
	var h Histogram
	b.ReportAllocs()
	for i := range b.N {
		h.Record(time.Duration(i))
	}
}
