package pegasus

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/internal/wire"
)

// BenchmarkMany compares batches of 100 with 100 concurrent single operations, by turns, on
// a server that costs nothing. The metric is the share of the time that a batch takes.
func BenchmarkMany(b *testing.B) {
	source := wire.Source{GPID: wire.GPID{AppID: 1}, Server: []byte("127.0.0.1:34801")}
	const n = 100
	value := make([]byte, 100)
	keys, puts := make([]CompositeKey, n), make([]Put, n)
	var found wire.BatchGetResponse
	for i := range n {
		keys[i] = CompositeKey{HashKey: fmt.Appendf(nil, "user_%08d", i), SortKey: []byte("profile")}
		puts[i] = Put{HashKey: keys[i].HashKey, SortKey: keys[i].SortKey, Value: value}
		found.Data = append(found.Data, wire.FullData{HashKey: keys[i].HashKey, SortKey: keys[i].SortKey, Value: value})
	}
	open := func(task string, result wire.Message) *Table {
		c, err := New(Config{MetaServers: []string{"127.0.0.1:34601"}, Dial: func(context.Context, string, string) (net.Conn, error) {
			return newEchoConnOf(task, result), nil
		}})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { c.Close() })
		t, err := c.Open(b.Context(), "temp")
		if err != nil {
			b.Fatal(err)
		}
		return t
	}
	sets, gets, batches := open(wire.TaskPut, wire.UpdateResponse{Source: source}),
		open(wire.TaskGet, wire.ReadResponse{Value: value, Source: source}), open(wire.TaskBatchGet, found)
	ctx := b.Context()
	for _, tc := range []struct {
		name   string
		single func(i int) error
		batch  func() error
	}{
		{
			"set", func(i int) error { return sets.Set(ctx, keys[i].HashKey, keys[i].SortKey, value) },
			func() error {
				out, err := sets.SetMany(ctx, puts)
				if err == nil {
					err = out.Err()
				}
				return err
			},
		},
		{
			"get", func(i int) error { _, err := gets.Get(ctx, keys[i].HashKey, keys[i].SortKey); return err },
			func() error {
				res, err := batches.GetMany(ctx, keys)
				if err == nil {
					err = res.Err()
				}
				return err
			},
		},
	} {
		b.Run(tc.name, func(b *testing.B) {
			var single, batch time.Duration
			for b.Loop() {
				began := time.Now()
				var wg sync.WaitGroup
				for i := range n {
					wg.Go(func() {
						if err := tc.single(i); err != nil {
							b.Error(err)
						}
					})
				}
				wg.Wait()
				single += time.Since(began)
				began = time.Now()
				if err := tc.batch(); err != nil {
					b.Fatal(err)
				}
				batch += time.Since(began)
			}
			b.ReportMetric(100*batch.Seconds()/single.Seconds(), "%of-single")
		})
	}
}
