package reliability

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
	"github.com/pegasus-go/pegasus/reliability/internal/child"
)

// Full scans in large batches, over and over, beside small and large requests on
// the same connection: no request and no answer gets lost. If one did, its
// scanner would find that out at the end of its context.
func TestScansUnderLoad(t *testing.T) {
	const records, size = 20_000, 600 // a batch of 1000 is ten read buffers
	p := startProcess(t, child.Options{Tables: []onebox.Table{{Name: "temp", Partitions: 8}}})
	client := pegasus.NewClient(pegasus.Config{MetaServers: p.MetaServers})
	defer client.Close()
	table, err := client.OpenTable(t.Context(), "temp")
	if err != nil {
		t.Fatal(err)
	}
	value := bytes.Repeat([]byte("v"), size)
	fillRows(t, table, records, value)

	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	var calls atomic.Int64
	for g := range 16 {
		load.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := smallAndLarge(t.Context(), table, (g*1000+i)%(records/100), value); err != nil {
					t.Error(err)
				}
				calls.Add(1)
			}
		})
	}
	rounds := scaled(6, 300)
	for range rounds {
		// Several scans at the same time, in one and in many scanners.
		var scans sync.WaitGroup
		for _, split := range []int{1, 2, 8} {
			scans.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if n, err := countAll(ctx, table, split); err != nil || n != records {
					t.Errorf("%d scanners found %d records, want %d: %v", split, n, records, err)
				}
			})
		}
		scans.Wait()
	}
	stop()
	load.Wait()
	t.Logf("%d scans of %d records beside %d other calls", 3*rounds, records, calls.Load())
}

func rowKey(i int) []byte { return fmt.Appendf(nil, "row%06d", i) }

func column(i int) []byte { return fmt.Appendf(nil, "%02d", i) }

// fillRows makes n records, 100 for each hash key.
func fillRows(t *testing.T, table pegasus.TableConnector, n int, value []byte) {
	t.Helper()
	var columns, values [][]byte
	for i := range 100 {
		columns, values = append(columns, column(i)), append(values, value)
	}
	for i := range n / 100 {
		if err := table.MultiSet(t.Context(), rowKey(i), columns, values); err != nil {
			t.Fatal(err)
		}
	}
}

// smallAndLarge makes calls whose requests and answers are of many sizes.
func smallAndLarge(ctx context.Context, table pegasus.TableConnector, row int, value []byte) error {
	if v, err := table.Get(ctx, rowKey(row), column(row%100)); err != nil || len(v) != len(value) {
		return fmt.Errorf("a value of %d bytes: %w", len(v), err)
	}
	if err := table.Set(ctx, rowKey(row), column(row%100), value); err != nil {
		return err
	}
	kvs, all, err := table.MultiGetOpt(ctx, rowKey(row), nil, &pegasus.MultiGetOptions{StartInclusive: true})
	if err != nil || !all || len(kvs) != 100 {
		return fmt.Errorf("%d entries, all: %v: %w", len(kvs), all, err)
	}
	return nil
}

// countAll scans the table with several scanners at once.
func countAll(ctx context.Context, table pegasus.TableConnector, split int) (int64, error) {
	scanners, err := table.GetUnorderedScanners(ctx, split, nil)
	if err != nil {
		return 0, err
	}
	var n atomic.Int64
	errs := make(chan error, len(scanners))
	for _, s := range scanners {
		go func() {
			defer s.Close()
			for {
				done, _, _, _, err := s.Next(ctx)
				if done || err != nil {
					errs <- err
					return
				}
				n.Add(1)
			}
		}()
	}
	var first error
	for range scanners {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return n.Load(), first
}
