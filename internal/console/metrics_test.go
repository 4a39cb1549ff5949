package console

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/admin"
)

func TestParseMetric(t *testing.T) {
	for line, want := range map[string]struct {
		name, table, op string
		value           float64
		ok              bool
	}{
		`a 1`:                           {"a", "", "", 1, true},
		`a{table="t",op="get"} 2.5`:     {"a", "t", "get", 2.5, true},
		`a{table="t\"x\\y\nz"} 1e3`:     {"a", "t\"x\\y\nz", "", 1000, true},
		`a{table="}",op=","} 1`:         {"a", "}", ",", 1, true},
		`# HELP a b`:                    {},
		`a`:                             {},
		`a{table="t} 1`:                 {},
		`a{table=t} 1`:                  {},
		`a{table="t"} x`:                {},
		``:                              {},
		`{"entities":[{"type":"table"}`: {},
	} {
		name, labels, value, ok := parseMetric(line)
		if ok != want.ok || ok && (name != want.name || labels["table"] != want.table || labels["op"] != want.op || value != want.value) {
			t.Errorf("%s: %q %q %v %v", line, name, labels, value, ok)
		}
	}
}

func FuzzParseMetrics(f *testing.F) {
	f.Add("pegasus_server_requests_total{table=\"t\",op=\"get\"} 1\n")
	f.Add("a{b=\"\\\"")
	f.Fuzz(func(_ *testing.T, text string) {
		if c, err := parseMetrics(strings.NewReader(text)); err == nil {
			(&rated{c, c}).fill(&Snapshot{}, &Sample{})
		}
	})
}

func FuzzParseCounters(f *testing.F) {
	f.Add(`{"counters":[{"name":"replica*app.pegasus*get_qps@1.0","value":1}]}`)
	f.Fuzz(func(_ *testing.T, text string) { parseCounters(text) })
}

const metricsText = `pegasus_server_requests_total{table="t",op="get"} %GET
pegasus_server_requests_total{table="u",op="put"} 7
pegasus_server_throttled_total{table="t",kind="write",action="reject"} %GET
pegasus_server_errors_total{table="t",code="ERR_BUSY"} %GET
pegasus_server_errors_total{table="",code="ERR_OBJECT_NOT_FOUND"} 5
pegasus_server_split_rejected_total{table="u",kind="read"} %GET
pegasus_server_table_request_duration_seconds_bucket{table="t",op="get",le="0.001"} %GET
pegasus_server_table_request_duration_seconds_bucket{table="t",op="get",le="0.002"} %ALL
pegasus_server_table_request_duration_seconds_bucket{table="t",op="get",le="+Inf"} %ALL
pegasus_server_table_request_duration_seconds_bucket{table="u",op="put",le="0.001"} 7
pegasus_server_table_request_duration_seconds_bucket{table="u",op="put",le="+Inf"} 7
pegasus_server_request_duration_seconds_bucket{server="1",op="get",le="0.001"} %GET
pegasus_server_request_duration_seconds_bucket{server="1",op="get",le="0.002"} %GET
pegasus_server_request_duration_seconds_bucket{server="1",op="get",le="+Inf"} %GET
pegasus_server_request_duration_seconds_bucket{server="0",op="get",le="0.001"} %GET
pegasus_server_request_duration_seconds_bucket{server="0",op="get",le="0.002"} %ALL
pegasus_server_request_duration_seconds_bucket{server="0",op="get",le="+Inf"} %ALL
pegasus_server_table_bytes{table="t"} 100
pegasus_server_table_records{table="t"} 3
pegasus_server_disk_bytes 2097152
pegasus_server_disk_free_bytes 1048576
`

func TestRates(t *testing.T) {
	parse := func(get, all string) *counted {
		c, err := parseMetrics(strings.NewReader(strings.NewReplacer("%GET", get, "%ALL", all).Replace(metricsText)))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	before, now := parse("10", "20"), parse("100", "120")
	now.at = before.at.Add(2 * time.Second)
	snap, sample := &Snapshot{Tables: []TableState{{Name: "t"}}, Nodes: []Node{{}}}, &Sample{}
	(&rated{now, before}).fill(snap, sample)
	if got := sample.Ops["t"]["get"]; got != 45 {
		t.Errorf("%v gets a second, want 45", got)
	}
	if sample.Ops["u"] != nil {
		t.Errorf("a table that rests has %v", sample.Ops["u"])
	}
	if got := sample.Throttled; !maps.Equal(got["t"], map[string]float64{"writes rejected by throttling": 45}) || !maps.Equal(got["u"], map[string]float64{"reads rejected by a split": 45}) {
		t.Errorf("throttled %v", got)
	}
	if got := sample.Errors; len(got) != 1 || !maps.Equal(got["t"], map[string]float64{"ERR_BUSY": 45}) {
		t.Errorf("errors %v", got)
	}
	// 90 of 100 took a millisecond at most, of both servers 180 of 190.
	near := func(got, want Quantiles) bool {
		return math.Abs(got.P50-want.P50) < 1 && math.Abs(got.P99-want.P99) < 1 && math.Abs(got.P999-want.P999) < 1
	}
	if q := sample.Latency["t"]["get"]; !near(q, Quantiles{555.6, 1900, 1990}) {
		t.Errorf("quantiles of the table %+v", q)
	}
	if q := sample.Latency[""]["get"]; !near(q, Quantiles{527.8, 1810, 1981}) {
		t.Errorf("quantiles %+v", q)
	}
	if q := sample.Latency["u"]; q != nil {
		t.Errorf("a table that rests takes %+v", q)
	}
	if snap.Tables[0].Bytes != 100 || snap.Tables[0].Records != 3 || snap.Nodes[0].DiskTotal != 2 || snap.Nodes[0].DiskFree != 1 {
		t.Errorf("%+v", snap)
	}

	first := &Sample{}
	(&rated{now, nil}).fill(snap, first)
	if first.Ops != nil {
		t.Errorf("the first sample has %v", first.Ops)
	}
	anew := &Sample{}
	(&rated{before, now}).fill(snap, anew) // servers that were started again
	if len(anew.Ops)+len(anew.Errors)+len(anew.Throttled)+len(anew.Latency) != 0 {
		t.Errorf("a count that has fallen gives %+v", anew)
	}
	if _, err := parseMetrics(strings.NewReader(`{"cluster":"x","entities":[]}`)); err == nil {
		t.Error("another page is taken for that of a onebox")
	}
	if _, err := parseMetrics(strings.NewReader(`{"cluster":"` + strings.Repeat("x", 100<<10) + `"}`)); !errors.Is(err, errNoMetrics) {
		t.Errorf("a large page of another kind: %v", err)
	}
}

// A server that takes a question and does not answer is not asked at every sample, and costs none.
func TestSilentServers(t *testing.T) {
	var asked atomic.Int64
	hung := make(chan struct{})
	silent := func(*http.Request) bool { return true }
	server := func(isSilent func(*http.Request) bool) string {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isSilent(r) {
				asked.Add(1)
				<-r.Context().Done()
				return
			}
			_, _ = io.WriteString(w, "pegasus_server_disk_bytes 1\n")
		}))
		t.Cleanup(srv.Close)
		return srv.Listener.Addr().String()
	}
	hangs := func(*http.Request) bool {
		select {
		case <-hung:
			return true
		default:
			return false
		}
	}
	r := newMetricsReader([]string{server(silent), server(silent), server(hangs)})
	defer r.close()
	sample := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), sampleTime)
		defer cancel()
		if r.read(ctx, nil) == nil {
			t.Error("the sample has no rates")
		}
	}
	for range 5 {
		sample()
	}
	if n := asked.Load(); n > 2 { // in the first sample, which may be over when a question arrives
		t.Errorf("2 silent servers were asked %d times", n)
	}
	r.metas = append(r.metas, server(func(*http.Request) bool { return false }))
	close(hung) // the one that has answered so far
	sample()
}

// Servers that break connections tell nothing, and few of a large cluster are asked at a time.
func TestManyServers(t *testing.T) {
	var asked atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked.Add(1)
		panic(http.ErrAbortHandler)
	}))
	defer srv.Close()
	addr := srv.Listener.Addr().String()
	r := newMetricsReader([]string{addr})
	defer r.close()
	if r.read(t.Context(), slices.Repeat([]admin.Node{{Address: addr, Alive: true}}, 100)) != nil || asked.Load() > maxAsked {
		t.Errorf("%d servers were asked", asked.Load())
	}
}

// The counters of Pegasus up to 2.5. Of a partition only its primary is heard.
func TestCounters(t *testing.T) {
	c, ok := parseCounters(`{"result":"OK","counters":[
		{"name":"replica*app.pegasus*get_qps@1.0","type":"RATE","value":5},
		{"name":"replica*app.pegasus*put_qps@1.0","type":"RATE","value":2},
		{"name":"replica*app.pegasus*get_qps@1.1","type":"RATE","value":1},
		{"name":"replica*app.pegasus*get_latency@1.0","type":"NUMBER_PERCENTILES","value":300000},
		{"name":"replica*app.pegasus*get_latency@1.0.p999","type":"NUMBER_PERCENTILES","value":900000},
		{"name":"replica*app.pegasus*get_latency@1.1","type":"NUMBER_PERCENTILES","value":400000},
		{"name":"replica*app.pegasus*disk.storage.sst(MB)@1.0","type":"NUMBER","value":3},
		{"name":"replica*app.pegasus*rdb.memtable.memory_usage@1.0","type":"NUMBER","value":1024},
		{"name":"replica*app.pegasus*rdb.estimate_num_keys@1.0","type":"NUMBER","value":9},
		{"name":"replica*eon.replica*recent.write.throttling.reject.count@1.0","type":"VOLATILE_NUMBER","value":20},
		{"name":"replica*eon.replica_stub*disk.capacity.total(MB)","type":"NUMBER","value":100},
		{"name":"replica*eon.replica_stub*disk.available.total(MB)","type":"NUMBER","value":40},
		{"name":"replica*eon.replica_stub*recent.read.fail.count","type":"VOLATILE_NUMBER","value":10},
		{"name":"replica*eon.replica_stub*recent.write.busy.count","type":"VOLATILE_NUMBER","value":20},
		{"name":"zion*profiler*RPC_RRDB_RRDB_GET.latency.server","type":"NUMBER_PERCENTILES","value":250000},
		{"name":"zion*profiler*RPC_RRDB_RRDB_GET.latency.server.p999","type":"NUMBER_PERCENTILES","value":260000},
		{"name":"replica*app.pegasus*get_qps@x.y","value":1},{"name":"","value":1}]}`)
	if !ok {
		t.Fatal("not parsed")
	}
	secondary, _ := parseCounters(`{"counters":[{"name":"replica*app.pegasus*put_qps@1.0","value":2},{"name":"replica*app.pegasus*disk.storage.sst(MB)@1.0","value":3}]}`)
	snap, sample := filled(map[string]*nodeCounters{"a": c, "b": secondary})
	if got := sample.Ops["t"]; !maps.Equal(got, map[string]float64{"get": 6, "put": 2}) {
		t.Errorf("operations %v", got)
	}
	if got := sample.Latency; got["t"]["get"] != (Quantiles{0, 400, 900}) || got[""]["get"] != (Quantiles{0, 250, 260}) || len(got["t"]) != 1 {
		t.Errorf("times %v", got)
	}
	if got := sample.Errors; !maps.Equal(got[""], map[string]float64{"ERR_BUSY": 2, OtherErrors: 1}) {
		t.Errorf("errors %v", got)
	}
	if got := sample.Throttled; !maps.Equal(got["t"], map[string]float64{"writes rejected by throttling": 2}) {
		t.Errorf("throttled %v", got)
	}
	if tab := snap.Tables[0]; tab.Bytes != 3<<20+1024 || tab.Records != 9 || snap.Nodes[0].DiskTotal != 100 || snap.Nodes[0].DiskFree != 40 || snap.Rates != "counters" {
		t.Errorf("%+v", snap)
	}
	if _, ok := parseCounters("unknown command 'perf-counters-by-prefix'"); ok {
		t.Error("an answer that knows no counters is parsed")
	}
}

// filled returns what a table t with partitions 0 and 1, whose primary is server a, has of
// counters.
func filled(counters map[string]*nodeCounters) (*Snapshot, *Sample) {
	s := &sampler{counters: counters, partitions: map[string][]admin.Partition{"t": {
		{TableID: 1, Index: 0, Primary: "a", Secondaries: []string{"b"}}, {TableID: 1, Index: 1, Primary: "a"},
	}}}
	snap, sample := &Snapshot{Nodes: []Node{{Address: "a"}, {Address: "b"}}, Tables: []TableState{{ID: 1, Name: "t", Bytes: -1, Records: -1}}}, &Sample{}
	s.fillDisks(snap)
	s.fill(snap, sample, s.ofPrimaries())
	return snap, sample
}

// pageText is a page of Pegasus after 2.5, made by hand in the form that its servers write. %N is what
// was counted.
const pageText = `{"cluster":"c","role":"replica","host":"h","port":34801,"timestamp_ns":%T000000000,"entities":[
{"type":"replica","id":"replica@1.0","attributes":{"partition_id":"0","table_id":"1"},"metrics":[
 {"name":"get_requests","value":%N0},{"name":"put_requests","value":%N},{"name":"scan_requests","value":7},
 {"name":"get_latency_ns","p50":100000,"p90":200000,"p95":250000,"p99":300000,"p999":900000},
 {"name":"put_latency_ns","p50":0,"p90":0,"p95":0,"p99":0,"p999":0},
 {"name":"throttling_rejected_write_requests","value":%N},{"name":"splitting_rejected_read_requests","value":0},
 {"name":"rdb_total_sst_size_mb","value":3},{"name":"rdb_memtable_mem_usage_bytes","value":1024},{"name":"rdb_estimated_keys","value":9},
 {"name":"rdb_write_amplification","value":1.25}]},
{"type":"replica","id":"replica@1.1","attributes":{"partition_id":"1","table_id":"1"},"metrics":[
 {"name":"get_requests","value":%N0},{"name":"get_latency_ns","p50":150000,"p90":200000,"p95":250000,"p99":250000,"p999":260000}]},
{"type":"server","id":"server","attributes":{},"metrics":[
 {"name":"read_busy_requests","value":%N},{"name":"write_busy_requests","value":%N},{"name":"read_failed_requests","value":%N},{"name":"write_failed_requests","value":0}]},
{"type":"disk","id":"disk@x","attributes":{"data_dir":"/x","tag":"x"},"metrics":[{"name":"disk_capacity_total_mb","value":60},{"name":"disk_capacity_avail_mb","value":30}]},
{"type":"disk","id":"disk@y","attributes":{"data_dir":"/y","tag":"y"},"metrics":[{"name":"disk_capacity_total_mb","value":40},{"name":"disk_capacity_avail_mb","value":10}]},
{"type":"profiler","id":"task@RPC_RRDB_RRDB_GET","attributes":{"task_name":"RPC_RRDB_RRDB_GET"},"metrics":[{"name":"profiler_server_rpc_latency_ns","p50":90000,"p90":1,"p95":1,"p99":240000,"p999":250000}]},
{"type":"profiler","id":"task@RPC_BEACON","attributes":{"task_name":"RPC_BEACON"},"metrics":[{"name":"profiler_server_rpc_latency_ns","p50":1,"p90":1,"p95":1,"p99":1,"p999":1}]}
]}`

// A page is read over HTTP, in parts that are asked for by name; rates are differences.
func TestPages(t *testing.T) {
	at, n := "100", "20"
	var asked url.Values
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Query()
		if at == "" {
			_, _ = io.WriteString(w, `{"error_message":"unknown field types=replica"}`)
			return
		}
		_, _ = io.WriteString(w, strings.NewReplacer("%T", at, "%N", n).Replace(pageText))
	}))
	defer srv.Close()
	r := newPageReader()
	defer r.close()
	addr := srv.Listener.Addr().String()

	first := r.read(t.Context(), addr)
	if first == nil || first.total != 100 || first.free != 40 || len(first.errors) != 0 || len(first.partition(gpid{1, 0}).ops) != 0 {
		t.Fatalf("the first page gives %+v", first)
	}
	snap, sample := filled(map[string]*nodeCounters{"a": first})
	if sample.Ops != nil || sample.Throttled != nil || sample.Errors != nil || snap.Nodes[0].DiskTotal != 100 {
		t.Errorf("rates that are not known yet: %+v", sample)
	}
	p := admin.Partition{TableID: 1, Index: 0, Primary: "a"}
	heard := (&sampler{counters: map[string]*nodeCounters{"a": first}, partitions: map[string][]admin.Partition{"t": {p}}}).ofPrimaries()
	if c := cellOf(&Snapshot{}, nil, &p, heard); c.Rate != -1 {
		t.Errorf("a rate that is not known yet: %v", c.Rate)
	}
	for _, want := range []string{"get_requests", "check_and_mutate_latency_ns", "rdb_memtable_mem_usage_bytes", "read_busy_requests", "throttling_rejected_backup_requests"} {
		if !slices.Contains(strings.Split(asked.Get("metrics"), ","), want) {
			t.Errorf("%s is not asked for", want)
		}
	}
	if asked.Get("types") != "replica,server,disk,profiler" {
		t.Errorf("asked for %v", asked)
	}
	at, n = "110", "40"
	c := r.read(t.Context(), addr)
	snap, sample = filled(map[string]*nodeCounters{"a": c})
	if got := sample.Ops["t"]; !maps.Equal(got, map[string]float64{"get": 40, "put": 2}) {
		t.Errorf("operations %v", got)
	}
	if got := sample.Latency; got["t"]["get"] != (Quantiles{150, 300, 900}) || !maps.Equal(got[""], map[string]Quantiles{"get": {90, 240, 250}}) {
		t.Errorf("times %v", got)
	}
	if got := sample.Errors; !maps.Equal(got[""], map[string]float64{"ERR_BUSY": 4, OtherErrors: 2}) {
		t.Errorf("errors %v", got)
	}
	if got := sample.Throttled; !maps.Equal(got["t"], map[string]float64{"writes rejected by throttling": 2}) {
		t.Errorf("throttled %v", got)
	}
	if tab := snap.Tables[0]; tab.Bytes != 3<<20+1024 || tab.Records != 9 || snap.Nodes[0].DiskTotal != 100 || snap.Nodes[0].DiskFree != 40 {
		t.Errorf("%+v", snap)
	}

	at, n = "120", "1" // a server that was started again
	if again := r.read(t.Context(), addr); len(again.partition(gpid{1, 0}).ops) != 1 || again.errors["ERR_BUSY"] != 0 {
		t.Errorf("a count that has fallen gives %+v", again)
	}
	r.forget()
	at, n = "130", "2"
	if anew := r.read(t.Context(), addr); len(anew.errors) != 0 {
		t.Errorf("rates of a time when nobody looked: %+v", anew.errors)
	}
	at = ""
	if none := r.read(t.Context(), addr); none != nil {
		t.Errorf("an error gives %+v", none)
	}
}

func FuzzPages(f *testing.F) {
	f.Add(pageText)
	f.Fuzz(func(_ *testing.T, text string) {
		var p metricsPage
		if json.Unmarshal([]byte(text), &p) == nil {
			c, totals := p.counted()
			totals.rates(&pageTotals{}, c)
		}
	})
}

// A onebox has the counters that are asked for, by their names, and its meta servers answer.
func TestCountersOfOnebox(t *testing.T) {
	s := serve(t, Options{})
	table, err := s.c.client.Open(t.Context(), "temp")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if err := table.Set(t.Context(), []byte{byte(i)}, []byte("s"), make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	counters := make(map[string]*nodeCounters)
	for _, addr := range s.box.ReplicaServers() {
		c := s.c.sampler.askNode(t.Context(), addr)
		if c == nil || c.total <= 0 {
			t.Fatalf("%s tells %+v", addr, c)
		}
		counters[addr] = c
	}
	sampler := s.c.sampler
	sampler.counters = counters
	tables, err := sampler.admin.Tables(t.Context(), admin.TableAvailable)
	if err != nil {
		t.Fatal(err)
	}
	sampler.askPartitions(t.Context(), tables)
	snap, sample := &Snapshot{Tables: []TableState{{ID: tables[0].ID, Name: "temp", Bytes: -1, Records: -1}}}, &Sample{}
	sampler.fill(snap, sample, sampler.ofPrimaries())
	if tab := snap.Tables[0]; tab.Bytes < 20_000 || tab.Records != 20 {
		t.Errorf("%+v", tab)
	}
	if q := sample.Latency["temp"]["put"]; sample.Ops["temp"]["put"] <= 0 || q.P99 <= 0 || q.P999 < q.P99 || sample.Latency[""]["put"].P99 <= 0 {
		t.Errorf("%+v", sample)
	}
	metas := sampler.askMetas(t.Context())
	if len(metas) != 1 || metas[0] != (Meta{s.box.MetaServers()[0], true, true}) {
		t.Errorf("meta servers %+v", metas)
	}
}
