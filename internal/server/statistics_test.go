package server

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pegasus-go/pegasus/internal/memnet"
	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/server/stats"
	"github.com/pegasus-go/pegasus/internal/storage"
	"github.com/pegasus-go/pegasus/internal/wire"
	"github.com/pegasus-go/pegasus/onebox/limits"
)

// counters returns the counters of a server whose names have a text, as the tools ask
// for them.
func counters(t *testing.T, n *Node, cmd string, args ...string) map[string]float64 {
	t.Helper()
	var answer struct {
		Result   string
		Counters []struct {
			Name, Type string
			Value      *float64
		}
	}
	if err := json.Unmarshal([]byte(runCommand(t, n, cmd, args...)), &answer); err != nil || answer.Result != "OK" {
		t.Fatal(err, answer.Result)
	}
	all := make(map[string]float64)
	for _, c := range answer.Counters {
		if _, ok := all[c.Name]; ok || c.Value == nil || c.Type == "" {
			t.Errorf("counter %s is there twice, or has no value or type", c.Name)
		}
		all[c.Name] = *c.Value
	}
	return all
}

// busy is a server on which a known number of things was done, to one partition.
type busy struct {
	*Server
	clock *testClock
	gpid  string
}

func startBusy(t *testing.T) busy {
	clock := newTestClock()
	s := start(t, Options{Clock: clock.now})
	c := dial(t, s.Replicas()[0])
	h := home("k")
	value := strings.Repeat("v", 5000)
	now := schema.EpochSeconds(clock.now())
	var update wire.UpdateResponse
	for range 20 {
		c.mustPut("k", value)
	}
	for range 30 {
		c.get("k")
	}
	if _, code := c.putAt(h, "k", "short", int32(now+5)); code != wire.ErrOK {
		t.Fatal(code)
	}
	clock.advance(6 * time.Second) // it has expired
	c.get("k")
	do(c, h, wire.TaskMultiPut, wire.MultiPutRequest{HashKey: []byte("k"), KVs: []wire.KeyValue{
		{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("b"), Value: []byte("2")},
	}}, update.Read)
	var found wire.MultiGetResponse
	do(c, h, wire.TaskMultiGet, wire.MultiGetRequest{
		HashKey: []byte("k"), StartInclusive: true, FilterType: 2, FilterPattern: []byte("a"),
	}, found.Read)
	if len(found.KVs) != 1 {
		t.Fatalf("%+v", found)
	}
	do(c, h, wire.TaskMultiGet, wire.MultiGetRequest{
		HashKey: []byte("k"), StartInclusive: true, FilterType: 1, FilterPattern: []byte("b"),
	}, found.Read)
	var sum wire.IncrResponse
	do(c, h, wire.TaskIncr, wire.IncrRequest{Key: key("k", "n"), Increment: 1}, sum.Read)
	do(c, h, wire.TaskRemove, key("k", "n"), update.Read)
	return busy{s, clock, "@1." + strconv.Itoa(int(h.GPID.PartitionIndex))}
}

// What admin-cli's table-stat, partition-stat and node-stat, and the shell's app_stat and
// nodes ask for.
func TestStatistics(t *testing.T) {
	s := startBusy(t)
	s.clock.advance(4 * time.Second) // ten in all
	const app, replica = "replica*app.pegasus*", "replica*eon.replica*"
	all := counters(t, s.Replicas()[0], "perf-counters-by-substr", "@")
	want := map[string]float64{
		app + "get_qps": 3.1, app + "put_qps": 2.1, app + "multi_put_qps": 0.1, app + "multi_get_qps": 0.2,
		app + "incr_qps": 0.1, app + "remove_qps": 0.1, app + "scan_qps": 0, app + "check_and_set_qps": 0,
		// Raw keys have three bytes here. The last Get finds nothing.
		app + "get_bytes": (30*5003 + 3) / 10.0, app + "put_bytes": (20*5003 + 8) / 10.0,
		app + "multi_put_bytes": 0.4, app + "multi_get_bytes": 0.4,
		// 30 Gets of two units; others are one.
		app + "recent.read.cu": 30*2 + 1 + 2 + 1, app + "recent.write.cu": 20*2 + 1 + 1 + 1 + 1,
		app + "recent.expire.count": 2, app + "recent.filter.count": 1, app + "recent.abnormal.count": 0,
		replica + "recent.write.throttling.reject.count": 0,
		app + "rdb.estimate_num_keys":                    3,
	}
	for name, value := range want {
		if got, ok := all[name+s.gpid]; !ok || math.Abs(got-value) > 1e-9 {
			t.Errorf("%s is %v, %v; want %v", name, got, ok, value)
		}
	}
	// 20 values of 5000 bytes, flushed or not.
	if got := all[app+"disk.storage.sst(MB)"+s.gpid]; got < 0.09 || got > 0.11 {
		t.Errorf("%v MB", got)
	}
	for name := range all {
		if !strings.Contains(name, "@1.") {
			t.Errorf("counter %s has no partition", name)
		}
	}

	node := counters(t, s.Replicas()[0], "perf-counters-by-substr", "")
	for _, name := range []string{
		"replica*eon.replica_stub*disk.capacity.total(MB)", "replica*eon.replica_stub*disk.available.total(MB)",
		"replica*eon.replica_stub*disk.available.total.ratio", "replica*server*memused.res(MB)",
		"zion*profiler*RPC_RRDB_RRDB_GET.latency.server", "zion*profiler*RPC_RRDB_RRDB_PUT.latency.server",
	} {
		if node[name] <= 0 {
			t.Errorf("%s is %v", name, node[name])
		}
	}
	if node["replica*eon.replica_stub*replica(Count)"] != 4 || node["zion*profiler*RPC_RRDB_RRDB_GET.qps"] != 3.1 {
		t.Errorf("replicas %v, Gets %v", node["replica*eon.replica_stub*replica(Count)"], node["zion*profiler*RPC_RRDB_RRDB_GET.qps"])
	}
	for _, op := range []string{"get", "put", "multi_get", "multi_put", "incr", "remove"} {
		p99, p999 := all[app+op+"_latency"+s.gpid], all[app+op+"_latency"+s.gpid+".p999"]
		if p99 <= 0 || p999 < p99 || p99 > float64(patience) {
			t.Errorf("%s took %v, %v", op, p99, p999)
		}
	}
	if got := counters(t, s.Replicas()[0], "perf-counters-by-substr", "_latency@"); len(got) != 2*6 {
		t.Errorf("the times of partitions are %v", got)
	}
	if got := counters(t, s.Replicas()[0], "perf-counters-by-postfix", "get_qps"+s.gpid); len(got) != 3 {
		t.Errorf("get_qps, multi_get_qps and batch_get_qps are %v", got)
	}

	// Nothing was done in the ten seconds after.
	s.clock.advance(10 * time.Second)
	for name, value := range counters(t, s.Replicas()[0], "perf-counters-by-prefix", app+"get_qps") {
		if value != 0 {
			t.Errorf("%s is %v", name, value)
		}
	}
	if got := counters(t, s.Replicas()[0], "perf-counters-by-substr", "_latency@"); len(got) != 0 {
		t.Errorf("times of nothing: %v", got)
	}
}

// Who has an answer, or its first byte, finds the request in the statistics: the network
// of this test buffers nothing, so that no server is done with an answer then.
func TestStatisticsPrecedeAnswers(t *testing.T) {
	for name, o := range map[string]storage.Options{
		"memory":  {},
		"durable": {Dir: t.TempDir()}, // what writes answer is held until they are synced
	} {
		t.Run(name, func(t *testing.T) {
			var network memnet.Network
			s := startOn(t, openStore(t, o), Options{Listen: network.Listen})
			ensure(t, s, testTable, testPartitions)
			nc, err := network.Dial(t.Context(), "tcp", s.Replicas()[0].Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			c := &client{t: t, nc: nc}
			table := s.catalog.Available(1).Stats()
			for _, r := range []struct {
				op   stats.Op
				send func()
			}{
				{stats.Put, func() {
					send(c, home("k"), wire.TaskPut, wire.UpdateRequest{Key: key("k", ""), Value: []byte("v")})
				}},
				{stats.Get, func() { send(c, home("k"), wire.TaskGet, key("k", "")) }},
				{stats.SortKeyCount, func() { send(c, home("k"), wire.TaskSortKeyCount, wire.Blob("k")) }}, // a job
			} {
				r.send()
				first := make([]byte, 1)
				if _, err := io.ReadFull(nc, first); err != nil {
					t.Fatal(err)
				}
				if seen := table.Times(r.op); seen == nil || seen.Count != 1 {
					t.Errorf("the time of %v is not known when its answer comes", r.op)
				}
				c.nc = prefixed{nc, bytes.NewReader(first)}
				if a := c.mustNext(); a.err != wire.ErrOK {
					t.Fatalf("%v: %v", r.op, a.err)
				}
				c.nc = nc
			}
		})
	}
}

// prefixed is a connection of which something was read ahead.
type prefixed struct {
	net.Conn
	ahead *bytes.Reader
}

func (p prefixed) Read(b []byte) (int, error) {
	if p.ahead.Len() > 0 {
		return p.ahead.Read(b)
	}
	return p.Conn.Read(b)
}

func TestStatisticsOfThrottling(t *testing.T) {
	clock := newTestClock()
	s := start(t, Options{Clock: clock.now})
	m, c := dial(t, s.Metas()[0]), dial(t, s.Replicas()[0])
	mustSetEnv(m, "replica.write_throttling", "4*reject*0")
	refused := 0
	for range 20 {
		if _, code := c.put("k", "v"); code == wire.ErrBusy {
			refused++
		}
	}
	if refused == 0 {
		t.Fatal("nothing was refused")
	}
	name := "replica*eon.replica*recent.write.throttling.reject.count@1." + strconv.Itoa(int(home("k").GPID.PartitionIndex))
	for _, name := range []string{name, "replica*eon.replica_stub*recent.write.busy.count"} {
		if got := counters(t, s.Replicas()[0], "perf-counters", name); got[name] != float64(refused) {
			t.Errorf("%v are counted of %d", got, refused)
		}
	}
}

// Errors are counted by table and code, whoever has found them out: the checks before a
// request, those when it is carried out, jobs, and tests that have it fail.
func TestStatisticsOfErrors(t *testing.T) {
	s := startOn(t, openStore(t, storage.Options{}), Options{ReplicaAddrs: replicas(2), Limits: limits.Limits{WriteSize: 1000}})
	if err := s.EnsureTable(TableSpec{Name: testTable, Partitions: testPartitions, ReplicaCount: 1}); err != nil {
		t.Fatal(err)
	}
	m := dial(t, s.Metas()[0])
	here := home("k")
	at := 0
	for i := range s.Replicas() {
		if primary, _ := s.catalog.Available(1).View().Serves(here.GPID.PartitionIndex, i); primary {
			at = i
		}
	}
	c, other := dial(t, s.Replicas()[at]), dial(t, s.Replicas()[1-at])
	expect := func(got, want wire.ErrorCode) {
		t.Helper()
		if got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	}
	get := func(c *client, h wire.RequestHeader) wire.ErrorCode {
		_, code := c.getAt(h, "k")
		return code
	}
	expect(get(c, here), wire.ErrOK)
	expect(get(other, here), wire.ErrObjectNotFound)
	gone := here
	gone.AppID = 99
	expect(get(c, gone), wire.ErrObjectNotFound)
	_, code := c.put("k", strings.Repeat("v", 2000))
	expect(code, wire.ErrInvalidData)
	mustSetEnv(m, "replica.write_throttling", "1*reject*0")
	for code == wire.ErrInvalidData || code == wire.ErrOK {
		_, code = c.put("k", "v")
	}
	expect(code, wire.ErrBusy)
	s.Intercept(func(call Call) Action { return Action{Code: string(wire.ErrInvalidState)} })
	expect(get(c, here), wire.ErrInvalidState)
	s.Intercept(nil)

	all := samples(t, func() string { _, body := page(t, s.Metas()[0], "/metrics"); return body }())
	for name, value := range map[string]float64{
		`pegasus_server_errors_total{table="t",code="ERR_OBJECT_NOT_FOUND"}`: 1,
		`pegasus_server_errors_total{table="",code="ERR_OBJECT_NOT_FOUND"}`:  1,
		`pegasus_server_errors_total{table="t",code="ERR_INVALID_DATA"}`:     1,
		`pegasus_server_errors_total{table="t",code="ERR_BUSY"}`:             1,
		`pegasus_server_errors_total{table="t",code="ERR_INVALID_STATE"}`:    1,
		`pegasus_server_errors_total{table="t",code="ERR_SPLITTING"}`:        0, // is there all the same
	} {
		if got, ok := all[name]; !ok || got != value {
			t.Errorf("%s is %v, %v, want %v", name, got, ok, value)
		}
	}
	node := counters(t, s.Replicas()[at], "perf-counters-by-prefix", "replica*eon.replica_stub*recent.")
	for name, value := range map[string]float64{"read.fail": 2, "read.busy": 0, "write.fail": 1, "write.busy": 1} {
		if got := node["replica*eon.replica_stub*recent."+name+".count"]; got != value {
			t.Errorf("%s is %v, want %v", name, got, value)
		}
	}
}

// page returns an HTTP page.
func page(t *testing.T, n *Node, path string) (status int, body string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, err := client.Get("http://" + n.Addr() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// samples parses a page in the format of Prometheus, strictly.
func samples(t *testing.T, text string) map[string]float64 {
	t.Helper()
	all, kind := make(map[string]float64), ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
			kind, _, _ = strings.Cut(name, " ")
			continue
		}
		if strings.HasPrefix(line, "# HELP ") {
			continue
		}
		i := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(line[i+1:], 64)
		if _, ok := all[line[:i]]; ok || err != nil || !strings.HasPrefix(line, kind) {
			t.Errorf("line %q: %v", line, err)
		}
		all[line[:i]] = value
	}
	return all
}

func TestMetrics(t *testing.T) {
	s := startBusy(t)
	status, body := page(t, s.Metas()[0], "/metrics")
	if status != 200 {
		t.Fatal(status)
	}
	all := samples(t, body)
	for name, value := range map[string]float64{
		`pegasus_server_requests_total{table="t",op="get"}`:                             31,
		`pegasus_server_requests_total{table="t",op="put"}`:                             21,
		`pegasus_server_bytes_total{table="t",op="get"}`:                                30*5003 + 3,
		`pegasus_server_capacity_units_total{table="t",kind="write"}`:                   44,
		`pegasus_server_records_passed_over_total{table="t",reason="expired"}`:          2,
		`pegasus_server_throttled_total{table="t",kind="read",action="reject"}`:         0,
		`pegasus_server_table_records{table="t"}`:                                       3,
		`pegasus_server_partitions{table="t"}`:                                          4,
		`pegasus_server_partitions_without_primary{table="t"}`:                          0,
		`pegasus_server_request_duration_seconds_count{server="0",op="get"}`:            31,
		`pegasus_server_request_duration_seconds_bucket{server="0",op="get",le="+Inf"}`: 31,
		`pegasus_server_table_request_duration_seconds_count{table="t",op="get"}`:       31,
		`pegasus_server_store_healthy`:                                                  1,
		`pegasus_server_tables`:                                                         1,
		`pegasus_server_running{role="replica",server="0"}`:                             1,
	} {
		if got, ok := all[name]; !ok || got != value {
			t.Errorf("%s is %v, %v; want %v", name, got, ok, value)
		}
	}
	if _, other := page(t, s.Replicas()[0], "/metrics"); !maps.Equal(keys(all), keys(samples(t, other))) {
		t.Error("a replica server has another page")
	}
}

func keys(m map[string]float64) map[string]bool {
	k := make(map[string]bool)
	for name := range m {
		k[name] = true
	}
	return k
}

// Some settings can be changed, and what is changed has an effect.
func TestServerConfig(t *testing.T) {
	s := start(t, Options{})
	r := s.Replicas()[0]
	var all map[string]struct{ Name, Section, Tags, Value string }
	if _, body := page(t, r, "/configs"); json.Unmarshal([]byte(body), &all) != nil {
		t.Fatal(body)
	}
	const name = "rocksdb_abnormal_get_size_threshold"
	if e := all[name]; e.Tags != "flag_tag::FT_MUTABLE" || e.Section != "pegasus.server" || e.Value != "1000000" {
		t.Errorf("%+v", e)
	}
	for value, want := range map[string]string{"x": "ERR_INVALID_PARAMETERS: " + name + " invalid", "-1": "ERR_INVALID_PARAMETERS: " + name + " invalid", "10": "ERR_OK"} {
		if _, body := page(t, r, "/updateConfig?"+name+"="+value); !matchesJSON(t, `{"update_status":"`+want+`"}`, body) {
			t.Errorf("%s: %s", value, body)
		}
	}
	if _, body := page(t, r, "/config?name="+name); !matchesJSON(t, `{"value":"10"}`, body) {
		t.Error(body)
	}
	c := dial(t, r)
	c.mustPut("k", "more than ten bytes")
	c.wantValue("k", "more than ten bytes")
	counter := "replica*app.pegasus*recent.abnormal.count@1." + strconv.Itoa(int(home("k").GPID.PartitionIndex))
	if got := counters(t, r, "perf-counters", counter); got[counter] != 1 {
		t.Errorf("abnormal requests: %v", got)
	}
}

func TestMetaPages(t *testing.T) {
	s := start(t, Options{MetaAddrs: replicas(2), ReplicaAddrs: replicas(2)})
	leader, follower, node := s.Metas()[0], s.Metas()[1], s.Replicas()[0].Addr()
	mustSetEnv(dial(t, leader), "default_ttl", "60")
	for _, tc := range []struct {
		path   string
		status int
		want   string // as JSON, at least; or the text
	}{
		{"/meta/app?name=t", 200, `{"general":{"app_name":"t","app_id":"1","partition_count":"4","max_replica_count":"2"}}`},
		{"/meta/app?name=t&detail", 200, `{"replicas":{"0":{"pidx":"0","replica_count":"2/2","primary":"` + node + `"}},
			"nodes":{"total":{"primary":"4","secondary":"4","total":"8"}}, "healthy":{"fully_healthy_partition_count":"4","read_unhealthy_partition_count":"0"}}`},
		{"/meta/app?name=none", 404, `table not found: "none"`},
		{"/meta/app?other", 400, ""},
		{"/meta/apps", 200, `{"general_info":{"1":{"app_name":"t","status":"AVAILABLE","envs_count":"1"}},"summary":{"total_app_count":"1"}}`},
		{"/meta/apps?detail", 200, `{"healthy_info":{"1":{"fully_healthy":"4","unhealthy":"0"}},"summary":{"fully_healthy_app_count":"1"}}`},
		{"/meta/apps?x=1", 400, ""},
		{"/meta/app_envs?name=t", 200, `{"default_ttl":"60"}`},
		{"/meta/app_envs", 400, "app name shouldn't be empty"},
		{"/meta/nodes", 200, `{"details":{"` + node + `":{"status":"ALIVE"}},"summary":{"total_node_count":"2","alive_node_count":"2","unalive_node_count":"0"}}`},
		{"/meta/nodes?detail", 200, `{"details":{"` + node + `":{"replica_count":"4","primary_count":"2","secondary_count":"2"}}}`},
		{"/meta/cluster", 200, `{"primary_meta_server":"` + leader.Addr() + `","meta_function_level":"steady"}`},
		{"/meta/backup_policy", 404, "cold_backup_disabled"},
		{"/meta/app/duplication?name=t", 404, "duplication is not enabled [duplication_enabled=false]"},
	} {
		for _, n := range []*Node{leader, follower} { // which redirects
			if status, body := page(t, n, tc.path); status != tc.status || !matchesJSON(t, tc.want, body) {
				t.Errorf("%s: %d %s", tc.path, status, body)
			}
		}
	}
	s.Replicas()[1].Stop()
	if _, body := page(t, leader, "/meta/nodes"); !matchesJSON(t, `{"summary":{"alive_node_count":"1","unalive_node_count":"1"}}`, body) {
		t.Errorf("with a server that is down: %s", body)
	}
	if status, _ := page(t, s.Replicas()[0], "/meta/nodes"); status != 404 {
		t.Errorf("a replica server answers for the meta server: %d", status)
	}
}
