//go:build !race

package pegasus

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// A Get allocates its value and a Set nothing, also with an observer; no goroutine, timer or channel is
// made for a call. A MultiGet allocates the answer and a few slices, however many
// rows it returns. (What is allocated only now and then is below one in a run.)
func TestAllocations(t *testing.T) {
	source := wire.Source{GPID: wire.GPID{AppID: 1}, Server: []byte("127.0.0.1:34801")}
	value := make([]byte, 100)
	h, s := []byte("user_00000001"), []byte("profile")
	rows := func(n int) wire.MultiGetResponse {
		resp := wire.MultiGetResponse{Source: source}
		for i := range n {
			resp.KVs = append(resp.KVs, wire.KeyValue{Key: fmt.Appendf(nil, "%08d", i), Value: value})
		}
		return resp
	}
	multiGet := func(n int) func(context.Context, TableConnector) error {
		return func(ctx context.Context, tb TableConnector) error {
			kvs, _, err := tb.MultiGet(ctx, h, nil)
			if err == nil && len(kvs) != n {
				err = fmt.Errorf("%d rows", len(kvs))
			}
			return err
		}
	}
	// As in a program that does not use WithHedge.
	defer hedgesAsked.Store(hedgesAsked.Swap(false))
	for name, tc := range map[string]struct {
		task          string
		result        wire.Message
		call          func(ctx context.Context, tb TableConnector) error
		allocs, bytes float64 // at most
	}{
		"Get": {wire.TaskGet, wire.ReadResponse{Value: value, Source: source}, func(ctx context.Context, tb TableConnector) error {
			v, err := tb.Get(ctx, h, s)
			if err == nil && !bytes.Equal(v, value) {
				err = fmt.Errorf("value %q", v)
			}
			return err
		}, 1, 150},
		"Set": {wire.TaskPut, wire.UpdateResponse{Source: source}, func(ctx context.Context, tb TableConnector) error {
			return tb.Set(ctx, h, s, value)
		}, 0, 40},
		"MultiGet of 10 rows":   {wire.TaskMultiGet, rows(10), multiGet(10), 8, 5000},
		"MultiGet of 1000 rows": {wire.TaskMultiGet, rows(1000), multiGet(1000), 8, 400_000},
	} {
		for observed, observers := range map[string][]Observer{"": nil, "/observed": {quietObserver}} {
			c := NewClient(Config{
				MetaServers:      []string{"127.0.0.1:34601"},
				OperationTimeout: time.Minute,
				Observers:        observers,
				Dial: func(context.Context, string, string) (net.Conn, error) {
					return newEchoConnOf(tc.task, tc.result), nil
				},
			})
			tb, err := c.OpenTable(t.Context(), "temp")
			if err != nil {
				t.Fatal(err)
			}
			withDeadline, cancel := context.WithTimeout(t.Context(), time.Minute)
			for kind, ctx := range map[string]context.Context{
				"background": context.Background(),
				"deadline":   withDeadline,
				"detached":   context.WithoutCancel(withDeadline),
			} {
				t.Run(name+"/"+kind+observed, func(t *testing.T) {
					const runs = 2000
					var before, after runtime.MemStats
					runtime.ReadMemStats(&before)
					allocs := testing.AllocsPerRun(runs, func() {
						if err := tc.call(ctx, tb); err != nil {
							t.Fatal(err)
						}
					})
					runtime.ReadMemStats(&after)
					size := float64(after.TotalAlloc-before.TotalAlloc) / runs
					if allocs > tc.allocs || size > tc.bytes {
						t.Errorf("%v allocations and %.0f bytes per call, want at most %v and %v", allocs, size, tc.allocs, tc.bytes)
					}
				})
			}
			cancel()
			c.Close()
		}
	}
}

// quietObserver has the functions of operations and attempts, which do nothing.
var quietObserver = Observer{
	OperationStarted: func(ctx context.Context, _ OperationStarted) context.Context { return ctx },
	OperationEnded:   func(context.Context, OperationEnded) {},
	AttemptStarted:   func(context.Context, AttemptStarted) {},
	AttemptEnded:     func(context.Context, AttemptEnded) {},
}

// A scan allocates the answer and a few things for each batch, and nothing for a
// row.
func TestScanAllocations(t *testing.T) {
	for _, rows := range []int{1, 1000} {
		const opened = 7
		resp := wire.ScanResponse{ContextID: opened}
		for i := range rows {
			key := schema.AppendKey(nil, []byte("h"), fmt.Appendf(nil, "%08d", i))
			resp.KVs = append(resp.KVs, wire.KeyValue{Key: key, Value: make([]byte, 100)})
		}
		c := NewClient(Config{
			MetaServers: []string{"127.0.0.1:34601"},
			Dial: func(context.Context, string, string) (net.Conn, error) {
				return newEchoConnOf(wire.TaskScan, resp), nil
			},
		})
		tb, err := c.OpenTable(t.Context(), "temp")
		if err != nil {
			t.Fatal(err)
		}
		s, err := tb.GetScanner(t.Context(), []byte("h"), nil, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.(*scanner).cursor.context = opened
		allocs := testing.AllocsPerRun(500, func() {
			for range rows {
				if done, _, _, _, err := s.Next(t.Context()); done || err != nil {
					t.Fatal(done, err)
				}
			}
		})
		// Who has to wait, and has no deadline, needs a context that has one.
		if allocs > 12 {
			t.Errorf("%v allocations for a batch of %d rows, want at most 12", allocs, rows)
		}
		c.Close()
	}
}

// Rows that are lent cost a few things for each batch: neither the answer nor the records.
func TestLentAllocations(t *testing.T) {
	const rows, opened = 1000, 7
	resp := wire.ScanResponse{ContextID: opened}
	for i := range rows {
		key := schema.AppendKey(nil, []byte("h"), fmt.Appendf(nil, "%08d", i))
		resp.KVs = append(resp.KVs, wire.KeyValue{Key: key, Value: make([]byte, 100)})
	}
	c, err := New(Config{
		MetaServers: []string{"127.0.0.1:34601"},
		Dial: func(context.Context, string, string) (net.Conn, error) {
			return newEchoConnOf(wire.TaskScan, resp), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	tb, err := c.Open(t.Context(), "temp")
	if err != nil {
		t.Fatal(err)
	}
	source, err := tb.openRows("", []byte("h"), Select{}, lent)
	if err != nil {
		t.Fatal(err)
	}
	source.(*forward).scanner.cursor.context = opened
	const runs = 500
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	allocs := testing.AllocsPerRun(runs, func() {
		for range rows {
			if _, ok, err := source.next(t.Context()); !ok || err != nil {
				t.Fatal(ok, err)
			}
		}
	})
	runtime.ReadMemStats(&after)
	// The answer has 119 kB, its records 56 kB.
	if size := (after.TotalAlloc - before.TotalAlloc) / runs; allocs > 12 || size > 10_000 {
		t.Errorf("%v allocations and %d bytes for a batch, want at most 12 and 10000", allocs, size)
	}
	source.close()
}
