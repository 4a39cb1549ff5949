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

// nodeCounters are what a replica server counts. Rates are those of a while, ten seconds
// mostly.
type nodeCounters struct {
	at         time.Time
	rated      bool // rates are known
	partitions map[gpid]*partCounters
	latency    map[string]Quantiles // of all partitions, by operation
	errors     map[string]float64   // per second, by code
	total      float64              // disk, MiB
	free       float64
}

// partCounters are those of a partition.
type partCounters struct {
	node        *nodeCounters      // that they are of
	ops         map[string]float64 // per second
	throttled   map[string]float64 // likewise, by kind
	latency     map[string]Quantiles
	bytes, rows float64
}

func newNodeCounters() *nodeCounters {
	return &nodeCounters{
		at: time.Now(), partitions: make(map[gpid]*partCounters),
		latency: make(map[string]Quantiles), errors: make(map[string]float64),
	}
}

func (c *nodeCounters) partition(g gpid) *partCounters {
	if c.partitions[g] == nil {
		c.partitions[g] = &partCounters{node: c, ops: make(map[string]float64), throttled: make(map[string]float64), latency: make(map[string]Quantiles)}
	}
	return c.partitions[g]
}

const (
	countersEvery = 10 * time.Second
	countersStale = 30 * time.Second // they are not used any more
)

// countedOps are the operations that a Pegasus server counts.
var countedOps = []string{
	"get", "multi_get", "batch_get", "scan",
	"put", "multi_put", "remove", "multi_remove", "incr", "check_and_set", "check_and_mutate",
}

const (
	appCounter     = "replica*app.pegasus*"
	replicaCounter = "replica*eon.replica*"
	stubCounter    = "replica*eon.replica_stub*"
	taskCounter    = "zion*profiler*RPC_RRDB_RRDB_"
	taskLatency    = ".latency.server"
)

// partitionCounters say what counters of a partition mean, by their names.
var partitionCounters = func() map[string]func(p *partCounters, v float64) {
	throttled := func(kind string) func(*partCounters, float64) {
		return func(p *partCounters, v float64) { p.throttled[kind] += v / countersEvery.Seconds() }
	}
	m := map[string]func(*partCounters, float64){
		appCounter + "disk.storage.sst(MB)":                              func(p *partCounters, v float64) { p.bytes += v * (1 << 20) },
		appCounter + "rdb.memtable.memory_usage":                         func(p *partCounters, v float64) { p.bytes += v },
		appCounter + "rdb.estimate_num_keys":                             func(p *partCounters, v float64) { p.rows = v },
		replicaCounter + "recent.read.throttling.delay.count":            throttled(throttledKind("read", false)),
		replicaCounter + "recent.read.throttling.reject.count":           throttled(throttledKind("read", true)),
		replicaCounter + "recent.write.throttling.delay.count":           throttled(throttledKind("write", false)),
		replicaCounter + "recent.write.throttling.reject.count":          throttled(throttledKind("write", true)),
		replicaCounter + "recent.backup.request.throttling.reject.count": throttled(throttledKind("backup", true)),
		replicaCounter + "recent.read.splitting.reject.count":            throttled(splitKind("read")),
		replicaCounter + "recent.write.splitting.reject.count":           throttled(splitKind("write")),
	}
	for _, op := range countedOps {
		m[appCounter+op+"_qps"] = func(p *partCounters, v float64) { p.ops[op] += v }
		m[appCounter+op+"_latency"] = func(p *partCounters, v float64) { p.latency[op] = p.latency[op].worse(Quantiles{P99: v / 1e3}) }
		m[appCounter+op+"_latency.p999"] = func(p *partCounters, v float64) { p.latency[op] = p.latency[op].worse(Quantiles{P999: v / 1e3}) }
	}
	return m
}()

// nodeCounterNames say the same of counters of a server.
var nodeCounterNames = func() map[string]func(c *nodeCounters, v float64) {
	errors := func(code string) func(*nodeCounters, float64) {
		return func(c *nodeCounters, v float64) { c.errors[code] += v / countersEvery.Seconds() }
	}
	m := map[string]func(*nodeCounters, float64){
		stubCounter + "disk.capacity.total(MB)":  func(c *nodeCounters, v float64) { c.total = v },
		stubCounter + "disk.available.total(MB)": func(c *nodeCounters, v float64) { c.free = v },
		stubCounter + "recent.read.busy.count":   errors(busy),
		stubCounter + "recent.write.busy.count":  errors(busy),
		stubCounter + "recent.read.fail.count":   errors(OtherErrors),
		stubCounter + "recent.write.fail.count":  errors(OtherErrors),
	}
	for _, op := range countedOps {
		task := taskCounter + strings.ToUpper(op) + taskLatency
		m[task] = func(c *nodeCounters, v float64) { c.latency[op] = c.latency[op].worse(Quantiles{P99: v / 1e3}) }
		m[task+".p999"] = func(c *nodeCounters, v float64) { c.latency[op] = c.latency[op].worse(Quantiles{P999: v / 1e3}) }
	}
	return m
}()

const busy = "ERR_BUSY"

// wantedCounters are the beginnings of the names of those that are asked for: a server
// has thousands.
var wantedCounters = func() (names []string) {
	for name := range partitionCounters {
		if !strings.HasSuffix(name, ".p999") {
			names = append(names, name+"@")
		}
	}
	for name := range nodeCounterNames {
		if !strings.HasSuffix(name, ".p999") {
			names = append(names, name)
		}
	}
	return names
}()

// askServers asks servers about themselves, side by side and not at every sample.
func (s *sampler) askServers(ctx context.Context, nodes []admin.Node) {
	if time.Since(s.countersAt) < countersEvery {
		return
	}
	s.countersAt = time.Now()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() { s.metas = s.askMetas(ctx) })
	all.Go(func() { s.counters = s.askCounters(ctx, nodes) })
	all.Wait()
}

// askMetas asks which meta server leads, and all of them whether they live.
func (s *sampler) askMetas(ctx context.Context) []Meta {
	info, err := s.admin.ClusterInfo(ctx)
	if err != nil {
		return s.metas
	}
	addrs := strings.FieldsFunc(info["meta_servers"], func(r rune) bool { return r == ',' || r == ' ' })
	if len(addrs) == 0 {
		addrs = s.metrics.metas
	}
	metas := make([]Meta, len(addrs))
	var all sync.WaitGroup
	for i, addr := range addrs {
		all.Go(func() {
			_, err := s.admin.RemoteCommand(ctx, addr, "server-info")
			metas[i] = Meta{Address: addr, Alive: err == nil, Leader: addr == info["primary_meta_server"]}
		})
	}
	all.Wait()
	return metas
}

// askCounters asks the servers that live: by the remote command of Pegasus up to 2.5, and
// for the page that later ones have.
func (s *sampler) askCounters(ctx context.Context, nodes []admin.Node) map[string]*nodeCounters {
	var mu sync.Mutex
	var all sync.WaitGroup
	next := make(map[string]*nodeCounters)
	for _, n := range nodes {
		if !n.Alive {
			continue // others have its partitions now
		}
		if old, ok := s.counters[n.Address]; ok && time.Since(old.at) < countersStale {
			next[n.Address] = old
		}
	}
	for _, n := range nodes {
		if !n.Alive {
			continue
		}
		all.Go(func() {
			if c := s.askNode(ctx, n.Address); c != nil {
				mu.Lock()
				defer mu.Unlock()
				next[n.Address] = c
			}
		})
	}
	all.Wait()
	return next
}

func (s *sampler) askNode(ctx context.Context, addr string) *nodeCounters {
	text, err := s.admin.RemoteCommand(ctx, addr, "perf-counters-by-prefix", wantedCounters...)
	if err != nil {
		return nil
	}
	if c, ok := parseCounters(text); ok {
		return c
	}
	return s.pages.read(ctx, addr)
}

// parseCounters parses the answer to perf-counters. Servers that have no such command
// answer with something else.
func parseCounters(text string) (*nodeCounters, bool) {
	var answer struct {
		Counters []struct {
			Name  string
			Value float64
		}
	}
	if json.Unmarshal([]byte(text), &answer) != nil || len(answer.Counters) == 0 {
		return nil, false
	}
	c := newNodeCounters()
	c.rated = true
	for _, e := range answer.Counters {
		name, id, ofPartition := strings.Cut(e.Name, "@")
		if !ofPartition {
			if f := nodeCounterNames[name]; f != nil {
				f(c, e.Value)
			}
			continue
		}
		table, rest, _ := strings.Cut(id, ".")
		index, percentile, other := strings.Cut(rest, ".")
		if other {
			name += "." + percentile
		}
		g, ok := parseGPID(table, index)
		if f := partitionCounters[name]; f != nil && ok {
			f(c.partition(g), e.Value)
		}
	}
	return c, true
}

func parseGPID(table, index string) (gpid, bool) {
	app, err := strconv.Atoi(table)
	partition, err2 := strconv.Atoi(index)
	return gpid{app, partition}, err == nil && err2 == nil
}

// fillDisks adds to a snapshot what servers tell about their disks.
func (s *sampler) fillDisks(snap *Snapshot) {
	for i := range snap.Nodes {
		if c := s.counters[snap.Nodes[i].Address]; c != nil {
			snap.Nodes[i].DiskTotal, snap.Nodes[i].DiskFree = c.total, c.free
		}
	}
}

// ofPrimaries returns the counters of partitions. Only the primary is heard: secondaries
// count writes, and have the records, too.
func (s *sampler) ofPrimaries() map[gpid]*partCounters {
	heard := make(map[gpid]*partCounters)
	for _, partitions := range s.partitions {
		for i := range partitions {
			p := &partitions[i]
			g := gpid{p.TableID, p.Index}
			if c := s.counters[p.Primary]; c != nil && c.partitions[g] != nil {
				heard[g] = c.partitions[g]
			}
		}
	}
	return heard
}

// fill adds to a snapshot and a sample what the counters say, of servers that tell
// nothing better. Times of a table are those of the slowest of its partitions.
func (s *sampler) fill(snap *Snapshot, sample *Sample, heard map[gpid]*partCounters) {
	if len(s.counters) == 0 {
		return
	}
	snap.Rates = "counters"
	tables := make(map[int]*TableState)
	for i := range snap.Tables {
		tables[snap.Tables[i].ID] = &snap.Tables[i]
	}
	ops, throttled := make(map[tableKey]float64), make(map[tableKey]float64)
	latency := make(map[string]map[string]Quantiles)
	for g, c := range heard {
		t := tables[g.table]
		if t == nil {
			continue
		}
		t.Bytes, t.Records = max(t.Bytes, 0)+c.bytes, max(t.Records, 0)+c.rows
		for op, rate := range c.ops {
			if rate > 0 {
				ops[tableKey{t.Name, op}] += rate
			}
		}
		for kind, rate := range c.throttled {
			if rate > 0 {
				throttled[tableKey{t.Name, kind}] += rate
			}
		}
		for op, q := range c.latency {
			of(latency, t.Name)[op] = latency[t.Name][op].worse(q)
			of(latency, "")[op] = latency[""][op].worse(q)
		}
	}
	for _, c := range s.counters {
		if c.rated {
			sample.Ops, sample.Throttled = make(map[string]map[string]float64), make(map[string]map[string]float64)
			sample.Errors = make(map[string]map[string]float64)
			break
		}
	}
	sample.Latency = make(map[string]map[string]Quantiles)
	for _, key := range busiest(ops) {
		add(sample.Ops, key.table, key.key, ops[key])
		if q, ok := latency[key.table][key.key]; ok {
			of(sample.Latency, key.table)[key.key] = q
		}
	}
	for _, key := range busiest(throttled) {
		add(sample.Throttled, key.table, key.key, throttled[key])
	}
	all := make(map[string]Quantiles) // the slowest server's
	for _, c := range s.counters {
		for op, q := range c.latency {
			all[op] = all[op].worse(q)
		}
		for code, rate := range c.errors {
			if rate > 0 {
				add(sample.Errors, "", code, rate)
			}
		}
	}
	if len(all) == 0 {
		all = latency[""]
	}
	if len(all) > 0 {
		sample.Latency[""] = all
	}
}
