package reliability

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/pegasustest"
)

// A table is split from 4 to 8 partitions, and on to 16, while goroutines write,
// read, delete and scan: no entry gets lost, is not found, or comes twice.
func TestSplitUnderLoad(t *testing.T) {
	bubble(t, func(t *testing.T, c *pegasustest.Cluster) {
		const fixed = 2000
		fillRows(t, c.Table, fixed, []byte("v"))
		c.Onebox().Intercept(func(onebox.Request) onebox.Action { return onebox.Action{Delay: time.Millisecond} })
		l := startLoad(t, c.Table, time.Minute, loadPause)
		stop, cancel := context.WithCancel(t.Context())
		var scanning sync.WaitGroup
		scanned := make(chan struct{})
		for i := range 4 {
			scanning.Go(func() {
				for stop.Err() == nil {
					scanFixed(t, c.Table, i+1, fixed)
					select {
					case scanned <- struct{}{}:
					default: // scans do not wait for enough
					}
				}
			})
		}
		enough := func() { // some scans begin and end
			for range 12 {
				<-scanned
			}
		}
		enough()
		c.Split("t")
		enough()
		c.Onebox().HoldSplits(true) // for long in the first phase
		if err := c.Onebox().Split("t"); err != nil {
			t.Fatal(err)
		}
		for _, addr := range c.Onebox().ReplicaServers() { // the client asks for the routes
			c.Link(addr).Break()
		}
		enough()
		c.Onebox().HoldSplits(false)
		enough()
		cancel()
		scanning.Wait()
		l.finish()
		// Keys of partitions that do not serve yet are with their parents.
		l.checkDurations(100*time.Millisecond+backoff, anyCall)
		partitions, err := c.Admin().Partitions(t.Context(), "t")
		if err != nil || len(partitions) != 16 {
			t.Errorf("%d partitions, %v", len(partitions), err)
		}
	}, pegasustest.WithTable("t", 4), pegasustest.WithReplicaServers(3))
}

// scanFixed scans the table and expects the entries that nobody changes, once.
func scanFixed(t *testing.T, table pegasus.TableConnector, split, fixed int) {
	scanners, err := table.GetUnorderedScanners(t.Context(), split, &pegasus.ScannerOptions{
		BatchSize: 50, NoValue: true,
	})
	if err != nil {
		t.Error(err)
		return
	}
	seen := make(map[string]bool)
	n := 0
	for _, s := range scanners {
		defer s.Close()
		for {
			done, hashKey, sortKey, _, err := s.Next(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			if done {
				break
			}
			key := fmt.Sprintf("%s/%s", hashKey, sortKey)
			if seen[key] {
				t.Errorf("%s came twice", key)
			}
			seen[key] = true
			if hashKey[0] == 'r' {
				n++
			}
		}
	}
	if n != fixed {
		t.Errorf("%d entries, want %d", n, fixed)
	}
}

// Scans that lose their contexts all the time deliver everything once.
func TestScansLoseTheirContexts(t *testing.T) {
	c := pegasustest.Start(t, pegasustest.WithReplicaServers(3))
	const fixed = 2000
	fillRows(t, c.Table, fixed, []byte("v"))
	var n atomic.Int64
	c.Onebox().Intercept(func(r onebox.Request) onebox.Action {
		if r.Task == onebox.TaskScan && n.Add(1)%5 == 0 {
			switch n.Load() % 3 {
			case 0:
				return onebox.Action{Close: true}
			case 1:
				return onebox.Action{Error: "ERR_OBJECT_NOT_FOUND"}
			}
			return onebox.Action{Error: "ERR_BUSY"}
		}
		return onebox.Action{}
	})
	for round := range 3 {
		var scanning sync.WaitGroup
		for i := range 4 {
			scanning.Go(func() { scanFixed(t, c.Table, i+1, fixed) })
		}
		for partition := range pegasustest.DefaultPartitions {
			if err := c.Onebox().MovePrimary(pegasustest.DefaultTable, partition, (partition+round)%3); err != nil {
				t.Error(err)
			}
		}
		scanning.Wait()
		c.Restart()
	}
}
