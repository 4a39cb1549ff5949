//go:build unix

package console

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus"
	"github.com/pegasus-go/pegasus/onebox"
)

const (
	costRound  = 500 * time.Millisecond
	costEvery  = 100 * time.Millisecond // between two samples of a round
	costFresh  = int(countersEvery / every)
	costCaller = 64
)

// BenchmarkCost is what callers of a onebox that use all processors lose while somebody looks at
// its console, in percent. Rounds with and without the console take turns, so that what else the
// machine does is in both. Each pair gives the processor time that an operation has taken more
// with it, by that of the whole process, which is all there is of client, servers and
// console. Times the operations by the samples of the round it is what a sample costs, and of
// what all processors have in the two seconds for which a sample is enough, the share that
// the callers lack. The rounds have more samples than that, so that there is something to see.
//
// What is reported is the median of the pairs, and an interval in which that is with 95 %.
//
// Each iteration is a pair of rounds: run it with -benchtime 100x.
func BenchmarkCost(b *testing.B) {
	for _, partitions := range []int{8, 64, 512} {
		b.Run(fmt.Sprint(partitions), func(b *testing.B) { benchCost(b, partitions) })
	}
}

func benchCost(b *testing.B, partitions int) {
	box, err := onebox.Start(onebox.Options{ReplicaServers: 3, Tables: []onebox.Table{{Name: "temp", Partitions: partitions}}})
	if err != nil {
		b.Fatal(err)
	}
	defer box.Close()
	client, err := pegasus.New(pegasus.Config{MetaServers: box.MetaServers()})
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	table, err := client.Open(b.Context(), "temp")
	if err != nil {
		b.Fatal(err)
	}
	c, err := New(Options{MetaServers: box.MetaServers()})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	c.sampler.running = true // samples are taken here

	var done atomic.Int64
	ctx, cancel := context.WithCancel(b.Context())
	var callers sync.WaitGroup
	defer callers.Wait()
	defer cancel()
	value := make([]byte, 100)
	for range costCaller {
		callers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				key := fmt.Append(nil, i%1000)
				var err error
				if i%2 == 0 {
					err = table.Set(ctx, key, key, value)
				} else {
					_, err = table.Get(ctx, key, key)
				}
				if err != nil && ctx.Err() == nil {
					b.Error(err)
					return
				}
				done.Add(1)
			}
		})
	}
	// round returns the processor time of an operation, how many there were, and samples.
	round := func(open bool) (perOperation, operations, samples float64) {
		began, from, before := time.Now(), done.Load(), cpuTime(b)
		for i := 0; time.Since(began) < costRound; i++ {
			if open {
				if i%costFresh == 0 {
					c.sampler.countersAt = time.Time{} // as it would be by then
				}
				c.sampler.take()
				news, err := c.sampler.since(ctx, struct {
					Since int64 `json:"since"`
				}{c.sampler.seq - 1})
				if err == nil {
					_, err = json.Marshal(news)
				}
				if err != nil {
					b.Fatal(err)
				}
				samples++
			}
			time.Sleep(time.Until(began.Add(time.Duration(i+1) * costEvery)))
		}
		operations = float64(done.Load() - from)
		return float64(cpuTime(b)-before) / operations, operations, samples
	}
	round(true) // opens everything
	all := float64(every) * float64(min(runtime.GOMAXPROCS(0), runtime.NumCPU()))
	var shares []float64
	for i := 0; b.Loop(); i++ {
		var with, without, n, samples float64
		if i%2 == 0 {
			with, n, samples = round(true)
			without, _, _ = round(false)
		} else {
			without, _, _ = round(false)
			with, n, samples = round(true)
		}
		shares = append(shares, 100*(with-without)*n/samples/all)
	}
	low, median, high := medianOf(shares)
	b.ReportMetric(median, "%cost")
	b.ReportMetric(low, "%from")
	b.ReportMetric(high, "%to")
	b.ReportMetric(0, "ns/op") // a pair takes as long as it is meant to
}

// medianOf returns a median, and the values between which that of all that could have been
// measured is with 95 %.
func medianOf(values []float64) (low, median, high float64) {
	slices.Sort(values)
	n := len(values)
	// By how many places the middle of n coins that fall either way may be off.
	off := int(math.Ceil(1.96 * math.Sqrt(float64(n)) / 2))
	return values[max(0, n/2-off)], values[n/2], values[min(n-1, n/2+off)]
}

// cpuTime is the processor time of this process.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
