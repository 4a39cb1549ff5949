package route

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/pegasus-go/pegasus/internal/memnet"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/rpc"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// snapshot builds the answer on top of what t knows.
func snapshot(t interface {
	Helper()
	Fatal(...any)
}, tb *Table, resp wire.QueryConfigResponse,
) *Snapshot {
	t.Helper()
	s, err := tb.build(&resp)
	if err != nil {
		t.Fatal(err)
	}
	tb.snap.Store(s)
	return s
}

func unconnected(t *testing.T) *Table {
	return NewTable(newPool(t, nil), nil, "temp")
}

// indexes tells which partition each index stands for.
func indexes(s *Snapshot) []int32 {
	var all []int32
	for i := range s.Count {
		all = append(all, s.Locate(uint64(i)).PartitionIndex)
	}
	return all
}

func TestLocate(t *testing.T) {
	for _, tc := range []struct {
		ballots []int64
		want    []int32
		ranges  []Range
	}{
		{[]int64{3}, []int32{0}, []Range{{0, 1}}},
		{[]int64{0}, []int32{0}, []Range{{0, 1}}}, // a ballot of 0 is no child
		{[]int64{3, 3, 3}, []int32{0, 1, 2}, []Range{{0, 3}, {1, 3}, {2, 3}}},
		{[]int64{3, 3, -1, -1}, []int32{0, 1, 0, 1}, []Range{{0, 2}, {1, 2}}},
		{[]int64{3, 3, -1, 4}, []int32{0, 1, 0, 3}, []Range{{0, 2}, {1, 4}, {3, 4}}},
		{[]int64{3, 3, 4, 4}, []int32{0, 1, 2, 3}, []Range{{0, 4}, {1, 4}, {2, 4}, {3, 4}}},
		{[]int64{3, -1}, []int32{0, 0}, []Range{{0, 1}}},
		{[]int64{-1, 3, 3}, []int32{0, 1, 2}, []Range{{0, 3}, {1, 3}, {2, 3}}}, // no parent to stand in
	} {
		s := snapshot(t, unconnected(t), config(tc.ballots...))
		if got := indexes(s); !slices.Equal(got, tc.want) {
			t.Errorf("ballots %d: partitions %d, want %d", tc.ballots, got, tc.want)
		}
		if got := s.Ranges(); !slices.Equal(got, tc.ranges) {
			t.Errorf("ballots %d: ranges %v, want %v", tc.ballots, got, tc.ranges)
		}
		if p := s.Locate(1<<64 - 1); p.PartitionIndex != tc.want[(1<<64-1)%uint64(len(tc.want))] {
			t.Errorf("ballots %d: the largest hash is in partition %v", tc.ballots, p)
		}
	}
}

// Whatever splits do, the ranges of a snapshot share out all hashes, each is in
// the partition of its index, and covering a range that was made earlier by the
// present snapshot neither loses nor adds a hash.
func TestCover(t *testing.T) {
	tb := unconnected(t)
	rapid.Check(t, func(t *rapid.T) {
		tb.snap.Store(nil)
		count := rapid.IntRange(1, 9).Draw(t, "partitions")
		state := func(name string, n, children int) *Snapshot {
			ballots := make([]int64, n)
			for i := range ballots {
				ballots[i] = 3
				if i >= n-children && rapid.Bool().Draw(t, fmt.Sprint(name, i)) {
					ballots[i] = -1
				}
			}
			return snapshot(t, tb, config(ballots...))
		}
		before := state("before", count, 0)
		if rapid.Bool().Draw(t, "splitting before") {
			before = state("before", 2*count, count)
			count *= 2
		}
		after := state("after", count, count/2)
		if rapid.Bool().Draw(t, "splitting after") {
			after = state("after", 2*count, count)
		}
		owner := make(map[uint64]Range)
		for hash := range uint64(8 * count) {
			for _, r := range before.Ranges() {
				if int32(hash%uint64(r.Modulus)) != r.Index {
					continue
				}
				if other, ok := owner[hash]; ok {
					t.Fatalf("hash %d is in %v and %v", hash, other, r)
				}
				owner[hash] = r
				if before.At(r.Index) != before.Locate(hash) || !before.Holds(r) {
					t.Fatalf("hash %d of range %v is in partition %v", hash, r, before.Locate(hash))
				}
			}
			if _, ok := owner[hash]; !ok {
				t.Fatalf("hash %d is in no range", hash)
			}
		}
		for hash, r := range owner {
			ranges, ok := after.Cover(r)
			if !ok {
				continue // a split was undone
			}
			n := 0
			for _, now := range ranges {
				if int32(hash%uint64(now.Modulus)) == now.Index {
					n++
					if after.At(now.Index) != after.Locate(hash) {
						t.Fatalf("hash %d of range %v is in partition %v", hash, now, after.Locate(hash))
					}
				}
				if now.Modulus%r.Modulus != 0 || now.Index%r.Modulus != r.Index {
					t.Fatalf("%v is not a part of %v", now, r)
				}
			}
			if n != 1 {
				t.Fatalf("hash %d of %v is in %d of %v", hash, r, n, ranges)
			}
		}
	})
}

func TestCoverOfFewerPartitions(t *testing.T) {
	tb := unconnected(t)
	s := snapshot(t, tb, config(3, 3))
	for _, r := range []Range{{0, 4}, {3, 4}, {1, 4}} {
		if ranges, ok := s.Cover(r); ok {
			t.Errorf("%v is covered by %v of 2 partitions", r, ranges)
		}
	}
	s = snapshot(t, tb, config(3, 3, -1, -1)) // undone, and begun again
	for _, r := range []Range{{0, 4}, {2, 4}} {
		if ranges, ok := s.Cover(r); ok {
			t.Errorf("%v is covered by %v of 2 partitions and 2 unborn ones", r, ranges)
		}
	}
}

// An answer that is older in parts replaces the parts that are newer only, unless
// the next one says the same.
func TestBallotsGoBackSlowly(t *testing.T) {
	tb := unconnected(t)
	snapshot(t, tb, config(5, 5))
	s := snapshot(t, tb, config(4, 6))
	if a, b := s.Locate(0).Ballot, s.Locate(1).Ballot; a != 5 || b != 6 {
		t.Errorf("ballots %d, %d", a, b)
	}
	again := config(1, 1)
	again.AppID = 3 // another table of the name begins anew
	for i := range again.Partitions {
		again.Partitions[i].PID.AppID = 3
	}
	s = snapshot(t, tb, again)
	if a := s.Locate(0); a.Ballot != 1 || a.AppID != 3 {
		t.Errorf("partition %+v", a)
	}
	// A child that was known is not taken for its parent again.
	snapshot(t, tb, config(5, 5, 6, 6))
	if got := indexes(snapshot(t, tb, config(5, 5, -1, -1))); !slices.Equal(got, []int32{0, 1, 2, 3}) {
		t.Errorf("partitions %d", got)
	}

	for _, tc := range []struct {
		answers []int64 // the ballots of one partition
		want    int64
	}{
		{[]int64{5, 4}, 5},
		{[]int64{5, 4, 4}, 4},
		{[]int64{5, 0, 0}, 0},
		{[]int64{5, 1, 2}, 2},    // a new cluster goes on
		{[]int64{5, 4, 3}, 5},    // older and older
		{[]int64{5, 4, 5, 4}, 5}, // not twice in a row
		{[]int64{5, 4, 6, 4}, 6},
		{[]int64{5, 4, 4, 6}, 6},
	} {
		tb := unconnected(t)
		for _, ballot := range tc.answers {
			snapshot(t, tb, config(ballot))
		}
		if got := tb.Snapshot().Locate(0).Ballot; got != tc.want {
			t.Errorf("after the ballots %d it is %d, want %d", tc.answers, got, tc.want)
		}
	}
}

// Snapshots have the same Partition while nothing of it changes.
func TestUnchangedPartitionsAreShared(t *testing.T) {
	tb := unconnected(t)
	before := snapshot(t, tb, config(3, 3, 3))
	moved := config(3, 4, 3)
	moved.Partitions[2].Primary = peer.Address("10.0.1.2:34801")
	after := snapshot(t, tb, moved)
	for i, same := range []bool{true, false, false} {
		if got := before.Locate(uint64(i)) == after.Locate(uint64(i)); got != same {
			t.Errorf("partition %d is the same: %v", i, got)
		}
	}
}

func TestPartitionWithoutPrimary(t *testing.T) {
	s := snapshot(t, unconnected(t), config(3, 0, 3))
	if s.Locate(0).Primary == nil || s.Locate(1).Primary != nil || s.Locate(2).Primary == nil {
		t.Error("the others suffer, or the one has a primary")
	}
}

func TestMalformedConfiguration(t *testing.T) {
	for name, change := range map[string]func(*wire.QueryConfigResponse){
		"no partitions":       func(r *wire.QueryConfigResponse) { r.PartitionCount, r.Partitions = 0, nil },
		"fewer than promised": func(r *wire.QueryConfigResponse) { r.Partitions = r.Partitions[:1] },
		"more than promised":  func(r *wire.QueryConfigResponse) { r.PartitionCount = 1 },
		"negative count":      func(r *wire.QueryConfigResponse) { r.PartitionCount = -1 },
		"enormous count":      func(r *wire.QueryConfigResponse) { r.PartitionCount = 1<<31 - 1 },
		"no table":            func(r *wire.QueryConfigResponse) { r.AppID = 0 },
		"of another table":    func(r *wire.QueryConfigResponse) { r.Partitions[1].PID.AppID = 7 },
		"in another order":    func(r *wire.QueryConfigResponse) { slices.Reverse(r.Partitions) },
	} {
		t.Run(name, func(t *testing.T) {
			resp := config(3, 3)
			change(&resp)
			var n memnet.Network
			p := newPool(t, n.Dial)
			tb, err := query(t.Context(), p, metas(t, &n, answerWith(resp)), nil)
			if !errors.Is(err, wire.ErrMalformed) || tb.Snapshot() != nil {
				t.Errorf("error %v", err)
			}
		})
	}
}

// All who see the same snapshot share one question, and one who is late gets
// its result for nothing.
func TestRefreshIsSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		var questions int
		p := newPool(t, n.Dial)
		tb := NewTable(p, NewMeta(p, metas(t, &n, func(r *peer.Request) {
			questions++
			time.AfterFunc(100*time.Millisecond, func() { answerWith(config(3))(r) })
		}), nil), "temp")
		for round := 1; round <= 3; round++ {
			seen := tb.Snapshot()
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() {
					if err := tb.Refresh(t.Context(), seen, nil); err != nil {
						t.Error(err)
					}
				})
			}
			tb.RefreshSoon(seen, nil)
			wg.Wait()
			if err := tb.Refresh(t.Context(), seen, nil); err != nil {
				t.Error(err)
			}
			tb.RefreshSoon(seen, nil)
			if questions != round || tb.Snapshot() == seen {
				t.Errorf("%d questions in %d rounds", questions, round)
			}
		}
	})
}

// While refreshes bring nothing new for a partition there are fewer and fewer,
// whoever asks how often.
func TestRefreshIsPutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		var questions []time.Time
		now := config(3, 3)
		p := newPool(t, n.Dial)
		tb := NewTable(p, NewMeta(p, metas(t, &n, func(r *peer.Request) {
			questions = append(questions, time.Now())
			answerWith(now)(r)
		}), nil), "temp")
		refresh := func(hash uint64) time.Duration {
			start := time.Now()
			s := tb.Snapshot()
			if err := tb.Refresh(t.Context(), s, s.Locate(hash)); err != nil {
				t.Error(err)
			}
			return time.Since(start)
		}
		if err := tb.Refresh(t.Context(), nil, nil); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				for time.Since(start) < 10*time.Second {
					refresh(0)
					time.Sleep(time.Duration(i) * time.Millisecond)
				}
			})
		}
		wg.Wait()
		asked := questions[1:]
		if asked[0] != start {
			t.Errorf("first asked after %v", asked[0].Sub(start))
		}
		for i := range asked[1:] {
			failing, pause := asked[i].Sub(start), asked[i+1].Sub(asked[i])
			if want := max(failing/refreshShare, minRefreshPause); pause < want && pause < maxRefreshPause || pause > want+100*time.Millisecond {
				t.Errorf("asked again after %v, %v after the start", pause, failing)
			}
		}
		if len(asked) > 120 {
			t.Errorf("asked %d times in 10 s", len(asked))
		}

		// One that has just begun to fail need not wait, and others profit.
		wg.Go(func() {
			if d := refresh(0); d != time.Millisecond {
				t.Errorf("joined for %v", d)
			}
		})
		time.Sleep(time.Millisecond)
		if d := refresh(1); d != 0 {
			t.Errorf("another partition waited for %v", d)
		}
		wg.Wait()

		// What is new is not the old failure any more, and neither is one that
		// comes much later.
		now = config(4, 3)
		refresh(0)
		time.Sleep(time.Millisecond)
		if d := refresh(0); d != 0 {
			t.Errorf("waited for %v after a change", d)
		}
		time.Sleep(time.Millisecond)
		if d := refresh(0); d != minRefreshPause-time.Millisecond {
			t.Errorf("then waited for %v", d)
		}
		time.Sleep(forgetFailure + time.Millisecond)
		if d := refresh(0); d != 0 {
			t.Errorf("waited for %v after a long time", d)
		}
	})
}

// Close ends a refresh that was put off.
func TestClosedWhilePutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Network
		p := newPool(t, n.Dial)
		tb := NewTable(p, NewMeta(p, metas(t, &n, answerWith(config(3))), nil), "temp")
		for range 3 {
			var failed *Partition
			if s := tb.Snapshot(); s != nil {
				failed = s.Locate(0)
			}
			if err := tb.Refresh(t.Context(), tb.Snapshot(), failed); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		time.AfterFunc(time.Millisecond, p.Close)
		start := time.Now()
		err := tb.Refresh(t.Context(), tb.Snapshot(), tb.Snapshot().Locate(0))
		if d := time.Since(start); !errors.Is(err, rpc.ErrClosed) || d != time.Millisecond {
			t.Errorf("after %v: %v", d, err)
		}
	})
}

// A failed refresh leaves the snapshot and allows another one.
func TestRefreshFails(t *testing.T) {
	var n memnet.Network
	p := newPool(t, n.Dial)
	busy := wire.QueryConfigResponse{Err: wire.ErrBusyDropping}
	gone := wire.QueryConfigResponse{Err: wire.ErrObjectNotFound}
	tb := NewTable(p, NewMeta(p, metas(t, &n, peer.Each(answerWith(config(3)), answerWith(busy), answerWith(gone), answerWith(config(4)))), nil), "temp")
	if err := tb.Refresh(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	seen := tb.Snapshot()
	if err := tb.Refresh(t.Context(), seen, nil); !errors.Is(err, wire.ErrBusyDropping) || tb.Snapshot() != seen {
		t.Errorf("error %v", err)
	}
	if err := tb.Refresh(t.Context(), seen, nil); !errors.Is(err, ErrTableNotFound) || tb.Snapshot() != seen {
		t.Errorf("error %v", err)
	}
	if err := tb.Refresh(t.Context(), seen, nil); err != nil || tb.Snapshot().Locate(0).Ballot != 4 {
		t.Errorf("error %v", err)
	}
	p.Close()
	if err := tb.Refresh(t.Context(), tb.Snapshot(), nil); !errors.Is(err, rpc.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
