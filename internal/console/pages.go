package console

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// pageReader reads the page /metrics of Pegasus after 2.5: JSON, by server, with counts
// since the start of the server, which it remembers, because rates are differences.
type pageReader struct {
	http http.Client

	mu     sync.Mutex
	before map[string]*pageTotals // by server
}

func newPageReader() *pageReader {
	return &pageReader{http: newHTTPClient(), before: make(map[string]*pageTotals)}
}

func (r *pageReader) close() { r.http.CloseIdleConnections() }

func (r *pageReader) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.before)
}

// metricsPage is that page, as far as it is read. The values of a counter or a gauge are
// in Value, those of a percentile in the others.
type metricsPage struct {
	Timestamp int64 `json:"timestamp_ns"`
	Entities  []struct {
		Type       string
		Attributes map[string]string
		Metrics    []pageMetric
	}
}

type pageMetric struct {
	Name                  string
	Value, P50, P99, P999 float64
}

func (m *pageMetric) quantiles() Quantiles { return Quantiles{m.P50 / 1e3, m.P99 / 1e3, m.P999 / 1e3} }

// pageCounts say what metrics of a partition mean that count since the start.
var pageCounts = func() map[string]func(p *partCounters, rate float64) {
	throttled := func(kind string) func(*partCounters, float64) {
		return func(p *partCounters, rate float64) { p.throttled[kind] += rate }
	}
	m := map[string]func(*partCounters, float64){
		"splitting_rejected_read_requests":  throttled(splitKind("read")),
		"splitting_rejected_write_requests": throttled(splitKind("write")),
	}
	for kind := range requestsOf {
		m["throttling_delayed_"+kind+"_requests"] = throttled(throttledKind(kind, false))
		m["throttling_rejected_"+kind+"_requests"] = throttled(throttledKind(kind, true))
	}
	for _, op := range countedOps {
		m[op+"_requests"] = func(p *partCounters, rate float64) { p.ops[op] += rate }
	}
	return m
}()

// pageValues say the same of those that are values by themselves.
var pageValues = func() map[string]func(p *partCounters, m *pageMetric) {
	m := map[string]func(*partCounters, *pageMetric){
		"rdb_total_sst_size_mb":        func(p *partCounters, m *pageMetric) { p.bytes += m.Value * (1 << 20) },
		"rdb_memtable_mem_usage_bytes": func(p *partCounters, m *pageMetric) { p.bytes += m.Value },
		"rdb_estimated_keys":           func(p *partCounters, m *pageMetric) { p.rows = m.Value },
	}
	for _, op := range countedOps {
		m[op+"_latency_ns"] = func(p *partCounters, m *pageMetric) {
			if m.P99 > 0 {
				p.latency[op] = m.quantiles()
			}
		}
	}
	return m
}()

// pageErrors are the codes of answers that a server counts of itself.
var pageErrors = map[string]string{
	"read_busy_requests": busy, "write_busy_requests": busy, "read_failed_requests": OtherErrors, "write_failed_requests": OtherErrors,
}

// taskMetric is how long an RPC takes, if servers are told to profile.
const taskMetric = "profiler_server_rpc_latency_ns"

// pageQuery asks for what is read, and no more: a server has a hundred metrics for each replica.
var pageQuery = func() string {
	names := []string{"disk_capacity_total_mb", "disk_capacity_avail_mb", taskMetric}
	for name := range pageCounts {
		names = append(names, name)
	}
	for name := range pageValues {
		names = append(names, name)
	}
	for name := range pageErrors {
		names = append(names, name)
	}
	return url.Values{
		"with_metric_fields": {"name,value,p50,p99,p999"},
		"types":              {"replica,server,disk,profiler"},
		"metrics":            {strings.Join(names, ",")},
	}.Encode()
}()

// read returns what a server counts, nil if it has no such page. Rates are those since it was
// read before, and there are none the first time.
func (r *pageReader) read(ctx context.Context, addr string) *nodeCounters {
	now, err := r.get(ctx, addr)
	if err != nil {
		return nil
	}
	c, totals := now.counted()
	r.mu.Lock()
	defer r.mu.Unlock()
	totals.rates(r.before[addr], c)
	r.before[addr] = totals
	return c
}

func (r *pageReader) get(ctx context.Context, addr string) (*metricsPage, error) {
	var page metricsPage
	err := getMetrics(ctx, &r.http, addr, pageQuery, func(body io.Reader) error { return json.NewDecoder(body).Decode(&page) })
	if err != nil {
		return nil, err
	}
	if len(page.Entities) == 0 {
		return nil, errNoMetrics
	}
	return &page, nil
}

// pageTotals are what counts since the start of a server: of its replicas and of itself.
type pageTotals struct {
	at       int64 // ns, by its clock
	replicas map[replicaMetric]float64
	server   map[string]float64
}

type replicaMetric struct {
	gpid gpid
	name string
}

// counted returns what a page says by itself, and what counts since the start.
func (p *metricsPage) counted() (*nodeCounters, *pageTotals) {
	c := newNodeCounters()
	t := &pageTotals{p.Timestamp, make(map[replicaMetric]float64), make(map[string]float64)}
	for i := range p.Entities {
		e := &p.Entities[i]
		g, isPartition := parseGPID(e.Attributes["table_id"], e.Attributes["partition_id"])
		task, isTask := strings.CutPrefix(e.Attributes["task_name"], "RPC_RRDB_RRDB_")
		for j := range e.Metrics {
			switch m := &e.Metrics[j]; {
			case e.Type == "replica" && isPartition:
				if f := pageValues[m.Name]; f != nil {
					f(c.partition(g), m)
				}
				if pageCounts[m.Name] != nil {
					t.replicas[replicaMetric{g, m.Name}] = m.Value
				}
			case e.Type == "server" && pageErrors[m.Name] != "":
				t.server[m.Name] = m.Value
			case e.Type == "disk" && m.Name == "disk_capacity_total_mb":
				c.total += m.Value
			case e.Type == "disk" && m.Name == "disk_capacity_avail_mb":
				c.free += m.Value
			case e.Type == "profiler" && isTask && m.Name == taskMetric && m.P99 > 0:
				c.latency[strings.ToLower(task)] = m.quantiles()
			}
		}
	}
	return c, t
}

// rates adds to c what was counted since before. What was not there then, or was more, is a
// replica that is new here, or a server that counts anew.
func (t *pageTotals) rates(before *pageTotals, c *nodeCounters) {
	if before == nil || t.at <= before.at {
		return
	}
	c.rated = true
	seconds := time.Duration(t.at - before.at).Seconds()
	for m, n := range t.replicas {
		if was, ok := before.replicas[m]; ok && n >= was {
			pageCounts[m.name](c.partition(m.gpid), (n-was)/seconds)
		}
	}
	for name, n := range t.server {
		if was, ok := before.server[name]; ok && n >= was {
			c.errors[pageErrors[name]] += (n - was) / seconds
		}
	}
}
