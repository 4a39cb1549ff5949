package pegasus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
)

// A read whose primary does not answer is answered by a secondary, and nothing else is sent
// to one.
func TestHedge(t *testing.T) {
	var hedges, ended, hedgedEnds atomic.Int64
	c := pegasustest.Start(t, pegasustest.WithReplicaServers(3), pegasustest.WithClient(func(cfg *pegasus.Config) {
		cfg.Observers = []pegasus.Observer{{
			AttemptStarted: func(_ context.Context, e pegasus.AttemptStarted) {
				if e.Kind == pegasus.AttemptHedge {
					hedges.Add(1)
				}
			},
			OperationEnded: func(_ context.Context, e pegasus.OperationEnded) {
				if e.Operation == "Get" {
					ended.Add(1)
					if e.Hedged {
						hedgedEnds.Add(1)
					}
				}
			},
		}}
	}))
	ctx := t.Context()
	tb := c.Table.With(pegasus.TableOptions{Hedge: &pegasus.Hedge{Delay: time.Millisecond}})
	if err := tb.Set(ctx, b("h"), b("s"), b("v")); err != nil {
		t.Fatal(err)
	}
	// The primary never answers.
	partitions, err := c.Admin().Partitions(ctx, tb.Name())
	if err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
		if !r.Meta && c.Onebox().ReplicaServers()[r.Node] == partitions[r.Partition].Primary {
			return onebox.Action{Until: release}
		}
		return onebox.Action{}
	})
	defer close(release)
	// The first attempt may be the one that connects to a secondary.
	try := func(read func(context.Context) error) {
		t.Helper()
		var err error
		for range 5 {
			short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
			err = read(short)
			cancel()
			if err == nil {
				return
			}
		}
		t.Error(err)
	}
	gets := int64(0)
	try(func(ctx context.Context) error {
		gets++
		v, err := tb.Get(ctx, b("h"), b("s"))
		if err == nil && string(v) != "v" {
			t.Errorf("%q", v)
		}
		return err
	})
	try(func(ctx context.Context) error {
		there, err := tb.Exist(ctx, b("h"), b("s"))
		if err == nil && !there {
			t.Error("there is none")
		}
		return err
	})
	if hedges.Load() == 0 || ended.Load() != gets || hedgedEnds.Load() == 0 || hedgedEnds.Load() > gets {
		t.Errorf("%d hedges, %d of %d operations ended, %d hedged", hedges.Load(), ended.Load(), gets, hedgedEnds.Load())
	}
	if n := c.Client.Stats().Tables[0].Hedges; n != hedges.Load() {
		t.Errorf("%d hedges by Stats, %d attempts", n, hedges.Load())
	}
	try(func(ctx context.Context) error { // also here a secondary may not be connected to yet
		got, found, err := tb.AppendGet(ctx, b("a "), b("h"), b("s"))
		if err == nil && (string(got) != "a v" || !found) {
			t.Errorf("%q, %v", got, found)
		}
		return err
	})
}

func TestHedgeByCall(t *testing.T) {
	c := pegasustest.Start(t, pegasustest.WithReplicaServers(2), pegasustest.WithTable("t", 1))
	ctx := pegasus.WithHedge(t.Context(), pegasus.Hedge{Delay: time.Millisecond})
	if err := c.Table.MultiSet(ctx, b("h"), [][]byte{b("s")}, [][]byte{b("v")}); err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
		if !r.Meta && r.Node == 0 && r.Task == onebox.TaskMultiGet {
			return onebox.Action{Until: release}
		}
		return onebox.Action{}
	})
	defer close(release)
	for range 3 { // the first one makes the connection, or is answered by it
		short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		kvs, all, err := c.Table.MultiGet(short, b("h"), nil)
		cancel()
		if err == nil {
			if len(kvs) != 1 || !all {
				t.Error(kvs, all)
			}
			return
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	}
	t.Error("no answer of the secondary")
}

// The budget bounds what is sent to secondaries, also when all primaries are slow.
func TestHedgeBudget(t *testing.T) {
	c := pegasustest.Start(t, pegasustest.WithReplicaServers(3))
	tb := c.Table.With(pegasus.TableOptions{Hedge: &pegasus.Hedge{Delay: time.Nanosecond}})
	var requests, hedges atomic.Int64
	primary := make(map[int32]int)
	parts, err := c.Admin().Partitions(t.Context(), tb.Name())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		primary[int32(p.Index)] = slices.Index(c.Onebox().ReplicaServers(), p.Primary)
	}
	c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
		if r.Task == onebox.TaskGet {
			requests.Add(1)
			if primary[int32(r.Partition)] != r.Node {
				hedges.Add(1)
			}
		}
		return onebox.Action{}
	})
	const n = 1000
	for i := range n {
		if _, err := tb.Get(t.Context(), fmt.Appendf(nil, "h%d", i), b("s")); err != nil {
			t.Fatal(err)
		}
	}
	if most := int64(n/20 + 10 + 1); hedges.Load() > most || hedges.Load() == 0 {
		t.Errorf("%d of %d requests are hedges, at most %d are allowed", hedges.Load(), requests.Load(), most)
	}
}

// BenchmarkHedge has one server of three slow at times, and compares the times of Gets with
// and without hedging, by turns.
func BenchmarkHedge(b *testing.B) {
	c := pegasustest.Start(b, pegasustest.WithReplicaServers(3))
	var n atomic.Int64
	c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
		if !r.Meta && r.Node == 0 && r.Task == onebox.TaskGet && n.Add(1)%20 == 0 {
			return onebox.Action{Delay: 50 * time.Millisecond}
		}
		return onebox.Action{}
	})
	hedged := c.Table.With(pegasus.TableOptions{Hedge: &pegasus.Hedge{}})
	var times [2][]time.Duration
	for b.Loop() {
		for i, tb := range []*pegasus.Table{c.Table, hedged} {
			for k := range 100 {
				began := time.Now()
				if _, err := tb.Get(b.Context(), fmt.Appendf(nil, "h%d", k), []byte("s")); err != nil {
					b.Fatal(err)
				}
				times[i] = append(times[i], time.Since(began))
			}
		}
	}
	for i, name := range []string{"plain", "hedged"} {
		slices.Sort(times[i])
		p99 := times[i][len(times[i])*99/100]
		b.ReportMetric(float64(p99.Microseconds()), name+"-p99-µs")
	}
}
