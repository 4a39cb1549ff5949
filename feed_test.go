package pegasus

import (
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/peer"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// scanTable begins a scan of the whole table.
func scanTable(t *testing.T, tb TableConnector, o ScanOptions) *TableScan {
	t.Helper()
	s, err := tb.(*Table).Scan(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A loop over a table, and a count, have no end of their own: a row that servers search
// for longer than the time of an operation is found.
func TestScanOfWhatIsRare(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		p := &searching{took: 7 * time.Millisecond, steps: 5000} // 35 s
		c.On(wire.TaskGetScanner, p.open)
		c.On(wire.TaskScan, p.scan)
		s := scanTable(t, tb, ScanOptions{})
		n := 0
		for r, err := range s.Rows(t.Context()) {
			if n++; err != nil || string(r.Value) != "hash/sort" {
				t.Errorf("row %q, %v", r.Value, err)
			}
		}
		if n != 1 || p.opened != 1 {
			t.Errorf("%d rows; the search began %d times", n, p.opened)
		}
		// What is searched again comes again.
		if n, err := scanTable(t, tb, ScanOptions{}).Count(t.Context()); n != 1 || err != nil {
			t.Errorf("a count of %d, %v", n, err)
		}
	})
}

// A server that forgets the place each time is not asked for ever.
func TestScanThatGetsNowhere(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		c.On(wire.TaskGetScanner, peer.Result(wire.ScanResponse{ContextID: 1}))
		c.On(wire.TaskScan, peer.Result(wire.ScanResponse{Error: wire.StatusNotFound}))
		began := time.Now()
		for _, err := range scanTable(t, tb, ScanOptions{}).Rows(t.Context()) {
			var pe *PError
			if !timeIsOver(err) || !errors.As(err, &pe) || pe.Server == "" {
				t.Errorf("error %v", err)
			}
		}
		if took := time.Since(began); took < 10*time.Second || took > 30*time.Second {
			t.Errorf("it ended after %v", took) // of the bubble's clock
		}
	})
}

// A loop that ends while a request is under way does not wait for it. What the server holds
// is given back all the same.
func TestScanIsLeftInTheMiddle(t *testing.T) {
	for _, slow := range []time.Duration{closeGrace / 2, 2 * closeGrace} {
		bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
			p := serveScans(c, 1, someRows(1, 50))
			c.On(wire.TaskScan, func(r *peer.Request) { time.AfterFunc(slow, func() { p.scan(r) }) })
			began := time.Now()
			for _, err := range scanTable(t, tb, ScanOptions{BatchSize: 10}).Rows(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait() // the next batch is under way
				break
			}
			if took := time.Since(began); took != 0 {
				t.Errorf("leaving the loop took %v", took)
			}
			time.Sleep(5 * closeGrace) // of the bubble's clock
			if left := p.live(); left != 0 {
				t.Errorf("answer after %v: the server holds %d scans", slow, left)
			}
		})
	}
}

// Closing the client ends a loop.
func TestScanOfClientThatCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := peer.Start(t, 1, 1)
		c.On(wire.TaskGetScanner, peer.Silence)
		cl := newClient(t, c)
		tb, err := cl.OpenTable(t.Context(), "temp")
		if err != nil {
			t.Fatal(err)
		}
		s := scanTable(t, tb, ScanOptions{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for _, err := range s.Rows(t.Context()) {
				chain(t, err, ErrClosed)
			}
		})
		synctest.Wait()
		cl.Close()
		wg.Wait()
		for _, err := range s.Rows(t.Context()) {
			chain(t, err, ErrClosed)
		}
	})
}

// Closing the client while a loop is in a step must not wait for the loop.
func TestCloseClientInScanLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := peer.Start(t, 1, 1)
		serveScans(c, 1, someRows(1, 50))
		cl := newClient(t, c)
		tb, err := cl.OpenTable(t.Context(), "temp")
		if err != nil {
			t.Fatal(err)
		}
		s := scanTable(t, tb, ScanOptions{BatchSize: 10})
		for range s.Rows(t.Context()) {
			synctest.Wait()
			done := make(chan struct{})
			go func() { cl.Close(); close(done) }()
			select {
			case <-done:
			case <-time.After(time.Hour):
				t.Error("Close waits for the loop for an hour")
			}
			break
		}
	})
}

func TestCloseClientInRowsLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := peer.Start(t, 1, 1)
		serveScans(c, 1, someRows(1, 50))
		cl := newClient(t, c)
		tb, err := cl.OpenTable(t.Context(), "temp")
		if err != nil {
			t.Fatal(err)
		}
		sc, err := tb.GetUnorderedScanners(t.Context(), 1, &ScannerOptions{BatchSize: 10})
		if err != nil {
			t.Fatal(err)
		}
		sc[0].Next(t.Context())
		synctest.Wait()
		done := make(chan struct{})
		go func() { cl.Close(); close(done) }()
		select {
		case <-done:
		case <-time.After(time.Hour):
			t.Error("Close waits for the scanner for an hour")
		}
	})
}

// failing decodes until it is told not to.
type failing struct{ bad string }

func (f failing) Encode(v []byte) ([]byte, error) { return v, nil }

func (f failing) Decode(v []byte) ([]byte, error) {
	if string(v) == f.bad {
		return nil, errors.New("bad")
	}
	return v, nil
}

// After an error in row i the cursor is behind row i-1.
func TestCursorAfterBadRow(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		rows := someRows(1, 5)
		serveScans(c, 1, rows)
		bad := tb.(*Table).With(TableOptions{Values: failing{string(rows[2].Value)}})
		s := scanTable(t, bad, ScanOptions{})
		var got []string
		for r, err := range s.Rows(t.Context()) {
			if err != nil {
				break
			}
			got = append(got, string(r.SortKey))
		}
		again := scanTable(t, tb, ScanOptions{Resume: s.Cursor()})
		for r, err := range again.Rows(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(r.SortKey))
		}
		if len(got) != 5 {
			t.Errorf("rows came twice: %q; done at the error: %d", got, s.Progress().Rows)
		}
	})
}

// A scan that has lost its place twice, minutes apart, goes on.
func TestCountLosesPlaceTwice(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		var mu sync.Mutex
		began := time.Now()
		lost := []time.Duration{8 * time.Second, 40 * time.Second}
		c.On(wire.TaskGetScanner, func(r *peer.Request) { r.Reply(wire.ScanResponse{ContextID: 1}) })
		c.On(wire.TaskScan, func(r *peer.Request) {
			time.Sleep(100 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			at := time.Since(began)
			if len(lost) > 0 && at > lost[0] {
				lost = lost[1:]
				r.Reply(wire.ScanResponse{Error: wire.StatusNotFound})
				return
			}
			if at > 80*time.Second {
				n := int32(7)
				r.Reply(wire.ScanResponse{ContextID: wire.ScanCompleted, KVCount: &n})
				return
			}
			r.Reply(wire.ScanResponse{ContextID: 1})
		})
		n, err := scanTable(t, tb, ScanOptions{}).Count(t.Context())
		if n != 7 || err != nil {
			t.Errorf("%d, %v after %v", n, err, time.Since(began))
		}
	})
}

// An outage that is over when the loop comes back is no reason to fail.
func TestStaleErrorOfScan(t *testing.T) {
	for _, which := range []string{"Scan", "Rows"} {
		t.Run(which, func(t *testing.T) {
			bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
				p := serveScans(c, 1, someRows(1, 50))
				n := 0
				rows := scanTable(t, tb, ScanOptions{BatchSize: 10}).Rows(t.Context())
				if which == "Rows" {
					rows = nil
				}
				c.On(wire.TaskScan, peer.Silence)
				step := func() {
					if n++; n == 1 {
						time.Sleep(5 * time.Minute) // the prefetch fails in this time
						c.On(wire.TaskScan, p.scan)
						time.Sleep(5 * time.Minute)
					}
				}
				if rows == nil {
					sc, err := tb.GetUnorderedScanners(t.Context(), 1, &ScannerOptions{BatchSize: 10})
					if err != nil {
						t.Fatal(err)
					}
					for {
						done, _, _, _, err := sc[0].Next(t.Context())
						if err != nil {
							t.Error(n, err)
							return
						}
						if done {
							break
						}
						step()
					}
				} else {
					for _, err := range rows {
						if err != nil {
							t.Error(n, err)
							return
						}
						step()
					}
				}
				if n != 50 {
					t.Error(n)
				}
			})
		})
	}
}

func TestParallelHuge(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		serveScans(c, 1, someRows(1, 5))
		defer func() {
			if r := recover(); r != nil {
				t.Error(r)
			}
		}()
		for _, err := range scanTable(t, tb, ScanOptions{Parallel: math.MaxInt}).Rows(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Rows are the caller's: changing them does not change what comes.
func TestOwnedRowsAreTheCallers(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		serveScans(c, 1, someRows(1, 20))
		s := scanTable(t, tb, ScanOptions{})
		n := 0
		for r, err := range s.Rows(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if n == 10 {
				break
			}
			n++
			for i := range r.SortKey {
				r.SortKey[i] = 'z'
			}
		}
		for _, err := range s.Rows(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 20 {
			t.Errorf("%d rows of 20", n)
		}
	})
}

// Rows of Reverse are the caller's.
func TestReverseRowsAreTheCallers(t *testing.T) {
	bubble(t, 1, 1, func(t *testing.T, c *peer.Cluster, tb TableConnector) {
		var asked []wire.MultiGetRequest
		c.On(wire.TaskMultiGet, func(r *peer.Request) {
			q := peer.Arg[wire.MultiGetRequest](r)
			asked = append(asked, q)
			if len(asked) > 1 {
				r.Reply(wire.MultiGetResponse{})
				return
			}
			r.Reply(wire.MultiGetResponse{Error: wire.StatusIncomplete, KVs: []wire.KeyValue{{Key: []byte("m"), Value: []byte("v")}, {Key: []byte("n"), Value: []byte("v")}}})
		})
		for r, err := range tb.(*Table).Rows(t.Context(), []byte("h"), Select{Reverse: true}) {
			if err != nil {
				t.Fatal(err)
			}
			r.HashKey[0], r.SortKey[0] = 'X', 'X'
		}
		if len(asked) != 2 || string(asked[1].HashKey) != "h" || string(asked[1].StopSortKey) != "m" {
			t.Errorf("%d requests; the second one is for %q up to %q", len(asked), asked[1].HashKey, asked[1].StopSortKey)
		}
	})
}
