package console

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/pegasus-go/pegasus/admin"
)

const (
	every       = 2 * time.Second         // between two samples
	sampleTime  = 1800 * time.Millisecond // that one may take
	idleAfter   = 10 * time.Second        // nobody has asked: the sampler stops
	maxSamples  = 450                     // 15 minutes
	maxEvents   = 200
	maxOps      = 200   // series of a kind in a sample
	maxCells    = 20000 // partitions in a snapshot
	mapsPerTick = 16    // tables that are asked for their partitions at a time
)

// Sample is what was done in the time since the sample before. Its keys are tables first;
// "" is all of them together, or none.
type Sample struct {
	Seq int64 `json:"seq"`
	At  int64 `json:"at"` // Unix time in milliseconds
	// Ops has operations per second by table and operation. It is nil where it is not
	// known: the first sample has none, nor has one after servers began to count anew.
	Ops map[string]map[string]float64 `json:"ops"`
	// Latency has quantiles by table and operation.
	Latency map[string]map[string]Quantiles `json:"latency"`
	// Errors has answers per second by table and error code. Servers that tell no table
	// tell two codes only, and OtherErrors is one of them.
	Errors map[string]map[string]float64 `json:"errors"`
	// Throttled has requests per second that throttling has delayed or rejected, and that
	// were rejected because of a split, by table and kind.
	Throttled map[string]map[string]float64 `json:"throttled"`
	Error     string                        `json:"error,omitempty"` // why there is no more
}

// OtherErrors are those that are not ERR_BUSY.
const OtherErrors = "other errors"

// Quantiles are times in microseconds that shares of the requests did not exceed, 0 where
// servers do not tell.
type Quantiles struct {
	P50  float64 `json:"p50,omitempty"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999,omitempty"`
}

// worse returns the longer time of each share.
func (q Quantiles) worse(other Quantiles) Quantiles {
	return Quantiles{max(q.P50, other.P50), max(q.P99, other.P99), max(q.P999, other.P999)}
}

// add adds to a value by two keys.
func add(m map[string]map[string]float64, table, key string, value float64) {
	of(m, table)[key] += value
}

// of returns the map of a table, and makes it if there is none.
func of[V any](m map[string]map[string]V, table string) map[string]V {
	if m[table] == nil {
		m[table] = make(map[string]V)
	}
	return m[table]
}

// Snapshot is the cluster as it was seen last.
type Snapshot struct {
	Metas  []Meta       `json:"metas"`
	Nodes  []Node       `json:"nodes"`
	Tables []TableState `json:"tables"`
	// Left out are tables whose partitions are not among them, because there are so many.
	LeftOut int `json:"left_out"`
	// Rates tells where rates come from: "metrics", "counters" or "" if servers do not
	// tell any.
	Rates string `json:"rates"`
}

// Meta is a meta server.
type Meta struct {
	Address string `json:"address"`
	Alive   bool   `json:"alive"`
	Leader  bool   `json:"leader"`
}

// Node is a replica server.
type Node struct {
	Address     string  `json:"address"`
	Alive       bool    `json:"alive"`
	Primaries   int     `json:"primaries"`
	Secondaries int     `json:"secondaries"`
	DiskTotal   float64 `json:"disk_total"` // MiB, 0 if it is not known
	DiskFree    float64 `json:"disk_free"`  // likewise
}

// TableState is a table in a Snapshot.
type TableState struct {
	ID         int     `json:"id"`
	Name       string  `json:"name"`
	Partitions int     `json:"partitions"`
	Replicas   int     `json:"replicas"`
	Bytes      float64 `json:"bytes"`   // -1 if it is not known
	Records    float64 `json:"records"` // likewise
	Cells      []Cell  `json:"cells"`
}

// Cell is a partition in a Snapshot. Servers are indices of Snapshot.Nodes, -1 for none.
type Cell struct {
	Primary   int   `json:"p"`
	Secondary []int `json:"s"`
	Ballot    int64 `json:"b"` // negative: it is being split off
	// Rate is operations per second, -1 if it is not known.
	Rate float64 `json:"r"`
}

// Event is a change that was seen.
type Event struct {
	Seq  int64  `json:"seq"`
	At   int64  `json:"at"`   // Unix time in milliseconds
	Kind string `json:"kind"` // lost, back, moved, unserved, served, created, dropped, split
	Text string `json:"text"`
}

// sampler looks at the cluster while somebody looks at the page.
type sampler struct {
	admin   *admin.Client
	metrics *metricsReader
	pages   *pageReader
	ctx     context.Context
	cancel  context.CancelFunc
	done    sync.WaitGroup

	mu       sync.Mutex
	running  bool
	asked    time.Time     // when somebody has asked last
	fresh    chan struct{} // closed by the next sample
	seq      int64
	samples  []Sample
	events   []Event
	snapshot *Snapshot

	// Of the goroutine that samples.
	next       int // table that is asked for its partitions next
	partitions map[string][]admin.Partition
	counters   map[string]*nodeCounters // by node
	countersAt time.Time
	metas      []Meta
}

func newSampler(c *admin.Client, metas []string) *sampler {
	s := &sampler{admin: c, metrics: newMetricsReader(metas), pages: newPageReader(), fresh: make(chan struct{}), partitions: make(map[string][]admin.Partition)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

func (s *sampler) close() {
	s.mu.Lock() // or one could begin meanwhile
	s.cancel()
	s.mu.Unlock()
	s.done.Wait()
	s.metrics.close()
	s.pages.close()
}

// news is what is new since a sample.
type news struct {
	Seq      int64     `json:"seq"`
	Now      int64     `json:"now"`
	Every    int64     `json:"every"` // ms
	Samples  []Sample  `json:"samples"`
	Events   []Event   `json:"events"`
	Snapshot *Snapshot `json:"snapshot"` // nil if the page has it
}

// since returns what is new, and waits for the first sample if there is none yet.
func (s *sampler) since(ctx context.Context, in struct {
	Since int64 `json:"since"`
},
) (any, error) {
	fresh, first := s.wake()
	if first {
		select {
		case <-fresh:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.ctx.Done():
			return nil, s.ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := news{Seq: s.seq, Now: time.Now().UnixMilli(), Every: every.Milliseconds(), Samples: []Sample{}, Events: []Event{}}
	if in.Since > s.seq {
		in.Since = 0 // of a console that was there before this one
	}
	if in.Since < s.seq {
		n.Snapshot = s.snapshot
	}
	for i := range s.samples {
		if s.samples[i].Seq > in.Since {
			n.Samples = append(n.Samples, s.samples[i])
		}
	}
	for i := range s.events {
		if s.events[i].Seq > in.Since {
			n.Events = append(n.Events, s.events[i])
		}
	}
	return n, nil
}

// wake starts the sampler if nobody has looked for a while. first is set if there is no
// sample yet.
func (s *sampler) wake() (fresh <-chan struct{}, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = time.Now()
	if !s.running && s.ctx.Err() == nil {
		s.running = true
		s.done.Go(s.run)
	}
	return s.fresh, s.seq == 0
}

func (s *sampler) run() {
	s.pages.forget()
	s.metrics.forget() // or the first rates would be those of the time when nobody looked
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		s.take()
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
		s.mu.Lock()
		if time.Since(s.asked) > idleAfter {
			s.running = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
	}
}

// take takes a sample.
func (s *sampler) take() {
	ctx, cancel := context.WithTimeout(s.ctx, sampleTime)
	defer cancel()
	sample := Sample{At: time.Now().UnixMilli()}
	next, err := s.look(ctx, &sample)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	sample.Seq = s.seq
	if err != nil {
		sample.Error = err.Error()
	} else {
		for _, e := range changes(s.snapshot, next) {
			e.Seq, e.At = s.seq, sample.At
			s.events = append(s.events, e)
		}
		s.snapshot = next
	}
	s.samples = append(s.samples, sample)
	s.samples = slices.Delete(s.samples, 0, max(0, len(s.samples)-maxSamples))
	s.events = slices.Delete(s.events, 0, max(0, len(s.events)-maxEvents))
	close(s.fresh)
	s.fresh = make(chan struct{})
}

// look asks the cluster for everything that a snapshot and a sample have.
func (s *sampler) look(ctx context.Context, sample *Sample) (*Snapshot, error) {
	nodes, err := s.admin.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	tables, err := s.admin.Tables(ctx, admin.TableAvailable)
	if err != nil {
		return nil, err
	}
	s.askPartitions(ctx, tables)
	snap := &Snapshot{Metas: []Meta{}, Nodes: []Node{}, Tables: []TableState{}}
	index := make(map[string]int)
	for _, n := range nodes {
		index[n.Address] = len(snap.Nodes)
		snap.Nodes = append(snap.Nodes, Node{Address: n.Address, Alive: n.Alive})
	}
	s.askServers(ctx, nodes)
	snap.Metas = append(snap.Metas, s.metas...)
	s.fillDisks(snap)
	heard := s.ofPrimaries()
	cells := 0
	for _, t := range tables {
		state := TableState{ID: t.ID, Name: t.Name, Partitions: t.Partitions, Replicas: t.Replicas, Bytes: -1, Records: -1, Cells: []Cell{}}
		known := s.partitions[t.Name]
		if cells += len(known); cells > maxCells {
			snap.LeftOut++
			known = nil
		}
		for _, p := range known {
			state.Cells = append(state.Cells, cellOf(snap, index, &p, heard))
		}
		snap.Tables = append(snap.Tables, state)
	}
	if m := s.metrics.read(ctx, nodes); m != nil {
		m.fill(snap, sample)
	} else {
		s.fill(snap, sample, heard)
	}
	return snap, nil
}

// askPartitions asks where the partitions of some tables are: of all by turns, so that
// a cluster with many is not asked for all of them every two seconds.
func (s *sampler) askPartitions(ctx context.Context, tables []admin.Table) {
	there := make(map[string]bool)
	for _, t := range tables {
		there[t.Name] = true
	}
	maps.DeleteFunc(s.partitions, func(name string, _ []admin.Partition) bool { return !there[name] })
	for range min(mapsPerTick, len(tables)) {
		s.next = (s.next + 1) % len(tables)
		name := tables[s.next].Name
		if p, err := s.admin.Partitions(ctx, name); err == nil {
			s.partitions[name] = p
		}
	}
}

// cellOf returns the cell of a partition, and counts it for its servers.
func cellOf(snap *Snapshot, index map[string]int, p *admin.Partition, heard map[gpid]*partCounters) Cell {
	c := Cell{Primary: -1, Secondary: []int{}, Ballot: p.Ballot, Rate: -1}
	if i, ok := index[p.Primary]; ok {
		c.Primary = i
		snap.Nodes[i].Primaries++
	}
	for _, addr := range p.Secondaries {
		if i, ok := index[addr]; ok {
			c.Secondary = append(c.Secondary, i)
			snap.Nodes[i].Secondaries++
		}
	}
	if n := heard[gpid{p.TableID, p.Index}]; n != nil && n.node.rated {
		c.Rate = 0
		for _, r := range n.ops {
			c.Rate += r
		}
	}
	return c
}
