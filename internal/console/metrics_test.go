package console

import (
	"math"
	"strings"
	"testing"
	"time"
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
	if got := sample.Refused["throttled write reject"]; got != 45 {
		t.Errorf("%v refused, want 45", got)
	}
	// 90 of 100 took a millisecond at most.
	if q := sample.Latency["get"]; math.Abs(q.P50-555.6) > 1 || math.Abs(q.P99-1900) > 1 {
		t.Errorf("quantiles %+v", q)
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
	if len(anew.Ops) != 0 {
		t.Errorf("a count that has fallen gives %v", anew.Ops)
	}
	if _, err := parseMetrics(strings.NewReader(`{"cluster":"x","entities":[]}`)); err == nil {
		t.Error("another page is taken for that of a onebox")
	}
}

func TestCounters(t *testing.T) {
	c, ok := parseCounters(`{"result":"OK","counters":[
		{"name":"replica*app.pegasus*get_qps@1.0","type":"RATE","value":5},
		{"name":"replica*app.pegasus*put_qps@1.0","type":"RATE","value":2},
		{"name":"replica*app.pegasus*get_qps@1.1","type":"RATE","value":1},
		{"name":"replica*app.pegasus*disk.storage.sst(MB)@1.0","type":"NUMBER","value":3},
		{"name":"replica*app.pegasus*rdb.estimate_num_keys@1.0","type":"NUMBER","value":9},
		{"name":"replica*eon.replica_stub*disk.capacity.total(MB)","type":"NUMBER","value":100},
		{"name":"replica*eon.replica_stub*disk.available.total(MB)","type":"NUMBER","value":40},
		{"name":"zion*profiler*RPC_RRDB_RRDB_GET.latency.server","type":"NUMBER_PERCENTILES","value":250000},
		{"name":"replica*app.pegasus*get_qps@x.y","value":1},{"name":"","value":1}]}`)
	if !ok {
		t.Fatal("not parsed")
	}
	s := &sampler{counters: map[string]nodeCounters{"a": c}}
	snap := &Snapshot{Nodes: []Node{{Address: "a"}}, Tables: []TableState{{ID: 1, Name: "t", Bytes: -1, Records: -1}}}
	if r := s.rates(snap); r[gpid{1, 0}] != 7 || r[gpid{1, 1}] != 1 {
		t.Errorf("rates %v", r)
	}
	sample := &Sample{}
	s.fill(snap, sample)
	if sample.Ops["t"]["get"] != 6 || sample.Ops["t"]["put"] != 2 || sample.Latency["get"].P99 != 250 {
		t.Errorf("%+v", sample)
	}
	if tab := snap.Tables[0]; tab.Bytes != 3<<20 || tab.Records != 9 || snap.Nodes[0].DiskFree != 40 || snap.Rates != "counters" {
		t.Errorf("%+v", snap)
	}
	if _, ok := parseCounters("unknown command 'perf-counters-by-prefix'"); ok {
		t.Error("an answer that knows no counters is parsed")
	}
}
