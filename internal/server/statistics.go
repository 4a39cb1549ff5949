package server

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus/internal/server/catalog"
	"github.com/pegasus-go/pegasus/internal/server/console"
	"github.com/pegasus-go/pegasus/internal/server/stats"
)

// statistics has a Sampler look at what is counted, from time to time.
type statistics struct {
	*stats.Sampler
	stop chan struct{}
	done sync.WaitGroup
}

func (s *Server) startStatistics() {
	sources := stats.Sources{Partitions: func(f func(stats.ID, *stats.Partition, stats.Counts)) {
		s.partitions(func(_ *catalog.View, p *catalog.Partition) { f(statsID(p), p.Stats(), p.Counts()) })
	}}
	for _, n := range s.replicas {
		sources.Nodes = append(sources.Nodes, &n.replica.Stats)
	}
	st := &statistics{Sampler: stats.NewSampler(s.opts.Clock, sources), stop: make(chan struct{})}
	s.statistics = st
	st.done.Go(func() {
		t := time.NewTicker(stats.Interval)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				st.Sample()
			case <-st.stop:
				return
			}
		}
	})
}

func (st *statistics) close() {
	close(st.stop)
	st.done.Wait()
}

func statsID(p *catalog.Partition) stats.ID {
	return stats.ID{AppID: p.GPID.AppID, Index: p.GPID.PartitionIndex}
}

// partitions calls f with every partition of the available tables.
func (s *Server) partitions(f func(*catalog.View, *catalog.Partition)) {
	for _, t := range s.catalog.Tables() {
		if v := t.View(); v.Available() {
			for i := range int32(v.Count()) {
				f(v, v.Partition(i))
			}
		}
	}
}

// The types of counters, as Pegasus calls them.
const (
	number   = "NUMBER"
	volatile = "VOLATILE_NUMBER" // of the last interval
	rate     = "RATE"            // per second
	quantile = "NUMBER_PERCENTILES"
)

// counters returns what any node counts.
func (s *Server) counters(role string) []console.Counter {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	const mib = 1 << 20
	return []console.Counter{
		{Name: role + "*server*connection.count", Type: number, Value: float64(s.hub.Usage().Connections)},
		{Name: role + "*server*scan.context.count", Type: number, Value: float64(s.scans.Count())},
		{Name: role + "*server*table.count", Type: number, Value: float64(s.catalog.Count())},
		{Name: role + "*server*memused.res(MB)", Type: number, Value: float64((m.Sys - m.HeapReleased) / mib)},
	}
}

// replicaCounters returns what a replica server counts: of the partitions of which it
// is the primary, and of itself.
func (s *Server) replicaCounters(node int) []console.Counter {
	all := s.counters("replica")
	add := func(name, kind string, value float64) {
		all = append(all, console.Counter{Name: name, Type: kind, Value: value})
	}
	held := s.replicas[node].replica
	const mib = 1 << 20
	if total, free, err := held.DB.Capacity(); err == nil && total > 0 {
		ratio := float64(free * 100 / total)
		add("replica*eon.replica_stub*disk.capacity.total(MB)", number, float64(total/mib))
		add("replica*eon.replica_stub*disk.available.total(MB)", number, float64(free/mib))
		for _, which := range []string{"total", "min", "max"} { // there is one disk
			add("replica*eon.replica_stub*disk.available."+which+".ratio", number, ratio)
		}
	}
	memory := held.DB.Memory()
	add("replica*app.pegasus*rdb.block_cache.memory_usage", number, float64(memory.BlockCache))
	recent := s.statistics.Recent()
	replicas := 0
	var sum stats.Counts
	s.partitions(func(v *catalog.View, p *catalog.Partition) {
		primary, secondary := v.Serves(p.GPID.PartitionIndex, node)
		if primary || secondary {
			replicas++
		}
		if primary {
			c := recent.Partition(statsID(p))
			sum.Add(&c)
			partitionCounters(add, p, &c, recent)
		}
	})
	add("replica*eon.replica_stub*replica(Count)", number, float64(replicas))
	add("replica*eon.replica_stub*opening.replica(Count)", number, 0)
	add("replica*eon.replica_stub*closing.replica(Count)", number, 0)
	for _, e := range []struct {
		name    string
		failure stats.Failure
	}{{"read.fail", stats.ReadFailed}, {"read.busy", stats.ReadBusy}, {"write.fail", stats.WriteFailed}, {"write.busy", stats.WriteBusy}} {
		add("replica*eon.replica_stub*recent."+e.name+".count", volatile, float64(recent.Failures(node, e.failure)))
	}
	stats.Ops(func(o stats.Op) {
		task, ok := profiled[o]
		if !ok {
			return
		}
		name := "zion*profiler*" + task
		add(name+".qps", rate, recent.PerSecond(sum[stats.Requests(o)]))
		var p99, p999 time.Duration
		if h := recent.Times(node, o); h != nil {
			p99, p999 = h.Quantile(0.99), h.Quantile(0.999)
		}
		add(name+".latency.server", quantile, float64(p99))
		add(name+".latency.server.p999", quantile, float64(p999))
	})
	return all
}

// profiled are the operations whose times tools ask for.
var profiled = map[stats.Op]string{
	stats.Get: "RPC_RRDB_RRDB_GET", stats.MultiGet: "RPC_RRDB_RRDB_MULTI_GET", stats.BatchGet: "RPC_RRDB_RRDB_BATCH_GET",
	stats.Scan: "RPC_RRDB_RRDB_SCAN", stats.Put: "RPC_RRDB_RRDB_PUT", stats.MultiPut: "RPC_RRDB_RRDB_MULTI_PUT",
	stats.Remove: "RPC_RRDB_RRDB_REMOVE", stats.MultiRemove: "RPC_RRDB_RRDB_MULTI_REMOVE", stats.Incr: "RPC_RRDB_RRDB_INCR",
	stats.CheckAndSet: "RPC_RRDB_RRDB_CHECK_AND_SET", stats.CheckAndMutate: "RPC_RRDB_RRDB_CHECK_AND_MUTATE",
}

// partitionCounters adds the counters of a partition, by the names that tools know.
func partitionCounters(add func(name, kind string, value float64), p *catalog.Partition, c *stats.Counts, recent stats.Recent) {
	gpid := fmt.Sprintf("@%d.%d", p.GPID.AppID, p.GPID.PartitionIndex)
	const app, replica = "replica*app.pegasus*", "replica*eon.replica*"
	stats.Ops(func(o stats.Op) {
		if o == stats.TTL || o == stats.SortKeyCount {
			return // a Pegasus server counts their capacity units only
		}
		add(app+o.String()+"_qps"+gpid, rate, recent.PerSecond(c[stats.Requests(o)]))
		switch o {
		case stats.Remove, stats.MultiRemove, stats.Incr: // have no such counter
		default:
			add(app+o.String()+"_bytes"+gpid, rate, recent.PerSecond(c[stats.Bytes(o)]))
		}
	})
	for _, e := range []struct {
		name    string
		counter stats.Counter
	}{
		{app + "recent.read.cu", stats.ReadUnits},
		{app + "recent.write.cu", stats.WriteUnits},
		{app + "recent.expire.count", stats.Expired},
		{app + "recent.filter.count", stats.Filtered},
		{app + "recent.abnormal.count", stats.Abnormal},
		{replica + "recent.read.throttling.delay.count", stats.ReadDelayed},
		{replica + "recent.read.throttling.reject.count", stats.ReadRejected},
		{replica + "recent.write.throttling.delay.count", stats.WriteDelayed},
		{replica + "recent.write.throttling.reject.count", stats.WriteRejected},
		{replica + "recent.backup.request.throttling.reject.count", stats.BackupRejected},
		{replica + "recent.read.splitting.reject.count", stats.ReadSplitRejected},
		{replica + "recent.write.splitting.reject.count", stats.WriteSplitRejected},
	} {
		add(e.name+gpid, volatile, float64(c[e.counter]))
	}
	for _, t := range recent.PartitionTimes(statsID(p)) {
		if _, ok := profiled[t.Op]; !ok {
			continue
		}
		name := app + t.Op.String() + "_latency" + gpid
		add(name, quantile, float64(t.P99))
		add(name+".p999", quantile, float64(t.P999))
	}
	bytes, records, err := p.Store.Usage()
	if err != nil {
		return // the table was dropped meanwhile
	}
	add(app+"disk.storage.sst(MB)"+gpid, number, float64(bytes)/(1<<20)) // a Pegasus server cuts it off
	add(app+"rdb.estimate_num_keys"+gpid, number, float64(records))
}
