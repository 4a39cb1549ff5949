package server

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pegasus-go/pegasus/internal/memnet"
	"github.com/pegasus-go/pegasus/internal/schema"
	"github.com/pegasus-go/pegasus/internal/wire"
)

// setEnv sets one name in the environment of testTable.
func setEnv(c *client, name, value string) wire.HintResponse {
	c.t.Helper()
	return ask[wire.UpdateAppEnvRequest, wire.HintResponse](c, wire.TaskUpdateAppEnv, wire.UpdateAppEnvRequest{
		AppName: testTable, Op: wire.AppEnvSet, Keys: &[]string{name}, Values: &[]string{value},
	})
}

func mustSetEnv(c *client, name, value string) {
	c.t.Helper()
	if resp := setEnv(c, name, value); resp.Err != wire.ErrOK {
		c.t.Fatalf("%s = %s: %+v", name, value, resp)
	}
}

func TestEnvRules(t *testing.T) {
	m := dial(t, start(t, Options{}).Metas()[0])
	const overflow = "9223372036854775808"
	for _, tc := range []struct {
		name      string
		good, bad []string
	}{
		{
			"replica.write_throttling",
			[]string{"1*delay*0", "20K*delay*100,30M*reject*200", "0x10*reject*1", "5*reject*1, 4*delay*1"},
			[]string{"", "1", "1*delay", "x*delay*1", "1*wait*1", "1*delay*-1", "-1*delay*1", "1*delay*1,2*delay*2", "1G*delay*1", overflow + "*delay*1", "9223372036854775807K*delay*1", "1*delay*1*1"},
		},
		{"replica.read_throttling_by_size", []string{"1", "20K", "3M", "1*delay*1"}, []string{"", "0", "-1", "K", "1.5M", "20000000000000000000"}},
		{"replica.slow_query_threshold", []string{"20", "0x20"}, []string{"19", "-1", "x", ""}},
		{"replica.rocksdb_iteration_threshold_time_ms", []string{"0", "1000"}, []string{"-1", "x", ""}},
		{"replica.split.validate_partition_hash", []string{"true", "FALSE"}, []string{"1", "yes", ""}},
		{"replica.deny_client_request", []string{"timeout*all", "reconfig*read"}, []string{"", "timeout", "*all", "timeout*none", "deny*all", "timeout*all*read"}},
		{"rocksdb.write_buffer_size", []string{"16777216", "536870912"}, []string{"16777215", "536870913", "x"}},
		{"rocksdb.num_levels", []string{"1", "10"}, []string{"0", "11", "5i"}},
		{"default_ttl", []string{"0", "10", "0x10", "2147483647"}, []string{"soon", "-5", "", "1h", "2147483648"}},
		{"rocksdb.usage_scenario", []string{"normal", "prefer_write", "bulk_load"}, []string{"fast", "NORMAL", ""}},
		{"rocksdb.checkpoint.reserve_min_count", []string{"1", "2147483647"}, []string{"0", "x", "2147483648"}},
		{"rocksdb.checkpoint.reserve_time_seconds", []string{"0", "3600"}, []string{"-1", "x", "2147483648"}},
		{"manual_compact.disabled", []string{"true", "False"}, []string{"1", "no", ""}},
		{"manual_compact.max_concurrent_running_count", []string{"0", "8"}, []string{"-1", "many"}},
		{"manual_compact.once.trigger_time", []string{"0", "1700000000"}, []string{"-1", "now", ""}},
		{"manual_compact.once.target_level", []string{"-1", "1", "6"}, []string{"0", "-2", "x"}},
		{"manual_compact.periodic.target_level", []string{"-1", "1"}, []string{"0", "x"}},
		{"manual_compact.once.bottommost_level_compaction", []string{"force", "skip"}, []string{"true", ""}},
		{"manual_compact.periodic.bottommost_level_compaction", []string{"force", "skip"}, []string{"true", ""}},
		{"business.info", []string{"any thing", ""}, nil},
		{"no.such.env", nil, []string{"1"}},
	} {
		for _, value := range tc.good {
			if resp := setEnv(m, tc.name, value); resp.Err != wire.ErrOK || resp.Hint != "" {
				t.Errorf("%s = %q: %+v", tc.name, value, resp)
			}
		}
		for _, value := range tc.bad {
			if resp := setEnv(m, tc.name, value); resp.Err != wire.ErrInvalidParameters || resp.Hint == "" {
				t.Errorf("%s = %q: %+v", tc.name, value, resp)
			}
		}
	}
	for value, hint := range map[string]string{
		"soon": "invalid value 'soon', should be an 32 bits integer",
		"-1":   "invalid value '-1', should be '>= 0'",
	} {
		if resp := setEnv(m, "default_ttl", value); resp.Hint != hint {
			t.Errorf("hint %q, want %q", resp.Hint, hint)
		}
	}
	if resp := setEnv(m, "x", "1"); resp.Hint != `app_env "x" is not supported` {
		t.Errorf("hint %q", resp.Hint)
	}
}

func TestDefaultTTL(t *testing.T) {
	clock := newTestClock()
	s := start(t, Options{Clock: clock.now})
	c, m := dial(t, s.Replicas()[0]), dial(t, s.Metas()[0])
	ttl := func(hashKey string) (wire.TTLResponse, wire.ErrorCode) {
		var resp wire.TTLResponse
		code := do(c, home(hashKey), wire.TaskTTL, key(hashKey, ""), resp.Read)
		return resp, code
	}
	want := func(hashKey string, seconds int32) {
		t.Helper()
		if resp, code := ttl(hashKey); code != wire.ErrOK || resp.Error != 0 || resp.TTLSeconds != seconds {
			t.Errorf("ttl of %s: %v, %+v, want %d", hashKey, code, resp, seconds)
		}
	}
	c.mustPut("before", "v")
	mustSetEnv(m, "default_ttl", "100")
	c.mustPut("after", "v")
	want("before", -1)
	want("after", 100)
	clock.advance(99 * time.Second)
	want("after", 1)
	clock.advance(time.Second)
	if resp, _ := ttl("after"); resp.Error != wire.StatusNotFound {
		t.Errorf("ttl after the end: %+v", resp)
	}
	for _, nonsense := range []string{"x", "-1", "4294967296"} { // refused: 100 stays
		if resp := setEnv(m, "default_ttl", nonsense); resp.Err != wire.ErrInvalidParameters {
			t.Errorf("%s: %+v", nonsense, resp)
		}
		c.mustPut("k", "v")
		want("k", 100)
	}
	deleted := ask[wire.UpdateAppEnvRequest, wire.HintResponse](m, wire.TaskUpdateAppEnv, wire.UpdateAppEnvRequest{
		AppName: testTable, Op: wire.AppEnvDel, Keys: &[]string{"default_ttl"},
	})
	if deleted.Hint != "deleted keys:\n    default_ttl" {
		t.Errorf("hint %q", deleted.Hint)
	}
	c.mustPut("k", "v")
	want("k", 100) // deleting does not switch it off
	mustSetEnv(m, "default_ttl", "0")
	c.mustPut("k", "v")
	want("k", -1)
}

func TestClearEnvs(t *testing.T) {
	m := dial(t, start(t, Options{}).Metas()[0])
	envs := func() map[string]string {
		return ask[wire.ListAppsRequest, wire.ListAppsResponse](m, wire.TaskListApps, wire.ListAppsRequest{}).Infos[0].Envs
	}
	clearEnv := func(prefix string) wire.HintResponse {
		return ask[wire.UpdateAppEnvRequest, wire.HintResponse](m, wire.TaskUpdateAppEnv, wire.UpdateAppEnvRequest{
			AppName: testTable, Op: wire.AppEnvClear, ClearPrefix: &prefix,
		})
	}
	mustSetEnv(m, "manual_compact.disabled", "false")
	mustSetEnv(m, "manual_compact.once.target_level", "1")
	mustSetEnv(m, "business.info", "x")
	if resp := clearEnv("manual"); resp.Err != wire.ErrOK || resp.Hint != "no key needs to be deleted" || len(envs()) != 3 {
		t.Errorf("clear manual: %+v, %v", resp, envs())
	}
	if resp := clearEnv("manual_compact.once"); resp.Hint != "deleted keys:\n    manual_compact.once.target_level" || len(envs()) != 2 {
		t.Errorf("clear once: %+v, %v", resp, envs())
	}
	if clearEnv(""); len(envs()) != 0 {
		t.Errorf("clear all: %v", envs())
	}
}

func TestDenyClientRequest(t *testing.T) {
	s := start(t, Options{})
	c, m := dial(t, s.Replicas()[0]), dial(t, s.Metas()[0])
	get := func() wire.ErrorCode { _, code := c.get("k"); return code }
	put := func() wire.ErrorCode { _, code := c.put("k", "v"); return code }
	for _, tc := range []struct {
		value    string
		get, put wire.ErrorCode
	}{
		{"reconfig*read", wire.ErrInvalidState, wire.ErrOK},
		{"reconfig*write", wire.ErrOK, wire.ErrInvalidState},
		{"reconfig*all", wire.ErrInvalidState, wire.ErrInvalidState},
	} {
		mustSetEnv(m, "replica.deny_client_request", tc.value)
		if g, p := get(), put(); g != tc.get || p != tc.put {
			t.Errorf("%s: get %v, put %v", tc.value, g, p)
		}
	}
	// With timeout there is no answer, but the connection goes on.
	mustSetEnv(m, "replica.deny_client_request", "timeout*read")
	send(c, home("k"), wire.TaskGet, key("k", ""))
	if put() != wire.ErrOK { // fails if the get was answered
		t.Error("put is denied, too")
	}
}

// Throttling counts per partition and second: of 4 partitions each has a
// quarter of the rate, and one more.
func TestThrottling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		s := start(t, Options{Listen: network.Listen})
		conn := func(n *Node) *client {
			nc, err := network.Dial(t.Context(), "tcp", n.Addr())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { nc.Close() })
			return &client{t: t, nc: nc}
		}
		c, m := conn(s.Replicas()[0]), conn(s.Metas()[0])
		// timed returns what a request was answered with and after what time.
		timed := func(f func() wire.ErrorCode) string {
			began := time.Now()
			return fmt.Sprintf("%v %v", f(), time.Since(began))
		}
		get := func() wire.ErrorCode { _, code := c.get("k"); return code }
		put := func() wire.ErrorCode { _, code := c.put("k", strings.Repeat("v", 100)); return code }
		second := func() { time.Sleep(time.Second) }

		second()
		mustSetEnv(m, "replica.read_throttling", "4*delay*100,8*reject*200")
		for i, want := range []string{"ERR_OK 0s", "ERR_OK 0s", "ERR_OK 100ms", "ERR_BUSY 200ms", "ERR_BUSY 200ms"} {
			if got := timed(get); got != want {
				t.Errorf("get %d: %s, want %s", i, got, want)
			}
		}
		second()
		// All requests of a connection are delayed at the same time.
		const requests = 50
		var frames []byte
		mustSetEnv(m, "replica.read_throttling", "4*delay*100")
		for i := range int32(requests) {
			frames = append(frames, getFrame(i, "k")...)
		}
		began := time.Now()
		go c.nc.Write(frames)
		for range requests {
			c.mustNext()
		}
		if d := time.Since(began); d != 100*time.Millisecond {
			t.Errorf("%d delayed requests took %v", requests, d)
		}
		mustSetEnv(m, "replica.read_throttling", "4*delay*100,8*reject*200")
		time.Sleep(900 * time.Millisecond)
		// Requests that take long are delayed just so.
		count := func() wire.ErrorCode {
			var resp wire.CountResponse
			return do(c, home("k"), wire.TaskSortKeyCount, wire.Blob("k"), resp.Read)
		}
		for i, want := range []string{"ERR_OK 0s", "ERR_OK 0s", "ERR_OK 100ms", "ERR_BUSY 200ms"} {
			if got := timed(count); got != want {
				t.Errorf("sortkey_count %d: %s, want %s", i, got, want)
			}
		}
		second()
		if got := timed(get); got != "ERR_OK 0s" {
			t.Errorf("get in the next second: %s", got)
		}
		if got := timed(put); got != "ERR_OK 0s" {
			t.Errorf("put is throttled as reads: %s", got)
		}
		// The delay is at most half of what the client waits.
		second()
		for range 3 {
			get()
		}
		impatient := home("k")
		impatient.TimeoutMs = 50
		if got := timed(func() wire.ErrorCode { _, code := c.getAt(impatient, "k"); return code }); got != "ERR_BUSY 25ms" {
			t.Errorf("impatient get: %s", got)
		}

		mustSetEnv(m, "replica.read_throttling", "1M*delay*1")
		mustSetEnv(m, "replica.write_throttling", "4*reject*300")
		second()
		for i, want := range []string{"ERR_OK 0s", "ERR_OK 0s", "ERR_BUSY 300ms"} {
			if got := timed(put); got != want {
				t.Errorf("put %d: %s, want %s", i, got, want)
			}
		}
		mustSetEnv(m, "replica.write_throttling", "1M*reject*1")
		mustSetEnv(m, "replica.write_throttling_by_size", "1000*reject*0")
		second()
		for i, want := range []string{"ERR_OK 0s", "ERR_BUSY 0s"} {
			if got := timed(put); got != want {
				t.Errorf("put %d by size: %s, want %s", i, got, want)
			}
		}

		// A bucket of bytes: a read may empty it, the next one must wait.
		second()
		if code := put(); code != wire.ErrOK {
			t.Fatal(code)
		}
		mustSetEnv(m, "replica.read_throttling_by_size", "400")
		for i, want := range []string{"ERR_OK 0s", "ERR_BUSY 0s"} {
			if got := timed(get); got != want {
				t.Errorf("get %d by size: %s, want %s", i, got, want)
			}
		}
		time.Sleep(3 * time.Second)
		if got := timed(get); got != "ERR_OK 0s" {
			t.Errorf("get by size later: %s", got)
		}

		// Backup requests beyond the rate are not answered at all.
		mustSetEnv(m, "replica.read_throttling_by_size", "1M")
		mustSetEnv(m, "replica.backup_request_throttling", "4*reject*100")
		second()
		backup := home("k")
		backup.BackupRequest = true
		for range 2 {
			if _, code := c.getAt(backup, "k"); code != wire.ErrOK {
				t.Errorf("backup get: %v", code)
			}
		}
		send(c, backup, wire.TaskGet, key("k", ""))
		if code := get(); code != wire.ErrOK { // fails if the one before was answered
			t.Errorf("get: %v", code)
		}
	})
}

// The time limit of reads can be set for a table.
func TestIterationThreshold(t *testing.T) {
	clock := newTestClock()
	ticking := func() time.Time {
		clock.advance(10 * time.Millisecond) // every look at the clock takes time
		return clock.now()
	}
	s := start(t, Options{Clock: ticking})
	c, m := dial(t, s.Replicas()[0]), dial(t, s.Metas()[0])
	var kvs []wire.KeyValue
	for i := range 1000 {
		kvs = append(kvs, wire.KeyValue{Key: fmt.Append(nil, i)})
	}
	var put wire.UpdateResponse
	do(c, home("k"), wire.TaskMultiPut, wire.MultiPutRequest{HashKey: []byte("k"), KVs: kvs}, put.Read)
	count := func() int64 {
		var resp wire.CountResponse
		do(c, home("k"), wire.TaskSortKeyCount, wire.Blob("k"), resp.Read)
		return resp.Count
	}
	if n := count(); n != 1000 {
		t.Errorf("count %d by the default limit", n)
	}
	mustSetEnv(m, "replica.rocksdb_iteration_threshold_time_ms", "30")
	if n := count(); n != -1 {
		t.Errorf("count %d in 30 ms", n)
	}
	mustSetEnv(m, "replica.rocksdb_iteration_threshold_time_ms", "0")
	if n := count(); n != 1000 {
		t.Errorf("count %d without a limit", n)
	}
}

func TestTTLAtTheEdges(t *testing.T) {
	clock := newTestClock()
	s := start(t, Options{Clock: clock.now})
	c := dial(t, s.Replicas()[0])
	now := int32(schema.EpochSeconds(clock.now()))
	for _, tc := range []struct {
		expire int32
		status wire.Status
		ttl    int32
	}{
		{0, 0, -1},
		{now, wire.StatusNotFound, 0},
		{now - 1, wire.StatusNotFound, 0},
		{now + 1, 0, 1},
		{1<<31 - 1, 0, 1<<31 - 1 - now},
		{-1, 0, -1 - now}, // the year 2152, wrapped
	} {
		if resp, code := c.putAt(home("k"), "k", "v", tc.expire); code != wire.ErrOK || resp.Error != 0 {
			t.Fatal(code, resp.Error)
		}
		var resp wire.TTLResponse
		do(c, home("k"), wire.TaskTTL, key("k", ""), resp.Read)
		if resp.Error != tc.status || resp.TTLSeconds != tc.ttl {
			t.Errorf("expiry %d: status %d, ttl %d; want %d, %d", tc.expire, resp.Error, resp.TTLSeconds, tc.status, tc.ttl)
		}
	}
}
