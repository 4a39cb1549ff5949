package pegasus

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// twoCopies makes the first node the primary of the table and the second one its secondary.
// What it returns changes that.
func twoCopies(c *peer.Cluster) (set func(ballot int64, primary, secondary string)) {
	set = func(ballot int64, primary, secondary string) {
		c.On(wire.TaskQueryConfig, func(r *peer.Request) {
			resp := wire.QueryConfigResponse{AppID: 2, PartitionCount: 1, IsStateful: true, Partitions: []wire.PartitionConfiguration{{
				PID: wire.GPID{AppID: 2}, Ballot: ballot, Primary: peer.Address(primary), Secondaries: []wire.Address{peer.Address(secondary)},
			}}}
			r.Reply(wire.Of(&resp))
		})
	}
	set(3, c.Nodes[0].Addr(), c.Nodes[1].Addr())
	return set
}

// openOf opens the table by a client with that configuration.
func openOf(t *testing.T, cfg Config) *Table {
	t.Helper()
	cfg.MetaServers = []string{peer.MetaAddr}
	cl := NewClient(cfg)
	t.Cleanup(func() { cl.Close() })
	tb, err := cl.OpenTable(t.Context(), "temp")
	if err != nil {
		t.Fatal(err)
	}
	return tb.(*Table)
}

// A hedged read has the time of one operation.
func TestHedgedDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := peer.Start(t, 2, 1)
		c.On(wire.TaskGet, peer.Silence)
		twoCopies(c)
		tb := openOf(t, Config{Dial: c.Net.Dial, OperationTimeout: 200 * time.Millisecond}).With(TableOptions{Hedge: &Hedge{Delay: 180 * time.Millisecond}})
		for range 3 {
			began := time.Now()
			_, err := tb.Get(t.Context(), []byte("h"), []byte("s"))
			took := time.Since(began)
			if took > 220*time.Millisecond {
				t.Errorf("%v after %v", err, took)
			}
		}
	})
}

// A partition without a primary that has a secondary, and an observer of attempts.
func TestHedgeWithoutPrimary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := peer.Start(t, 2, 1)
		copies := twoCopies(c)
		tb := openOf(t, Config{
			Dial: c.Net.Dial, OperationTimeout: time.Second,
			Observers: []Observer{{AttemptStarted: func(context.Context, AttemptStarted) {}}},
		}).With(TableOptions{Hedge: &Hedge{Delay: 20 * time.Millisecond}})
		// connect to the secondary
		c.On(wire.TaskGet, func(r *peer.Request) {
			if r.Server == c.Nodes[0].Addr() {
				time.AfterFunc(100*time.Millisecond, func() { r.Reply(wire.ReadResponse{Value: []byte("v")}) })
				return
			}
			r.Reply(wire.ReadResponse{Value: []byte("v")})
		})
		for range 3 {
			if _, err := tb.Get(t.Context(), []byte("h"), []byte("s")); err != nil {
				t.Fatal(err)
			}
		}
		copies(4, "", c.Nodes[1].Addr())
		c.Nodes[0].Stop()
		for range 5 { // which the budget is for
			if v, err := tb.Get(t.Context(), []byte("h"), []byte("s")); string(v) != "v" || err != nil {
				t.Errorf("%q, %v", v, err)
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
}

// A secondary that answers while the primary hangs: the answer counts.
func TestHedgeIsRecalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := peer.Start(t, 2, 1)
		twoCopies(c)
		c.On(wire.TaskGet, peer.Result(wire.ReadResponse{Value: []byte("v")}))
		tb := openOf(t, Config{Dial: c.Net.Dial, OperationTimeout: 5 * time.Second}).With(TableOptions{Hedge: &Hedge{Delay: 50 * time.Millisecond}})
		c.On(wire.TaskGet, func(r *peer.Request) {
			d := 400 * time.Millisecond
			if r.Server == c.Nodes[0].Addr() {
				d = time.Hour
			}
			time.AfterFunc(d, func() { r.Reply(wire.ReadResponse{Value: []byte("v")}) })
		})
		short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond) // connects to the secondary
		_, _ = tb.Get(short, []byte("h"), []byte("s"))
		cancel()
		time.Sleep(time.Minute)
		began := time.Now()
		_, err := tb.Get(t.Context(), []byte("h"), []byte("s"))
		if took := time.Since(began); took > 500*time.Millisecond || err != nil {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// A new secondary is known although the primary is the same.
func TestSecondariesChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := peer.Start(t, 3, 1)
		c.On(wire.TaskGet, peer.Result(wire.ReadResponse{Value: []byte("v")}))
		copies := twoCopies(c)
		tb := openOf(t, Config{Dial: c.Net.Dial})
		second := c.Nodes[2].Addr()
		copies(3, c.Nodes[0].Addr(), second)
		if err := tb.route.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		snap := tb.route.Snapshot()
		if got := snap.Secondaries(snap.Locate(0))[0].Addr(); got != second {
			t.Errorf("secondary %s, want %s", got, second)
		}
	})
}

// A hedged MultiGet without limit goes to a secondary, too.
func TestHedgedBulk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := peer.Start(t, 2, 1)
		twoCopies(c)
		c.On(wire.TaskMultiGet, func(r *peer.Request) {
			if r.Server == c.Nodes[0].Addr() {
				time.Sleep(200 * time.Millisecond)
			}
			r.Reply(wire.MultiGetResponse{})
		})
		hedged := 0
		tb := openOf(t, Config{
			Dial: c.Net.Dial, OperationTimeout: 3 * time.Second,
			Observers: []Observer{{OperationEnded: func(_ context.Context, e OperationEnded) {
				if e.Hedged {
					hedged++
				}
			}}},
		}).With(TableOptions{Hedge: &Hedge{Delay: 10 * time.Millisecond}})
		for range 8 {
			if _, _, err := tb.MultiGetOpt(t.Context(), []byte("h"), nil, &MultiGetOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		n := 0
		for _, r := range c.Requests(wire.TaskMultiGet) {
			if r.Server == c.Nodes[1].Addr() {
				n++
			}
		}
		if n == 0 || n != hedged {
			t.Errorf("%d of 8 requests went to the secondary; %d operations say that they were hedged", n, hedged)
		}
	})
}
