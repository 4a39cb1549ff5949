package pegasus_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

const (
	// foundOut is the time after which a server that hangs is known to.
	foundOut = 10 * time.Second
	// heldAtMost is how long a call to such a server may wait for it, before it
	// fails, however patient its caller is.
	heldAtMost = 3 * time.Second
)

// A server hangs for a minute and nobody takes over. Once that is found out, it
// does not hold every caller for its whole deadline, it receives little beside
// probes, and callers of other servers see nothing of it. When it is well again,
// or another one has taken over, calls get through at once.
func TestHungServerDoesNotHoldItsCallers(t *testing.T) {
	const partitions, callers = 8, 64
	for name, end := range map[string]struct {
		heal func(c *peer.Cluster)
		late time.Duration
	}{
		"resumes": {func(c *peer.Cluster) { c.Resume(c.Nodes[0]) }, 2 * time.Second},
		"replaced": {func(c *peer.Cluster) {
			for p := 0; p < partitions; p += 2 {
				move(c, p, 1)
			}
		}, afterHang},
	} {
		for _, op := range ops {
			t.Run(name+"/"+op.name, func(t *testing.T) {
				scripted(t, 2, partitions, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
					getAll(t, tb, partitions)
					c.Hang(c.Nodes[0])
					hung := time.Now()
					known, healed := hung.Add(foundOut), hung.Add(time.Minute)
					var mu sync.Mutex
					var longest, other, late time.Duration
					var sent [2]int // until it is found out, and until it is healed
					note := func(i int) {
						mu.Lock()
						defer mu.Unlock()
						sent[i] = requestsTo(c, c.Nodes[0])
					}
					time.AfterFunc(foundOut, func() { note(0) })
					time.AfterFunc(time.Minute, func() { note(1); end.heal(c) })
					var wg sync.WaitGroup
					for i := range callers {
						wg.Go(func() {
							for time.Since(hung) < 75*time.Second {
								ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
								begun := time.Now()
								err := op.call(ctx, tb, hashKey(partitions, i%partitions, 0))
								ended := time.Now()
								cancel()
								mu.Lock()
								switch took := ended.Sub(begun); {
								case i%2 == 1:
									other = max(other, took)
									if err != nil {
										t.Errorf("a call to the other server: %v", err)
									}
								case begun.After(known) && ended.Before(healed):
									longest = max(longest, took)
									if !errors.Is(err, pegasus.ErrStalled) {
										t.Errorf("a call to the server that hangs: %v", err)
									}
								case begun.After(healed.Add(end.late)):
									if err != nil {
										t.Errorf("long after the end: %v", err)
									}
									late = max(late, took)
								}
								mu.Unlock()
								time.Sleep(100 * ms)
							}
						})
					}
					wg.Wait()
					if longest > heldAtMost {
						t.Errorf("callers of the server that hangs were held for up to %v, want %v", longest, heldAtMost)
					}
					if other > 0 {
						t.Errorf("callers of the other server were held for up to %v", other)
					}
					if late > 100*ms {
						t.Errorf("long after the end a call took %v", late)
					}
					if n := sent[1] - sent[0]; n < 1 || n > 200 {
						t.Errorf("%d requests and probes in 50 seconds to the server that hangs, want 1 to 200", n)
					}
					if n := c.Nodes[0].Accepted(); n > 60 {
						t.Errorf("%d connections", n)
					}
				})
			})
		}
	}
}

func requestsTo(c *peer.Cluster, s *peer.Server) int {
	n := 0
	for _, r := range c.Requests() {
		if r.Server == s.Addr() {
			n++
		}
	}
	return n
}

// budgetOfSets is how many requests 200 calls may send to a server that is busy
// for ten seconds.
const budgetOfSets = 2000

// A server that is busy is not buried under retries.
func TestRetriesHaveABudget(t *testing.T) {
	for _, op := range ops {
		t.Run(op.name, func(t *testing.T) {
			scripted(t, 1, 8, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
				c.On(op.task, peer.Code(wire.ErrBusy))
				var wg sync.WaitGroup
				for i := range 200 {
					wg.Go(func() {
						ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
						defer cancel()
						wantError(t, op.call(ctx, tb, hashKey(8, i%8, 0)), []error{pegasus.ErrBusy})
					})
				}
				wg.Wait()
				if n := len(c.Requests(op.task)); n < 200 || n > budgetOfSets {
					t.Errorf("%d requests for 200 calls, want at most %d", n, budgetOfSets)
				}
				// That is over when the server is well.
				c.On(op.task, answer)
				took, err := timed(func() error { return op.call(t.Context(), tb, h) })
				if took != 0 || err != nil {
					t.Errorf("a call to the server that is well took %v: %v", took, err)
				}
			})
		})
	}
}

// One failure in a hundred, and a failover that every caller meets at the same
// time, are nothing that the budget refuses.
func TestBudgetIsEnough(t *testing.T) {
	t.Run("one in a hundred", func(t *testing.T) {
		scripted(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
			n := 0
			c.On(wire.TaskPut, func(r *peer.Request) {
				if n++; n%100 == 0 {
					r.Fail(wire.ErrBusy)
					return
				}
				answer(r)
			})
			for range 5000 {
				if err := tb.Set(t.Context(), h, s, v); err != nil {
					t.Fatal(err)
				}
			}
		})
	})
	t.Run("all at once", func(t *testing.T) {
		scripted(t, 2, 1, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
			getAll(t, tb, 1)
			c.On(wire.TaskPut, except(c.Nodes[0], peer.Code(wire.ErrInvalidState)))
			time.AfterFunc(newsDelay, func() { move(c, 0, 1) })
			var wg sync.WaitGroup
			for range 2000 {
				wg.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
					defer cancel()
					if err := tb.Set(ctx, h, s, v); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		})
	})
}

// A server that hung and is gone now is one that may come back: its callers wait.
func TestHungServerThatRestarts(t *testing.T) {
	scripted(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
		c.Hang(c.Nodes[0])
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := tb.Get(ctx, h, s); !errors.Is(err, pegasus.ErrStalled) {
			t.Fatal(err)
		}
		c.Nodes[0].Stop()
		time.Sleep(5 * time.Second)
		time.AfterFunc(5*time.Second, func() {
			c.Resume(c.Nodes[0])
			c.Nodes[0].Start(t)
		})
		if _, err := tb.Get(ctx, h, s); err != nil {
			t.Error(err)
		}
	})
}
