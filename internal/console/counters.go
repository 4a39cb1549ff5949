package console

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus/admin"
)

// gpid names a partition.
type gpid struct{ table, index int }

// nodeCounters are the counters of a replica server by the names that Pegasus has for
// them. Rates are those of its last ten seconds.
type nodeCounters struct {
	at    time.Time
	ops   map[gpid]map[string]float64 // per second, by operation
	bytes map[int]float64             // by table
	rows  map[int]float64
	p99   map[string]float64 // microseconds, by operation
	total float64            // disk, MiB
	free  float64
}

const (
	countersEvery = 10 * time.Second
	countersStale = 30 * time.Second // they are not used any more
)

// wantedCounters are the beginnings of the names of those that are asked for: a server
// has thousands.
var wantedCounters = []string{
	"replica*app.pegasus*get_qps", "replica*app.pegasus*multi_get_qps", "replica*app.pegasus*batch_get_qps", "replica*app.pegasus*scan_qps",
	"replica*app.pegasus*put_qps", "replica*app.pegasus*multi_put_qps", "replica*app.pegasus*remove_qps", "replica*app.pegasus*multi_remove_qps",
	"replica*app.pegasus*incr_qps", "replica*app.pegasus*check_and_set_qps", "replica*app.pegasus*check_and_mutate_qps",
	"replica*app.pegasus*disk.storage.sst(MB)", "replica*app.pegasus*rdb.estimate_num_keys",
	"replica*eon.replica_stub*disk.", "zion*profiler*RPC_RRDB_RRDB_",
}

// askCounters asks the servers that live, side by side and not at every sample.
func (s *sampler) askCounters(ctx context.Context, nodes []admin.Node) {
	if time.Since(s.countersAt) < countersEvery {
		return
	}
	s.countersAt = time.Now()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var mu sync.Mutex
	var all sync.WaitGroup
	next := make(map[string]nodeCounters)
	for _, n := range nodes {
		if !n.Alive {
			continue // others have its partitions now
		}
		if old, ok := s.counters[n.Address]; ok && time.Since(old.at) < countersStale {
			next[n.Address] = old
		}
		all.Go(func() {
			text, err := s.admin.RemoteCommand(ctx, n.Address, "perf-counters-by-prefix", wantedCounters...)
			if err != nil {
				return
			}
			if c, ok := parseCounters(text); ok {
				mu.Lock()
				defer mu.Unlock()
				next[n.Address] = c
			}
		})
	}
	all.Wait()
	s.counters = next
}

// parseCounters parses the answer to perf-counters. Servers that have no such command
// answer with something else.
func parseCounters(text string) (nodeCounters, bool) {
	var answer struct {
		Counters []struct {
			Name  string
			Value float64
		}
	}
	if json.Unmarshal([]byte(text), &answer) != nil || len(answer.Counters) == 0 {
		return nodeCounters{}, false
	}
	c := nodeCounters{
		at: time.Now(), ops: make(map[gpid]map[string]float64), bytes: make(map[int]float64),
		rows: make(map[int]float64), p99: make(map[string]float64),
	}
	for _, e := range answer.Counters {
		switch e.Name {
		case "replica*eon.replica_stub*disk.capacity.total(MB)":
			c.total = e.Value
			continue
		case "replica*eon.replica_stub*disk.available.total(MB)":
			c.free = e.Value
			continue
		}
		if rpc, ok := strings.CutPrefix(e.Name, "zion*profiler*RPC_RRDB_RRDB_"); ok {
			if op, ok := strings.CutSuffix(rpc, ".latency.server"); ok {
				c.p99[strings.ToLower(op)] = e.Value / 1e3
			}
			continue
		}
		c.ofPartition(strings.TrimPrefix(e.Name, "replica*app.pegasus*"), e.Value)
	}
	return c, true
}

// ofPartition takes a counter such as get_qps@1.0.
func (c *nodeCounters) ofPartition(name string, value float64) {
	name, id, ok := strings.Cut(name, "@")
	table, index, ok2 := strings.Cut(id, ".")
	app, err := strconv.Atoi(table)
	partition, err2 := strconv.Atoi(index)
	if !ok || !ok2 || err != nil || err2 != nil {
		return
	}
	switch name {
	case "disk.storage.sst(MB)":
		c.bytes[app] += value * (1 << 20)
		return
	case "rdb.estimate_num_keys":
		c.rows[app] += value
		return
	}
	if op, ok := strings.CutSuffix(name, "_qps"); ok {
		g := gpid{app, partition}
		if c.ops[g] == nil {
			c.ops[g] = make(map[string]float64)
		}
		c.ops[g][op] += value
	}
}

// rates returns the operations per second of partitions, and adds to a snapshot what
// servers tell about their disks.
func (s *sampler) rates(snap *Snapshot) map[gpid]float64 {
	rates := make(map[gpid]float64)
	for i := range snap.Nodes {
		n := &snap.Nodes[i]
		c, ok := s.counters[n.Address]
		if !ok {
			continue
		}
		n.DiskTotal, n.DiskFree = c.total, c.free
		for g, ops := range c.ops {
			for _, r := range ops {
				rates[g] += r
			}
		}
	}
	return rates
}

// fill adds to a snapshot and a sample what the counters say, of servers that tell
// nothing better.
func (s *sampler) fill(snap *Snapshot, sample *Sample) {
	if len(s.counters) == 0 {
		return
	}
	snap.Rates = "counters"
	names := make(map[int]*TableState)
	for i := range snap.Tables {
		names[snap.Tables[i].ID] = &snap.Tables[i]
	}
	sample.Ops, sample.Latency = make(map[string]map[string]float64), make(map[string]Quantiles)
	series := 0
	for _, c := range s.counters {
		for op, p99 := range c.p99 {
			if p99 > sample.Latency[op].P99 { // the worst server
				sample.Latency[op] = Quantiles{P99: p99}
			}
		}
		for id, bytes := range c.bytes {
			if t := names[id]; t != nil {
				t.Bytes = max(t.Bytes, 0) + bytes
				t.Records = max(t.Records, 0) + c.rows[id]
			}
		}
		for g, ops := range c.ops {
			t := names[g.table]
			if t == nil {
				continue
			}
			for op, rate := range ops {
				byOp := sample.Ops[t.Name]
				if _, ok := byOp[op]; !ok && (rate == 0 || series == maxOps) {
					continue
				} else if !ok {
					series++
				}
				if byOp == nil {
					byOp = make(map[string]float64)
					sample.Ops[t.Name] = byOp
				}
				byOp[op] += rate
			}
		}
	}
}
