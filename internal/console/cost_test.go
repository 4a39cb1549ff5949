package console

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
)

// benchOnebox starts a onebox and what goes on beside the callers: nothing, a console
// that nobody looks at, or one that somebody does.
func benchOnebox(b *testing.B, with string) *pegasus.Table {
	b.Helper()
	box, err := onebox.Start(onebox.Options{ReplicaServers: 3, Tables: []onebox.Table{{Name: "temp", Partitions: 64}}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { box.Close() })
	client, err := pegasus.New(pegasus.Config{MetaServers: box.MetaServers()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { client.Close() })
	table, err := client.Open(b.Context(), "temp")
	if err != nil {
		b.Fatal(err)
	}
	if with == "none" {
		return table
	}
	c, err := New(Options{MetaServers: box.MetaServers()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	if with == "open" {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			tick := time.NewTicker(every)
			defer tick.Stop()
			for ctx.Err() == nil {
				_, _ = c.calls["samples"](ctx, []byte(`{"since":0}`)) // ends with ctx
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
		}()
		b.Cleanup(func() { cancel(); <-ended })
	}
	return table
}

// BenchmarkCost is what callers of a onebox have of its console. The differences are
// below the noise of most machines: BenchmarkSample says why.
func BenchmarkCost(b *testing.B) {
	for _, with := range []string{"none", "closed", "open"} {
		b.Run(with, func(b *testing.B) {
			table := benchOnebox(b, with)
			value := make([]byte, 100)
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					key := fmt.Append(nil, i%1000)
					var err error
					if i%2 == 0 {
						err = table.Set(b.Context(), key, key, value)
					} else {
						_, err = table.Get(b.Context(), key, key)
					}
					if err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkSample is how long a sample takes, servers included, and how much of one core
// that is when there is one every two seconds.
func BenchmarkSample(b *testing.B) {
	for _, partitions := range []int{8, 64, 512} {
		b.Run(fmt.Sprint(partitions), func(b *testing.B) {
			box, err := onebox.Start(onebox.Options{ReplicaServers: 3, Tables: []onebox.Table{{Name: "temp", Partitions: partitions}}})
			if err != nil {
				b.Fatal(err)
			}
			defer box.Close()
			c, err := New(Options{MetaServers: box.MetaServers()})
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			for b.Loop() {
				c.sampler.countersAt = time.Time{} // it is asked for at every fifth sample otherwise
				c.sampler.take()
			}
			b.ReportMetric(100*b.Elapsed().Seconds()/float64(b.N)/every.Seconds(), "%core")
		})
	}
}
