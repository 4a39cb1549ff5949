package pegasus_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// batches answers the requests of a scan: n batches of rows with values of the
// given size, numbered from 0.
func batches(c *peer.Cluster, n, rows, size int) {
	var next atomic.Int64
	script := func(r *peer.Request) {
		batch := int(next.Add(1)) - 1
		resp := wire.ScanResponse{ContextID: int64(batch + 1)}
		for i := range rows {
			kv := row("h", fmt.Sprintf("%06d", batch*rows+i))
			kv.Value = make([]byte, size)
			resp.KVs = append(resp.KVs, kv)
		}
		if batch == n-1 {
			resp.ContextID = wire.ScanCompleted
		}
		r.Reply(resp)
	}
	c.On(wire.TaskGetScanner, script)
	c.On(wire.TaskScan, script)
	c.On(wire.TaskClearScanner, peer.Silence)
}

// scanners are the two kinds of scanners.
var scanners = map[string]func(t *testing.T, tb pegasus.TableConnector) pegasus.Scanner{
	"hash key": func(t *testing.T, tb pegasus.TableConnector) pegasus.Scanner {
		sc, err := tb.GetScanner(t.Context(), h, nil, nil, nil)
		must(t, err)
		return sc
	},
	"table": func(t *testing.T, tb pegasus.TableConnector) pegasus.Scanner {
		scs, err := tb.GetUnorderedScanners(t.Context(), 1, nil)
		must(t, err)
		return scs[0]
	},
}

// wantRow expects that Next delivers the row with a number.
func wantRow(t *testing.T, sc pegasus.Scanner, n int) {
	t.Helper()
	done, _, sortKey, _, err := sc.Next(t.Context())
	if want := fmt.Sprintf("%06d", n); done || err != nil || string(sortKey) != want {
		t.Errorf("Next delivers %q, %v, %v, want %s", sortKey, done, err, want)
	}
}

// A server that loses the context of a scan whenever it is asked for more, and
// has delivered nothing by then, is not asked without a pause.
func TestScanOfLostContextsPauses(t *testing.T) {
	for name, scan := range scanners {
		t.Run(name, func(t *testing.T) {
			scripted(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
				// Time stands still for those who do not pause.
				var answers atomic.Int64
				limited := func(resp wire.ScanResponse) peer.Handler {
					return func(r *peer.Request) {
						if answers.Add(1) < 1000 {
							r.Reply(resp)
						}
					}
				}
				c.On(wire.TaskGetScanner, limited(wire.ScanResponse{ContextID: 5}))
				c.On(wire.TaskScan, limited(wire.ScanResponse{Error: wire.StatusNotFound}))
				c.On(wire.TaskClearScanner, peer.Silence)
				sc := scan(t, tb)
				defer sc.Close()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, _, _, _, err := sc.Next(ctx)
				wantError(t, err, []error{context.DeadlineExceeded})
				if n := len(c.Requests(wire.TaskGetScanner)); n < 3 || n > 50 {
					t.Errorf("the scan was opened %d times in a second", n)
				}
			})
		})
	}
}

// A scan ends with the context of Next, however many rows are there already. The
// next Next goes on with the row that was due.
func TestScanEndsWithItsContext(t *testing.T) {
	for name, scan := range scanners {
		t.Run(name, func(t *testing.T) {
			scripted(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
				batches(c, 3, 10, 1)
				sc := scan(t, tb)
				defer sc.Close()
				cancelled, cancel := context.WithCancel(t.Context())
				cancel()
				expired, cancel := context.WithTimeout(t.Context(), -1)
				defer cancel()
				for i := range 30 {
					_, _, _, _, err := sc.Next(cancelled)
					wantError(t, err, []error{context.Canceled})
					_, _, _, _, err = sc.Next(expired)
					wantError(t, err, []error{context.DeadlineExceeded})
					wantRow(t, sc, i)
					if t.Failed() {
						return
					}
				}
				if done, _, _, _, err := sc.Next(t.Context()); !done || err != nil {
					t.Errorf("at the end: %v, %v", done, err)
				}
			})
		})
	}
}

// After a Close there are no rows, whatever was closed: the scanner, the table or
// the client.
func TestNoRowsAfterClose(t *testing.T) {
	for what, end := range map[string]func(sc pegasus.Scanner, tb pegasus.TableConnector, cl pegasus.Client){
		"scanner": func(sc pegasus.Scanner, _ pegasus.TableConnector, _ pegasus.Client) { sc.Close() },
		"table":   func(_ pegasus.Scanner, tb pegasus.TableConnector, _ pegasus.Client) { tb.Close() },
		"client":  func(_ pegasus.Scanner, _ pegasus.TableConnector, cl pegasus.Client) { cl.Close() },
	} {
		for name, scan := range scanners {
			for _, delivered := range []int{0, 1, 10, 11} {
				t.Run(fmt.Sprint(what, "/", name, "/", delivered), func(t *testing.T) {
					scripted(t, 1, 1, func(t *testing.T, c *peer.Cluster, _ pegasus.TableConnector) {
						batches(c, 5, 10, 1)
						cl := clientOf(t, c, pegasus.Config{})
						tb := openTemp(t, cl)
						sc := scan(t, tb)
						for i := range delivered {
							wantRow(t, sc, i)
						}
						synctest.Wait() // another batch is there
						end(sc, tb, cl)
						for range 30 {
							done, _, key, _, err := sc.Next(t.Context())
							if done || key != nil {
								t.Fatalf("Next delivers %q, %v", key, done)
							}
							wantError(t, err, []error{pegasus.ErrClosed})
						}
						sc.Close()
					})
				})
			}
		}
	}
}

// What comes when the table is closed already is not delivered.
func TestNoRowsThatComeAfterClose(t *testing.T) {
	for name, scan := range scanners {
		t.Run(name, func(t *testing.T) {
			scripted(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
				c.On(wire.TaskGetScanner, after(time.Second, answer))
				sc := scan(t, tb)
				defer sc.Close()
				time.AfterFunc(time.Second/2, func() { tb.Close() })
				done, _, key, _, err := sc.Next(t.Context())
				if done || key != nil {
					t.Errorf("Next delivers %q, %v", key, done)
				}
				wantError(t, err, []error{pegasus.ErrTableClosed})
			})
		})
	}
}

// A closed scanner is neither a closed table nor a closed client.
func TestMessageOfClosedScanner(t *testing.T) {
	for name, scan := range scanners {
		t.Run(name, func(t *testing.T) {
			scripted(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
				sc := scan(t, tb)
				sc.Close()
				_, _, _, _, err := sc.Next(t.Context())
				wantError(t, err, []error{pegasus.ErrClosed}, pegasus.ErrTableClosed)
				if msg := err.Error(); !strings.Contains(msg, "scanner is closed") {
					t.Errorf("message %q", msg)
				}
			})
		})
	}
}

// A Next follows the policy of its context.
func TestPolicyOfNext(t *testing.T) {
	for name, scan := range scanners {
		t.Run(name, func(t *testing.T) {
			scripted(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
				c.On(wire.TaskGetScanner, peer.Code(wire.ErrBusy))
				sc := scan(t, tb)
				defer sc.Close()
				once := pegasus.WithRetryPolicy(t.Context(), pegasus.RetryPolicy{MaxAttempts: 1})
				for i := range 3 {
					took, err := timed(func() error {
						_, _, _, _, err := sc.Next(once)
						return err
					})
					wantError(t, err, []error{pegasus.ErrBusy}, context.DeadlineExceeded)
					if n := len(c.Requests(wire.TaskGetScanner)); n != i+1 || took != 0 {
						t.Errorf("%d requests, took %v", n, took)
					}
				}
			})
		})
	}
}

// Scanners, and a BatchGet, of a table whose place is not known ask for it.
func TestScanAndBatchGetFindTheTable(t *testing.T) {
	calls := map[string]func(t *testing.T, tb pegasus.TableConnector) error{
		"BatchGet": func(t *testing.T, tb pegasus.TableConnector) error {
			_, err := tb.BatchGet(t.Context(), keysOf("a", "b", "c"))
			return err
		},
		"table": func(t *testing.T, tb pegasus.TableConnector) error {
			scs, err := tb.GetUnorderedScanners(t.Context(), 8, nil)
			if err != nil {
				return err
			}
			if len(scs) != 4 {
				t.Errorf("%d scanners", len(scs))
			}
			return next(t.Context(), scs[3])
		},
		"hash key": func(t *testing.T, tb pegasus.TableConnector) error {
			sc, err := tb.GetScanner(t.Context(), h, nil, nil, nil)
			if err != nil {
				return err
			}
			return next(t.Context(), sc)
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			scripted(t, 1, 4, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
				// The table is dropped, which the client learns, and recalled.
				c.Update(func(tb *peer.Table) { tb.Name = "dropped" })
				answerAll(c, peer.Code(wire.ErrObjectNotFound))
				_, err := tb.Get(t.Context(), h, s)
				wantError(t, err, []error{pegasus.ErrTableNotFound})
				wantError(t, call(t, tb), []error{pegasus.ErrTableNotFound})
				c.Update(func(tb *peer.Table) { tb.Name = "temp" })
				answerAll(c, answer)
				must(t, call(t, tb))
			})
		})
	}
}

// A scanner holds two batches: the one that is being delivered, and the next,
// whether that is there, or almost. What was delivered is not held.
func TestScannerHoldsTwoBatches(t *testing.T) {
	const rows, size = 8, mib
	for name, scan := range scanners {
		for _, whole := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/next batch is there=%v", name, whole), func(t *testing.T) {
				scripted(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
					batches(c, 20, rows, size)
					before := heap()
					sc := scan(t, tb)
					defer sc.Close()
					for i := range 3 * rows {
						wantRow(t, sc, i)
					}
					synctest.Wait() // there is another batch
					var rest func()
					if !whole {
						c.On(wire.TaskScan, func(r *peer.Request) {
							resp := wire.ScanResponse{ContextID: 100}
							for i := range rows {
								kv := row("h", fmt.Sprintf("%06d", 4*rows+i))
								kv.Value = make([]byte, size)
								resp.KVs = append(resp.KVs, kv)
							}
							b := r.Frame(resp)
							n := len(b) - 100
							last := slices.Clone(b[n:])
							r.Send(b[:n])
							rest = func() { r.Send(last) }
						})
					}
					wantRow(t, sc, 3*rows)
					synctest.Wait()
					if held := heap() - before; held > 5*rows*size/2 {
						t.Errorf("%.1f batches are held", float64(held)/(rows*size))
					}
					if !whole {
						batches(c, 20, rows, size)
						rest()
					}
					for i := 3*rows + 1; i < 5*rows; i++ {
						wantRow(t, sc, i)
					}
				})
			})
		}
	}
}

// heap returns the number of bytes that are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what a pool has held for a round
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// An answer that is a failure ends one attempt, whether there was a connection or
// not.
func TestScanCountsItsAttempts(t *testing.T) {
	scripted(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb pegasus.TableConnector) {
		c.On(wire.TaskGetScanner, peer.Result(wire.ScanResponse{Error: wire.StatusCorruption}))
		for range 2 {
			scs, err := tb.GetUnorderedScanners(t.Context(), 1, nil)
			if err != nil {
				t.Fatal(err)
			}
			var pe *pegasus.PError
			if err := next(t.Context(), scs[0]); !errors.As(err, &pe) || pe.Attempts != 1 {
				t.Errorf("error %#v, want one of 1 attempt", err)
			}
		}
	})
}
