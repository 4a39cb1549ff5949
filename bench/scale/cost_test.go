package scale

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	pegasus "github.com/pegasus-go/pegasus"
)

// TestCost prints what a table of this size costs the client, in real time.
func TestCost(t *testing.T) {
	const rounds = 9
	c := newCluster(servers, partitions)
	n := &network{cluster: c}
	ctx := t.Context()
	var opens, refreshes []cost
	for range rounds {
		client := newClient(t, n)
		opens = append(opens, measure(func() {
			if _, err := client.OpenTable(ctx, tableName); err != nil {
				t.Error(err)
			}
		}))
		client.Close()
	}

	before := inUse()
	client := newClient(t, n)
	defer client.Close()
	table, err := client.OpenTable(ctx, tableName)
	if err != nil {
		t.Fatal(err)
	}
	opened := inUse()
	keys := keysOf(c)
	get := func(partition int) {
		if v, err := table.Get(ctx, keys[partition], []byte("s")); err != nil || len(v) != len(value) {
			t.Errorf("Get: %d bytes, %v", len(v), err)
		}
	}
	for i := range servers {
		get(i) // each has the partition of its number
	}
	connected := inUse()
	for i := range rounds {
		// The old server refuses, and the client asks for the new one.
		c.move(i, c.replicas[i+rounds])
		c.configuration()
		queries := c.queries.Load()
		refreshes = append(refreshes, measure(func() { get(i) }))
		if c.queries.Load() != queries+1 {
			t.Errorf("%d queries for a partition that has moved", c.queries.Load()-queries)
		}
	}

	fmt.Printf("costs, in real time, medians of %d; the answer to a query has %d KiB\n", rounds, len(c.configuration())>>10)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\ttime\tCPU time\tallocated\tbytes/partition\t")
	row := func(what string, costs []cost) {
		m := medians(costs)
		fmt.Fprintf(w, "%s\t%v\t%v\t%d KiB\t%d\t\n", what, m.time.Round(10*time.Microsecond), m.cpu.Round(10*time.Microsecond), m.allocated>>10, m.allocated/partitions)
	}
	row("OpenTable", opens)
	row("a Get that needs a refresh", refreshes)
	w.Flush()
	fmt.Printf("  memory of the client: %d bytes per partition after OpenTable; with a connection to each server %d KiB more per server\n",
		(opened.bytes-before.bytes)/partitions, (connected.bytes-opened.bytes)/servers>>10)
	fmt.Printf("  goroutines of the client: %d after OpenTable, %d with a connection to each server\n\n",
		opened.goroutines-before.goroutines, connected.goroutines-before.goroutines)
}

func newClient(t *testing.T, n *network) pegasus.Client {
	t.Helper()
	client, err := pegasus.New(pegasus.Config{MetaServers: []string{n.cluster.meta.addr}, Dial: n.dial})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// keysOf returns a hash key for each of the partitions with a low number.
func keysOf(c *cluster) map[int][]byte {
	keys := make(map[int][]byte)
	rng := rand.New(rand.NewPCG(1, 2))
	key := make([]byte, 8)
	for len(keys) < servers {
		binary.BigEndian.PutUint64(key, rng.Uint64())
		if p := c.locate(key); p < servers {
			keys[p] = bytes.Clone(key)
		}
	}
	return keys
}

// usage is what is in use after garbage collection.
type usage struct {
	bytes      int64 // heap and stacks
	goroutines int
}

func inUse() usage {
	runtime.GC()
	runtime.GC() // what the first one has put into the second generation of pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{int64(m.HeapAlloc + m.StackInuse), runtime.NumGoroutine()}
}

type cost struct {
	time, cpu time.Duration
	allocated int64
}

func measure(f func()) cost {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, began := cpuTime(), time.Now()
	f()
	c := cost{time: time.Since(began), cpu: cpuTime() - cpu}
	runtime.ReadMemStats(&after)
	c.allocated = int64(after.TotalAlloc - before.TotalAlloc)
	return c
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func medians(costs []cost) cost {
	return cost{median(costs, func(c cost) time.Duration { return c.time }), median(costs, func(c cost) time.Duration { return c.cpu }), median(costs, func(c cost) int64 { return c.allocated })}
}

func median[T time.Duration | int64](costs []cost, of func(cost) T) T {
	v := make([]T, len(costs))
	for i, c := range costs {
		v[i] = of(c)
	}
	slices.Sort(v)
	return v[len(v)/2]
}
