package pegasus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// searching plays a partition in which the server finds nothing for long: each
// request takes a moment, and only the last one has a row.
type searching struct {
	took  time.Duration
	steps int

	mu     sync.Mutex
	opened int
	id     int64 // of the live context
	done   int   // steps
}

func (p *searching) open(r *peer.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.opened++
	p.id, p.done = p.id+1, 0
	r.Reply(wire.ScanResponse{ContextID: p.id})
}

func (p *searching) scan(r *peer.Request) {
	time.Sleep(p.took)
	p.mu.Lock()
	defer p.mu.Unlock()
	if peer.Arg[wire.ScanRequest](r).ContextID != p.id {
		r.Reply(wire.ScanResponse{Error: wire.StatusNotFound})
		return
	}
	p.id++
	if p.done++; p.done == p.steps {
		r.Reply(wire.ScanResponse{ContextID: wire.ScanCompleted, KVs: []wire.KeyValue{row("hash", "sort")}})
		return
	}
	r.Reply(wire.ScanResponse{ContextID: p.id})
}

// A scan that finds nothing for longer than the time of an operation goes on
// where it was, whether its caller has the time or comes again.
func TestSearchForLong(t *testing.T) {
	for _, patient := range []bool{true, false} {
		t.Run(fmt.Sprintf("patient=%v", patient), func(t *testing.T) {
			bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
				p := &searching{took: 7 * time.Millisecond, steps: 5000} // 35 s
				c.On(wire.TaskGetScanner, p.open)
				c.On(wire.TaskScan, p.scan)
				s := fullScan(t, tb, 1, 10)[0]
				calls := 0
				for start := time.Now(); time.Since(start) < 10*time.Minute; {
					calls++
					ctx := context.Background()
					if patient {
						ctx = within(t, time.Minute)
					}
					_, _, _, value, err := s.Next(ctx)
					if err == nil {
						if string(value) != "hash/sort" {
							t.Errorf("value %q", value)
						}
						break
					}
					chain(t, err, context.DeadlineExceeded)
				}
				if p.opened != 1 {
					t.Errorf("the search began %d times", p.opened)
				}
				if patient != (calls == 1) || calls > 5 {
					t.Errorf("%d calls", calls)
				}
			})
		})
	}
}

// An answer larger than the client accepts makes a scanner ask for less, and
// disturbs nobody else.
func TestBatchTooLarge(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		rows := someRows(40, 5)
		p := serveScans(c, 1, rows)
		tooLarge := 0
		c.On(wire.TaskGetScanner, func(r *peer.Request) {
			if q := peer.Arg[wire.GetScannerRequest](r); q.BatchSize > 20 {
				tooLarge++
				head := wire.AppendReply(nil, &r.Request, wire.TaskGetScanner+wire.AckSuffix, wire.ScanResponse{})
				r.Send(append([]byte{0x10, 0, 0, 1}, head[4:]...))
				for left := 0x10000001 - len(head); left > 0; {
					n := min(left, 1<<20)
					r.Send(make([]byte, n))
					left -= n
				}
				return
			}
			p.open(r)
		})
		got := collect(t, fullScan(t, tb, 1, 100)[0], nil)
		wantRows(t, got, rows)
		if n := c.Nodes[0].Accepted(); tooLarge != 3 || n != 1 {
			t.Errorf("%d batches were too large, %d connections", tooLarge, n)
		}
	})
}

// A table that was dropped and made again is not the one that a scan began with.
func TestTableMadeAgainDuringScan(t *testing.T) {
	for _, hash := range []bool{false, true} {
		t.Run(fmt.Sprintf("hash key=%v", hash), func(t *testing.T) {
			bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
				p := serveScans(c, 1, someRows(1, 50))
				s := fullScan(t, tb, 1, 10)[0]
				if hash {
					s = hashScan(t, tb, "hash000", 10)
				}
				if done, _, _, _, err := s.Next(t.Context()); done || err != nil {
					t.Fatal(done, err)
				}
				synctest.Wait()
				p.lose()
				c.Update(func(tb *peer.Table) { tb.AppID++ })
				c.On(wire.TaskScan, peer.Each(peer.Code(wire.ErrObjectNotFound), p.scan))
				var err error
				n := 1
				for done := false; !done && err == nil; n++ {
					done, _, _, _, err = s.Next(t.Context())
				}
				chain(t, err, ErrRepartitioned)
				if n > 25 {
					t.Errorf("%d rows", n)
				}
			})
		})
	}
}

// A server older than 2.3 would leave out what follows the hash key that a scan
// resumes at.
func TestOldServerLosesContext(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		rows := someRows(40, 5)
		p := serveScans(c, 1, rows)
		p.old = true
		wantRows(t, collect(t, fullScan(t, tb, 1, 10)[0], nil), rows) // nothing is lost
		s := fullScan(t, tb, 1, 10)[0]
		var err error
		n := 0
		for done := false; !done && err == nil; n++ {
			synctest.Wait()
			p.lose()
			done, _, _, _, err = s.Next(t.Context())
		}
		if !errors.Is(err, ErrCannotResume) || n < 10 {
			t.Errorf("after %d rows: %v", n, err)
		}
		synctest.Wait()
		if p.live() != 0 {
			t.Errorf("%d contexts are left", p.live())
		}
	})
}

// Of servers of different versions, each is asked what it can do: that one knows
// how to resume a scan says nothing about another.
func TestOldServerAmongNewOnes(t *testing.T) {
	bubble(t, 2, 2, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		p := serveScans(c, 2, someRows(40, 5))
		for _, task := range []string{wire.TaskGetScanner, wire.TaskScan} {
			h := p.open
			if task == wire.TaskScan {
				h = p.scan
			}
			c.On(task, func(r *peer.Request) {
				p.mu.Lock()
				p.old = r.Server == c.Nodes[1].Addr()
				p.mu.Unlock()
				h(r)
			})
		}
		resume := func(s Scanner) (err error) {
			for done := false; !done && err == nil; {
				synctest.Wait()
				p.lose()
				done, _, _, _, err = s.Next(t.Context())
			}
			return err
		}
		all := fullScan(t, tb, 2, 10)
		if err := resume(all[0]); err != nil {
			t.Errorf("of the new server: %v", err)
		}
		chain(t, resume(all[1]), ErrCannotResume)
		// It is upgraded.
		c.On(wire.TaskGetScanner, p.open)
		p.old = false
		c.Nodes[1].Stop()
		c.Nodes[1].Start(t)
		if err := resume(all[1]); err != nil {
			t.Errorf("after the upgrade: %v", err)
		}
	})
}
