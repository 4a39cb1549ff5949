package route

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
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
	tb.install(tb.snap.Load(), s)
	return s
}

func unconnected(t *testing.T) *Table {
	return NewTable(newPool(t, nil), nil, "temp", Events{})
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
	if a, b := s.Locate(0).ballot, s.Locate(1).ballot; a != 5 || b != 6 {
		t.Errorf("ballots %d, %d", a, b)
	}
	again := config(1, 1)
	again.AppID = 3 // another table of the name begins anew
	for i := range again.Partitions {
		again.Partitions[i].PID.AppID = 3
	}
	s = snapshot(t, tb, again)
	if a := s.Locate(0); a.ballot != 1 || a.AppID != 3 {
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
		if got := tb.Snapshot().Locate(0).ballot; got != tc.want {
			t.Errorf("after the ballots %d it is %d, want %d", tc.answers, got, tc.want)
		}
	}
}

// Snapshots have the same Partition while its place is the same.
func TestUnchangedPartitionsAreShared(t *testing.T) {
	tb := unconnected(t)
	before := snapshot(t, tb, config(3, 3, 3))
	moved := config(3, 4, 3)
	moved.Partitions[2].Primary = peer.Address("10.0.1.2:34801")
	after := snapshot(t, tb, moved)
	for i, same := range []bool{true, true, false} {
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

// answering returns a table whose meta server answers with what config returns,
// a while after it was asked. asked are the times of the questions.
func answering(t *testing.T, took time.Duration, config func() wire.QueryConfigResponse) (tb *Table, p *rpc.Pool, asked *[]time.Time) {
	t.Helper()
	var n memnet.Network
	asked = new([]time.Time)
	p = newPool(t, n.Dial)
	tb = NewTable(p, NewMeta(p, metas(t, &n, func(r *peer.Request) {
		if r.Name() != wire.TaskQueryConfig {
			r.Fail(wire.ErrHandlerNotFound)
			return
		}
		*asked = append(*asked, time.Now())
		time.AfterFunc(took, func() { answerWith(config())(r) })
	}), nil), "temp", Events{})
	return tb, p, asked
}

func always(c wire.QueryConfigResponse) func() wire.QueryConfigResponse {
	return func() wire.QueryConfigResponse { return c }
}

func loaded(t *testing.T, tb *Table) *Snapshot {
	t.Helper()
	if err := tb.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return tb.Snapshot()
}

func TestLoadsAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb, _, asked := answering(t, 100*time.Millisecond, always(config(3)))
		for round := 1; round <= 3; round++ {
			var wg sync.WaitGroup
			for range 1000 {
				wg.Go(func() { loaded(t, tb) })
			}
			wg.Wait()
			if len(*asked) != round {
				t.Errorf("%d questions in %d rounds", len(*asked), round)
			}
		}
	})
}

// While there are complaints the meta servers are asked again and again, but more
// and more rarely, whoever complains how often.
func TestComplaints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb, _, asked := answering(t, 0, always(config(3, 3)))
		s := loaded(t, tb)
		start := time.Now()
		*asked = nil
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				for time.Since(start) < 10*time.Second {
					stop := tb.Complain(s.Locate(0), 0)
					time.Sleep(time.Duration(i+1) * time.Millisecond)
					stop()
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		all := *asked
		if all[0] != start {
			t.Errorf("first asked after %v", all[0].Sub(start))
		}
		for i := range all[1:] {
			lasted, pause := all[i].Sub(start), all[i+1].Sub(all[i])
			if want := failing.after(lasted); pause != want && i < len(all)-2 {
				t.Errorf("asked again after %v, %v after the start, want %v", pause, lasted, want)
			}
		}
		if len(all) > 120 {
			t.Errorf("asked %d times in 10 s", len(all))
		}

		// What has just begun to fail need not wait, and nobody asks when nobody
		// complains.
		time.Sleep(time.Millisecond)
		*asked = nil
		stop := tb.Complain(s.Locate(1), 0)
		synctest.Wait()
		stop()
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(*asked) != 1 {
			t.Errorf("%d questions", len(*asked))
		}
		// A suspicion waits; others may be more certain.
		*asked = nil
		start = time.Now()
		defer tb.Complain(s.Locate(0), time.Second)()
		time.Sleep(100 * time.Millisecond)
		defer tb.Complain(s.Locate(0), 200*time.Millisecond)()
		time.Sleep(300 * time.Millisecond)
		synctest.Wait()
		if len(*asked) == 0 || (*asked)[0] != start.Add(300*time.Millisecond) {
			t.Errorf("asked at %v after %v", *asked, start)
		}
	})
}

// A server that is silent may just be busy.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb, p, asked := answering(t, 0, always(config(3)))
		loaded(t, tb)
		*asked = nil
		over := tb.Silent(p.Node("10.0.1.1:34801"))
		time.Sleep(10 * time.Second)
		over()
		synctest.Wait()
		n := len(*asked)
		if n < 5 || n > 20 {
			t.Errorf("asked %d times in 10 s", n)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(*asked) > n {
			t.Error("asked on")
		}
	})
}

// Whoever waits for another place of a partition learns it with the answer that
// tells it, and not before.
func TestChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := config(3, 3)
		tb, _, _ := answering(t, 0, func() wire.QueryConfigResponse { return now })
		s := loaded(t, tb)
		happened := func(c <-chan struct{}) bool {
			select {
			case <-c:
				return true
			default:
				return false
			}
		}
		first, second := tb.Changed(s, s.Locate(0)), tb.Changed(s, s.Locate(1))
		loaded(t, tb)
		if tb.Snapshot() != s || happened(first) || happened(second) {
			t.Error("nothing has changed")
		}
		now = config(4, 3) // another ballot is no other place
		loaded(t, tb)
		if tb.Snapshot() != s || happened(first) || happened(second) {
			t.Error("the places are the same")
		}
		now = config(5, 3)
		now.Partitions[0].Primary = peer.Address("10.0.1.2:34801")
		next := loaded(t, tb)
		if !happened(first) || happened(second) {
			t.Errorf("changed: %v, %v", happened(first), happened(second))
		}
		if !happened(tb.Changed(s, s.Locate(1))) {
			t.Error("who comes with an old snapshot has to look again")
		}
		if happened(tb.Changed(next, next.Locate(0))) {
			t.Error("the new place has not changed")
		}
		now = wire.QueryConfigResponse{Err: wire.ErrObjectNotFound}
		if err := tb.Load(t.Context()); !errors.Is(err, ErrTableNotFound) || tb.Snapshot() != nil {
			t.Errorf("%v, %v", err, tb.Snapshot())
		}
		if !happened(second) {
			t.Error("the table is gone")
		}
	})
}

// Close ends what waits for a question, and what was to be asked later.
func TestClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb, p, asked := answering(t, time.Minute, always(config(3)))
		time.AfterFunc(time.Second, p.Close)
		if err := tb.Load(t.Context()); !errors.Is(err, rpc.ErrClosed) {
			t.Errorf("error %v", err)
		}
		if err := tb.Load(t.Context()); !errors.Is(err, rpc.ErrClosed) {
			t.Errorf("error %v", err)
		}
		defer tb.Silent(p.Node("10.0.1.1:34801"))()
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(*asked) != 1 {
			t.Errorf("%d questions", len(*asked))
		}
	})
}

// A failed question leaves the snapshot and allows another one, unless the answer
// is that there is no such table.
func TestLoadFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now wire.QueryConfigResponse
		tb, _, _ := answering(t, 0, func() wire.QueryConfigResponse { return now })
		now = config(3)
		seen := loaded(t, tb)
		now = wire.QueryConfigResponse{Err: wire.ErrBusyDropping}
		if err := tb.Load(t.Context()); !errors.Is(err, wire.ErrBusyDropping) || tb.Snapshot() != seen {
			t.Errorf("error %v", err)
		}
		now = wire.QueryConfigResponse{Err: wire.ErrObjectNotFound}
		if err := tb.Load(t.Context()); !errors.Is(err, ErrTableNotFound) || tb.Snapshot() != nil {
			t.Errorf("error %v", err)
		}
		now = config(4)
		if b := loaded(t, tb).Locate(0).ballot; b != 4 {
			t.Errorf("ballot %d", b)
		}
	})
}

// A call that goes to the old server of a partition just after the calls there were
// given back, because its caller looked before, is given back by the next answer.
func TestCallThatMissesTheNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := peer.Start(t, 2, 1)
		pool := newPool(t, c.Net.Dial)
		table, err := query(t.Context(), pool, []string{peer.MetaAddr}, nil)
		if err != nil {
			t.Fatal(err)
		}
		old := table.Snapshot().Locate(0)
		conn, err := old.Primary.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c.Hang(c.Nodes[0])
		c.Update(func(tb *peer.Table) { tb.Partitions[0] = peer.Partition{Ballot: 4, Primary: c.Nodes[1].Addr()} })
		if err := table.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()

		cl := pool.Call(wire.TaskGet)
		cl.Movable, cl.Listener = true, table
		start := time.Now()
		err = conn.Do(t.Context(), cl, time.Now().Add(time.Minute), &wire.RequestHeader{GPID: old.GPID}, func(dst []byte) []byte {
			return wire.AppendArgument(dst, wire.Key{HashKey: []byte("h")})
		})
		if took := time.Since(start); !errors.Is(err, rpc.ErrMoved) || took > time.Second {
			t.Errorf("after %v: %v, want %v within a second", took, err, rpc.ErrMoved)
		}
	})
}

// Who asks after a table was made is not told that there is none, because somebody
// had asked before.
func TestTableMadeWhileAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made atomic.Bool
		var n memnet.Network
		p := newPool(t, n.Dial)
		tb := NewTable(p, NewMeta(p, metas(t, &n, func(r *peer.Request) {
			answer := wire.QueryConfigResponse{Err: wire.ErrObjectNotFound}
			if made.Load() {
				answer = config(3)
			}
			time.AfterFunc(100*time.Millisecond, func() { answerWith(answer)(r) })
		}), nil), "temp", Events{})
		first := make(chan error)
		go func() { first <- tb.Load(t.Context()) }()
		time.Sleep(50 * time.Millisecond)
		made.Store(true)
		loaded(t, tb)
		if err := <-first; !errors.Is(err, ErrTableNotFound) {
			t.Error(err)
		}
	})
}
