package pegasus_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// configured runs f on a fake clock with a client of that configuration.
func configured(t *testing.T, cfg pegasus.Config, f func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := peer.Start(t, 1, 8)
		answerAll(c, answer)
		f(t, c, openTemp(t, clientOf(t, c, cfg)))
	})
}

// How often a request is tried is that of the call, or else that of the client.
func TestMaxAttempts(t *testing.T) {
	for _, tc := range []struct{ client, call, want int }{
		{1, 0, 1}, {3, 0, 3}, {0, 1, 1}, {0, 4, 4}, {1, 3, 3}, {3, 1, 1}, {1, -1, 0}, {-1, 0, 0},
	} {
		for name, fault := range map[string]func(c *peer.Cluster){
			"busy": func(c *peer.Cluster) { c.On(wire.TaskGet, peer.Code(wire.ErrBusy)) },
			"down": func(c *peer.Cluster) { c.Nodes[0].Stop() },
		} {
			configured(t, pegasus.Config{Retry: pegasus.RetryPolicy{MaxAttempts: tc.client}}, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
				fault(c)
				ctx, cancel := context.WithTimeout(pegasus.WithRetryPolicy(t.Context(), pegasus.RetryPolicy{MaxAttempts: tc.call}), time.Second)
				_, err := tb.Get(ctx, h, s)
				cancel()
				var pe *pegasus.PError
				if !errors.As(err, &pe) {
					t.Fatalf("%+v: %v", tc, err)
				}
				switch {
				case tc.want == 0:
					if pe.Attempts < 5 || !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%s, %+v: %d attempts, %v", name, tc, pe.Attempts, err)
					}
				case pe.Attempts != tc.want || errors.Is(err, context.DeadlineExceeded):
					t.Errorf("%s, %+v: %d attempts, %v", name, tc, pe.Attempts, err)
				}
			})
		}
	}
}

// An answer that is a failure of the storage comes of one attempt, and so does one
// that says nothing.
func TestAttemptsOfAnswers(t *testing.T) {
	configured(t, pegasus.Config{}, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
		c.On(wire.TaskIncr, peer.Result(wire.IncrResponse{Error: wire.StatusInvalidArgument}))
		c.On(wire.TaskSortKeyCount, peer.Result(wire.CountResponse{Count: -1}))
		for range 2 { // without a connection, and with one
			_, incr := tb.Incr(t.Context(), h, s, 1)
			_, count := tb.SortKeyCount(t.Context(), h)
			for _, err := range []error{incr, count} {
				if pe := new(pegasus.PError); !errors.As(err, &pe) || pe.Attempts != 1 {
					t.Errorf("%d attempts: %v", pe.Attempts, err)
				}
			}
		}
	})
}

// Pauses between attempts begin with the shortest and end with the longest.
func TestPauses(t *testing.T) {
	const least, most = 50 * time.Millisecond, 300 * time.Millisecond
	configured(t, pegasus.Config{Retry: pegasus.RetryPolicy{MaxAttempts: 6, MinPause: least, MaxPause: most}}, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
		var times []time.Time
		c.On(wire.TaskGet, func(r *peer.Request) {
			times = append(times, time.Now())
			r.Fail(wire.ErrBusy)
		})
		if _, err := tb.Get(t.Context(), h, s); !errors.Is(err, pegasus.ErrBusy) {
			t.Error(err)
		}
		synctest.Wait()
		for i := range len(times) - 1 {
			want := min(least<<i, most)
			if pause := times[i+1].Sub(times[i]); pause < want/2 || pause > want {
				t.Errorf("pause %d is %v, want %v to %v", i, pause, want/2, want)
			}
		}
		if len(times) != 6 {
			t.Errorf("%d attempts", len(times))
		}
	})
}

// The budget can be set, and lifted. A server that answers again is asked again.
func TestRetryBudget(t *testing.T) {
	for _, tc := range []struct{ budget, least, most int }{{1, 100, 130}, {100, 1100, 2200}, {-1, 3000, 20_000}} {
		configured(t, pegasus.Config{RetryBudget: tc.budget}, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
			c.On(wire.TaskGet, peer.Code(wire.ErrBusy))
			var wg sync.WaitGroup
			for i := range 100 {
				wg.Go(func() {
					if _, err := tb.Get(t.Context(), hashKey(8, i%8, 0), s); err != nil {
						t.Error(err)
					}
				})
			}
			time.Sleep(9 * time.Second)
			synctest.Wait()
			if n := len(c.Requests(wire.TaskGet)); n < tc.least || n > tc.most {
				t.Errorf("budget %d: %d requests, want %d to %d", tc.budget, n, tc.least, tc.most)
			}
			c.On(wire.TaskGet, answer)
			wg.Wait()
		})
	}
}

func TestConnectionsPerServer(t *testing.T) {
	for _, n := range []int{0, 1, 3} {
		configured(t, pegasus.Config{ConnectionsPerServer: n}, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
			for i := range 100 {
				if _, err := tb.Get(t.Context(), hashKey(8, i%8, i), s); err != nil {
					t.Fatal(err)
				}
			}
			if got := c.Nodes[0].Accepted(); got != max(n, 1) {
				t.Errorf("%d connections, want %d", got, n)
			}
		})
	}
	for _, n := range []int{-1, 1<<16 + 1, math.MaxInt} {
		_, err := pegasus.New(pegasus.Config{MetaServers: []string{peer.MetaAddr}, ConnectionsPerServer: n})
		var ae *pegasus.ArgumentError
		if !errors.As(err, &ae) || ae.Name != "ConnectionsPerServer" {
			t.Errorf("%d connections: %v", n, err)
		}
	}
}

// An observer is told once that a name leads to another table, and nothing else.
func TestTableReplaced(t *testing.T) {
	var seen []pegasus.TableReplaced
	observer := pegasus.Observer{TableReplaced: func(r pegasus.TableReplaced) { seen = append(seen, r) }}
	configured(t, pegasus.Config{Observers: []pegasus.Observer{observer}}, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
		c.On(wire.TaskGet, func(r *peer.Request) {
			if r.AppID == peer.AppID {
				r.Fail(wire.ErrObjectNotFound)
				return
			}
			answer(r)
		})
		c.Update(func(tb *peer.Table) { tb.AppID = 9 })
		for i := range 8 {
			if _, err := tb.Get(t.Context(), hashKey(8, i, 0), s); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if len(seen) != 1 || seen[0] != (pegasus.TableReplaced{Table: "temp", From: peer.AppID, To: 9}) {
			t.Errorf("told of %+v", seen)
		}
	})
}

// An observer is told also if there was no table of the name for a while; not if the same
// one is back.
func TestTableReplacedLater(t *testing.T) {
	for _, id := range []int32{peer.AppID, 9} {
		var seen []pegasus.TableReplaced
		observer := pegasus.Observer{TableReplaced: func(r pegasus.TableReplaced) { seen = append(seen, r) }}
		configured(t, pegasus.Config{Observers: []pegasus.Observer{observer}}, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
			c.On(wire.TaskGet, peer.Code(wire.ErrObjectNotFound))
			c.Update(func(tb *peer.Table) { tb.Name = "dropped" })
			_, err := tb.Get(t.Context(), h, s)
			wantError(t, err, []error{pegasus.ErrTableNotFound})
			c.On(wire.TaskGet, answer)
			c.Update(func(tb *peer.Table) { tb.Name, tb.AppID = "temp", id })
			if _, err := tb.Get(t.Context(), h, s); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			var want []pegasus.TableReplaced
			if id != peer.AppID {
				want = append(want, pegasus.TableReplaced{Table: "temp", From: peer.AppID, To: id})
			}
			if !slices.Equal(seen, want) {
				t.Errorf("told of %+v, want %+v", seen, want)
			}
		})
	}
}

// Closing one connector of a table closes no other one.
func TestCloseOfOneConnector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := peer.Start(t, 1, 1)
		answerAll(c, answer)
		cl := clientOf(t, c, pegasus.Config{})
		one, other := openTemp(t, cl), openTemp(t, cl)
		for range 2 {
			if err := one.Close(); err != nil {
				t.Error(err)
			}
		}
		if _, err := one.Get(t.Context(), h, s); !errors.Is(err, pegasus.ErrTableClosed) || !errors.Is(err, pegasus.ErrClosed) {
			t.Errorf("the closed one: %v", err)
		}
		if _, err := other.Get(t.Context(), h, s); err != nil {
			t.Errorf("the other one: %v", err)
		}
	})
}

func TestConfigOfRetries(t *testing.T) {
	const text = `{"meta_servers":["a:1"],"retry":{"max_attempts":3,"min_pause":"1ms","max_pause":"1s"},"retry_budget":-1,"connections_per_server":2}`
	var cfg pegasus.Config
	if err := json.Unmarshal([]byte(text), &cfg); err != nil {
		t.Fatal(err)
	}
	if want := (pegasus.RetryPolicy{MaxAttempts: 3, MinPause: time.Millisecond, MaxPause: time.Second}); cfg.Retry != want || cfg.RetryBudget != -1 || cfg.ConnectionsPerServer != 2 {
		t.Errorf("%+v", cfg)
	}
	if again, err := json.Marshal(cfg); err != nil || string(again) != text {
		t.Errorf("%s, %v", again, err)
	}
}
