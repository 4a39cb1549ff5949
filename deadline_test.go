package pegasus_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// after answers a while later.
func after(d time.Duration, h peer.Handler) peer.Handler {
	return func(r *peer.Request) { time.AfterFunc(d, func() { h(r) }) }
}

// manyKeys returns n keys for each partition.
func manyKeys(partitions, n int) []pegasus.CompositeKey {
	var keys []pegasus.CompositeKey
	for p := range partitions {
		k := hashKey(partitions, p, 0)
		for i := range n {
			keys = append(keys, pegasus.CompositeKey{HashKey: k, SortKey: fmt.Append(nil, i)})
		}
	}
	return keys
}

// Operations of many requests have one deadline for all of them: that of the
// context, or OperationTimeout from the call.
func TestOneDeadlineForAll(t *testing.T) {
	batchGet := func(keys []pegasus.CompositeKey) func(ctx context.Context, tb pegasus.TableConnector) error {
		return func(ctx context.Context, tb pegasus.TableConnector) error {
			_, err := tb.BatchGet(ctx, keys)
			return err
		}
	}
	delRange := func(ctx context.Context, tb pegasus.TableConnector) error { return tb.DelRange(ctx, h, nil, nil) }
	scan := func(ctx context.Context, tb pegasus.TableConnector) error {
		sc, _ := tb.GetScanner(ctx, h, nil, nil, nil)
		return next(ctx, sc)
	}
	// scanOf answers the requests of a scan of n rows with one row each, and
	// before that with none for some requests.
	scanOf := func(c *peer.Cluster, d time.Duration, none, n int64) {
		var ids atomic.Int64
		h := after(d, func(r *peer.Request) {
			id := ids.Add(1)
			resp := wire.ScanResponse{ContextID: id}
			if id > none {
				resp.KVs = []wire.KeyValue{row("h", fmt.Sprintf("s%09d", id))}
			}
			if id == none+n {
				resp.ContextID = wire.ScanCompleted
			}
			r.Reply(resp)
		})
		c.On(wire.TaskGetScanner, h)
		c.On(wire.TaskScan, h)
	}
	for _, tc := range []struct {
		name       string
		partitions int
		script     func(c *peer.Cluster)
		call       func(ctx context.Context, tb pegasus.TableConnector) error
	}{
		{"BatchGet, many partitions", 200, func(c *peer.Cluster) { answerAll(c, peer.Silence) }, batchGet(manyKeys(200, 2))},
		{"BatchGet, many partitions that are busy", 200, func(c *peer.Cluster) { answerAll(c, peer.Code(wire.ErrBusy)) }, batchGet(manyKeys(200, 2))},
		{"BatchGet, one key in each of many partitions", 200, func(c *peer.Cluster) { answerAll(c, peer.Silence) }, batchGet(manyKeys(200, 1))},
		{"BatchGet, no server", 200, func(c *peer.Cluster) { c.Nodes[0].Stop() }, batchGet(manyKeys(200, 2))},
		{"BatchGet, server without the RPC", 1, func(c *peer.Cluster) {
			answerAll(c, peer.Silence)
			c.On(wire.TaskBatchGet, peer.Code(wire.ErrHandlerNotFound))
		}, batchGet(manyKeys(1, 20))},
		{"BatchGet, server without the RPC, slow, more keys than fit the time", 1, func(c *peer.Cluster) {
			answerAll(c, after(4*time.Second, answer))
			c.On(wire.TaskBatchGet, peer.Code(wire.ErrHandlerNotFound))
		}, batchGet(manyKeys(1, 199))},
		{"BatchGet, server without the RPC, which takes long to say so", 1, func(c *peer.Cluster) {
			c.On(wire.TaskBatchGet, after(8*time.Second, peer.Code(wire.ErrHandlerNotFound)))
			c.On(wire.TaskGet, peer.Silence)
		}, batchGet(manyKeys(1, 2))},
		{"DelRange, slow", 1, func(c *peer.Cluster) { scanOf(c, 4*time.Second, 0, 20) }, delRange},
		{"DelRange, slow to find and to delete", 1, func(c *peer.Cluster) {
			c.On(wire.TaskGetScanner, after(9*time.Second, answer))
			c.On(wire.TaskMultiRemove, after(9*time.Second, answer))
		}, delRange},
		{"DelRange, many batches", 1, func(c *peer.Cluster) {
			scanOf(c, 0, 0, 5000)
			c.On(wire.TaskMultiRemove, after(time.Second, answer))
		}, delRange},
		{"DelRange, busy", 1, func(c *peer.Cluster) {
			c.On(wire.TaskGetScanner, after(6*time.Second, answer))
			c.On(wire.TaskMultiRemove, peer.Code(wire.ErrBusy))
		}, delRange},
		{"Next, no answer", 1, func(c *peer.Cluster) { c.On(wire.TaskGetScanner, peer.Silence) }, scan},
		{"Next, busy", 1, func(c *peer.Cluster) { c.On(wire.TaskGetScanner, peer.Code(wire.ErrBusy)) }, scan},
		{"Next, nothing found", 1, func(c *peer.Cluster) { scanOf(c, 3*time.Second, 20, 1) }, scan},
		{"Next, nothing found and then silence", 1, func(c *peer.Cluster) {
			scanOf(c, 6*time.Second, 1, 1)
			c.On(wire.TaskScan, peer.Silence)
		}, scan},
	} {
		for _, timeout := range []time.Duration{10 * time.Second, 3700 * ms, 30 * time.Second} {
			t.Run(fmt.Sprint(tc.name, "/", timeout), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := peer.Start(t, 1, tc.partitions)
					answerAll(c, answer)
					tables := map[bool]pegasus.TableConnector{
						false: openTemp(t, clientOf(t, c, pegasus.Config{OperationTimeout: timeout})),
						true:  openTemp(t, clientOf(t, c, pegasus.Config{})),
					}
					for given, tb := range tables {
						tc.script(c)
						ctx, cancel := context.Background(), func() {}
						if given {
							ctx, cancel = context.WithTimeout(ctx, timeout)
						}
						took, err := timed(func() error { return tc.call(ctx, tb) })
						cancel()
						// It may succeed, or give up, before.
						if took > timeout || errors.Is(err, context.DeadlineExceeded) && took != timeout {
							t.Errorf("deadline given: %v: ended after %v: %.100v", given, took, err)
						}
					}
				})
			})
		}
	}
}

// faults make every operation fail until its time is over.
var faults = map[string]func(c *peer.Cluster){
	"no answer":          func(c *peer.Cluster) { answerAll(c, peer.Silence) },
	"busy":               func(c *peer.Cluster) { answerAll(c, peer.Code(wire.ErrBusy)) },
	"moved":              func(c *peer.Cluster) { answerAll(c, peer.Code(wire.ErrInvalidState)) },
	"no primary":         func(c *peer.Cluster) { noPrimary(c); c.Nodes[0].Disconnect() },
	"no server":          func(c *peer.Cluster) { c.Nodes[0].Stop() },
	"no machine":         func(c *peer.Cluster) { c.Vanish(c.Nodes[0]) },
	"no server, no meta": func(c *peer.Cluster) { c.Nodes[0].Stop(); c.Vanish(c.Meta) },
}

func noPrimary(c *peer.Cluster) {
	c.Update(func(tb *peer.Table) {
		for i := range tb.Partitions {
			tb.Partitions[i] = peer.Partition{Ballot: 4}
		}
	})
	answerAll(c, peer.Code(wire.ErrInvalidState))
}

// An error that says that a deadline is exceeded comes when that of the context
// is: not before, so that ctx.Err says the same, and not later.
func TestDeadlineIsThatOfTheContext(t *testing.T) {
	for fault, script := range faults {
		t.Run(fault, func(t *testing.T) {
			scripted(t, 1, 4, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
				script(c)
				var wg sync.WaitGroup
				var mu sync.Mutex
				early, late, calls := 0, 0, 0
				for _, m := range methods {
					for i := range 20 {
						timeout := 5*ms + time.Duration(i)*117*ms
						wg.Go(func() {
							ctx, cancel := context.WithTimeout(t.Context(), timeout)
							defer cancel()
							start := time.Now()
							err := m.call(ctx, tb)
							ended := ctx.Err()
							took := time.Since(start)
							mu.Lock()
							defer mu.Unlock()
							if !errors.Is(err, context.DeadlineExceeded) {
								return // may have another reason to fail
							}
							calls++
							if ended == nil {
								early++
							}
							if took > timeout {
								late++
							}
						})
					}
				}
				wg.Wait()
				if early > 0 || late > 0 || calls == 0 {
					t.Errorf("of %d errors about the deadline %d came before it and %d after it", calls, early, late)
				}
			})
		})
	}
	for fault, h := range map[string]peer.Handler{"no answer": peer.Silence, "busy": peer.Code(wire.ErrBusy)} {
		t.Run("OpenTable/"+fault, func(t *testing.T) {
			scripted(t, 1, 1, func(t *testing.T, c *peer.Cluster, _ pegasus.TableConnector) {
				c.On(wire.TaskQueryConfig, h)
				cl := clientOf(t, c, pegasus.Config{})
				early := 0
				for range 50 {
					ctx, cancel := context.WithTimeout(t.Context(), 100*ms)
					_, err := cl.OpenTable(ctx, "temp")
					if ctx.Err() == nil {
						early++
					}
					cancel()
					wantError(t, err, []error{context.DeadlineExceeded})
				}
				if early > 0 {
					t.Errorf("%d of 50 errors about the deadline came before it", early)
				}
			})
		})
	}
}

// OperationTimeout may be as short or as long as a duration can be.
func TestOperationTimeoutOfAnySize(t *testing.T) {
	for _, timeout := range []time.Duration{1, time.Microsecond, time.Millisecond, time.Hour, math.MaxInt64 / 2, math.MaxInt64 - 1, math.MaxInt64} {
		t.Run(timeout.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := peer.Start(t, 1, 4)
				answerAll(c, answer)
				cl := clientOf(t, c, pegasus.Config{OperationTimeout: timeout})
				tb := openTemp(t, cl) // all answers come at once: even no time is enough
				for _, m := range methods {
					if err := m.call(context.Background(), tb); err != nil {
						t.Errorf("%s: %v", m.name, err)
					}
				}
				for _, r := range c.Requests() {
					if r.TimeoutMs <= 0 {
						t.Errorf("%s has a timeout of %d ms", r.Task, r.TimeoutMs)
					}
				}
				for _, m := range methods {
					if timeout >= time.Hour {
						for _, task := range dataTasks {
							c.On(task, peer.Each(peer.Code(wire.ErrBusy), answer))
						}
						if err := m.call(context.Background(), tb); err != nil {
							t.Errorf("%s after ERR_BUSY: %v", m.name, err)
						}
					}
					answerAll(c, peer.Silence)
					if timeout <= time.Hour {
						took, err := timed(func() error { return m.call(context.Background(), tb) })
						wantError(t, err, []error{context.DeadlineExceeded})
						if took != timeout {
							t.Errorf("%s without an answer took %v", m.name, took)
						}
						continue
					}
					ctx, cancel := context.WithCancel(t.Context())
					time.AfterFunc(time.Hour, cancel)
					took, err := timed(func() error { return m.call(ctx, tb) })
					wantError(t, err, []error{context.Canceled}, context.DeadlineExceeded)
					if took != time.Hour {
						t.Errorf("%s, cancelled after an hour, took %v: %v", m.name, took, err)
					}
				}
			})
		})
	}
}

// That a dial takes too long is no deadline of the caller's.
func TestDialTimeoutIsNotTheCallers(t *testing.T) {
	scripted(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
		c.Vanish(c.Nodes[0])
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		once := pegasus.WithRetryPolicy(ctx, pegasus.RetryPolicy{MaxAttempts: 1})
		err := tb.Set(once, h, s, v)
		wantText(t, err, "no connection within 3s")
		wantError(t, err, nil, context.DeadlineExceeded)

		time.AfterFunc(5*time.Second, cancel)
		err = tb.Set(ctx, h, s, v)
		wantText(t, err, "context canceled waiting to connect; last failure: no connection within 3s")
		wantError(t, err, []error{context.Canceled}, context.DeadlineExceeded)
	})
}

func wantText(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.HasSuffix(err.Error(), ": "+text) {
		t.Errorf("error %v, want %s", err, text)
	}
}
