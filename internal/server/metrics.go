package server

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pegasus-go/pegasus/internal/histogram"
	"github.com/pegasus-go/pegasus/internal/server/catalog"
	"github.com/pegasus-go/pegasus/internal/server/stats"
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// metrics is the page for Prometheus, in its text format. All nodes have the same one,
// that of the whole cluster: a partition that moves takes what was counted with it.
func (s *Server) metrics(db *storage.DB) func(url.Values) (int, string) {
	return func(url.Values) (int, string) {
		var m metricsPage
		tables := s.tableTotals()
		tableMetrics(&m, tables)
		s.timeMetrics(&m, tables)
		s.errorMetrics(&m, tables)
		s.clusterMetrics(&m, db)
		return http.StatusOK, m.String()
	}
}

// metricsPage is text in the format of Prometheus.
type metricsPage struct{ strings.Builder }

// family begins the samples of a metric.
func (m *metricsPage) family(name, kind, help string) {
	fmt.Fprintf(m, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// sample adds a sample; labels are names and values by turns.
func (m *metricsPage) sample(name string, value float64, labels ...string) {
	m.WriteString(name)
	for i := 0; i < len(labels); i += 2 {
		m.WriteByte("{,"[min(i, 1)])
		fmt.Fprintf(m, `%s="%s"`, labels[i], labelEscapes.Replace(labels[i+1]))
	}
	if len(labels) > 0 {
		m.WriteByte('}')
	}
	m.WriteByte(' ')
	m.WriteString(strconv.FormatFloat(value, 'g', -1, 64))
	m.WriteByte('\n')
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

// tableTotals are sums over the partitions of a table.
type tableTotals struct {
	name                    string
	table                   *stats.Table
	counts                  stats.Counts
	bytes                   uint64
	records                 int64
	partitions, withPrimary int
}

func (s *Server) tableTotals() (all []*tableTotals) {
	s.partitions(func(v *catalog.View, p *catalog.Partition) {
		if p.GPID.PartitionIndex == 0 {
			all = append(all, &tableTotals{name: v.Info.AppName, table: p.Table.Stats()})
		}
		t := all[len(all)-1]
		c := p.Counts()
		t.counts.Add(&c)
		t.partitions++
		if v.Partitions[p.GPID.PartitionIndex].Primary != catalog.None {
			t.withPrimary++
		}
		if bytes, records, err := p.Store.Usage(); err == nil {
			t.bytes += bytes
			t.records += records
		}
	})
	return all
}

func tableMetrics(m *metricsPage, tables []*tableTotals) {
	byOp := func(name, help string, of func(stats.Op) stats.Counter) {
		m.family(name, "counter", help)
		for _, t := range tables {
			stats.Ops(func(o stats.Op) { m.sample(name, float64(t.counts[of(o)]), "table", t.name, "op", o.String()) })
		}
	}
	byOp("pegasus_server_requests_total", "Requests carried out, by operation.", stats.Requests)
	byOp("pegasus_server_bytes_total", "Bytes of keys and values read or written, by operation.", stats.Bytes)
	type series struct {
		counter stats.Counter
		labels  []string
	}
	for _, f := range []struct {
		name, help string
		series     []series
	}{
		{"pegasus_server_capacity_units_total", "Capacity units of 4096 bytes.", []series{
			{stats.ReadUnits, []string{"kind", "read"}}, {stats.WriteUnits, []string{"kind", "write"}},
		}},
		{"pegasus_server_throttled_total", "Requests that throttling has delayed or rejected.", []series{
			{stats.ReadDelayed, []string{"kind", "read", "action", "delay"}},
			{stats.ReadRejected, []string{"kind", "read", "action", "reject"}},
			{stats.WriteDelayed, []string{"kind", "write", "action", "delay"}},
			{stats.WriteRejected, []string{"kind", "write", "action", "reject"}},
			{stats.BackupRejected, []string{"kind", "backup", "action", "reject"}},
		}},
		{"pegasus_server_split_rejected_total", "Requests rejected because of a split.", []series{
			{stats.ReadSplitRejected, []string{"kind", "read"}}, {stats.WriteSplitRejected, []string{"kind", "write"}},
		}},
		{"pegasus_server_records_passed_over_total", "Records that reads have met and not returned.", []series{
			{stats.Expired, []string{"reason", "expired"}}, {stats.Filtered, []string{"reason", "filtered"}},
		}},
		{"pegasus_server_abnormal_requests_total", "Requests that took long or read much.", []series{{stats.Abnormal, nil}}},
	} {
		m.family(f.name, "counter", f.help)
		for _, t := range tables {
			for _, e := range f.series {
				m.sample(f.name, float64(t.counts[e.counter]), append([]string{"table", t.name}, e.labels...)...)
			}
		}
	}
	gauge := func(name, help string, value func(*tableTotals) float64) {
		m.family(name, "gauge", help)
		for _, t := range tables {
			m.sample(name, value(t), "table", t.name)
		}
	}
	gauge("pegasus_server_table_bytes", "About how many bytes the tables of the store take.", func(t *tableTotals) float64 { return float64(t.bytes) })
	gauge("pegasus_server_table_records", "About how many records there are.", func(t *tableTotals) float64 { return float64(t.records) })
	gauge("pegasus_server_partitions", "Partitions.", func(t *tableTotals) float64 { return float64(t.partitions) })
	gauge("pegasus_server_partitions_without_primary", "Partitions that nobody serves.", func(t *tableTotals) float64 { return float64(t.partitions - t.withPrimary) })
}

// latencyBounds are the ends of the buckets of request times.
var latencyBounds = []time.Duration{
	20 * time.Microsecond, 50 * time.Microsecond, 100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second,
}

// timeMetrics are how long requests take, by server and by table.
func (s *Server) timeMetrics(m *metricsPage, tables []*tableTotals) {
	histogram := func(name string, h *histogram.Snapshot, labels ...string) {
		for _, b := range latencyBounds {
			le := strconv.FormatFloat(b.Seconds(), 'g', -1, 64)
			m.sample(name+"_bucket", float64(h.AtMost(b)), append(labels[:4:4], "le", le)...)
		}
		m.sample(name+"_bucket", float64(h.Count), append(labels[:4:4], "le", "+Inf")...)
		m.sample(name+"_sum", h.Sum.Seconds(), labels...)
		m.sample(name+"_count", float64(h.Count), labels...)
	}
	const byServer, byTable = "pegasus_server_request_duration_seconds", "pegasus_server_table_request_duration_seconds"
	m.family(byServer, "histogram", "Time from the arrival of a request until its answer is ready, of one of those that arrive together.")
	for i, n := range s.replicas {
		stats.Ops(func(o stats.Op) {
			if h := n.replica.Stats.Times(o); h != nil {
				histogram(byServer, h, "server", strconv.Itoa(i), "op", o.String())
			}
		})
	}
	m.family(byTable, "histogram", "The same by table.")
	for _, t := range tables {
		stats.Ops(func(o stats.Op) {
			if h := t.table.Times(o); h != nil {
				histogram(byTable, h, "table", t.name, "op", o.String())
			}
		})
	}
}

// usualErrors are there as 0 before they have occurred, so that rates have the first one.
var usualErrors = []wire.ErrorCode{
	wire.ErrACLDeny, wire.ErrBusy, wire.ErrDiskInsufficient, wire.ErrInvalidData, wire.ErrInvalidState,
	wire.ErrObjectNotFound, wire.ErrOperationDisabled, wire.ErrParentMisused, wire.ErrSplitting,
}

// errorMetrics are the errors that clients were answered. Those of requests for a table that
// does not exist have none.
func (s *Server) errorMetrics(m *metricsPage, tables []*tableTotals) {
	const name = "pegasus_server_errors_total"
	m.family(name, "counter", "Requests that were answered with an error, by its code.")
	samples := func(table string, usual []wire.ErrorCode, counted ...*stats.Errors) {
		sums := make(map[string]int64)
		for _, code := range usual {
			sums[string(code)] = 0
		}
		for _, e := range counted {
			e.AddTo(sums)
		}
		for _, code := range slices.Sorted(maps.Keys(sums)) {
			m.sample(name, float64(sums[code]), "table", table, "code", code)
		}
	}
	var nowhere []*stats.Errors
	for _, n := range s.replicas {
		nowhere = append(nowhere, &n.replica.Stats.Errors)
	}
	samples("", []wire.ErrorCode{wire.ErrObjectNotFound}, nowhere...)
	for _, t := range tables {
		samples(t.name, usualErrors, &t.table.Errors)
	}
}

func (s *Server) clusterMetrics(m *metricsPage, db *storage.DB) {
	gauge := func(name, help string, value float64) {
		m.family(name, "gauge", help)
		m.sample(name, value)
	}
	healthy := 0.0
	if db.Health() == nil {
		healthy = 1
	}
	gauge("pegasus_server_store_healthy", "1 if the store takes writes.", healthy)
	gauge("pegasus_server_connections", "Connections of clients.", float64(s.hub.Usage().Connections))
	gauge("pegasus_server_scan_contexts", "Scans that are open.", float64(s.scans.Count()))
	gauge("pegasus_server_tables", "Tables that exist.", float64(s.catalog.Count()))
	if total, free, err := db.Capacity(); err == nil {
		gauge("pegasus_server_disk_bytes", "Size of the disk, or of the memory.", float64(total))
		gauge("pegasus_server_disk_free_bytes", "What is free of it.", float64(free))
	}
	memory := db.Memory()
	gauge("pegasus_server_block_cache_bytes", "Memory of the block cache.", float64(memory.BlockCache))
	gauge("pegasus_server_memtable_bytes", "Memory of the memtables.", float64(memory.MemTables))
	m.family("pegasus_server_running", "gauge", "1 if a server of the cluster runs.")
	for _, e := range []struct {
		role  string
		nodes []*Node
	}{{"meta", s.metas}, {"replica", s.replicas}} {
		for i, n := range e.nodes {
			running := 0.0
			if n.Running() {
				running = 1
			}
			m.sample("pegasus_server_running", running, "role", e.role, "server", strconv.Itoa(i))
		}
	}
}
