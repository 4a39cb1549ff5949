package console

import (
	"fmt"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/onebox"
)

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
