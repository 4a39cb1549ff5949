package pegasus

import (
	"errors"
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
