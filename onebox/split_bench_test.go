package onebox_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/admin"
	"github.com/pegasus-go/pegasus/onebox"
)

// BenchmarkSplit splits a table of two million records, on disk, from 4 to 8
// partitions while sixteen callers write and read, and reports the longest that
// one of them had to wait, beside what that is without a split. Run it once:
// -bench Split -benchtime 1x.
func BenchmarkSplit(b *testing.B) {
	const hashKeys, each = 20_000, 100
	for range b.N {
		s, err := onebox.Start(onebox.Options{
			Dir: b.TempDir() + "/data", Durability: onebox.OS, Tables: []onebox.Table{{Name: "t", Partitions: 4}},
		})
		if err != nil {
			b.Fatal(err)
		}
		client, err := pegasus.New(pegasus.Config{MetaServers: s.MetaServers()})
		if err != nil {
			b.Fatal(err)
		}
		administration, err := admin.New(admin.Config{MetaServers: s.MetaServers()})
		if err != nil {
			b.Fatal(err)
		}
		table, err := client.OpenTable(b.Context(), "t")
		if err != nil {
			b.Fatal(err)
		}
		callers := func(n int, f func(ctx context.Context, caller int) error) (wait func()) {
			var wg sync.WaitGroup
			for caller := range n {
				wg.Go(func() {
					if err := f(b.Context(), caller); err != nil {
						b.Error(err)
					}
				})
			}
			return wg.Wait
		}
		hashKey := func(i int) []byte { return fmt.Appendf(nil, "user%06d", i) }
		callers(16, func(ctx context.Context, caller int) error {
			var sortKeys, values [][]byte
			for i := range each {
				sortKeys, values = append(sortKeys, fmt.Appendf(nil, "%03d", i)), append(values, make([]byte, 100))
			}
			for i := caller; i < hashKeys; i += 16 {
				if err := table.MultiSet(ctx, hashKey(i), sortKeys, values); err != nil {
					return err
				}
			}
			return nil
		})()

		var stop atomic.Bool
		var worst, calls atomic.Int64
		wait := callers(16, func(ctx context.Context, caller int) error {
			rng := rand.New(rand.NewPCG(uint64(caller), 1))
			for !stop.Load() {
				h, k := hashKey(rng.IntN(hashKeys)), fmt.Appendf(nil, "%03d", rng.IntN(each))
				began := time.Now()
				var err error
				if caller%2 == 0 {
					err = table.Set(ctx, h, k, k)
				} else {
					_, err = table.Get(ctx, h, k)
				}
				took := int64(time.Since(began))
				if err != nil {
					return err
				}
				for old := worst.Load(); took > old && !worst.CompareAndSwap(old, took); old = worst.Load() {
				}
				calls.Add(1)
				time.Sleep(time.Millisecond)
			}
			return nil
		})
		measure := func(what string, f func()) {
			worst.Store(0)
			before, began := calls.Load(), time.Now()
			f()
			took := time.Since(began)
			b.ReportMetric(took.Seconds(), what+"-s")
			b.ReportMetric(float64(worst.Load())/1e6, what+"-worst-ms")
			b.ReportMetric(float64(calls.Load()-before)/took.Seconds(), what+"-calls/s")
		}
		measure("idle", func() { time.Sleep(3 * time.Second) })
		measure("split", func() {
			if err := s.Split("t"); err != nil {
				b.Error(err)
			}
			for err == nil {
				time.Sleep(10 * time.Millisecond)
				_, err = administration.QuerySplit(b.Context(), "t")
			}
			if !errors.Is(err, admin.ErrInvalidState) {
				b.Error(err)
			}
		})
		stop.Store(true)
		wait()
		client.Close()
		if err := errors.Join(administration.Close(), s.Close()); err != nil {
			b.Error(err)
		}
	}
}
