package main

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// work is one operation of a caller. caller is its number, n counts its
// operations.
type work func(ctx context.Context, caller, n int) error

// sample is one round of one variant.
type sample struct {
	Ops         int64
	NsPerOp     float64 // wall time of the round / operations
	CPUNsPerOp  float64 // user and system time of this process / operations
	AllocsPerOp float64
	BytesPerOp  float64
	StackBytes  float64       // in use at the end of the round / callers; 0 with few callers
	P50, P99    time.Duration // of one operation, with one caller in 16 timed
}

// measure lets callers goroutines work for about d.
func measure(ctx context.Context, callers int, d time.Duration, f work) (sample, error) {
	var (
		stop  atomic.Bool
		ops   atomic.Int64
		start = make(chan struct{})
		ready sync.WaitGroup
		wg    sync.WaitGroup
		mu    sync.Mutex
		first error
		times []time.Duration
	)
	ready.Add(callers)
	for c := range callers {
		wg.Go(func() {
			timed := c%16 == 0
			var own []time.Duration
			n := 0
			ready.Done()
			<-start
			for ; !stop.Load(); n++ {
				var began time.Time
				if timed {
					began = time.Now()
				}
				if err := f(ctx, c, n); err != nil {
					mu.Lock()
					first = cmp.Or(first, err)
					mu.Unlock()
					stop.Store(true)
					break
				}
				if timed && len(own) < 1<<16 {
					own = append(own, time.Since(began))
				}
			}
			ops.Add(int64(n))
			mu.Lock()
			times = append(times, own...)
			mu.Unlock()
		})
	}
	ready.Wait()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu := cpuTime()
	began := time.Now()
	close(start)
	time.Sleep(d) // the length of the measurement, not a wait for something
	stack := stackInUse(callers)
	stop.Store(true)
	wg.Wait()
	elapsed := time.Since(began)
	cpu = cpuTime() - cpu
	runtime.ReadMemStats(&after)
	if first != nil {
		return sample{}, first
	}
	n := float64(ops.Load())
	if n == 0 {
		return sample{}, fmt.Errorf("no operation finished in %v", d)
	}
	slices.Sort(times)
	return sample{
		Ops:         ops.Load(),
		NsPerOp:     float64(elapsed.Nanoseconds()) / n,
		CPUNsPerOp:  float64(cpu.Nanoseconds()) / n,
		AllocsPerOp: float64(after.Mallocs-before.Mallocs) / n,
		BytesPerOp:  float64(after.TotalAlloc-before.TotalAlloc) / n,
		StackBytes:  stack,
		P50:         quantile(times, 0.50),
		P99:         quantile(times, 0.99),
	}, nil
}

// stackInUse returns the size of the stacks per caller. The sizes of stacks are
// powers of two, and what does not fit into 4 KiB any more gets slower.
func stackInUse(callers int) float64 {
	if callers < 1000 {
		return 0 // they are not most of the goroutines
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.StackInuse) / float64(callers)
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(q*float64(len(sorted)-1))]
}

// cpuTime returns the user and system time of this process.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// median returns the median and the spread: the distance of the quartiles
// relative to the median.
func median(values []float64) (mid, spread float64) {
	if len(values) == 0 {
		return 0, 0
	}
	v := slices.Sorted(slices.Values(values))
	at := func(q float64) float64 { return v[int(q*float64(len(v)-1)+0.5)] }
	mid = at(0.5)
	if mid != 0 {
		spread = (at(0.75) - at(0.25)) / mid
	}
	return mid, spread
}
