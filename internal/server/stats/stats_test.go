package stats

import (
	"sync"
	"testing"
	"time"
)

// The times of a partition are those of an interval, and one that had no requests has none.
func TestPartitionTimes(t *testing.T) {
	now := time.Unix(0, 0)
	busy, idle := new(Partition), new(Partition)
	node, table := new(Node), new(Table)
	s := NewSampler(func() time.Time { return now }, Sources{Nodes: []*Node{node}, Partitions: func(f func(ID, *Partition, Counts)) {
		f(ID{1, 0}, busy, busy.Counts())
		f(ID{1, 1}, idle, idle.Counts())
	}})
	observe := func(d time.Duration) {
		for range 100 {
			node.Observe(Request{Get, busy, table}, d)
		}
	}
	want := func(d time.Duration) {
		t.Helper()
		r := s.Recent()
		got := r.PartitionTimes(ID{1, 0})
		if len(got) != 1 || got[0].Op != Get || got[0].P99 < d || got[0].P99 > d*9/8 || got[0].P999 < got[0].P99 {
			t.Errorf("times %+v, want about %v", got, d)
		}
		if none := r.PartitionTimes(ID{1, 1}); none != nil {
			t.Errorf("an idle partition has %+v", none)
		}
	}
	observe(10 * time.Millisecond)
	want(10 * time.Millisecond) // before the first interval is over
	now = now.Add(Interval)
	want(10 * time.Millisecond)
	observe(time.Millisecond)
	want(10 * time.Millisecond) // of the last whole one
	now = now.Add(Interval)
	want(time.Millisecond)
	now = now.Add(Interval)
	if got := s.Recent().PartitionTimes(ID{1, 0}); got != nil || busy.times[Get].Load() != nil {
		t.Errorf("after an interval without requests: %+v", got)
	}
	if n := table.Times(Get).Count; n != 200 {
		t.Errorf("the table counts %d, want 200", n)
	}
	if n := node.Times(Get).Count; n != 200 {
		t.Errorf("the node counts %d, want 200", n)
	}
}

// Requests are counted while times are taken; one whose partition is just taken may be lost.
func TestTakeBesideRequests(t *testing.T) {
	p := new(Partition)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 10000 {
				p.times.observe(Put, time.Microsecond)
			}
		})
	}
	for range 100 {
		p.takeTimes()
	}
	all.Wait()
	p.times.observe(Put, time.Microsecond)
	if got := p.takeTimes(); len(got) != 1 || got[0].Op != Put {
		t.Errorf("%+v", got)
	}
}

func TestErrors(t *testing.T) {
	var a, b Errors
	a.Add("ERR_BUSY")
	a.Add("ERR_BUSY")
	b.Add("ERR_BUSY")
	b.Add("ERR_TIMEOUT")
	sums := map[string]int64{"ERR_OK": 0}
	a.AddTo(sums)
	b.AddTo(sums)
	if len(sums) != 3 || sums["ERR_BUSY"] != 3 || sums["ERR_TIMEOUT"] != 1 {
		t.Errorf("%v", sums)
	}
}
